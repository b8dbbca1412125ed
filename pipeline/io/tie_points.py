"""Writing the tie points of a registration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from pipeline.grid import Grid
from pipeline.imagery.tie_points import TiePoint
from pipeline.io.vectors import write_layers
from pipeline.schema.layers import TIE_POINTS


def write_tie_points(path: Path, points: Sequence[TiePoint], grid: Grid) -> None:
    """One row per window of the lattice, used or not, at the window's centre."""
    rows = np.array([point.row for point in points], float)
    cols = np.array([point.col for point in points], float)
    frame = gpd.GeoDataFrame(
        {
            "point_id": np.array([f"{point.point_id:04d}" for point in points], object),
            "shift_row_px": np.array([point.shift_row_px for point in points], float),
            "shift_col_px": np.array([point.shift_col_px for point in points], float),
            "quality": np.array([point.quality for point in points], float),
            "is_used": np.array([point.is_used for point in points], bool),
            "is_check": np.array([point.is_check for point in points], bool),
            "residual_px": np.array([point.residual_px for point in points], float),
            "window_px": np.array([point.window_px for point in points], np.int64),
        },
        geometry=shapely.points(np.column_stack(grid.xy(rows, cols))),
        crs=grid.crs,
    )
    write_layers(path, {TIE_POINTS: frame}, grid.crs_wkt)
