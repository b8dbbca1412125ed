"""Which construction-like objects are candidates for construction: those that weigh enough.

An object's weight is the sum of its pixels' probability of being built, in m². One that weighs too
little, in all or for its size, or that the scorecard turns down (`change.verdict`), is given back
to the change it lies in, or dropped as too weak if there is hardly any. Its pixels were taken from
a lower probability on, so that a sure object keeps its fainter parts (hysteresis).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.schema.model import Frozen

IN_CHANGE_SHARE = 0.5
"""From this share of an object inside the change mask on, it is part of that change."""


class ConstructionWeightParams(Frozen):
    """Settings of construction-like objects (疑似建设图斑)."""

    min_pixel_probability: float = Field(
        0.2, gt=0, lt=1, description="像元计入疑似建设对象的建设概率下限"
    )
    min_weight_m2: float = Field(
        100.0,
        gt=0,
        description="疑似建设对象内各像元建设概率与面积乘积之和的下限，平方米；不足的不成建设图斑",
    )
    min_mean_probability: float = Field(
        0.25, gt=0, lt=1, description="疑似建设对象内各像元建设概率平均值的下限"
    )
    min_verdict: float = Field(
        0.75,
        ge=0,
        lt=1,
        description="复核疑似建设对象的概率下限：按对象与四周的对比、边界、颜色评分，"
        "再按本期影像对全部疑似建设对象估出的建设比例换算；低于此值的归入其他变化；"
        "0 为不复核（此时 min_mean_probability 宜取 0.5）",
    )
    outline_share: float = Field(
        0.75,
        ge=0,
        le=1,
        description="图斑边界处的建设概率下限，与该图斑平均建设概率之比：越大边界越紧",
    )


def is_construction(
    weight_m2: NDArray[np.float64], area_m2: NDArray[np.float64], params: ConstructionWeightParams
) -> NDArray[np.bool_]:
    """Whether objects `(object,)` weigh enough, in all and for their size."""
    mean = weight_m2 / area_m2
    return (weight_m2 >= params.min_weight_m2) & (mean >= params.min_mean_probability)


def outline_levels(
    weight_m2: NDArray[np.float64], area_m2: NDArray[np.float64], params: ConstructionWeightParams
) -> NDArray[np.float64]:
    """Probability at which each object `(object,)` ends.

    A sure object ends where its probability has fallen from near 1 to about two thirds, a faint one
    keeps all its pixels: at one level for all, sure objects carry a rim of mixed pixels (on
    generated counties a quarter too large at 1,000 m², half at 400).
    """
    return np.clip(weight_m2 / area_m2 * params.outline_share, 0, 1)
