"""Objects painted back into a tile, for figures that are measured per object."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class RunTable(NamedTuple):
    """Runs of components in row order (`Components.by_row`)."""

    row_offsets: NDArray[np.int64]
    runs: NDArray[np.int32]
    component: NDArray[np.int32]


@njit(nogil=True, cache=True)
def _burn_ids(index, origin, out):  # type: ignore[no-untyped-def]
    row0, col0 = origin
    for row in range(out.shape[0]):
        for run in range(index.row_offsets[row0 + row], index.row_offsets[row0 + row + 1]):
            begin = max(index.runs[1, run] - col0, 0)
            for col in range(begin, min(index.runs[2, run] - col0, out.shape[1])):
                out[row, col] = index.component[run]
