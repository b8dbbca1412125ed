"""What the figures of T05 are made of: violations, postings, rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pipeline.delivery.tables.layout import ISSUED, Frame, row_key
from pipeline.delivery.tables.table import M2, MU, Contribution, mu_cell
from pipeline.delivery.tables.tally import TOTAL, Item, contributions

Facts = Mapping[str, Any]
Entries = Mapping[str, int | None]
Accounts = Mapping[str, Entries]
"""`quota` and `deduction`: entry → hundredths of a 亩; None where nobody stated it."""
COUNTY, COUNTY_ZH = "county", "县级"
WAYS = {
    "demolished_restored": "net_demolished",
    "regularised": "net_regularised",
    "both": "net_both",
    "closed": "net_closed",
}
QUOTA_ENTRIES = (
    "opening",
    "allotted",
    "restored",
    "carried_in",
    "deducted",
    "carried_out",
    "closing",
)
DEDUCTION_ENTRIES = ("opening", "deducted", "restored", "closing")
OUTGOING = frozenset({("quota", "deducted"), ("quota", "carried_out"), ("deduction", "restored")})
"""Entries that lessen the closing of their account."""


@dataclass(frozen=True)
class QuotaBooks:
    """All that T05 is made of."""

    target_year: int
    units: Mapping[str, Sequence[Facts]]
    """Source group → fields of `rules.books.quota.UnitLinkage`, and `base_before_m2` and so on."""
    patches: Mapping[str, Sequence[Facts]]
    """Source group → fields of `rules.books.quota.PatchLinkage`, and `pbf_m2`."""
    accounts: Mapping[str, Accounts]
    """Unit code → accounts of the target year; units without a posting are not there."""
    county: Accounts
    """Of the whole county."""
    postings: Sequence[Facts]
    """Ledger lines of the target year: account, unit_code, entry, posting, amount_mu100."""
    base_zh: str
    """What the base is, in words."""
    coefficients: Mapping[str, Decimal]
    """general and pbf; empty if the deduction goes by rank."""
    assumptions: tuple[str, ...]
    rule_ids: tuple[str, ...]


def patch_items(books: QuotaBooks, *, m2_only: bool = False) -> Iterator[Item]:
    """What every violation adds to base and netting."""
    for group, patches in books.patches.items():
        for patch in patches:
            row = row_key(patch["unit_code"], group)
            for item in _items_of(patch, row):
                if not m2_only or item.column.endswith("_m2"):
                    yield item


def is_of(item: Item, group: str) -> bool:
    """Whether an item counts in the total of a group."""
    return item.row.split("|")[1] == group


def _items_of(patch: Facts, row: str) -> Iterator[Item]:
    share = Fraction(patch["net_share"])
    base, base_m2 = patch["base_mu100"], patch["base_m2"]
    is_known = patch["is_pbf_known"] and base is not None
    pbf, pbf_m2 = (patch["pbf_mu100"], patch["pbf_m2"]) if is_known else (None, None)
    pairs = {
        "base_before": (base, base_m2, Fraction(1)),
        "base_pbf_before": (pbf, pbf_m2, Fraction(1)),
        "base_after": (base, base_m2, 1 - share),
        "base_pbf_after": (pbf, pbf_m2, 1 - share),
    }
    if patch["net_way"] is not None:
        pairs[WAYS[patch["net_way"]]] = (base, base_m2, share)
    for column, (mu100, area_m2, part) in pairs.items():
        # A unit's share is rounded once; a patch's is given exactly, so it may be no integer.
        yield Item(row, f"{column}_mu", "patch", patch["patch_id"], _scaled(mu100, part))
        yield Item(row, f"{column}_m2", "patch", patch["patch_id"], _scaled_m2(area_m2, part))


def _scaled(amount: int | None, part: Fraction) -> int | float | None:
    if amount is None:
        return None
    exact = amount * part
    return int(exact) if exact.denominator == 1 else float(exact)


def _scaled_m2(amount: float | None, part: Fraction) -> float | None:
    return None if amount is None else amount * float(part)


def quota_contributions(books: QuotaBooks, frame: Frame) -> list[Contribution]:
    """Of base, netting, deduction and accounts."""
    items = list(patch_items(books))
    exact = [item for item in items if not _is_fraction(item)]
    units = {item.column: M2 if item.column.endswith("_m2") else MU for item in items}
    listed = [part for part in contributions(exact, units) if not part.row_key.endswith("|all")]
    listed += [
        Contribution(i.row, i.column, i.kind, i.subject, repr((i.amount or 0) / 100), MU)
        for i in items
        if _is_fraction(i)
    ]
    if books.coefficients:
        for patch in books.patches[ISSUED]:
            listed += _deductions(patch, row_key(patch["unit_code"], ISSUED), books.coefficients)
    total = row_key(TOTAL, ISSUED)
    for unit in books.units[ISSUED]:
        row = row_key(unit["unit_code"], ISSUED)
        for column in ("deduction_before_mu", "deduction_after_mu", "award_mu"):
            if unit[f"{column}100"]:
                listed.append(Contribution(total, column, "row", row, "", MU))
    listed += _entries(books, frame)
    return list(dict.fromkeys(listed))


def _entries(books: QuotaBooks, frame: Frame) -> Iterator[Contribution]:
    """Postings by unit; for the whole county the rows of the units, as its account is made."""
    total = row_key(TOTAL, ISSUED)
    own = books.accounts.get(frame.county_code, {})
    for posting in books.postings:
        code, account, entry = (posting[name] for name in ("unit_code", "account", "entry"))
        is_county = code == frame.county_code
        row = row_key(code, COUNTY if is_county else ISSUED)
        amount = int(posting["amount_mu100"])
        sign = -1 if (account, entry) in OUTGOING else 1
        column, closing = f"{account}_{entry}_mu", f"{account}_closing_mu"
        yield Contribution(
            row, column, "posting", posting["posting"], str(mu_cell(sign * amount)), MU
        )
        yield Contribution(row, closing, "posting", posting["posting"], str(mu_cell(amount)), MU)
        is_summed = entry in ("deducted", "restored")
        # What the county stated for itself stands for the whole; townships' shares are in it.
        if is_summed or is_county or own.get(account, {}).get(entry) is None:
            yield Contribution(total, column, "row", row, "", MU)
    for account, names in (("quota", QUOTA_ENTRIES), ("deduction", DEDUCTION_ENTRIES)):
        for entry in names[:-1]:
            amount_mu100 = books.county[account].get(entry)
            if amount_mu100:
                sign = -1 if (account, entry) in OUTGOING else 1
                text = str(mu_cell(sign * amount_mu100))
                yield Contribution(
                    total, f"{account}_closing_mu", "column", f"{account}_{entry}_mu", text, MU
                )


def _is_fraction(item: Item) -> bool:
    return item.column.endswith("_mu") and isinstance(item.amount, float)


def _deductions(
    patch: Facts, row: str, coefficients: Mapping[str, Decimal]
) -> Iterator[Contribution]:
    """What a patch adds to the deduction by coefficient, before multiplier, floor and cap."""
    general = coefficients["general"] * ((patch["base_mu100"] or 0) - patch["pbf_mu100"])
    amount = general + coefficients["pbf"] * patch["pbf_mu100"]
    for column, part in (
        ("deduction_before_mu", Decimal(1)),
        ("deduction_after_mu", 1 - patch["net_share"]),
    ):
        text = format((amount * part).scaleb(-2).normalize(), "f")
        if amount * part:
            yield Contribution(row, column, "patch", patch["patch_id"], text, MU)
