"""Bringing results back from the working grid to the image's own grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.grid import RasterWindow, Tile, TileOutput
from pipeline.imagery.resample import GridMapping, sample_nearest


@dataclass(frozen=True)
class PutBackJob:
    """Parameters of `put_back_tile`."""

    mapping: GridMapping
    """From the image's own grid (target) to the working grid (source)."""
    fill: int
    """Value where the working grid has nothing."""


def put_back_tile(
    tile: Tile, sources: Mapping[str, RasterWindow], params: PutBackJob
) -> TileOutput:
    """Tile function: value of the working pixel under each own pixel's centre."""
    source = sources["raster"]
    origin = source.row0, source.col0
    pixels = sample_nearest(tile.core, source.array[0], origin, params.mapping, params.fill)
    return TileOutput({"raster": pixels})
