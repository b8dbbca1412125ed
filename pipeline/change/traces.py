"""What `detect` leaves behind per pixel beside score and kind, for telling construction by patch.

Five uint8 planes: stored evidence that the ground was built before, is built after, and is no soil
of a field after (`change.materials`; 0 unknown, 1 ruled out by the cover, 128 even), and the
brightness of both dates, a mean of all bands in units of their own spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.scene import rounding_variance

BUILT_BEFORE, BUILT_AFTER, NO_SOIL_AFTER, GREY_BEFORE, GREY_AFTER = range(5)
N_TRACES = 5
GREY_STEPS = 32.0
"""Stored steps per standard deviation of the image."""
GREY_MEAN = 96.0


@dataclass(frozen=True)
class GreyRule:
    """grey = offset + Σ weight · band, rounded, kept inside 0–255."""

    weights: tuple[float, ...]
    offset: float


def fit_grey(pixels: NDArray[Any]) -> GreyRule:
    """The brightness of one date from sample pixels `(band, n)`."""
    x = pixels.astype(np.float64)
    spread = np.sqrt(x.var(axis=1) + max(rounding_variance(pixels.dtype), 1e-12))
    weights = GREY_STEPS / (x.shape[0] * spread)
    offset = GREY_MEAN - float((weights * x.mean(axis=1)).sum())
    return GreyRule(tuple(float(w) for w in weights), offset)


def grey_of(pixels: NDArray[Any], rule: GreyRule) -> NDArray[np.uint8]:
    """Stored brightness of pixels `(band, y, x)`, uint8 `(y, x)`."""
    out = np.empty(pixels.shape[1:], np.uint8)
    weights = np.array(rule.weights, np.float32)
    _grey(pixels.reshape(pixels.shape[0], -1), weights, np.float32(rule.offset), out.reshape(-1))
    return out


@njit(nogil=True, cache=True)
def _grey(pixels, weights, offset, out):  # type: ignore[no-untyped-def]
    low, high, half = np.float32(0), np.float32(255), np.float32(0.5)
    for j in range(out.size):
        value = offset
        for k in range(weights.size):
            value += weights[k] * np.float32(pixels[k, j])
        out[j] = np.uint8(min(max(value + half, low), high))
