"""The demo county: every case lies where it says, every file is as its source would send it."""

import csv
import hashlib
import math
import subprocess
import sys
import time
from pathlib import Path

import geopandas
import numpy as np
import pandas
import pyogrio
import pytest
import rasterio
import rasterio.features
import shapely
from pyproj import Geod

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "make_demo.py"
BEFORE, AFTER = "2024-05-06", "2024-10-18"
FAINT = 2.0


def make(data: Path, seed: int = 21, size: int = 512) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), "--data", str(data),
         "--seed", str(seed), "--size", str(size)],
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    done = make(folder)
    assert done.returncode == 0, done.stderr
    return folder


class Layers:
    """Layers read as their sources mean them, all in EPSG:4547."""

    def __init__(self, data: Path) -> None:
        self.raw, self.reference = data / "raw" / "demo", data / "reference" / "demo"
        self.truth = geopandas.read_file(self.raw / "truth.gpkg", layer="changes")
        self.land = self.read("DLTB.shp", encoding="gbk")
        self.pbf = self.read("yjbnt.gdb").union_all()
        self.urban = self.read("czkfbj.gpkg").union_all()
        self.villages203 = self.read("settlements_203.gpkg").union_all()
        self.issued = geopandas.read_file(self.raw / "issued.shp")
        self.approvals, self.supply = self.read("approvals.shp"), self.read("supply.geojson")
        self.registration, self.filings = self.read("registration.gpkg"), self.read("ssnyd.gpkg")
        self.temporary, self.rights = self.read("lsyd.gpkg"), self.read("mining_rights.gpkg")
        self.townships = self.read("xzq.gpkg")

    def read(self, name: str, **more: str) -> geopandas.GeoDataFrame:
        return geopandas.read_file(self.reference / name, **more).to_crs(4547)

    def cultivated_share(self, place: shapely.Geometry) -> float:
        farm = self.land[self.land.DLBM.str.startswith("01") & self.land.is_valid]
        return float(farm.intersection(place).area.sum() / place.area)


@pytest.fixture(scope="module")
def layers(data: Path) -> Layers:
    return Layers(data)


def cover(papers: geopandas.GeoDataFrame, place: shapely.Geometry) -> float:
    return float(papers.union_all().intersection(place).area / place.area) if len(papers) else 0.0


def matching(papers: geopandas.GeoDataFrame, place: shapely.Geometry) -> geopandas.GeoDataFrame:
    return papers[papers.intersects(place)]


def cases(layers: Layers, *names: str) -> list[shapely.Geometry]:
    places = list(layers.truth[layers.truth.case_id.isin(names)].geometry)
    assert places, names
    return places


def test_every_case_is_planted_and_classes_are_known(layers: Layers) -> None:
    known = set(pandas.read_csv(ROOT / "configs/codes/suspected_class.csv").code)
    kinds = set(pandas.read_csv(ROOT / "configs/codes/change_kind.csv").code)
    wanted = {
        "V1", "V2", "V3", "V3b", "V4", "V4b", "V5", "V6", "V7", "approved", "part_approved",
        "approved_late", "approved_between", "used_before_supply", "registered", "existing",
        "temporary_valid", "temporary_expired", "facility_real", "facility_cover", "rural_road",
        "straddle", "devzone", "boundary_changed", "cloud", "nodata", "sliver", "crop",
        "greenhouse_unfiled", "earthwork", "mining_in_right", "water", "missed", "pbf_499",
        "pbf_500", "pbf_501", "devzone_approved",
    }  # fmt: skip
    assert set(layers.truth.case_id) == wanted
    assert set(layers.truth.expected_class.dropna()) <= known
    assert set(layers.truth.kind) <= kinds


