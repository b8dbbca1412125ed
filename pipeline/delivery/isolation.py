"""What of the county a township may see: its land, a buffer around it, no names of others.

Isolation of townships (DESIGN §9). Everything is pure; areas are in the run's projected CRS.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.schema.fields import FIELDS
from pipeline.schema.reference import REFERENCE_LAYERS

OTHERS_ZH = "其他单位"
"""Stands for every other township in texts."""

NEVER_DELIVERED = frozenset({"leads", "before_seams", "after_seams"})
"""Reporters' and informants' data never leave the register (DESIGN §9)."""
PACKAGED_ELSEWHERE = frozenset({"townships", "issued_patches"})
"""Layers whose content a package holds under other names: own land, own patches."""

_ONE_OWNER = frozenset({"previous_patches", "patrol_records", "patrol_tracks", "patrol_areas"})
"""Layers whose features belong to one township each: no buffer, and only its own ones."""

PSEUDONYM_CHARS = 12
_MIN_NAME = 2
"""A name of one character would be found everywhere."""


@dataclass(frozen=True)
class Township:
    """One receiver of a package."""

    code: str
    name: str
    kind: str
    territory: BaseGeometry
    """Its boundary on the after date, without the development zones inside."""
    own_words: tuple[str, ...] = ()
    """Names of itself and its villages, longest first; what stands inside them is not foreign."""
    foreign_words: tuple[str, ...] = ()
    """Names and codes of other townships and their villages, longest first."""

    def mask(self, text: str) -> str:
        """A text in which no other township or village is named."""
        own = frozenset(self.own_words)
        return _pattern(self.own_words, self.foreign_words).sub(
            lambda found: found.group() if found.group() in own else OTHERS_ZH, text
        )

    def mask_id(self, text: str) -> str:
        """An id that tells nothing of others: one with their code becomes a pseudonym.

        Masking would make two ids alike.
        """
        if self.mask(text) == text:
            return text
        return f"X{hashlib.sha256(text.encode('utf-8')).hexdigest()[:PSEUDONYM_CHARS]}"

    def mask_column(self, column: pd.Series, *, is_id: bool = False) -> pd.Series:
        """`mask` or `mask_id` over a text column; NULL stays NULL."""
        masked = self.mask_id if is_id else self.mask
        changed = {text: masked(text) for text in column.dropna().unique()}
        return column.map(changed, na_action="ignore").astype(column.dtype)


def find_townships(
    townships: gpd.GeoDataFrame,
    villages: gpd.GeoDataFrame | None,
    on: str | None,
    *,
    zones_first: bool = True,
) -> tuple[Township, ...]:
    """Every township valid on a day (ISO; None: all that are still open), by code.

    Where a development zone (开发区) and another township overlap, the zone has the land, or the
    other one unless `zones_first`: the overlay's setting.
    """
    current = townships[valid_on(townships, on)]
    is_first = (current["township_kind"] == "development_zone").to_numpy() == zones_first
    land_of_first = shapely.union_all(current.geometry.to_numpy()[is_first])
    found = []
    for code, rows in current.groupby("township_code", sort=True):
        row = rows.iloc[0]
        territory = shapely.union_all(rows.geometry.to_numpy())
        if (row["township_kind"] == "development_zone") != zones_first:
            territory = shapely.difference(territory, land_of_first)
        own, foreign = _words(str(code), townships, villages)
        name, kind = str(row["township_name"]), str(row["township_kind"])
        found.append(Township(str(code), name, kind, _polygons(territory), own, foreign))
    return tuple(found)


def visible_area(
    township: Township, patches: Iterable[BaseGeometry], buffer_m: float
) -> BaseGeometry:
    """What a township may see: its land and its patches, with a buffer."""
    land = shapely.union_all([township.territory, *patches])
    return shapely.buffer(land, buffer_m, quad_segs=4)


def clip_reference(
    name: str, table: gpd.GeoDataFrame, township: Township, own: BaseGeometry, visible: BaseGeometry
) -> gpd.GeoDataFrame:
    """The features of a reference layer that a township may see, cut to what it may see.

    `own` is its land with its patches, `visible` the same with the buffer. A feature that only
    lies in the buffer keeps codes and dates, never names; no text names another township.
    """
    table = _own_rows(name, table, township)
    area = own if name in _ONE_OWNER else visible
    near = np.sort(table.sindex.query(area, predicate="intersects"))
    clipped = table.iloc[near].copy()
    clipped["geometry"] = _cut(clipped.geometry.to_numpy(), area, str(clipped.geom_type.max()))
    clipped = clipped[~shapely.is_empty(clipped.geometry.to_numpy())].reset_index(drop=True)
    texts = [f for f in REFERENCE_LAYERS[name].fields if FIELDS[f].dtype == "text"]
    is_beside = ~shapely.intersects(own, clipped.geometry.to_numpy())
    for field in texts:
        clipped[field] = township.mask_column(clipped[field], is_id=field.endswith("_id"))
        if field.endswith(("_name", "_no", "_text", "_result", "_person")):
            clipped.loc[is_beside, field] = None
    return clipped


def _own_rows(name: str, table: gpd.GeoDataFrame, township: Township) -> gpd.GeoDataFrame:
    """Rows that do not belong to another township by what they say."""
    if name == "villages":
        return table[table["village_code"].str.startswith(township.code)]
    if name == "patrol_areas":
        return table[table["responsible_code"].isin([township.code])]
    if name == "previous_patches":
        # Old patches along the border: whoever has the larger part answered for them.
        areas = shapely.area(table.geometry.to_numpy())
        inside = shapely.area(shapely.intersection(table.geometry.to_numpy(), township.territory))
        return table[inside > areas / 2]
    return table


def _cut(
    shapes: NDArray[np.object_], area: BaseGeometry, geometry_type: str
) -> NDArray[np.object_]:
    """Shapes inside an area, of their own dimension only."""
    shapely.prepare(area)
    result = shapes.copy()
    crossing = ~shapely.covers(area, shapes)
    result[crossing] = shapely.intersection(shapes[crossing], area)
    keep = "Polygon" if "Polygon" in geometry_type else geometry_type.removeprefix("Multi")
    for at in np.flatnonzero(crossing):
        pieces = shapely.get_parts(result[at])
        right = [piece for piece in pieces if piece.geom_type == keep]
        result[at] = right[0] if len(right) == 1 else shapely.union_all(right)
    return result


def _polygons(shape: BaseGeometry) -> BaseGeometry:
    """Only the areas of what an overlay left."""
    return shapely.union_all([p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"])


def valid_on(table: pd.DataFrame, on: str | None) -> NDArray[np.bool_]:
    """Which rows of a dated layer hold on a day (ISO; None: those that are still open)."""
    start, end = table["valid_from_date"], table["valid_to_date"]
    if on is None:
        return end.isna().to_numpy(dtype=bool)
    begun = start.isna() | (start <= on)
    return (begun & (end.isna() | (end >= on))).to_numpy(dtype=bool)


@lru_cache(maxsize=64)
def _pattern(own: tuple[str, ...], foreign: tuple[str, ...]) -> re.Pattern[str]:
    """Longer names first, own or foreign: 城关 may be an own village and 城关镇 a foreign town.

    Digits after a foreign code of nine belong to a village code of twelve.
    """
    found = {word: re.escape(word) for word in own}
    found |= {word: re.escape(word) + (r"\d*" if word.isdigit() else "") for word in foreign}
    return re.compile("|".join(found[word] for word in _long_first(set(found))) or "(?!)")


def _words(
    code: str, townships: pd.DataFrame, villages: pd.DataFrame | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the township and its villages; names and codes of everybody else."""
    is_own = townships["township_code"] == code
    own = set(townships.loc[is_own, "township_name"])
    foreign = set(townships.loc[~is_own, "township_name"])
    foreign |= set(townships.loc[~is_own, "township_code"])
    if villages is not None:
        is_own = villages["village_code"].str.startswith(code)
        own |= set(villages.loc[is_own, "village_name"].dropna())
        foreign |= set(villages.loc[~is_own, "village_name"].dropna())
        foreign |= set(villages.loc[~is_own, "village_code"])
    return _long_first(own), _long_first({word for word in foreign - own if len(word) >= _MIN_NAME})


def _long_first(words: set[str]) -> tuple[str, ...]:
    return tuple(sorted(words, key=lambda word: (-len(word), word)))
