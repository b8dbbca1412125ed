"""Parts that add up to their whole: residuals and whole hundredths of a mu."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.patches.balance import balance_mu100, close_areas
from pipeline.units import mu100_from_m2


def balance(*area_m2: float) -> list[int]:
    return balance_mu100(np.array(area_m2), mu100_from_m2(sum(area_m2))).tolist()


def test_one_part_is_the_patch() -> None:
    assert balance(3333.34) == [500]


def test_the_largest_remainders_go_up() -> None:
    # 0.15 per m²: 10.5 + 10.2 + 10.4 = 31.1 → 31; floors 30, one missing: the first
    assert balance(70.0, 68.0, 1040 / 15) == [11, 10, 10]


def test_equal_remainders_larger_part_first() -> None:
    # 1.5 + 4.5 = 6.0: one missing, both halves; the larger part takes it
    assert balance(10.0, 30.0) == [1, 5]


def test_equal_parts_first_one_first() -> None:
    # three times 1.5 = 4.5 → 5 (HALF_UP); floors 3, two missing
    assert balance(10.0, 10.0, 10.0) == [2, 2, 1]


def test_slivers_get_nothing_and_nothing_is_negative() -> None:
    assert balance(1e-9, 100.0, 1e-9) == [0, 15, 0]
    assert balance_mu100(np.array([1.0, 2.0]), 0).tolist() == [0, 0]


def test_a_total_below_the_floors_takes_from_the_smallest_fraction() -> None:
    # floors 15 and 30 make 45; a total of 44 can only come from the second, fraction 0.015
    assert balance_mu100(np.array([106.0, 200.1]), 44).tolist() == [15, 29]


def test_no_parts() -> None:
    assert balance_mu100(np.empty(0), 0).tolist() == []


areas = st.lists(st.floats(1e-9, 1e5), min_size=1, max_size=30)


@given(area_m2=areas)
def test_balanced_parts_add_up_and_stay_within_one(area_m2: list[float]) -> None:
    total = mu100_from_m2(float(np.sum(area_m2)))
    found = balance_mu100(np.array(area_m2), total)
    assert found.sum() == total
    assert (found >= 0).all()
    assert (np.abs(found - 0.15 * np.array(area_m2)) < 1.0 + 1e-6).all()


@given(area_m2=areas)
def test_a_larger_part_never_gets_less(area_m2: list[float]) -> None:
    found = balance_mu100(np.array(area_m2), mu100_from_m2(float(np.sum(area_m2))))
    order = np.lexsort((-np.arange(len(area_m2)), area_m2))  # of equal parts the last one first
    assert (np.diff(found[order]) >= 0).all()


def test_the_residual_goes_to_the_largest_part_of_each_whole() -> None:
    area = np.array([1.0, 5.0, 2.0, 2.0])
    closed = close_areas(area, np.array([0, 0, 1, 1]), np.array([6.5, 3.9]))
    np.testing.assert_allclose(closed, [1.0, 5.5, 1.9, 2.0])
    assert area.tolist() == [1.0, 5.0, 2.0, 2.0]


@pytest.mark.parametrize("seed", range(5))
def test_closed_areas_add_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    owner = np.sort(rng.integers(0, 4, 40))
    area = rng.lognormal(3, 2, 40)
    whole = np.bincount(owner, weights=area) * (1 + rng.normal(0, 1e-9, 4))
    closed = close_areas(area, owner, whole)
    np.testing.assert_allclose(np.bincount(owner, weights=closed), whole, rtol=1e-15)
