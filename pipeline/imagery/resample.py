"""Putting one image onto another's grid with cubic convolution.

One mechanism serves a grid offset, a measured shift, another pixel size and another CRS: every
target pixel has a fractional position in the source. Positions are computed from absolute pixel
numbers (never relative to a tile), so the result does not depend on how the grid was cut. OpenCV's
remap quantises to 1/32 px and GDAL's warper approximates per chunk; neither has that property.

Kernel: Keys (1981), cubic convolution, a = −1/2, IEEE TASSP 29(6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pyproj import Transformer

from pipeline.grid import Grid, PixelWindow, Tile

LATTICE_PX = 32
"""Spacing of the nodes at which a general mapping is computed exactly; bilinear in between."""
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

    @property
    def offset(self) -> tuple[float, float] | None:
        """Constant `(row, col)` offset target → source, or None if the mapping is not constant."""
        ta, tb, tc, td, te, tf = self.target.transform
        sa, sb, sc, sd, se, sf = self.source.transform
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
        x, y = self.target.xy(rows + self.shift_row_px + 0.5, cols + self.shift_col_px + 0.5)
        if self.target.crs_wkt is not None and self.target.crs != self.source.crs:
            assert self.source.crs_wkt is not None  # a pair is checked when it is opened
            x, y = _transformer(self.target.crs_wkt, self.source.crs_wkt).transform(x, y)
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
                floor(node_rows[finite].min()),
                ceil(node_rows[finite].max()) + 1,
                floor(node_cols[finite].min()),
                ceil(node_cols[finite].max()) + 1,
            )
        return needed.pad(KERNEL_REACH_PX).clip(self.source.height, self.source.width)


@dataclass(frozen=True)
class MappedFootprint:
    """`Footprint` of a source that is read through a mapping."""

    mapping: GridMapping

    def __call__(self, tile: Tile) -> PixelWindow:
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
    low, high = _range_of(pixels.dtype)
    constant = mapping.offset
    size = (mapping.source.height, mapping.source.width)
    if constant is not None:
        # Whole and fractional part are split on the absolute offset: taking the difference to a
        # tile's origin first would round differently from tile to tile.
        whole = floor(constant[0]), floor(constant[1])
        part = constant[0] - whole[0], constant[1] - whole[1]
        first = window.row0 + whole[0] - origin[0], window.col0 + whole[1] - origin[1]
        _shift_valid(source_valid, first, part, (*origin, *size), out_valid)
        if part == (0.0, 0.0):
            _copy_offset(pixels, first[0], first[1], out)
        else:
            weights = np.concatenate([_keys(part[0]), _keys(part[1])])
            _shift_cubic(pixels, first[0], first[1], weights, low, high, out)
    else:
        node_rows, node_cols, row0, col0 = mapping.lattice(window)
        first = (window.row0 - row0, window.col0 - col0)
        _map_cubic(
            pixels, source_valid, node_rows, node_cols, first, origin, size, (low, high), out, out_valid
        )  # fmt: skip
    return out, out_valid


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


def _keys(fraction: float) -> NDArray[np.float32]:
    """Weights of the four taps at −1, 0, 1, 2 for a position `fraction` after tap 0."""
    t = fraction
    return np.array(
        [
            ((-0.5 * t + 1.0) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1.0,
            ((-1.5 * t + 2.0) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        ],
        np.float32,
    )


@njit(nogil=True, cache=True)
def _copy_offset(pixels, row, col, out):  # type: ignore[no-untyped-def]
    bands, rows, cols = out.shape
    top, left = pixels.shape[1] - 1, pixels.shape[2] - 1
    for k in range(bands):
        for i in range(rows):
            r = min(max(i + row, 0), top)
            for j in range(cols):
                out[k, i, j] = pixels[k, r, min(max(j + col, 0), left)]


@njit(nogil=True, cache=True)
def _inside(whole, part, size):  # type: ignore[no-untyped-def]
    """Whether the position `whole + part` lies on an axis of `size` pixels, half a pixel around."""
    if whole < 0:
        return whole == -1 and part >= 0.5
    return whole < size - 1 or (whole == size - 1 and part <= 0.5)


@njit(nogil=True, cache=True)
def _shift_valid(valid, first, part, bounds, out):  # type: ignore[no-untyped-def]
    """1 where the centre lies in the source image and every pixel under the kernel has data."""
    origin_row, origin_col, height, width = bounds
    rows, cols = out.shape
    r0, c0 = first
    reach_r = 0 if part[0] == 0 else 1
    reach_c = 0 if part[1] == 0 else 1
    all_valid = valid.min() == 1
    for i in range(rows):
        # centre within the image: -0.5 <= whole + part <= size - 0.5
        whole_r = i + r0 + origin_row
        if not _inside(whole_r, part[0], height):
            continue
        for j in range(cols):
            if not _inside(j + c0 + origin_col, part[1], width):
                continue
            if all_valid:
                out[i, j] = 1
                continue
            good = 1
            for a in range(-reach_r, 2 * reach_r + 1):
                r = min(max(i + r0 + a, 0), valid.shape[0] - 1)
                for b in range(-reach_c, 2 * reach_c + 1):
                    c = min(max(j + c0 + b, 0), valid.shape[1] - 1)
                    good &= valid[r, c]
            out[i, j] = good


@njit(nogil=True, cache=True)
def _shift_cubic(pixels, row, col, weights, low, high, out):  # type: ignore[no-untyped-def]
    """Separable cubic convolution by a constant fraction; four filtered rows are kept at a time."""
    bands, rows, cols = out.shape
    height, width = pixels.shape[1], pixels.shape[2]
    v0, v1, v2, v3 = weights[0], weights[1], weights[2], weights[3]
    h0, h1, h2, h3 = weights[4], weights[5], weights[6], weights[7]
    first = max(0, 1 - col)
    last = min(cols, width - 2 - col)
    lo, hi = np.float32(low), np.float32(high)
    half = np.float32(0.0) if high == np.inf else np.float32(0.5)
    kept = np.empty((4, cols), np.float32)
    for k in range(bands):
        for i in range(-1, rows + 2):
            source = pixels[k, min(max(i + row, 0), height - 1)]
            line = kept[(i + 4) & 3]
            for j in range(first, last):
                c = j + col
                line[j] = (
                    h0 * np.float32(source[c - 1])
                    + h1 * np.float32(source[c])
                    + h2 * np.float32(source[c + 1])
                    + h3 * np.float32(source[c + 2])
                )
            for j in range(cols):
                if first <= j < last:
                    continue
                c = j + col
                line[j] = (
                    h0 * np.float32(source[min(max(c - 1, 0), width - 1)])
                    + h1 * np.float32(source[min(max(c, 0), width - 1)])
                    + h2 * np.float32(source[min(max(c + 1, 0), width - 1)])
                    + h3 * np.float32(source[min(max(c + 2, 0), width - 1)])
                )
            if i < 2:
                continue
            a, b = kept[(i + 1) & 3], kept[(i + 2) & 3]
            c_, d = kept[(i + 3) & 3], kept[i & 3]
            target = out[k, i - 2]
            for j in range(cols):
                value = v0 * a[j] + v1 * b[j] + v2 * c_[j] + v3 * d[j] + half
                target[j] = np.floor(min(max(value, lo), hi)) if half > 0 else value


@njit(nogil=True, cache=True)
def _map_cubic(  # type: ignore[no-untyped-def]
    pixels, valid, node_rows, node_cols, first, origin, size, limits, out, out_valid
):
    """Cubic convolution at positions interpolated between lattice nodes."""
    bands, rows, cols = out.shape
    height, width = pixels.shape[1], pixels.shape[2]
    low, high = limits
    wr, wc = np.empty(4, np.float64), np.empty(4, np.float64)
    for i in range(rows):
        at_r = (i + first[0]) / LATTICE_PX
        nr = int(at_r)
        fr = at_r - nr
        for j in range(cols):
            at_c = (j + first[1]) / LATTICE_PX
            nc = int(at_c)
            fc = at_c - nc
            w00, w01 = (1 - fr) * (1 - fc), (1 - fr) * fc
            w10, w11 = fr * (1 - fc), fr * fc
            r = (
                w00 * node_rows[nr, nc] + w01 * node_rows[nr, nc + 1]
                + w10 * node_rows[nr + 1, nc] + w11 * node_rows[nr + 1, nc + 1]
            )  # fmt: skip
            c = (
                w00 * node_cols[nr, nc] + w01 * node_cols[nr, nc + 1]
                + w10 * node_cols[nr + 1, nc] + w11 * node_cols[nr + 1, nc + 1]
            )  # fmt: skip
            if not (-0.5 <= r <= size[0] - 0.5 and -0.5 <= c <= size[1] - 0.5):
                continue
            r0, c0 = int(np.floor(r)), int(np.floor(c))
            tr, tc = r - r0, c - c0
            r0 -= origin[0]
            c0 -= origin[1]
            for taps, t in ((wr, tr), (wc, tc)):
                taps[0] = ((-0.5 * t + 1.0) * t - 0.5) * t
                taps[1] = (1.5 * t - 2.5) * t * t + 1.0
                taps[2] = ((-1.5 * t + 2.0) * t + 0.5) * t
                taps[3] = (0.5 * t - 0.5) * t * t
            good = 1
            for a in range(4):
                ra = min(max(r0 - 1 + a, 0), height - 1)
                for b in range(4):
                    good &= valid[ra, min(max(c0 - 1 + b, 0), width - 1)]
            out_valid[i, j] = good
            if good == 0:
                continue
            for k in range(bands):
                value = 0.0
                for a in range(4):
                    ra = min(max(r0 - 1 + a, 0), height - 1)
                    for b in range(4):
                        cb = min(max(c0 - 1 + b, 0), width - 1)
                        value += wr[a] * wc[b] * pixels[k, ra, cb]
                if high != np.inf:
                    value = np.floor(min(max(value + 0.5, low), high))
                out[k, i, j] = value


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
    rows, cols = np.meshgrid(
        np.arange(window.row0, window.row1, dtype=np.float64),
        np.arange(window.col0, window.col1, dtype=np.float64),
        indexing="ij",
    )
    source_rows, source_cols = mapping.positions(rows, cols)
    r = np.floor(source_rows + 0.5).astype(np.int64) - origin[0]
    c = np.floor(source_cols + 0.5).astype(np.int64) - origin[1]
    inside = (r >= 0) & (r < pixels.shape[0]) & (c >= 0) & (c < pixels.shape[1])
    out = np.full(window.shape, fill, pixels.dtype)
    out[inside] = pixels[r[inside], c[inside]]
    return out
