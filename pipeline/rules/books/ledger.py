"""What county inputs mean for the quota ledger (指标账): double entry, corrections only added.

Accounts of a unit: `quota` (指标) and `deduction` (扣减未返还); against them stand `superior`,
`opening` and `carry`. A deduction moves quota to the deduction account and a restitution moves it
back, so every posting sums to zero. Amounts are whole hundredths of a 亩.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.rules.books.apportion import apportion
from pipeline.rules.books.postings import Line, Posting, missing_postings, standing, stands
from pipeline.rules.books.rounding import exact_mu100, half_up
from pipeline.rules.books.row_values import text_of

Row = Mapping[str, Any]
Weights = Mapping[int, Mapping[str, int]]
"""Year of the quota → unit → weight, from `rules.books.quota.deduction_weights`."""

POSTING_KINDS: Mapping[str, str] = {
    "quota_opening": "opening",
    "quota_allotted": "allotted",
    "quota_carried_in": "carried_in",
    "quota_carried_out": "carried_out",
    "quota_deducted": "deducted",
    "quota_restored": "restored",
    "deduction_opening": "deduction_opening",
}
"""County input → kind of posting, as configs/codes/county_input.csv has it."""

SHARED_KINDS = ("deducted", "restored")
"""Stated for the county with a 文号 and shared out over the townships."""

_ENTRIES: Mapping[str, tuple[tuple[str, int], tuple[str, int]]] = {
    "opening": (("quota", 1), ("opening", -1)),
    "allotted": (("quota", 1), ("superior", -1)),
    "carried_in": (("quota", 1), ("carry", -1)),
    "carried_out": (("quota", -1), ("carry", 1)),
    "deducted": (("quota", -1), ("deduction", 1)),
    "restored": (("quota", 1), ("deduction", -1)),
    "deduction_opening": (("deduction", 1), ("opening", -1)),
}
_TEXTS: Mapping[str, str] = {
    "opening": "指标期初结存",
    "allotted": "上级下达指标",
    "carried_in": "上年结转指标",
    "carried_out": "结转下年指标",
    "deducted": "上级扣减指标",
    "restored": "上级返还指标",
    "deduction_opening": "扣减未返还期初数",
}


def inputs_to_post(inputs: Iterable[Row], run: str, runs: Sequence[str]) -> list[Row]:
    """County inputs of a run that no later run states anew; `runs` in order of registration.

    So an earlier period that is collected again does not take back what a later one corrected.
    """
    later = set(runs[runs.index(run) + 1 :])
    listed = [row for row in inputs if row["item"] in POSTING_KINDS]
    superseded = {_input_key(row) for row in listed if row["run"] in later}
    own = [row for row in listed if row["run"] == run and _input_key(row) not in superseded]
    return sorted(own, key=_input_key)


def plan_postings(
    inputs: Iterable[Row], existing: Sequence[Posting], weights: Weights, county_code: str
) -> list[Posting]:
    """What has to be posted so that the ledger says what the inputs say; empty if it does.

    `inputs` are those of `inputs_to_post`, `existing` the postings of all runs (`posted`).
    """
    listed = tuple(inputs)
    wanted = input_postings(listed)
    wanted += deduction_postings(listed, weights, county_code)
    wanted += restitution_postings(listed, wanted, existing, county_code)
    return missing_postings(wanted, existing)


def input_postings(inputs: Iterable[Row]) -> list[Posting]:
    """Openings, allotments and carries, posted to their unit as stated; sorted by key."""
    found = []
    for row in inputs:
        kind = POSTING_KINDS.get(row["item"])
        if kind is not None and kind not in SHARED_KINDS:
            amounts = {str(row["unit_code"]): _amount(row)}
            found.append(_posting(kind, row, str(row["unit_code"]), amounts))
    return sorted(found, key=lambda posting: posting.key)


def deduction_postings(inputs: Iterable[Row], weights: Weights, county_code: str) -> list[Posting]:
    """One posting per document of deduction, over the townships and exactly its amount.

    Shares that are stated for townships stand; the rest is shared out by the year's weights, or
    stays with the county if there are none.
    """
    return [
        _shared("deducted", rows, weights.get(_year(rows[0]), {}), county_code)
        for rows in _documents(inputs, "deducted")
    ]


def restitution_postings(
    inputs: Iterable[Row],
    wanted: Iterable[Posting],
    existing: Iterable[Posting],
    county_code: str,
) -> list[Posting]:
    """One posting per document of restitution, by what every unit still has outstanding.

    Outstanding is all that was deducted, less what the documents posted before it have given back;
    `wanted` are the deductions that are posted beside it. In the order in which they are posted.
    """
    documents = {
        _key("restored", rows[0], county_code): rows for rows in _documents(inputs, "restored")
    }
    posted_before = standing(existing)
    changed = {one.key: one for one in wanted if not stands(one, posted_before)}
    counting = {**posted_before, **changed}
    outstanding: dict[int, Counter[str]] = defaultdict(Counter)
    for posting in counting.values():
        if posting.posting_kind in ("deducted", "deduction_opening"):
            outstanding[posting.year].update(_deductions(posting))
    restored = [key for key, one in counting.items() if one.posting_kind == "restored"]
    found = []
    for key in dict.fromkeys((*restored, *documents)):
        if key in documents:
            rows = documents[key]
            posting = _shared("restored", rows, outstanding[_year(rows[0])], county_code)
            found.append(posting)
            if stands(posting, counting):
                posting = counting[key]
        else:
            posting = counting[key]
        outstanding[posting.year].update(_deductions(posting))
    return found


def _documents(inputs: Iterable[Row], kind: str) -> list[list[Row]]:
    """Inputs of a kind by year and document, in that order."""
    found: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in inputs:
        if POSTING_KINDS.get(row["item"]) == kind:
            found[_year(row), text_of(row, "doc_no") or ""].append(row)
    return [found[document] for document in sorted(found)]


def _shared(
    kind: str, rows: Sequence[Row], weights: Mapping[str, int], county_code: str
) -> Posting:
    """The county's amount of one document over its units; without it the stated shares alone."""
    stated = {
        str(row["unit_code"]): _amount(row) for row in rows if str(row["unit_code"]) != county_code
    }
    totals = [_amount(row) for row in rows if str(row["unit_code"]) == county_code]
    amounts = dict(stated)
    open_weights = {code: weight for code, weight in weights.items() if code not in stated}
    is_unshared = bool(totals) and not stated and not apportion(1, open_weights)
    if totals:
        rest = sum(totals) - sum(stated.values())
        shares = apportion(rest, open_weights) if rest >= 0 else {}
        amounts |= shares or ({county_code: rest} if rest or not stated else {})
    return replace(_posting(kind, rows[0], county_code, amounts), is_unshared=is_unshared)


def _posting(kind: str, row: Row, unit_code: str, amounts: Mapping[str, int]) -> Posting:
    doc_no = text_of(row, "doc_no")
    source = doc_no or text_of(row, "source_title") or "来源未注明"
    lines = tuple(
        Line(account, code, sign * amounts[code])
        for code in sorted(amounts)
        for account, sign in _ENTRIES[kind]
    )
    text = f"{_TEXTS[kind]}：{source}"
    return Posting(_key(kind, row, unit_code), kind, _year(row), doc_no, text, lines)


def _deductions(posting: Posting) -> dict[str, int]:
    """What a posting adds to every unit's deduction account."""
    return {
        line.unit_code: line.amount_mu100 for line in posting.lines if line.account == "deduction"
    }


def _year(row: Row) -> int:
    return int(row["year"])


def _amount(row: Row) -> int:
    return half_up(exact_mu100(row["value_mu"]))


def _key(kind: str, row: Row, unit_code: str) -> str:
    return f"{kind}|{_year(row)}|{text_of(row, 'doc_no') or ''}|{unit_code}"


def _input_key(row: Row) -> str:
    return _key(str(row["item"]), row, str(row["unit_code"]))
