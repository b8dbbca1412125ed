"""Laws of the ledger that hold for any inputs in any order: sums, equations, repetition."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Severity
from pipeline.rules.books.apportion import apportion
from pipeline.rules.books.balances import balances, check_ledger, county_account
from pipeline.rules.books.ledger import POSTING_KINDS, plan_postings
from pipeline.rules.books.postings import Posting
from tests.books_factory import COUNTY, A, B, C, input_row, ledger_rows

UNITS = (A, B, C, COUNTY)
weights = st.dictionaries(st.sampled_from((A, B, C)), st.integers(-5, 10**9))


@given(st.integers(-(10**15), 10**15), st.dictionaries(st.text("ab", max_size=4), st.integers()))
def test_shares_add_up_and_are_next_to_exact(total: int, by_unit: dict[str, int]) -> None:
    shares = apportion(total, by_unit)
    whole = sum(weight for weight in by_unit.values() if weight > 0)
    if whole <= 0:
        assert shares == {}
        return
    assert sum(shares.values()) == total
    assert list(shares) == sorted(by_unit)
    for code, share in shares.items():
        exact = Fraction(total * max(0, by_unit[code]), whole)
        assert math.floor(exact) <= share <= math.ceil(exact)


inputs = st.lists(
    st.builds(
        lambda item, unit, cents, doc: input_row(item, unit, cents / 100, doc_no=doc),
        st.sampled_from(sorted(POSTING_KINDS)),
        st.sampled_from(UNITS),
        st.integers(0, 10**7),
        st.sampled_from(["甲文1号", "甲文10号", "甲文1", None]),
    ),
    max_size=8,
    unique_by=lambda row: (row["item"], row["unit_code"], row["doc_no"]),
)


def closing_matches(history: list[Posting]) -> None:
    rows = ledger_rows(history)
    assert [found for found in check_ledger(rows) if found.severity is Severity.BLOCK] == []
    for posting in history:
        assert sum(line.amount_mu100 for line in posting.lines) == 0
    for account in balances(rows, 2027).values():
        for part in (account.quota, account.deduction):
            assert part.closing in (None, part.expected_closing)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(inputs, weights), min_size=1, max_size=4), st.randoms())
def test_any_history_of_statements_balances_and_settles(rounds: list, random: object) -> None:
    history: list[Posting] = []
    for stated, by_unit in rounds:
        before = list(history)
        added = plan_postings(stated, history, {2027: by_unit}, COUNTY)
        history += added
        # Nothing that was posted is changed, and no key is used twice.
        assert history[: len(before)] == before
        assert len({posting.key for posting in history}) == len(history)
        # The same statements again, in any order, add nothing.
        shuffled = list(stated)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert plan_postings(shuffled, history, {2027: by_unit}, COUNTY) == []
        closing_matches(history)


@settings(max_examples=60, deadline=None)
@given(inputs, weights)
def test_the_townships_sum_to_the_countys_documents(stated: list, by_unit: dict[str, int]) -> None:
    history = plan_postings(stated, [], {2027: by_unit}, COUNTY)
    whole = county_account(balances(ledger_rows(history), 2027), COUNTY)
    for name, item in (("deducted", "quota_deducted"), ("restored", "quota_restored")):
        rows = [row for row in stated if row["item"] == item]
        documents = {row["doc_no"] for row in rows}
        expected = 0
        for document in documents:
            here = [row for row in rows if row["doc_no"] == document]
            county = [row for row in here if row["unit_code"] == COUNTY]
            expected += sum(round(row["value_mu"] * 100) for row in county or here)
        assert (getattr(whole.deduction, name) or 0) == expected
        assert (getattr(whole.quota, name) or 0) == expected
