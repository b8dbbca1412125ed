"""Deduction and award by rank (按名次定额), as Anhui did in 2016, instead of by coefficient."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from pipeline.rules.books.quota_rules import RankTable


@dataclass(frozen=True)
class Place:
    """Where a unit stands among the others."""

    rank: Decimal
    """Mean of the places that equal units share: 1 is the worst, 1.5 two share the first two."""
    deduct_mu100: Fraction
    """Before the multiplier, exact."""
    award_mu100: Fraction


def rank_units(
    areas_mu100: Mapping[str, int], table: RankTable, no_award: Collection[str] = ()
) -> dict[str, Place]:
    """Place of every unit by its area of illegally used cultivated land, before netting.

    Equal areas share the mean of what their places get. A unit without any area is never deducted;
    a unit that is deducted is never awarded, which decides when there are fewer than six; nor is
    one of `no_award`, whose land was not seen.
    """
    order = sorted(areas_mu100, key=lambda code: (-areas_mu100[code], code))
    places: dict[str, Place] = {}
    start = 0
    while start < len(order):
        area = areas_mu100[order[start]]
        tied = [code for code in order[start:] if areas_mu100[code] == area]
        end = start + len(tied)
        deduct = _mean(table.deduct_mu, start, end) if area > 0 else Fraction(0)
        award = _mean(table.award_mu, len(order) - end, len(order) - start)
        for code in tied:
            is_awarded = deduct == 0 and code not in no_award
            rank = Decimal(start + 1 + end) / 2
            places[code] = Place(rank, deduct, award if is_awarded else Fraction(0))
        start = end
    return places


def _mean(amounts_mu: tuple[Decimal, ...], start: int, end: int) -> Fraction:
    """Mean amount of the places from `start` up to `end`, counted from 0, in 0.01 亩."""
    return 100 * sum((Fraction(mu) for mu in amounts_mu[start:end]), Fraction(0)) / (end - start)
