"""`extract` with issued patches and `overlay`, from files to files, read back by other programs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import fiona
import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from geopandas.testing import assert_geodataframe_equal
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from pipeline.config.load import load_kind_codes
from pipeline.errors import InputError
from pipeline.io.runs import WORK_FOLDER, RunPaths
from pipeline.io.vectors import write_layers
from pipeline.patches.learning import ReturnsParams
from pipeline.schema.layers import DROPPED, OVERLAID, PARTS, PATCHES
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages import extract, overlay
from pipeline.stages.context import StageContext, StageReport
from pipeline.stages.requests import compare_request
from pipeline.stages.verify import verify_overlay_sums, verify_patch_sums
from tests import overlay_factory
from tests.factories import CGCS2000_GK_114E, World, compare, dispatching, make_pair, read_raster
from tests.overlay_factory import CRS_4547, geodesic_area_m2

GSD = 2.0
X0, Y0 = 500_000.0, 3_400_000.0
BOXES = ((40, 60, 50, 80), (150, 171, 200, 233), (5, 25, 280, 300))
WEDGE = 42
"""Pixels with row + col below this are not observed."""
CONSTRUCTION = 10
"""Pixel value of the kind drawn."""


def pixels(row0: float, row1: float, col0: float, col1: float) -> BaseGeometry:
    return shapely.box(X0 + col0 * GSD, Y0 - row1 * GSD, X0 + col1 * GSD, Y0 - row0 * GSD)


ISSUED = {
    "TB-1": {"geometry": pixels(40, 60, 50, 80), "change_kind": "hardened"},  # is BOXES[0]
    "TB-2": {"geometry": pixels(150, 171, 200, 214), "change_kind": "unknown"},  # of BOXES[1]
    "TB-3": {"geometry": pixels(200, 210, 20, 40), "before_date": "2024-01-02"},  # nothing there
    "TB-4": {"geometry": pixels(0, 10, 0, 10), "change_kind": "unknown"},  # hidden wedge
    "TB-5": {"geometry": pixels(250, 262, 100, 110)},  # half below the image
    "TB-6": {"geometry": pixels(230.4, 230.6, 5.4, 5.6)},  # smaller than a pixel
    "TB-7": {"geometry": pixels(15, 35, 5, 30)},  # half under the hidden wedge, nothing there
}
"""Issued patches by id."""


def strips(name: str, *rows: tuple[float, float, dict[str, Any]]) -> gpd.GeoDataFrame:
    """A reference layer of vertical strips: first column, last column, fields."""
    given = [{"geometry": pixels(-50, 400, a, b), **fields} for a, b, fields in rows]
    return overlay_factory.reference(name, given)


LAYERS = {
    "issued_patches": overlay_factory.reference(
        "issued_patches", [{"issued_id": name, **row} for name, row in ISSUED.items()]
    ),
    "townships": strips(
        "townships",
        (-500, 70, {"township_code": "379999001", "township_name": "甲镇"}),
        (70, 900, {"township_code": "379999002", "township_name": "乙镇"}),
    ),
    "villages": strips("villages", (-500, 900, {"village_code": "379999001001"})),
    "land_use": strips(
        "land_use",
        (-500, 61.3, {"land_class_code": "0101", "bund_ratio": 0.1}),
        (61.3, 209.7, {"land_class_code": "0702"}),
        (220, 900, {"land_class_code": "0404"}),
    ),
    "approvals": strips("approvals", (55, 75, {})),
    "patrol_areas": strips(
        "patrol_areas", (-500, 900, {"responsible_code": "379999002", "responsible_person": "甲"})
    ),
}


def redraw(path: Path, values: NDArray[Any]) -> None:
    """Put other pixels, the same in all bands, into a raster that stays otherwise as it is."""
    with rasterio.open(path) as dataset:
        profile, count = dataset.profile, dataset.count
    with rasterio.open(path, "w", **profile) as dataset:
        for band in range(1, count + 1):
            dataset.write(values.astype(profile["dtype"]), band)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    """A finished comparison whose detection is drawn by hand: what it finds is not the subject."""
    folder = tmp_path_factory.mktemp("overlay")
    pair = make_pair(folder, (256, 320), crs=CGCS2000_GK_114E, nodata=0)
    compare(pair, folder / "out")
    work = folder / "out" / WORK_FOLDER
    score = np.full((256, 320), 300)
    score[:, ::3] = 700
    kind = np.zeros((256, 320))
    for row0, row1, col0, col1 in BOXES:
        score[row0:row1, col0:col1] = 9000
        kind[row0:row1, col0:col1] = CONSTRUCTION
    score[np.add.outer(np.arange(256), np.arange(320)) < WEDGE] = 65535
    drawn = {"score.tif": score, "kind.tif": kind}
    for path in (work / "detect").glob("*.tif"):
        redraw(path, drawn.get(path.name, np.zeros_like(score)))
    return pair, work


class Run:
    """The stages of one run, called directly."""

    def __init__(self, world: tuple[World, Path], root: Path, workers: int = 1) -> None:
        pair, work = world
        request = compare_request(pair.before, pair.after, None, None, "auto")
        self.config = request.model_copy(update={"county_code": "379999", "county": "demo"})
        self.paths = RunPaths(root)
        root.mkdir(parents=True, exist_ok=True)
        for stage in ("align", "detect"):
            (root / stage).symlink_to(work / stage)
        self.workers = workers
        self.told: list[tuple[str, int, int]] = []

    def give(self, layers: dict[str, gpd.GeoDataFrame]) -> None:
        self.paths.stage_dir("intake").mkdir(exist_ok=True)
        tables = {REFERENCE_LAYERS[name]: table for name, table in layers.items()}
        write_layers(self.paths.intake_layers, tables, CRS_4547.to_wkt())

    def stage(self, module: Any, name: str, tile_px: int = 512) -> StageReport:
        self.paths.stage_dir(name).mkdir(exist_ok=True)

        def progress(label_zh: str) -> Any:
            return lambda done, total: self.told.append((label_zh, done, total))

        with dispatching(self.workers) as through:
            context = StageContext(self.config, self.paths, through, through, tile_px, progress)
            report = module.run(context)
        assert isinstance(report, StageReport)
        return report


@pytest.fixture(scope="module")
def done(world: tuple[World, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(world, tmp_path_factory.mktemp("run") / "county")
    run.give(LAYERS)
    run.stage(extract, "extract")
    run.stage(overlay, "overlay")
    return run


def read(path: Path, layer: str) -> gpd.GeoDataFrame:
    return pyogrio.read_dataframe(path, layer=layer)


def test_every_issued_patch_is_there_as_issued(done: Run) -> None:
    patches = read(done.paths.extract_patches, "patches").set_index("issued_id")
    found = patches.loc[list(ISSUED)]
    assert found["source"].tolist() == ["both", "both", *["issued"] * 5]
    for name, row in found.iterrows():
        assert row["geometry"].equals(ISSUED[name]["geometry"])
        area = geodesic_area_m2(row["geometry"])
        assert row["area_m2"] == pytest.approx(area, rel=1e-6, abs=1e-4)
    assert found["n_pixels"].tolist() == [600, 294, 200, 100, 120, 1, 500]


def test_kinds_dates_and_what_was_seen(done: Run) -> None:
    patches = read(done.paths.extract_patches, "patches").set_index("issued_id")
    found = patches.loc[list(ISSUED)]
    assert found.loc["TB-1", "change_kind"] == "hardened"
    box = np.s_[150:171, 200:214]
    values = read_raster(done.paths.detect_kind)[box][
        read_raster(done.paths.extract_change)[box] == 1
    ]
    most = load_kind_codes()[int(np.bincount(values).argmax())]
    assert most != "unknown"
    assert found.loc["TB-2", "change_kind"] == most  # stated as unknown: the detected kind
    assert found.loc[["TB-3", "TB-4"], "change_kind"].tolist() == ["unknown", "unknown"]
    assert found.loc["TB-3", "before_date"] == "2024-01-02"
    assert found["after_date"].isna().all()  # neither issuer nor images have one
    ratio = found["observed_ratio"].to_dict()
    assert ratio["TB-4"] == 0.0
    assert np.isnan(found.loc["TB-4", "probability"])
    assert ratio["TB-5"] == pytest.approx(0.5, abs=0.1)  # rows 250–255 of 250–261
    assert ratio["TB-1"] == ratio["TB-3"] == 1.0
    score = read_raster(done.paths.detect_score)
    expected = score[200:210, 20:40].mean() / 10_000
    assert found.loc["TB-3", "probability"] == pytest.approx(expected, rel=1e-12)
    half = score[15:35, 5:30].astype(float)
    seen = half[half != 65535]
    assert 0.2 < seen.size / half.size < 0.8
    assert ratio["TB-7"] == pytest.approx(seen.size / half.size, rel=1e-12)
    assert found.loc["TB-7", "probability"] == pytest.approx(seen.mean() / 10_000, rel=1e-12)
    assert found.loc["TB-1", "probability"] > 0.5 > found.loc["TB-3", "probability"]


def test_ids_follow_the_first_pixel(done: Run) -> None:
    patches = read(done.paths.extract_patches, "patches")
    order = list(zip(patches["first_row"], patches["first_col"], strict=True))
    assert order == sorted(order)
    assert patches["patch_id"].tolist() == [
        f"379999ZJ00{n:06d}" for n in range(1, len(patches) + 1)
    ]
    assert order[0] == (0, 0)  # the hidden one


def test_what_was_detected_counts_once(done: Run) -> None:
    patches = read(done.paths.extract_patches, "patches")
    dropped = read(done.paths.extract_patches, "dropped")
    ours = patches[patches["source"] == "detected"]
    # BOXES[1] minus TB-2 remains, BOXES[2] was never issued
    assert len(ours) == 2
    change = read_raster(done.paths.extract_change)
    with rasterio.open(done.paths.extract_change) as dataset:
        transform = dataset.transform
    shapes = [*ours.geometry, *dropped[dropped["reason"] == "covered_by_issued"].geometry]
    left = rasterize(shapes, out_shape=change.shape, transform=transform)
    under = rasterize(
        [ISSUED["TB-1"]["geometry"], ISSUED["TB-2"]["geometry"]],
        out_shape=change.shape,
        transform=transform,
    )
    np.testing.assert_array_equal((left == 1) | ((under == 1) & (change == 1)), change == 1)
    assert not ((left == 1) & (under == 1)).any()


def test_without_issued_patches_extract_does_what_it_does_in_compare(
    world: tuple[World, Path], tmp_path: Path, done: Run
) -> None:
    run, alone = Run(world, tmp_path / "county"), Run(world, tmp_path / "alone")
    run.give({"townships": LAYERS["townships"]})
    alone.config = alone.config.model_copy(update={"county": None})
    for each in (run, alone):
        each.stage(extract, "extract")
    # a county's extract also tells what the patches are to those of earlier runs, and takes their
    # numbers from the county's book
    for layer in ("patches", "dropped", "raw_outlines"):
        of_county, of_pair = (read(each.paths.extract_patches, layer) for each in (run, alone))
        numbers = {"patch_id"} & set(of_pair.columns)
        assert_geodataframe_equal(of_county.drop(columns=numbers), of_pair.drop(columns=numbers))
    assert run.paths.extract_change.read_bytes() == alone.paths.extract_change.read_bytes()
    assert done.paths.extract_change.read_bytes() == alone.paths.extract_change.read_bytes()
    assert "issued" not in json.loads(alone.paths.extract_summary.read_text(encoding="utf-8"))


def test_a_patch_set_aside_takes_no_detected_change_from_under_issued_ones(
    world: tuple[World, Path], tmp_path: Path, done: Run
) -> None:
    run = Run(world, tmp_path / "county")
    run.give(LAYERS)
    extracting = run.config.settings.extract.model_copy(
        update={"returns": ReturnsParams(min_probability=0.999)}
    )
    settings = run.config.settings.model_copy(update={"extract": extracting})
    run.config = run.config.model_copy(update={"settings": settings})
    run.stage(extract, "extract")
    dropped = read(run.paths.extract_patches, "dropped")
    weak = dropped[dropped["reason"] == "low_probability"]
    assert len(weak) == 2
    expected = read_raster(done.paths.extract_change)
    with rasterio.open(done.paths.extract_change) as dataset:
        shapes = [(shape, 1) for shape in weak.geometry]
        away = rasterize(shapes, out_shape=expected.shape, transform=dataset.transform)
    assert (expected[away == 1] == 1).all()
    expected[away == 1] = 0
    np.testing.assert_array_equal(read_raster(run.paths.extract_change), expected)
    assert (expected == 1).sum() > 500


@pytest.mark.parametrize("tile_px", [1024])
def test_results_do_not_depend_on_tiles_and_workers(
    world: tuple[World, Path], tmp_path: Path, done: Run, tile_px: int
) -> None:
    run = Run(world, tmp_path / "county", workers=2)
    run.give(LAYERS)
    run.stage(extract, "extract", tile_px)
    run.stage(overlay, "overlay")
    assert run.paths.extract_patches.read_bytes() == done.paths.extract_patches.read_bytes()
    assert run.paths.overlay.read_bytes() == done.paths.overlay.read_bytes()


def test_overlay_has_the_registered_columns_and_all_patches(done: Run) -> None:
    patches, parts = read(done.paths.overlay, "patches"), read(done.paths.overlay, "parts")
    assert tuple(patches.columns) == (*OVERLAID.fields, "geometry")
    assert tuple(parts.columns) == (*PARTS.fields, "geometry")
    extracted = read(done.paths.extract_patches, "patches")
    assert patches["patch_id"].tolist() == extracted["patch_id"].tolist()
    assert patches["area_m2"].tolist() == extracted["area_m2"].tolist()
    assert set(parts["patch_id"]) == set(patches["patch_id"])
    missing = ["pbf_m2", "redline_m2", "supplied_m2", "temporary_m2", "plan_conform_m2"]
    assert patches[missing].isna().all().all()
    assert done.told[-1] == ("套合分析", len(patches), len(patches))


def test_overlay_figures_of_one_patch(done: Run) -> None:
    row = read(done.paths.overlay, "patches").set_index("issued_id").loc["TB-1"]
    # columns 50–80: township border at 70, land use border at 61.3, approval 55–75; 20 rows
    scale = row["area_m2"] / 600.0
    assert row["township_code"] == "379999001"
    assert json.loads(row["straddles"]) == ["379999002"]
    assert row["responsible_code"] == "379999002"  # by the patrol area
    assert json.loads(row["responsible_candidates"]) == ["379999002"]
    assert row["cultivated_m2"] == pytest.approx(11.3 * 20 * scale, rel=1e-6)
    assert row["cultivated_net_m2"] == pytest.approx(0.9 * row["cultivated_m2"], rel=1e-12)
    assert row["construction_m2"] == pytest.approx(18.7 * 20 * scale, rel=1e-6)
    assert row["unclassified_m2"] == 0.0
    assert row["approved_m2"] == pytest.approx(20 * 20 * scale, rel=1e-6)


def test_parts_tile_their_patches_by_another_programs_area(done: Run) -> None:
    patches, parts = read(done.paths.overlay, "patches"), read(done.paths.overlay, "parts")
    for patch in patches.itertuples():
        mine = parts[parts["patch_id"] == patch.patch_id]
        areas = [geodesic_area_m2(shape) for shape in mine.geometry]
        assert list(mine["area_m2"]) == pytest.approx(areas, rel=1e-6, abs=1e-4)
        assert mine["area_m2"].sum() == pytest.approx(patch.area_m2, rel=1e-12)
        assert mine["area_mu100"].sum() == patch.area_mu100
        one, two = np.triu_indices(len(mine), 1)
        shapes = mine.geometry.to_numpy()
        assert shapely.area(shapely.intersection(shapes[one], shapes[two])).sum() < 1e-6


def test_counts_are_sums_of_what_is_in_the_file(done: Run) -> None:
    report = done.stage(overlay, "overlay").counts
    patches, parts = read(done.paths.overlay, "patches"), read(done.paths.overlay, "parts")
    assert (report["patches"], report["parts"]) == (len(patches), len(parts))
    assert report["area_mu100"] == patches["area_mu100"].sum()
    assert report["cultivated_m2"] == pytest.approx(patches["cultivated_m2"].sum())
    assert report["pbf_m2"] is None
    assert report["straddling"] == patches["straddles"].map(json.loads).map(bool).sum()
    assert report["responsibility_pending"] == 0
    assert isinstance(report["max_closure_error"], float)
    assert report["max_closure_error"] < 1e-9


def test_verify_agrees_and_sees_every_kind_of_change(done: Run, tmp_path: Path) -> None:
    patches, summary = done.paths.extract_patches, done.paths.extract_summary
    assert verify_patch_sums(patches, summary) == []
    assert verify_overlay_sums(done.paths.overlay, patches) == []
    changes = {
        "UPDATE parts SET area_m2 = area_m2 + 0.01 WHERE rowid = 1": "分块之和",
        "UPDATE parts SET area_mu100 = area_mu100 + 1 WHERE rowid = 2": "area_mu100",
        "UPDATE parts SET land_category = 'unused' WHERE land_category = 'cultivated'": "cultivat",
        "UPDATE parts SET approval_id = NULL": "approved_m2",
        "UPDATE patches SET construction_m2 = construction_m2 + 0.001": "五类地类",
        "UPDATE patches SET area_m2 = area_m2 + 0.001 WHERE rowid = 3": "面积不同",
        "UPDATE parts SET patch_id = 'X' WHERE rowid = 1": "X 不存在",
        "DELETE FROM patches WHERE rowid = 2": "没有套合结果",
        "UPDATE gaps_overlaps SET area_m2 = area_m2 + 0.001 WHERE rowid = 1": "所含分块之和",
        "DELETE FROM gaps_overlaps WHERE layer_name = 'land_use'": "地类空缺",
    }
    for sql, words in changes.items():
        copy = tmp_path / "overlay.gpkg"
        copy.write_bytes(done.paths.overlay.read_bytes())
        with closing(sqlite3.connect(copy)) as connection, connection:
            for name in ("patches", "parts", "gaps_overlaps"):
                for kind in ("update1", "update2", "update3", "update4", "update6", "update7"):
                    connection.execute(f"DROP TRIGGER IF EXISTS rtree_{name}_geom_{kind}")
                connection.execute(f"DROP TRIGGER IF EXISTS rtree_{name}_geom_delete")
            connection.execute(sql)
        found = verify_overlay_sums(copy, patches)
        assert any(words in finding.render() for finding in found), sql
        assert {finding.code for finding in found} == {"E-VERIFY-SUM"}


@pytest.mark.parametrize("key", ["issued", "absorbed", "absorbed_pixels", "detected_pixels"])
@pytest.mark.parametrize("by", [-1, 1])
def test_verify_recounts_where_the_detection_went(
    done: Run, tmp_path: Path, key: str, by: int
) -> None:
    stated = json.loads(done.paths.extract_summary.read_text(encoding="utf-8"))
    stated[key] += by
    (tmp_path / "summary.json").write_text(json.dumps(stated), encoding="utf-8")
    assert verify_patch_sums(done.paths.extract_patches, tmp_path / "summary.json") != []


def test_a_county_without_townships_is_refused(world: tuple[World, Path], tmp_path: Path) -> None:
    run = Run(world, tmp_path / "county")
    run.give({"land_use": LAYERS["land_use"]})
    run.stage(extract, "extract")
    with pytest.raises(InputError, match="乡镇") as error:
        run.stage(overlay, "overlay")
    assert error.value.findings[0].code == "E-COUNTY-MISSING"


def test_layers_in_another_crs_are_refused(world: tuple[World, Path], tmp_path: Path) -> None:
    run = Run(world, tmp_path / "county")
    run.paths.stage_dir("intake").mkdir()
    other = CRS_4547.from_epsg(4548)
    names = ("issued_patches", "townships")
    tables = {REFERENCE_LAYERS[n]: LAYERS[n].set_crs(other, allow_override=True) for n in names}
    write_layers(run.paths.intake_layers, tables, other.to_wkt())
    with pytest.raises(InputError) as error:
        run.stage(extract, "extract")
    assert error.value.findings[0].code == "E-LAYER-CRS"
    tables.pop(REFERENCE_LAYERS["issued_patches"])
    write_layers(run.paths.intake_layers, tables, other.to_wkt())
    run.stage(extract, "extract")
    with pytest.raises(InputError) as error:
        run.stage(overlay, "overlay")
    assert error.value.findings[0].code == "E-LAYER-CRS"


def test_no_patches_at_all(world: tuple[World, Path], tmp_path: Path, done: Run) -> None:
    run = Run(world, tmp_path / "county")
    run.give({"townships": LAYERS["townships"], "land_use": LAYERS["land_use"]})
    run.paths.stage_dir("extract").mkdir()
    tables = {
        spec: read(done.paths.extract_patches, spec.name).iloc[:0] for spec in (PATCHES, DROPPED)
    }
    write_layers(run.paths.extract_patches, tables, CRS_4547.to_wkt())
    report = run.stage(overlay, "overlay")
    assert (report.counts["patches"], report.counts["parts"]) == (0, 0)
    with fiona.open(run.paths.overlay, layer="parts") as source:
        assert len(source) == 0


def test_two_issued_patches_with_one_first_pixel_both_stay(
    world: tuple[World, Path], tmp_path: Path
) -> None:
    run = Run(world, tmp_path / "county")
    shape = MultiPolygon([pixels(220, 226, 150, 160)])
    rows = [{"issued_id": name, "geometry": shape} for name in ("B", "A")]
    run.give({**LAYERS, "issued_patches": overlay_factory.reference("issued_patches", rows)})
    run.stage(extract, "extract")
    found = read(run.paths.extract_patches, "patches")
    issued = found[found["issued_id"].notna()]
    assert issued["issued_id"].tolist() == ["A", "B"]
    assert found["patch_id"].is_unique
