"""Objects painted back into a tile, for figures that are measured per object."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.grid import Tile


class RunTable(NamedTuple):
    """Runs of components in row order (`Components.by_row`)."""

    row_offsets: NDArray[np.int64]
    runs: NDArray[np.int32]
    component: NDArray[np.int32]


class TileObjects(NamedTuple):
    """The objects of a tile."""

    ids: NDArray[np.int32]
    """Number of the object `(y, x)` in the padded window, −1 for none."""
    present: NDArray[np.int32]
    """Numbers of those with pixels in the core, ascending."""
    local: NDArray[np.int64]
    """Place in `present` by number; −1 for all others up to the last of them."""


def objects_in(tile: Tile, table: RunTable) -> TileObjects:
    """Paint the objects into the padded window of a tile."""
    ids = np.full(tile.padded.shape, -1, np.int32)
    _burn_ids(table, (tile.padded.row0, tile.padded.col0), ids)
    rows, cols = tile.core_slices
    present = np.unique(ids[rows, cols])
    present = present[present >= 0]
    local = np.full(int(present[-1]) + 1 if present.size else 0, -1, np.int64)
    local[present] = np.arange(present.size)
    return TileObjects(ids, present, local)


@njit(nogil=True, cache=True)
def _burn_ids(index, origin, out):  # type: ignore[no-untyped-def]
    row0, col0 = origin
    for row in range(out.shape[0]):
        for run in range(index.row_offsets[row0 + row], index.row_offsets[row0 + row + 1]):
            begin = max(index.runs[1, run] - col0, 0)
            for col in range(begin, min(index.runs[2, run] - col0, out.shape[1])):
                out[row, col] = index.component[run]
