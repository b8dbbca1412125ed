"""Relative radiometry: lines that are known because the test drew them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.imagery.radiometry import RadiometryParams, assess_fit, fit_radiometry

PARAMS = RadiometryParams()
GAINS, OFFSETS = (1.25, 0.8, 1.0), (-300.0, 500.0, 40.0)


def dates(changed: float, noise: float = 8.0, n: int = 40_000) -> tuple[NDArray[Any], NDArray[Any]]:
    """`before = gain · after + offset` on what did not change; the rest became bright and flat."""
    rng = np.random.default_rng(2)
    after = rng.normal(3000, 600, (3, n))
    before = np.array(GAINS)[:, None] * after + np.array(OFFSETS)[:, None]
    before += rng.normal(0, noise, before.shape)
    is_changed = rng.random(n) < changed
    after[:, is_changed] = rng.normal(6000, 300, (3, int(is_changed.sum())))
    return np.round(before).astype(np.uint16), np.round(after).astype(np.uint16)


@pytest.mark.parametrize("changed", [0.0, 0.1, 0.3])
def test_变化像元不影响归一直线(changed: float) -> None:
    fit = fit_radiometry(*dates(changed), PARAMS)
    for band, gain, offset in zip(fit.bands, GAINS, OFFSETS, strict=True):
        assert band.gain == pytest.approx(gain, rel=0.01)
        assert band.gain * 3000 + band.offset == pytest.approx(gain * 3000 + offset, abs=10)


@pytest.mark.parametrize("changed", [0.0, 0.1])
def test_sigma_is_the_spread_of_the_unchanged_pixels(changed: float) -> None:
    fit = fit_radiometry(*dates(changed), PARAMS)
    for band, gain in zip(fit.bands, GAINS, strict=True):
        # 8 DN of noise and the rounding of both dates
        assert band.sigma == pytest.approx(np.sqrt(64 + (1 + gain**2) / 12), rel=0.1)


def test_swapped_dates_give_the_inverse_line() -> None:
    before, after = dates(0.1)
    there, back = fit_radiometry(before, after, PARAMS), fit_radiometry(after, before, PARAMS)
    for one, other in zip(there.bands, back.bands, strict=True):
        assert one.gain * other.gain == pytest.approx(1.0, rel=1e-3)
        assert other.offset == pytest.approx(-one.offset / one.gain, abs=2.0)


def test_the_first_round_is_the_reduced_major_axis() -> None:
    before, after = dates(0.1, n=5000)
    fit = fit_radiometry(before, after, RadiometryParams(rounds=1))
    x, y = before.astype(float), after.astype(float)
    for k, band in enumerate(fit.bands):
        # 1/12 for the rounding of either date cancels to four digits at spreads of hundreds
        assert band.gain == pytest.approx(x[k].std() / y[k].std(), rel=1e-4)
        assert band.offset == pytest.approx(x[k].mean() - band.gain * y[k].mean(), abs=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_identical_and_constant_bands_stay_finite(dtype: str) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(1, 200, (2, 2000)).astype(dtype)
    image[1] = 9
    fit = fit_radiometry(image, image, PARAMS)
    for band in fit.bands:
        assert band.gain == pytest.approx(1.0)
        assert band.offset == pytest.approx(0.0, abs=1e-6)
        assert np.isfinite(band.sigma)
        assert band.sigma > 0
    assert fit.unchanged_share > 0.9


def test_unchanged_share_falls_with_change() -> None:
    shares = [fit_radiometry(*dates(changed), PARAMS).unchanged_share for changed in (0, 0.2, 0.4)]
    assert shares[0] > shares[1] > shares[2]


def test_the_report_counts_invariant_pixels_and_measures_what_the_line_leaves() -> None:
    rng = np.random.default_rng(11)
    true = rng.uniform(200, 2000, (2, 20_000))
    before = np.rint(true * 1.3 + 50 + rng.normal(0, 10, true.shape)).astype(np.uint16)
    after = np.rint(true + rng.normal(0, 10, true.shape)).astype(np.uint16)
    after[:, :6000] = rng.uniform(200, 2000, (2, 6000)).astype(np.uint16)  # 30 % changed
    params = RadiometryParams()
    fit = fit_radiometry(before, after, params)
    quality = assess_fit(before, after, fit, params)
    assert quality.n_sample == 20_000
    assert quality.invariant_share == pytest.approx(0.7, abs=0.08)
    for band in quality.bands:
        assert band.gain == pytest.approx(1.3, abs=0.01)
        assert band.r2 > 0.99
        assert 12 < band.rmse_fitted < 20  # √(10² + 1.3²·10²) = 16.4
        assert band.rmse_raw > 10 * band.rmse_fitted
    assert not quality.is_poor(params)


def test_unrelated_dates_are_called_poor() -> None:
    rng = np.random.default_rng(12)
    before, after = rng.uniform(0, 4000, (2, 2, 5000))
    params = RadiometryParams()
    fit = fit_radiometry(before, after, params)
    assert assess_fit(before, after, fit, params).is_poor(params)
