"""Patches against outlines that are known: what was found, what is false."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely

FOUND_SHARE = 0.5
MIN_AREA_M2 = 400.0
UNOBSERVED = 255


@dataclass(frozen=True)
class Judged:
    """Construction-like patches of one run against known construction."""

    found: np.ndarray
    """Per asked outline: at least half of it lies in construction-like patches of any size."""
    is_false: np.ndarray
    """Per construction-like patch of at least 400 m²: less than half lies on construction."""
    is_false_anywhere: np.ndarray
    """The same, on no known change of any kind."""
    patches: gpd.GeoDataFrame
    """The construction-like patches of at least 400 m², rows as in the two above."""


def likely_patches(path: Path, kinds: set[str]) -> gpd.GeoDataFrame:
    patches = gpd.read_file(path, layer="patches")
    return patches[patches["change_kind"].isin(kinds)].reset_index(drop=True)


def judge(
    likely: gpd.GeoDataFrame,
    asked: gpd.GeoDataFrame,
    construction: gpd.GeoDataFrame,
    changes: gpd.GeoDataFrame,
) -> Judged:
    """`construction` and `changes` are all of it, asked for or not."""
    large = likely[likely["area_m2"] >= MIN_AREA_M2].reset_index(drop=True)
    return Judged(
        found=share_in(asked, likely) >= FOUND_SHARE,
        is_false=share_in(large, construction) < FOUND_SHARE,
        is_false_anywhere=share_in(large, changes) < FOUND_SHARE,
        patches=large,
    )


def share_in(outlines: gpd.GeoDataFrame, covers: gpd.GeoDataFrame) -> np.ndarray:
    """Share of each outline's area inside the union of the covers."""
    cover = np.asarray(covers.geometry.to_numpy(), dtype=object)
    tree = shapely.STRtree(cover)
    shares = np.zeros(len(outlines))
    for k, outline in enumerate(outlines.geometry):
        near = tree.query(outline, predicate="intersects")
        if near.size:
            joined = shapely.union_all(shapely.make_valid(cover[np.sort(near)]))
            shares[k] = joined.intersection(outline).area / outline.area
    return shares


def observed_km2(change: Path) -> float:
    """Area of the pixels of `change.tif` that both dates show."""
    with rasterio.open(change) as dataset:
        seen = int(np.count_nonzero(dataset.read(1) != UNOBSERVED))
        return seen * abs(dataset.transform.a * dataset.transform.e) / 1e6


def wilson(part: int, whole: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); the whole range of nothing."""
    if not whole:
        return 0.0, 1.0
    p, factor = part / whole, z * z / whole
    middle = (p + factor / 2) / (1 + factor)
    half = z * math.sqrt(p * (1 - p) / whole + factor / (4 * whole)) / (1 + factor)
    return max(middle - half, 0.0), min(middle + half, 1.0)
