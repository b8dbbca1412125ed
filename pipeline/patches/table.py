"""The table of change patches (变化图斑): outlines with every figure measured from them."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from pipeline.grid import Grid
from pipeline.patches.area import (
    area_mu100,
    ellipsoidal_area_m2,
    perimeter_m,
    perimeter_without_crs_m,
    planar_area_m2,
)
from pipeline.patches.components import Components
from pipeline.patches.measures import width_m


def measure_components(
    components: Components, outlines: NDArray[np.object_], grid: Grid
) -> gpd.GeoDataFrame:
    """One row per component, in component order, in the grid's CRS.

    `area_m2` is the area on the ellipsoid; without a CRS there is none and it is the planar one.
    `observed_ratio` is 1: pixels not seen on both dates never enter a component.
    """
    planar = planar_area_m2(components.n_pixels, grid)
    if grid.crs is None:
        area, perimeter = planar, perimeter_without_crs_m(outlines, grid)
    else:
        area, perimeter = (
            ellipsoidal_area_m2(outlines, grid.crs),
            perimeter_m(outlines, grid.crs),
        )
    return gpd.GeoDataFrame(
        {
            "area_m2": area,
            "area_mu100": area_mu100(area),
            "area_planar_m2": planar,
            "perimeter_m": perimeter,
            "width_m": width_m(area, perimeter),
            "n_pixels": components.n_pixels,
            "first_row": components.first_row.astype(np.int64),
            "first_col": components.first_col.astype(np.int64),
            "observed_ratio": np.ones(len(components)),
        },
        geometry=outlines,
        crs=grid.crs,
    )
