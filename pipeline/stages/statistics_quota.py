"""T05's material: the deduction as worked out per township, and the accounts of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.delivery.tables.layout import DETECTED, ISSUED, Frame
from pipeline.delivery.tables.quota_parts import QuotaBooks
from pipeline.rules.books.balances import NO_ACCOUNT, balances, county_account, deducted_by_unit
from pipeline.rules.books.postings import CORRECTION
from pipeline.rules.books.quota import PatchLinkage, linkage, patch_linkages
from pipeline.rules.books.quota_facts import unit_facts
from pipeline.rules.books.quota_rules import QuotaRules, quota_rules
from pipeline.stages.statistics_books import Books, Record

BASE_ZH = {
    "new_construction": "违法新增建设用地面积（不含原有建设用地）",
    "cultivated": "违法占用耕地面积",
}


def quota_books(books: Books, frame: Frame, assumptions: tuple[str, ...]) -> QuotaBooks:
    """Everything T05 shows; `assumptions` are the lines to print for the rules used."""
    rules = quota_rules(books.rules, books.on)
    codes = [unit.code for unit in frame.units]
    year = books.check_year + 1
    facts = unit_facts(
        codes,
        inputs_in_order(books),
        deducted_by_unit(books.ledger, books.check_year, books.run),
        books.check_year,
        [unit.code for unit in frame.units if unit.is_unseen],
    )
    linked = {
        group: patch_linkages(books.patches, books.outcomes, rules, group)
        for group in (ISSUED, DETECTED)
    }
    accounts = balances(books.ledger, year)
    whole = county_account(accounts, frame.county_code) if accounts else NO_ACCOUNT
    return QuotaBooks(
        target_year=year,
        units={
            group: [asdict(unit) for unit in linkage(codes, patches, facts, rules)]
            for group, patches in linked.items()
        },
        patches={group: _with_pbf_m2(books, patches) for group, patches in linked.items()},
        accounts={code: asdict(account) for code, account in accounts.items()},
        county=asdict(whole),
        postings=_postings(books.ledger, year),
        base_zh=BASE_ZH[rules.base],
        coefficients=_coefficients(rules),
        assumptions=assumptions,
        rule_ids=rules.rule_ids,
    )


def inputs_in_order(books: Books) -> list[Record]:
    """County inputs by the order of their runs: of one statement made again the last counts."""
    return sorted(books.county_inputs, key=lambda row: books.runs.index(row["run"]))


def _coefficients(rules: QuotaRules) -> Mapping[str, Any]:
    """None if the deduction is a fixed amount by rank."""
    if rules.ranks is not None:
        return {}
    return {"general": rules.coef_general, "pbf": rules.coef_pbf}


def _with_pbf_m2(books: Books, patches: Sequence[PatchLinkage]) -> list[Record]:
    """`PatchLinkage` as mappings, with the 永久基本农田 of the base in m² beside."""
    pbf_m2 = {row["patch_id"]: row["counted_pbf_m2"] or 0.0 for row in books.patches}
    return [
        {**asdict(patch), "pbf_m2": min(pbf_m2[patch.patch_id], patch.base_m2 or 0.0)}
        for patch in patches
    ]


def _postings(ledger: Sequence[Record], year: int) -> list[Record]:
    """Lines on the two accounts, by the entry they count for; a correction for what it reverses."""
    kinds = {int(row["posting_no"]): str(row["posting_kind"]) for row in ledger}
    found = []
    for row in ledger:
        if row["year"] != year or row["account"] not in ("quota", "deduction"):
            continue
        number = int(row["posting_no"])
        if row["posting_kind"] == CORRECTION and row["reverses_no"] is not None:
            kinds[number] = kinds[int(row["reverses_no"])]
        found.append(
            {
                "account": row["account"],
                "unit_code": row["unit_code"],
                "entry": kinds[number].removeprefix("deduction_"),
                "posting": f"{number}-{row['line_no']}",
                "amount_mu100": row["amount_mu100"],
            }
        )
    return found
