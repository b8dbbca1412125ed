"""A finished comparison as one lazy, labelled data set, for notebooks.

Nothing here is used by a stage: arithmetic in the hot path never goes through xarray.
"""

from __future__ import annotations

from pathlib import Path

import dask.array
import numpy as np
import xarray
from dask.delayed import delayed

from pipeline.grid import PixelWindow, tiles
from pipeline.io.rasters import open_raster, read_grid, read_window
from pipeline.io.runs import WORK_FOLDER, RunPaths

CHUNK_PX = 1024


def open_comparison(folder: Path, gsd_m: float | None = None) -> xarray.Dataset:
    """The aligned pair, score, kind and change of a `compare` output folder, read when looked at.

    Dimensions `band`, `y`, `x`; coordinates are pixel centres on the working grid and band roles;
    the CRS is the attribute `crs_wkt`. `gsd_m` is needed for images without a CRS.
    """
    paths = RunPaths(folder / WORK_FOLDER)
    grid = read_grid(paths.detect_score, gsd_m)
    with open_raster(paths.align_after) as dataset:
        roles = [text or f"band {n}" for n, text in enumerate(dataset.descriptions, start=1)]
    rows = np.arange(grid.height, dtype=np.float64) + 0.5
    cols = np.arange(grid.width, dtype=np.float64) + 0.5
    images = {
        "before": paths.align_before,
        "after": paths.align_after,
    }
    planes = {
        "score": paths.detect_score,
        "kind": paths.detect_kind,
        "change": paths.extract_change,
    }
    return xarray.Dataset(
        {name: (("band", "y", "x"), _lazy(path, len(roles))) for name, path in images.items()}
        | {name: (("y", "x"), _lazy(path, 1)[0]) for name, path in planes.items()},
        coords={
            "band": roles,
            "y": grid.xy(rows, np.zeros_like(rows) + 0.5)[1],
            "x": grid.xy(np.zeros_like(cols) + 0.5, cols)[0],
        },
        attrs={"crs_wkt": grid.crs_wkt or "", "pixel_size_m": grid.pixel_size_m},
    )


def _lazy(path: Path, n_bands: int) -> dask.array.Array:
    """A raster as a dask array of whole windows, `(band, y, x)`."""
    with open_raster(path) as dataset:
        height, width, dtype = dataset.height, dataset.width, dataset.dtypes[0]
    read = delayed(read_window, pure=True)
    bands = tuple(range(1, n_bands + 1))

    def chunk(window: PixelWindow) -> dask.array.Array:
        pixels: dask.array.Array = dask.array.from_delayed(
            read(str(path), bands, window), shape=(n_bands, *window.shape), dtype=dtype
        )
        return pixels

    strips: dict[int, list[dask.array.Array]] = {}
    for tile in tiles(height, width, CHUNK_PX):
        strips.setdefault(tile.core.row0, []).append(chunk(tile.core))
    whole: dask.array.Array = dask.array.concatenate(
        [dask.array.concatenate(parts, axis=2) for parts in strips.values()], axis=1
    )
    return whole
