"""Two mosaics of two scenes each: every patch has the days of the pixels under it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from pipeline.config.models import ImageInput, LayerSource, RunConfig
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import read_layer
from pipeline.schema.layers import DROPPED, PATCH_SCENES, PATCHES
from pipeline.stages.context import StageContext
from pipeline.stages.runner import Outcome, run_stages
from tests.factories import CGCS2000_GK_114E, _silent, dispatching, make_pair
from tests.reference_files import AFTER, BEFORE, LEFT, TOP, TOWN_FIELDS, square, towns, write

WEST, ACROSS, EAST = (100, 140, 60, 100), (220, 260, 236, 276), (340, 380, 400, 440)
"""Planted squares of 80 m, in pixels of 2 m; the seam runs along column 256."""
WEST_HALF, EAST_HALF = square(0, 0, 512, 1024), square(512, 0, 512, 1024)
SEAM_FIELDS = {"scene_id": "JH", "scene_date": "SX", "sensor_name": "WX"}


def seams(folder: Path, name: str, days: tuple[str, str]) -> tuple[LayerSource, ...]:
    table = gpd.GeoDataFrame(
        {"JH": ["西", "东"], "SX": list(days), "WX": ["GF-2 PMS1", "BJ-3A"]},
        geometry=[WEST_HALF, EAST_HALF],
        crs=CGCS2000_GK_114E,
    )
    return (LayerSource(path=str(write(table, folder / f"{name}.gpkg")), fields=SEAM_FIELDS),)


def issued(folder: Path) -> tuple[LayerSource, ...]:
    """Issued patches are always there: one with its own days, three whose issuer gave none."""
    table = gpd.GeoDataFrame(
        {
            "JCBH": ["OWN", "WEST", "EAST", "ACROSS"],
            "QSX": ["20240102", None, None, None],
            "HSX": ["20240203", None, None, None],
        },
        geometry=[
            square(300, 700, 80, 80),
            square(100, 700, 80, 80),
            square(800, 100, 80, 80),
            square(462, 800, 100, 80),
        ],
        crs=CGCS2000_GK_114E,
    )
    names = {"issued_id": "JCBH", "before_date": "QSX", "after_date": "HSX"}
    return (LayerSource(path=str(write(table, folder / "issued.gpkg")), fields=names),)


def extracted(folder: Path, **layers: Any) -> tuple[Outcome, RunPaths]:
    """The stages up to `extract` on a county of 1 km² with these layers."""
    world = make_pair(
        folder,
        (512, 512),
        crs=CGCS2000_GK_114E,
        origin=(LEFT, TOP),
        boxes=(WEST, ACROSS, EAST),
    )
    table = towns()
    table.geometry = [WEST_HALF, EAST_HALF]
    towns_source = LayerSource(path=str(write(table, folder / "t.gpkg")), fields=TOWN_FIELDS)
    run = RunConfig(
        run="test",
        county="test",
        county_code="379999",
        county_name="示例县",
        before=ImageInput(path=str(world.before), date=BEFORE),
        after=ImageInput(path=str(world.after), date=AFTER),
        layers={"townships": (towns_source,), "issued_patches": issued(folder), **layers},
    )
    paths = RunPaths(folder / "runs" / "test")
    with dispatching(1) as local:
        context = StageContext(run, paths, local, local, 1024, _silent)
        outcomes = run_stages(("intake", "align", "detect", "extract"), context)
    return outcomes[-1], paths


def dates_of(paths: RunPaths, issued_id: str) -> list[Any]:
    """Dates of an issued patch, None where they are unknown."""
    patches = read_layer(paths.extract_patches, PATCHES).set_index("issued_id")
    days = patches.loc[issued_id, ["before_date", "after_date"]]
    return [None if pd.isna(day) else day for day in days]


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, RunPaths]:
    folder = tmp_path_factory.mktemp("mosaics")
    return extracted(
        folder,
        before_seams=seams(folder, "before_seams", ("2024-04-01", "2024-05-01")),
        after_seams=seams(folder, "after_seams", ("2024-10-01", "2024-10-20")),
    )


def test_patches_have_the_days_under_them(mosaics: tuple[Outcome, RunPaths]) -> None:
    assert dates_of(mosaics[1], "WEST") == ["2024-04-01", "2024-10-01"]
    assert dates_of(mosaics[1], "EAST") == ["2024-05-01", "2024-10-20"]


def test_issued_patches_keep_the_days_they_came_with(mosaics: tuple[Outcome, RunPaths]) -> None:
    assert dates_of(mosaics[1], "OWN") == ["2024-01-02", "2024-02-03"]


def test_every_detected_object_is_dated_by_where_it_lies(
    mosaics: tuple[Outcome, RunPaths],
) -> None:
    """Also those that were dropped: recalled, they must carry the same days."""
    paths = mosaics[1].extract_patches
    patches, dropped = read_layer(paths, PATCHES), read_layer(paths, DROPPED)
    objects = pd.concat([patches[patches["source"] == "detected"], dropped], ignore_index=True)
    assert len(objects)
    west = shapely.area(shapely.intersection(objects.geometry.to_numpy(), WEST_HALF))
    ratio = west / shapely.area(objects.geometry.to_numpy())
    first = np.where(ratio >= 0.1, "2024-04-01", "2024-05-01")
    last = np.where(ratio <= 0.9, "2024-10-20", "2024-10-01")
    assert objects["before_date"].tolist() == first.tolist()
    assert objects["after_date"].tolist() == last.tolist()


def test_a_patch_across_the_seam_has_the_widest_interval_and_is_named(
    mosaics: tuple[Outcome, RunPaths],
) -> None:
    outcome, paths = mosaics
    assert dates_of(paths, "ACROSS") == ["2024-04-01", "2024-10-20"]
    patches = read_layer(paths.extract_patches, PATCHES)
    (patch_id,) = patches.loc[patches["issued_id"] == "ACROSS", "patch_id"]
    (notice,) = [n for n in outcome.notices if n.code == "N-SEAM-PATCH"]
    assert patch_id in notice.value
    assert outcome.counts["patches_on_scenes_of_several_dates"] == len(notice.value.split("、"))
    assert outcome.counts["patches_with_inverted_dates"] == 0
    scenes = read_layer(paths.extract_patches, PATCH_SCENES)
    across = scenes[scenes["patch_id"] == patch_id]
    assert sorted(across["scene_id"]) == ["东", "东", "西", "西"]
    assert across["scene_ratio"].round(6).tolist() == [0.5] * 4
    assert set(across["sensor_name"]) == {"GF-2 PMS1", "BJ-3A"}


def test_where_time_runs_backward_the_days_are_unknown(tmp_path: Path) -> None:
    """The eastern third of the after mosaic was filled with a scene of the year before."""
    table = gpd.GeoDataFrame(
        {"JH": ["西", "东"], "SX": ["2024-10-01", "2023-10-01"], "WX": ["GF-2"] * 2},
        geometry=[square(0, 0, 683, 1024), square(683, 0, 341, 1024)],
        crs=CGCS2000_GK_114E,
    )
    path = write(table, tmp_path / "a.gpkg")
    layer = (LayerSource(path=str(path), fields=SEAM_FIELDS),)
    outcome, paths = extracted(tmp_path, after_seams=layer)
    assert dates_of(paths, "WEST") == ["2024-05-06", "2024-10-01"]
    assert dates_of(paths, "EAST") == [None, None]
    assert outcome.counts["patches_with_inverted_dates"] >= 1
    assert "N-SEAM-ORDER" in [notice.code for notice in outcome.notices]


def test_without_seam_lines_nothing_is_added(tmp_path: Path) -> None:
    outcome, paths = extracted(tmp_path)
    assert dates_of(paths, "ACROSS") == ["2024-05-06", "2024-10-18"]
    assert not [key for key in outcome.counts if "scenes" in key or "inverted" in key]
    assert "patch_scenes" not in pyogrio.list_layers(paths.extract_patches)[:, 0]
