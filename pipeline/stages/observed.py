"""Every township's and village's observed share, from `valid.tif` and the units' outlines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.isolation import Township, find_townships, valid_on
from pipeline.grid import Grid
from pipeline.io.cogs import code_cover
from pipeline.io.rasters import read_grid
from pipeline.io.vectors import read_layer
from pipeline.patches.area import ellipsoidal_area_m2
from pipeline.patches.observed import ObservedLand, Unit, observed_land
from pipeline.schema.layers import OBSERVED
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.context import StageContext
from pipeline.stages.layers import supplied_layers


def measure_observed(context: StageContext) -> pd.DataFrame:
    """The layer `observed`: townships, then villages, each by code, as valid on the after date."""
    path, run = context.paths.intake_layers, context.run
    on = None if run.after.date is None else run.after.date.isoformat()
    townships = read_layer(path, REFERENCE_LAYERS["townships"])
    has_villages = "villages" in supplied_layers(path)
    villages = read_layer(path, REFERENCE_LAYERS["villages"]) if has_villages else None
    zones_first = run.settings.overlay.development_zone_first
    territories = find_townships(townships, villages, on, zones_first=zones_first)
    outlines = [(t.code, t.name, "township", t.territory) for t in territories]
    if villages is not None:
        outlines += _villages(villages, on)
    valid = context.paths.align_valid
    grid = read_grid(valid)
    found = _measured(outlines, valid, grid, townships.crs)
    return pd.DataFrame([land.row for land in found], columns=list(OBSERVED.fields))


def by_code(observed: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The rows of the layer `observed` by unit code."""
    rows = observed.to_dict("records")
    return {str(row["unit_code"]): {str(name): row[name] for name in row} for row in rows}


def villages_of(
    township: Township, observed: Mapping[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The rows of a township's villages, by code: theirs begin with the township's."""
    return [
        row
        for code, row in sorted(observed.items())
        if row["unit_level"] == "village" and code.startswith(township.code)
    ]


def _villages(
    villages: gpd.GeoDataFrame, on: str | None
) -> Sequence[tuple[str, str, str, BaseGeometry]]:
    current = villages[valid_on(villages, on)]
    return [
        (
            str(code),
            str(rows["village_name"].fillna(code).iloc[0]),
            "village",
            shapely.union_all(rows.geometry.to_numpy()),
        )
        for code, rows in current.groupby("village_code", sort=True)
    ]


def _measured(
    outlines: Sequence[tuple[str, str, str, BaseGeometry]], valid: Path, grid: Grid, crs: Any
) -> Iterator[ObservedLand]:
    shapes = np.array([outline for *_, outline in outlines], dtype=object)
    land = ellipsoidal_area_m2(shapes, crs) if len(shapes) else np.array([])
    a, b, _, d, e, _ = grid.transform
    pixel = abs(a * e - b * d)
    for (code, name, level, outline), area in zip(outlines, land, strict=True):
        unit = Unit(code, name, level, float(area))
        planar = float(shapely.area(outline)) / pixel
        yield observed_land(unit, code_cover(valid, grid, outline), planar)
