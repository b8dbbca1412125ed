"""Tile functions of the extract stage."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.change.cleaning import CleaningParams, change_mask
from pipeline.change.linear import SCORE_UNOBSERVED
from pipeline.grid import RasterWindow, Tile, TileOutput

UNOBSERVED = 255
"""Value of `change.tif` where at least one date was not seen."""


def mask_tile(
    tile: Tile, sources: Mapping[str, RasterWindow], params: CleaningParams
) -> TileOutput:
    """Tile function: stored `score` of the padded window → clean change mask of the core."""
    mask = change_mask(sources["score"].array[0], params)
    return TileOutput({"mask": mask[tile.core_slices]})


def measure_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: None) -> TileOutput:
    """Tile function: `score` and `kind` as stored, and `change` before patches are drawn on it."""
    score, kind = sources["score"].array[0], sources["kind"].array[0]
    change = (score == SCORE_UNOBSERVED).view(np.uint8) * np.uint8(UNOBSERVED)
    return TileOutput({"score": score, "kind": kind, "change": change})
