"""Is a construction-like object construction? Two judges, and both must agree.

Every figure of an object (`change.objects`, `patches.shapes`) is worth points; the points add up to
the log odds that the object is construction and not a field, a bank or a shadow. The first judge
adds the values of small decision trees (gradient boosting, Friedman 2001, Ann. Stat. 29(5)), which
see figures together. The second reads every figure off a line of its own (`patches.scorecard`, a
logistic regression with hinges, Hastie et al. 2009, chapter 5): it goes on falling for objects
unlike any that the trees were fitted on, and so keeps them from being taken for construction. Both
were fitted on generated counties other than those the product is tested on; images of real places
took no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from pipeline.patches.scorecard import BASE_POINTS, SCORECARD
from pipeline.schema.model import Frozen

FIELD, WEAK = 1, 2
"""What a construction-like object is that is not construction: another change; changed too little
to be anything."""


class ConstructionParams(Frozen):
    """Settings of telling construction by object (建设图斑判别)."""

    min_points: float = Field(
        -2.0, description="判别得分（对数优势）不低于此值为疑似建设；越低越不易漏，误报越多"
    )
    min_card_points: float = Field(
        -3.5, description="评分卡得分也须不低于此值才为疑似建设；防止陌生地物误判"
    )
    min_changed_share: float = Field(
        0.5, ge=0, le=1, description="不是建设的对象，超过变化阈值的像元不少于此比例才算其他变化"
    )


@dataclass(frozen=True, eq=False)
class Trees:
    """Binary trees one after another; node n of a tree asks whether figure `figure[n]` is at most
    `limit[n]` and goes on at `yes[n]`, else at `no[n]`; a leaf has figure -1 and a value."""

    names: tuple[str, ...]
    base: float
    roots: NDArray[np.int64]
    figure: NDArray[np.int64]
    limit: NDArray[np.float64]
    yes: NDArray[np.int64]
    no: NDArray[np.int64]


def build_trees(told: Mapping[str, Any]) -> Trees:
    """Trees from a document: a leaf is its value and a question is [figure, limit, yes, no]."""
    nodes: list[list[float]] = []

    def add(tree: float | list[object]) -> int:
        number = len(nodes)
        if not isinstance(tree, list):
            nodes.append([-1, float(tree), -1, -1])
            return number
        figure, limit, yes, no = tree
        nodes.append([figure, limit, 0, 0])  # type: ignore[list-item]
        nodes[number][2] = add(yes)  # type: ignore[arg-type]
        nodes[number][3] = add(no)  # type: ignore[arg-type]
        return number

    roots = [add(tree) for tree in told["trees"]]
    figure, limit, yes, no = np.array(nodes, np.float64).T
    return Trees(
        tuple(told["figures"]),
        float(told["base"]),
        np.array(roots, np.int64),
        figure.astype(np.int64),
        limit.copy(),
        yes.astype(np.int64),
        no.astype(np.int64),
    )


def points_of(figures: Mapping[str, NDArray[np.float64]], trees: Trees) -> NDArray[np.float64]:
    """Points of every object by both judges, `(judge, object)`, from its figures `(object,)`."""
    table = np.stack([figures[name] for name in trees.names], axis=1)
    nodes = (trees.roots, trees.figure, trees.limit, trees.yes, trees.no)
    points = np.full(len(table), trees.base)
    _add_points(table, nodes, points)
    card = np.full(len(table), BASE_POINTS)
    for piece in SCORECARD:
        card += np.interp(figures[piece.figure], piece.at, piece.points)
    return np.round(np.stack([points, card]), 6)


def verdict_otherwise(
    figures: Mapping[str, NDArray[np.float64]], params: ConstructionParams
) -> NDArray[np.int64]:
    """What every object is where it is not construction, `(object,)`."""
    return np.where(figures["over_threshold"] >= params.min_changed_share, FIELD, WEAK)


@njit(nogil=True, cache=True)
def _add_points(table, nodes, points):  # type: ignore[no-untyped-def]
    roots, figure, limit, yes, no = nodes
    for i in range(table.shape[0]):
        for root in roots:
            node = root
            while figure[node] >= 0:
                node = yes[node] if table[i, figure[node]] <= limit[node] else no[node]
            points[i] += limit[node]
