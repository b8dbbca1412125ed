"""The fused kernels and IR-MAD against plain numpy in float64."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray
from scipy import stats

from pipeline.change.irmad import IrmadParams, fit_irmad
from pipeline.change.linear import (
    SCORE_UNOBSERVED,
    Calibration,
    LinearStatistic,
    accumulate_moments,
    ratio_of_scores,
    score_pixels,
    statistic_of_sample,
)
from pipeline.change.reweighting import ReweightedFit
from pipeline.change.sample import PairSample

DTYPES = ("uint8", "uint16", "int16", "float32")
FLOAT32 = 2.0**-24
"""Relative rounding of one float32 operation."""


def pair(dtype: str, bands: int, n: int, seed: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    """Correlated bands of two dates with a tenth of changed pixels."""
    rng = np.random.default_rng(seed)
    base = rng.normal(0, 1, (3, n))
    mixing = rng.normal(0, 1, (bands, 3))
    before = mixing @ base + 0.3 * rng.normal(0, 1, (bands, n))
    after = 0.8 * before + 0.2 * rng.normal(0, 1, (bands, n))
    changed = rng.random(n) < 0.1
    after[:, changed] = rng.normal(1, 2, (bands, int(changed.sum())))
    scale, middle, top = {
        "uint8": (15, 120, 255),
        "uint16": (900, 9000, 65535),
        "int16": (900, 0, 32767),
        "float32": (0.1, 0.5, None),
    }[dtype]
    low = -32768 if dtype == "int16" else 0
    images = [middle + scale * x for x in (before, after)]
    if top is not None:
        images = [np.clip(np.round(x), low, top) for x in images]
    return images[0].astype(dtype), images[1].astype(dtype)


def statistic_for(before: NDArray[Any], after: NDArray[Any], seed: int = 2) -> LinearStatistic:
    """Dense random forms in units of the bands' spread, one row exactly zero in places."""
    rng = np.random.default_rng(seed)
    stacked = np.concatenate([before, after]).astype(np.float64)
    forms = rng.normal(0, 1, (before.shape[0], stacked.shape[0])) / stacked.std(axis=1)
    forms[:, 0] = 0.0
    # kernels take float32 coefficients: give the reference the same numbers
    return LinearStatistic(
        stacked.mean(axis=1).astype(np.float32).astype(np.float64),
        forms.astype(np.float32).astype(np.float64),
        before.shape[0],
    )


def plain_statistic(
    statistic: LinearStatistic, before: NDArray[Any], after: NDArray[Any]
) -> NDArray[np.float64]:
    z = np.concatenate([before, after]).astype(np.float64) - statistic.centre[:, None]
    return ((statistic.forms @ z) ** 2).sum(axis=0)


