"""Which features of the reference layers cover which pieces of patches, and which one counts.

Where features of one layer overlap, the newest vintage counts, then the smallest feature id
(DESIGN §4). Townships and patrol areas have one rule before that one; see `precedence`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipeline.patches.lines import LineIndex, index_lines

GeometryArray = NDArray[np.object_]
Days = NDArray[np.int64]
"""Days since 1970-01-01."""

UNKNOWN_DAY = np.iinfo(np.int64).min
"""No date known: every version of a layer counts as valid. As a beginning it means: since ever."""
OPEN_DAY = np.iinfo(np.int64).max
"""An end that has not come."""


@dataclass(frozen=True, eq=False)
class PatchDates:
    """Days of both images for each patch or face; `UNKNOWN_DAY` where nothing is known."""

    before: Days
    after: Days

    def of(self, index: NDArray[np.int64]) -> PatchDates:
        """The same for other rows."""
        return PatchDates(self.before[index], self.after[index])


NONE = -1
"""Index of a feature that is not there."""

DEVELOPMENT_ZONE = "development_zone"

LARGE_VERTICES = 2000
"""Features with more vertices are asked through GEOS's index of their edges (prepared geometry);
for the others, which may be hundreds of thousands, it would cost more memory than it saves time."""


def as_days(dates: Iterable[Any], missing: int = UNKNOWN_DAY) -> Days:
    """ISO texts as days, `missing` for NULL."""
    texts = [date if isinstance(date, str) else "NaT" for date in dates]
    moments = np.array(texts, dtype="datetime64[D]")
    return np.where(np.isnat(moments), missing, moments.astype(np.int64))


def as_dates(days: Days) -> list[str | None]:
    """Days as ISO texts, None for `UNKNOWN_DAY`."""
    texts = np.where(days == UNKNOWN_DAY, 0, days).astype("datetime64[D]").astype(str)
    return [
        None if day == UNKNOWN_DAY else str(text)
        for day, text in zip(days.tolist(), texts, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class Hits:
    """Pairs of a face and a feature that covers it."""

    face: NDArray[np.int64]
    feature: NDArray[np.int64]

    def valid_on(self, layer: ReferenceLayer, day: Days) -> Hits:
        """The pairs whose feature is valid on the face's day, `(face,)`; both ends included."""
        on = day[self.face]
        is_valid = (layer.valid_from[self.feature] <= on) & (on <= layer.valid_to[self.feature])
        keep = is_valid | (on == UNKNOWN_DAY)
        return Hits(self.face[keep], self.feature[keep])

    def winners(self, n_faces: int) -> NDArray[np.int64]:
        """The feature that counts on each face, `NONE` if no feature covers it."""
        first = np.full(n_faces, OPEN_DAY)
        np.minimum.at(first, self.face, self.feature)
        return np.where(first == OPEN_DAY, NONE, first)


@dataclass(frozen=True, eq=False)
class ReferenceLayer:
    """One reference layer, its features in order of precedence."""

    features: gpd.GeoDataFrame
    geometry: GeometryArray
    """The features' outlines, prepared."""
    tree: shapely.STRtree
    """Over `geometry`."""
    valid_from: Days
    valid_to: Days

    @property
    def is_dated(self) -> bool:
        """Whether any feature begins or ends."""
        return bool((self.valid_from != UNKNOWN_DAY).any() or (self.valid_to != OPEN_DAY).any())

    def values(self, column: str, index: NDArray[np.int64]) -> NDArray[np.object_]:
        """The column's values at `index`, `(index,)`; None for NULL and where it is `NONE`."""
        result = np.full(index.size, None, dtype=object)
        taken = self.features[column].iloc[index[index != NONE]]
        result[index != NONE] = taken.astype(object).where(taken.notna(), None).to_numpy()
        return result

    @cached_property
    def lines(self) -> LineIndex:
        """Boundaries of the features, which are polygons; made when first asked for."""
        return index_lines(self.geometry)

    def hits(self, points: GeometryArray) -> Hits:
        """Which features cover the faces that `points` `(face,)` represent.

        A face is crossed by no boundary, so one point inside it speaks for all of it.
        """
        face, feature = self.tree.query(points).astype(np.int64)
        x, y = shapely.get_x(points)[face], shapely.get_y(points)[face]
        is_large = self.lines.n_points[feature] > LARGE_VERTICES
        inside = self.lines.covers(np.where(is_large, NONE, feature), x, y)
        inside[is_large] = shapely.contains_xy(
            self.geometry[feature[is_large]], x[is_large], y[is_large]
        )
        return Hits(face[inside], feature[inside])


def precedence(features: pd.DataFrame, *, development_zone_first: bool) -> NDArray[np.int64]:
    """Order of features where several lie on top of each other; the first one counts.

    Townships: a development zone (开发区) before the others if `development_zone_first`, else after
    them. Patrol areas: the higher grade (1 is highest). Then vintage and feature id.
    """
    keys = [features["feature_id"].to_numpy(dtype=object).astype(str)]
    keys.append(-as_days(features["vintage_date"], missing=-OPEN_DAY))
    if "township_kind" in features.columns:
        is_zone = (features["township_kind"] == DEVELOPMENT_ZONE).to_numpy(dtype=bool)
        keys.append(is_zone != development_zone_first)
    if "patrol_grade" in features.columns:
        keys.append(features["patrol_grade"].to_numpy(dtype=object).astype(str))
    return np.lexsort(keys)


def prepare_layer(
    features: gpd.GeoDataFrame, patches: GeometryArray, *, development_zone_first: bool
) -> ReferenceLayer:
    """The features that touch the bounding box of any patch, in order of precedence."""
    _, touched = shapely.STRtree(features.geometry.to_numpy()).query(patches)
    near = features.iloc[np.unique(touched)]
    ordered = near.iloc[precedence(near, development_zone_first=development_zone_first)]
    ordered = ordered.reset_index(drop=True)
    outlines = np.asarray(ordered.geometry.to_numpy(), dtype=object)
    shapely.prepare(outlines)
    size = len(ordered)
    has_dates = "valid_from_date" in ordered.columns
    return ReferenceLayer(
        ordered,
        outlines,
        shapely.STRtree(outlines),
        as_days(ordered["valid_from_date"] if has_dates else [None] * size),
        as_days(ordered["valid_to_date"] if has_dates else [None] * size, missing=OPEN_DAY),
    )
