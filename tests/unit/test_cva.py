"""CVA against the formula written out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipeline.change.cva import fit_cva
from pipeline.change.linear import statistic_of_sample
from pipeline.change.sample import PairSample


@dataclass(frozen=True)
class Line:
    gain: float
    offset: float
    sigma: float


LINES = (Line(1.2, -30.0, 4.0), Line(0.9, 12.0, 2.5), Line(1.0, 0.0, 6.0))


def sample(noise: float, n: int = 20_000) -> PairSample:
    """before − (gain · after + offset) is noise of `noise` times each line's sigma."""
    rng = np.random.default_rng(3)
    after = rng.normal(300, 60, (3, n))
    before = np.stack(
        [
            line.gain * band + line.offset + rng.normal(0, noise * line.sigma, n)
            for line, band in zip(LINES, after, strict=True)
        ]
    )
    return PairSample(before.astype(np.float32), after.astype(np.float32))


def plain(pair: PairSample) -> np.ndarray:
    """Σ ((before − gain · after − offset) / sigma)² in float64."""
    total = np.zeros(pair.before.shape[1])
    for k, line in enumerate(LINES):
        difference = pair.before[k].astype(float) - line.gain * pair.after[k] - line.offset
        total += (difference / line.sigma) ** 2
    return total


def test_statistic_is_the_sum_of_squared_differences_in_sigmas() -> None:
    pair = sample(noise=0.7)  # quieter than the lines say: nothing is scaled up
    found = statistic_of_sample(fit_cva(pair, LINES), pair.before, pair.after)
    # float32 on numbers near 300 with sigma 2.5: 300 · 2⁻²³ / 2.5 ≈ 1.5e-5 sigma a term
    np.testing.assert_allclose(found, plain(pair), rtol=1e-4, atol=1e-3)


def test_louder_differences_are_scaled_to_the_median_of_chi_square() -> None:
    pair = sample(noise=3.0)
    statistic = fit_cva(pair, LINES)
    found = statistic_of_sample(statistic, pair.before, pair.after)
    exact = plain(pair)
    expected = exact * stats.chi2.median(3) / np.median(exact)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert np.median(found) == np.float32(np.median(found))
    assert abs(np.median(found) / stats.chi2.median(3) - 1) < 1e-3
    assert statistic.freedom == 3


def test_a_constant_difference_counts_like_any_other() -> None:
    """The lines decide, not the sample's mean: a whole image that moved is all changed."""
    pair = sample(noise=0.5)
    moved = PairSample(pair.before + np.float32(20.0), pair.after)
    statistic = fit_cva(pair, LINES)
    values = statistic_of_sample(statistic, moved.before, moved.after)
    # (20/4)² + (20/2.5)² + (20/6)² = 25 + 64 + 11.1, scaled by nothing, plus noise
    assert abs(np.median(values) - 100.1) < 5
