"""Fused loops over one block of one band: what an image's quality is judged from.

Integer counts only, so that neither the order nor the cut of the blocks can change a result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)
def count_values(
    band: NDArray[Any], covered: NDArray[np.uint8], first: int, histogram: NDArray[np.int64]
) -> None:
    """Add a block's covered values to a histogram whose first bin is the value `first`."""
    rows, cols = band.shape
    for row in range(rows):
        for col in range(cols):
            if covered[row, col]:
                histogram[np.int64(band[row, col]) - first] += 1


@njit(nogil=True, cache=True)
def count_steps(
    band: NDArray[Any],
    covered: NDArray[np.uint8],
    by_col: NDArray[np.int32],
    by_row: NDArray[np.int32],
) -> None:
    """Signs of the steps to the pixel before, across columns and across rows.

    `by_col` `(2, x)` and `by_row` `(2, y)`: upward less downward steps, and how many were looked
    at, for every column against the one to its left and every row against the one above it.
    """
    rows, cols = band.shape
    for row in range(rows):
        for col in range(cols):
            if not covered[row, col]:
                continue
            here = band[row, col]
            if col > 0 and covered[row, col - 1]:
                there = band[row, col - 1]
                by_col[0, col] += np.int32(here > there) - np.int32(here < there)
                by_col[1, col] += 1
            if row > 0 and covered[row - 1, col]:
                there = band[row - 1, col]
                by_row[0, row] += np.int32(here > there) - np.int32(here < there)
                by_row[1, row] += 1


@njit(nogil=True, cache=True)
def are_equal(first: NDArray[Any], second: NDArray[Any], covered: NDArray[np.uint8]) -> bool:
    """Whether two bands have the same value wherever there is data."""
    rows, cols = first.shape
    for row in range(rows):
        for col in range(cols):
            if covered[row, col] and first[row, col] != second[row, col]:
                return False
    return True


@njit(nogil=True, cache=True)
def count_at_least(band: NDArray[Any], covered: NDArray[np.uint8], level: float) -> int:
    """Covered pixels whose value reaches `level`."""
    total = 0
    rows, cols = band.shape
    for row in range(rows):
        for col in range(cols):
            if covered[row, col] and band[row, col] >= level:
                total += 1
    return total
