"""Tiles put together into full-width strips, for consumers that need whole rows in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.grid import Tile, TileOutput


def strips(
    outputs: Iterable[tuple[Tile, TileOutput]], width: int
) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    """`(first row, pixels (y, x) by output name)`; tiles must arrive in row-major order."""
    row: list[TileOutput] = []
    for tile, output in outputs:
        row.append(output)
        if tile.core.col1 == width:
            yield (
                tile.core.row0,
                {
                    name: np.concatenate([part.rasters[name] for part in row], axis=1)
                    for name in output.rasters
                },
            )
            row = []