def test_farmland_cases_lie_on_the_farmland_they_need(layers: Layers) -> None:
    for place in cases(layers, "V4", "V4b", "pbf_499", "pbf_500", "pbf_501"):
        assert layers.pbf.buffer(0.01).contains(place.buffer(3))
    on_pbf = {"V4", "V4b", "pbf_499", "pbf_500", "pbf_501"}
    for row in layers.truth[~layers.truth.case_id.isin(on_pbf | {"water"})].itertuples():
        assert row.geometry.distance(layers.pbf) > 2, row.case_id
    for place in cases(layers, "V3", "V3b", "straddle"):
        assert layers.cultivated_share(place) > 0.98
    for place in cases(layers, "V1", "V2", "temporary_expired", "missed", "V5"):
        assert layers.cultivated_share(place) == 0


def test_papers_cover_what_their_case_says_at_the_right_time(layers: Layers) -> None:
    for place in cases(layers, "approved", "devzone_approved"):
        assert cover(layers.approvals, place) > 0.999
        assert cover(layers.supply, place) > 0.999
        assert (matching(layers.approvals, place).PZRQ < "20240506").all()
    for place in cases(layers, "part_approved"):
        assert cover(layers.approvals, place) == pytest.approx(0.6, abs=0.02)
    for place in cases(layers, "approved_late"):
        assert (matching(layers.approvals, place).PZRQ > "20241018").all()
    for place in cases(layers, "approved_between"):
        assert matching(layers.approvals, place).PZRQ.between("20240507", "20241017").all()
    for place in cases(layers, "used_before_supply"):
        assert cover(layers.approvals, place) > 0.999
        assert cover(layers.supply, place) == cover(layers.registration, place) == 0
    for place in cases(layers, "registered"):
        assert cover(layers.registration, place) > 0.999
    for place in cases(layers, "V2", "temporary_valid"):
        held = matching(layers.temporary, place)
        assert ((held.QSRQ < "20240506") & (held.JZRQ > "20241018")).all()
        assert cover(held, place) > 0.999
    for place in cases(layers, "temporary_expired"):
        assert (matching(layers.temporary, place).JZRQ < "20240506").all()
        assert cover(layers.temporary, place) > 0.999
    for place in cases(layers, "facility_real", "facility_cover"):
        assert cover(layers.filings, place) > 0.999


def test_unpapered_cases_have_no_paper(layers: Layers) -> None:
    everything = (layers.approvals, layers.supply, layers.registration, layers.filings)
    names = ("V1", "V3", "V3b", "V4", "V4b", "V6", "V7", "devzone", "straddle", "sliver",
             "boundary_changed", "greenhouse_unfiled", "missed", "rural_road")  # fmt: skip
    for place in cases(layers, *names):
        for papers in (*everything, layers.temporary):
            assert cover(papers, place) < 1e-4


def test_region_cases_lie_in_their_region(layers: Layers) -> None:
    permits = layers.read("permits.gpkg")
    for place in cases(layers, "V6", "devzone"):
        assert layers.urban.contains(place.buffer(5))
        assert cover(permits, place) == 0
    for place in cases(layers, "V7"):
        assert layers.villages203.contains(place.buffer(5))
        assert cover(permits, place) == 0
    outside = layers.truth[~layers.truth.case_id.isin(
        ["V6", "V7", "devzone", "devzone_approved", "existing", "cloud", "nodata",
         "boundary_changed"]
    )]  # fmt: skip
    for row in outside.itertuples():
        assert not layers.urban.intersects(row.geometry), row.case_id
        assert not layers.villages203.intersects(row.geometry), row.case_id
    rights = layers.rights.union_all()
    for place in cases(layers, "mining_in_right"):
        assert rights.contains(place.buffer(3))
    for place in cases(layers, "V5", "V3b"):
        assert place.distance(rights) > 10
    for place in cases(layers, "existing"):
        built = layers.land[layers.land.DLBM.str[:2].isin(["06", "07"])]
        assert cover(built, place) > 0.999


