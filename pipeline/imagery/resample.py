"""Putting one image onto another's grid with cubic convolution.

One mechanism serves a grid offset, a measured shift, another pixel size and another CRS: every
target pixel has a fractional position in the source. Positions are computed from absolute pixel
numbers (never relative to a tile), so the result does not depend on how the grid was cut. OpenCV's
remap quantises to 1/32 px and GDAL's warper approximates per chunk; neither has that property.

A displacement field moves the positions further, place by place; it is evaluated at the same
absolute nodes.

Kernel: Keys (1981), cubic convolution, a = −1/2, IEEE TASSP 29(6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from pipeline.grid import Grid, PixelWindow, Tile
from pipeline.imagery.cubic import (
    LATTICE_PX,
    copy_offset,
    keys_weights,
    map_cubic,
    shift_cubic,
    shift_valid,
)
from pipeline.imagery.displacement import DisplacementField
from pipeline.imagery.field_kernels import field_cubic, field_nearest

KERNEL_REACH_PX = 2
EXACT_OFFSET_PX = 1e-6
"""Offsets closer than this to whole pixels are copied, not interpolated."""


@dataclass(frozen=True)
class GridMapping:
    """Where the pixels of a target grid lie in a source image."""

    target: Grid
    source: Grid
    shift_row_px: float = 0.0
    """Measured displacement of the source's content, target pixels: content seen at `r` in the
    target lies at `r + shift_row_px` if the source is placed by its georeference alone."""
    shift_col_px: float = 0.0
    field: DisplacementField | None = None
    """Displacement that varies from place to place, on top of the constant shift."""

    @property
    def offset(self) -> tuple[float, float] | None:
        """Constant `(row, col)` offset target → source, or None if the mapping is not constant."""
        return self.grid_offset if self.field is None else None

    @property
    def grid_offset(self) -> tuple[float, float] | None:
        """The same without the field: None if pixels differ in size, direction or CRS."""
        ta, tb, tc, td, te, tf = self.target.transform
        sa, sb, _, sd, se, _ = self.source.transform
        size = max(abs(ta), abs(te))
        if self.target.crs != self.source.crs or any(
            abs(t - s) * max(self.target.width, self.target.height) > 1e-4 * size
            for t, s in ((ta, sa), (tb, sb), (td, sd), (te, se))
        ):
            return None
        rows, cols = self.source.rowcol(np.array([tc]), np.array([tf]))
        return (
            _snap(float(rows[0]) + self.shift_row_px),
            _snap(float(cols[0]) + self.shift_col_px),
        )

    def positions(
        self, rows: NDArray[np.float64], cols: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Source `(row, col)` of target pixel numbers; both refer to pixel centres."""
        if self.field is not None:
            moved_rows, moved_cols = self.field.at(rows, cols)
            rows, cols = rows + moved_rows, cols + moved_cols
        x, y = self.target.xy(rows + self.shift_row_px + 0.5, cols + self.shift_col_px + 0.5)
        if self.target.crs_wkt is not None and self.target.crs != self.source.crs:
            assert self.source.crs_wkt is not None  # a pair is checked when it is opened
            x, y = _transformer(self.target.crs_wkt, self.source.crs_wkt).transform(x, y)
            if self.source.is_geographic:
                x = _near_centre(x, self.source)
        source_rows, source_cols = self.source.rowcol(x, y)
        return source_rows - 0.5, source_cols - 0.5

    def lattice(
        self, window: PixelWindow
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], int, int]:
        """Source positions at nodes covering a window, with the first node's row and column.

        Nodes sit on absolute multiples of `LATTICE_PX`: neighbouring tiles share them exactly.
        """
        row0, col0 = window.row0 // LATTICE_PX, window.col0 // LATTICE_PX
        row1, col1 = ceil(window.row1 / LATTICE_PX) + 1, ceil(window.col1 / LATTICE_PX) + 1
        rows, cols = np.meshgrid(
            np.arange(row0, row1, dtype=np.float64) * LATTICE_PX,
            np.arange(col0, col1, dtype=np.float64) * LATTICE_PX,
            indexing="ij",
        )
        node_rows, node_cols = self.positions(rows, cols)
        return node_rows, node_cols, row0 * LATTICE_PX, col0 * LATTICE_PX

    def footprint(self, window: PixelWindow) -> PixelWindow:
        """Source pixels needed for a target window, kernel included, clipped to the source."""
        constant = self.offset
        if constant is not None:
            row, col = constant
            needed = PixelWindow(
                floor(window.row0 + row),
                ceil(window.row1 + row),
                floor(window.col0 + col),
                ceil(window.col1 + col),
            )
        else:
            node_rows, node_cols, _, _ = self.lattice(window)
            finite = np.isfinite(node_rows) & np.isfinite(node_cols)
            if not finite.any():
                return PixelWindow(0, 0, 0, 0)
            needed = PixelWindow(
                floor(np.min(node_rows[finite])),
                ceil(np.max(node_rows[finite])) + 1,
                floor(np.min(node_cols[finite])),
                ceil(np.max(node_cols[finite])) + 1,
            )
        return needed.pad(KERNEL_REACH_PX).clip(self.source.height, self.source.width)


