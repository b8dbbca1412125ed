"""Exact amounts rounded once, HALF_UP, on fractions: no context of `Decimal` can cut digits off."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction


def half_up(amount: Fraction) -> int:
    """An exact amount as a whole number; a half goes away from zero."""
    rounded = (2 * abs(amount.numerator) + amount.denominator) // (2 * amount.denominator)
    return -rounded if amount < 0 else rounded


def percent(share: Fraction | None) -> Decimal | None:
    """A share as per cent with two decimals; None stays None."""
    return None if share is None else Decimal(half_up(share * 10000)).scaleb(-2)


def exact_mu100(value_mu: float | Decimal) -> Fraction:
    """A stated number of 亩 as hundredths, by the decimals that were written."""
    return 100 * Fraction(str(value_mu))
