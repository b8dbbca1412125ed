"""The quota ledger: postings from inputs, corrections that change nothing, both equations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.errors import Severity
from pipeline.rules.books.balances import (
    DeductionAccount,
    QuotaAccount,
    UnitAccount,
    balances,
    check_ledger,
    county_account,
    deducted_by_unit,
)
from pipeline.rules.books.ledger import (
    POSTING_KINDS,
    deduction_postings,
    input_postings,
    inputs_to_post,
    plan_postings,
)
from pipeline.rules.books.postings import Line, Posting, posted, standing
from pipeline.schema.events import Event
from tests.books_factory import COUNTY, A, B, C, input_row, ledger_rows

DOC = "甲文〔2027〕1号"
WEIGHTS = {2027: {A: 100, B: 200, C: 0}}


def plan(
    inputs: Iterable[dict[str, Any]],
    existing: Sequence[Posting] = (),
    weights: Any = WEIGHTS,
) -> list[Posting]:
    return plan_postings(inputs, existing, weights, COUNTY)


def amounts(posting: Posting, account: str) -> dict[str, int]:
    return {line.unit_code: line.amount_mu100 for line in posting.lines if line.account == account}


def accounts(history: Sequence[Posting], year: int = 2027) -> dict[str, UnitAccount]:
    rows = ledger_rows(history)
    assert [found for found in check_ledger(rows) if found.severity is Severity.BLOCK] == []
    return balances(rows, year)


def test_inputs_and_kinds_are_those_of_the_code_tables() -> None:
    table = load_codes(CODES_DIR / "county_input.csv")
    kinds = {code: row["posting_kind"] for code, row in table.attributes.items()}
    assert {code: kind for code, kind in kinds.items() if kind} == POSTING_KINDS
    known = set(load_codes(CODES_DIR / "posting_kind.csv").labels)
    assert {*POSTING_KINDS.values(), "correction"} == known


def test_every_posting_sums_to_zero_and_is_keyed_by_its_document() -> None:
    inputs = [
        input_row(item, COUNTY, 10.0 + number) for number, item in enumerate(sorted(POSTING_KINDS))
    ]
    found = plan(inputs)
    assert len(found) == 7
    for posting in found:
        assert sum(line.amount_mu100 for line in posting.lines) == 0
    keys = {posting.key for posting in found}
    assert f"allotted|2027|{DOC}|{COUNTY}" in keys
    assert f"deducted|2027|{DOC}|{COUNTY}" in keys


def test_what_no_posting_belongs_to_is_not_posted() -> None:
    assert plan([input_row("denominator_cultivated", COUNTY, 5.0)]) == []


def test_the_countys_deduction_is_shared_out_exactly() -> None:
    (found,) = plan([input_row("quota_deducted", COUNTY, 10.0)])
    assert amounts(found, "deduction") == {A: 333, B: 667, C: 0}
    assert amounts(found, "quota") == {A: -333, B: -667, C: 0}
    # C was given nothing, which is not the same as nobody having said anything.
    assert accounts([found])[C].deduction.deducted == 0


def test_without_weights_it_stays_with_the_county() -> None:
    (found,) = plan([input_row("quota_deducted", COUNTY, 10.0)], weights={})
    assert amounts(found, "deduction") == {COUNTY: 1000}
    assert found.is_unshared
    # Weights that are known later share it out by a correction.
    later = plan([input_row("quota_deducted", COUNTY, 10.0)], [found])
    assert [posting.posting_kind for posting in later] == ["correction", "deducted"]
    # And weights that are lost again leave it where it is.
    history = [found, *later]
    assert plan([input_row("quota_deducted", COUNTY, 10.0)], history, weights={}) == []
    changed = plan([input_row("quota_deducted", COUNTY, 11.0)], history, weights={})
    assert amounts(changed[-1], "deduction") == {COUNTY: 1100}


def test_two_documents_deduct_in_one_year() -> None:
    inputs = [
        input_row("quota_deducted", COUNTY, 10.0),
        input_row("quota_deducted", COUNTY, 5.0, doc_no="乙文〔2027〕9号"),
        input_row("quota_deducted", COUNTY, 7.0, year=2028),
    ]
    found = plan(inputs)
    assert len(found) == 3
    whole = county_account(accounts(found), COUNTY)
    assert whole.deduction.deducted == whole.quota.deducted == 1500
    # No weights for 2028: it stays with the county.
    assert accounts(found, 2028)[COUNTY].deduction.deducted == 700


def test_stated_township_shares_stand_and_the_rest_is_shared_out() -> None:
    inputs = [input_row("quota_deducted", COUNTY, 10.0), input_row("quota_deducted", C, 4.0)]
    (found,) = plan(inputs)
    assert amounts(found, "deduction") == {A: 200, B: 400, C: 400}
    (alone,) = plan([input_row("quota_deducted", C, 4.0)])
    assert amounts(alone, "deduction") == {C: 400}
    (all_stated,) = plan([*inputs, input_row("quota_deducted", A, 9.0)])
    assert sum(amounts(all_stated, "deduction").values()) == 1000
    assert amounts(all_stated, "deduction")[COUNTY] == -300


def test_a_restitution_follows_what_is_outstanding() -> None:
    inputs = [
        input_row("quota_deducted", COUNTY, 9.0),
        input_row("deduction_opening", C, 3.0, doc_no=None),
        input_row("quota_restored", COUNTY, 6.0, doc_no="丙文1号"),
        input_row("quota_restored", COUNTY, 6.0, doc_no="丙文2号"),
    ]
    history = plan(inputs)
    restored = [posting for posting in history if posting.posting_kind == "restored"]
    assert [amounts(posting, "deduction") for posting in restored] == [
        {A: -150, B: -300, C: -150},
        {A: -150, B: -300, C: -150},
    ]
    found = accounts(history)
    assert [found[code].deduction.closing for code in (A, B, C)] == [0, 0, 0]
    assert plan(inputs, history) == []


def test_township_restitution_is_posted_as_stated() -> None:
    history = plan(
        [input_row("quota_deducted", COUNTY, 9.0), input_row("quota_restored", A, 1.0)],
    )
    found = accounts(history)
    assert found[A].deduction == DeductionAccount(None, 300, 100, 200)
    assert county_account(found, COUNTY).deduction == DeductionAccount(None, 900, 100, 800)


def test_restitution_without_deduction_stays_with_the_county_and_is_reported() -> None:
    history = plan([input_row("quota_restored", COUNTY, 1.0)])
    found = accounts(history)
    assert found[COUNTY].deduction.closing == -100
    (finding,) = check_ledger(ledger_rows(history))
    assert finding.code == "E-LEDGER-BALANCE"
    assert finding.severity is Severity.NOTICE
    assert "返还数大于" in finding.what
    assert finding.value == "1.00 亩"


def test_the_same_inputs_add_nothing() -> None:
    inputs = [
        input_row("quota_allotted", COUNTY, 100.0),
        input_row("quota_deducted", COUNTY, 10.0),
        input_row("quota_restored", COUNTY, 1.0),
    ]
    history = plan(inputs)
    assert plan(inputs, history) == []
    assert plan(inputs[::-1], history) == []
    relabelled = [row | {"source_title": "另一来源"} for row in inputs]
    assert plan(relabelled, history) == []


def test_a_changed_amount_is_a_correction_and_history_stays() -> None:
    history = plan([input_row("quota_allotted", A, 100.0)])
    for step, value in enumerate((120.0, 90.0, 120.0), 2):
        added = plan([input_row("quota_allotted", A, value)], history)
        correction, renewed = added
        assert correction.posting_kind == "correction"
        assert correction.reverses_key == history[-1].key
        assert renewed.key == f"allotted|2027|{DOC}|{A}#{step}"
        history += added
        assert accounts(history)[A].quota == QuotaAccount(
            allotted=int(value * 100), closing=int(value * 100)
        )
        assert plan([input_row("quota_allotted", A, value)], history) == []
    assert len({posting.key for posting in history}) == len(history) == 7


def test_a_corrected_deduction_moves_the_restitution_with_it() -> None:
    inputs = [
        input_row("quota_deducted", COUNTY, 9.0),
        input_row("quota_restored", COUNTY, 3.0, doc_no="丙文1号"),
        input_row("quota_restored", COUNTY, 3.0, doc_no="丙文10号"),
    ]
    history = plan(inputs)
    other = {2027: {A: 200, B: 100, C: 0}}
    history += plan(inputs, history, weights=other)
    assert plan(inputs, history, weights=other) == []
    found = accounts(history)
    assert found[A].deduction == DeductionAccount(None, 600, 400, 200)
    assert found[B].deduction == DeductionAccount(None, 300, 200, 100)


def test_zero_and_huge_amounts_are_posted_exactly() -> None:
    inputs = [
        input_row("quota_opening", A, 0.0, doc_no=None),
        input_row("quota_allotted", A, 99999999999.99),
    ]
    found = accounts(plan(inputs))[A].quota
    assert found.opening == 0
    assert found.closing == 9999999999999


def test_what_nobody_stated_is_none_and_not_zero() -> None:
    history = plan([input_row("quota_deducted", COUNTY, 9.0)])
    found = accounts(history)[A]
    assert found.quota == QuotaAccount(deducted=300)
    assert found.quota.closing is None
    assert found.deduction == DeductionAccount(None, 300, None, 300)
    allotted = accounts(plan([input_row("quota_allotted", A, 9.0)]))[A]
    assert allotted.deduction == DeductionAccount()


def test_the_county_is_what_it_stated_else_its_townships() -> None:
    inputs = [
        input_row("quota_allotted", COUNTY, 100.0),
        input_row("quota_allotted", A, 60.0),
        input_row("quota_opening", A, 3.0),
        input_row("quota_opening", B, 4.0),
        input_row("quota_carried_out", COUNTY, 1.0),
        input_row("quota_deducted", COUNTY, 9.0),
    ]
    whole = county_account(accounts(plan(inputs)), COUNTY)
    assert whole.quota == QuotaAccount(700, 10000, None, None, 900, 100, 9700)
    assert whole.quota.closing == whole.quota.expected_closing
    assert county_account({}, COUNTY) == UnitAccount()


def test_a_negative_quota_is_a_notice() -> None:
    history = plan([input_row("quota_allotted", A, 1.0), input_row("quota_deducted", COUNTY, 9.0)])
    (finding,) = check_ledger(ledger_rows(history))
    assert finding.severity is Severity.NOTICE
    assert A in finding.where
    assert finding.value == "-2.00 亩"


def corrected_rows() -> list[dict[str, Any]]:
    """Posting 1, its correction 2, what replaces it 3; two lines each."""
    history = plan([input_row("quota_allotted", A, 1.0)])
    history += plan([input_row("quota_allotted", A, 2.0)], history)
    rows = [dict(row) for row in ledger_rows(history)]
    assert check_ledger(rows) == []
    return rows


@pytest.mark.parametrize(
    ("posting_no", "change", "what"),
    [
        (2, {"reverses_no": None}, "没有指明"),
        (2, {"reverses_no": 2}, "没有指明"),
        (2, {"reverses_no": 9}, "没有指明"),
        (3, {"posting_kind": "restated"}, "指标账期末数与各项不符"),
    ],
)
def test_every_broken_posting_is_named(posting_no: int, change: dict[str, Any], what: str) -> None:
    rows = corrected_rows()
    for row in rows:
        if row["posting_no"] == posting_no:
            row |= change
    found = check_ledger(rows)
    assert any(what in finding.what for finding in found), found
    assert {finding.code for finding in found} == {"E-LEDGER-BALANCE"}


@pytest.mark.parametrize(
    ("line", "change", "what"),
    [
        (0, {"amount_mu100": 101}, "第 1 号凭证借贷不平"),
        (2, {"amount_mu100": -99}, "没有全额冲销第 1 号凭证"),
        (4, {"posting_kind": "opening"}, "第 3 号凭证各分录"),
        (5, {"year": 2026}, "第 3 号凭证各分录"),
        (2, {"reverses_no": 9}, "第 2 号凭证各分录"),
    ],
)
def test_every_broken_line_is_named(line: int, change: dict[str, Any], what: str) -> None:
    rows = corrected_rows()
    rows[line] |= change
    assert any(what in finding.what for finding in check_ledger(rows))


def test_a_posting_taken_back_twice_is_named() -> None:
    history = plan([input_row("quota_allotted", A, 1.0)])
    history += plan([input_row("quota_allotted", A, 2.0)], history)
    rows = [dict(row) for row in ledger_rows(history)]
    again = [row | {"posting_no": 4} for row in rows if row["posting_kind"] == "correction"]
    assert any("冲销两次" in finding.what for finding in check_ledger(rows + again))


def test_an_earlier_period_does_not_take_back_what_a_later_one_corrected() -> None:
    first = input_row("quota_allotted", A, 1.0, run="Q1")
    second = input_row("quota_allotted", A, 2.0, run="Q2")
    other = input_row("quota_allotted", B, 3.0, run="Q1")
    share = input_row("denominator_cultivated", B, 3.0, run="Q1")
    rows, runs = [first, second, other, share], ["Q1", "Q2"]
    assert inputs_to_post(rows, "Q1", runs) == [other]
    assert inputs_to_post(rows, "Q2", runs) == [second]


def test_deductions_of_the_year_before_by_unit() -> None:
    rows = ledger_rows(plan([input_row("quota_deducted", COUNTY, 9.0)]))
    assert deducted_by_unit(rows, 2027) == {A: 300, B: 600, C: 0}
    assert deducted_by_unit(rows, 2026) == {}
    assert deducted_by_unit(rows, 2027, except_run="2026Q1") == {}


def test_postings_come_back_from_their_events() -> None:
    history = plan([input_row("quota_deducted", COUNTY, 9.0)])
    history += plan([input_row("quota_deducted", COUNTY, 8.0)], history)
    events = [Event("posting_made", "2026Q1", one.key, one.payload()) for one in history]
    other = Event("collected", "2026Q1", "2026Q1", {})
    assert list(posted([other, *events])) == history
    assert history[0].payload()["lines"][0] == {
        "account": "quota",
        "unit_code": A,
        "amount_mu100": -300,
    }


def test_parts_can_be_planned_by_themselves() -> None:
    inputs = [input_row("quota_opening", B, 2.0), input_row("quota_opening", A, 1.0)]
    opening = input_postings(inputs)
    assert [one.lines for one in opening] == [
        (Line("quota", A, 100), Line("opening", A, -100)),
        (Line("quota", B, 200), Line("opening", B, -200)),
    ]
    assert deduction_postings(inputs, WEIGHTS, COUNTY) == []


def test_of_what_the_townships_shares_leave_nothing_the_others_get_nothing() -> None:
    inputs = [input_row("quota_deducted", COUNTY, 4.0), input_row("quota_deducted", C, 4.0)]
    (found,) = plan(inputs)
    assert amounts(found, "deduction") == {A: 0, B: 0, C: 400}
    (nothing,) = plan([input_row("quota_deducted", COUNTY, 0.0)], weights={})
    assert amounts(nothing, "deduction") == {COUNTY: 0}
    assert nothing.amount_mu100 == 0
    assert found.amount_mu100 == 400


def test_a_share_stated_anew_is_corrected_also_when_nothing_else_can_be_shared_out() -> None:
    county = input_row("quota_deducted", COUNTY, 9.0)
    history = plan([county, input_row("quota_deducted", C, 4.0)])
    found = plan([county, input_row("quota_deducted", C, 5.0)], history, weights={})
    assert [posting.posting_kind for posting in found] == ["correction", "deducted"]
    assert amounts(found[1], "deduction") == {C: 500, COUNTY: 400}


def test_restitutions_follow_each_other_as_they_were_posted() -> None:
    inputs = [
        input_row("quota_deducted", A, 3.0),
        input_row("quota_deducted", B, 6.0),
        input_row("quota_restored", A, 3.0, doc_no="丙文2号"),
    ]
    history = plan(inputs)
    later = input_row("quota_restored", COUNTY, 3.0, doc_no="丙文1号")
    # A has everything back by the document posted before, though its number is the higher one.
    (found,) = plan([*inputs, later], history)
    assert amounts(found, "deduction") == {A: 0, B: -300}
    # Nor does it matter whether the period that is collected states the earlier ones again.
    (alone,) = plan([later], history)
    assert amounts(alone, "deduction") == {A: 0, B: -300}


def test_what_was_taken_back_no_longer_stands() -> None:
    history = plan([input_row("quota_allotted", A, 1.0)])
    for value in (2.0, 3.0):
        history += plan([input_row("quota_allotted", A, value)], history)
    key = f"allotted|2027|{DOC}|{A}"
    counting = standing(history)
    assert list(counting) == [key]
    assert (counting[key].key, counting[key].amount_mu100) == (f"{key}#3", 300)
    assert standing(history[:2]) == {}


def test_one_inflow_is_enough_for_a_closing() -> None:
    for item, value in (("quota_allotted", 2.0), ("quota_opening", 3.0), ("quota_carried_in", 4.0)):
        found = accounts(plan([input_row(item, A, value)]))[A].quota
        assert found.closing == round(100 * value)


def test_the_countys_restitutions_are_summed_and_its_opening_stands_alone() -> None:
    rows = [
        ("restored", (("quota", COUNTY, 50), ("deduction", COUNTY, -50))),
        ("restored", (("quota", A, 100), ("deduction", A, -100))),
        ("deduction_opening", (("deduction", COUNTY, 620), ("opening", COUNTY, -620))),
        ("deduction_opening", (("deduction", A, 300), ("opening", A, -300))),
    ]
    history = [
        Posting(f"{kind}|{n}", kind, 2027, None, "", tuple(Line(*line) for line in lines))
        for n, (kind, lines) in enumerate(rows)
    ]
    whole = county_account(balances(ledger_rows(history), 2027), COUNTY)
    assert whole.quota.restored == 150
    assert whole.deduction == DeductionAccount(620, None, 150, 470)


def test_a_hundredth_too_much_given_back_is_told() -> None:
    history = plan([input_row("quota_deducted", A, 1.0), input_row("quota_restored", A, 1.01)])
    told = [found for found in check_ledger(ledger_rows(history)) if "返还数大于" in found.what]
    assert [found.value for found in told] == ["0.01 亩"]
