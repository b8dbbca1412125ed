"""Patrol grade of patches from the zones of a patrol document (巡查区域等级).

A zone is what covers a patch's faces in some layer, or what lies within a width of a layer's
outlines. A patch belongs to it if it reaches in by more than noise; the highest grade wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipeline.patches.columns import looked_up
from pipeline.patches.covering import (
    UNKNOWN_DAY,
    Days,
    GeometryArray,
    Hits,
    ReferenceLayer,
    as_days,
)
from pipeline.patches.periods import FacesInTime, Touched
from pipeline.patches.shares import summed

UNGRADED = "ungraded"
UNGRADED_ZH = "不在口径所列的各级区域内"

LAND_CATEGORY = "land_category"
LAND_CLASS = "land_class_code"

SINCE_COLUMNS = {"approvals": "approved_date", "supply": "supply_date"}
"""Layers whose features count from a day on; NULL: counts always."""

PIECE_VERTICES = 24
"""Outlines are worked on in pieces of so many vertices; results do not depend on it."""

MASK_PADDING_M = 1.0
"""Outlines are cut to what lies within the width of a patch and this, which changes nothing."""


@dataclass(frozen=True)
class GradeSource:
    """Features that make up (part of) a zone."""

    layer: str
    where: Mapping[str, frozenset[str]]
    """Column → accepted values; `land_category` is looked up by land class."""
    width: str | None
    """Key of the width beside the outlines; None: inside the features."""


@dataclass(frozen=True)
class GradeZone:
    """One kind of place with its grade."""

    grade: str
    basis_zh: str
    sources: tuple[GradeSource, ...]
    """Those whose layer was supplied."""


@dataclass(frozen=True, eq=False)
class OutlinePieces:
    """Outlines or lines of a layer, cut into short pieces."""

    lines: GeometryArray
    feature: NDArray[np.int64]
    """Row of the piece's feature in the layer."""
    tree: shapely.STRtree


@dataclass(frozen=True, eq=False)
class Grading:
    """How patches of one batch are graded."""

    zones: tuple[GradeZone, ...]
    """In order of grade, the highest first."""
    rest: tuple[str, str] | None
    """Grade and basis of every other place; None: ungraded."""
    near: Mapping[str, ReferenceLayer]
    """Layers around the patches that do not cut them, or that are looked beside."""
    pieces: Mapping[str, OutlinePieces]
    """Of the layers of `near` that zones lie beside."""
    widths: Mapping[str, NDArray[np.float64]]
    """Widths in metres by key, one per patch."""
    land_categories: Mapping[str, str]
    outlines: GeometryArray
    """Of the patches, in a projected CRS."""

    def of(self, rows: NDArray[np.int64]) -> Grading:
        """The same for some of the patches."""
        widths = {name: width[rows] for name, width in self.widths.items()}
        return Grading(
            self.zones,
            self.rest,
            self.near,
            self.pieces,
            widths,
            self.land_categories,
            self.outlines[rows],
        )

    @property
    def sources(self) -> Iterator[GradeSource]:
        """Every source of every zone."""
        return (source for zone in self.zones for source in zone.sources)


def cut_outlines(layer: ReferenceLayer) -> OutlinePieces:
    """Outlines of polygons, or lines as they are, in pieces of `PIECE_VERTICES`."""
    is_area = shapely.get_dimensions(layer.geometry) == 2
    drawn = np.where(is_area, shapely.boundary(layer.geometry), layer.geometry)
    parts, feature = shapely.get_parts(drawn, return_index=True)
    lines: list[shapely.LineString] = []
    owner: list[int] = []
    for part, row in zip(parts, feature.tolist(), strict=True):
        corners = shapely.get_coordinates(part)
        for first in range(0, len(corners) - 1, PIECE_VERTICES - 1):
            lines.append(shapely.LineString(corners[first : first + PIECE_VERTICES]))
            owner.append(row)
    table = np.empty(len(lines), dtype=object)
    table[:] = lines
    return OutlinePieces(table, np.array(owner, dtype=np.int64), shapely.STRtree(table))


@dataclass(frozen=True, eq=False)
class Coverage:
    """What covers the faces of patches, and which of it may change in time."""

    layers: Mapping[str, ReferenceLayer]
    """The layers that cut the patches."""
    hits: Mapping[str, Hits]


def touched_in_time(
    grading: Grading, cover: Coverage, face_patch: NDArray[np.int64]
) -> Iterator[Touched]:
    """Features with a validity that the grade of a patch may depend on."""
    for name in dict.fromkeys(source.layer for source in grading.sources):
        if name in cover.hits:
            layer, hits = cover.layers[name], cover.hits[name]
            patch, feature = face_patch[hits.face], hits.feature
        else:
            layer = grading.near[name]
            patch, feature = layer.tree.query(grading.outlines, predicate="intersects")
        yield Touched(patch, _since(name, layer)[feature], layer.valid_to[feature])
    for name, pieces in grading.pieces.items():
        layer = grading.near[name]
        if not layer.is_dated:
            continue
        reach = np.max(list(grading.widths.values()), axis=0)
        patch, piece = pieces.tree.query(grading.outlines, predicate="dwithin", distance=reach)
        feature = pieces.feature[piece]
        yield Touched(patch, layer.valid_from[feature], layer.valid_to[feature])


