"""Iterative slow feature analysis against plain numpy in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray
from scipy import stats

from pipeline.change.linear import statistic_of_sample
from pipeline.change.sample import PairSample
from pipeline.change.sfa import SfaParams, fit_sfa

CHI2_4_999 = 18.4668


def pair(n: int = 40_000, seed: int = 3) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Four bands of two dates, a tenth of the pixels changed, float32."""
    rng = np.random.default_rng(seed)
    ground = rng.normal(0, 1, (4, 4)) @ rng.normal(0, 1, (4, n))
    before = ground + 0.1 * rng.normal(0, 1, (4, n))
    after = ground + 0.1 * rng.normal(0, 1, (4, n))
    changed = rng.random(n) < 0.1
    after[:, changed] = rng.normal(0, 1, (4, 4)) @ rng.normal(0, 1.5, (4, int(changed.sum())))
    return before.astype("float32"), after.astype("float32"), changed


def plain_isfa(before: NDArray[Any], after: NDArray[Any], rounds: int) -> tuple[Any, Any]:
    """Wu et al. 2014, with the scale tied to the median."""
    x, y, w = before.astype(float), after.astype(float), np.ones(before.shape[1])
    for _ in range(rounds):
        dates = []
        for z in (x, y):
            mean = np.average(z, axis=1, weights=w)[:, None]
            spread = np.sqrt(np.average((z - mean) ** 2, axis=1, weights=w))[:, None]
            dates.append((z - mean) / spread)
        gap = dates[0] - dates[1]
        slow = (gap * w) @ gap.T / w.sum()
        both = sum((z * w) @ z.T for z in dates) / w.sum() / 2
        values, vectors = scipy.linalg.eigh(slow, both)
        c = ((vectors.T @ gap) ** 2 / values[:, None]).sum(axis=0)
        c /= max(np.median(c) / stats.chi2.median(4), 1.0)
        w = stats.chi2.sf(c, 4)
    return values, c


def fitted(before: NDArray[Any], after: NDArray[Any], rounds: int = 15) -> Any:
    params = SfaParams(min_iterations=rounds, max_iterations=rounds)
    return fit_sfa(PairSample(before, after), params, map)


def test_sfa_equals_plain_float64() -> None:
    before, after, _ = pair()
    values, c = plain_isfa(before, after, 15)
    fit = fitted(before, after)
    np.testing.assert_allclose(fit.correlations, values, rtol=2e-3)
    np.testing.assert_allclose(
        statistic_of_sample(fit.statistic, before, after), c, rtol=2e-2, atol=2e-2
    )
    assert values[0] < 0.9 * values[-1]  # the case says something: features differ


def test_sfa_finds_the_changed_pixels() -> None:
    before, after, changed = pair()
    found = statistic_of_sample(fitted(before, after).statistic, before, after) > CHI2_4_999
    assert found[changed].mean() > 0.95
    assert found[~changed].mean() < 0.01


def test_增益偏移与对调时相都不改变统计量() -> None:
    before, after, _ = pair()
    one = statistic_of_sample(fitted(before, after).statistic, before, after)
    swapped = statistic_of_sample(fitted(after, before).statistic, after, before)
    np.testing.assert_allclose(swapped, one, rtol=2e-2, atol=2e-2)
    scaled = after * np.float32(2.5) + np.float32(1)
    other = statistic_of_sample(fitted(before, scaled).statistic, before, scaled)
    np.testing.assert_allclose(other, one, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_两期相同时统计量远低于任何阈值(dtype: str) -> None:
    before = np.round(1000 + 100 * pair()[0]).astype(dtype)
    fit = fitted(before, before.copy())
    found = statistic_of_sample(fit.statistic, before, before)
    assert np.isfinite(fit.statistic.forms).all()
    assert found.max() < stats.chi2.ppf(0.5, 4)
