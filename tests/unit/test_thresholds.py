"""Thresholds on mixtures whose two parts the test mixed itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.change.thresholds import ThresholdParams, find_threshold

PARAMS = ThresholdParams()
CHI2_4_999 = 18.4668
"""Quantile 0.999 of χ² with 4 degrees of freedom; printed tables give 18.467."""


def mixture(changed: float, n: int = 200_000) -> np.ndarray:
    """χ²₄ noise, and change around c = 400 (√c normal around 20)."""
    rng = np.random.default_rng(4)
    values = rng.chisquare(4, n)
    count = round(changed * n)
    values[:count] = rng.normal(20, 2, count) ** 2
    return values.astype(np.float32)


@pytest.mark.parametrize("changed", [0.0, 0.0005])
def test_没有变化时阈值就是噪声分位数(changed: float) -> None:
    found = find_threshold(mixture(changed), 4, PARAMS)
    assert found.mixture is None
    assert found.noise_floor == pytest.approx(stats.chi2.ppf(0.999, 4))
    assert found.noise_floor == pytest.approx(CHI2_4_999, abs=1e-3)
    assert found.is_noise_floor
    assert found.value == pytest.approx(found.noise_floor)


@pytest.mark.parametrize("changed", [0.01, 0.2])
def test_with_two_clear_groups_the_threshold_lies_between_them(changed: float) -> None:
    values = mixture(changed)
    found = find_threshold(values, 4, PARAMS)
    assert not found.is_noise_floor
    # change begins at (20 − 5·2)² = 100; the last of the noise is near the quantile 0.99999, 28
    assert 20 < found.value < 150
    assert (values > found.value).mean() == pytest.approx(changed, abs=0.002)
    assert found.mixture is not None
    assert found.mixture.change_share == pytest.approx(changed, rel=0.02)
    assert found.mixture.change_median == pytest.approx(400, rel=0.03)


def test_重尾噪声与变化重叠时_阈值处两者等可能() -> None:
    """F noise with 8 degrees of freedom below, log-normal change of a tenth; the truth is known."""
    rng = np.random.default_rng(2)
    n = 400_000
    is_change = rng.random(n) < 0.1
    noise = 4 * stats.f.rvs(4, 8, size=n, random_state=rng)
    values = np.where(is_change, 60 * np.exp(0.9 * rng.standard_normal(n)), noise)
    found = find_threshold(values.astype(np.float32), 4, PARAMS)
    near = np.abs(np.log(values / found.value)) < 0.1
    assert is_change[near].mean() == pytest.approx(0.5, abs=0.05)
    # calibrated around it too: share of change in a ring against 1 / (1 + (T / c)^steepness)
    for ratio in (0.6, 1.6):
        ring = np.abs(np.log(values / (found.value * ratio))) < 0.1
        told = 1 / (1 + ratio**-found.steepness)
        assert is_change[ring].mean() == pytest.approx(told, abs=0.1)


def test_阈值只看样本_不看次序() -> None:
    values = mixture(0.2, n=50_000)
    shuffled = np.random.default_rng(0).permutation(values)
    assert find_threshold(values, 4, PARAMS) == find_threshold(shuffled, 4, PARAMS)


def test_otsu_maximises_the_variance_between_the_groups() -> None:
    """Brute force over cut points of √c."""
    values = mixture(0.2, n=20_000)
    magnitude = np.minimum(np.sqrt(values), np.quantile(np.sqrt(values), 0.9999)).astype(float)

    def between(cut: float) -> float:
        low, high = magnitude[magnitude <= cut], magnitude[magnitude > cut]
        return low.size * high.size * (low.mean() - high.mean()) ** 2

    best = max(between(cut) for cut in np.linspace(magnitude.min() + 0.01, 19, 800))
    found = find_threshold(values, 4, PARAMS)
    assert between(np.sqrt(found.otsu)) >= 0.9999 * best


def test_a_single_extreme_value_does_not_stretch_the_histogram() -> None:
    values = mixture(0.2)
    quiet = find_threshold(values, 4, PARAMS).value
    values[0] = 1e12
    assert find_threshold(values, 4, PARAMS).value == pytest.approx(quiet, rel=0.05)


def test_identical_images_have_the_floor_as_threshold() -> None:
    found = find_threshold(np.zeros(1000, np.float32), 3, PARAMS)
    assert found.value == pytest.approx(stats.chi2.ppf(0.999, 3))
    assert found.otsu == 0.0
