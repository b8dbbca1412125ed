"""Learning from returns (由核查结果改进): what signed judgements say about our probabilities.

Patches that the bureau has judged are a sample with known answers: real, or 伪变化. Two things are
read from it: how the stored probability has to be stretched to come true (Platt 1999, Advances in
Large Margin Classifiers), and below which probability next to nothing was real. Omissions can not
be learned here, for nobody judges what was never sent out; that is what the omission audit is for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.patches.intervals import wilson
from pipeline.schema.model import Frozen

CLIP = 1e-4
"""Probabilities are kept this far from 0 and 1: a logit of infinity teaches nothing."""
ROUNDS = 50


class ReturnsParams(Frozen):
    """What was learned from returns and signed (由核查结果改进的参数)."""

    slope: float = Field(1.0, gt=0, le=10, description="概率校正：对数优势的斜率")
    intercept: float = Field(0.0, ge=-10, le=10, description="概率校正：对数优势的截距")
    min_probability: float = Field(
        0.0, ge=0, lt=1, description="校正后概率低于此值的疑似建设图斑剔除（可恢复）；0 为不剔除"
    )


class ProposalParams(Frozen):
    """When a proposal may be made (提出改进建议的条件)."""

    min_real: int = Field(50, ge=10, description="已签署为真实变化的图斑的最少个数")
    min_false: int = Field(30, ge=10, description="已签署为伪变化的图斑的最少个数")
    max_lost_ratio: float = Field(
        0.01, ge=0, le=0.1, description="建议的概率下限最多允许剔除的真实变化比例"
    )
    min_gain_ratio: float = Field(
        0.05, ge=0, le=1, description="能剔除的伪变化达到此比例才建议提高概率下限"
    )


@dataclass(frozen=True)
class Proposal:
    """A change of `ReturnsParams` with its effect on the patches it was learned from."""

    current: ReturnsParams
    proposed: ReturnsParams
    n_real: int
    n_false: int
    false_removed: int
    real_lost: int
    real_lost_upper_ratio: float
    """Upper end of the 95 % Wilson interval of the share lost."""
    error_before: float
    """Mean squared error of the probability (Brier score) now, and with the proposal."""
    error_after: float

    @property
    def is_change(self) -> bool:
        """Whether anything would change."""
        return self.proposed != self.current


def recalibrated(probability: NDArray[np.float64], params: ReturnsParams) -> NDArray[np.float64]:
    """Probabilities `(patch,)` after the learned stretch; NaN stays; rounded as they are stored."""
    if params.slope == 1.0 and params.intercept == 0.0:
        return probability
    return np.round(_expit(params.slope * _logit(probability) + params.intercept), 6)


def original(probability: NDArray[np.float64], params: ReturnsParams) -> NDArray[np.float64]:
    """The inverse of `recalibrated`, to rounding."""
    return _expit((_logit(probability) - params.intercept) / params.slope)


def propose(
    probability: NDArray[np.float64],
    is_real: NDArray[np.bool_],
    current: ReturnsParams,
    params: ProposalParams,
) -> Proposal | None:
    """A proposal from judged patches `(patch,)` with the probabilities a run stored for them.

    None below the minimum sample. `current` are the settings that run was made with.
    """
    n_real, n_false = int(is_real.sum()), int((~is_real).sum())
    if n_real < params.min_real or n_false < params.min_false:
        return None
    raw = original(probability, current)
    slope, intercept = _platt(_logit(raw), is_real)
    stretched = _stretched(current, slope, intercept)
    is_better = slope > 0 and _error(recalibrated(raw, stretched), is_real) < _error(
        probability, is_real
    )
    base = stretched if is_better else current
    found = recalibrated(raw, base)
    limit = max(_limit(found, is_real, params), base.min_probability)
    removed = int((found[~is_real] < limit).sum())
    if removed < params.min_gain_ratio * n_false:
        limit = base.min_probability
        removed = int((found[~is_real] < limit).sum())
    proposed = base.model_copy(update={"min_probability": limit})
    lost = int((found[is_real] < limit).sum())
    lost_share = wilson(lost, n_real)
    assert lost_share is not None  # there is a minimum sample
    return Proposal(
        current,
        proposed,
        n_real,
        n_false,
        removed,
        lost,
        lost_share[1],
        _error(probability, is_real),
        _error(found, is_real),
    )


def _stretched(current: ReturnsParams, slope: float, intercept: float) -> ReturnsParams:
    """Another stretch with the limit in force at the same place: what was signed stays away.

    Nothing below a limit was sent out, so no judgement can speak for taking it back.
    """
    stretched = ReturnsParams(slope=slope, intercept=intercept)
    if current.min_probability == 0.0:
        return stretched
    raw = original(np.array([current.min_probability]), current)
    limit = float(recalibrated(raw, stretched)[0])
    return stretched.model_copy(update={"min_probability": min(limit, 1.0 - CLIP)})


def _limit(found: NDArray[np.float64], is_real: NDArray[np.bool_], params: ProposalParams) -> float:
    """Highest limit, in hundredths, that loses no more real patches than allowed."""
    allowed = int(params.max_lost_ratio * is_real.sum())
    lowest_kept = np.sort(found[is_real])[allowed]
    return float(np.floor(lowest_kept * 100) / 100)


def _platt(logit: NDArray[np.float64], is_real: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression, rounded, with Platt's smoothed targets."""
    n_real, n_false = is_real.sum(), (~is_real).sum()
    target = np.where(is_real, (n_real + 1) / (n_real + 2), 1 / (n_false + 2))
    design = np.column_stack([logit, np.ones_like(logit)])
    weights = np.array([1.0, 0.0])
    for _ in range(ROUNDS):
        found = _expit(design @ weights)
        curve = design.T @ (design * (found * (1 - found))[:, None]) + 1e-6 * np.eye(2)
        step = np.linalg.solve(curve, design.T @ (target - found))
        weights = weights + np.clip(step, -1.0, 1.0)
    slope, intercept = np.clip(np.round(weights, 3), (-10, -10), (10, 10))
    return float(max(slope, 1e-3)), float(intercept)


def _error(probability: NDArray[np.float64], is_real: NDArray[np.bool_]) -> float:
    return float(np.mean((probability - is_real) ** 2))


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    bounded = np.clip(probability, CLIP, 1 - CLIP)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _expit(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))
