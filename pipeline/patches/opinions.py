"""Pixels of components judged by several overlapping pieces: the points of all are averaged.

Every pixel of a judged component has the points of that component and of the piece it lies in of
each other cut; where a cut has no piece there the component's own points stand in. What reaches the
limit on the mean is construction, the rest keeps its class. Work goes over fixed strips of whole
rows and each pixel is decided on its own, so nothing of the cutting into tiles can show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.patches.classed import FAINT, LIKELY, STRONG, ClassedBuilder, ClassedComponents
from pipeline.patches.components import Components, RowIndex

STRIP_ROWS = 512
STORED_FAINT = STRONG
"""Stands for `FAINT` while the new components are formed: a mask knows three classes only."""


@dataclass(frozen=True, eq=False)
class Opinion:
    """Pieces in row order and the points of each by every judge, `(judge, piece)`."""

    pieces: RowIndex
    points: NDArray[np.float64]


def by_opinions(
    components: Components,
    classes: NDArray[np.int32],
    opinions: tuple[Opinion, ...],
    limits: tuple[float, ...],
    min_pixels: int,
) -> ClassedComponents:
    """New components over the same pixels: class `LIKELY` where the mean of each judge's points
    reaches its limit, elsewhere the class `(component,)` of before.

    The first of `opinions` is of the judged components themselves, in their order.
    """
    builder = ClassedBuilder(components.width)
    stored = np.where(classes == FAINT, STORED_FAINT, classes).astype(np.uint8)
    index = components.by_row
    for row0 in range(0, components.height, STRIP_ROWS):
        shape = (min(STRIP_ROWS, components.height - row0), components.width)
        mask, is_built = np.zeros(shape, np.uint8), np.ones(shape, np.bool_)
        _paint(index, row0, stored, mask)
        for judge, limit in enumerate(limits):
            total, own = np.zeros(shape), np.full(shape, np.nan)
            _paint(opinions[0].pieces, row0, opinions[0].points[judge], own)
            for opinion in opinions:
                points = own.copy()
                _paint(opinion.pieces, row0, opinion.points[judge], points)
                total += points
            # What is not judged has no points of its own; comparisons with them are false.
            is_built &= np.round(total / len(opinions), 6) >= limit
        mask[is_built & (mask > 0)] = LIKELY
        builder.add_strip(row0, mask)
    again = builder.finish(min_pixels)
    was_faint = again.classes == STORED_FAINT
    return ClassedComponents(
        again.components, np.where(was_faint, FAINT, again.classes).astype(np.int32)
    )


@njit(nogil=True, cache=True)
def _paint(index, row0, values, out):  # type: ignore[no-untyped-def]
    """Set the pixels of the strip `out` that lie in component c to `values[c]`."""
    for row in range(out.shape[0]):
        for run in range(index.row_offsets[row0 + row], index.row_offsets[row0 + row + 1]):
            out[row, index.runs[1, run] : index.runs[2, run]] = values[index.component[run]]
