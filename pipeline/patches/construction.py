"""Is a construction-like object construction? An additive score, point by point.

Every figure of an object (`change.objects`, `patches.shapes`) is worth points, read off a line
between given places; the points add up to the log odds that the object is construction and not a
field, a bank or a shadow. So the answer can be walked back to its addends, and no figure decides
alone. The points are a logistic regression with hinges (Hastie et al. 2009, chapter 5), fitted on
generated counties other than those the product is tested on; images of real places took no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.patches.scorecard import BASE_POINTS, SCORECARD
from pipeline.schema.model import Frozen

CONSTRUCTION, FIELD, WEAK = 0, 1, 2
"""What becomes of a construction-like object: it is construction; it is another change; it changed
too little to be anything."""


class ConstructionParams(Frozen):
    """Settings of telling construction by object (建设图斑判别)."""

    min_points: float = Field(
        -1.6, description="判别得分（对数优势）不低于此值为疑似建设；越低越不易漏，误报越多"
    )
    min_changed_share: float = Field(
        0.5, ge=0, le=1, description="不是建设的对象，超过变化阈值的像元不少于此比例才算其他变化"
    )


@dataclass(frozen=True)
class Judged:
    """What was found of every construction-like object, `(object,)` each."""

    points: NDArray[np.float64]
    verdict: NDArray[np.int64]


def judge_objects(figures: Mapping[str, NDArray[np.float64]], params: ConstructionParams) -> Judged:
    """Points and verdict of every object from its figures `(object,)`."""
    points = np.full(len(next(iter(figures.values()))), BASE_POINTS)
    for piece in SCORECARD:
        points += np.interp(figures[piece.figure], piece.at, piece.points)
    points = np.round(points, 6)
    is_changed = figures["over_threshold"] >= params.min_changed_share
    other = np.where(is_changed, FIELD, WEAK)
    return Judged(points, np.where(points >= params.min_points, CONSTRUCTION, other))
