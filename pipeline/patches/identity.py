"""Identity of patches across periods (图斑沿革): which new outlines are land that was told before.

Two periods never draw the same outline: images are registered anew, edges move by pixels, and often
only a part of a site changes again. So outlines are compared with a band around them as wide as
that error. Everything is planar, in the metres of the run's CRS.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import Field

from pipeline.schema.model import Frozen

GeometryArray = NDArray[np.object_]

CONTINUED, GREW, SHRANK, SPLIT, MERGED, RETURNED, VANISHED, ADJOINS = (
    "continued",
    "grew",
    "shrank",
    "split",
    "merged",
    "returned",
    "vanished",
    "adjoins",
)
"""Codes of configs/codes/lineage_relation.csv; `ADJOINS` is a neighbour and no identity."""

_HALF = 0.5
_ALL_BUT_CORNERS = 0.9
"""Share of both outlines of one strip that its two drawings have within the band."""
_ROUND_CORNERS = 4
"""Segments of a quarter circle of a buffer: 2 % short between two corners."""


class IdentityParams(Frozen):
    """When an outline is land that was told before, and when it has grown (示例口径)."""

    tolerance_px: float = Field(
        3.0, ge=0, le=10, description="沿革：两期轮廓位置误差的容许值，像元（配准、边界各期不同）"
    )
    min_tolerance_m: float = Field(
        2.0, ge=0, description="沿革：容许误差不小于此值，米（亚米级影像各期之间的配准误差）"
    )
    min_near_share: float = Field(
        0.6, gt=0.5, le=1, description="沿革：一个图斑落在另一个（含容许误差）内的面积比例下限"
    )
    min_overlap_share: float = Field(
        0.15, ge=0, le=1, description="沿革：上述情形下直接重叠占较小图斑的比例下限"
    )
    min_core_share: float = Field(
        0.25, gt=0, le=1, description="沿革：重叠宽于容许误差时，直接重叠占较小图斑的比例下限"
    )
    min_growth_m2: float = Field(
        200.0, gt=0, description="沿革：超出以往范围（含容许误差）达到此面积算扩大，平方米"
    )
    max_shrunk_ratio: float = Field(
        0.7, gt=0, lt=1, description="沿革：面积不超过上一期的此比例算缩小"
    )
    min_contact_share: float = Field(
        0.25, gt=0, le=1, description="沿革：与以往图斑相接的边界比例达到此值算毗连"
    )
    min_observed_ratio: float = Field(
        0.5, gt=0, le=1, description="沿革：以往图斑本期可观测比例不到此值时，不说“未再发现变化”"
    )


@dataclass(frozen=True, eq=False)
class EarlierPatches:
    """The patches of earlier runs, `(patch,)` each, in any order."""

    outlines: GeometryArray
    sites: NDArray[np.int64]
    """Number of the piece of land: patches of one lineage have the same."""
    run_no: NDArray[np.int64]
    """Position of the patch's run among the earlier ones."""
    is_head: NDArray[np.bool_]
    """Whether no later patch took its place."""
    is_missing: NDArray[np.bool_]
    """Whether a later run told that it had vanished."""
    issued_ids: tuple[str | None, ...]


class Link(NamedTuple):
    """A patch of the run and one of an earlier run that is the same land, or adjoins it."""

    now: int
    earlier: int
    relation: str
    overlap_m2: float


