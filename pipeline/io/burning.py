"""Polygons onto pixels, window by window: a pixel belongs where its centre lies."""

from __future__ import annotations

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray

from pipeline.grid import Grid, PixelWindow


def burn_numbers(
    geometries: NDArray[np.object_], grid: Grid, window: PixelWindow
) -> NDArray[np.int32]:
    """Number of the polygon over each pixel of a window, counted from 1; 0 where there is none.

    Where polygons overlap the later one shows. `geometries` are in the grid's CRS.
    """
    transform = Affine(*grid.transform) @ Affine.translation(window.col0, window.row0)
    rows = np.array([window.row0, window.row0, window.row1, window.row1], np.float64)
    cols = np.array([window.col0, window.col1, window.col1, window.col0], np.float64)
    ground = shapely.Polygon(np.column_stack(grid.xy(rows, cols)))
    near = np.sort(shapely.STRtree(geometries).query(ground))
    if not near.size:
        return np.zeros(window.shape, np.int32)
    burnt: NDArray[np.int32] = rasterio.features.rasterize(
        [(geometries[k], int(k) + 1) for k in near],
        out_shape=window.shape,
        transform=transform,
        fill=0,
        dtype="int32",
    )
    return burnt


def burn_mask(
    geometries: NDArray[np.object_], grid: Grid, window: PixelWindow
) -> NDArray[np.uint8]:
    """1 where a pixel of the window lies in one of the polygons, 0 elsewhere."""
    return (burn_numbers(geometries, grid, window) > 0).astype(np.uint8)
