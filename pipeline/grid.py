"""Value types for raster grids, pixel windows and tiles.

Rows grow downwards, columns to the right; windows are half-open. Arrays are `(band, y, x)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import ceil, sqrt
from typing import Any, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

BLOCK_PX = 512
"""Side of the fixed blocks, anchored at the grid origin, in which statistics accumulate."""

MAX_GSD_M = 10_000.0
"""Largest stated pixel size: coarser than any image of the Earth's surface, and small enough that
areas and lengths of whole images stay finite."""

UNPLACED = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""The transform that a file without any is read with."""


@lru_cache(maxsize=64)
def crs_from_wkt(wkt: str) -> CRS:
    """Parsed CRS, cached because parsing costs milliseconds."""
    return CRS.from_wkt(wkt)


@dataclass(frozen=True)
class PixelWindow:
    """A half-open rectangle of pixels."""

    row0: int
    row1: int
    col0: int
    col1: int

    @property
    def shape(self) -> tuple[int, int]:
        """`(rows, cols)`."""
        return self.row1 - self.row0, self.col1 - self.col0

    @property
    def is_empty(self) -> bool:
        """True if it holds no pixel."""
        return self.row1 <= self.row0 or self.col1 <= self.col0

    def pad(self, px: int) -> PixelWindow:
        """Grow by `px` on every side."""
        return PixelWindow(self.row0 - px, self.row1 + px, self.col0 - px, self.col1 + px)

    def clip(self, height: int, width: int) -> PixelWindow:
        """The part inside an image of `height` × `width` pixels."""
        row0, col0 = min(max(self.row0, 0), height), min(max(self.col0, 0), width)
        row1, col1 = min(max(self.row1, row0), height), min(max(self.col1, col0), width)
        return PixelWindow(row0, row1, col0, col1)

    def slices_in(self, outer: PixelWindow) -> tuple[slice, slice]:
        """Row and column slices that cut this window out of an array covering `outer`."""
        return (
            slice(self.row0 - outer.row0, self.row1 - outer.row0),
            slice(self.col0 - outer.col0, self.col1 - outer.col0),
        )


