"""Part of `extract`: which construction-like objects are construction, and which only fields."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.change.objects import (
    N_SUMS,
    OBJECT_HALO_PX,
    ObjectJob,
    RunTable,
    measure_objects,
    object_figures,
)
from pipeline.change.traces import N_TRACES
from pipeline.grid import Grid, tiles
from pipeline.io.reports import read_json
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.patches.classed import FAINT, LIKELY, OTHER, ClassedComponents, regrouped
from pipeline.patches.components import Components
from pipeline.patches.construction import FIELD, WEAK, judge_objects
from pipeline.patches.measures import minimum_pixels
from pipeline.patches.polygonise import trace_outlines
from pipeline.patches.shapes import shape_figures
from pipeline.stages.context import StageContext


def is_material_reliable(context: StageContext) -> bool:
    """Whether `detect` could tell built material from soil well enough to trust it alone."""
    kinds = read_json(context.paths.detect_summary)["kinds"]
    return kinds is not None and bool(kinds["is_reliable"])


def has_materials(context: StageContext) -> bool:
    """Whether `detect` found what the soils and the hard ground of the pair look like."""
    kinds = read_json(context.paths.detect_summary)["kinds"]
    return kinds is not None and kinds["materials"] is not None


def judge_likely(context: StageContext, grid: Grid, found: ClassedComponents) -> ClassedComponents:
    """The components with the construction-like ones judged: construction, other change, or too
    faint to be either.

    As they are if the pair has no material evidence, or if a pixel is as large as an object: shape
    and outline mean nothing there.
    """
    settings = context.run.settings.extract
    min_pixels = minimum_pixels(settings.patches, grid)
    if not has_materials(context) or min_pixels == 1:
        return found
    chosen = np.flatnonzero(found.is_likely & (found.components.n_pixels >= min_pixels))
    if chosen.size == 0:
        return found
    is_chosen = np.zeros(len(found.components), np.bool_)
    is_chosen[chosen] = True
    likely = found.components.select(is_chosen)
    outlines = trace_outlines(likely, grid, context.local.map)
    figures = measure_likely(context, grid, likely) | shape_figures(outlines)
    verdict = judge_objects(figures, settings.construction).verdict
    classes = np.where(found.is_likely, LIKELY, OTHER)
    classes[chosen[verdict == FIELD]] = OTHER
    classes[chosen[verdict == WEAK]] = FAINT
    return regrouped(found.components, classes.astype(np.int32))


def measure_likely(
    context: StageContext, grid: Grid, components: Components
) -> dict[str, NDArray[np.float64]]:
    """Figures of construction-like objects, by name, `(component,)`."""
    paths = context.paths
    planes = tuple(range(1, N_TRACES + 1))
    index = components.by_row
    job = TileJob(
        measure_objects,
        {
            "score": Source(str(paths.detect_score), (1,)),
            "traces": Source(str(paths.detect_traces), planes),
        },
        ObjectJob(RunTable(index.row_offsets, index.runs, index.component)),
    )
    cut = tiles(grid.height, grid.width, context.tile_px, OBJECT_HALO_PX)
    sums = np.zeros((len(components), N_SUMS), np.int64)
    progress = context.progress("提取：判别建设")
    for _, output in run_tiles(job, cut, context.tiled, progress):
        for _, (present, part) in output.partials:
            sums[present] += part
    return object_figures(sums, grid.pixel_area_m2)
