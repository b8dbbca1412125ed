"""Stage 4, `extract` 图斑提取: stored score → change patches (变化图斑) and what was dropped.

Two passes over the small rasters: the first finds connected components, the second measures them
and writes `change.tif` (1 inside a kept patch, 0 not, 255 unobserved).
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from pipeline.change.cleaning import halo_px
from pipeline.change.extraction import UNOBSERVED, mask_tile, measure_tile
from pipeline.change.linear import SCORE_MAX
from pipeline.config.load import load_kind_codes
from pipeline.grid import Grid, PixelWindow, tiles
from pipeline.io.rasters import StripWriter, read_grid
from pipeline.io.reports import read_json, write_json
from pipeline.io.strips import strips
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.io.vectors import write_layers
from pipeline.patches.components import ComponentBuilder, Components, ComponentSums, burn
from pipeline.patches.measures import DropReason, classify_drops, patch_ids
from pipeline.patches.polygonise import trace_outlines
from pipeline.patches.table import measure_components
from pipeline.schema.layer import LayerSpec
from pipeline.schema.layers import DROPPED, PATCHES
from pipeline.stages.context import StageContext, StageReport


@dataclass(frozen=True)
class RasterSums:
    """Sums of the rasters inside each component."""

    score: ComponentSums
    kind: ComponentSums


def run(context: StageContext) -> StageReport:
    """Extract the patches of the run's scores."""
    paths, settings = context.paths, context.run.settings.extract
    kinds = load_kind_codes()
    grid = read_grid(paths.detect_score, context.run.gsd_m)
    components = _find_components(context, grid)
    reasons = classify_drops(components, settings.patches, grid)
    has_outline = reasons != DropReason.SPECKLE
    outlined, outline_reasons = components.select(has_outline), reasons[has_outline]
    is_kept = outline_reasons == ""
    sums, unobserved = _measure_rasters(context, grid, outlined, is_kept, kinds)
    outlines = trace_outlines(outlined, grid, context.local.map)
    fit = read_json(paths.align_fit)
    table = measure_components(outlined, outlines, grid).assign(
        probability=sums.score.totals / (outlined.n_pixels * float(SCORE_MAX)),
        change_kind=[kinds[value] for value in sums.kind.majority(0).tolist()],
        residual_shift_px=fit["registration"]["residual_px"],
        before_date=fit["before_date"],
        after_date=fit["after_date"],
    )
    after_date = context.run.after.date
    kept = table[is_kept].assign(source="detected", theme="land", issued_id=None)
    kept["patch_id"] = patch_ids(
        context.run.county_code, after_date.year if after_date else None, len(kept)
    )
    dropped = table[~is_kept].assign(reason=outline_reasons[~is_kept])
    write_layers(
        paths.extract_patches,
        {PATCHES: _columns(kept, PATCHES), DROPPED: _columns(dropped, DROPPED)},
        grid.crs_wkt,
    )
    counts = _counts(grid, components, reasons, kept, unobserved)
    write_json(paths.extract_summary, counts)
    return StageReport(counts)


def _columns(table: gpd.GeoDataFrame, spec: LayerSpec) -> gpd.GeoDataFrame:
    return table[[*spec.fields, "geometry"]].reset_index(drop=True)


def _find_components(context: StageContext, grid: Grid) -> Components:
    cleaning = context.run.settings.extract.cleaning
    cut = tiles(grid.height, grid.width, context.tile_px, halo_px(cleaning))
    job = TileJob(mask_tile, {"score": Source(str(context.paths.detect_score), (1,))}, cleaning)
    outputs = run_tiles(job, cut, context.tiled, context.progress("提取：清理掩膜"))
    builder = ComponentBuilder(grid.width)
    for row0, layers in strips(outputs, grid.width):
        builder.add_strip(row0, layers["mask"])
    return builder.finish()


def _measure_rasters(
    context: StageContext,
    grid: Grid,
    components: Components,
    is_kept: NDArray[np.bool_],
    kinds: dict[int, str],
) -> tuple[RasterSums, int]:
    """Sum scores and kinds per component and write `change.tif` on the way."""
    paths = context.paths
    sums = RasterSums(ComponentSums(components), ComponentSums(components, tuple(kinds)))
    kept = components.select(is_kept)
    job = TileJob(
        measure_tile,
        {
            "score": Source(str(paths.detect_score), (1,)),
            "kind": Source(str(paths.detect_kind), (1,)),
        },
        None,
    )
    cut = tiles(grid.height, grid.width, context.tile_px)
    outputs = run_tiles(job, cut, context.tiled, context.progress("提取：量算图斑"))
    unobserved = 0
    with StripWriter(paths.extract_change, grid, "uint8", nodata=UNOBSERVED) as writer:
        for row0, layers in strips(outputs, grid.width):
            score = layers["score"]
            window = PixelWindow(row0, row0 + score.shape[0], 0, grid.width)
            sums.score.add_window(window, score)
            sums.kind.add_window(window, layers["kind"])
            change = layers["change"]
            unobserved += int(np.count_nonzero(change))
            burn(kept, window, change, 1)
            writer.add(window, change)
    return sums, unobserved


def _counts(
    grid: Grid,
    components: Components,
    reasons: NDArray[np.str_],
    kept: gpd.GeoDataFrame,
    unobserved: int,
) -> dict[str, int | float | str | None]:
    """What was kept and what was dropped why; every component is in exactly one line."""
    counts: dict[str, int | float | str | None] = {
        "components": len(components),
        "patches": len(kept),
        "patches_area_m2": float(kept["area_m2"].sum()),
        "patches_area_mu100": int(kept["area_mu100"].sum()),
        "patches_pixels": int(kept["n_pixels"].sum()),
        "unobserved_pixels": unobserved,
        "observed_share": 1.0 - unobserved / (grid.width * grid.height),
    }
    for reason in (DropReason.SPECKLE, DropReason.BELOW_MIN_AREA):
        chosen = reasons == reason
        counts[f"dropped_{reason}"] = int(chosen.sum())
        counts[f"dropped_{reason}_pixels"] = int(components.n_pixels[chosen].sum())
    return counts