@dataclass(frozen=True, eq=False)
class Identity:
    """What became of what."""

    links: tuple[Link, ...]
    """By patch, then by earlier patch."""
    adjoining: tuple[Link, ...]
    """Patches without a link to a site that they touch."""
    grown_m2: NDArray[np.float64]
    """Area beyond all that was told of the linked sites, `(patch,)`; NaN without a link."""
    unmet: NDArray[np.int64]
    """Heads that no patch of the run is linked with; told as missing before or not."""


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Outlines of both sides that lie within reach of each other, `(pair,)` each."""

    now: NDArray[np.int64]
    earlier: NDArray[np.int64]
    overlap_m2: NDArray[np.float64]
    overlap_share: NDArray[np.float64]
    """Of the smaller one."""
    near_share: NDArray[np.float64]
    """Of either one inside the other with its band, the larger of the two."""
    mutual_share: NDArray[np.float64]
    """The same, the smaller of the two."""
    is_ours_smaller: NDArray[np.bool_]
    has_core: NDArray[np.bool_]
    """Whether the overlap is wider than the band."""

    def where(self, chosen: NDArray[np.bool_]) -> _Pairs:
        return _Pairs(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def identify(
    outlines: GeometryArray,
    issued_ids: tuple[str | None, ...],
    earlier: EarlierPatches,
    tolerance_m: float,
    params: IdentityParams,
) -> Identity:
    """Link the valid outlines of a run, `(patch,)`, with those of earlier runs.

    Of one site the heads are linked; where none of them fits, the latest earlier patch that does.
    """
    pairs = _measure_pairs(outlines, earlier, tolerance_m)
    ties = _chosen(pairs.where(_is_tie(pairs, issued_ids, earlier, params)), earlier)
    grown_m2 = _growth(outlines, ties, earlier, tolerance_m)
    links = _related(outlines, ties, earlier, grown_m2, params)
    met_sites = earlier.sites[ties.earlier[~earlier.is_head[ties.earlier]]]
    is_met = np.isin(np.arange(earlier.sites.size), ties.earlier)
    is_met |= np.isin(earlier.sites, met_sites)
    return Identity(
        links,
        _adjoining(outlines, (pairs, ties), earlier, tolerance_m, params),
        grown_m2,
        np.flatnonzero(earlier.is_head & ~is_met),
    )


def _measure_pairs(outlines: GeometryArray, earlier: EarlierPatches, tolerance_m: float) -> _Pairs:
    reach = shapely.buffer(outlines, tolerance_m, quad_segs=_ROUND_CORNERS)
    now, then = shapely.STRtree(earlier.outlines).query(reach, predicate="intersects")
    order = np.lexsort((then, now))
    now, then = now[order], then[order]
    ours, theirs = outlines[now], earlier.outlines[then]
    common = shapely.intersection(ours, theirs)
    overlap = shapely.area(common)
    band = shapely.buffer(theirs, tolerance_m, quad_segs=_ROUND_CORNERS)
    ours_near = shapely.area(shapely.intersection(ours, band)) / shapely.area(ours)
    theirs_near = shapely.area(shapely.intersection(theirs, reach[now])) / shapely.area(theirs)
    return _Pairs(
        now,
        then,
        overlap,
        overlap / np.minimum(shapely.area(ours), shapely.area(theirs)),
        np.maximum(ours_near, theirs_near),
        np.minimum(ours_near, theirs_near),
        shapely.area(ours) < shapely.area(theirs),
        ~shapely.is_empty(shapely.buffer(common, -_HALF * tolerance_m)) & (overlap > 0.0),
    )


def _is_tie(
    pairs: _Pairs,
    issued_ids: tuple[str | None, ...],
    earlier: EarlierPatches,
    params: IdentityParams,
) -> NDArray[np.bool_]:
    """Whether a pair is the same land.

    An overlap no wider than the band may be a neighbour's, moved by registration: it counts only
    where there is no better partner for the smaller of the two, or, if it is less than half of
    that, for either. So do narrow strips that lie beside each other inside the band.
    """
    same_id = np.array(
        [
            issued_ids[i] is not None and issued_ids[i] == earlier.issued_ids[j]
            for i, j in zip(pairs.now.tolist(), pairs.earlier.tolist(), strict=True)
        ],
        dtype=np.bool_,
    )
    is_strong = (pairs.overlap_share >= params.min_core_share) & pairs.has_core
    is_strong |= same_id & (pairs.overlap_m2 > 0.0)
    is_weak = (pairs.near_share >= params.min_near_share) & (
        pairs.overlap_share >= params.min_overlap_share
    )
    is_weak |= pairs.mutual_share >= _ALL_BUT_CORNERS
    ours_taken = np.isin(pairs.now, pairs.now[is_strong])
    theirs_taken = np.isin(pairs.earlier, pairs.earlier[is_strong])
    smaller_taken = np.where(pairs.is_ours_smaller, ours_taken, theirs_taken)
    is_taken = np.where(pairs.overlap_share >= _HALF, smaller_taken, ours_taken | theirs_taken)
    return np.asarray(is_strong | (is_weak & ~is_taken), dtype=np.bool_)


def _chosen(ties: _Pairs, earlier: EarlierPatches) -> _Pairs:
    """Per patch and site the heads; without one the latest patch, of several the widest overlap."""
    by_site: dict[tuple[int, int], list[int]] = defaultdict(list)
    sites = earlier.sites[ties.earlier]
    for at, key in enumerate(zip(ties.now.tolist(), sites.tolist(), strict=True)):
        by_site[key].append(at)
    keep = np.zeros(ties.now.size, np.bool_)
    for found in by_site.values():
        heads = [at for at in found if earlier.is_head[ties.earlier[at]]]
        keep[heads or [max(found, key=lambda at: _lateness(ties, earlier, at))]] = True
    return ties.where(keep)


def _lateness(ties: _Pairs, earlier: EarlierPatches, at: int) -> tuple[int, float, int]:
    then = int(ties.earlier[at])
    return int(earlier.run_no[then]), float(ties.overlap_m2[at]), -then


def _growth(
    outlines: GeometryArray, ties: _Pairs, earlier: EarlierPatches, tolerance_m: float
) -> NDArray[np.float64]:
    """Area of every linked patch beyond all patches of its sites and their band."""
    members: dict[int, list[int]] = defaultdict(list)
    for at, site in enumerate(earlier.sites.tolist()):
        members[site].append(at)
    sites_of: dict[int, set[int]] = defaultdict(set)
    for now, then in zip(ties.now.tolist(), ties.earlier.tolist(), strict=True):
        sites_of[now].add(int(earlier.sites[then]))
    grown = np.full(outlines.size, np.nan)
    for now, sites in sites_of.items():
        known = [at for site in sorted(sites) for at in members[site]]
        told = shapely.union_all(earlier.outlines[known])
        band = shapely.buffer(told, tolerance_m, quad_segs=_ROUND_CORNERS)
        grown[now] = shapely.area(shapely.difference(outlines[now], band))
    return grown


def _related(
    outlines: GeometryArray,
    ties: _Pairs,
    earlier: EarlierPatches,
    grown_m2: NDArray[np.float64],
    params: IdentityParams,
) -> tuple[Link, ...]:
    n_before = np.bincount(ties.now, minlength=outlines.size)
    n_after = np.bincount(ties.earlier, minlength=earlier.sites.size)
    ratio = shapely.area(outlines[ties.now]) / shapely.area(earlier.outlines[ties.earlier])
    conditions = [
        n_before[ties.now] > 1,
        n_after[ties.earlier] > 1,
        earlier.is_missing[ties.earlier],
        grown_m2[ties.now] >= params.min_growth_m2,
        ratio <= params.max_shrunk_ratio,
    ]
    relations = np.select(conditions, [MERGED, SPLIT, RETURNED, GREW, SHRANK], CONTINUED)
    return tuple(
        Link(*row)
        for row in zip(
            ties.now.tolist(),
            ties.earlier.tolist(),
            relations.tolist(),
            ties.overlap_m2.tolist(),
            strict=True,
        )
    )


def _adjoining(
    outlines: GeometryArray,
    compared: tuple[_Pairs, _Pairs],
    earlier: EarlierPatches,
    tolerance_m: float,
    params: IdentityParams,
) -> tuple[Link, ...]:
    """Heads that a patch touches along much of its edge without being the same land.

    What was built before stands in both images, so an extension shows up beside it. `compared` are
    all pairs and those that are the same land.
    """
    pairs, ties = compared
    n_sites = int(earlier.sites.max(initial=0)) + 1
    linked = np.unique(ties.now * n_sites + earlier.sites[ties.earlier])
    site_keys = pairs.now * n_sites + earlier.sites[pairs.earlier]
    open_pairs = pairs.where(earlier.is_head[pairs.earlier] & ~np.isin(site_keys, linked))
    edges = shapely.boundary(outlines[open_pairs.now])
    bands = shapely.buffer(
        earlier.outlines[open_pairs.earlier], tolerance_m, quad_segs=_ROUND_CORNERS
    )
    contact = shapely.length(shapely.intersection(edges, bands)) / shapely.length(edges)
    found = open_pairs.where(np.asarray(contact >= params.min_contact_share))
    return tuple(
        Link(now, then, ADJOINS, overlap)
        for now, then, overlap in zip(
            found.now.tolist(), found.earlier.tolist(), found.overlap_m2.tolist(), strict=True
        )
    )
