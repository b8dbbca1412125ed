"""The kind of a whole change patch (变化图斑) from the kinds of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.patches.components import ComponentSums

CONSTRUCTION, CROP = 10, 40
"""Pixel values of `configs/codes/change_kind.csv`."""


def patch_kinds(
    kinds: ComponentSums, is_likely: NDArray[np.bool_], *, by_material: bool = True
) -> NDArray[np.int64]:
    """Pixel value of `configs/codes/change_kind.csv` for every component, `(component,)`.

    What most of its pixels are. If objects were formed `by_material`, construction-like ones are
    construction, and others are crop where their pixels say construction: bare fields. Where
    nothing is known of the pixels it stays unknown.
    """
    most = kinds.majority(0)
    if not by_material:
        return most
    other = np.where(most == CONSTRUCTION, CROP, most)
    return np.where(most == 0, 0, np.where(is_likely, CONSTRUCTION, other))
