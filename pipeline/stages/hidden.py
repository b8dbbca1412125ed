"""What clouds, their shadows and saturation hide: found on an overview, put into the validities."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.change.sample import SampleParams
from pipeline.errors import Finding, Severity
from pipeline.grid import tiles
from pipeline.imagery.cloud_blocks import (
    DATES,
    BlockPlan,
    BlockView,
    HideJob,
    block_side_px,
    edge_reach_px,
    hide_tile,
    largest_value,
    reduce_tile,
)
from pipeline.imagery.clouds import BlockSize, DateClouds, find_clouds, visible_bands
from pipeline.imagery.radiometry import RadiometryParams, RadiometryQuality
from pipeline.imagery.validity import VALIDITIES
from pipeline.io.pairs import ImagePair
from pipeline.io.rasters import StripWriter, close_handles
from pipeline.io.runs import RunPaths
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.scene import working_dtype
from pipeline.stages.context import StageContext
from pipeline.stages.inputs import read_sample

Counts = dict[str, NDArray[np.int64]]
"""Pixels by validity code, of `valid` and of every date."""

CODE_NAMES = ("observed", "nodata", "cloud", "shadow", "saturated", "unregistered")
DEPTH_SAMPLE = SampleParams(blocks_per_side=4, target_pixels=500_000)


def validity_paths(paths: RunPaths) -> dict[str, Path]:
    """The files of `VALIDITIES`."""
    found = paths.align_valid, paths.align_valid_before, paths.align_valid_after
    return dict(zip(VALIDITIES, found, strict=True))


def hide_clouds(
    context: StageContext, pair: ImagePair, counts: Counts
) -> tuple[Counts, dict[str, Any]]:
    """Find what is hidden and write it; the new counts, and what was found for `fit.json`."""
    params = context.run.settings.align.clouds
    if not params.enabled:
        return counts, {"enabled": False}
    plan = _plan(context, pair)
    views = _overview(context, pair, plan)
    pixel_m = pair.grid.pixel_size_m
    size = BlockSize(plan.side_px * pixel_m, pixel_m)
    found = dict(zip(DATES, find_clouds(views, pair.bands.roles, size, params), strict=True))
    blocks = {name: _kept(one, name, pair, params.add_to_supplied) for name, one in found.items()}
    if any(codes.any() for codes in blocks.values()):
        counts = _write(context, pair, HideJob(blocks, plan.side_px))
    told = {
        "enabled": True,
        "method": params.method,
        "block_m": size.block_m,
        "objects": {
            name: [asdict(candidate) for candidate in one.candidates] for name, one in found.items()
        },
    }
    return counts, told


def shares_of(counts: NDArray[np.int64]) -> dict[str, float]:
    """Share of the pixels by what hides them."""
    total = max(int(counts.sum()), 1)
    return {name: int(n) / total for name, n in zip(CODE_NAMES, counts, strict=True)}


def poor_radiometry(quality: RadiometryQuality, params: RadiometryParams) -> Finding:
    """The notice that the two dates' brightness could not be related well."""
    return Finding(
        "N-RADIOMETRY-POOR",
        "两期影像的亮度关系把握不大：不变的像元少，或同一地物两期亮度关系松散。",
        value=f"不变像元 {100 * quality.invariant_share:.1f}%，"
        f"最差波段决定系数 {quality.least_r2:.2f}",
        allowed=f"不变像元不低于 {100 * params.min_invariant_share:g}%，"
        f"决定系数不低于 {params.min_r2:g}",
        advice="多见于两期季节相差大或有薄云；对照核查卡看影像，必要时换用同季影像。",
        severity=Severity.NOTICE,
    )


def _plan(context: StageContext, pair: ImagePair) -> BlockPlan:
    sample = read_sample(context, pair.grid, len(pair.bands.roles), DEPTH_SAMPLE)
    dtypes = {name: file.scene.dtype for name, file in pair.files.items()}
    pixels = {"before": sample.before, "after": sample.after}
    largest = {
        name: largest_value(working_dtype(dtypes[name]).name, float(np.nanmax(pixels[name])))
        for name in DATES
    }
    side, reach = block_side_px(pair.grid.pixel_size_m), edge_reach_px(pair.grid.pixel_size_m)
    return BlockPlan(side, reach, visible_bands(pair.bands.roles), largest)


def _overview(
    context: StageContext, pair: ImagePair, plan: BlockPlan
) -> tuple[BlockView, BlockView]:
    grid, bands = pair.grid, tuple(range(1, len(pair.bands.roles) + 1))
    shape = plan.shape(grid.height, grid.width)
    views = {name: BlockView.blank(len(bands), shape) for name in DATES}
    paths = validity_paths(context.paths)
    sources = {
        "before": Source(str(context.paths.align_before), bands),
        "after": Source(str(context.paths.align_after), bands),
        **{f"valid_{name}": Source(str(paths[f"valid_{name}"]), (1,)) for name in DATES},
    }
    job = TileJob(reduce_tile, sources, plan)
    cut = tiles(grid.height, grid.width, context.tile_px, plan.reach_px)
    for _, output in run_tiles(job, cut, context.tiled, context.progress("云与云影：概览")):
        for _, part in output.partials:
            for name, view in part.views.items():
                views[name].put(view, part.row, part.col)
    return views["before"], views["after"]


def _kept(
    found: DateClouds, name: str, pair: ImagePair, add_to_supplied: bool
) -> NDArray[np.uint8]:
    """The codes to be written: none where a supplied mask is to stand alone."""
    file = pair.files[name]
    is_supplied = file.mask is not None
    return np.zeros_like(found.codes) if is_supplied and not add_to_supplied else found.codes


def _write(context: StageContext, pair: ImagePair, job: HideJob) -> Counts:
    """Write the validities anew; returns their counts."""
    grid, paths = pair.grid, validity_paths(context.paths)
    sources = {name: Source(str(path), (1,)) for name, path in paths.items()}
    partial = {name: path.with_suffix(".hidden.tif") for name, path in paths.items()}
    cut = tiles(grid.height, grid.width, context.tile_px)
    totals = {name: np.zeros(6, np.int64) for name in VALIDITIES}
    run = run_tiles(
        TileJob(hide_tile, sources, job), cut, context.tiled, context.progress("云与云影：写入")
    )
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(StripWriter(path, grid, "uint8"))
            for name, path in partial.items()
        }
        for tile, output in run:
            for name, codes in output.rasters.items():
                writers[name].add(tile.core, codes)
            for _, counts in output.partials:
                for name, found in counts.items():
                    totals[name] += found
    # Windows can not replace a file that a thread still holds open.
    close_handles()
    for name, path in paths.items():
        partial[name].replace(path)
    return totals