def derive_grades(
    grading: Grading,
    cover: Coverage,
    moments: FacesInTime,
    patch: NDArray[np.int64],
    least_m2: NDArray[np.float64],
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Grade and basis of each period `(period,)`; `patch` and `least_m2` are of the periods.

    A period belongs to a zone in which its patch has at least `least_m2` by one of the sources.
    """
    n = patch.size
    grades, bases = np.full(n, None, dtype=object), np.full(n, None, dtype=object)
    day = np.zeros(n, dtype=np.int64)
    day[moments.faces.patch] = moments.day
    measure = _Measure(grading, cover, moments, patch, day, least_m2)
    for grade in dict.fromkeys(zone.grade for zone in grading.zones):
        is_open = np.equal(grades, np.array(None))
        named: list[list[str]] = [[] for _ in range(n)]
        for zone in grading.zones:
            if zone.grade == grade:
                for row in np.flatnonzero(measure.is_in(zone, is_open)).tolist():
                    named[row].append(zone.basis_zh)
        for row in np.flatnonzero(is_open).tolist():
            if named[row]:
                grades[row], bases[row] = grade, "、".join(named[row])
    is_open = np.equal(grades, np.array(None))
    grades[is_open], bases[is_open] = grading.rest or (UNGRADED, UNGRADED_ZH)
    return grades, bases


@dataclass(frozen=True, eq=False)
class _Measure:
    """Which periods reach into a zone."""

    grading: Grading
    cover: Coverage
    moments: FacesInTime
    patch: NDArray[np.int64]
    day: Days
    least_m2: NDArray[np.float64]

    def is_in(self, zone: GradeZone, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each period `(period,)` lies in the zone; False where not `wanted`."""
        found = np.zeros(self.patch.size, dtype=bool)
        for source in zone.sources:
            rows = np.flatnonzero(wanted & ~found)
            if not rows.size:
                break
            if source.width is None and source.layer in self.cover.hits:
                area = self._covered(source)[rows]
            elif source.width is None:
                area = self._inside(source, rows)
            else:
                area = self._beside(source, rows)
            found[rows] = area >= self.least_m2[rows]
        return found

    def _covered(self, source: GradeSource) -> NDArray[np.float64]:
        layer = self.cover.layers[source.layer]
        hits = self.moments.hits(self.cover.hits[source.layer])
        is_meant = self._is_meant(source, layer, hits.feature, self.moments.day[hits.face])
        is_covered = np.zeros(self.moments.face.size, dtype=bool)
        is_covered[hits.face[is_meant]] = True
        faces = self.moments.faces
        return summed(faces.area_m2 * is_covered, faces.patch, faces.n_patches)

    def _inside(self, source: GradeSource, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        layer = self.grading.near[source.layer]
        outlines = self.grading.outlines[self.patch[rows]]
        row, feature = layer.tree.query(outlines, predicate="intersects")
        is_meant = self._is_meant(source, layer, feature, self.day[rows][row])
        return _common_area(outlines, row[is_meant], layer.geometry[feature[is_meant]])

    def _beside(self, source: GradeSource, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        layer, pieces = self.grading.near[source.layer], self.grading.pieces[source.layer]
        outlines = self.grading.outlines[self.patch[rows]]
        width = self.grading.widths[str(source.width)][self.patch[rows]]
        row, piece = pieces.tree.query(outlines, predicate="dwithin", distance=width)
        feature = pieces.feature[piece]
        is_meant = self._is_meant(source, layer, feature, self.day[rows][row])
        row, piece = row[is_meant], piece[is_meant]
        bands = shapely.buffer(_near(pieces.lines[piece], outlines[row], width[row]), width[row])
        return _common_area(outlines, row, bands)

    def _is_meant(
        self,
        source: GradeSource,
        layer: ReferenceLayer,
        feature: NDArray[np.int64],
        day: Days,
    ) -> NDArray[np.bool_]:
        """Whether each feature fulfils the conditions and is in force on the day `(pair,)`."""
        distinct, place = np.unique(feature, return_inverse=True)
        chosen = np.ones(distinct.size, dtype=bool)
        for column, accepted in source.where.items():
            name = LAND_CLASS if column == LAND_CATEGORY else column
            values = layer.values(name, distinct)
            if column == LAND_CATEGORY:
                values = looked_up(values, self.grading.land_categories)
            chosen &= pd.Series(values, dtype=object).isin(list(accepted)).to_numpy(dtype=bool)
        since = _since(source.layer, layer)[feature]
        is_valid = (since <= day) & (day <= layer.valid_to[feature])
        is_valid |= day == UNKNOWN_DAY
        is_meant: NDArray[np.bool_] = chosen[place.reshape(-1)] & is_valid
        return is_meant


def _since(name: str, layer: ReferenceLayer) -> Days:
    """First day on which each feature counts."""
    column = SINCE_COLUMNS.get(name)
    return layer.valid_from if column is None else as_days(layer.features[column])


def _near(
    lines: GeometryArray, outlines: GeometryArray, width: NDArray[np.float64]
) -> GeometryArray:
    """What of each line lies around the outline beside it, so that bands are drawn of little."""
    box = shapely.bounds(outlines)
    pad = width + MASK_PADDING_M
    frames = shapely.box(box[:, 0] - pad, box[:, 1] - pad, box[:, 2] + pad, box[:, 3] + pad)
    near: GeometryArray = shapely.intersection(lines, frames)
    return near


def _common_area(
    outlines: GeometryArray, row: NDArray[np.int64], shapes: GeometryArray
) -> NDArray[np.float64]:
    """Planar area that each outline has in common with its shapes together, m²."""
    area = np.zeros(outlines.size)
    order = np.argsort(row, kind="stable")
    first = np.searchsorted(row[order], np.arange(outlines.size + 1))
    for number in np.flatnonzero(first[1:] > first[:-1]).tolist():
        own = shapes[order[first[number] : first[number + 1]]]
        together = own[0] if own.size == 1 else shapely.union_all(own)
        area[number] = shapely.area(shapely.intersection(outlines[number], together))
    return area
