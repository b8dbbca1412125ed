"""How much of every township's land both dates show, and why the rest was not seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from pipeline.delivery.isolation import Township
from pipeline.grid import Grid
from pipeline.io.cogs import code_counts
from pipeline.patches.area import ellipsoidal_area_m2
from pipeline.schema.register_layers import CLOSED_TOWNSHIPS

NODATA, CLOUD, SHADOW = 1, 2, 3
"""Codes of `align/valid.tif`; what is neither these nor 0 is unobserved for another reason."""


def closed_townships(
    townships: Sequence[Township], valid: Path, grid: Grid, crs: Any
) -> gpd.GeoDataFrame:
    """The layer `townships` of the books; land beyond the image counts as without image."""
    shapes = np.array([one.territory for one in townships], dtype=object)
    land = ellipsoidal_area_m2(shapes, crs) if len(shapes) else np.array([])
    frame = _frame(grid)
    rows = [
        _row(one, float(area), code_counts(valid, grid, one.territory), frame)
        for one, area in zip(townships, land, strict=True)
    ]
    columns = {name: [row[name] for row in rows] for name in CLOSED_TOWNSHIPS.fields}
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs)


def _row(
    township: Township, land_m2: float, counts: dict[int, int], frame: Any
) -> dict[str, str | float]:
    total = sum(counts.values())
    planar = float(shapely.area(township.territory))
    inside = float(shapely.area(shapely.intersection(township.territory, frame))) if total else 0.0
    # Pixels stand for what of the land lies in the image; of the rest there is no image at all.
    covered = inside / planar if planar else 0.0

    def land_of(*codes: int) -> float:
        pixels = sum(counts.get(code, 0) for code in codes)
        return land_m2 * covered * pixels / total if total else 0.0

    others = [code for code in counts if code not in (0, NODATA, CLOUD, SHADOW)]
    return {
        "township_code": township.code,
        "township_name": township.name,
        "township_kind": township.kind,
        "land_m2": land_m2,
        "observed_ratio": covered * counts.get(0, 0) / total if total else 0.0,
        "nodata_m2": land_of(NODATA) + land_m2 * (1.0 - covered),
        "cloud_m2": land_of(CLOUD),
        "shadow_m2": land_of(SHADOW),
        "other_unobserved_m2": land_of(*others),
    }


def _frame(grid: Grid) -> Any:
    """The outline of the image."""
    x, y = grid.xy(
        np.array([0.0, 0.0, grid.height, grid.height]), np.array([0.0, grid.width, grid.width, 0.0])
    )
    return shapely.Polygon(np.column_stack([x, y]))
