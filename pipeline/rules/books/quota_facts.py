"""What county inputs and the ledger tell of a unit before its deduction is worked out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipeline.rules.books.rounding import exact_mu100, half_up
from pipeline.rules.books.row_values import integer_of, text_of

QUOTA_ITEMS = frozenset({"quota_opening", "quota_allotted", "quota_carried_in"})
"""County inputs that make up the quota of which a deduction can be taken."""
LAST_YEAR_ITEM = "deducted_last_year"
STATEMENT = ("item", "unit_code", "year", "doc_no")
"""What makes two inputs of different runs the same statement."""


@dataclass(frozen=True)
class UnitFacts:
    """What is known of a unit beside its patches."""

    quota_mu100: int | None = None
    """Its quota of the target year, for the cap; None not stated: no cap."""
    is_repeat: bool | None = None
    """Whether it was deducted the year before; None not known: no multiplier."""
    is_observed: bool = True
    """Whether any of its land was seen; what was not seen gets no award."""


def unit_facts(
    units: Sequence[str],
    inputs: Iterable[Mapping[str, Any]],
    deducted_mu100: Mapping[str, int],
    check_year: int,
    unobserved: Collection[str] = (),
) -> dict[str, UnitFacts]:
    """Quota of the target year (check year + 1) and whether the year before was deducted too.

    `deducted_mu100` is what the ledger holds as deducted in the check year, that is for the year
    before (`rules.books.balances.deducted_by_unit`). `inputs` may hold several runs, in their
    order: of one statement made again the last counts, so that a quota is not added up twice.
    """
    quotas: dict[str, Fraction] = {}
    last_year: dict[str, Fraction] = {}
    latest = {tuple(text_of(row, name) for name in STATEMENT): row for row in inputs}
    for row in latest.values():
        code, year = str(row["unit_code"]), integer_of(row, "year")
        if row["item"] in QUOTA_ITEMS and year == check_year + 1:
            quotas[code] = quotas.get(code, Fraction(0)) + exact_mu100(row["value_mu"])
        if row["item"] == LAST_YEAR_ITEM and year == check_year - 1:
            last_year[code] = last_year.get(code, Fraction(0)) + exact_mu100(row["value_mu"])
    return {
        code: UnitFacts(
            quota_mu100=half_up(quotas[code]) if code in quotas else None,
            is_repeat=_is_repeat(last_year.get(code), deducted_mu100.get(code)),
            is_observed=code not in unobserved,
        )
        for code in units
    }


def _is_repeat(stated: Fraction | None, posted: int | None) -> bool | None:
    """Deducted the year before by either; None if neither says anything."""
    known = [amount for amount in (stated, posted) if amount is not None]
    return any(amount > 0 for amount in known) if known else None
