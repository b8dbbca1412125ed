"""Cells of several pixels, and filters over them that give the same at any window.

A cell is a block of 2^k × 2^k pixels anchored at the grid origin. Filters are direct convolutions
with fixed taps in a fixed order (no running sums, no fast-math), so a value depends on the pixels
around it alone. The array's edges are repeated outwards; a tile needs a halo as wide as the taps.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

TRUNCATE = 3.0
"""Standard deviations after which a Gaussian ends."""


def gaussian_taps(sigma: float) -> NDArray[np.float32]:
    """Weights of a Gaussian, an odd number, sum 1."""
    reach = ceil(TRUNCATE * sigma)
    raw = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps: NDArray[np.float32] = (raw / raw.sum()).astype(np.float32)
    return taps


def cell_means(
    image: NDArray[Any],
    bands: tuple[int, ...],
    medians: NDArray[np.float64],
    valid: NDArray[np.uint8],
    factor: int,
) -> NDArray[np.float32]:
    """Means per cell of the chosen bands relative to their medians, float32
    `(band, cell rows, cell columns)`; pixels that were not seen count as 1. Cells that reach over
    the array's edge are those of its last pixels."""
    rows, cols = (ceil(size / factor) for size in image.shape[1:])
    out = np.empty((len(bands), rows, cols), np.float32)
    for plane, band, median in zip(out, bands, medians, strict=True):
        _cell_means(image[band], np.float32(1.0 / median), valid, factor, plane)
    return out


@njit(nogil=True, cache=True)
def _cell_means(band, gain, valid, factor, out):  # type: ignore[no-untyped-def]
    rows, cols = band.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total, n = np.float32(0), np.float32(0)
            for r in range(i * factor, min((i + 1) * factor, rows)):
                for c in range(j * factor, min((j + 1) * factor, cols)):
                    seen = valid[r, c] == 0
                    total += np.float32(band[r, c]) * gain if seen else np.float32(1)
                    n += np.float32(1)
            out[i, j] = total / n


def blur(plane: NDArray[np.float32], taps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Separable convolution of a plane `(y, x)` with symmetric taps."""
    out = np.empty_like(plane)
    _blur(plane, taps, out)
    return out


@njit(nogil=True, cache=True)
def _blur(plane, taps, out):  # type: ignore[no-untyped-def]
    rows, cols = plane.shape
    reach = taps.size // 2
    wide = np.empty(cols + 2 * reach, np.float32)
    across = np.empty((rows, cols), np.float32)
    for i in range(rows):
        wide[:reach], wide[reach + cols :] = plane[i, 0], plane[i, cols - 1]
        wide[reach : reach + cols] = plane[i]
        across[i] = np.float32(0)
        for t in range(taps.size):
            _add_scaled(taps[t], wide[t : t + cols], across[i])
    for i in range(rows):
        out[i] = np.float32(0)
        for t in range(taps.size):
            _add_scaled(taps[t], across[min(max(i + t - reach, 0), rows - 1)], out[i])


@njit(nogil=True, cache=True)
def _add_scaled(factor, values, out):  # type: ignore[no-untyped-def]
    for j in range(out.size):
        out[j] += factor * values[j]


def gradients(plane: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Slopes along columns and along rows per cell (Sobel), each `(y, x)`."""
    across, down = np.empty_like(plane), np.empty_like(plane)
    _gradients(plane, across, down)
    return across, down


@njit(nogil=True, cache=True)
def _gradients(plane, across, down):  # type: ignore[no-untyped-def]
    rows, cols = plane.shape
    eighth, two = np.float32(0.125), np.float32(2)
    for i in range(rows):
        up, here, below = plane[max(i - 1, 0)], plane[i], plane[min(i + 1, rows - 1)]
        for j in range(cols):
            a, b = max(j - 1, 0), min(j + 1, cols - 1)
            right, left = up[b] + two * here[b] + below[b], up[a] + two * here[a] + below[a]
            low, high = below[a] + two * below[j] + below[b], up[a] + two * up[j] + up[b]
            across[i, j] = eighth * (right - left)
            down[i, j] = eighth * (low - high)


def spread_cells(
    cells: NDArray[np.float32], factor: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Values of cells at the pixels `(y, x)`, linear between the cells' middles."""
    out = np.empty(shape, np.float32)
    _spread(cells, factor, out)
    return out


@njit(nogil=True, cache=True)
def _spread(cells, factor, out):  # type: ignore[no-untyped-def]
    rows, cols = cells.shape
    one, half = np.float32(1), np.float32(0.5)
    for r in range(out.shape[0]):
        y = (np.float32(r % factor) + half) / np.float32(factor) - half
        i = r // factor
        other_row = min(max(i + (1 if y > 0 else -1), 0), rows - 1)
        wy = abs(y)
        for c in range(out.shape[1]):
            x = (np.float32(c % factor) + half) / np.float32(factor) - half
            j = c // factor
            k = min(max(j + (1 if x > 0 else -1), 0), cols - 1)
            wx = abs(x)
            here = cells[i, j] * (one - wx) + cells[i, k] * wx
            there = cells[other_row, j] * (one - wx) + cells[other_row, k] * wx
            out[r, c] = here * (one - wy) + there * wy
