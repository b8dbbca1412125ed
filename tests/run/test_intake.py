"""Stage 1 as a whole: small delivered counties with known faults."""

from __future__ import annotations

import csv
import datetime
import io
import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from pipeline.config.models import ImageInput, LayerSource, RunConfig
from pipeline.errors import InputError
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import read_layer
from pipeline.schema.layers import FINDINGS
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages import intake
from pipeline.stages.context import StageContext, StageReport
from tests.factories import _silent, dispatching, write_raster
from tests.reference_files import (
    LEFT,
    TOP,
    TOWN_FIELDS,
    old_shapefile,
    run_config,
    square,
    town_source,
    towns,
    write,
)

LAND_FIELDS = {"land_class_code": "地类编码", "bund_ratio": "KCXS"}


def take_in(run: RunConfig, folder: Path) -> tuple[StageReport, RunPaths]:
    """The stage, called as the runner calls it."""
    paths = RunPaths(folder / "runs" / "test")
    paths.stage_dir("intake").mkdir(parents=True, exist_ok=True)
    with dispatching(1) as local:
        report = intake.run(StageContext(run, paths, local, local, 1024, _silent))
    return report, paths


def findings(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def told(path: Path, *, layer: str = "") -> list[tuple[str, str, str]]:
    """Code, row and value of every finding beside those of absent layers."""
    return [
        (row["问题代码"], row["源行号"], row["现值"])
        for row in findings(path)
        if row["问题代码"] != "N-LAYER-ABSENT" and layer in row["图层"]
    ]


def refused(run: RunConfig, folder: Path) -> tuple[list[str], str]:
    """Codes and the whole text of a refused intake."""
    with pytest.raises(InputError) as caught:
        take_in(run, folder)
    return [finding.code for finding in caught.value.findings], str(caught.value)


def fields(layer: Path, **names: str) -> LayerSource:
    return LayerSource(path=str(layer), fields=names)


def land_squares() -> list[Any]:
    return [square(c, r) for r in range(0, 400, 100) for c in range(0, 400, 100)]


def land_source(folder: Path, shapes: list[Any], **changes: Any) -> LayerSource:
    n = len(shapes)
    old_shapefile(
        folder / "dltb.shp",
        shapes,
        {"地类编码": ["0101"] * n, "KCXS": ["0.12"] * n},
        "gbk",
        language_id=0x4D,
    )
    given = {"fields": LAND_FIELDS, "vintage": datetime.date(2023, 12, 31)}
    return LayerSource(path=str(folder / "dltb.shp"), **(given | changes))


def test_a_faultless_county(tmp_path: Path) -> None:
    layers = {"townships": town_source(tmp_path), "land_use": land_source(tmp_path, land_squares())}
    report, paths = take_in(run_config(tmp_path, layers), tmp_path)
    assert told(paths.intake_findings_csv) == []
    assert report.counts["features"] == 18
    assert report.counts["findings_blocking"] == 0
    assert [notice.code for notice in report.notices] == ["N-LAYER-ABSENT"]
    land = read_layer(paths.intake_layers, REFERENCE_LAYERS["land_use"])
    assert land.crs.to_epsg() == 4547
    assert set(land["land_class_code"]) == {"0101"}
    assert land["bund_ratio"].tolist() == [0.12] * 16
    assert land["vintage_date"].tolist() == ["2023-12-31"] * 16
    assert land["feature_id"].tolist()[:2] == ["land_use-000001", "land_use-000002"]
    assert len(read_layer(paths.intake_findings, FINDINGS)) == 0
    absent = [r for r in findings(paths.intake_findings_csv) if r["问题代码"] == "N-LAYER-ABSENT"]
    assert len(absent) == len(REFERENCE_LAYERS) - 2
    assert all("：" in row["问题"] for row in absent)


def test_every_fault_of_a_dirty_county_has_its_place(tmp_path: Path) -> None:
    shapes = land_squares()
    shapes[5] = square(90, 100, 110, 100)
    shapes[12] = shapely.Polygon(
        [(LEFT, TOP - 400), (LEFT + 100, TOP - 300), (LEFT + 100, TOP - 400), (LEFT, TOP - 300)]
    )
    del shapes[10]
    source = land_source(tmp_path, shapes, vintage=datetime.date(2024, 12, 31))
    layers = {"townships": town_source(tmp_path), "land_use": source}
    _, paths = take_in(run_config(tmp_path, layers), tmp_path)
    assert told(paths.intake_findings_csv) == [
        ("N-LAYER-REPAIRED", "12", "边线自相交；面积变化 +5000.00 m²"),
        ("N-LAYER-OVERLAP", "5", "land_use-000005 与 land_use-000006 重叠 1000.00 m²"),
        ("N-LAYER-GAP", "", "共 15000.0 m²，占乡镇面积 9.38%"),
        ("N-LAYER-GAP", "", "10000.00 m²"),
        ("N-LAYER-GAP", "", "2500.00 m²"),
        ("N-LAYER-GAP", "", "2500.00 m²"),
        ("N-LAYER-VINTAGE", "1", "时点 2024-12-31，前时相 2024-05-06，15 个图斑"),
    ]
    table = read_layer(paths.intake_findings, FINDINGS)
    places = dict(zip(table["finding_code"], table.geometry, strict=True))
    assert places["N-LAYER-REPAIRED"].equals(shapely.Point(LEFT + 50, TOP - 350))
    assert square(90, 100, 10, 100).contains(places["N-LAYER-OVERLAP"])
    gaps = table[table["finding_code"] == "N-LAYER-GAP"].geometry
    assert square(200, 200).contains(gaps.iloc[0])
    numbers = {row["序号"]: row for row in findings(paths.intake_findings_csv)}
    for number, code in zip(table["finding_no"], table["finding_code"], strict=True):
        assert numbers[str(number)]["问题代码"] == code


def test_layers_in_other_systems_come_into_the_working_one(tmp_path: Path) -> None:
    issued = gpd.GeoDataFrame(
        {"JCBH": ["A", "B"], "TBLX": ["20", "01"], "JCMJ": [15.0, 3.0]},
        geometry=[square(10, 10), square(150, 150)],
        crs=4547,
    )
    roads = gpd.GeoDataFrame(
        {"DJ": ["县道"]},
        geometry=[shapely.LineString([(LEFT, TOP - 50), (LEFT + 300, TOP - 50)])],
        crs=4547,
    )
    layers = {
        "townships": town_source(tmp_path),
        "issued_patches": LayerSource(
            path=str(write(issued.to_crs(4526), tmp_path / "issued.shp", encoding="GBK")),
            fields={"issued_id": "JCBH", "tblx": "TBLX", "stated_area_m2": "JCMJ"},
            units={"stated_area_m2": "mu"},
        ),
        "roads": fields(write(roads.to_crs(4490), tmp_path / "roads.geojson"), road_class="DJ"),
    }
    _, paths = take_in(run_config(tmp_path, layers), tmp_path)
    taken = read_layer(paths.intake_layers, REFERENCE_LAYERS["issued_patches"])
    assert shapely.hausdorff_distance(taken.geometry[0], square(10, 10)) < 1e-3
    assert taken["change_kind"].tolist() == ["building", "crop"]
    road = read_layer(paths.intake_layers, REFERENCE_LAYERS["roads"])
    assert road.geometry[0].length == pytest.approx(300, abs=1e-3)
    assert shapely.get_num_coordinates(road.geometry[0]) > 3
    # 15 mu are 10,000 m², as drawn; 3 mu are not.
    assert told(paths.intake_findings_csv) == [
        ("N-LAYER-AREA", "2", "B：下发 2000.0 m²，图形 10000.0 m²")
    ]


@pytest.mark.parametrize(
    ("stated", "code", "word"),
    [
        ("EPSG:4526", "E-LAYER-ZONE", "crs: EPSG:4547"),
        ("EPSG:4490", "E-LAYER-DEGREES", "crs: EPSG:4547"),
        ("EPSG:2382", "E-LAYER-DATUM", "西安80"),
    ],
)
def test_a_wrong_system_is_told_with_the_right_one(
    tmp_path: Path, stated: str, code: str, word: str
) -> None:
    path = old_shapefile(tmp_path / "r.shp", [square(0, 0)], {"N": ["a"]}, "gbk", crs=None)
    path.with_suffix(".prj").unlink(missing_ok=True)
    source = LayerSource(path=str(path), crs=stated)
    layers = {"townships": town_source(tmp_path), "nature_reserve": source}
    codes, text = refused(run_config(tmp_path, layers), tmp_path)
    assert codes == [code]
    assert word in text


def test_a_file_without_system_names_those_that_fit(tmp_path: Path) -> None:
    path = old_shapefile(tmp_path / "r.shp", [square(0, 0)], {"N": ["a"]}, "gbk", crs=None)
    path.with_suffix(".prj").unlink(missing_ok=True)
    layers = {"townships": town_source(tmp_path), "nature_reserve": LayerSource(path=str(path))}
    codes, text = refused(run_config(tmp_path, layers), tmp_path)
    assert codes == ["E-LAYER-NOCRS"]
    assert "EPSG:4547" in text
    good = {**layers, "nature_reserve": LayerSource(path=str(path), crs="EPSG:4547")}
    take_in(run_config(tmp_path, good), tmp_path)


def test_a_layer_in_the_zone_next_door_is_no_supplied_layer(tmp_path: Path) -> None:
    """It would touch nothing, and "nothing is protected here" would be believed."""
    table = gpd.GeoDataFrame({"MC": ["保护区"]}, geometry=[square(0, 0)], crs=4549)
    source = fields(write(table, tmp_path / "r.gpkg"), feature_name="MC")
    layers = {"townships": town_source(tmp_path), "permanent_basic_farmland": source}
    codes, text = refused(run_config(tmp_path, layers), tmp_path)
    assert codes == ["E-LAYER-CRS"]
    assert "crs: EPSG:4547" in text
    right = source.model_copy(update={"crs": "EPSG:4547"})
    _, paths = take_in(run_config(tmp_path, layers | {"permanent_basic_farmland": right}), tmp_path)
    assert [code for code, _, _ in told(paths.intake_findings_csv)] == ["N-LAYER-CRS"]


def test_all_blocking_problems_are_told_and_the_page_survives(tmp_path: Path) -> None:
    table = towns()
    table.loc[1, "LX"] = "村"
    layers = {
        "townships": fields(write(table, tmp_path / "t.gpkg"), **TOWN_FIELDS),
        "land_use": land_source(tmp_path, land_squares(), fields={"land_class_code": "地类编号"}),
        "roads": fields(Path("https://example.org/r.shp"), road_class="A"),
        "leads": fields(tmp_path / "none.csv", lead_date="A"),
    }
    run = run_config(tmp_path, layers, after=ImageInput(path=str(tmp_path / "no.tif")))
    codes, text = refused(run, tmp_path)
    assert sorted(set(codes)) == [
        "E-CONFIG-VALUE",
        "E-FILE-MISSING",
        "E-FILE-REFUSED",
        "E-LAYER-CODE",
        "E-LAYER-FIELD",
    ]
    folder = tmp_path / "runs" / "test" / "intake_failed"
    assert folder.as_posix() in text
    listed = {row["问题代码"] for row in findings(folder / "findings.csv")}
    assert set(codes) <= listed
    assert "不能入库" in (folder / "report.html").read_text(encoding="utf-8")
    assert list((tmp_path / "runs" / "test" / "intake").iterdir()) == []
    # Solved, the refused page would only mislead.
    take_in(run_config(tmp_path, {"townships": town_source(tmp_path)}), tmp_path)
    assert not folder.exists()


def test_nothing_tells_where_the_files_lie(tmp_path: Path) -> None:
    layers = {
        "townships": town_source(tmp_path),
        "land_use": land_source(tmp_path, land_squares()[:-1]),
        "leads": fields(tmp_path / "none.csv", lead_date="A"),
    }
    refused(run_config(tmp_path, layers), tmp_path)
    for path in (tmp_path / "runs" / "test" / "intake_failed").iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()


def test_missing_townships_stop_the_work(tmp_path: Path) -> None:
    codes, _ = refused(
        run_config(tmp_path, {"land_use": land_source(tmp_path, land_squares())}), tmp_path
    )
    assert codes == ["E-COUNTY-MISSING"]


def test_comparison_only_runs_get_an_empty_result(tmp_path: Path) -> None:
    report, paths = take_in(run_config(tmp_path, {}, county=None), tmp_path)
    assert report.counts["layers"] == 0
    assert "只比较影像" in report.notices[0].what
    assert len(read_layer(paths.intake_layers, REFERENCE_LAYERS["townships"])) == 0
    assert paths.intake_report.exists()


def test_versions_of_a_township_and_a_zone_over_it(tmp_path: Path) -> None:
    def version(code: str, kind: str, shape: Any, start: str | None, end: str | None) -> list[Any]:
        return [code, kind, shape, start, end]

    rows = [
        version("379999001", "镇", square(0, 0, 200, 400), None, "20240630"),
        version("379999001", "镇", square(0, 0, 250, 400), "20240701", None),
        version("379999002", "乡", square(200, 0, 200, 400), None, "20240630"),
        version("379999002", "乡", square(250, 0, 150, 400), "20240701", "99991231"),
        version("379999400", "开发区", square(100, 100, 50, 50), None, None),
    ]

    def layer(rows: list[list[Any]], name: str) -> LayerSource:
        table = gpd.GeoDataFrame(
            {
                "XZQDM": [row[0] for row in rows],
                "XZQMC": ["某镇"] * len(rows),
                "LX": [row[1] for row in rows],
                "Q": [row[3] for row in rows],
                "Z": [row[4] for row in rows],
            },
            geometry=[row[2] for row in rows],
            crs=4547,
        )
        names = TOWN_FIELDS | {"valid_from_date": "Q", "valid_to_date": "Z"}
        return fields(write(table, tmp_path / name), **names)

    _, paths = take_in(run_config(tmp_path, {"townships": layer(rows, "a.gpkg")}), tmp_path)
    assert told(paths.intake_findings_csv) == []
    rows[0][4] = "20240701"
    run = run_config(tmp_path, {"townships": layer(rows, "b.gpkg")})
    codes, text = refused(run, tmp_path)
    assert codes == ["E-LAYER-VERSION"]
    assert "379999001" in text
    for row in rows:
        row[3], row[4] = None, "20200101"
    codes, text = refused(run_config(tmp_path, {"townships": layer(rows[::2], "c.gpkg")}), tmp_path)
    assert "没有一个乡镇在后时相当天有效" in text


def test_issued_patches_are_never_lost(tmp_path: Path) -> None:
    def run(ids: list[str], shapes: list[Any]) -> RunConfig:
        table = gpd.GeoDataFrame({"JCBH": ids}, geometry=shapes, crs=4547)
        path = write(table, tmp_path / "i.gpkg")
        source = fields(path, issued_id="JCBH")
        return run_config(tmp_path, {"townships": town_source(tmp_path), "issued_patches": source})

    twice = run(["A", "A"], [square(0, 0), square(200, 0)])
    assert refused(twice, tmp_path)[0] == ["E-LAYER-DUPLICATE"]
    (tmp_path / "i.gpkg").unlink()
    codes, _ = refused(run(["A", "B"], [square(0, 0), None]), tmp_path)
    assert codes == ["E-GEOMETRY-NONE"]
    (tmp_path / "i.gpkg").unlink()
    _, paths = take_in(run(["A", "B"], [square(0, 0), square(350, 0)]), tmp_path)
    assert told(paths.intake_findings_csv) == []
    (tmp_path / "i.gpkg").unlink()
    _, paths = take_in(run(["A", "B"], [square(0, 0), square(360, 0)]), tmp_path)
    assert told(paths.intake_findings_csv) == [("N-LAYER-OUTSIDE", "2", "B：在内 40%")] * 2
    assert len(read_layer(paths.intake_layers, REFERENCE_LAYERS["issued_patches"])) == 2


def test_several_files_make_one_layer_with_unique_ids(tmp_path: Path) -> None:
    first = gpd.GeoDataFrame({"BSM": ["1", "1"]}, geometry=[square(0, 0), square(100, 0)], crs=4547)
    second = gpd.GeoDataFrame({"MC": ["甲"]}, geometry=[square(200, 0)], crs=4547).to_crs(4526)
    sources = (
        fields(write(first, tmp_path / "a.gpkg"), feature_id="BSM"),
        fields(write(second, tmp_path / "b.shp", encoding="GBK"), feature_name="MC"),
    )
    layers = {"townships": town_source(tmp_path), "nature_reserve": sources}
    _, paths = take_in(run_config(tmp_path, layers), tmp_path)
    table = read_layer(paths.intake_layers, REFERENCE_LAYERS["nature_reserve"])
    assert table["feature_id"].tolist() == ["1", "1-2", "nature_reserve-000003"]
    assert told(paths.intake_findings_csv) == [("N-LAYER-DUPLICATE", "2", "1")]


def test_a_ledger_with_half_its_places(tmp_path: Path) -> None:
    text = "日期,东,北,人员\n2024年6月1日,500100,3399900,张三\n20240631,500200,3399800,\n,,,王五\n"
    (tmp_path / "p.csv").write_bytes(text.encode("gbk"))
    source = LayerSource(
        path=str(tmp_path / "p.csv"),
        crs="EPSG:4547",
        fields={"x": "东", "y": "北", "patrol_date": "日期", "person_name": "人员"},
    )
    layers = {"townships": town_source(tmp_path), "patrol_records": source}
    _, paths = take_in(run_config(tmp_path, layers), tmp_path)
    assert told(paths.intake_findings_csv) == [
        ("N-LAYER-ENCODING", "", "GBK/GB18030"),
        ("N-GEOMETRY-NONE", "3", "空"),
        ("N-LAYER-DATE", "2", "20240631"),
    ]
    table = read_layer(paths.intake_layers, REFERENCE_LAYERS["patrol_records"])
    assert table["patrol_date"].tolist()[0] == "2024-06-01"
    assert table["patrol_date"].isna().tolist() == [False, True]
    assert table["person_name"].isna().tolist() == [False, True]


def test_codes_must_nest(tmp_path: Path) -> None:
    villages = gpd.GeoDataFrame(
        {"DM": ["379999001001", "379999009001"], "MC": ["一村", "二村"]},
        geometry=[square(0, 0), square(100, 0)],
        crs=4547,
    )
    source = fields(write(villages, tmp_path / "v.gpkg"), village_code="DM", village_name="MC")
    layers = {"townships": town_source(tmp_path), "villages": source}
    _, paths = take_in(run_config(tmp_path, layers, county_code="370000"), tmp_path)
    assert told(paths.intake_findings_csv) == [
        ("N-LAYER-NEST", "1", "379999001"),
        ("N-LAYER-NEST", "2", "379999002"),
        ("N-LAYER-GAP", "", "共 140000.0 m²，占乡镇面积 87.50%"),
        ("N-LAYER-GAP", "", "140000.00 m²"),
        ("N-LAYER-NEST", "2", "379999009001"),
    ]


def test_a_layer_far_away_is_told_and_stops_only_if_required(tmp_path: Path) -> None:
    far = gpd.GeoDataFrame({"MC": ["远"]}, geometry=[square(90_000, 0)], crs=4547)
    source = fields(write(far, tmp_path / "far.gpkg"), feature_name="MC")
    layers = {"townships": town_source(tmp_path), "nature_reserve": source}
    _, paths = take_in(run_config(tmp_path, layers), tmp_path)
    (row,) = [r for r in findings(paths.intake_findings_csv) if r["问题代码"] == "N-LAYER-EXTENT"]
    assert row["严重程度"] == "提示"
    table = towns()
    table["geometry"] = table.translate(90_000, 0)
    layers = {"townships": fields(write(table, tmp_path / "t.gpkg"), **TOWN_FIELDS)}
    assert refused(run_config(tmp_path, layers), tmp_path)[0] == ["E-LAYER-EXTENT"]


def test_images_are_checked_here_already(tmp_path: Path) -> None:
    run = run_config(tmp_path, {"townships": town_source(tmp_path)})
    write_raster(tmp_path / "mask.tif", np.zeros((10, 10), np.uint8), crs=32650)
    images = {
        "before": ImageInput(path=run.before.path, date=run.before.date, bands=("red", "nir")),
        "after": ImageInput(path=run.after.path, mask=str(tmp_path / "mask.tif")),
    }
    codes, text = refused(run.model_copy(update=images), tmp_path)
    assert set(codes) == {"E-RASTER-BANDS", "E-CONFIG-VALUE", "E-MASK-GRID"}
    assert "前时相：" in text
    assert "影像，before.tif\n" in text
    assert "影像，mask.tif\n" in text
    assert str(tmp_path) not in text.partition("全部问题")[0]
    no_crs = write_raster(tmp_path / "plain.tif", np.ones((4, 50, 50), np.uint16), crs=None)
    plain = ImageInput(path=str(no_crs), date=datetime.date(2024, 1, 1))
    later = ImageInput(path=str(no_crs), date=datetime.date(2024, 2, 1))
    run = run.model_copy(update={"before": plain, "after": later, "gsd_m": 2.0})
    codes = refused(run, tmp_path)[0]
    assert set(codes) == {"E-RASTER-NOCRS", "E-IMAGE-BAND", "E-IMAGE-SAME"}


def test_the_page_stands_alone_and_shows_everything(tmp_path: Path) -> None:
    table = towns()
    table.loc[0, "XZQMC"] = "<script>alert(1)</script>镇"
    layers = {
        "townships": fields(write(table, tmp_path / "t.gpkg"), **TOWN_FIELDS),
        "land_use": land_source(tmp_path, land_squares()[1:]),
    }
    run = run_config(tmp_path, layers, period="2024年第三季度")
    _, paths = take_in(run, tmp_path)
    page = paths.intake_report.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    # The only address is the name of the SVG dialect, which nothing fetches.
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}
    for text in ("示例县（379999）", "2024年第三季度", "2024-05-06", "before.tif", "dltb.shp"):
        assert text in page
    assert "EPSG:4547" in page
    assert "未提供的图层" in page
    assert page.count("<circle") == 1
    assert not re.search(r"(?<!疑似)(违法|非法)", page)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    layers = {"townships": town_source(tmp_path), "land_use": land_source(tmp_path, land_squares())}
    run = run_config(tmp_path, layers)
    _, first = take_in(run, tmp_path)
    contents = {p.name: p.read_bytes() for p in first.stage_dir("intake").iterdir()}
    _, second = take_in(run, tmp_path)
    assert {p.name: p.read_bytes() for p in second.stage_dir("intake").iterdir()} == contents
    assert set(contents) == {"layers.gpkg", "findings.gpkg", "findings.csv", "report.html"}
