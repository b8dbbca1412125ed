"""The kind of a whole change patch (变化图斑) from the kinds of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.patches.components import ComponentSums

CONSTRUCTION, CROP = 10, 40
"""Pixel values of `configs/codes/change_kind.csv`."""
BUILT_KINDS = (11, 12, 13, 14, 15)
"""Kinds of construction that are told apart: building, hardened, road, photovoltaic, facility."""
CODED_KINDS = (11, 12, 13, 14)
"""Those of them that the superior's TBLX has codes for; facilities have none."""


def patch_kinds(
    kinds: ComponentSums, is_likely: NDArray[np.bool_], *, by_network: bool = True
) -> NDArray[np.int64]:
    """Pixel value of `configs/codes/change_kind.csv` for every component, `(component,)`.

    What most of its pixels are. If objects were formed `by_network`, construction-like ones take
    the kind of construction that most of them are, all others none of those. Where nothing is
    known of the pixels it stays unknown.
    """
    if not by_network:
        return kinds.majority(0)
    built = kinds.majority(CONSTRUCTION, among=BUILT_KINDS)
    others = tuple(value for value in kinds.counted_values if value not in BUILT_KINDS)
    other = kinds.majority(0, among=others)
    return np.where(is_likely, built, np.where(other == CONSTRUCTION, CROP, other))