@dataclass(frozen=True)
class Grid:
    """Size, position and reference system of a raster."""

    width: int
    height: int
    transform: tuple[float, float, float, float, float, float]
    """Affine coefficients a, b, c, d, e, f: x = a·col + b·row + c, y = d·col + e·row + f."""
    crs_wkt: str | None
    """WKT of the CRS; None for images without reference, which then need `gsd_m`."""
    gsd_m: float | None = None
    """Ground sampling distance stated by the user for images without a CRS, metres."""

    @property
    def affine(self) -> Affine:
        """The transform as an `Affine`."""
        return Affine(*self.transform)

    @property
    def crs(self) -> CRS | None:
        """The CRS, or None."""
        return None if self.crs_wkt is None else crs_from_wkt(self.crs_wkt)

    @property
    def is_geographic(self) -> bool:
        """True if coordinates are degrees."""
        return self.crs is not None and bool(self.crs.is_geographic)

    @property
    def window(self) -> PixelWindow:
        """The whole grid as a window."""
        return PixelWindow(0, self.height, 0, self.width)

    @property
    def pixel_area_m2(self) -> float:
        """Planar area of one pixel, m². Not defined for degrees."""
        if self.crs is None:
            if self.gsd_m is None:
                raise ValueError("a grid without CRS has no metres unless gsd_m is given")
            return self.gsd_m * self.gsd_m
        if self.is_geographic:
            raise ValueError("a grid in degrees has no pixel size in metres")
        a, b, _, d, e, _ = self.transform
        unit_m = float(self.crs.axis_info[0].unit_conversion_factor)
        return abs(a * e - b * d) * unit_m * unit_m

    @property
    def pixel_size_m(self) -> float:
        """Side of a square pixel of the same area, metres."""
        return sqrt(self.pixel_area_m2)

    def xy(
        self, rows: NDArray[np.float64], cols: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates of pixel positions; (0, 0) is the outer corner of the first pixel."""
        a, b, c, d, e, f = self.transform
        return a * cols + b * rows + c, d * cols + e * rows + f

    def rowcol(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fractional `(row, col)` of coordinates; inverse of `xy`."""
        inverse = ~self.affine
        cols = inverse.a * x + inverse.b * y + inverse.c
        rows = inverse.d * x + inverse.e * y + inverse.f
        return rows, cols

    @property
    def is_placed(self) -> bool:
        """Whether the transform says where the pixels lie."""
        return self.transform != UNPLACED

    def corners_apart_px(self, other: Grid) -> NDArray[np.float64]:
        """How many of this grid's rows and columns `(2, corner)` lie between its corners and where
        another grid has the same pixels."""
        rows = np.array([0.0, 0.0, self.height, self.height])
        cols = np.array([0.0, self.width, 0.0, self.width])
        found_rows, found_cols = self.rowcol(*other.xy(rows, cols))
        return np.stack([found_rows - rows, found_cols - cols])

    def resized_as(self, other: Grid) -> Grid:
        """This grid's origin, pixels and reference with another one's number of pixels."""
        return replace(self, width=other.width, height=other.height)

    def same_pixels(self, other: Grid) -> bool:
        """Same size, transform and CRS."""
        return (self.width, self.height, self.transform) == (
            other.width,
            other.height,
            other.transform,
        ) and (self.crs == other.crs)


@dataclass(frozen=True)
class Tile:
    """One unit of work: a core to be written and a padded window to be read."""

    index: int
    """Position in row-major order over the grid."""
    core: PixelWindow
    padded: PixelWindow
    """Core plus halo, clipped at the grid edge."""

    @property
    def core_slices(self) -> tuple[slice, slice]:
        """Slices that cut the core out of an array covering the padded window."""
        return self.core.slices_in(self.padded)

    def blocks(self, grid_width: int) -> Iterator[tuple[int, PixelWindow]]:
        """The fixed 512-px blocks inside the core, with their row-major number in the grid."""
        blocks_across = ceil(grid_width / BLOCK_PX)
        for row0 in range(self.core.row0, self.core.row1, BLOCK_PX):
            for col0 in range(self.core.col0, self.core.col1, BLOCK_PX):
                number = (row0 // BLOCK_PX) * blocks_across + col0 // BLOCK_PX
                yield (
                    number,
                    PixelWindow(
                        row0,
                        min(row0 + BLOCK_PX, self.core.row1),
                        col0,
                        min(col0 + BLOCK_PX, self.core.col1),
                    ),
                )


def tiles(height: int, width: int, tile_px: int, halo_px: int = 0) -> list[Tile]:
    """Cut a grid into tiles, row-major. `tile_px` must be a multiple of 512 (DESIGN §6)."""
    if tile_px <= 0 or tile_px % BLOCK_PX:
        raise ValueError(f"tile_px must be a positive multiple of {BLOCK_PX}, got {tile_px}")
    result: list[Tile] = []
    for row0 in range(0, height, tile_px):
        for col0 in range(0, width, tile_px):
            core = PixelWindow(row0, row0 + tile_px, col0, col0 + tile_px).clip(height, width)
            result.append(Tile(len(result), core, core.pad(halo_px).clip(height, width)))
    return result


@dataclass(frozen=True)
class RasterWindow:
    """Pixels of one source together with where they lie in that source."""

    array: NDArray[Any]
    """`(band, y, x)`."""
    row0: int
    col0: int
    mask: NDArray[np.uint8] | None = None
    """`(y, x)`, 0 where the file itself says there is no data; None if it was not asked."""


@dataclass(frozen=True)
class TileOutput:
    """What a tile function gives back."""

    rasters: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """By output name: core-shaped `(y, x)` or `(band, y, x)`."""
    partials: tuple[tuple[int, Any], ...] = ()
    """Statistics per fixed block: `(block number, mergeable value)`; merged in block order."""


class TileFunction(Protocol):
    """The one signature every tiled step has, on threads and on a cluster.

    It must be a module-level function (picklable), must not open files, and its result for a pixel
    must not depend on how the grid was cut.
    """

    def __call__(self, tile: Tile, sources: Mapping[str, RasterWindow], params: Any) -> TileOutput:
        """Compute one tile."""
