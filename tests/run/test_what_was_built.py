"""The shipped construction network in a whole run: finds what was built, and only one way round."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from pipeline.config.load import CHANGE_KIND_CODES, load_codes
from tests.factories import call_cli

FOUND_SHARE, MIN_AREA_M2 = 0.5, 400.0


def compared(before: Path, after: Path, out: Path) -> gpd.GeoDataFrame:
    """Construction-like patches of a comparison."""
    done = call_cli("compare", before, after, "--out", out, "--workers", "2")
    assert done.code == 0, done.text
    patches = gpd.read_file(out / "patches.gpkg", layer="patches")
    codes = load_codes(CHANGE_KIND_CODES).attributes
    return patches[[codes[kind]["is_construction"] == "1" for kind in patches["change_kind"]]]


@pytest.fixture(scope="module")
def planted(packed_county: Path) -> gpd.GeoDataFrame:
    """What was built in the small county, is seen on both dates and large enough to ask for."""
    truth = gpd.read_file(packed_county / "raw" / "demo" / "truth.gpkg", layer="changes")
    is_asked = truth["is_construction"].astype(bool) & truth["is_observable"].astype(bool)
    return truth[is_asked & (truth["area_m2"] >= MIN_AREA_M2)]


def covered(planted: gpd.GeoDataFrame, likely: gpd.GeoDataFrame) -> float:
    """Share of the plants of which at least half is covered."""
    whole = shapely.union_all(likely.geometry.to_numpy())
    shares = shapely.area(shapely.intersection(planted.geometry.to_numpy(), whole))
    return float((shares / planted.geometry.area.to_numpy() >= FOUND_SHARE).mean())


def test_finds_what_was_built_in_a_county_it_never_saw(
    packed_county: Path, planted: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    raw = packed_county / "raw" / "demo"
    likely = compared(raw / "before.tif", raw / "after.tif", tmp_path)
    assert len(planted) >= 15
    assert covered(planted, likely) >= 0.8
    told = set(likely["change_kind"])
    assert {"building", "hardened"} <= told <= {
        "construction", "building", "hardened", "road", "photovoltaic", "facility"
    }  # fmt: skip


def test_what_is_torn_down_was_not_built(
    packed_county: Path, planted: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    """The dates swapped: every building of the county vanishes."""
    raw = packed_county / "raw" / "demo"
    likely = compared(raw / "after.tif", raw / "before.tif", tmp_path)
    assert covered(planted, likely) <= 0.1