def test_township_codes_follow_the_boundary_of_the_after_date(layers: Layers) -> None:
    now = layers.townships[layers.townships.SXRQ.isna()]
    then = layers.townships[layers.townships.QYRQ < "20240506"]
    for row in layers.truth.itertuples():
        shares = now.set_index("XZQDM").intersection(row.geometry).area
        best = "379999400" if shares["379999400"] > 1 else shares.idxmax()
        assert row.township_code == best, row.case_id
    moved = cases(layers, "boundary_changed")[0]
    old = then[then.XZQLX != "开发区"].set_index("XZQDM").intersection(moved).area.idxmax()
    assert old == "379999101"
    areas = layers.read("patrol_areas.gpkg")
    assert len(areas[areas.intersects(moved)]) == 2
    straddling = cases(layers, "straddle")[0]
    assert (now.intersection(straddling).area > 0.2 * straddling.area).sum() == 2
    assert now[now.XZQLX != "开发区"].area.sum() == pytest.approx((512 * 2) ** 2)


def test_unseen_cases_are_hidden_in_the_after_mask(layers: Layers) -> None:
    with rasterio.open(layers.raw / "after_mask.tif") as mask:
        values, transform = mask.read(1), mask.transform
    for name, expected in (("cloud", {2}), ("nodata", {1})):
        for place in cases(layers, name):
            inside = rasterio.features.rasterize(
                [place.buffer(2)], values.shape, transform=transform
            ).astype(bool)
            assert set(np.unique(values[inside])) == expected


def test_exact_areas(layers: Layers) -> None:
    degrees = layers.issued.to_crs(4490)
    geod = Geod(a=6378137.0, rf=298.257222101)
    exact = {"pbf_499": 4.99, "pbf_500": 5.0, "pbf_501": 5.01}
    for name, area_mu in exact.items():
        place = cases(layers, name)[0]
        row = degrees[layers.issued.intersects(place.centroid)]
        area, _ = geod.geometry_area_perimeter(row.geometry.iloc[0])
        assert abs(area) == pytest.approx(area_mu * 2000 / 3, abs=0.1)
        assert row.JCMJ.iloc[0] == pytest.approx(area_mu)


def test_issued_outlines_are_near_the_truth_but_not_on_it(layers: Layers) -> None:
    marked = layers.truth[layers.truth.is_issued]
    assert len(marked) == len(layers.issued)
    for row in marked.itertuples():
        over = layers.issued.intersection(row.geometry).area.max() / row.geometry.area
        assert over > 0.6, row.case_id
    tblx = set(layers.issued.TBLX)
    assert {"20", "CK", "WL", "TD", "01", "SM", "ND", "YH"} <= tblx


def test_sliver_and_road_shapes(layers: Layers) -> None:
    sliver, road = cases(layers, "sliver")[0], cases(layers, "rural_road")[0]
    assert 2 * sliver.area / sliver.length < 5
    assert 4 * math.pi * sliver.area / sliver.length**2 <= 0.25
    assert 2 * road.area / road.length == pytest.approx(5, abs=0.2)


def test_a_quarter_is_faint(layers: Layers) -> None:
    built = layers.truth[layers.truth.is_construction & layers.truth.is_observable]
    assert built.contrast_sigma.notna().all()
    assert (built.contrast_sigma < FAINT).mean() >= 0.25
    assert (built.contrast_sigma > 3).any()


