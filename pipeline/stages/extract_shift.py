"""Part of `extract`: the misregistration under every object, and the slivers it explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.change.objects import RunTable
from pipeline.change.shift_evidence import (
    COLUMNS,
    HALO_PX,
    Line,
    ShiftEvidenceJob,
    measure_shift_evidence,
)
from pipeline.grid import Grid, Tile, tiles
from pipeline.imagery.residuals import local_residual
from pipeline.io.reports import read_json
from pipeline.io.tiles import TileJob, run_tiles
from pipeline.patches.components import Components
from pipeline.patches.shift_slivers import SliverFigures, shift_slivers
from pipeline.stages.context import StageContext
from pipeline.stages.inputs import aligned_sources


def residual_under(
    registration: Mapping[str, Any], grid: Grid, outlines: NDArray[np.object_]
) -> NDArray[np.float64]:
    """Local misregistration at the centroids of outlines, pixels, `(outline,)`; NaN if unknown."""
    measured = np.array(registration["residual_points"], np.float64).reshape(-1, 3)
    centroids = shapely.centroid(outlines)
    rows, cols = grid.rowcol(shapely.get_x(centroids), shapely.get_y(centroids))
    return local_residual(measured, np.column_stack([rows, cols]))


def find_shift_slivers(
    context: StageContext, grid: Grid, components: Components
) -> NDArray[np.bool_]:
    """Which components are slivers that the local misregistration explains, `(component,)`."""
    params = context.run.settings.extract.shift
    fit = read_json(context.paths.align_fit)
    measured = np.array(fit["registration"]["residual_points"], np.float64).reshape(-1, 3)
    middles = (components.bbox[:, [0, 2]] + components.bbox[:, [1, 3]]) / 2.0
    residual = local_residual(measured, middles)
    is_open = residual >= params.min_residual_px  # False where unknown
    if not is_open.any():
        return np.zeros(len(components), np.bool_)
    sums = _evidence(context, grid, components.select(is_open), fit)
    at = {name: sums[:, k] for k, name in enumerate(COLUMNS)}
    figures = SliverFigures(
        residual[is_open],
        at["n"],
        {1: at["explained_1"], 2: at["explained_2"]},
        {1: at["core_1"], 2: at["core_2"]},
    )
    result = np.zeros(len(components), np.bool_)
    result[is_open] = shift_slivers(figures, params)
    return result


def _evidence(
    context: StageContext, grid: Grid, components: Components, fit: Mapping[str, Any]
) -> NDArray[np.int64]:
    """Sums of the evidence per component, over the tiles that hold any."""
    index = components.by_row
    table = RunTable(index.row_offsets, index.runs, index.component)
    lines = tuple(
        Line(band["gain"], band["offset"], band["sigma"]) for band in fit["radiometry"]["bands"]
    )
    job = TileJob(
        measure_shift_evidence,
        aligned_sources(context.paths, len(lines)),
        ShiftEvidenceJob(table, lines),
    )
    cut = [
        tile
        for tile in tiles(grid.height, grid.width, context.tile_px, HALO_PX)
        if _touches(tile, components)
    ]
    sums = np.zeros((len(components), len(COLUMNS)), np.int64)
    for _, output in run_tiles(job, cut, context.tiled, context.progress("提取：配准窄条")):
        for _, (present, part) in output.partials:
            sums[present] += part
    return sums


def _touches(tile: Tile, components: Components) -> bool:
    row0, row1, col0, col1 = components.bbox.T
    core = tile.core
    inside = (row0 < core.row1) & (row1 > core.row0) & (col0 < core.col1) & (col1 > core.col0)
    return bool(inside.any())
