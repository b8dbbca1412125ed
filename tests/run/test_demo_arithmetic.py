"""The demo county through stages 1 to 7: its figures recomputed by other programs.

Read with fiona and pyogrio, measured with GeographicLib, added up here: nothing of `pipeline` is
used but its code tables and the digest of a GeoPackage's content.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
from collections import defaultdict
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any

import fiona
import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import CRS, Geod, Transformer

from pipeline.io.digests import content_digest
from tests.factories import ROOT, call_cli, run_cli

REL, ABS_M2 = 1e-6, 1e-4
ADDENDS = (
    "cultivated_m2",
    "other_agricultural_m2",
    "unused_m2",
    "construction_m2",
    "unclassified_m2",
)
PERMITS = {
    "approved_m2": "approval_id",
    "supplied_m2": "supply_id",
    "registered_m2": "registration_id",
    "facility_m2": "facility_id",
    "temporary_m2": "temporary_id",
}
OF_WHICH = {"pbf_m2": "pbf_id", "redline_m2": "redline_id", "reserve_m2": "reserve_id"}
OF_LAYERS = (*ADDENDS, *PERMITS, *OF_WHICH, "cultivated_net_m2")
OF_LAYERS = (*OF_LAYERS, "plan_conform_m2", "plan_nonconform_m2")
KEPT_ASIDE = {"run.log", ".digests.json"}
"""Times and paths of this machine; no result."""
VERDICT = re.compile("违法|非法")
ALLOWED = re.compile("《[^》]*》|“[^”]*”|疑似违法|疑似非法")

Row = dict[str, Any]


@dataclass(frozen=True)
class Demo:
    """A finished demo run."""

    data: Path

    @property
    def results(self) -> Path:
        return self.data / "runs" / "demo"

    @functools.cached_property
    def patches(self) -> dict[str, Row]:
        return {row["patch_id"]: row for row in rows(self.screened, "patches")}

    @functools.cached_property
    def parts(self) -> list[Row]:
        return rows(self.results / "overlay" / "overlay.gpkg", "parts")

    @property
    def screened(self) -> Path:
        return self.results / "screen" / "screened.gpkg"


def rows(path: Path, layer: str) -> list[Row]:
    with fiona.open(path, layer=layer) as source:
        return [
            {**feature["properties"], "geometry": shapely.geometry.shape(feature["geometry"])}
            for feature in source
        ]


def run_demo(data: Path, *stages: str, configs: Path = ROOT / "configs") -> None:
    for stage in stages:
        done = call_cli(stage, "--run", "demo", "--data", data, "--config-dir", configs)
        assert done.code == 0, done.text


@pytest.fixture(scope="session")
def demo(packed_county: Path) -> Demo:
    return Demo(packed_county)


@functools.cache
def _geodesy(wkt: str) -> tuple[Transformer, Geod]:
    crs = CRS.from_wkt(wkt)
    geod = crs.get_geod()
    assert geod is not None
    return Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True), geod


def geodesic_m2(shape: shapely.Geometry, wkt: str, step_m: float = 100.0) -> float:
    """GeographicLib's area of densified rings, whose edges it takes for geodesics."""
    to_lon_lat, geod = _geodesy(wkt)
    dense = shapely.orient_polygons(shapely.segmentize(shape, step_m))
    lon_lat = shapely.transform(dense, to_lon_lat.transform, interleaved=False)
    return float(geod.geometry_area_perimeter(lon_lat)[0])


def mu100(area_m2: float) -> int:
    """0.01 亩 by whole numbers: m²·3/20, halves up."""
    numerator, denominator = area_m2.as_integer_ratio()
    return (2 * 3 * numerator + 20 * denominator) // (2 * 20 * denominator)


