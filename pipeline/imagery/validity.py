"""Which pixels were seen at all: declared nodata, NaN, undeclared collars, supplied masks.

A collar is the band of constant 0 (or, in 8-bit images, 255) between the image frame and the area
the sensor covered. It is recognised only from the frame inwards: a pixel of that value *inside* the
image is a dark roof or deep water and stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.grid import RasterWindow, Tile, TileOutput
from pipeline.scene import working_dtype

VALID, NODATA, CLOUD, SHADOW, SATURATED, UNREGISTERED = 0, 1, 2, 3, 4, 5
"""Values of `valid.tif` (DESIGN §2)."""

VALIDITIES = ("valid", "valid_before", "valid_after")
"""What both dates hide together, and each alone."""

MASK_VALUES = (VALID, NODATA, CLOUD, SHADOW)
"""Values of a validity mask supplied with an image (云掩膜)."""
WORST_FIRST = (NODATA, CLOUD, SHADOW, SATURATED)
"""Which value counts where several apply: no data hides more than cloud, cloud more than shadow."""

COLLAR_SHARE = 0.01
"""Share of the frame's pixels that must carry a value for it to be taken for a collar."""

LARGEST_REAL_VALUE = 1e30
"""No radiometric quantity is this large: such floating pixels are undeclared nodata."""
NOWHERE = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class CollarBounds:
    """First and last covered pixel of every row and every column; pixels beyond are collar."""

    first_col: NDArray[np.int32]
    last_col: NDArray[np.int32]
    first_row: NDArray[np.int32]
    last_row: NDArray[np.int32]

    def merge(self, other: CollarBounds) -> CollarBounds:
        """Union of the covered parts; commutative and exact."""
        return CollarBounds(
            np.minimum(self.first_col, other.first_col),
            np.maximum(self.last_col, other.last_col),
            np.minimum(self.first_row, other.first_row),
            np.maximum(self.last_row, other.last_row),
        )


@dataclass(frozen=True, eq=False)
class Collar:
    """One undeclared collar: its value and the area inside it."""

    value: float
    bounds: CollarBounds


@dataclass(frozen=True, eq=False)
class NodataRule:
    """How nodata is told from data in one image."""

    nodata: float | None = None
    """Declared value: nodata where all bands have it (one dark band is not enough)."""
    collars: tuple[Collar, ...] = ()
    """Each is told from its own frame inwards: black on one side, white on another."""
    mask_bands: tuple[int, ...] = ()
    """The file's own mask and alpha bands, read along; as in `Scene`."""

    def is_trivial(self, dtype: str) -> bool:
        """True if no pixel of an image of this type can be nodata."""
        states_none = self.nodata is None and not self.collars and not self.mask_bands
        return states_none and not dtype.startswith("float")


def covered_mask(window: RasterWindow, rule: NodataRule) -> NDArray[np.uint8]:
    """1 where the image has data, 0 elsewhere; `(y, x)` uint8 of the window's size."""
    pixels = window.array
    covered = np.ones(pixels.shape[1:], np.uint8)
    if pixels.dtype.kind == "f":
        # Comparisons with NaN are false; fill values near the type's limit are often undeclared.
        covered &= (np.abs(pixels) < LARGEST_REAL_VALUE).all(axis=0).astype(np.uint8)
    if window.mask is not None:
        covered &= (window.mask != 0).astype(np.uint8)
    if rule.nodata is not None and not np.isnan(rule.nodata):
        covered &= (pixels != pixels.dtype.type(rule.nodata)).any(axis=0).astype(np.uint8)
    for collar in rule.collars:
        covered &= (~_collar(window, collar.value, collar.bounds)).astype(np.uint8)
    return covered


def count_codes(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels by their value, `(6,)`."""
    return np.bincount(codes.ravel(), minlength=UNREGISTERED + 1)[: UNREGISTERED + 1]


def worst_of(states: Sequence[NDArray[np.uint8]], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The worst of several validities `(y, x)` for every pixel, by `WORST_FIRST`; 0 if none."""
    worst = np.zeros(shape, np.uint8)
    for value in reversed(WORST_FIRST):
        for state in states:
            worst[state == value] = value
    return worst


def _collar(window: RasterWindow, value: float, bounds: CollarBounds) -> NDArray[np.bool_]:
    _, rows, cols = window.array.shape
    row = np.arange(window.row0, window.row0 + rows)[:, None]
    col = np.arange(window.col0, window.col0 + cols)[None, :]
    outside = (
        (col < bounds.first_col[row])
        | (col > bounds.last_col[row])
        | (row < bounds.first_row[col])
        | (row > bounds.last_row[col])
    )
    collar: NDArray[np.bool_] = outside & (window.array == window.array.dtype.type(value)).all(
        axis=0
    )
    return collar


def collar_candidates(frame: NDArray[Any]) -> list[float]:
    """Values that may be a collar, from the frame's pixels `(band, n)`; empty if none."""
    values = [0.0] + ([255.0] if frame.dtype == np.uint8 else [])
    shares = {v: float((frame == v).all(axis=0).mean()) for v in values}
    return [v for v in values if shares[v] >= COLLAR_SHARE]


@dataclass(frozen=True)
class CollarScan:
    """Parameters of `scan_collar`."""

    value: float
    height: int
    width: int


def scan_collar(tile: Tile, sources: Mapping[str, RasterWindow], params: CollarScan) -> TileOutput:
    """Tile function: the covered part of every row and column in this tile."""
    pixels = sources["image"].array
    covered = (pixels != pixels.dtype.type(params.value)).any(axis=0)
    core = tile.core
    bounds = CollarBounds(
        np.full(params.height, NOWHERE, np.int32),
        np.full(params.height, -1, np.int32),
        np.full(params.width, NOWHERE, np.int32),
        np.full(params.width, -1, np.int32),
    )
    in_row, in_col = covered.any(axis=1), covered.any(axis=0)
    row_slice, col_slice = slice(core.row0, core.row1), slice(core.col0, core.col1)
    bounds.first_col[row_slice][in_row] = core.col0 + covered[in_row].argmax(axis=1)
    bounds.last_col[row_slice][in_row] = core.col1 - 1 - covered[in_row, ::-1].argmax(axis=1)
    bounds.first_row[col_slice][in_col] = core.row0 + covered[:, in_col].argmax(axis=0)
    bounds.last_row[col_slice][in_col] = core.row1 - 1 - covered[::-1][:, in_col].argmax(axis=0)
    return TileOutput(partials=((tile.index, bounds),))


def working_pixels(window: RasterWindow, covered: NDArray[np.uint8]) -> NDArray[Any]:
    """Pixels of a type the kernels know; others become float32, with 0 where not covered."""
    dtype = working_dtype(window.array.dtype.name)
    if window.array.dtype == dtype:
        return window.array
    return np.where(covered == 1, window.array, 0).astype(dtype)
