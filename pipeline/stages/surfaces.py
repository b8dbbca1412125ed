"""Part of `extract`: what the ground of every object looked like at both dates."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pipeline.change.cover import CoverRule, KindBands
from pipeline.change.objects import RunTable
from pipeline.change.surfaces import (
    N_SUMS,
    SurfaceJob,
    fit_surface,
    measure_surfaces,
    surface_figures,
    surface_halo_px,
)
from pipeline.grid import Grid, tiles
from pipeline.io.reports import read_json
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.patches.components import Components
from pipeline.patches.measures import width_of_pixels_m
from pipeline.patches.polygonise import trace_outlines
from pipeline.patches.shapes import shape_figures
from pipeline.stages.context import StageContext
from pipeline.stages.inputs import aligned_sources, read_sample

MAX_REACH_PX = 32
"""Bound on how far around a cloud is looked at, whatever the pixel size."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What was measured of every object."""

    figures: dict[str, NDArray[np.float64]]
    """By name, `(object,)`: of the ground (`change.surfaces`) and of the shape."""
    kind_counts: NDArray[np.int64]
    """Pixels of each kind, `(object, kind value)`."""


def measure_ground(
    context: StageContext, grid: Grid, components: Components, kind_values: tuple[int, ...]
) -> Ground | None:
    """Figures of objects; None where the band roles do not allow any."""
    kinds = read_json(context.paths.detect_summary)["kinds"]
    if kinds is None:
        return None
    roles = tuple(read_json(context.paths.align_fit)["roles"])
    bands = KindBands(*(roles.index(role) for role in ("green", "red", "nir")))
    sample = read_sample(context, grid, len(roles), context.run.settings.detect.sample)
    rules = {}
    for name, pixels in (("before", sample.before), ("after", sample.after)):
        told = dict(kinds["covers"][name])
        cover = CoverRule(**told | {"dark": tuple(told["dark"])})
        rules[name] = fit_surface(pixels, bands, cover)
    reach_m = context.run.settings.extract.filter_limits.cloud_reach_m
    reach_px = min(ceil(reach_m / grid.pixel_size_m), MAX_REACH_PX)
    index = components.by_row
    table = RunTable(index.row_offsets, index.runs, index.component)
    job = TileJob(
        measure_surfaces,
        aligned_sources(context.paths, len(roles))
        | {"kind": Source(str(context.paths.detect_kind), (1,))},
        SurfaceJob(table, bands, rules, reach_px, kind_values),
    )
    cut = tiles(grid.height, grid.width, context.tile_px, surface_halo_px(reach_px))
    sums = np.zeros((len(components), N_SUMS), np.int64)
    counts = np.zeros((len(components), len(kind_values)), np.int64)
    for _, output in run_tiles(job, cut, context.tiled, context.progress("提取：辨认伪变化")):
        for _, (present, part, kinds) in output.partials:
            sums[present] += part
            counts[present] += kinds
    shapes = shape_figures(trace_outlines(components, grid, context.local.map))
    figures = surface_figures(sums, grid.pixel_area_m2) | shapes
    narrow = width_of_pixels_m(figures["area_m2"], figures["sides"], grid.pixel_size_m)
    figures |= {"width_m": narrow, "length_ratio": figures["area_m2"] / narrow**2}
    return Ground(figures, counts)
