"""Stage 3, `detect` 变化检测: aligned pair → stored score, kind and a small preview.

Statistics and threshold are found on a seeded sample of the whole image, then one pass over the
tiles writes `score.tif` (probability × 10,000, 65535 = unobserved) and `kind.tif`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.change.cover import KindBands, cover_of, fit_cover
from pipeline.change.cva import fit_cva
from pipeline.change.detectors import (
    KindModel,
    ScoreJob,
    choose_detector,
    preview_bands,
    score_tile,
)
from pipeline.change.irmad import fit_irmad
from pipeline.change.linear import SCORE_UNOBSERVED, LinearStatistic, statistic_of_sample
from pipeline.change.materials import fit_materials
from pipeline.change.mixtures import Mixture
from pipeline.change.sample import PairSample
from pipeline.change.thresholds import find_threshold
from pipeline.change.traces import N_TRACES, fit_grey
from pipeline.config.models import DetectSettings
from pipeline.grid import Grid, tiles
from pipeline.imagery.radiometry import BandFit
from pipeline.io.previews import PreviewWriter, preview_step
from pipeline.io.rasters import StripWriter, read_grid
from pipeline.io.reports import read_json, write_json
from pipeline.io.tiles import TileJob, run_tiles
from pipeline.stages.context import StageContext, StageReport
from pipeline.stages.inputs import aligned_sources, read_sample


def run(context: StageContext) -> StageReport:
    """Score the aligned pair."""
    settings = context.run.settings.detect
    fit = read_json(context.paths.align_fit)
    grid = read_grid(context.paths.align_before, context.run.gsd_m)
    roles = tuple(fit["roles"])
    sample = read_sample(context, grid, len(roles), settings.sample)
    detector = choose_detector(settings.detector, len(roles))
    statistic, details = _fit_statistic(context, detector, sample, fit)
    values = statistic_of_sample(statistic, sample.before, sample.after)
    threshold = find_threshold(values, statistic.freedom, settings.thresholds)
    kinds = _fit_kinds(settings, sample, roles, values / np.float32(threshold.value))
    n_sample = values.size
    del sample, values
    job = ScoreJob(
        statistic,
        threshold.value,
        kinds,
        preview_bands(roles),
        preview_step(grid),
    )
    unobserved = _write_scores(context, job, grid, len(roles))
    details |= {
        "detector": detector,
        "sample_pixels": n_sample,
        "threshold": asdict(threshold),
        "roles": list(roles),
        "kinds": None if kinds is None else _told(kinds),
        "statistic": {
            "centre": statistic.centre.tolist(),
            "forms": statistic.forms.tolist(),
        },
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


def _fit_statistic(
    context: StageContext, detector: str, sample: PairSample, fit: Any
) -> tuple[LinearStatistic, dict[str, Any]]:
    settings = context.run.settings.detect
    if detector == "irmad":
        irmad = fit_irmad(sample, settings.irmad, context.local.map)
        return irmad.statistic, {
            "iterations": irmad.iterations,
            "is_converged": irmad.is_converged,
            "correlations": list(irmad.correlations),
        }
    lines = [BandFit(**band) for band in fit["radiometry"]["bands"]]
    return fit_cva(sample, lines), {}


def _fit_kinds(
    settings: DetectSettings,
    sample: PairSample,
    roles: tuple[str, ...],
    change_ratio: NDArray[np.float32],
) -> KindModel | None:
    """What the kinds are told by, from the sample; None without the band roles for it."""
    bands = KindBands(*(roles.index(r) if r in roles else -1 for r in ("green", "red", "nir")))
    if not bands.is_usable:
        return None
    dates = {"before": sample.before, "after": sample.after}
    rules = {name: fit_cover(pixels, bands, settings.kinds.cover) for name, pixels in dates.items()}
    covers = {name: cover_of(pixels, bands, rules[name]) for name, pixels in dates.items()}
    materials = fit_materials(sample, covers, change_ratio, settings.kinds.materials)
    greys = {name: fit_grey(pixels) for name, pixels in dates.items()}
    return KindModel(bands, settings.kinds, rules, materials, greys)


def _told(kinds: KindModel) -> dict[str, Any]:
    """The kinds' rules for the summary: what someone else needs to compute them again."""
    spectra: dict[str, Any] | None = None
    if kinds.materials is not None:
        spectra = {
            name: {key: array.tolist() for key, array in vars(mixture).items()}
            for name, mixture in vars(kinds.materials).items()
            if isinstance(mixture, Mixture)
        }
    return {
        "covers": {name: asdict(rule) for name, rule in kinds.covers.items()},
        "greys": {name: asdict(rule) for name, rule in kinds.greys.items()},
        "materials": spectra,
        "separation": None if kinds.materials is None else kinds.materials.separation,
        "is_reliable": kinds.materials is not None and kinds.materials.is_reliable,
    }


def _write_scores(context: StageContext, job: ScoreJob, grid: Grid, n_bands: int) -> int:
    paths = context.paths
    cut = tiles(grid.height, grid.width, context.tile_px)
    tile_job = TileJob(score_tile, aligned_sources(paths, n_bands), job)
    unobserved = 0
    with ExitStack() as stack:
        writers = {
            "score": StripWriter(paths.detect_score, grid, "uint16", nodata=SCORE_UNOBSERVED),
            "kind": StripWriter(paths.detect_kind, grid, "uint8"),
            "traces": StripWriter(paths.detect_traces, grid, "uint8", count=N_TRACES),
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
