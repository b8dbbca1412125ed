"""Tile functions of the extract stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.change.cleaning import CleaningParams, change_mask, halo_px
from pipeline.change.construction import is_built
from pipeline.change.kinds import DEMOLITION
from pipeline.change.linear import SCORE_UNOBSERVED
from pipeline.grid import RasterWindow, Tile, TileOutput

UNOBSERVED = 255
"""Value of `change.tif` where at least one date was not seen."""


@dataclass(frozen=True)
class MaskJob:
    """Parameters of `mask_tile`."""

    cleaning: CleaningParams
    min_built: float
    """Probability from which a pixel may belong to a construction candidate."""

    @property
    def halo_px(self) -> int:
        """Pixels around a tile that its core depends on."""
        return halo_px(self.cleaning)


def mask_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: MaskJob) -> TileOutput:
    """Tile function: `score`, `kind` and `traces` of the padded window → `mask` of clean change (1,
    0, 255 unobserved), `built` and `lost` (1, 0) of the core, uint8. What was built need not be
    over the threshold of change: a yard of the colour of the soil changes less than the crops
    around it."""
    core = tile.core_slices
    score, kind = sources["score"].array[0], sources["kind"].array[0][core]
    mask = change_mask(score, params.cleaning)[core]
    rows, cols = core
    traces = sources["traces"].array[:, rows, cols]
    built = is_built(traces, params.min_built) & (score[core] != SCORE_UNOBSERVED)
    lost = (mask == 1) & (kind == DEMOLITION)
    return TileOutput(
        {"mask": mask, "built": built.astype(np.uint8), "lost": lost.astype(np.uint8)}
    )


def measure_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: None) -> TileOutput:
    """Tile function: `score` and `kind` as stored, and `change` before patches are drawn on it."""
    score, kind = sources["score"].array[0], sources["kind"].array[0]
    change = (score == SCORE_UNOBSERVED).view(np.uint8) * np.uint8(UNOBSERVED)
    return TileOutput({"score": score, "kind": kind, "change": change})


def planes_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: None) -> TileOutput:
    """Tile function: the first plane of every source, as stored."""
    return TileOutput({name: source.array[0] for name, source in sources.items()})
