"""From stored scores to a clean change mask.

Decisions read the stored uint16 score only. It is turned back into the magnitude relative to the
threshold, smoothed over the sensor's own blur in whole numbers (no rounding that could differ at a
tile's edge), cut at the threshold, and small gaps are closed.
"""

from __future__ import annotations

from math import exp

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from pipeline.change.linear import SCORE_MAX, SCORE_UNOBSERVED
from pipeline.schema.model import Frozen

UNIT = 1024
"""Fixed-point magnitude of the threshold."""
WEIGHT_UNIT = 256
"""Sum of one axis' smoothing weights."""
SMOOTHING_REACH_PX = 2


class CleaningParams(Frozen):
    """Settings of the clean-up of the change mask (变化掩膜清理)."""

    smoothing_sigma_px: float = Field(
        0.5, ge=0, le=0.8, description="平滑的标准差，像元；与传感器自身的模糊相当，0 为不平滑"
    )
    closing_px: int = Field(1, ge=0, le=16, description="闭运算半径，像元：填补图斑内的小空隙")


def halo_px(params: CleaningParams) -> int:
    """Pixels around a tile that its core depends on."""
    return SMOOTHING_REACH_PX + 2 * params.closing_px


def change_mask(score: NDArray[np.uint16], params: CleaningParams) -> NDArray[np.uint8]:
    """Stored score `(y, x)` → 1 changed, 0 not, 255 unobserved. Edges of the array are image edges
    or halo."""
    mask = np.empty(score.shape, np.uint8)
    _threshold_smoothed(score, _magnitudes(), _weights(params.smoothing_sigma_px), mask)
    if params.closing_px:
        size = 2 * params.closing_px + 1
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        closed = cv2.morphologyEx((mask == 1).astype(np.uint8), cv2.MORPH_CLOSE, element)
        mask = np.where(score == SCORE_UNOBSERVED, 255, closed).astype(np.uint8)
    return mask


def _magnitudes() -> NDArray[np.int32]:
    """Fixed-point √(c / threshold) of every score: score / 10⁴ = p, c / threshold = √(p / (1 − p))."""
    probability = np.arange(SCORE_MAX + 1) / SCORE_MAX
    odds = probability / np.maximum(1.0 - probability, 0.5 / SCORE_MAX)
    return np.round(UNIT * odds**0.25).astype(np.int32)


def _weights(sigma_px: float) -> NDArray[np.int32]:
    """Five whole-number weights of a Gaussian, summing to `WEIGHT_UNIT`."""
    if sigma_px == 0:
        return np.array([0, 0, WEIGHT_UNIT, 0, 0], np.int32)
    raw = np.array([exp(-0.5 * (k / sigma_px) ** 2) for k in range(-2, 3)])
    weights = np.round(WEIGHT_UNIT * raw / raw.sum()).astype(np.int32)
    weights[2] += WEIGHT_UNIT - weights.sum()
    return weights


@njit(nogil=True, cache=True)
def _threshold_smoothed(score, magnitudes, weights, out):  # type: ignore[no-untyped-def]
    """Cut the smoothed magnitude at the threshold; unseen pixels carry no weight."""
    rows, cols = score.shape
    reach = SMOOTHING_REACH_PX
    value = np.zeros((rows, cols), np.int32)
    seen = np.zeros((rows, cols), np.int32)
    for i in range(rows):
        all_seen = True
        for j in range(cols):
            if score[i, j] == SCORE_UNOBSERVED:
                all_seen = False
        for j in range(cols):
            s = score[i, j]
            out[i, j] = 0
            if s == SCORE_UNOBSERVED:
                out[i, j] = 255
        for j in range(cols):
            total, weight = np.int32(0), np.int32(0)
            if all_seen and reach <= j < cols - reach:
                for k in range(-reach, reach + 1):
                    total += weights[k + reach] * magnitudes[score[i, j + k]]
                weight = np.int32(WEIGHT_UNIT)
            else:
                for k in range(-reach, reach + 1):
                    if 0 <= j + k < cols and score[i, j + k] != SCORE_UNOBSERVED:
                        total += weights[k + reach] * magnitudes[score[i, j + k]]
                        weight += weights[k + reach]
            value[i, j] = total
            seen[i, j] = weight
    for i in range(rows):
        first, last = max(0, i - reach), min(rows, i + reach + 1)
        for j in range(cols):
            if out[i, j] == 255:
                continue
            total, weight = np.int64(0), np.int64(0)
            for r in range(first, last):
                w = weights[r - i + reach]
                total += np.int64(w) * value[r, j]
                weight += np.int64(w) * seen[r, j]
            if total >= weight * UNIT:
                out[i, j] = 1
