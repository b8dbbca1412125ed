"""Cases and rectification: acceptance before netting, ② apart from ④, 宗 are cases."""

from __future__ import annotations

import datetime
from fractions import Fraction
from typing import Any

import pytest

from pipeline.rules.books.rectification import (
    NO_OUTCOME,
    CaseCounts,
    case_rows,
    cases_without_violation,
    concealment,
    count_cases,
    patch_outcomes,
)
from tests.books_factory import A, B, case_row, counted_row, link, m2

CLOSES = datetime.date(2026, 9, 30)
ACCEPTED = {
    "rectification": "demolished_restored",
    "closed_date": "2026-08-01",
    "accepted_date": "2026-09-30",
}


def outcome(*cases: dict[str, Any], closes_on: datetime.date | None = CLOSES) -> Any:
    numbered = [case | {"case_no": f"K{number}"} for number, case in enumerate(cases)]
    links = [link(case["case_no"], "P1") for case in numbered]
    return patch_outcomes(["P1"], numbered, links, closes_on)["P1"]


def test_a_patch_without_a_case_is_neither_closed_nor_rectified() -> None:
    found = patch_outcomes(["P1"], [case_row()], [link("K1", "P2"), link("K9", "P1")], CLOSES)
    assert found == {"P1": NO_OUTCOME}
    assert NO_OUTCOME.is_closed is None
    assert NO_OUTCOME.is_rectified is False


@pytest.mark.parametrize(
    ("changes", "closed", "way"),
    [
        ({}, True, "demolished_restored"),
        ({"accepted_date": "2026-10-01"}, True, None),
        ({"accepted_date": None}, True, None),
        ({"rectification": "not_rectified"}, True, None),
        ({"closed_date": "2026-10-01"}, False, "demolished_restored"),
        ({"closed_date": None}, False, "demolished_restored"),
        ({"closed_date": None, "is_filed_otherwise": True}, True, "demolished_restored"),
        ({"rectification": "both"}, True, "both"),
    ],
)
def test_only_what_is_dated_up_to_the_closing_date_counts(
    changes: dict[str, Any], closed: bool, way: str | None
) -> None:
    found = outcome(case_row(**ACCEPTED | changes))
    assert found.is_closed is closed
    assert found.net_way == way
    assert found.is_rectified is (way is not None)


def test_without_a_closing_date_any_date_counts() -> None:
    case = case_row(**ACCEPTED | {"accepted_date": "2030-01-01", "closed_date": "2030-01-01"})
    assert outcome(case).net_way is None
    assert outcome(case, closes_on=None).net_way == "demolished_restored"


def test_accepted_without_a_stated_way_is_unknown_and_not_netted() -> None:
    found = outcome(case_row(**ACCEPTED | {"rectification": None}))
    assert found.net_way is None
    assert found.is_rectified is None
    second = case_row(rectification="not_rectified")
    assert outcome(case_row(**ACCEPTED | {"rectification": None}), second).is_rectified is False


def test_every_case_of_a_patch_must_be_accepted() -> None:
    regularised = ACCEPTED | {"rectification": "regularised"}
    assert outcome(case_row(**ACCEPTED), case_row(**ACCEPTED)).net_way == "demolished_restored"
    assert outcome(case_row(**ACCEPTED), case_row(**regularised)).net_way == "both"
    half = outcome(case_row(**ACCEPTED), case_row(closed_date="2026-08-01"))
    assert half.net_way is None
    assert half.is_closed is True
    assert outcome(case_row(**ACCEPTED), case_row()).is_closed is False


def test_dealt_with_otherwise_is_not_closed_by_filing() -> None:
    assert outcome(case_row(**ACCEPTED)).is_closed_by_filing
    otherwise = outcome(case_row(is_filed_otherwise=True))
    assert otherwise.is_closed is True
    assert not otherwise.is_closed_by_filing