@dataclass(frozen=True)
class MappedFootprint:
    """`Footprint` of a source that is read through a mapping."""

    mapping: GridMapping

    def __call__(self, tile: Tile) -> PixelWindow:
        """The window in the source."""
        return self.mapping.footprint(tile.padded)


def resample(
    window: PixelWindow,
    pixels: NDArray[Any],
    origin: tuple[int, int],
    source_valid: NDArray[np.uint8],
    mapping: GridMapping,
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Cubic convolution of a source onto a target window.

    `pixels` `(band, y, x)` cover the source window starting at `origin` (row, col); `source_valid`
    `(y, x)` is 1 where the source has data. Returns pixels of the same dtype on the target window
    and a 0/1 mask: 0 where any pixel under the kernel has no data or the centre lies outside.
    Integer results are rounded to nearest and kept inside the dtype's range.
    """
    rows, cols = window.shape
    out = np.zeros((pixels.shape[0], rows, cols), pixels.dtype)
    out_valid = np.zeros((rows, cols), np.uint8)
    if pixels.shape[1] == 0 or pixels.shape[2] == 0:
        return out, out_valid
    limits = _range_of(pixels.dtype)
    constant = mapping.offset
    size = (mapping.source.height, mapping.source.width)
    if constant is not None:
        # Whole and fractional part are split on the absolute offset: taking the difference to a
        # tile's origin first would round differently from tile to tile.
        whole = floor(constant[0]), floor(constant[1])
        part = constant[0] - whole[0], constant[1] - whole[1]
        first = window.row0 + whole[0] - origin[0], window.col0 + whole[1] - origin[1]
        shift_valid(source_valid, first, part, (*origin, *size), out_valid)
        if part == (0.0, 0.0):
            copy_offset(pixels, first[0], first[1], out)
        else:
            weights = np.concatenate([keys_weights(part[0]), keys_weights(part[1])])
            shift_cubic(pixels, first[0], first[1], weights, limits, out)
    else:
        node_rows, node_cols, row0, col0 = mapping.lattice(window)
        first = (window.row0 - row0, window.col0 - col0)
        # A field on the target's own pixels leaves neighbours neighbours, which is much faster.
        kernel = map_cubic if mapping.grid_offset is None else field_cubic
        kernel(
            pixels, source_valid, node_rows, node_cols, first, origin, size, limits, out, out_valid
        )  # fmt: skip
    return out, out_valid


def _near_centre(lon: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Longitudes taken within half a turn of the grid's centre: PROJ wraps them at ±180°."""
    centre = float(grid.xy(np.array([grid.height / 2]), np.array([grid.width / 2]))[0][0])
    turns = np.round((lon - centre) / 360.0)
    return np.where(turns == 0, lon, lon - 360.0 * turns)


@lru_cache(maxsize=8)
def _transformer(from_wkt: str, to_wkt: str) -> Transformer:
    return Transformer.from_crs(from_wkt, to_wkt, always_xy=True)


def _snap(offset_px: float) -> float:
    nearest = round(offset_px)
    return float(nearest) if abs(offset_px - nearest) < EXACT_OFFSET_PX else offset_px


def _range_of(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype.kind == "f":
        return -np.inf, np.inf
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)


def sample_nearest(
    window: PixelWindow,
    pixels: NDArray[Any],
    origin: tuple[int, int],
    mapping: GridMapping,
    fill: int,
) -> NDArray[Any]:
    """Value of the source pixel under each target pixel's centre; `fill` outside the source.

    For classes and stored scores, which must not be mixed. `pixels` `(y, x)` cover the source
    window starting at `origin`.
    """
    out = np.full(window.shape, fill, pixels.dtype)
    if mapping.field is not None:
        node_rows, node_cols, row0, col0 = mapping.lattice(window)
        first = (window.row0 - row0, window.col0 - col0)
        field_nearest(pixels, node_rows, node_cols, first, origin, out)
        return out
    rows, cols = np.meshgrid(
        np.arange(window.row0, window.row1, dtype=np.float64),
        np.arange(window.col0, window.col1, dtype=np.float64),
        indexing="ij",
    )
    source_rows, source_cols = mapping.positions(rows, cols)
    r = np.floor(source_rows + 0.5).astype(np.int64) - origin[0]
    c = np.floor(source_cols + 0.5).astype(np.int64) - origin[1]
    inside = (r >= 0) & (r < pixels.shape[0]) & (c >= 0) & (c < pixels.shape[1])
    out[inside] = pixels[r[inside], c[inside]]
    return out
