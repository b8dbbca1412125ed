"""Stage 5, `overlay` 套合分析: change patches against the county's reference layers.

Patches are worked on in batches of fixed size; of each layer only what lies near a patch is kept,
so memory is bounded by the largest layer while it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.errors import Finding, InputError
from pipeline.io.vectors import read_layer, write_layers
from pipeline.patches.covering import (
    UNKNOWN_DAY,
    Days,
    PatchDates,
    ReferenceLayer,
    as_days,
    prepare_layer,
)
from pipeline.patches.overlay import OVERLAY_LAYERS, Overlaid, OverlayCodes, overlay_patches
from pipeline.patches.patrol_grades import Grading
from pipeline.patches.responsibility import township_names
from pipeline.patches.township_shares import township_shares
from pipeline.schema.fields import FIELDS
from pipeline.schema.layer import LayerSpec
from pipeline.schema.layers import (
    GAPS_OVERLAPS,
    OBSERVED,
    OVERLAID,
    PARTS,
    PATCHES,
    RESPONSIBILITY,
    TOWNSHIP_SHARES,
)
from pipeline.schema.reference import REFERENCE_LAYERS, REQUIRED_LAYERS
from pipeline.stages.context import Number, StageContext, StageReport
from pipeline.stages.layers import supplied_layers
from pipeline.stages.observed import measure_observed
from pipeline.stages.patrol_grades import run_grading

LAND_CLASS_CODES = CODES_DIR / "land_class.csv"
PLANNING_ZONE_CODES = CODES_DIR / "planning_zone.csv"

CONFORMS = {"1": True, "0": False, "": None}
"""Column `conforms` of the planning zones' code table."""

BATCH_PATCHES = 4096
"""Patches worked on at once; results do not depend on it."""

_AREAS = tuple(
    name for name in OVERLAID.fields if name not in PATCHES.fields and FIELDS[name].unit == "m2"
)


def run(context: StageContext) -> StageReport:
    """Cut the run's patches along the reference layers and add up what covers them."""
    paths = context.paths
    patches = read_layer(paths.extract_patches, PATCHES)
    _require_crs(patches, paths.extract_patches)
    layers = read_overlay_layers(context, patches)
    dates = patch_dates(context, patches)
    graded = run_grading(context, patches, dates.after, frozenset(layers))
    batches = list(_overlay(context, patches, layers, dates, graded.grading))
    overlaid, parts = _together([b.patches for b in batches]), _together([b.parts for b in batches])
    observed = measure_observed(context)
    tables: dict[LayerSpec, pd.DataFrame] = {
        OVERLAID: overlaid,
        PARTS: parts,
        GAPS_OVERLAPS: _together([b.gaps_overlaps for b in batches]),
        RESPONSIBILITY: _rows([b.responsibility for b in batches]),
        TOWNSHIP_SHARES: township_shares(overlaid, parts, township_names(layers["townships"])),
        OBSERVED: observed,
    }
    write_layers(paths.overlay, tables, patches.crs.to_wkt())
    counts = _counts(overlaid, parts, max(b.closure_error for b in batches))
    counts |= _cover_counts(tables[GAPS_OVERLAPS])
    return StageReport(counts | _observed_counts(observed), graded.notices)


def load_overlay_codes() -> OverlayCodes:
    """Land categories and conformity with the plan by code."""
    land, zones = load_codes(LAND_CLASS_CODES), load_codes(PLANNING_ZONE_CODES)
    return OverlayCodes(
        {code: columns["land_category"] for code, columns in land.attributes.items()},
        {code: CONFORMS[columns["conforms"]] for code, columns in zones.attributes.items()},
    )


def read_overlay_layers(
    context: StageContext, patches: gpd.GeoDataFrame
) -> dict[str, ReferenceLayer]:
    """The supplied layers of `OVERLAY_LAYERS` near outlines in the run's CRS."""
    path, params = context.paths.intake_layers, context.run.settings.overlay
    supplied = supplied_layers(path)
    if missing := sorted(REQUIRED_LAYERS - supplied):
        what = f"缺少必需的参考图层：{'、'.join(REFERENCE_LAYERS[n].label_zh for n in missing)}。"
        advice = "在县配置 configs/county/ 里补上该图层，重新运行入库检查。"
        raise InputError(Finding("E-COUNTY-MISSING", what, str(path), advice=advice))
    outlines = np.asarray(patches.geometry.to_numpy(), dtype=object)
    layers = {}
    for name in OVERLAY_LAYERS:
        if name in supplied:
            table = read_layer(path, REFERENCE_LAYERS[name])
            _require_same_crs(table, patches, path, name)
            layers[name] = prepare_layer(
                table, outlines, development_zone_first=params.development_zone_first
            )
    return layers