def test_columns_keep_rectification_from_what_is_no_violation() -> None:
    found = outcome(case_row(**ACCEPTED))
    assert found.columns(True) == {
        "case_nos": ["K0"],
        "is_closed": True,
        "net_way": "demolished_restored",
        "is_rectified": True,
    }
    assert found.columns(False)["net_way"] is None
    assert found.columns(False)["is_rectified"] is None
    assert found.columns(False)["case_nos"] == ["K0"]


def test_cases_are_counted_and_not_patches() -> None:
    rows = [
        counted_row("P1", township_code=A, area_m2=m2("5 亩"), source_group="detected"),
        counted_row("P2", township_code=B, area_m2=m2("6 亩")),
        counted_row("P3", township_code=B, judgement="other_use"),
        counted_row("P4", township_code=A, source_group="detected"),
        counted_row("P5", township_code=None),
    ]
    cases = [
        case_row("K1", **ACCEPTED),
        case_row("K2", is_filed_otherwise=True, closed_date="2026-08-01"),
        case_row("K3", closed_date="2026-08-01"),
        case_row("K4"),
    ]
    links = [link("K1", "P1"), link("K1", "P2"), link("K2", "P4"), link("K3", "P4")]
    links += [link("K4", "P3")]
    found = {row.key: row for row in case_rows(rows, cases, links, CLOSES)}
    assert list(found) == ["K1", "K2", "K3", "P5"]
    assert found["K1"].patch_ids == ("P1", "P2")
    # The larger patch decides the township; one issued patch makes the case an issued one.
    assert found["K1"].unit_code == B
    assert found["K1"].source_group == "issued"
    assert found["K1"].is_closed
    assert found["K1"].is_rectified
    # ② and ④ exclude each other whatever is written.
    assert found["K2"].is_filed_otherwise
    assert not found["K2"].is_closed
    assert found["K3"].is_closed
    assert not found["K3"].is_rectified
    assert found["P5"].case_no is None
    assert found["P5"].unit_code == "000000000"
    assert cases_without_violation(rows, cases, links) == ("K4",)
    counts = count_cases(found.values())
    assert counts == CaseCounts(4, 2, 1, 1, 1)
    assert counts.open == 1
    assert counts.duty_ratio == Fraction(3, 4)
    assert counts.rectified_ratio == Fraction(2, 4)


def test_of_equal_patches_the_smaller_id_decides_the_township() -> None:
    rows = [counted_row("P2", township_code=B), counted_row("P1", township_code=A)]
    found = case_rows(rows, [case_row()], [link("K1", "P1"), link("K1", "P2")], None)
    assert [row.unit_code for row in found] == [A]


def test_rectified_is_a_part_of_closed() -> None:
    open_case = case_row(**ACCEPTED | {"closed_date": None})
    (found,) = case_rows([counted_row()], [open_case], [link("K1", "P1")], CLOSES)
    assert not found.is_rectified


def test_ratios_of_nothing_can_not_be_computed() -> None:
    counts = count_cases([])
    assert counts.duty_ratio is None
    assert counts.rectified_ratio is None


def test_concealment_has_three_states() -> None:
    cases = [
        case_row("K1", is_concealed=True),
        case_row("K2", is_concealed=None),
        case_row("K3", is_concealed=False),
    ]
    links = [link("K1", "P1"), link("K2", "P1"), link("K2", "P2"), link("K3", "P2")]
    links += [link("K3", "P3")]
    found = concealment(["P1", "P2", "P3", "P4"], cases, links)
    assert found == {"P1": True, "P2": None, "P3": False, "P4": None}


def test_one_open_case_keeps_a_patch_from_being_closed_by_filing() -> None:
    closed, still_open = {"closed_date": "2026-08-01"}, {"filed_date": "2026-08-01"}
    assert outcome(closed, closed).is_closed_by_filing
    assert not outcome(closed, still_open).is_closed_by_filing
