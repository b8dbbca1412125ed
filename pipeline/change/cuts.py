"""Other ways to cut construction-like ground into objects than by material.

Construction that touches a field which changed too is one component with it. No single rule parts
all such pairs, so the ground is cut in several ways, each piece of each cut is judged, and the
judgements are averaged per pixel (multiple segmentations, Hoiem et al. 2007, IJCV 75(1)). The cuts
here: where the statistic is over its threshold against where the change is faint; where it is
brighter after than the construction-like ground around against where it is darker; and where the
material is that of older built ground against where it is only no known soil. All sums are whole
numbers.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.change.likely import EVIDENCE_RANGE, LIKELY, STRONG
from pipeline.change.materials import EVIDENCE_ZERO

LIKELY_BIT, *CUT_BITS = 1, 2, 4, 8
"""Of a stored cut: construction-like at all, clearly changed, brighter than around, of the material
of older built ground."""
AROUND_PX = 20
"""How far around a pixel its brightness is compared."""
MEDIAN_PX = MATERIAL_PX = 5
CUT_REACH_PX = AROUND_PX + 2 + MEDIAN_PX // 2
"""Pixels around a tile that its cuts need the classes of: comparison, opening, median."""


def cut_bits(
    classes: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    grey: NDArray[np.uint8],
    built: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Bits per pixel `(y, x)` from `change.likely`'s classes, the change mask, the brightness
    after and the stored evidence that the ground is built after."""
    likely = ((classes == LIKELY) | (classes == STRONG)).astype(np.uint8)
    side = (2 * AROUND_PX + 1,) * 2
    total, count = (
        cv2.boxFilter(plane, cv2.CV_32S, side, normalize=False, borderType=cv2.BORDER_CONSTANT)
        for plane in (grey * likely, likely)
    )
    is_bright = cv2.medianBlur(grey, MEDIAN_PX).astype(np.int32) * count >= total
    bounded = np.clip(built, *EVIDENCE_RANGE).astype(np.uint8)
    evidence = cv2.boxFilter(bounded, cv2.CV_32S, (MATERIAL_PX,) * 2, normalize=False)
    is_built = evidence >= EVIDENCE_ZERO * MATERIAL_PX**2
    out: NDArray[np.uint8] = likely.copy()
    for bit, is_so in zip(CUT_BITS, (mask == 1, is_bright, is_built), strict=True):
        part = cv2.morphologyEx(
            likely * is_so.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
        )
        out[part == 1] |= np.uint8(bit)
    return out


def classes_of_cut(bits: NDArray[np.uint8], bit: int) -> NDArray[np.uint8]:
    """Mask of one cut, with its two sides as the two construction-like classes."""
    out = np.zeros(bits.shape, np.uint8)
    out[(bits & LIKELY_BIT) > 0] = LIKELY
    out[(bits & bit) > 0] = STRONG
    return out
