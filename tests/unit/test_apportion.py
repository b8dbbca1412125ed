"""Shares that add up to the whole, to the last hundredth."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from pipeline.rules.books.apportion import apportion
from pipeline.rules.books.rounding import exact_mu100, half_up, percent


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [
        (100, {"b": 1, "a": 1, "c": 1}, {"a": 34, "b": 33, "c": 33}),
        (101, {"a": 1, "b": 2}, {"a": 34, "b": 67}),
        (1, {"a": 5, "b": 5}, {"a": 1, "b": 0}),
        (0, {"a": 5}, {"a": 0}),
        (-100, {"a": 1, "b": 2}, {"a": -33, "b": -67}),
        (100, {"a": 0, "b": 0}, {}),
        (100, {}, {}),
        (100, {"a": -5, "b": 10}, {"a": 0, "b": 100}),
        (7, {"a": 0.5, "b": Decimal("0.5")}, {"a": 4, "b": 3}),
    ],
)
def test_largest_remainder(total: int, weights: dict[str, int], expected: dict[str, int]) -> None:
    assert apportion(total, weights) == expected


def test_huge_numbers_are_exact() -> None:
    total = 10**30 + 1
    found = apportion(total, {"a": 10**40, "b": 10**40 + 1, "c": 1})
    assert sum(found.values()) == total
    assert abs(found["a"] - found["b"]) <= 1


def test_half_goes_away_from_zero() -> None:
    halves = [Fraction(5, 2), Fraction(-5, 2), Fraction(249, 100), Fraction(0)]
    assert [half_up(half) for half in halves] == [3, -3, 2, 0]


def test_stated_numbers_are_taken_by_their_decimals() -> None:
    assert half_up(exact_mu100(2.675)) == 268
    assert half_up(exact_mu100(0.285)) == 29
    assert half_up(exact_mu100(1e15)) == 10**17


def test_per_cent_has_two_decimals() -> None:
    assert percent(Fraction(14996, 100000)) == Decimal("15.00")
    assert str(percent(Fraction(1, 8))) == "12.50"
    assert percent(None) is None
