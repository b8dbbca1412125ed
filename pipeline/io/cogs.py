"""Cutting a piece out of an image as a Cloud Optimized GeoTIFF, strip by strip.

DEFLATE with predictor: ZSTD would be faster, but not every tablet in the field reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import shapely
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from pipeline.grid import BLOCK_PX, Grid, PixelWindow
from pipeline.io.atomic import staging_file
from pipeline.io.rasters import StripWriter, grid_of, open_raster, read_window
from pipeline.patches.pixel_cover import pixel_cover

SAMPLE_PIXELS = 250_000
"""Enough for percentiles of a picture."""
SAMPLE_STRIPS = 8
"""Strips that are read for them; a whole county need not be."""

COG_OPTIONS = {
    "COMPRESS": "DEFLATE",
    # Levels above 1 take twice the time for 1 % less with a predictor (measured on 2 m images).
    "LEVEL": "1",
    "BLOCKSIZE": str(BLOCK_PX),
    "OVERVIEWS": "IGNORE_EXISTING",
    "OVERVIEW_RESAMPLING": "AVERAGE",
    "BIGTIFF": "IF_SAFER",
    "NUM_THREADS": "2",
}


@dataclass(frozen=True)
class ImageFile:
    """An image on the working grid."""

    path: Path
    grid: Grid
    dtype: str
    roles: tuple[str, ...]
    """Role of each band as described in the file; empty text if unknown."""
    nodata: float
    """Digital number that stands for nothing seen."""


def open_image(path: Path, nodata: float | None) -> ImageFile:
    """Describe an image; `nodata` None: 0 for integers, NaN for reals."""
    with open_raster(path) as dataset:
        dtype = str(dataset.dtypes[0])
        roles = tuple(text or "" for text in dataset.descriptions)
        fallback = float("nan") if np.dtype(dtype).kind == "f" else 0.0
        return ImageFile(
            path, grid_of(dataset), dtype, roles, fallback if nodata is None else nodata
        )


def window_of(grid: Grid, area: BaseGeometry) -> PixelWindow:
    """Smallest window of whole pixels that covers the box of an area; may be empty."""
    xmin, ymin, xmax, ymax = shapely.bounds(area)
    rows, cols = grid.rowcol(np.array([xmin, xmax, xmin, xmax]), np.array([ymin, ymin, ymax, ymax]))
    window = PixelWindow(floor(rows.min()), ceil(rows.max()), floor(cols.min()), ceil(cols.max()))
    return window.clip(grid.height, grid.width)


def write_clip(source: ImageFile, target: Path, area: BaseGeometry, window: PixelWindow) -> None:
    """Write the pixels of an area as a COG; all others become nodata. Memory is one strip."""
    grid = _sub_grid(source.grid, window)
    with staging_file(target) as partial:
        plain = partial.with_suffix(".strips.tif")
        try:
            with StripWriter(
                plain,
                grid,
                source.dtype,
                count=len(source.roles),
                nodata=source.nodata,
                descriptions=source.roles,
            ) as writer:
                for strip in _strips(grid):
                    pixels = _read_strip(source, window, strip)
                    pixels[:, ~inside(area, grid, strip)] = source.nodata
                    writer.add(strip, pixels)
            predictor = "FLOATING_POINT" if np.dtype(source.dtype).kind == "f" else "STANDARD"
            rasterio.shutil.copy(plain, partial, driver="COG", PREDICTOR=predictor, **COG_OPTIONS)
        finally:
            plain.unlink(missing_ok=True)


def sample_image(image: ImageFile, bands: tuple[int, ...], valid: Path) -> NDArray[Any]:
    """Pixels `(band, n)` of what is seen, from a few strips and a fixed lattice; for a stretch.

    Clouds (not 0 in `valid`) do not count: a few per cent of white would darken all else.
    """
    strips = _strips(image.grid)
    chosen = strips[:: max(1, ceil(len(strips) / SAMPLE_STRIPS))]
    step = max(1, ceil(sqrt(len(chosen) * BLOCK_PX * image.grid.width / SAMPLE_PIXELS)))
    samples = []
    for strip in chosen:
        thin = read_window(str(image.path), bands, strip)[:, ::step, ::step]
        is_clear = read_window(str(valid), (1,), strip)[0, ::step, ::step] == 0
        samples.append(thin[:, is_clear & ~is_blank(thin, image.nodata)])
    return np.concatenate(samples, axis=1)


def code_cover(valid: Path, grid: Grid, area: BaseGeometry) -> NDArray[np.float64]:
    """Pixels of an area by their code in `valid.tif`, `(256,)`; pixels it covers in part count so.

    In one pass, memory is one strip; all zero outside the image.
    """
    cover = np.zeros(256, np.float64)
    window = window_of(grid, area)
    if window.is_empty:
        return cover
    for strip in _strips(_sub_grid(grid, window)):
        place = _shifted(window, strip)
        codes = read_window(str(valid), (1,), place)[0]
        weights = pixel_cover(area, grid, place)
        cover += np.bincount(codes.ravel(), weights=weights.ravel(), minlength=256)
    return cover


def is_blank(pixels: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """Where all bands `(band, y, x)` are nodata."""
    blank = np.isnan(pixels) if np.isnan(nodata) else pixels == nodata
    result: NDArray[np.bool_] = blank.all(axis=0)
    return result


def inside(area: BaseGeometry, grid: Grid, window: PixelWindow) -> NDArray[np.bool_]:
    """Pixels of a window whose centre lies in an area, `(y, x)`."""
    rows, cols = window.shape
    x, y = grid.xy(
        np.array([window.row0, window.row1], np.float64),
        np.array([window.col0, window.col1], np.float64),
    )
    near = shapely.clip_by_rect(area, x.min(), y.min(), x.max(), y.max())
    if near.is_empty:
        return np.zeros((rows, cols), np.bool_)
    a, b, _, d, e, _ = grid.transform
    transform = rasterio.Affine(a, b, x[0], d, e, y[0])
    result: NDArray[np.bool_] = geometry_mask([near], (rows, cols), transform, invert=True)
    return result


def _sub_grid(grid: Grid, window: PixelWindow) -> Grid:
    rows, cols = window.shape
    x, y = grid.xy(np.array([window.row0], np.float64), np.array([window.col0], np.float64))
    a, b, _, d, e, _ = grid.transform
    return Grid(cols, rows, (a, b, float(x[0]), d, e, float(y[0])), grid.crs_wkt)


def _strips(grid: Grid) -> list[PixelWindow]:
    return [
        PixelWindow(row0, min(row0 + BLOCK_PX, grid.height), 0, grid.width)
        for row0 in range(0, grid.height, BLOCK_PX)
    ]


def _shifted(window: PixelWindow, strip: PixelWindow) -> PixelWindow:
    """A strip of the window, in pixels of the whole image."""
    return PixelWindow(window.row0 + strip.row0, window.row0 + strip.row1, window.col0, window.col1)


def _read_strip(source: ImageFile, window: PixelWindow, strip: PixelWindow) -> NDArray[Any]:
    bands = tuple(range(1, len(source.roles) + 1))
    return read_window(str(source.path), bands, _shifted(window, strip))