def _require_crs(patches: gpd.GeoDataFrame, path: Path) -> None:
    if patches.crs is None or patches.crs.is_geographic:
        raise InputError(
            Finding(
                "E-RASTER-NOCRS",
                "图斑没有投影坐标系，不能与参考图层套合。",
                where=str(path),
                value="无坐标系" if patches.crs is None else patches.crs.name,
                allowed="投影坐标系，如 CGCS2000 3 度带",
                advice="给影像补上坐标系后重新运行。",
            )
        )


def _require_same_crs(
    table: gpd.GeoDataFrame, patches: gpd.GeoDataFrame, path: Path, name: str
) -> None:
    if table.crs != patches.crs:
        raise InputError(
            Finding(
                "E-LAYER-CRS",
                "参考图层与图斑的坐标系不同。",
                where=f"{path} 图层 {name}",
                value="无坐标系" if table.crs is None else table.crs.name,
                allowed=patches.crs.name,
                advice="重新运行入库检查。",
            )
        )


def _overlay(
    context: StageContext,
    patches: gpd.GeoDataFrame,
    layers: dict[str, ReferenceLayer],
    every: PatchDates,
    grading: Grading | None,
) -> Iterator[Overlaid]:
    codes, params = load_overlay_codes(), context.run.settings.overlay
    progress = context.progress("套合分析")
    for first in range(0, max(1, len(patches)), BATCH_PATCHES):
        rows = np.arange(first, min(first + BATCH_PATCHES, len(patches)))
        graded = None if grading is None else grading.of(rows)
        yield overlay_patches(patches.iloc[rows], every.of(rows), layers, codes, params, graded)
        progress(first + rows.size, len(patches))


def patch_dates(context: StageContext, patches: pd.DataFrame) -> PatchDates:
    """Days of both images under each patch; the run's where a patch has none."""
    run = context.run
    return PatchDates(
        _days(patches["before_date"], run.before.date),
        _days(patches["after_date"], run.after.date),
    )


def _days(dates: pd.Series[Any], of_run: Any) -> Days:
    """The patches' days; the run's where a patch has none."""
    missing = UNKNOWN_DAY if of_run is None else int(as_days([of_run.isoformat()])[0])
    return as_days(dates, missing)


def _together(tables: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    filled = [table for table in tables if len(table)] or tables[:1]
    return gpd.GeoDataFrame(pd.concat(filled, ignore_index=True), crs=tables[0].crs)


def _rows(tables: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled, ignore_index=True)


def _observed_counts(observed: pd.DataFrame) -> dict[str, Number]:
    """Units of which something, or everything, is hidden."""
    counts: dict[str, Number] = {}
    for level in ("township", "village"):
        ratio = observed.loc[observed["unit_level"] == level, "observed_ratio"]
        counts[f"{level}s_partly_unobserved"] = int((ratio < 1).sum())
        counts[f"{level}s_unobserved"] = int((ratio == 0).sum())
    return counts


def _cover_counts(gaps_overlaps: pd.DataFrame) -> dict[str, Number]:
    """Area of gaps and of overlaps by layer, m²; layers without either are left out."""
    kind = gaps_overlaps["cover_state"].astype(str) + "_" + gaps_overlaps["layer_name"].astype(str)
    area = gaps_overlaps["area_m2"].groupby(kind).sum()
    return {f"{name}_m2": float(m2) for name, m2 in area.items()}


def _counts(
    overlaid: gpd.GeoDataFrame, parts: gpd.GeoDataFrame, closure_error: float
) -> dict[str, Number]:
    """Sums of every column, for the manifest; None where a layer was not supplied."""
    areas: dict[str, Number] = {
        name: None if overlaid[name].isna().any() else float(overlaid[name].sum())
        for name in ("area_m2", *_AREAS)
    }
    grades = overlaid["patrol_grade"].fillna("unknown").value_counts().sort_index().to_dict()
    return {
        "patches": len(overlaid),
        "parts": len(parts),
        **areas,
        "area_mu100": int(overlaid["area_mu100"].sum()),
        "max_closure_error": closure_error,
        "straddling": int(overlaid["straddles"].map(len).gt(0).sum()),
        **{f"patrol_grade_{grade}": number for grade, number in grades.items()},
        "responsibility_pending": int(overlaid["responsible_code"].isna().sum()),
        "outside_townships": int(overlaid["township_code"].isna().sum()),
    }
