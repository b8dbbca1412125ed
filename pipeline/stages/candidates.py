"""Part of `extract`: which candidates of the construction network are construction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.change.candidate_figures import candidate_figures
from pipeline.change.candidates import (
    HALO_PX,
    N_SUMS,
    CandidateJob,
    Tones,
    fit_tones,
    measure_candidates,
)
from pipeline.change.construction import N_TRACES
from pipeline.change.learned.infer import InputScaling
from pipeline.change.objects import RunTable
from pipeline.change.verdict import in_own_share, log_odds_by_card
from pipeline.config.load import CONSTRUCTION_VERDICT, load_verdict
from pipeline.grid import Grid, tiles
from pipeline.io.reports import read_json
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.patches.components import Components
from pipeline.stages.context import StageContext
from pipeline.stages.inputs import aligned_sources, read_sample


def candidate_verdicts(
    context: StageContext, grid: Grid, candidates: Components, levels: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], float]:
    """Probability `(candidate,)` that each is construction, by the shipped scorecard, and the share
    of construction among them that it takes for likely.

    `levels` `(candidate,)` are the stored probabilities at which the candidates end.
    """
    card = load_verdict(CONSTRUCTION_VERDICT)
    if not len(candidates):
        return np.zeros(0), card.built_share
    figures = measured_figures(context, grid, candidates, levels)
    log_odds = log_odds_by_card(figures, card, grid.pixel_size_m)
    return in_own_share(log_odds, card.built_share)


def measured_figures(
    context: StageContext, grid: Grid, candidates: Components, levels: NDArray[np.uint8]
) -> dict[str, NDArray[np.float64]]:
    """Figures of candidates by name, `(candidate,)` each (`change.candidate_figures`)."""
    roles = tuple(read_json(context.paths.align_fit)["roles"])
    told = read_json(context.paths.detect_summary)["construction"]
    positions = tuple(roles.index(role) for role in told["roles"])
    offset, gain = (np.array(told[name], np.float32) for name in ("offset", "gain"))
    tones = _tones(context, grid, len(roles), positions, InputScaling(offset, gain, np.inf))
    index = candidates.by_row
    job = CandidateJob(
        RunTable(index.row_offsets, index.runs, index.component),
        levels,
        np.stack([candidates.first_row, candidates.first_col], axis=1).astype(np.int64),
        positions,
        tones,
    )
    paths = context.paths
    sources = aligned_sources(paths, len(roles)) | {
        "traces": Source(str(paths.detect_traces), tuple(range(1, N_TRACES + 1))),
        "score": Source(str(paths.detect_score), (1,)),
    }
    cut = tiles(grid.height, grid.width, context.tile_px, HALO_PX)
    sums = np.zeros((len(candidates), N_SUMS), np.int64)
    tile_job = TileJob(measure_candidates, sources, job)
    for _, output in run_tiles(tile_job, cut, context.tiled, context.progress("提取：复核建设")):
        for _, (present, part) in output.partials:
            sums[present] += part
    return candidate_figures(sums, tones, grid.pixel_area_m2)


def _tones(
    context: StageContext,
    grid: Grid,
    n_bands: int,
    positions: tuple[int, ...],
    scaling: InputScaling,
) -> Tones:
    """How the pair's bands are told: scaled as for the network."""
    detect = context.run.settings.detect
    sample = read_sample(context, grid, n_bands, detect.sample)
    chosen = list(positions)
    quantile = detect.kinds.cover.dark_quantile
    return fit_tones(sample.before[chosen], sample.after[chosen], scaling, quantile)
