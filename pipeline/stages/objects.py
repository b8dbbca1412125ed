"""Part of `extract`: which construction-like objects are construction, and which only fields."""

from __future__ import annotations

from dataclasses import dataclass

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
from pipeline.config.load import CONSTRUCTION_TREES
from pipeline.grid import Grid, tiles
from pipeline.io.reports import read_json
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.patches.classed import FAINT, LIKELY, OTHER, ClassedComponents
from pipeline.patches.components import Components
from pipeline.patches.construction import (
    FIELD,
    build_trees,
    points_of,
    verdict_otherwise,
)
from pipeline.patches.measures import minimum_pixels
from pipeline.patches.opinions import Opinion, by_opinions
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


@dataclass(frozen=True, eq=False)
class Found:
    """Components of the change mask, and the pieces that construction-like ground falls into when
    it is cut in other ways (`change.cuts`); no pieces if nothing is going to be judged."""

    classed: ClassedComponents
    cuts: tuple[Components, ...]


def judge_likely(context: StageContext, grid: Grid, found: Found) -> ClassedComponents:
    """The components with the construction-like ones judged: construction, other change, or too
    faint to be either.

    As they are if the pair has no material evidence, or if a pixel is as large as an object: shape
    and outline mean nothing there.
    """
    settings, classed = context.run.settings.extract, found.classed
    min_pixels = minimum_pixels(settings.patches, grid)
    is_chosen = classed.is_likely & (classed.components.n_pixels >= min_pixels)
    if not found.cuts or not is_chosen.any():
        return classed
    likely = classed.components.select(is_chosen)
    figures = _figures(context, grid, likely)
    params, trees = settings.construction, build_trees(read_json(CONSTRUCTION_TREES))
    judged = [Opinion(likely.by_row, points_of(figures, trees))]
    for cut in found.cuts:
        pieces = cut.select(cut.n_pixels >= min_pixels)
        if len(pieces):
            points = points_of(_figures(context, grid, pieces), trees)
            judged.append(Opinion(pieces.by_row, points))
    otherwise = np.where(verdict_otherwise(figures, params) == FIELD, OTHER, FAINT)
    classes = np.where(classed.is_likely, LIKELY, OTHER).astype(np.int32)
    classes[is_chosen] = otherwise
    limits = (params.min_points, params.min_card_points)
    return by_opinions(classed.components, classes, tuple(judged), limits, min_pixels)


def _figures(
    context: StageContext, grid: Grid, components: Components
) -> dict[str, NDArray[np.float64]]:
    outlines = trace_outlines(components, grid, context.local.map)
    return measure_likely(context, grid, components) | shape_figures(outlines)


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