def rounding_bound(
    statistic: LinearStatistic, before: NDArray[Any], after: NDArray[Any]
) -> NDArray[np.float64]:
    """How far float32 may be off: each form's terms add up with one rounding per operation.

    |error of a form| <= (m + 2) u Σ|f z| for m terms; squared: 2 |form| · error + error².
    """
    z = np.abs(np.concatenate([before, after]).astype(np.float64) - statistic.centre[:, None])
    # the centred value itself carries a rounding of the pixel's size
    size = np.abs(np.concatenate([before, after]).astype(np.float64))
    m = statistic.forms.shape[1]
    error = FLOAT32 * (np.abs(statistic.forms) @ ((m + 2) * z + size))
    exact = np.abs(statistic.forms @ (np.concatenate([before, after]) - statistic.centre[:, None]))
    total = (2 * exact * error + error**2).sum(axis=0)
    return total + (m + 2) * FLOAT32 * (exact**2).sum(axis=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bands", [1, 3, 4, 7])
def test_statistic_equals_float64(dtype: str, bands: int) -> None:
    before, after = pair(dtype, bands, 1003)  # not a multiple of the strip length
    statistic = statistic_for(before, after)
    found = statistic_of_sample(statistic, before, after)
    exact = plain_statistic(statistic, before, after)
    assert (np.abs(found - exact) <= rounding_bound(statistic, before, after)).all()
    assert np.abs(found / exact - 1).max() > 0  # the bound is not met by comparing with itself


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bands", [1, 4])
@pytest.mark.parametrize("steepness", [1.5, 2.0, 3.5])
def test_score_is_the_probability_in_ten_thousandths(
    dtype: str, bands: int, steepness: float
) -> None:
    before, after = pair(dtype, bands, 30 * 41)
    statistic = statistic_for(before, after)
    threshold = float(np.median(plain_statistic(statistic, before, after)))
    valid = np.zeros((30, 41), np.uint8)
    valid[3, 4:9], valid[20, 40], valid[29, 0] = 1, 2, 5
    images = [image.reshape(bands, 30, 41) for image in (before, after)]
    score = score_pixels(statistic, Calibration(threshold, steepness), *images, valid)
    c = plain_statistic(statistic, before, after).reshape(30, 41)
    odds = (c / threshold) ** steepness
    exact = np.round(10_000 * odds / (1 + odds))
    seen = valid == 0
    assert score.dtype == np.uint16
    assert np.abs(score[seen].astype(float) - exact[seen]).max() <= 1
    assert (score[~seen] == SCORE_UNOBSERVED).all()
    assert not (score[seen] == SCORE_UNOBSERVED).any()


def one_band_scores(differences: list[float], threshold: float) -> list[int]:
    """Scores of c = difference², with the form (1, −1) on one float band."""
    after = np.zeros((1, 1, len(differences)), np.float32)
    before = after + np.array(differences, np.float32)
    statistic = LinearStatistic(np.zeros(2), np.array([[1.0, -1.0]]), 1)
    valid = np.zeros(after.shape[1:], np.uint8)
    calibration = Calibration(threshold, 2.0)
    return score_pixels(statistic, calibration, before, after, valid)[0].tolist()


def test_阈值处恰为一半_分数随统计量单调() -> None:
    # c = 0, 9, 81: p = 0, 1/2, 81²/(81² + 9²) = 0.98780
    assert one_band_scores([0.0, 3.0, 9.0], 9.0) == [0, 5000, 9878]
    scores = one_band_scores(np.linspace(0, 60, 500).tolist(), 9.0)
    assert scores == sorted(scores)
    assert len(set(scores)) > 100
    # beyond float32's squares nothing overflows
    assert one_band_scores([1e3, 1e12, 1e18, 3e38], 9.0) == [10_000] * 4
    assert one_band_scores([2.999], 9.0)[0] < 5000 < one_band_scores([3.001], 9.0)[0]


@pytest.mark.parametrize("steepness", [1.5, 2.0, 4.0])
def test_分数可以换回统计量与阈值之比(steepness: float) -> None:
    ratios = ratio_of_scores(steepness)
    assert ratios[5000] == pytest.approx(1.0)
    assert ratios[0] == 0.0
    assert (np.diff(ratios) > 0).all()
    scores = np.array([1, 250, 4999, 7000, 9990])
    odds = ratios[scores] ** steepness
    np.testing.assert_allclose(10_000 * odds / (1 + odds), scores, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_identical_images_have_statistic_zero(dtype: str) -> None:
    before, _ = pair(dtype, 4, 5000)
    rng = np.random.default_rng(0)
    half = rng.normal(0, 1, (4, 4))
    centre = before.mean(axis=1, dtype=np.float64)
    statistic = LinearStatistic(
        np.concatenate([centre, centre]), np.concatenate([half, -half], axis=1), 4
    )
    # The same numbers with opposite signs, in the same order of additions per half: the error left
    # is that of adding in float32.
    found = statistic_of_sample(statistic, before, before)
    assert (found <= rounding_bound(statistic, before, before)).all()
    score = score_pixels(
        statistic,
        Calibration(18.5, 2.0),
        before[:, None],
        before[:, None],
        np.zeros((1, 5000), np.uint8),
    )
    assert (score == 0).all()


# --- moments -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bands", [1, 4, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_equal_float64(dtype: str, bands: int, weighted: bool) -> None:
    before, after = pair(dtype, bands, 20_011)
    statistic = statistic_for(before, after)
    step = 1 / 64
    table = stats.chi2.sf(np.arange(0, 80, step), bands).astype(np.float32)
    forms = statistic.forms if weighted else np.zeros((0, 2 * bands))
    sums = accumulate_moments(
        before, after, statistic.centre.astype(np.float32), forms.astype(np.float32), table, step
    )
    z = np.concatenate([before, after]).astype(np.float64) - statistic.centre[:, None]
    weight = np.ones(z.shape[1])
    if weighted:
        weight = stats.chi2.sf(plain_statistic(statistic, before, after), bands)
    expected, size = [weight.sum()], [weight.sum()]
    for p in range(2 * bands):
        expected.append((weight * z[p]).sum())
        size.append((weight * np.abs(z[p])).sum())
        for q in range(p, 2 * bands):
            expected.append((weight * z[p] * z[q]).sum())
            size.append((weight * np.abs(z[p] * z[q])).sum())
    # float32 lanes add at most 16 strips before float64 takes over: about 20 roundings a term. The
    # table is linear between multiples of 1/64: step²/8 · max|f''| < 1e-5 from three bands on, but
    # for one band the survival falls as 1 − √(2c/π) near 0, up to 0.025 in the first cell.
    tolerance = (1e-2 if bands == 1 else 2e-4) if weighted else 20 * FLOAT32
    assert (np.abs(sums - expected) <= tolerance * np.array(size)).all()


# --- IR-MAD --------------------------------------------------------------------------------------


def plain_irmad(
    before: NDArray[Any], after: NDArray[Any], iterations: int, noise: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nielsen 2007 in a dozen lines of float64, with the two stated departures.

    Scale of χ² tied to the median (only shrinking), rounding noise added to the variances.
    Returns correlations (ascending) and the statistic of every pixel.
    """
    p, n = before.shape
    z = np.concatenate([before, after]).astype(np.float64)
    weights = np.ones(n)
    for _ in range(iterations):
        cov = np.cov(z, aweights=weights, ddof=0)
        cov += np.diag(noise + 1e-9 * np.diag(cov))
        mean = np.average(z, axis=1, weights=weights)
        s11, s12, s22 = cov[:p, :p], cov[:p, p:], cov[p:, p:]
        rho2, a = scipy.linalg.eigh(s12 @ np.linalg.inv(s22) @ s12.T, s11)
        b = np.linalg.inv(s22) @ s12.T @ a
        b /= np.sqrt(np.diag(b.T @ s22 @ b))
        rho = np.sqrt(np.clip(rho2, 0, 1))
        mad = a.T @ (z[:p] - mean[:p, None]) - b.T @ (z[p:] - mean[p:, None])
        chi2 = (mad**2 / (2 * (1 - rho))[:, None]).sum(axis=0)
        chi2 /= max(np.median(chi2) / stats.chi2.median(p), 1.0)
        weights = stats.chi2.sf(chi2, p)
    return rho, chi2


PARAMS = IrmadParams()


def fitted(before: NDArray[Any], after: NDArray[Any], **kwargs: Any) -> ReweightedFit:
    return fit_irmad(PairSample(before, after), IrmadParams(**kwargs), map)


@pytest.mark.parametrize(("dtype", "bands"), [("uint16", 4), ("uint8", 6), ("float32", 5)])
def test_irmad_equals_plain_float64(dtype: str, bands: int) -> None:
    before, after = pair(dtype, bands, 60_000, seed=8)
    fit = fitted(before, after, min_iterations=25, max_iterations=25)
    noise = 0.0 if dtype == "float32" else 1 / 12
    rho, chi2 = plain_irmad(before, after, 25, noise)
    np.testing.assert_allclose(fit.correlations, rho, atol=1e-3)
    found = statistic_of_sample(fit.statistic, before, after)
    np.testing.assert_allclose(found, chi2, rtol=2e-2, atol=2e-2)
    assert 0.05 < rho[0] < rho[-1] < 1  # the case says something: not all alike


def test_irmad_finds_the_changed_pixels() -> None:
    before, after = pair("uint16", 4, 60_000, seed=8)
    fit = fitted(before, after)
    found = statistic_of_sample(fit.statistic, before, after)
    # a tenth was changed by construction; the floor is the χ²₄ quantile 0.999
    assert 0.05 < (found > stats.chi2.ppf(0.999, 4)).mean() < 0.11
    assert fit.is_converged


def test_增益和偏移不影响变化统计量() -> None:
    before, after = pair("float32", 4, 40_000)
    gain = np.array([[0.5], [2.0], [1.3], [0.9]], np.float32)
    offset = np.array([[1.0], [-0.2], [0.0], [3.0]], np.float32)
    one = fitted(before, after, min_iterations=15, max_iterations=15)
    other = fitted(before, after * gain + offset, min_iterations=15, max_iterations=15)
    np.testing.assert_allclose(other.correlations, one.correlations, atol=1e-3)
    np.testing.assert_allclose(
        statistic_of_sample(other.statistic, before, after * gain + offset),
        statistic_of_sample(one.statistic, before, after),
        rtol=2e-2,
        atol=2e-2,
    )


def test_swapping_the_dates_gives_the_same_statistic() -> None:
    before, after = pair("float32", 4, 40_000)
    one = fitted(before, after, min_iterations=15, max_iterations=15)
    other = fitted(after, before, min_iterations=15, max_iterations=15)
    np.testing.assert_allclose(
        statistic_of_sample(other.statistic, after, before),
        statistic_of_sample(one.statistic, before, after),
        rtol=2e-2,
        atol=2e-2,
    )


def test_threads_do_not_change_a_bit() -> None:
    before, after = pair("uint8", 4, 400_000)  # several chunks
    params = IrmadParams(min_iterations=4, max_iterations=4)
    alone = fit_irmad(PairSample(before, after), params, map)
    with ThreadPoolExecutor(4) as pool:
        together = fit_irmad(PairSample(before, after), params, pool.map)
    assert alone.correlations == together.correlations
    np.testing.assert_array_equal(alone.statistic.forms, together.statistic.forms)
    np.testing.assert_array_equal(alone.statistic.centre, together.statistic.centre)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("case", ["常值波段", "重复波段", "两期相同", "全部常值"])
def test_degenerate_bands_stay_finite(dtype: str, case: str) -> None:
    before, after = pair(dtype, 4, 20_000)
    if case == "常值波段":
        before[2], after[2] = 7, 7
    elif case == "重复波段":
        before[2], after[2] = before[1], after[1]
    elif case == "两期相同":
        after = before.copy()
    else:
        before[:], after[:] = 5, 5
    fit = fitted(before, after)
    assert np.isfinite(fit.correlations).all()
    assert np.isfinite(fit.statistic.forms).all()
    found = statistic_of_sample(fit.statistic, before, after)
    assert np.isfinite(found).all()
    if case in ("两期相同", "全部常值"):
        # nothing changed: everything lies below any threshold
        assert found.max() < stats.chi2.ppf(0.5, 4)
