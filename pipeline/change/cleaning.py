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

SCORE_THRESHOLD = SCORE_MAX // 2
"""Stored score of a statistic exactly at the threshold."""
UNIT = 1024
"""Fixed-point magnitude of the threshold."""
MAX_MAGNITUDE = 2.0
"""Bound on the magnitude before smoothing. Unbounded, one very bright pixel would lift its
neighbours over the threshold and every patch would grow a rim; with 2 a neighbour of changed land
gets less than half of the threshold from it, and a single clearly changed pixel still stands."""
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
    """Stored score `(y, x)` → 1 changed, 0 not, 255 unobserved.

    The array's edges are taken for the image's edges; a tile needs `halo_px` around its core.
    """
    over = (score >= SCORE_THRESHOLD) & (score != SCORE_UNOBSERVED)
    side = 2 * SMOOTHING_REACH_PX + 1
    # A weighted mean reaches the threshold only where a pixel under the window does.
    near = cv2.dilate(over.view(np.uint8), np.ones((side, side), np.uint8))
    mask = np.zeros(score.shape, np.uint8)
    _threshold_smoothed(
        score, near, magnitudes(MAX_MAGNITUDE), _weights(params.smoothing_sigma_px), mask
    )
    if params.closing_px:
        size = 2 * params.closing_px + 1
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        # Padded: OpenCV's erosion takes everything outside for changed, so patches would grow.
        edge = params.closing_px
        padded = cv2.morphologyEx(np.pad(mask, edge), cv2.MORPH_CLOSE, element)
        mask = np.asarray(padded[edge:-edge, edge:-edge], np.uint8)
    mask[score == SCORE_UNOBSERVED] = 255
    return mask


def magnitudes(bound: float, power: float = 0.25) -> NDArray[np.int32]:
    """Fixed-point √(c / threshold) of every score, with `power` 0.5 c / threshold itself, at most
    `bound`: c / threshold = √(p / (1−p))."""
    probability = np.arange(SCORE_MAX + 1) / SCORE_MAX
    odds = probability / np.maximum(1.0 - probability, 0.5 / SCORE_MAX)
    bounded = np.minimum(odds**power, bound)
    table: NDArray[np.int32] = np.round(UNIT * bounded).astype(np.int32)
    return table


def _weights(sigma_px: float) -> NDArray[np.int32]:
    """Five whole-number weights of a Gaussian, summing to `WEIGHT_UNIT`."""
    if sigma_px == 0:
        return np.array([0, 0, WEIGHT_UNIT, 0, 0], np.int32)
    raw = np.array([exp(-0.5 * (k / sigma_px) ** 2) for k in range(-2, 3)])
    weights: NDArray[np.int32] = np.round(WEIGHT_UNIT * raw / raw.sum()).astype(np.int32)
    weights[2] += np.int32(WEIGHT_UNIT - int(weights.sum()))
    return weights


@njit(nogil=True, cache=True)
def _threshold_smoothed(score, near, magnitudes, weights, out):  # type: ignore[no-untyped-def]
    """1 where the smoothed magnitude reaches the threshold; unseen pixels carry no weight.

    Sums are whole numbers: neither order nor vector width can change them.
    """
    rows, cols = score.shape
    reach = SMOOTHING_REACH_PX
    for i in range(rows):
        for j in range(cols):
            if near[i, j] == 0 or score[i, j] == SCORE_UNOBSERVED:
                continue
            total, weight = np.int64(0), np.int64(0)
            for r in range(max(0, i - reach), min(rows, i + reach + 1)):
                for c in range(max(0, j - reach), min(cols, j + reach + 1)):
                    if score[r, c] != SCORE_UNOBSERVED:
                        w = np.int64(weights[r - i + reach]) * weights[c - j + reach]
                        total += w * magnitudes[score[r, c]]
                        weight += w
            if total >= weight * UNIT:
                out[i, j] = 1
