"""The fused kernels shared by all detectors that are a sum of squared linear forms.

IR-MAD, CVA (and later SFA) all measure change as  c = Σ_q (Σ_k form[q, k] · (z_k − centre_k))²  of
the stacked vector z = (before bands, after bands). One kernel turns pixels into c and c into the
stored score; another accumulates weighted moments for the iterations. No fast-math: sums run in 16
fixed lanes, so LLVM may vectorise them and the result stays the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

SCORE_MAX = 10_000
"""Stored score of probability 1."""
SCORE_UNOBSERVED = 65_535
"""Stored score where at least one date was not seen."""
STRIP = 1024
"""Pixels handled at once; float32 inside, float64 across."""
LANES = 16


@dataclass(frozen=True, eq=False)
class LinearStatistic:
    """A change statistic as squared linear forms, scaled so that unchanged pixels follow χ²."""

    centre: NDArray[np.float64]
    """`(2·bands,)` mean of before bands, then of after bands."""
    forms: NDArray[np.float64]
    """`(q, 2·bands)`."""
    freedom: int
    """Degrees of freedom of the χ² that unchanged pixels follow."""


def statistic_of_sample(
    statistic: LinearStatistic, before: NDArray[Any], after: NDArray[Any]
) -> NDArray[np.float32]:
    """The change statistic c of sample pixels, `(band, n)` each → `(n,)` float32."""
    out = np.empty(before.shape[1], np.float32)
    _statistic(
        before,
        after,
        statistic.centre.astype(np.float32),
        statistic.forms.astype(np.float32),
        out,
    )
    return out


def score_pixels(
    statistic: LinearStatistic,
    threshold: float,
    before: NDArray[Any],
    after: NDArray[Any],
    valid: NDArray[np.uint8],
) -> NDArray[np.uint16]:
    """Stored score of a tile: pixels `(band, y, x)`, valid `(y, x)` → uint16 `(y, x)`.

    probability = c² / (c² + threshold²): 1/2 at the threshold, monotone in c, never saturating
    before c is 100 thresholds; the score is probability × 10,000. `SCORE_UNOBSERVED` where
    `valid` is not 0.
    """
    shape = before.shape[1:]
    out = np.empty(shape, np.uint16)
    _score(
        before.reshape(before.shape[0], -1),
        after.reshape(after.shape[0], -1),
        valid.reshape(-1),
        statistic.centre.astype(np.float32),
        statistic.forms.astype(np.float32),
        np.float32(threshold),
        out.reshape(-1),
    )
    return out


@njit(nogil=True, cache=True)
def _fill_statistic(before, after, start, count, centre, forms, z, acc):  # type: ignore[no-untyped-def]
    """`acc[:count]` = statistic of pixels start … start + count; `z` is the centred scratch."""
    bands = before.shape[0]
    for k in range(bands):
        for j in range(count):
            z[k, j] = np.float32(before[k, start + j]) - centre[k]
        for j in range(count):
            z[bands + k, j] = np.float32(after[k, start + j]) - centre[bands + k]
    acc[:count] = np.float32(0)
    v = np.empty(STRIP, np.float32)
    for q in range(forms.shape[0]):
        f = forms[q, 0]
        for j in range(count):
            v[j] = f * z[0, j]
        for k in range(1, forms.shape[1]):
            f = forms[q, k]
            if f == np.float32(0):
                continue
            for j in range(count):
                v[j] += f * z[k, j]
        for j in range(count):
            acc[j] += v[j] * v[j]


@njit(nogil=True, cache=True)
def _statistic(before, after, centre, forms, out):  # type: ignore[no-untyped-def]
    z = np.empty((2 * before.shape[0], STRIP), np.float32)
    acc = np.empty(STRIP, np.float32)
    for start in range(0, before.shape[1], STRIP):
        count = min(STRIP, before.shape[1] - start)
        _fill_statistic(before, after, start, count, centre, forms, z, acc)
        out[start : start + count] = acc[:count]


@njit(nogil=True, cache=True)
def _score(before, after, valid, centre, forms, threshold, out):  # type: ignore[no-untyped-def]
    z = np.empty((2 * before.shape[0], STRIP), np.float32)
    acc = np.empty(STRIP, np.float32)
    one = np.float32(1)
    top = np.float32(SCORE_MAX)
    half = np.float32(0.5)
    for start in range(0, before.shape[1], STRIP):
        count = min(STRIP, before.shape[1] - start)
        _fill_statistic(before, after, start, count, centre, forms, z, acc)
        for j in range(count):
            ratio = acc[j] / threshold
            odds = ratio * ratio
            acc[j] = top * (odds / (one + odds)) + half
        for j in range(count):
            # odds overflow to inf only for statistics beyond any sensor: inf / inf is not a score
            seen = valid[start + j] == 0
            value = acc[j] if acc[j] == acc[j] else top
            out[start + j] = np.uint16(value) if seen else np.uint16(SCORE_UNOBSERVED)


@njit(nogil=True, cache=True)
def accumulate_moments(before, after, centre, forms, table, table_step, sums):  # type: ignore[no-untyped-def]
    """Weighted moments of a chunk of pixels, added to `sums`, `(2·bands, 2·bands + 1)` float64.

    Column j < 2·bands: Σ w·z_i·z_j (upper triangle); last column: Σ w·z_i. Returns Σ w. Weights are
    looked up in `table` (survival of χ² at multiples of `table_step`, linear in between); with an
    empty `forms` every weight is 1.
    """
    n_vars = 2 * before.shape[0]
    z = np.empty((n_vars, STRIP), np.float32)
    acc = np.empty(STRIP, np.float32)
    weighted = np.empty(STRIP, np.float32)
    last = np.float32(table.size - 2)
    inverse = np.float32(1.0 / table_step)
    total = 0.0
    for start in range(0, before.shape[1], STRIP):
        count = min(STRIP, before.shape[1] - start)
        _fill_statistic(before, after, start, count, centre, forms, z, acc)
        full = ((count + LANES - 1) // LANES) * LANES
        if forms.shape[0] == 0:
            acc[:count] = np.float32(1)
        else:
            for j in range(count):
                at = min(acc[j] * inverse, last)
                i = int(at)
                part = at - np.float32(i)
                acc[j] = table[i] + part * (table[i + 1] - table[i])
        acc[count:full] = np.float32(0)
        z[:, count:full] = np.float32(0)
        total += _lane_sum(acc, full)
        for p in range(n_vars):
            for j in range(full):
                weighted[j] = acc[j] * z[p, j]
            sums[p, n_vars] += _lane_sum(weighted, full)
            for q in range(p, n_vars):
                sums[p, q] += _lane_dot(weighted, z[q], full)
    return total


@njit(nogil=True, cache=True)
def _lane_sum(values, count):  # type: ignore[no-untyped-def]
    lanes = np.zeros(LANES, np.float32)
    for j in range(0, count, LANES):
        for lane in range(LANES):
            lanes[lane] += values[j + lane]
    total = 0.0
    for lane in range(LANES):
        total += lanes[lane]
    return total


@njit(nogil=True, cache=True)
def _lane_dot(left, right, count):  # type: ignore[no-untyped-def]
    lanes = np.zeros(LANES, np.float32)
    for j in range(0, count, LANES):
        for lane in range(LANES):
            lanes[lane] += left[j + lane] * right[j + lane]
    total = 0.0
    for lane in range(LANES):
        total += lanes[lane]
    return total
