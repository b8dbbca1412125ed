"""The fused kernels shared by all detectors that are a sum of squared linear forms.

IR-MAD, CVA (and later SFA) all measure change as  c = Σ_q (Σ_k form[q, k] · (z_k − centre_k))²  of
the stacked vector z = (before bands, after bands). One kernel turns pixels into c and c into the
stored score; another accumulates weighted moments for the iterations. No fast-math: sums run in
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
STRIP = 256
"""Pixels handled at once: all scratch rows stay in the first-level cache."""
STRIPS_IN_FLOAT32 = 16
"""Strips summed in float32 before they are added to the float64 sums."""


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


@dataclass(frozen=True)
class Calibration:
    """From a change statistic c to its probability: odds = (c / threshold)^steepness."""

    threshold: float
    steepness: float
    """A multiple of one half: square roots and products are exact on every machine."""

    @property
    def half_steps(self) -> int:
        """The steepness in halves."""
        return round(2 * self.steepness)


def ratio_of_scores(steepness: float) -> NDArray[np.float64]:
    """c / threshold of every stored score 0 … `SCORE_MAX`: the inverse of `score_pixels`.

    A score of `SCORE_MAX` stands for half a step less than certainty, 0 for no difference.
    """
    probability = np.arange(SCORE_MAX + 1) / SCORE_MAX
    odds = probability / np.maximum(1.0 - probability, 0.5 / SCORE_MAX)
    ratio: NDArray[np.float64] = odds ** (1.0 / steepness)
    return ratio


def score_pixels(
    statistic: LinearStatistic,
    calibration: Calibration,
    before: NDArray[Any],
    after: NDArray[Any],
    valid: NDArray[np.uint8],
) -> NDArray[np.uint16]:
    """Stored score of a tile: pixels `(band, y, x)`, valid `(y, x)` → uint16 `(y, x)`.

    probability = 1 / (1 + (threshold / c)^steepness): 1/2 at the threshold and monotone in c; the
    score is probability × 10,000. `SCORE_UNOBSERVED` where `valid` is not 0.
    """
    shape = before.shape[1:]
    out = np.empty(shape, np.uint16)
    _score(
        before.reshape(before.shape[0], -1),
        after.reshape(after.shape[0], -1),
        valid.reshape(-1),
        statistic.centre.astype(np.float32),
        statistic.forms.astype(np.float32),
        (np.float32(calibration.threshold), calibration.half_steps),
        out.reshape(-1),
    )
    return out


@njit(nogil=True, cache=True)
def _centre(source, centre, out):  # type: ignore[no-untyped-def]
    for j in range(source.size):
        out[j] = np.float32(source[j]) - centre


@njit(nogil=True, cache=True)
def _add_scaled(factor, values, out):  # type: ignore[no-untyped-def]
    for j in range(out.size):
        out[j] += factor * values[j]


@njit(nogil=True, cache=True)
def _add_product(left, right, out):  # type: ignore[no-untyped-def]
    for j in range(out.size):
        out[j] += left[j] * right[j]


@njit(nogil=True, cache=True)
def _fill_statistic(before, after, span, centre, forms, z, form, out):  # type: ignore[no-untyped-def]
    """Statistic of the pixels `span` = (first, count) into `out`; `z`, `form` are scratch.

    Loops run over one-dimensional rows: that is what LLVM vectorises without fast-math.
    """
    first, count = span
    bands = before.shape[0]
    for k in range(bands):
        _centre(before[k, first : first + count], centre[k], z[k, :count])
        _centre(after[k, first : first + count], centre[bands + k], z[bands + k, :count])
    out[:] = np.float32(0)
    for q in range(forms.shape[0]):
        form[:] = np.float32(0)
        for k in range(forms.shape[1]):
            if forms[q, k] != np.float32(0):
                _add_scaled(forms[q, k], z[k], form)
        _add_product(form, form, out)


@njit(nogil=True, cache=True)
def _statistic(before, after, centre, forms, out):  # type: ignore[no-untyped-def]
    z = np.zeros((2 * before.shape[0], STRIP), np.float32)
    form, values = np.empty(STRIP, np.float32), np.empty(STRIP, np.float32)
    for first in range(0, before.shape[1], STRIP):
        count = min(STRIP, before.shape[1] - first)
        _fill_statistic(before, after, (first, count), centre, forms, z, form, values)
        out[first : first + count] = values[:count]


@njit(nogil=True, cache=True)
def _to_score(values, calibration, odds, valid, out):  # type: ignore[no-untyped-def]
    """`odds` is scratch."""
    threshold, half_steps = calibration
    one, top, half = np.float32(1), np.float32(SCORE_MAX), np.float32(0.5)
    odds[:] = one
    for j in range(values.size):
        # Beyond any sensor's range the powers would overflow; the score is 10,000 long before.
        values[j] = min(values[j] / threshold, np.float32(1e6))
    for _ in range(half_steps // 2):
        for j in range(values.size):
            odds[j] *= values[j]
    if half_steps % 2:
        for j in range(values.size):
            odds[j] *= np.sqrt(values[j])
    for j in range(out.size):
        score = np.uint16(top * (odds[j] / (one + odds[j])) + half)
        out[j] = score if valid[j] == 0 else np.uint16(SCORE_UNOBSERVED)


@njit(nogil=True, cache=True)
def _score(before, after, valid, centre, forms, calibration, out):  # type: ignore[no-untyped-def]
    z = np.zeros((2 * before.shape[0], STRIP), np.float32)
    form, values = np.empty(STRIP, np.float32), np.empty(STRIP, np.float32)
    odds = np.empty(STRIP, np.float32)
    for first in range(0, before.shape[1], STRIP):
        count = min(STRIP, before.shape[1] - first)
        _fill_statistic(before, after, (first, count), centre, forms, z, form, values)
        end = first + count
        _to_score(values[:count], calibration, odds[:count], valid[first:end], out[first:end])


@njit(nogil=True, cache=True)
def _to_weights(values, table, inverse_step):  # type: ignore[no-untyped-def]
    last = np.float32(table.size - 2)
    for j in range(values.size):
        at = min(values[j] * inverse_step, last)
        i = int(at)
        values[j] = table[i] + (at - np.float32(i)) * (table[i + 1] - table[i])


@njit(nogil=True, cache=True)
def accumulate_moments(before, after, centre, forms, table, table_step):  # type: ignore[no-untyped-def]
    """Weighted sums over a chunk of pixels `(band, n)`: Σ w, then for every variable i Σ w·z_i and
    Σ w·z_i·z_j for j ≥ i, one after another in one float64 array.

    Weights are looked up in `table` (survival of χ² at multiples of `table_step`, linear in
    between); with an empty `forms` every weight is 1. Every sum is kept in `STRIP` lanes, so the
    order of additions is fixed and the loops still vectorise.
    """
    n_vars = 2 * before.shape[0]
    n_sums = 1 + n_vars + n_vars * (n_vars + 1) // 2
    z = np.zeros((n_vars, STRIP), np.float32)
    form, weight = np.empty(STRIP, np.float32), np.empty(STRIP, np.float32)
    lanes, sums = np.zeros((n_sums, STRIP), np.float32), np.zeros((n_sums, STRIP))
    inverse_step = np.float32(1.0 / table_step)
    pending = 0
    ones = np.ones(STRIP, np.float32)
    for first in range(0, before.shape[1], STRIP):
        count = min(STRIP, before.shape[1] - first)
        _fill_statistic(before, after, (first, count), centre, forms, z, form, weight)
        if forms.shape[0] == 0:
            weight[:] = np.float32(1)
        else:
            _to_weights(weight, table, inverse_step)
        weight[count:] = np.float32(0)
        _add_product(weight, ones, lanes[0])
        row = 1
        for p in range(n_vars):
            form[:] = np.float32(0)
            _add_product(weight, z[p], form)
            _add_product(form, ones, lanes[row])
            row += 1
            for q in range(p, n_vars):
                _add_product(form, z[q], lanes[row])
                row += 1
        pending += 1
        if pending == STRIPS_IN_FLOAT32 or first + STRIP >= before.shape[1]:
            sums += lanes
            lanes[:] = np.float32(0)
            pending = 0
    totals = np.zeros(n_sums)
    for row in range(n_sums):
        for lane in range(STRIP):
            totals[row] += sums[row, lane]
    return totals
