"""Another county is configuration only: 河湾县 through stages 1–7 by its committed files.

Other field names, units, zone, boundary file and patrol profile than the demo county's. What is
expected of each patch follows from where `scripts/make_second_county.py` put it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely

from scripts import make_second_county as county

ROOT = Path(__file__).parents[2]
WEST, EAST, ZONE = "389998101", "389998102", "389998401"

EXPECTED = {
    "road_side": (WEST, [WEST], "1", "国道省道两侧"),
    "farmland": (WEST, [WEST], "1", "基本农田保护区"),
    "zone": (ZONE, [ZONE], "1", "规划开发区、工业园区、工业集中区"),
    "border": (EAST, [EAST], "1", "城乡结合部"),
    "moved": (WEST, [EAST, WEST], "2", "基本农田以外的农用地"),
    "lane_side": (WEST, [WEST], "1", "城乡结合部"),
    "approved": (EAST, [EAST], "2", "已经依法审批过的用地单位和采矿单位"),
}
"""Place → township that gets it, who may be responsible, grade, a zone that gives the grade."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hewan")
    for arguments in (
        ["scripts/make_second_county.py", "--data", str(folder)],
        ["-m", "pipeline", "quarter", "--run", "hewan", "--data-dir", str(folder)],
    ):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "runs" / "hewan"


def read(path: Path, layer: str) -> gpd.GeoDataFrame:
    return pyogrio.read_dataframe(path, layer=layer)


def by_place(data: Path) -> pd.DataFrame:
    """The screened patch with the largest overlap at each place that was built up."""
    patches = read(data / "screen" / "screened.gpkg", "patches")
    rows = {}
    for place, shape in county.BUILT.items():
        shared = shapely.area(shapely.intersection(patches.geometry.to_numpy(), shape))
        assert shared.max() > 0.8 * shape.area, place
        rows[place] = patches.iloc[int(shared.argmax())]
    return pd.DataFrame(rows).T


def test_every_stage_is_done_and_every_township_gets_its_package(data: Path) -> None:
    for stage in ("intake", "align", "detect", "extract", "overlay", "screen", "package"):
        folder = "packages" if stage == "package" else stage
        assert (data / folder / "manifest.json").is_file(), stage
    packages = {path.name for path in (data / "packages").iterdir() if path.is_dir()}
    assert packages == {f"{WEST}_西河镇", f"{EAST}_东河镇", f"{ZONE}_河湾工业园"}
    assert (data / "delivery" / "county.qgz").is_file()


def test_who_gets_it_who_answers_for_it_and_its_grade(data: Path) -> None:
    found = by_place(data)
    for place, (township, candidates, grade, zone) in EXPECTED.items():
        row = found.loc[place]
        assert row["township_code"] == township, place
        assert json.loads(row["responsible_candidates"]) == candidates, place
        assert pd.isna(row["responsible_code"]) == (len(candidates) > 1), place
        assert (row["patrol_grade"], zone in row["patrol_grade_basis"]) == (grade, True), place
    pending = json.loads(found.loc["moved", "responsible_names"])
    assert pending == ["东河镇", "西河镇"]
    assert found.loc["approved", "suspected_class"] == "approved"
    assert json.loads(found.loc["border", "straddles"]) == [WEST]


def test_the_bureau_gets_periods_and_shares(data: Path) -> None:
    delivered = data / "delivery" / "county.gpkg"
    periods, shares = read(delivered, "responsibility"), read(delivered, "township_shares")
    moved = by_place(data).loc["moved", "patch_id"]
    told = periods[periods["patch_id"] == moved]
    assert told["from_date"].astype(str).tolist() == ["2025-04-06", "2025-07-01"]
    assert told["responsible_code"].tolist() == [EAST, WEST]
    patches = read(data / "screen" / "screened.gpkg", "patches").set_index("patch_id")
    sums = shares.groupby("patch_id")[["area_m2", "area_mu100"]].sum()
    assert sums["area_mu100"].to_dict() == patches["area_mu100"].to_dict()
    assert (sums["area_m2"] - patches["area_m2"]).abs().max() < 1e-6


def test_hectares_and_the_other_zone_were_understood(data: Path) -> None:
    issued = read(data / "intake" / "layers.gpkg", "issued_patches")
    assert issued.crs.to_epsg() == county.EPSG_IMAGES
    drawn = shapely.area(issued.geometry.to_numpy())
    assert issued["stated_area_m2"].to_numpy() == pytest.approx(drawn, rel=1e-3)
    screened = read(data / "screen" / "screened.gpkg", "patches")
    assert set(issued["issued_id"]) <= set(screened["issued_id"].dropna())
    findings = pd.read_csv(data / "intake" / "findings.csv", dtype=str)
    assert not (findings == "阻断").any(axis=None)


def test_no_code_knows_the_county() -> None:
    words = ("hewan", "389998", "河湾")
    for path in sorted((ROOT / "pipeline").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in words), path
