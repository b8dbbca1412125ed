"""Part of `extract`: outlines without pixel stairs, beside the pixel edges they come from."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import geopandas as gpd
import numpy as np

from pipeline.grid import Grid
from pipeline.patches.area import (
    area_mu100,
    ellipsoidal_area_m2,
    perimeter_m,
    perimeter_without_crs_m,
)
from pipeline.patches.measures import width_m
from pipeline.patches.simplify import SimplifyParams, simplify_outlines
from pipeline.stages.context import Number


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Detected patches with simplified outlines."""

    patches: gpd.GeoDataFrame
    """The rows given, measured by their new outlines; of the same planar area to rounding."""
    raw: gpd.GeoDataFrame
    """`RAW_OUTLINES` rows by first pixel, still without their patch id."""


def smooth(kept: gpd.GeoDataFrame, grid: Grid, params: SimplifyParams) -> Smoothed:
    """Simplify the outlines of detected patches `kept`, measured by their pixel edges."""
    a, b, _, d, e, _ = grid.transform
    before = np.asarray(kept.geometry.to_numpy(), dtype=object)
    found = simplify_outlines(before, sqrt(abs(a * e - b * d)), params)
    raw = gpd.GeoDataFrame(
        {
            "first_row": kept["first_row"].to_numpy(),
            "first_col": kept["first_col"].to_numpy(),
            "n_pixels": kept["n_pixels"].to_numpy(),
            "raw_area_m2": kept["area_m2"].to_numpy(),
            "area_change_ratio": found.area_change,
            "is_simplified": found.is_simplified,
        },
        geometry=before,
        crs=kept.crs,
    )
    outlines = found.outlines
    if grid.crs is None:
        area = kept["area_m2"].to_numpy(np.float64)
        perimeter = perimeter_without_crs_m(outlines, grid)
    else:
        area, perimeter = ellipsoidal_area_m2(outlines, grid.crs), perimeter_m(outlines, grid.crs)
    patches = kept.set_geometry(outlines, crs=kept.crs).assign(
        area_m2=area,
        area_mu100=area_mu100(area),
        perimeter_m=perimeter,
        width_m=width_m(area, perimeter),
    )
    return Smoothed(patches, raw)


def named_outlines(raw: gpd.GeoDataFrame, kept: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The same with the ids of the patches, by their first pixel; one detected patch has it."""
    ours = kept.loc[kept["source"] == "detected", ["patch_id", "first_row", "first_col"]]
    return raw.merge(ours, on=["first_row", "first_col"], validate="1:1").sort_values(
        "patch_id", ignore_index=True
    )


def smoothing_counts(raw: gpd.GeoDataFrame) -> dict[str, Number]:
    """How many outlines were simplified, and by how much the area of one changed at most."""
    change = np.abs(raw["area_change_ratio"].to_numpy(np.float64))
    return {
        "simplified": int(raw["is_simplified"].sum()),
        "simplified_max_area_change": float(change.max()) if change.size else 0.0,
    }
