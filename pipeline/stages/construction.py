"""Part of `detect`: the construction network over the aligned pair."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.change.construction import N_TRACES, ConstructionModel, ConstructionParams, trace_tile
from pipeline.change.learned.card import NetworkCard
from pipeline.change.learned.infer import fit_scaling
from pipeline.change.learned.network import GSD_TOLERANCE
from pipeline.change.sample import PairSample
from pipeline.config.load import CHANGE_KIND_CODES, CONSTRUCTION_NETWORK, load_codes
from pipeline.grid import Grid, tiles
from pipeline.io.models import read_network
from pipeline.io.rasters import StripWriter
from pipeline.io.tiles import TileJob, run_tiles
from pipeline.stages.context import StageContext
from pipeline.stages.inputs import aligned_sources


def fit_construction(
    params: ConstructionParams, grid: Grid, roles: tuple[str, ...], sample: PairSample
) -> ConstructionModel | None:
    """The shipped network fitted to a pair; None if its bands or its pixel size are not there, or
    if it is not wanted."""
    if not params.use_network:
        return None
    network = read_network(CONSTRUCTION_NETWORK)
    card = network.card
    if not _is_applicable(card, roles, grid.pixel_size_m):
        return None
    positions = tuple(roles.index(role) for role in card.roles)
    chosen = list(positions)
    scaling = fit_scaling(card, sample.before[chosen], sample.after[chosen])
    told = load_codes(CHANGE_KIND_CODES).attributes
    kinds = [told[name] for name in card.classes[1:]]
    return ConstructionModel(
        network,
        scaling,
        positions,
        tuple(int(kind["value"]) for kind in kinds),
        params.looks,
        tuple(kind["is_construction"] == "1" for kind in kinds),
    )


def _is_applicable(card: NetworkCard, roles: tuple[str, ...], gsd_m: float) -> bool:
    low, high = card.gsd_min_m * (1 - GSD_TOLERANCE), card.gsd_max_m * (1 + GSD_TOLERANCE)
    return set(card.roles) <= set(roles) and low <= gsd_m <= high


def told_of_network(model: ConstructionModel) -> dict[str, Any]:
    """The network for the summary: which file, and how the pair was scaled."""
    return {
        "name": model.network.card.name,
        "sha256": model.network.digest,
        "roles": list(model.network.card.roles),
        "offset": model.scaling.offset.tolist(),
        "gain": model.scaling.gain.tolist(),
        "looks": model.looks,
    }


def write_traces(
    context: StageContext, grid: Grid, n_bands: int, model: ConstructionModel | None
) -> None:
    """`detect/traces.tif` (see `change.construction`); all 0 without a network."""
    with StripWriter(context.paths.detect_traces, grid, "uint8", count=N_TRACES) as writer:
        if model is None:
            for tile in tiles(grid.height, grid.width, context.tile_px):
                writer.add(tile.core, np.zeros((N_TRACES, *tile.core.shape), np.uint8))
            return
        cut = tiles(grid.height, grid.width, context.tile_px, model.network.card.halo_px)
        job = TileJob(trace_tile, aligned_sources(context.paths, n_bands), model)
        progress = context.progress("检测：判别建设")
        for tile, output in run_tiles(job, cut, context.tiled, progress):
            writer.add(tile.core, output.rasters["traces"])
