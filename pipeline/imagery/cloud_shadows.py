"""Shadows found by moving a cloud's shape over the ground until what it covers is dark.

All clouds of one image throw their shadows the same way, each as far as it is high. So the common
direction is found first, over all clouds together, then every cloud's own distance along it.

Zhu and Woodcock 2012, RSE 118, 83–94 (there with the sun's place known; here it is searched for).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal import fftconvolve

Bools = NDArray[np.bool_]
Place = tuple[slice, slice]
BINS = 72
"""Directions are told apart by 360°/72 = 5°."""
ALONG_BINS = 1
"""A cloud's own direction may differ from the common one by that many bins."""
MIN_COUNTED = 0.5
"""Share of the moved shape that must lie on land seen for a match to count."""


@dataclass(frozen=True, eq=False)
class CloudShape:
    """One object of the block image."""

    place: Place
    piece: Bools
    """`(y, x)` of `place`: True inside the object."""
    is_trusted: bool
    """True if it may vote on the common direction."""


@dataclass(frozen=True)
class ShadowMatch:
    """Where a shape meets dark land best."""

    share: float
    """Dark share of the moved shape, 0–1; 0 if it was not found."""
    rows: int = 0
    cols: int = 0


def match_shadows(
    shapes: Sequence[CloudShape], is_dark: Bools, may_count: Bools, reach: int
) -> list[ShadowMatch]:
    """The best match of every shape in the common direction; all zero without trusted shapes.

    `is_dark`, `may_count`: `(y, x)` of the block image: dark in this date, and where that could be
    seen at all (both dates seen, no cloud). `reach`: farthest shadow, blocks.
    """
    fields = [_dark_share(shape, is_dark, may_count, reach) for shape in shapes]
    bins = _direction_bins(reach)
    votes = np.zeros(BINS)
    for shape, field in zip(shapes, fields, strict=True):
        if shape.is_trusted or not any(one.is_trusted for one in shapes):
            best = ndimage.maximum(field, bins, np.arange(BINS))
            votes += np.sqrt(shape.piece.sum()) * np.asarray(best)
    if not len(shapes):
        return []
    near = np.sum([np.roll(votes, k) for k in range(-ALONG_BINS, ALONG_BINS + 1)], axis=0)
    gap = np.abs(bins - int(near.argmax()))
    is_along = (np.minimum(gap, BINS - gap) <= ALONG_BINS) & (bins >= 0)
    return [_best(np.where(is_along, field, -1.0), reach) for field in fields]


def shadow_area(shape: CloudShape, match: ShadowMatch, is_dark: Bools, slack: int) -> Bools:
    """Dark blocks under the moved shape and joined to them no farther than `slack` blocks away."""
    moved: Bools = np.zeros(is_dark.shape, np.bool_)
    rows, cols = np.nonzero(shape.piece)
    rows += shape.place[0].start + match.rows
    cols += shape.place[1].start + match.cols
    height, width = is_dark.shape
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    moved[rows[inside], cols[inside]] = True
    square = np.ones((3, 3), np.bool_)
    allowed = ndimage.binary_dilation(moved, square, iterations=max(1, slack)) & is_dark
    return np.asarray(ndimage.binary_propagation(moved & is_dark, square, mask=allowed))


def _dark_share(
    shape: CloudShape, is_dark: Bools, may_count: Bools, reach: int
) -> NDArray[np.float64]:
    """Dark share under the shape for every displacement, `(2·reach+1, 2·reach+1)`; −1 unknown."""
    row0, row1, col0, col1 = (
        shape.place[0].start - reach,
        shape.place[0].stop + reach,
        shape.place[1].start - reach,
        shape.place[1].stop + reach,
    )
    dark = _cut(is_dark & may_count, row0, row1, col0, col1)
    counted = _cut(may_count, row0, row1, col0, col1)
    kernel = shape.piece[::-1, ::-1].astype(np.float64)
    # Counts of whole blocks: rounding takes the transform's last bits away.
    n_dark = np.rint(fftconvolve(dark, kernel, mode="valid"))
    n_counted = np.rint(fftconvolve(counted, kernel, mode="valid"))
    is_known = n_counted >= MIN_COUNTED * kernel.sum()
    return np.where(is_known, n_dark / np.maximum(n_counted, 1.0), -1.0)


def _cut(array: Bools, row0: int, row1: int, col0: int, col1: int) -> NDArray[np.float64]:
    """A window of an array, zero beyond its edges."""
    result = np.zeros((row1 - row0, col1 - col0))
    top, left = max(row0, 0), max(col0, 0)
    part = array[top : max(row1, 0), left : max(col1, 0)]
    result[top - row0 : top - row0 + part.shape[0], left - col0 : left - col0 + part.shape[1]] = (
        part
    )
    return result


def _direction_bins(reach: int) -> NDArray[np.int64]:
    """Bin of every displacement; −1 for none at all."""
    rows, cols = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    turn = np.arctan2(rows, cols) / (2 * np.pi) * BINS
    bins: NDArray[np.int64] = np.rint(turn).astype(np.int64) % BINS
    bins[reach, reach] = -1
    return bins


def _best(field: NDArray[np.float64], reach: int) -> ShadowMatch:
    row, col = np.unravel_index(int(field.argmax()), field.shape)
    share = float(field[row, col])
    return ShadowMatch(max(share, 0.0), int(row) - reach, int(col) - reach)
