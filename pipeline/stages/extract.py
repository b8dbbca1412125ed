"""Stage 4, `extract` 图斑提取: stored score → change patches (变化图斑) and what was dropped.

Two passes over the small rasters: the first finds connected components, the second measures them
and writes `change.tif` (1 inside a detected component of sufficient size, 0 not, 255 unobserved).
A county's issued patches (下发图斑) are matched with the components between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from pipeline.change.cuts import CUT_BITS, classes_of_cut
from pipeline.change.extraction import UNOBSERVED, MaskJob, mask_tile, measure_tile
from pipeline.change.linear import SCORE_MAX
from pipeline.change.traces import GREY_AFTER
from pipeline.config.load import load_kind_codes
from pipeline.grid import Grid, PixelWindow, tiles
from pipeline.io.rasters import StripWriter, read_grid
from pipeline.io.reports import read_json, write_json
from pipeline.io.strips import strips
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.io.vectors import write_layers
from pipeline.patches.classed import FAINT, ClassedBuilder
from pipeline.patches.components import Components, ComponentSums, burn
from pipeline.patches.issued import Detected, Matching, match_issued
from pipeline.patches.kinds import patch_kinds
from pipeline.patches.measures import DropReason, classify_drops, minimum_pixels, patch_ids
from pipeline.patches.polygonise import trace_outlines
from pipeline.patches.table import measure_components
from pipeline.schema.layer import LayerSpec
from pipeline.schema.layers import DROPPED, PATCHES
from pipeline.stages.context import Number, StageContext, StageReport
from pipeline.stages.extract_issued import (
    IssuedSums,
    filled,
    in_order,
    issued_counts,
    issued_rows,
    read_issued,
)
from pipeline.stages.objects import Found, has_materials, is_material_reliable, judge_likely


@dataclass(frozen=True)
class RasterSums:
    """Sums of the rasters inside each object, and inside the issued outlines if there are any."""

    score: ComponentSums
    kind: ComponentSums
    issued: IssuedSums | None

    def add_window(
        self, window: PixelWindow, score: NDArray[np.uint16], kind: NDArray[np.uint8]
    ) -> None:
        """Add one strip of both rasters."""
        self.score.add_window(window, score)
        self.kind.add_window(window, kind)
        if self.issued is not None:
            self.issued.score.add_window(window, score)
            self.issued.seen_score.add_window(window, score)
            self.issued.seen_kind.add_window(window, kind)


def run(context: StageContext) -> StageReport:
    """Extract the patches of the run's scores, and put the issued ones among them."""
    paths, settings = context.paths, context.run.settings.extract
    kinds = load_kind_codes()
    grid = read_grid(paths.detect_score, context.run.gsd_m)
    found_all = judge_likely(context, grid, _find_components(context, grid))
    components, is_likely = found_all.components, found_all.is_likely
    reasons = classify_drops(components, settings.patches, grid)
    reasons[(found_all.classes == FAINT) & (reasons == DropReason.KEPT)] = DropReason.WEAK_CHANGE
    has_outline = reasons != DropReason.SPECKLE
    found = Detected(components, reasons, is_likely).select(has_outline)
    issued = read_issued(context, grid)
    matching = None if issued is None else _match(context, issued, found, grid)
    detected = found if matching is None else matching.detected
    sums = RasterSums(
        ComponentSums(detected.components),
        ComponentSums(detected.components, tuple(kinds)),
        None if matching is None else IssuedSums(matching, tuple(kinds)),
    )
    unobserved = _measure_rasters(context, grid, found, sums)
    same_everywhere = _of_the_run(context)
    table = _measure(context, grid, detected, sums, kinds).assign(**same_everywhere)
    is_kept = detected.reasons == DropReason.KEPT
    kept = table[is_kept].assign(source="detected", theme="land", issued_id=None)
    counts: dict[str, Number] = {}
    if issued is not None and matching is not None and sums.issued is not None:
        by_material = has_materials(context)
        rows = issued_rows(issued, matching, sums.issued, kinds, by_material=by_material)
        kept = in_order(kept, filled(rows, same_everywhere))
        counts = issued_counts(found, matching, rows)
    kept["patch_id"] = _ids(context, len(kept))
    dropped = table[~is_kept].assign(reason=detected.reasons[~is_kept])
    write_layers(
        paths.extract_patches,
        {PATCHES: _columns(kept, PATCHES), DROPPED: _columns(dropped, DROPPED)},
        grid.crs_wkt,
    )
    counts = _counts(grid, components, reasons, kept, unobserved) | counts
    write_json(paths.extract_summary, counts)
    return StageReport(counts)


