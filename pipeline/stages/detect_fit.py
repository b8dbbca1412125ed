"""Part of `detect`: the chosen detector fitted to the pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.change.built_up import (
    LEAST_SEPARATION,
    CellPlan,
    DateIndex,
    DateScale,
    built_up_features,
    cell_plan,
    fit_index,
    fit_scale,
)
from pipeline.change.cva import fit_cva
from pipeline.change.detectors import members_of
from pipeline.change.irmad import fit_irmad
from pipeline.change.learned.scoring import fit_learned
from pipeline.change.linear import Calibration, LinearStatistic, statistic_of_sample
from pipeline.change.reweighting import ReweightedFit
from pipeline.change.sample import PairSample, sample_plan
from pipeline.change.scoring import (
    EnsembleScorer,
    LearnedScorer,
    LinearScorer,
    Scorer,
    TextureScorer,
)
from pipeline.change.sfa import fit_sfa
from pipeline.change.thresholds import find_threshold
from pipeline.grid import Grid, RasterWindow, Tile, TileOutput
from pipeline.imagery.radiometry import BandFit
from pipeline.io.models import model_path, read_network
from pipeline.io.tiles import TileJob, run_tiles
from pipeline.stages.context import StageContext
from pipeline.stages.inputs import aligned_sources

MAX_SAMPLE_CELLS = 1_000_000


@dataclass(frozen=True, eq=False)
class Pair:
    """What a detector is fitted on."""

    grid: Grid
    roles: tuple[str, ...]
    sample: PairSample
    fit: Mapping[str, Any]
    """The report of `align`."""
    lot_factor: float = 1.0
    """Factor on the size of a lot, for the built-up index."""


Told = dict[str, Any]


def fit_detector(context: StageContext, name: str, pair: Pair) -> tuple[Scorer, Told]:
    """The scorer of a detector, and what the summary says of it."""
    members = members_of(name, len(pair.roles))
    fitted = [FITS[member](context, replace(pair, lot_factor=factor)) for member, factor in members]
    if len(fitted) == 1:
        return fitted[0]
    told: list[Told] = [
        {"detector": member, "lot_factor": factor, **told}
        for (member, factor), (_, told) in zip(members, fitted, strict=True)
    ]
    return EnsembleScorer(tuple(scorer for scorer, _ in fitted)), {"members": told}


def _calibrated(
    context: StageContext, sample: PairSample, statistic: LinearStatistic, *, is_turned: bool
) -> tuple[Scorer, Told]:
    """`sample` is in the order that the statistic takes."""
    values = statistic_of_sample(statistic, sample.before, sample.after)
    threshold = find_threshold(values, statistic.freedom, context.run.settings.detect.thresholds)
    told = {
        "threshold": asdict(threshold),
        "statistic": {
            "first_date": "after" if is_turned else "before",
            "centre": statistic.centre.tolist(),
            "forms": statistic.forms.tolist(),
        },
    }
    calibration = Calibration(threshold.value, threshold.steepness)
    return LinearScorer(statistic, calibration, is_turned), told


def _reweighted(
    context: StageContext, pair: Pair, fit_to: Callable[[PairSample], ReweightedFit]
) -> tuple[Scorer, Told]:
    is_turned = pair.sample.is_turned
    sample = pair.sample.turned if is_turned else pair.sample
    fit = fit_to(sample)
    scorer, told = _calibrated(context, sample, fit.statistic, is_turned=is_turned)
    return scorer, told | {
        "iterations": fit.iterations,
        "is_converged": fit.is_converged,
        "correlations": list(fit.correlations),
    }


def _irmad(context: StageContext, pair: Pair) -> tuple[Scorer, Told]:
    settings = context.run.settings.detect.irmad
    return _reweighted(context, pair, lambda s: fit_irmad(s, settings, context.local.map))


def _sfa(context: StageContext, pair: Pair) -> tuple[Scorer, Told]:
    settings = context.run.settings.detect.sfa
    return _reweighted(context, pair, lambda s: fit_sfa(s, settings, context.local.map))


def _cva(context: StageContext, pair: Pair) -> tuple[Scorer, Told]:
    lines = [BandFit(**band) for band in pair.fit["radiometry"]["bands"]]
    return _calibrated(context, pair.sample, fit_cva(pair.sample, lines), is_turned=False)


def _learned(context: StageContext, pair: Pair) -> tuple[Scorer, Told]:
    network = read_network(model_path(context.run.settings.detect.learned))
    learned = fit_learned(network, pair.roles, pair.grid.pixel_size_m, pair.sample)
    told = {
        "sha256": learned.network.digest,
        "card": learned.network.card.model_dump(mode="json"),
        "bands": list(learned.bands),
        "offset": learned.scaling.offset.tolist(),
        "gain": learned.scaling.gain.tolist(),
    }
    return LearnedScorer(learned), {"learned": told}


@dataclass(frozen=True, eq=False)
class _CellJob:
    """Parameters of `sample_cells`."""

    plan: CellPlan
    before: DateScale
    after: DateScale
    step: int


def sample_cells(tile: Tile, sources: Mapping[str, RasterWindow], params: _CellJob) -> TileOutput:
    """Tile function: features of both dates at every n-th cell of the core that was seen."""
    valid, factor = sources["valid"].array[0], params.plan.factor
    rows, cols = (slice(s.start // factor, ceil(s.stop / factor)) for s in tile.core_slices)
    seen = valid[tile.core_slices][:: params.step * factor, :: params.step * factor] == 0
    found = []
    for name, scale in (("before", params.before), ("after", params.after)):
        features = built_up_features(sources[name].array, valid, scale, params.plan)
        found.append(features[:, rows, cols][:, :: params.step, :: params.step][:, seen])
    return TileOutput(partials=((tile.index, tuple(found)),))


def _texture(context: StageContext, pair: Pair) -> tuple[Scorer, Told]:
    settings, grid = context.run.settings.detect, pair.grid
    params = settings.texture.model_copy(
        update={"lot_sigma_m": settings.texture.lot_sigma_m * pair.lot_factor}
    )
    plan = cell_plan(pair.roles, grid.pixel_size_m, params)
    scales = [fit_scale(pixels, plan) for pixels in (pair.sample.before, pair.sample.after)]
    blocks, _ = sample_plan(grid.height, grid.width, settings.sample)
    n_cells = sum(b.core.shape[0] * b.core.shape[1] for b in blocks) / plan.factor**2
    step = max(1, round(sqrt(n_cells / MAX_SAMPLE_CELLS)))
    padded = [
        Tile(b.index, b.core, b.core.pad(plan.halo_px).clip(grid.height, grid.width))
        for b in blocks
    ]
    sources = aligned_sources(context.paths, len(pair.roles))
    job = TileJob(sample_cells, sources, _CellJob(plan, scales[0], scales[1], step))
    progress = context.progress("检测：统计纹理")
    parts: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = [
        part
        for _, output in run_tiles(job, padded, context.tiled, progress)
        for _, part in output.partials
    ]
    dates = [
        fit_index(np.concatenate([part[k] for part in parts], axis=1), scale)
        for k, scale in enumerate(scales)
    ]
    told = {
        "texture": {
            "cell_px": plan.factor,
            "is_told": [date.separation >= LEAST_SEPARATION for date in dates],
        }
        | {name: _told_of_date(date) for name, date in zip(("before", "after"), dates, strict=True)}
    }
    return TextureScorer(plan, dates[0], dates[1]), told


def _told_of_date(date: DateIndex) -> Told:
    """What someone else needs to see what the index rests on."""
    return {
        "medians": date.scale.medians.tolist(),
        "grey": list(date.scale.grey),
        "blue": list(date.scale.blue),
        "separation": date.separation,
        "built_share": date.built_share,
    }


FITS: Mapping[str, Callable[[StageContext, Pair], tuple[Scorer, Told]]] = {
    "irmad": _irmad,
    "sfa": _sfa,
    "cva": _cva,
    "texture": _texture,
    "learned": _learned,
}
"""How each detector is fitted; the ensemble is made of these."""
