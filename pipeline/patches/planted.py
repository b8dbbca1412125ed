"""How well reported construction agrees with construction that is known to have been planted.

Geometry only: outlines in one CRS, areas in its plane. A planted change is *found* if at least
`FOUND_SHARE` of it is covered by construction-like patches; a construction-like patch is *correct*
if at least `FOUND_SHARE` of it lies on planted construction of any size, observable or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.patches.measures import DropReason

FOUND_SHARE = 0.5
MIN_AREA_M2 = 400.0
"""Smaller plants are not asked for and smaller patches are not judged."""
LOW_CONTRAST_SIGMA = 2.0
NOT_CONSTRUCTION = "not_construction"
DROPPED_FOR_SIZE = frozenset(
    {
        DropReason.SPECKLE.value,
        DropReason.BELOW_MIN_AREA.value,
        DropReason.COVERED_BY_ISSUED.value,
        "below_kind_min",
    }
)
"""Reasons that say nothing about what a dropped object is."""

GeometryArray = NDArray[np.object_]


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    part: int
    whole: int

    @property
    def ratio(self) -> float | None:
        """`part / whole`, None of nothing."""
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True)
class PlantedScores:
    """Agreement of construction-like patches with planted construction."""

    recall: Share
    """Found among observable plants of at least `MIN_AREA_M2`."""
    low_contrast_recall: Share
    """The same among those under `LOW_CONTRAST_SIGMA`."""
    precision: Share
    """Correct among construction-like patches of at least `MIN_AREA_M2`."""
    missed: tuple[str, ...]
    """Truth ids of plants that were asked for and not found."""

    @property
    def f1(self) -> float | None:
        """Harmonic mean of recall and precision; None if one is undefined, 0 if both are 0."""
        recall, precision = self.recall.ratio, self.precision.ratio
        if recall is None or precision is None:
            return None
        return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


@dataclass(frozen=True)
class CaseResult:
    """One planted change with an expected outcome, and the class it was given."""

    truth_id: str
    case_id: str
    expected_class: str
    found_class: str | None
    """Class of the patch that overlaps it most; None if no patch touches it."""
    is_issued: bool
    """Whether it was issued from above: its outcome then does not hang on the detection."""
    dropped_reason: str | None = None
    """Why the object there was dropped, if no patch covers more of the plant than it does."""

    @property
    def is_hit(self) -> bool:
        """True if the class is the expected one, or if what is not construction was recognised as
        such by a filter and dropped with its reason."""
        if self.dropped_reason is not None:
            return self.expected_class == NOT_CONSTRUCTION and is_judgement(self.dropped_reason)
        return self.found_class == self.expected_class


def planted_scores(truth: gpd.GeoDataFrame, likely: gpd.GeoDataFrame) -> PlantedScores:
    """Agreement of construction-like patches with the truth table of `io.truth.read_truth`."""
    built = truth[truth["is_construction"]]
    asked = built[built["is_observable"] & (built["area_m2"] >= MIN_AREA_M2)]
    is_found = covered_share(asked.geometry.to_numpy(), likely.geometry.to_numpy()) >= FOUND_SHARE
    is_low = asked["contrast_sigma"].to_numpy(np.float64) < LOW_CONTRAST_SIGMA
    judged = likely[likely["area_m2"] >= MIN_AREA_M2]
    is_correct = covered_share(judged.geometry.to_numpy(), built.geometry.to_numpy()) >= FOUND_SHARE
    return PlantedScores(
        recall=Share(int(is_found.sum()), len(asked)),
        low_contrast_recall=Share(int((is_found & is_low).sum()), int(is_low.sum())),
        precision=Share(int(is_correct.sum()), len(judged)),
        missed=tuple(asked["truth_id"].astype(str)[~is_found]),
    )


def covered_share(geometries: GeometryArray, covers: GeometryArray) -> NDArray[np.float64]:
    """Share of each geometry's plane area covered by the union of `covers`, `(geometry,)`."""
    tree = shapely.STRtree(covers)
    shares = np.zeros(len(geometries))
    for k, geometry in enumerate(geometries):
        near = covers[np.sort(tree.query(geometry, predicate="intersects"))]
        if near.size and geometry.area > 0:
            shares[k] = shapely.union_all(near).intersection(geometry).area / geometry.area
    return shares


def is_judgement(reason: str) -> bool:
    """Whether a drop reason says that an object is no construction, not only that it is small."""
    return reason not in DROPPED_FOR_SIZE


def case_results(
    truth: gpd.GeoDataFrame, screened: gpd.GeoDataFrame, dropped: gpd.GeoDataFrame
) -> Sequence[CaseResult]:
    """For every plant with an expected class: the class of the patch overlapping it most.

    Where a dropped object of the same run covers more of the plant, its reason instead. Ties go
    to the patch, and to the one named first in the table.
    """
    patches, objects = _Overlaps(screened), _Overlaps(dropped)
    results = []
    for row in truth[truth["expected_class"].notna()].itertuples():
        at_patch, patch_area = patches.most(row.geometry)
        at_object, object_area = objects.most(row.geometry)
        is_dropped = object_area > patch_area
        found = None
        if patch_area > 0 and not is_dropped:
            found = screened["suspected_class"].iloc[at_patch]
        results.append(
            CaseResult(
                str(row.truth_id),
                str(row.case_id),
                str(row.expected_class),
                found,
                bool(row.is_issued),
                str(dropped["reason"].iloc[at_object]) if is_dropped else None,
            )
        )
    return results


class _Overlaps:
    """Which outline of a table covers most of a geometry."""

    def __init__(self, table: gpd.GeoDataFrame) -> None:
        self._outlines = np.asarray(table.geometry.to_numpy(), dtype=object)
        self._tree = shapely.STRtree(self._outlines)

    def most(self, geometry: BaseGeometry) -> tuple[int, float]:
        """Position in the table and plane area shared; (-1, 0) if nothing touches it."""
        near = np.sort(self._tree.query(geometry, predicate="intersects"))
        if not near.size:
            return -1, 0.0
        shared = shapely.area(shapely.intersection(self._outlines[near], geometry))
        best = int(shared.argmax())
        return int(near[best]), float(shared[best])
