"""Stage 4, `extract` 图斑提取: stored score → change patches (变化图斑) and what was dropped.

Two passes over the small rasters: the first finds connected components, the second measures them
and writes `change.tif` (1 inside a detected component of sufficient size, 0 not, 255 unobserved).
A county's issued patches (下发图斑) are matched with the components between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.change.extraction import UNOBSERVED, measure_tile
from pipeline.change.linear import SCORE_MAX, SCORE_UNOBSERVED
from pipeline.config.load import load_kind_codes
from pipeline.grid import BLOCK_PX, Grid, PixelWindow, tiles
from pipeline.io.rasters import StripWriter, read_grid, read_window
from pipeline.io.reports import read_json, write_json
from pipeline.io.strips import strips
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.io.vectors import write_layers
from pipeline.patches.classed import FAINT, OTHER
from pipeline.patches.components import Components, ComponentSums, burn
from pipeline.patches.issued import Detected, Matching, match_issued
from pipeline.patches.kinds import patch_kinds
from pipeline.patches.measures import DropReason, classify_drops, minimum_pixels
from pipeline.patches.polygonise import trace_outlines
from pipeline.patches.table import measure_components
from pipeline.schema.layer import LayerSpec
from pipeline.schema.layers import DROPPED, ISSUED_MATCHES, PATCH_SCENES, PATCHES, RAW_OUTLINES
from pipeline.stages.context import Number, StageContext, StageReport
from pipeline.stages.extract_dates import SceneDates, read_scene_dates
from pipeline.stages.extract_filters import Explained, PaintedKinds, explain, recall_notices
from pipeline.stages.extract_identity import identify_patches
from pipeline.stages.extract_issued import (
    IssuedSums,
    filled,
    in_order,
    issued_counts,
    issued_rows,
    read_issued,
)
from pipeline.stages.extract_outlines import named_outlines, smooth, smoothing_counts
from pipeline.stages.extract_shift import residual_under
from pipeline.stages.extract_sources import (
    compared_run,
    match_counts,
    matches,
    set_aside,
    set_aside_counts,
)
from pipeline.stages.objects import find_objects, is_told

NOT_DRAWN = (DropReason.LOW_PROBABILITY.value, DropReason.SETTLED_BEFORE.value)
"""What was drawn as changed before it was set aside."""
DRAWN = (
    DropReason.KEPT.value,
    DropReason.COVERED_BY_ISSUED.value,
    DropReason.NOT_REQUESTED.value,
)
"""What was detected as changed, whether or not it is a patch of our own."""


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


@dataclass(frozen=True, eq=False)
class Objects:
    """What the detection found, before issued patches are looked at."""

    components: Components
    """All of them, speckle too."""
    reasons: NDArray[np.str_]
    """`(component,)`: `DropReason` of each."""
    found: Detected
    """Those with an outline."""
    explained: Explained
    judged: dict[str, Number]
    """How many candidates of the construction network there were, how many were turned down, and
    their likely share of construction."""


def run(context: StageContext) -> StageReport:
    """Extract the patches of the run's scores, and put the issued ones among them."""
    paths, settings = context.paths, context.run.settings.extract
    kinds = load_kind_codes()
    grid = read_grid(paths.detect_score, context.run.gsd_m)
    objects = _find(context, grid, kinds)
    issued = None if settings.sources == "detected" else read_issued(context, grid)
    matching = None if issued is None else _match(context, issued, objects.found, grid)
    detected = objects.found if matching is None else matching.detected
    sums = RasterSums(
        ComponentSums(detected.components),
        ComponentSums(detected.components, tuple(kinds)),
        None if matching is None else IssuedSums(matching, tuple(kinds)),
    )
    unobserved = _measure_rasters(context, grid, objects.found, sums, objects.explained.kinds)
    fit = read_json(paths.align_fit)
    dated = read_scene_dates(context, fit, settings.scenes)
    table = _measure(context, grid, detected, sums, kinds)
    table = table.assign(**_of_the_run(fit, dated, grid, table))
    reasons = set_aside(context, detected, table)
    is_kept = reasons == DropReason.KEPT
    ours = table[is_kept].assign(source="detected", theme="land", issued_id=None)
    smoothed = smooth(ours, grid, settings.simplify)
    kept, matched_counts = smoothed.patches, {}
    if issued is not None and matching is not None and sums.issued is not None:
        by_network = is_told(context)
        rows = issued_rows(issued, matching, sums.issued, kinds, by_network=by_network)
        kept = in_order(kept, filled(rows, _of_the_run(fit, dated, grid, rows)))
        matched_counts = issued_counts(objects.found, matching, rows)
    told = identify_patches(context, grid, kept)
    reasons[_rows_of(table, kept[told.is_settled])] = DropReason.SETTLED_BEFORE
    is_kept = reasons == DropReason.KEPT
    if np.isin(reasons, NOT_DRAWN).any():
        drawn = [detected.components.select(np.isin(reasons, DRAWN))]
        _draw_change(context, grid, drawn if matching is None else [*drawn, matching.seen])
    stays = kept[~told.is_settled].reset_index(drop=True)
    kept = stays.assign(patch_id=told.patch_ids)
    dropped = table[~is_kept].assign(reason=reasons[~is_kept])
    layers: dict[LayerSpec, Any] = {
        PATCHES: _columns(kept, PATCHES),
        DROPPED: _columns(dropped, DROPPED),
        RAW_OUTLINES: _columns(named_outlines(smoothed.raw, kept), RAW_OUTLINES),
    }
    layers |= told.layers
    counts = _counts(grid, objects, kept, unobserved) | objects.explained.counts | matched_counts
    counts |= objects.judged | told.counts
    counts |= set_aside_counts(detected, reasons) | smoothing_counts(smoothed.raw)
    if issued is not None and matching is not None:
        compared = matches(issued, matching, compared_run(kept, dropped))
        layers[ISSUED_MATCHES] = compared[list(ISSUED_MATCHES.fields)]
        counts |= match_counts(compared)
    notices = recall_notices(objects.explained.not_recalled - told.recalled)
    counts["recalled"] = int(counts["recalled"] or 0) + len(told.recalled)
    if dated.seams:
        layers[PATCH_SCENES], scene_counts, of_scenes = dated.described(kept)
        notices += of_scenes
        counts |= scene_counts
    write_layers(paths.extract_patches, layers, grid.crs_wkt)
    write_json(paths.extract_summary, counts)
    return StageReport(counts, notices)


