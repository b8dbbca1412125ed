"""Which changed pixels are construction-like, and which faint change is worth a look.

New yards and roofs on ground that was bare anyway change little: their statistic may lie within
what crops and moisture do to every field. So ground that ends built (`change.materials`) and was
not built before counts as changed from a much lower limit, if it does so over a neighbourhood. The
limit is on the mean of 5 × 5 pixels, of which noise alone has little. All sums are whole numbers.
"""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from pipeline.change.cleaning import UNIT, magnitudes
from pipeline.change.linear import SCORE_UNOBSERVED
from pipeline.change.materials import LEAST_EVIDENCE, UNKNOWN_EVIDENCE
from pipeline.schema.model import Frozen

LIKELY, OTHER, STRONG = 1, 2, 3
"""Classes of changed pixels: construction-like (or of unknown material), any other, and built
beyond doubt."""
UNOBSERVED = 255
MAX_RATIO = 0.3
"""Bound on a pixel's statistic over its threshold in the mean of the neighbourhood: strong change
next to unchanged ground must not lift the mean there, or every patch would grow a rim."""
REACH_PX = 2
MORPHOLOGY_REACH_PX = 4
"""Opening and closing by one pixel each."""
EVIDENCE_RANGE = (64, 192)
"""Stored evidence is bounded before it is averaged: one pixel must not decide for all."""


NEVER = 1 << 40
"""A limit that no mean reaches."""


class LikelyParams(Frozen):
    """Settings of construction-like pixels (疑似建设像元)."""

    min_built_evidence: int = Field(
        120,
        ge=0,
        le=255,
        description="3×3 邻域平均材质证据的下限（128 为两可，每 8 为一个自然对数）",
    )
    min_strong_evidence: int = Field(
        160, ge=0, le=255, description="3×3 邻域平均材质证据达到此值的另成图斑，不与旁边的裸地相连"
    )
    min_change_ratio: float = Field(
        0.15, gt=0, le=1, description="5×5 邻域平均变化统计量与阈值之比的下限（弱变化）"
    )
    max_built_before_evidence: int = Field(
        152, ge=0, le=255, description="弱变化处变化前的材质证据上限：高于此值视为原有建设"
    )


def likely_halo_px(mask_halo_px: int) -> int:
    """Pixels around a tile that the classes of its core depend on."""
    return mask_halo_px + REACH_PX + MORPHOLOGY_REACH_PX


def change_classes(
    mask: NDArray[np.uint8],
    score: NDArray[np.uint16],
    built: NDArray[np.uint8],
    params: LikelyParams,
    *,
    takes_faint: bool = True,
) -> NDArray[np.uint8]:
    """Clean change mask `(y, x)` → 1 construction-like, 3 so beyond doubt, 2 other change, 0 none,
    255 unobserved.

    `built` `(3, y, x)` is the stored evidence before, after, and that it is no soil after (see
    `change.traces`); where it is unknown the kinds of the changed pixels around decide.
    """
    likely = np.zeros(mask.shape, np.uint8)
    limits = np.array(
        [
            params.min_built_evidence,
            round(UNIT * params.min_change_ratio) if takes_faint else NEVER,
            params.max_built_before_evidence,
            params.min_strong_evidence,
        ],
        np.int64,
    )
    _likely(mask, score, built, (limits, magnitudes(MAX_RATIO, 0.5)), likely)
    element = np.ones((3, 3), np.uint8)
    known = built[1] != UNKNOWN_EVIDENCE
    strong = (likely == STRONG).astype(np.uint8)
    likely = np.minimum(likely, 1)
    strong = cv2.morphologyEx(strong, cv2.MORPH_OPEN, element)
    cleaned = cv2.morphologyEx(likely, cv2.MORPH_OPEN, element)
    # Padded: OpenCV's erosion takes everything outside for set, so patches would grow.
    cleaned = cv2.morphologyEx(np.pad(cleaned, 1), cv2.MORPH_CLOSE, element)[1:-1, 1:-1]
    is_likely = np.where(known, cleaned, likely) == 1
    out = np.where(mask == 1, np.uint8(OTHER), np.uint8(0))
    out[is_likely] = LIKELY
    out[is_likely & (strong == 1)] = STRONG
    out[score == SCORE_UNOBSERVED] = UNOBSERVED
    return out


@njit(nogil=True, cache=True)
def _mean_evidence(built, i, j):  # type: ignore[no-untyped-def]
    """Mean evidence after of 3 × 3 pixels, rounded down."""
    low, high = np.int64(EVIDENCE_RANGE[0]), np.int64(EVIDENCE_RANGE[1])
    total, n = np.int64(0), 0
    for r in range(max(0, i - 1), min(built.shape[1], i + 2)):
        for c in range(max(0, j - 1), min(built.shape[2], j + 2)):
            larger = np.int64(max(built[1, r, c], built[2, r, c]))
            total += min(max(larger, low), high)
            n += 1
    return total // n


@njit(nogil=True, cache=True)
def _is_faint_change(score, built, place, limits, ratios):  # type: ignore[no-untyped-def]
    """Whether 5 × 5 pixels changed on the mean, and were not built before."""
    i, j = place
    change, n, before, n_before = np.int64(0), 0, np.int64(0), 0
    for r in range(max(0, i - REACH_PX), min(score.shape[0], i + REACH_PX + 1)):
        for c in range(max(0, j - REACH_PX), min(score.shape[1], j + REACH_PX + 1)):
            if score[r, c] != SCORE_UNOBSERVED:
                change += ratios[score[r, c]]
                n += 1
                if built[0, r, c] > LEAST_EVIDENCE:
                    before += built[0, r, c]
                    n_before += 1
    if change < n * limits[1]:
        return False
    return built[0, i, j] == LEAST_EVIDENCE or before <= n_before * limits[2]


@njit(nogil=True, cache=True)
def _likely(mask, score, built, settings, out):  # type: ignore[no-untyped-def]
    limits, ratios = settings
    rows, cols = mask.shape
    for i in range(rows):
        for j in range(cols):
            if score[i, j] == SCORE_UNOBSERVED:
                continue
            if built[1, i, j] == UNKNOWN_EVIDENCE:
                out[i, j] = np.uint8(mask[i, j] == 1)
            elif max(built[1, i, j], built[2, i, j]) > LEAST_EVIDENCE:
                evidence = _mean_evidence(built, i, j)
                if evidence >= limits[0] and (
                    mask[i, j] == 1 or _is_faint_change(score, built, (i, j), limits, ratios)
                ):
                    out[i, j] = STRONG if evidence >= limits[3] else LIKELY