def _match(
    context: StageContext, issued: gpd.GeoDataFrame, found: Detected, grid: Grid
) -> Matching:
    outlines = np.asarray(issued.geometry.to_numpy(), dtype=object)
    min_pixels = minimum_pixels(context.run.settings.extract.patches, grid)
    return match_issued(outlines, found, grid, min_pixels, context.run.settings.extract.issued)


def _of_the_run(context: StageContext) -> dict[str, Any]:
    """Columns that are the same for all detected objects of a run."""
    fit = read_json(context.paths.align_fit)
    return {
        "residual_shift_px": fit["registration"]["residual_px"],
        "before_date": fit["before_date"],
        "after_date": fit["after_date"],
    }


def _ids(context: StageContext, n: int) -> list[str]:
    date = context.run.after.date
    return patch_ids(context.run.county_code, date.year if date else None, n)


def _measure(
    context: StageContext,
    grid: Grid,
    detected: Detected,
    sums: RasterSums,
    kinds: dict[int, str],
) -> gpd.GeoDataFrame:
    """What is measured of every detected object, in order of the first pixel."""
    components = detected.components
    outlines = trace_outlines(components, grid, context.local.map)
    found = patch_kinds(sums.kind, detected.is_likely, by_material=has_materials(context))
    return measure_components(components, outlines, grid).assign(
        probability=sums.score.totals / (components.n_pixels * float(SCORE_MAX)),
        change_kind=[kinds[value] for value in found.tolist()],
    )


def _columns(table: gpd.GeoDataFrame, spec: LayerSpec) -> gpd.GeoDataFrame:
    return table[[*spec.fields, "geometry"]].reset_index(drop=True)


def _find_components(context: StageContext, grid: Grid) -> Found:
    """Components of construction-like change and of other change, and the pieces of other cuts."""
    cleaning, patches = context.run.settings.extract.cleaning, context.run.settings.extract.patches
    min_pixels = minimum_pixels(patches, grid)
    takes_faint = min_pixels > 1 and is_material_reliable(context)
    is_cut = min_pixels > 1 and has_materials(context)
    job_params = MaskJob(cleaning, context.run.settings.extract.likely, takes_faint, is_cut)
    cut = tiles(grid.height, grid.width, context.tile_px, job_params.halo_px)
    sources = {
        "score": Source(str(context.paths.detect_score), (1,)),
        "built": Source(str(context.paths.detect_traces), (1, 2, 3)),
    }
    if is_cut:
        sources["grey"] = Source(str(context.paths.detect_traces), (GREY_AFTER + 1,))
    job = TileJob(mask_tile, sources, job_params)
    outputs = run_tiles(job, cut, context.tiled, context.progress("提取：清理掩膜"))
    builder = ClassedBuilder(grid.width)
    pieces = {bit: ClassedBuilder(grid.width) for bit in CUT_BITS} if is_cut else {}
    for row0, layers in strips(outputs, grid.width):
        builder.add_strip(row0, layers["mask"])
        for bit, cut_builder in pieces.items():
            cut_builder.add_strip(row0, classes_of_cut(layers["cuts"], bit))
    found = builder.finish(min_pixels)
    return Found(found, tuple(cut.finish(min_pixels).components for cut in pieces.values()))


def _measure_rasters(context: StageContext, grid: Grid, found: Detected, sums: RasterSums) -> int:
    """Sum the rasters and write `change.tif` on the way; returns the number of unobserved pixels.

    `change.tif` shows what was detected, whether or not an issued outline took it over.
    """
    paths = context.paths
    kept = found.components.select(found.reasons == DropReason.KEPT)
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
            score, change = layers["score"], layers["change"]
            window = PixelWindow(row0, row0 + score.shape[0], 0, grid.width)
            sums.add_window(window, score, layers["kind"])
            unobserved += int(np.count_nonzero(change))
            burn(kept, window, change, 1)
            writer.add(window, change)
    return unobserved


def _counts(
    grid: Grid,
    components: Components,
    reasons: NDArray[np.str_],
    kept: gpd.GeoDataFrame,
    unobserved: int,
) -> dict[str, Number]:
    """What was kept and what was dropped why; every component is in exactly one line."""
    counts: dict[str, Number] = {
        "components": len(components),
        "patches": len(kept),
        "patches_area_m2": float(kept["area_m2"].sum()),
        "patches_area_mu100": int(kept["area_mu100"].sum()),
        "patches_pixels": int(kept["n_pixels"].sum()),
        "unobserved_pixels": unobserved,
        "observed_share": 1.0 - unobserved / (grid.width * grid.height),
    }
    for reason in (DropReason.SPECKLE, DropReason.BELOW_MIN_AREA, DropReason.WEAK_CHANGE):
        chosen = reasons == reason
        counts[f"dropped_{reason}"] = int(chosen.sum())
        counts[f"dropped_{reason}_pixels"] = int(components.n_pixels[chosen].sum())
    return counts
