"""Stage 3, `detect` 变化检测: aligned pair → stored score, kind and a small preview.

Statistics and threshold are found on a seeded sample of the whole image, then one pass over the
tiles writes `score.tif` (probability × 10,000, 65535 = unobserved) and `kind.tif`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from pipeline.change.construction import N_TRACES
from pipeline.change.cover import KindBands, fit_cover
from pipeline.change.detectors import (
    KindModel,
    ScoreJob,
    choose_detector,
    preview_bands,
    score_tile,
)
from pipeline.change.linear import SCORE_UNOBSERVED
from pipeline.change.sample import PairSample
from pipeline.grid import Grid, tiles
from pipeline.io.previews import PreviewWriter, preview_step
from pipeline.io.rasters import StripWriter, read_grid
from pipeline.io.reports import read_json, write_json
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.stages.construction import fit_construction, told_of_network, write_traces
from pipeline.stages.context import StageContext, StageReport
from pipeline.stages.detect_fit import Pair, fit_detector
from pipeline.stages.inputs import aligned_sources, read_sample


def run(context: StageContext) -> StageReport:
    """Score the aligned pair."""
    settings = context.run.settings.detect
    fit = read_json(context.paths.align_fit)
    grid = read_grid(context.paths.align_before, context.run.gsd_m)
    roles = tuple(fit["roles"])
    sample = read_sample(context, grid, len(roles), settings.sample)
    detector = choose_detector(settings.detector, roles, grid.pixel_size_m)
    scorer, details = fit_detector(context, detector, Pair(grid, roles, sample, fit))
    construction = fit_construction(settings.construction, grid, roles, sample)
    kinds = _fit_kinds(context, sample, roles, is_told=construction is not None)
    n_sample = sample.before.shape[1]
    del sample
    job = ScoreJob(scorer, kinds, preview_bands(roles), preview_step(grid))
    write_traces(context, grid, len(roles), construction)
    unobserved = _write_scores(context, job, grid, len(roles))
    details |= {
        "detector": detector,
        "sample_pixels": n_sample,
        "roles": list(roles),
        "kinds": None if kinds is None else _told(kinds),
        "construction": None if construction is None else told_of_network(construction),
    }
    write_json(context.paths.detect_summary, details)
    return StageReport(
        {
            "detector": detector,
            "sample_pixels": n_sample,
            "iterations": details.get("iterations", 0),
            "unobserved_pixels": unobserved,
        }
    )


def _fit_kinds(
    context: StageContext, sample: PairSample, roles: tuple[str, ...], *, is_told: bool
) -> KindModel | None:
    """What the kinds are told by, from the sample; None without the band roles for it."""
    bands = KindBands(*(roles.index(r) if r in roles else -1 for r in ("green", "red", "nir")))
    if not bands.is_usable:
        return None
    settings = context.run.settings.detect
    dates = {"before": sample.before, "after": sample.after}
    rules = {name: fit_cover(pixels, bands, settings.kinds.cover) for name, pixels in dates.items()}
    return KindModel(bands, rules, settings.construction if is_told else None)


def _told(kinds: KindModel) -> dict[str, Any]:
    """The kinds' rules for the summary: what someone else needs to compute them again."""
    return {"covers": {name: asdict(rule) for name, rule in kinds.covers.items()}}


def _write_scores(context: StageContext, job: ScoreJob, grid: Grid, n_bands: int) -> int:
    paths = context.paths
    cut = tiles(grid.height, grid.width, context.tile_px, job.scorer.halo_px)
    planes = tuple(range(1, N_TRACES + 1))
    sources = aligned_sources(paths, n_bands)
    sources["traces"] = Source(str(paths.detect_traces), planes)
    tile_job = TileJob(score_tile, sources, job)
    unobserved = 0
    with ExitStack() as stack:
        writers = {
            "score": StripWriter(paths.detect_score, grid, "uint16", nodata=SCORE_UNOBSERVED),
            "kind": StripWriter(paths.detect_kind, grid, "uint8"),
        }
        for writer in writers.values():
            stack.enter_context(writer)
        preview = PreviewWriter(grid, job.preview_step, len(job.preview_bands))
        for tile, output in run_tiles(
            tile_job, cut, context.tiled, context.progress("检测：计算变化概率")
        ):
            for name, writer in writers.items():
                writer.add(tile.core, output.rasters[name])
            for _, partial in output.partials:
                unobserved += partial.unobserved_pixels
                preview.add(tile.core, partial.preview)
    preview.save(paths.detect_preview)
    return unobserved
