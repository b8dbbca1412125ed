"""Agreement by patch in classes of size and kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.patches.intervals import Interval, wilson
from pipeline.schema.model import Frozen


class EvaluateParams(Frozen):
    """Settings of the accuracy report (精度评价); they change no patch."""

    size_bounds_m2: tuple[float, ...] = Field(
        (400.0, 1000.0, 3000.0),
        min_length=1,
        description="面积分级的界限，平方米，由小到大；400、1000、3000 即 0.6、1.5、4.5 亩",
    )
    bootstrap_replicates: int = Field(
        1000, ge=100, le=20_000, description="像元指标区间的重抽样次数（512 像元块）"
    )
    bootstrap_seed: int = Field(1, ge=0, description="重抽样的种子")
    min_blocks: int = Field(
        8, ge=2, description="参与评价的 512 像元块少于此数时不给像元指标的区间"
    )
    reliability_bins: int = Field(10, ge=2, le=50, description="可靠性曲线的分级数")
    worst_count: int = Field(12, ge=0, le=200, description="报告中列出的最大漏检和误报各几个")


@dataclass(frozen=True)
class Row:
    """Counts of one class of size or kind."""

    key: str
    n_truth: int
    n_found: int
    n_predicted: int
    n_correct: int

    @property
    def recall(self) -> float | None:
        """Share found; None of nothing."""
        return self.n_found / self.n_truth if self.n_truth else None

    @property
    def precision(self) -> float | None:
        """Share correct; None of nothing."""
        return self.n_correct / self.n_predicted if self.n_predicted else None

    @property
    def recall_interval(self) -> Interval | None:
        """95 % interval of the recall."""
        return wilson(self.n_found, self.n_truth)

    @property
    def precision_interval(self) -> Interval | None:
        """95 % interval of the precision."""
        return wilson(self.n_correct, self.n_predicted)


@dataclass(frozen=True)
class Outcomes:
    """Truth that was asked for, or patches that were judged, one entry each."""

    area_m2: NDArray[np.float64]
    kind: NDArray[np.object_]
    """Code of the change kind; None where the truth does not tell."""
    is_good: NDArray[np.bool_]
    """Found, or correct."""

    @classmethod
    def none(cls) -> Outcomes:
        """Of nothing."""
        return cls(np.zeros(0), np.zeros(0, object), np.zeros(0, np.bool_))

    def __add__(self, other: Outcomes) -> Outcomes:
        return Outcomes(
            np.concatenate([self.area_m2, other.area_m2]),
            np.concatenate([self.kind, other.kind]),
            np.concatenate([self.is_good, other.is_good]),
        )

    def counts(self, chosen: NDArray[np.bool_]) -> tuple[int, int]:
        """Number of chosen entries, and of the good ones among them."""
        return int(chosen.sum()), int((chosen & self.is_good).sum())


def size_names(bounds_m2: Sequence[float]) -> list[str]:
    """Keys of the size classes, ascending: `<400`, `400-1000`, `>=1000`."""
    middle = [f"{low:g}-{high:g}" for low, high in pairwise(bounds_m2)]
    return [f"<{bounds_m2[0]:g}", *middle, f">={bounds_m2[-1]:g}"]


def by_size(truth: Outcomes, predicted: Outcomes, bounds_m2: Sequence[float]) -> list[Row]:
    """One row per size class; a bound belongs to the class above it."""
    edges = np.asarray(bounds_m2, np.float64)
    classes = [np.searchsorted(edges, one.area_m2, side="right") for one in (truth, predicted)]
    return [
        _row(name, truth, predicted, classes[0] == number, classes[1] == number)
        for number, name in enumerate(size_names(bounds_m2))
    ]


def by_kind(truth: Outcomes, predicted: Outcomes) -> list[Row]:
    """One row per kind that occurs, by code; entries without a kind are in none."""
    known = {str(k) for one in (truth, predicted) for k in one.kind if k is not None}
    return [
        _row(name, truth, predicted, truth.kind == name, predicted.kind == name)
        for name in sorted(known)
    ]


def _row(
    key: str,
    truth: Outcomes,
    predicted: Outcomes,
    of_truth: NDArray[np.bool_],
    of_predicted: NDArray[np.bool_],
) -> Row:
    return Row(key, *truth.counts(of_truth), *predicted.counts(of_predicted))