def test_parts_make_up_patches_to_the_last_hundredth_of_a_mu(demo: Demo) -> None:
    area: defaultdict[str, list[float]] = defaultdict(list)
    whole_mu100: defaultdict[str, int] = defaultdict(int)
    for part in demo.parts:
        area[part["patch_id"]].append(part["area_m2"])
        whole_mu100[part["patch_id"]] += part["area_mu100"]
        assert part["area_m2"] > 0.0
        assert part["area_mu100"] >= 0
    assert area.keys() == demo.patches.keys()
    for patch_id, patch in demo.patches.items():
        assert fsum(area[patch_id]) == pytest.approx(patch["area_m2"], rel=REL)
        assert whole_mu100[patch_id] == patch["area_mu100"] == mu100(patch["area_m2"])
        assert abs(fsum(patch[name] for name in ADDENDS) - patch["area_m2"]) <= 1e-6


def test_columns_of_a_patch_are_sums_of_its_parts(demo: Demo) -> None:
    sums: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for part in demo.parts:
        permits = [name for name, hit in PERMITS.items() if part[hit] is not None][:1]
        names = [f"{part['land_category'] or 'unclassified'}_m2", *permits]
        names += [name for name, hit in OF_WHICH.items() if part[hit] is not None]
        for name in names:
            sums[part["patch_id"], name].append(part["area_m2"])
    for patch_id, patch in demo.patches.items():
        for name in (*ADDENDS, *PERMITS, *OF_WHICH):
            assert abs(patch[name] - fsum(sums[patch_id, name])) <= 1e-6, (patch_id, name)
    assert sum(patch["pbf_m2"] for patch in demo.patches.values()) > 0


def test_parts_neither_overlap_nor_leave_gaps(demo: Demo) -> None:
    shapes: defaultdict[str, list[shapely.Geometry]] = defaultdict(list)
    for part in demo.parts:
        shapes[part["patch_id"]].append(part["geometry"])
    for patch_id, patch in demo.patches.items():
        own = np.array(shapes[patch_id], dtype=object)
        one, two = np.triu_indices(own.size, 1)
        assert shapely.area(shapely.intersection(own[one], own[two])).sum() < 1e-5
        assert shapely.union_all(own).symmetric_difference(patch["geometry"]).area < 1e-5


