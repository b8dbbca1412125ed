"""What a remaining misregistration would explain of each changed object (配准误差窄条).

Where two images lie apart by less than r pixels, every value of one date occurs at the other within
r pixels. So a pixel is explained if each date's value lies inside the range of the other date's
neighbourhood, in every band, and that neighbourhood holds an edge: on even ground a displacement
changes nothing. Both dates are treated alike, so swapping them changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.change.objects import RunTable, objects_in
from pipeline.grid import RasterWindow, Tile, TileOutput

RADII_PX = (1, 2)
"""A displacement of up to so many pixels."""
HALO_PX = max(RADII_PX)
EDGE_SIGMAS = 3.0
"""Contrast of an edge, in standard deviations of unchanged pixels."""
COLUMNS = ("n", "explained_1", "explained_2", "core_1", "core_2")
"""Pixels; explained by a displacement of 1 or 2 px; left when the object is eroded so far."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Line:
    """One band's radiometric relation: `before ≈ gain · after + offset`, spread `sigma`."""

    gain: float
    offset: float
    sigma: float


@dataclass(frozen=True, eq=False)
class ShiftEvidenceJob:
    """Parameters of `measure_shift_evidence`."""

    runs: RunTable
    lines: tuple[Line, ...]


def measure_shift_evidence(
    tile: Tile, sources: Mapping[str, RasterWindow], params: ShiftEvidenceJob
) -> TileOutput:
    """Tile function: `before`, `after`, `valid` of the padded window → `COLUMNS` per component.

    The partial is (component numbers, sums `(component, 5)`) of the components in the core.
    """
    valid = sources["valid"].array[0] == 0
    ids, present, local = objects_in(tile, params.runs)
    if not present.size:
        return TileOutput()
    core = ids[tile.core_slices]
    before = sources["before"].array
    after = sources["after"].array
    columns = [np.ones(valid.shape, np.bool_)]
    columns += [explained_by_shift(before, after, valid, params.lines, r) for r in RADII_PX]
    columns += [_core_of(ids, r) for r in RADII_PX]
    at = local[core[core >= 0]]
    sums = np.stack(
        [
            np.bincount(at, weights=column[tile.core_slices][core >= 0], minlength=present.size)
            for column in columns
        ],
        axis=1,
    ).astype(np.int64)
    return TileOutput(partials=((tile.index, (present, sums)),))


def explained_by_shift(
    before: NDArray[Any],
    after: NDArray[Any],
    valid: NDArray[np.bool_],
    lines: tuple[Line, ...],
    radius_px: int,
) -> NDArray[np.bool_]:
    """Pixels `(y, x)` of images `(band, y, x)` whose change a displacement can have made."""
    explained, has_edge = valid.copy(), np.zeros(valid.shape, np.bool_)
    for x, y, line in zip(before, after, lines, strict=True):
        first = x.astype(np.float32)
        second = np.float32(line.gain) * y.astype(np.float32) + np.float32(line.offset)
        sigma = np.float32(line.sigma)
        low, high = _range_around(first, valid, radius_px)
        explained &= (second >= low - sigma) & (second <= high + sigma)
        has_edge |= high - low >= np.float32(EDGE_SIGMAS) * sigma
        low, high = _range_around(second, valid, radius_px)
        explained &= (first >= low - sigma) & (first <= high + sigma)
    return explained & has_edge


def _range_around(image: Floats, valid: NDArray[np.bool_], radius_px: int) -> tuple[Floats, Floats]:
    """Lowest and highest valid value of the square around each pixel."""
    far = np.float32(1e30)  # twice as much is still a float32
    square = np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)
    low = cv2.erode(np.where(valid, image, far), square)
    high = cv2.dilate(np.where(valid, image, -far), square)
    return np.asarray(low, np.float32), np.asarray(high, np.float32)


def _core_of(ids: NDArray[np.int32], radius_px: int) -> NDArray[np.bool_]:
    """Pixels whose whole neighbourhood belongs to the same component; numbers below 2²⁴."""
    numbers = ids.astype(np.float32)
    square = np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)
    return np.asarray(cv2.erode(numbers, square) == cv2.dilate(numbers, square))
