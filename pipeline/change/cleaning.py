"""From stored scores to a clean change mask.

Decisions read the stored uint16 score only. A pixel's log-odds of change, and the agreement with
its four neighbours, decide together: the most probable map under a Potts model, found by iterated
conditional modes (Besag 1986, JRSS B 48(3); Bruzzone and Prieto 2000, IEEE TGRS 38(3), for change).
A pixel is never changed for its neighbours' sake alone: clear change of one pixel stands, and
clearly unchanged ground beside a patch stays unchanged, so that no patch grows a rim. Counts of
neighbours are whole numbers; small gaps are closed at the end.
"""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from pipeline.change.linear import SCORE_MAX, SCORE_UNOBSERVED
from pipeline.schema.model import Frozen

SCORE_THRESHOLD = SCORE_MAX // 2
"""Stored score of a statistic exactly at the threshold."""
NEIGHBOURS = 4
CHANGED, UNSEEN = 2, 1
"""Votes of a neighbour; an unchanged one has none, an unseen one takes no side."""


class CleaningParams(Frozen):
    """Settings of the clean-up of the change mask (变化掩膜清理)."""

    neighbour_log_odds: float = Field(
        1.0,
        ge=0,
        le=2,
        description="四邻域中每个一致的邻点给出的证据，自然对数几率；0 为逐像元判断",
    )
    sweeps: int = Field(4, ge=0, le=16, description="邻域判断的迭代次数")
    closing_px: int = Field(1, ge=0, le=16, description="闭运算半径，像元：填补图斑内的小空隙")


def halo_px(params: CleaningParams) -> int:
    """Pixels around a tile that its core depends on."""
    return params.sweeps + 2 * params.closing_px


def change_mask(score: NDArray[np.uint16], params: CleaningParams) -> NDArray[np.uint8]:
    """Stored score `(y, x)` → 1 changed, 0 not, 255 unobserved.

    The array's edges are taken for the image's edges; a tile needs `halo_px` around its core.
    """
    mask: NDArray[np.uint8] = _most_probable(
        score, votes_needed(params.neighbour_log_odds), params.sweeps
    )
    if params.closing_px:
        size = 2 * params.closing_px + 1
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        # Padded: OpenCV's erosion takes everything outside for changed, so patches would grow.
        edge = params.closing_px
        padded = cv2.morphologyEx(np.pad(mask, edge), cv2.MORPH_CLOSE, element)
        mask = np.asarray(padded[edge:-edge, edge:-edge], np.uint8)
    mask[score == SCORE_UNOBSERVED] = 255
    return mask


def votes_needed(neighbour_log_odds: float) -> NDArray[np.uint8]:
    """Votes of the neighbours from which on a pixel of each score is changed, 0 … 9.

    The log-odds of the score plus `neighbour_log_odds` for every neighbour that changed, minus it
    for every one that did not, must not be negative. 9 is more than four neighbours have.
    """
    probability = np.arange(SCORE_MAX + 1) / SCORE_MAX
    bound = 0.5 / SCORE_MAX
    log_odds = np.log(np.maximum(probability, bound) / np.maximum(1.0 - probability, bound))
    log_odds[SCORE_THRESHOLD] = 0.0
    votes = np.arange(2 * NEIGHBOURS + 1)
    total = log_odds[:, None] + neighbour_log_odds * (votes - NEIGHBOURS)
    needed = np.full(SCORE_UNOBSERVED + 1, 2 * NEIGHBOURS + 1, np.uint8)
    needed[: SCORE_MAX + 1] = (total < 0).sum(axis=1)
    return needed


@njit(nogil=True, cache=True)
def _most_probable(score, needed, sweeps):  # type: ignore[no-untyped-def]
    """Changed (1) or not (0), `(y, x)`, after `sweeps` rounds in which all pixels move at once."""
    rows, cols = score.shape
    limit = np.empty((rows, cols), np.uint8)
    votes = np.full((rows + 2, cols + 2), np.uint8(UNSEEN))
    for i in range(rows):
        for j in range(cols):
            limit[i, j] = needed[score[i, j]]
            if score[i, j] != SCORE_UNOBSERVED:
                votes[i + 1, j + 1] = CHANGED if score[i, j] >= SCORE_THRESHOLD else 0
    moved = votes.copy()
    for _ in range(sweeps):
        for i in range(rows):
            up, here, down = votes[i], votes[i + 1], votes[i + 2]
            into, least, seen = moved[i + 1], limit[i], score[i]
            for j in range(cols):
                total = up[j + 1] + down[j + 1] + here[j] + here[j + 2]
                vote = np.uint8(CHANGED) if total >= least[j] else np.uint8(0)
                into[j + 1] = vote if seen[j] != SCORE_UNOBSERVED else np.uint8(UNSEEN)
        votes, moved = moved, votes
    out = np.zeros((rows, cols), np.uint8)
    for i in range(rows):
        for j in range(cols):
            out[i, j] = votes[i + 1, j + 1] == CHANGED
    return out