def test_townships_make_up_the_county(demo: Demo) -> None:
    area: defaultdict[str | None, list[float]] = defaultdict(list)
    whole_mu100: defaultdict[str | None, int] = defaultdict(int)
    for patch in demo.patches.values():
        area[patch["township_code"]].append(patch["area_m2"])
        whole_mu100[patch["township_code"]] += patch["area_mu100"]
    assert None not in area, "every patch of the demo lies in a township"
    assert len(area) == 6
    county = fsum(patch["area_m2"] for patch in demo.patches.values())
    assert fsum(map(fsum, area.values())) == pytest.approx(county, rel=1e-12)
    manifest = json.loads((demo.results / "overlay" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["counts"]["area_m2"] == pytest.approx(county, rel=1e-12)
    assert manifest["counts"]["area_mu100"] == sum(whole_mu100.values())


def test_areas_are_those_of_geographiclib(demo: Demo) -> None:
    with fiona.open(demo.screened, layer="patches") as source:
        wkt = source.crs_wkt
    for row in (*demo.patches.values(), *demo.parts):
        expected = geodesic_m2(row["geometry"], wkt)
        assert abs(row["area_m2"] - expected) <= max(REL * expected, ABS_M2), row


def test_every_issued_patch_is_there_once_under_its_number(demo: Demo) -> None:
    issued = sorted(pyogrio.read_dataframe(demo.data / "raw" / "demo" / "issued.shp")["JCBH"])
    assert len(set(issued)) == len(issued) > 20
    assert issued == sorted(
        patch["issued_id"]
        for patch in demo.patches.values()
        if patch["issued_id"] is not None or patch["source"] != "detected"
    )


def test_issued_plants_get_the_class_that_was_planted(demo: Demo) -> None:
    truth = pyogrio.read_dataframe(demo.data / "raw" / "demo" / "truth.gpkg", layer="changes")
    planted = truth[truth["is_issued"].astype(bool)]
    found = gpd.GeoDataFrame(
        [patch for patch in demo.patches.values() if patch["source"] != "detected"], crs=truth.crs
    )
    assert len(planted) == len(found)
    told = {}
    for plant in planted.itertuples():
        share = found.intersection(plant.geometry).area / found.union(plant.geometry).area
        patch = found.loc[share.idxmax()]
        assert share.max() > 0.5, plant.case_id
        told[plant.truth_id] = (plant.case_id, plant.expected_class, patch["suspected_class"])
        assert patch["township_code"] == plant.township_code, plant.case_id
    assert [line for line in told.values() if line[1] != line[2]] == []


def test_no_text_gives_a_verdict(demo: Demo) -> None:
    files = [demo.screened, demo.results / "overlay" / "overlay.gpkg"]
    files += sorted((demo.results / "packages").glob("*/*.gpkg"))
    assert len(files) == 8
    texts = 0
    for path in files:
        own = [name for name in pyogrio.list_layers(path)[:, 0] if not name.startswith("ref_")]
        for layer in own:  # in the others stand the words of those who made them
            table = pyogrio.read_dataframe(path, layer=layer, read_geometry=False)
            for column in table.columns:
                for text in {value for value in table[column] if isinstance(value, str)}:
                    texts += 1
                    assert not VERDICT.search(ALLOWED.sub("", text)), (path, layer, column, text)
    for path in sorted((demo.results / "packages").glob("**/*.txt")):
        assert not VERDICT.search(ALLOWED.sub("", path.read_text(encoding="utf-8-sig"))), path
    assert texts > 1000


def test_layers_that_were_not_supplied_are_null(demo: Demo, tmp_path: Path) -> None:
    """The same county with its townships only: unknown, never 0."""
    configs, data = tmp_path / "configs", tmp_path / "data"
    shutil.copytree(ROOT / "configs", configs)
    county = configs / "county" / "demo.yaml"
    text = county.read_text(encoding="utf-8")
    head, first = text[: text.index("  villages:")], "layers:\n"
    assert head.count("  townships:") == head.count(first) == 1
    county.write_text(head, encoding="utf-8")
    shutil.copytree(demo.data, data, ignore=shutil.ignore_patterns("packages", "delivery"))
    run_demo(data, "intake", "extract", "overlay", "screen", configs=configs)
    bare = Demo(data)
    assert bare.patches.keys() == demo.patches.keys()
    for patch_id, patch in bare.patches.items():
        assert patch["area_m2"] == demo.patches[patch_id]["area_m2"]
        assert patch["township_code"] == demo.patches[patch_id]["township_code"]
        for name in (*OF_LAYERS, "village_code", "patrol_area_id", "patrol_grade"):
            assert patch[name] is None, name
    classes = {patch["suspected_class"] for patch in bare.patches.values()}
    assert classes <= {"uncertain", "not_construction", "early_warning", "unobserved"}
    told = " ".join(patch["reasons"] for patch in bare.patches.values())
    for what in ("耕地", "永久基本农田", "采矿权", "供地", "批文"):
        assert f"{what} 0.00 平方米" not in told


@pytest.mark.slow
def test_threads_tiles_folder_and_truth_show_in_no_file(demo: Demo, tmp_path: Path) -> None:
    """Another folder and process, one thread, smaller tiles, and no truth to look at."""
    for name in ("raw", "reference"):
        shutil.copytree(demo.data / name, tmp_path / name)
    for name in ("truth.gpkg", "label.tif"):
        (tmp_path / "raw" / "demo" / name).unlink()
    options = ("--workers", 1, "--tile", 512, "--data", tmp_path)
    done = run_cli(["quarter", "--run", "demo", *options], ROOT)
    assert done.returncode == 0, done.stdout + done.stderr

    def digests(data: Path) -> dict[str, str]:
        return {
            path.relative_to(data).as_posix(): content_digest(path)
            for path in sorted((data / "runs" / "demo").rglob("*"))
            if path.is_file() and path.name not in KEPT_ASIDE
        }

    first, second = digests(demo.data), digests(tmp_path)
    assert len(first) > 80
    assert [name for name in first.keys() | second if first.get(name) != second.get(name)] == []
