"""Which date clears what, renewals, and coverage by several documents."""

from __future__ import annotations

import datetime

import pytest

from pipeline.rules.screening.permissions import (
    Standing,
    Window,
    coverage_by,
    small_cultivated_rest,
    standing_of,
    standing_together,
)
from tests.screening_facts import AFTER, BEFORE, RULES, D, document, patch, piece

WINDOW = Window(BEFORE, AFTER)
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize("layer", ["approvals", "supply", "registration", "facility_land"])
@pytest.mark.parametrize(
    ("decided", "standing"),
    [
        (BEFORE - DAY, Standing.TIMELY),
        (BEFORE, Standing.TIMELY),
        (BEFORE + DAY, Standing.BETWEEN),
        (AFTER, Standing.BETWEEN),
        (AFTER + DAY, Standing.LATE),
        (None, Standing.UNDATED),
    ],
)
def test_the_day_before_and_the_day_of_each_image(
    layer: str, decided: D | None, standing: Standing
) -> None:
    assert standing_of(document(layer, "a", decided), WINDOW) is standing


@pytest.mark.parametrize("window", [Window(None, AFTER), Window(BEFORE, None), Window(None, None)])
def test_without_an_image_date_nothing_can_be_compared(window: Window) -> None:
    for decided in (D(1990, 1, 1), D(2030, 1, 1), None):
        assert standing_of(document("approvals", "a", decided), window) is Standing.UNDATED


def test_the_rule_may_let_documents_clear_until_the_after_date() -> None:
    loose = Window(BEFORE, AFTER, clears_until_after=True)
    assert standing_of(document("approvals", "a", AFTER), loose) is Standing.TIMELY
    assert standing_of(document("approvals", "a", AFTER + DAY), loose) is Standing.LATE


@pytest.mark.parametrize(
    ("last", "standing"),
    [
        (AFTER, Standing.TIMELY),
        (AFTER - DAY, Standing.EXPIRED),
        (BEFORE - DAY, Standing.EXPIRED),
    ],
)
@pytest.mark.parametrize("layer", ["facility_land", "temporary_land", "mining_rights"])
def test_validity_must_reach_the_after_date(layer: str, last: D, standing: Standing) -> None:
    start = D(2020, 1, 1)
    assert standing_of(document(layer, "a", start, start, last), WINDOW) is standing


def test_an_open_end_is_open_for_filings_and_unknown_for_temporary_land() -> None:
    start = D(2020, 1, 1)
    assert standing_of(document("facility_land", "a", start, start), WINDOW) is Standing.TIMELY
    assert standing_of(document("temporary_land", "a", start, start), WINDOW) is Standing.UNDATED


def test_a_later_first_day_of_validity_counts_instead_of_the_filing() -> None:
    later = document("facility_land", "a", D(2023, 1, 1), BEFORE + DAY, D(2030, 1, 1))
    assert standing_of(later, WINDOW) is Standing.BETWEEN


@pytest.mark.parametrize(
    ("first_ends", "second_starts", "standing"),
    [
        (D(2024, 6, 30), D(2024, 7, 1), Standing.TIMELY),
        (D(2024, 6, 30), D(2024, 6, 1), Standing.TIMELY),
        (D(2024, 6, 30), D(2024, 7, 2), Standing.BETWEEN),
        (BEFORE, BEFORE + DAY, Standing.TIMELY),
        (BEFORE - DAY, BEFORE + DAY, Standing.BETWEEN),
    ],
)
def test_renewals_without_a_gap_count_as_one(
    first_ends: D, second_starts: D, standing: Standing
) -> None:
    both = [
        document("temporary_land", "a", D(2022, 7, 1), D(2022, 7, 1), first_ends),
        document("temporary_land", "b", second_starts, second_starts, D(2026, 1, 1)),
    ]
    assert standing_together(both, WINDOW) is standing
    assert standing_together(both[::-1], WINDOW) is standing


def test_renewals_of_different_layers_do_not_join() -> None:
    both = [
        document("temporary_land", "a", D(2022, 7, 1), D(2022, 7, 1), D(2024, 6, 30)),
        document("facility_land", "b", D(2024, 7, 1), D(2024, 7, 1), D(2026, 1, 1)),
    ]
    assert standing_together(both, WINDOW) is Standing.BETWEEN


def test_the_best_document_on_the_ground_counts() -> None:
    early, late = document("approvals", "a", BEFORE), document("approvals", "b", AFTER + DAY)
    undated = document("approvals", "c")
    assert standing_together([late, undated, early], WINDOW) is Standing.TIMELY
    assert standing_together([late, undated], WINDOW) is Standing.UNDATED
    assert standing_together([], WINDOW) is Standing.NONE


def test_documents_together_count_overlaps_once_and_level_by_level() -> None:
    early, late = document("approvals", "a", BEFORE), document("approvals", "b", AFTER + DAY)
    facts = patch([piece(600.0, early, late), piece(300.0, late), piece(100.0)], [early, late])
    coverage = coverage_by(facts, ("approvals",), WINDOW)
    assert coverage.area_m2(Standing.TIMELY) == 600.0
    assert coverage.area_m2() == 900.0
    assert [one.area_m2 for one in coverage.outside(Standing.LATE)] == [100.0]
    assert coverage.documents(Standing.LATE) == (late,)
    assert coverage.documents() == (early, late)
    assert coverage.area_m2(Standing.TIMELY) == 600.0


def test_shares_are_compared_exactly() -> None:
    rule = RULES.at("screening.full_cover_ratio", AFTER)
    assert rule.meets_share(950.0, 1000.0)
    assert not rule.meets_share(949.9999999999999, 1000.0)


@pytest.mark.parametrize(
    ("rest", "has_land_use", "is_small"),
    [
        ([piece(333.33)], True, True),
        ([piece(333.34)], True, False),
        ([piece(333.34, land_category="unused")], True, True),
        ([piece(333.34, land_category=None)], True, None),
        ([piece(200.0), piece(133.34, land_category=None)], True, None),
        ([piece(333.34), piece(9999.0, land_category=None)], True, False),
        ([piece(333.33, land_category=None)], False, True),
        ([piece(333.34, land_category=None)], False, None),
        ([], False, True),
    ],
)
def test_land_of_unknown_class_is_neither_cultivated_nor_not(
    rest: list[object], has_land_use: bool, is_small: bool | None
) -> None:
    rule = RULES.at("screening.uncovered_cultivated", AFTER)
    assert small_cultivated_rest(rest, has_land_use, rule) is is_small  # type: ignore[arg-type]