def _find(context: StageContext, grid: Grid, kinds: dict[int, str]) -> Objects:
    """Objects of the stored scores with what became of them."""
    settings = context.run.settings.extract
    found_all, judged_counts = find_objects(context, grid)
    components = found_all.components
    reasons = classify_drops(components, settings.patches, grid)
    reasons[(found_all.classes == FAINT) & (reasons == DropReason.KEPT)] = DropReason.WEAK_CHANGE
    if settings.filters.demolition and not is_told(context):
        is_lost = (found_all.classes == OTHER) & (reasons == DropReason.KEPT)
        reasons[is_lost] = DropReason.DEMOLITION
    has_outline = reasons != DropReason.SPECKLE
    found = Detected(components, reasons, found_all.is_likely).select(has_outline)
    explained = explain(context, grid, found, kinds, by_object=is_told(context))
    reasons[has_outline] = explained.reasons
    judged = Detected(found.components, explained.reasons, explained.is_likely)
    return Objects(components, reasons, judged, explained, judged_counts)


def _match(
    context: StageContext, issued: gpd.GeoDataFrame, found: Detected, grid: Grid
) -> Matching:
    outlines = np.asarray(issued.geometry.to_numpy(), dtype=object)
    min_pixels = minimum_pixels(context.run.settings.extract.patches, grid)
    return match_issued(outlines, found, grid, min_pixels, context.run.settings.extract.issued)


def _of_the_run(
    fit: dict[str, Any], dated: SceneDates, grid: Grid, table: gpd.GeoDataFrame
) -> dict[str, Any]:
    """Columns that come from the run, not from the objects' own pixels."""
    outlines = np.asarray(table.geometry.to_numpy(), dtype=object)
    return {
        "residual_shift_px": residual_under(fit["registration"], grid, outlines),
        **dated.columns(outlines),
    }


def _rows_of(table: gpd.GeoDataFrame, chosen: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    """Which detected objects the chosen patches are, by their first pixel."""
    names = ["first_row", "first_col"]
    places = pd.MultiIndex.from_frame(table[names])
    return np.asarray(places.isin(pd.MultiIndex.from_frame(chosen[names])), dtype=np.bool_)


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
    found = patch_kinds(sums.kind, detected.is_likely, by_network=is_told(context))
    return measure_components(components, outlines, grid).assign(
        probability=sums.score.totals / (components.n_pixels * float(SCORE_MAX)),
        change_kind=[kinds[value] for value in found.tolist()],
    )


def _columns(table: gpd.GeoDataFrame, spec: LayerSpec) -> gpd.GeoDataFrame:
    return table[[*spec.fields, "geometry"]].reset_index(drop=True)


def _measure_rasters(
    context: StageContext, grid: Grid, found: Detected, sums: RasterSums, kinds: PaintedKinds
) -> int:
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
            sums.add_window(window, score, kinds.over(window, layers["kind"]))
            unobserved += int(np.count_nonzero(change))
            burn(kept, window, change, 1)
            writer.add(window, change)
    return unobserved


def _draw_change(context: StageContext, grid: Grid, drawn: Sequence[Components]) -> None:
    """`change.tif` again with nothing but `drawn`: some of what was measured is set aside."""
    source = str(context.paths.detect_score)
    with StripWriter(context.paths.extract_change, grid, "uint8", nodata=UNOBSERVED) as writer:
        for row0 in range(0, grid.height, BLOCK_PX):
            window = PixelWindow(row0, min(row0 + BLOCK_PX, grid.height), 0, grid.width)
            score = read_window(source, (1,), window)[0]
            change = np.where(score == SCORE_UNOBSERVED, np.uint8(UNOBSERVED), np.uint8(0))
            for components in drawn:
                burn(components, window, change, 1)
            writer.add(window, change)


def _counts(
    grid: Grid, objects: Objects, kept: gpd.GeoDataFrame, unobserved: int
) -> dict[str, Number]:
    """What was kept and what was dropped why; every component is in exactly one line."""
    components, reasons = objects.components, objects.reasons
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
