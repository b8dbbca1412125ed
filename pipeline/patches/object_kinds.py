"""The kind of a whole object (变化图斑) from the kinds of its pixels and its shape.

A pixel's kind is a vote: where a network names a particular kind (building, road, excavation …) on
enough of an object, the object is of that kind, unless its shape forbids it. Where the votes do not
agree a construction-like object stays `construction` (未细分): no kind is better than a wrong one,
because some rules ask for it (facility land, farm roads).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.patches.kinds import BUILT_KINDS, CONSTRUCTION, CROP
from pipeline.schema.model import Frozen

UNKNOWN, HARDENED, ROAD, EARTHWORK, WATER = 0, 12, 13, 20, 30
"""Pixel values of `configs/codes/change_kind.csv`."""
GROUND_KINDS = (20, 21, 22, 23, 24)
"""Earthwork, excavation, graves and kilns, waste, demolition: no construction, and no crop."""

Mask = NDArray[np.bool_]
Shares = Mapping[int, NDArray[np.float64]]


class ObjectKindParams(Frozen):
    """When an object gets a particular kind (图斑类型)."""

    min_share: float = Field(
        default=0.5, gt=0, le=1, description="图斑中同一细类像元的比例不低于此值才细分，否则未细分"
    )
    min_ground_share: float = Field(
        default=0.4,
        gt=0,
        le=1,
        description="判为推填土、挖掘、坟窑、废弃物、拆除的像元合计不低于此比例的，不按作物等剔除",
    )
    max_road_width_m: float = Field(
        default=30.0, gt=0, description="道路的平均宽度上限，米；更宽的为硬化（示例口径）"
    )
    min_road_ratio: float = Field(
        default=4.0, ge=1, description="道路的长宽比下限；更短的为硬化（示例口径）"
    )


def kind_shares(counts: NDArray[np.int64], values: tuple[int, ...]) -> Shares:
    """Share of each kind's pixels among all counted, from counts `(object, value)`."""
    total = np.maximum(counts.sum(axis=1), 1).astype(np.float64)
    return {value: counts[:, k] / total for k, value in enumerate(values)}


def ground_share(shares: Shares) -> NDArray[np.float64]:
    """Share of pixels that speak for digging, piling, graves, waste or demolition, `(object,)`."""
    return sum((shares[v] for v in GROUND_KINDS if v in shares), np.zeros(_size(shares)))


def object_kinds(
    shares: Shares,
    is_likely: Mask,
    is_opened: Mask,
    shape: Mapping[str, NDArray[np.float64]],
    params: ObjectKindParams,
) -> NDArray[np.int64]:
    """Pixel value of the kind of every object, `(object,)`.

    `shares` by kind; `is_opened` marks woods that gave way to bare ground, which two dates alone
    can not tell from digging or levelling: earthwork; `shape` has `width_m` and `length_ratio`.
    """
    nothing = np.zeros(_size(shares))
    built, built_share = _most(shares, BUILT_KINDS, CONSTRUCTION)
    built = np.where(built_share >= params.min_share, built, CONSTRUCTION)
    built = np.where((built == ROAD) & ~_is_road(shape, params), HARDENED, built)
    ground, _ = _most(shares, GROUND_KINDS, EARTHWORK)
    is_ground = ground_share(shares) >= params.min_ground_share
    water, unknown = shares.get(WATER, nothing), shares.get(UNKNOWN, nothing)
    other = np.where(water >= 0.5, WATER, np.where(unknown > 0.5, UNKNOWN, CROP))
    other = np.where(is_ground, ground, np.where(is_opened, EARTHWORK, other))
    return np.where(is_likely, built, other).astype(np.int64)


def _most(
    shares: Shares, among: tuple[int, ...], default: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The kind of `among` with the largest share, and that share; of equal ones the first."""
    best, most = np.full(_size(shares), default), np.zeros(_size(shares))
    for value in among:
        if value in shares:
            best = np.where(shares[value] > most, value, best)
            most = np.maximum(shares[value], most)
    return best, most


def _is_road(shape: Mapping[str, NDArray[np.float64]], params: ObjectKindParams) -> Mask:
    is_narrow = shape["width_m"] <= params.max_road_width_m
    return np.asarray(is_narrow & (shape["length_ratio"] >= params.min_road_ratio), np.bool_)


def _size(shares: Shares) -> int:
    return next(iter(shares.values())).size
