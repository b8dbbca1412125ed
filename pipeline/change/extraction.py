"""Tile functions of the extract stage."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.change.cleaning import CleaningParams, change_mask
from pipeline.grid import RasterWindow, Tile, TileOutput


def mask_tile(
    tile: Tile, sources: Mapping[str, RasterWindow], params: CleaningParams
) -> TileOutput:
    """Tile function: stored `score` of the padded window → clean change mask of the core."""
    mask = change_mask(sources["score"].array[0], params)
    return TileOutput({"mask": mask[tile.core_slices]})


def pass_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: None) -> TileOutput:
    """Tile function: the sources' pixels as they are, for consumers of whole strips."""
    return TileOutput({name: window.array[0] for name, window in sources.items()})