def test_files_are_as_their_sources_send_them(data: Path, layers: Layers) -> None:
    reference = layers.reference
    assert not (reference / "DLTB.cpg").exists()
    assert (reference / "DLTB.dbf").read_bytes()[29] == 0
    raw_land = pyogrio.read_dataframe(reference / "DLTB.shp", encoding="gbk")
    assert raw_land.crs.to_epsg() == 4526
    assert raw_land.total_bounds[0] > 38_000_000
    assert (raw_land.DLBM == "1208").sum() == 1
    assert (~raw_land.is_valid).sum() == 1
    assert (layers.raw / "issued.cpg").read_text().upper().startswith("GBK")
    assert pyogrio.list_layers(reference / "yjbnt.gdb")[0][0] == "永久基本农田"
    names = set(layers.read("cjdcq.gpkg").ZLDWMC)
    assert any("㘵" in name for name in names)
    with (reference / "patrol_ledger.csv").open(encoding="gbk", newline="") as file:
        ledger = list(csv.DictReader(file))
    assert sum(row["经度"] == "" for row in ledger) == 1
    assert all(BEFORE <= row["巡查日期"] <= AFTER for row in ledger)
    assert (reference / "leads.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    events = pyogrio.read_dataframe(layers.raw / "truth.gpkg", layer="events")
    assert list(events.columns) == ["truth_id", "event", "date", "text"]
    assert set(events.truth_id) == set(layers.truth.truth_id)


def test_nuisances_keep_clear_of_what_is_planted(layers: Layers) -> None:
    made = pyogrio.read_dataframe(layers.raw / "truth.gpkg", layer="nuisances")
    ground = made[~made.code.isin(["haze", "cloud_edge"])]
    assert {"drying_yard", "water_level", "haze", "cloud_edge"} <= set(made.code)
    reasons = set(pandas.read_csv(ROOT / "configs/codes/drop_reason.csv").code)
    assert set(made.code) <= reasons
    built = layers.truth[layers.truth.case_id != "water"].union_all()
    assert ground.distance(built).min() > 20
    with rasterio.open(layers.raw / "before_mask.tif") as mask:
        hidden = mask.read(1) > 0
    thin = made[made.code == "haze"]
    veiled = rasterio.features.rasterize(
        list(thin.geometry), hidden.shape, transform=mask.transform
    ).astype(bool)
    assert (veiled & ~hidden).any(), "no mask shows thin cloud"


def test_land_use_tiles_the_county(layers: Layers) -> None:
    valid = layers.land[layers.land.is_valid]
    hole = layers.land[~layers.land.is_valid].geometry.iloc[0]
    whole = layers.townships[layers.townships.SXRQ.isna()].union_all()
    missing = whole.difference(valid.union_all()).area
    assert missing <= hole.envelope.area + 1
    assert 100 < valid.area.sum() - valid.union_all().area < 400, "one overlap"


def test_images_have_their_metadata(layers: Layers) -> None:
    for name in ("before", "after"):
        with rasterio.open(layers.raw / f"{name}.tif") as image:
            assert image.descriptions == ("blue", "green", "red", "nir")
            assert (image.crs.to_epsg(), image.nodata, image.dtypes[0]) == (4547, 0, "uint16")
            shape, share = image.shape, float((image.read(1) == 0).mean())
        with rasterio.open(layers.raw / f"{name}_mask.tif") as mask:
            assert mask.shape == shape
        assert (0.005 < share < 0.05) if name == "after" else share == 0


def test_same_parameters_same_bytes_and_a_quick_skip(data: Path, tmp_path: Path) -> None:
    again = make(tmp_path)
    assert again.returncode == 0, again.stderr
    assert digests(tmp_path) == digests(data)
    start = time.perf_counter()
    skipped = make(data)
    assert "没有变化，跳过" in skipped.stdout
    assert time.perf_counter() - start < 0.5


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "reference" / "demo" / "mine.txt"
    own.parent.mkdir(parents=True)
    own.write_text("x")
    refused = make(tmp_path)
    assert refused.returncode == 3
    assert own.read_text() == "x"
    assert not (tmp_path / "raw").exists()


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_generator_shares_nothing_with_the_pipeline() -> None:
    for path in [SCRIPT, *(ROOT / "scripts" / "demo_county").glob("*.py")]:
        assert "import pipeline" not in path.read_text(encoding="utf-8")
        assert "from pipeline" not in path.read_text(encoding="utf-8")
