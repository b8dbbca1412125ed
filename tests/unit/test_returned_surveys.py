from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fiona
import openpyxl
import pytest
import shapely
import shapely.affinity
from pyproj import CRS

from pipeline.io.returned.surveys import read_survey
from pipeline.schema.returned import ReturnKind, SurveyFeature
from tests.returned_factory import as_file, outline

RUN = CRS.from_epsg(4547)
ID, OTHER = "379999ZJ24000118", "379999SJBG24000039"
X, Y = 3_410_000.0, 500_100.0
"""North and east of the lower left corner of the surveyed square."""
SQUARE = [(X, Y), (X + 30, Y), (X + 30, Y + 30), (X, Y + 30)]
EXPECTED = shapely.box(Y, X, Y + 30, X + 30)


def read(path: Path, kind: ReturnKind, name: str | None = None) -> list[SurveyFeature]:
    return read_survey(as_file(path, kind, name), RUN)


def one(path: Path, kind: ReturnKind) -> SurveyFeature:
    (feature,) = read(path, kind)
    return feature


def problem(path: Path, kind: ReturnKind) -> tuple[str, str]:
    feature = one(path, kind)
    assert feature.geometry is None
    assert feature.crs is None
    assert feature.problem is not None
    assert feature.problem.where.startswith(path.name)
    assert feature.problem.advice
    return feature.problem.code, feature.problem.what


def require_square(feature: SurveyFeature, epsg: int, dx: float = 0.0) -> None:
    assert feature.problem is None, feature.problem
    assert feature.crs.to_epsg() == epsg
    moved = shapely.affinity.translate(EXPECTED, dx)
    assert shapely.equals(feature.geometry, moved)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def lines(points: list[tuple[float, float]], start: str = f"{ID},1", shift: float = 0.0) -> str:
    return "".join(
        f"{start},J{n},{x:.3f},{y + shift:.3f}\n" for n, (x, y) in enumerate(points, start=1)
    )


HEADER = "图斑编号,圈号,点号,X（北）,Y（东）\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk", "utf-16"])
def test_table_with_zone_numbers(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "jz.csv", HEADER + lines(SQUARE, shift=38e6), encoding)
    feature = one(path, "csv")
    require_square(feature, 4526, 38e6)
    assert (feature.patch_id, feature.row_no, feature.notices) == (ID, 2, ())


def test_table_without_zone_number_is_in_the_system_of_the_images_and_says_so(
    tmp_path: Path,
) -> None:
    feature = one(write(tmp_path / "jz.csv", HEADER + lines(SQUARE)), "csv")
    require_square(feature, 4547)
    assert [notice.code for notice in feature.notices] == ["N-RETURN-DOUBT"]


@pytest.mark.parametrize(
    ("statement", "epsg"),
    [
        ("坐标系：CGCS2000，3度带，带号 39", 4548),
        ("坐标系：2000国家大地坐标系　中央经线 117°", 4548),
        ("EPSG:4546", 4546),
        ("坐标系 2000国家大地坐标系 6度带 带号：20", 4509),
    ],
)
def test_statement_above_the_table(tmp_path: Path, statement: str, epsg: int) -> None:
    path = write(tmp_path / "jz.csv", f"界址点成果表\n{statement}\n" + HEADER + lines(SQUARE))
    feature = one(path, "csv")
    require_square(feature, epsg)
    assert feature.notices == ()


@pytest.mark.parametrize("epsg", [None, 4507, 4509, 9999, 4214])
def test_contradictory_statement(tmp_path: Path, epsg: int | None) -> None:
    head = "坐标系：CGCS2000 3度带 带号 39\n" if epsg is None else f"EPSG:{epsg}\n"
    shift = 38e6 if epsg not in (4214,) else 0.0
    path = write(tmp_path / "jz.csv", head + HEADER + lines(SQUARE, shift=shift))
    assert problem(path, "csv")[0] == "E-RETURN-GEOMETRY"


@pytest.mark.parametrize(
    "words", ["西安80坐标系", "1954北京坐标系", "坐标系=80国家大地坐标系", "地方独立坐标系"]
)
def test_old_datums_are_not_guessed_at(tmp_path: Path, words: str) -> None:
    path = write(tmp_path / "jz.csv", f"{words}\n" + HEADER + lines(SQUARE, shift=38e6))
    code, what = problem(path, "csv")
    assert code == "E-RETURN-GEOMETRY"
    assert "基准" in what


@pytest.mark.parametrize("shift", [0.0, 38e6])
def test_swapped_axes_are_turned_and_told(tmp_path: Path, shift: float) -> None:
    swapped = "".join(f"{ID},1,{n},{y + shift},{x}\n" for n, (x, y) in enumerate(SQUARE))
    feature = one(write(tmp_path / "jz.csv", HEADER + swapped), "csv")
    require_square(feature, 4526 if shift else 4547, shift)
    assert "写反" in feature.notices[-1].what


def test_title_that_names_the_axis(tmp_path: Path) -> None:
    """X(东) and Y(北), as GIS programs write it, is no mistake."""
    text = "图斑编号,点号,X(东),Y(北)\n"
    text += "".join(f"{ID},{n},{y + 38e6},{x}\n" for n, (x, y) in enumerate(SQUARE))
    feature = one(write(tmp_path / "jz.csv", text), "csv")
    require_square(feature, 4526, 38e6)
    assert feature.notices == ()


def test_degrees(tmp_path: Path) -> None:
    text = f"图斑编号,点号,经度,纬度\n{ID},1,114.1,30.1\n,2,114.2,30.1\n,3,114.2,30.2\n"
    feature = one(write(tmp_path / "jz.csv", text), "csv")
    assert feature.problem is None
    assert feature.crs.to_epsg() == 4490
    assert shapely.equals(
        feature.geometry, shapely.Polygon([(114.1, 30.1), (114.2, 30.1), (114.2, 30.2)])
    )


def test_id_and_ring_written_once(tmp_path: Path) -> None:
    """People write an id in the first row only; rings are holes, parcels are parts."""
    hole = [(X + 10, Y + 10), (X + 20, Y + 10), (X + 20, Y + 20), (X + 10, Y + 20)]
    island = [(X + 14, Y + 14), (X + 16, Y + 14), (X + 16, Y + 16), (X + 14, Y + 16)]
    rows = ["图斑编号,地块号,圈号,点号,X坐标(米),Y坐标(米),测量单位,测量日期"]
    for key, parcel, ring, points, dx in (
        (ID, "1", "1", SQUARE, 0),
        ("", "", "2", hole, 0),
        ("", "", "3", island, 0),
        ("", "2", "1", SQUARE, 100),
        (OTHER, "", "", SQUARE, 200),
    ):
        for n, (x, y) in enumerate(points):
            start = f"{key},{parcel},{ring}" if n == 0 else ",,"
            who = "某测绘院,2024-11-03" if n == 0 else ","
            rows.append(f"{start},J{n + 1},{x + dx},{y + 38e6},{who}")
    first, second, third = read(write(tmp_path / "jz.csv", "\n".join(rows)), "csv")
    assert [f.patch_id for f in (first, second, third)] == [ID, ID, OTHER]
    assert first.geometry.area == pytest.approx(900 - 100 + 4)
    assert [len(part.interiors) for part in first.geometry.geoms] == [1, 0]
    assert second.geometry.area == pytest.approx(900)
    assert (first.surveyed_by, first.surveyed_date) == ("某测绘院", "2024-11-03")
    assert [f.row_no for f in (first, second, third)] == [2, 14, 18]


def test_table_in_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["实测界址点成果表"])
    sheet.append(["图斑编号", "点号", "纵坐标X(m)", "横坐标Y(m)"])
    for n, (x, y) in enumerate(SQUARE, start=1):
        sheet.append([ID, f"J{n}", x, y + 38e6])
    book.save(tmp_path / "jz.xlsx")
    require_square(one(tmp_path / "jz.xlsx", "xlsx"), 4526, 38e6)


NATIONAL = """[属性描述]
格式版本号=1.01版本
数据产生单位=某测绘院
数据产生日期=2024-11-03
坐标系=2000国家大地坐标系
几度分带=3
投影类型=高斯克吕格
计量单位=米
带号={zone}
精度=0.001
转换参数=,,,,,,
[地块坐标]
5,0.0900,{id},某地块,面,H50,工业用地,0601,@
"""


def national(zone: int = 38, shift: float = 38e6, key: str = ID) -> str:
    ring = [*SQUARE, SQUARE[0]]
    points = "".join(f"J{n % 4 + 1},1,{x:.3f},{y + shift:.3f}\r\n" for n, (x, y) in enumerate(ring))
    return NATIONAL.format(zone=zone, id=key).replace("\n", "\r\n") + points


@pytest.mark.parametrize("kind", ["survey_table", "csv"])
@pytest.mark.parametrize("encoding", ["gbk", "utf-8-sig"])
def test_national_text_format(tmp_path: Path, encoding: str, kind: ReturnKind) -> None:
    feature = one(write(tmp_path / "bb.txt", national(), encoding), kind)
    require_square(feature, 4526, 38e6)
    assert feature.patch_id == ID
    assert (feature.surveyed_by, feature.surveyed_date) == ("某测绘院", "2024-11-03")
    assert feature.row_no == 14
    assert feature.notices == ()


def test_national_text_format_with_the_zone_in_the_head_only(tmp_path: Path) -> None:
    require_square(one(write(tmp_path / "bb.txt", national(39, 0.0)), "survey_table"), 4548)


def test_national_text_format_with_several_parcels(tmp_path: Path) -> None:
    text = national() + national(key=OTHER).partition("[地块坐标]\r\n")[2]
    assert [f.patch_id for f in read(write(tmp_path / "bb.txt", text), "survey_table")] == [
        ID,
        OTHER,
    ]


def test_file_name_tells_the_patch(tmp_path: Path) -> None:
    path = write(tmp_path / "bb.txt", national(key="1"), "gbk")
    (feature,) = read(path, "survey_table", f"379999100/survey/{ID}_2 界址.txt")
    assert feature.patch_id == f"{ID}_2"


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        (HEADER + lines(SQUARE[:2], shift=38e6), "E-RETURN-GEOMETRY", "太少"),
        (HEADER + lines([*SQUARE[:2], SQUARE[0]], shift=38e6), "E-RETURN-GEOMETRY", "太少"),
        (
            HEADER + lines(SQUARE, shift=38e6).replace("500100", "五十"),
            "E-RETURN-GEOMETRY",
            "不是数字",
        ),
        (HEADER + lines([(1.0, 2.0), *SQUARE]), "E-RETURN-GEOMETRY", "大小"),
        (HEADER + lines([(x + 9e6, y) for x, y in SQUARE]), "E-RETURN-GEOMETRY", "大小"),
        (
            HEADER + lines(SQUARE[:2], shift=38e6) + lines(SQUARE, shift=39e6),
            "E-RETURN-GEOMETRY",
            "不一致",
        ),
        (HEADER + lines(SQUARE, shift=24e6), "E-RETURN-GEOMETRY", "带号"),
        (HEADER, "E-RETURN-UNKNOWN", "没有找到界址点"),
        ("甲,乙\n1,2\n", "E-RETURN-UNKNOWN", "表头"),
        ("", "E-RETURN-UNKNOWN", "表头"),
        ("[地块坐标]\n", "E-RETURN-FILE", "没有界址点"),
    ],
)
def test_tables_that_are_no_boundaries(tmp_path: Path, text: str, code: str, word: str) -> None:
    found = problem(write(tmp_path / "jz.csv", text), "csv")
    assert found[0] == code
    assert word in found[1]


def test_one_bad_boundary_does_not_spoil_the_others(tmp_path: Path) -> None:
    text = HEADER + lines(SQUARE, shift=38e6) + lines(SQUARE[:2], f"{OTHER},1", 38e6)
    good, bad = read(write(tmp_path / "jz.csv", text), "csv")
    require_square(good, 4526, 38e6)
    assert bad.problem is not None
    assert bad.patch_id == OTHER


def write_layer(path: Path, driver: str, crs: str | None, encoding: str = "UTF-8") -> Path:
    # A dbf keeps ten bytes of a name, and fiona does not take names cut inside a character.
    is_short = driver == "ESRI Shapefile" and encoding == "UTF-8"
    id_name, who_name = ("JCBH", "CLDW") if is_short else ("图斑编号", "测量单位")
    names = {id_name: "str:40", who_name: "str:40", "surveyed_date": "str:20"}
    schema = {"geometry": "Polygon", "properties": names}
    with fiona.open(path, "w", driver, schema, crs, encoding) as sink:
        for key, n in ((ID, 0), (OTHER, 1)):
            properties = {id_name: key, who_name: "某测绘院", "surveyed_date": "2024-11-03"}
            shape = shapely.geometry.mapping(outline(n).geoms[0])
            sink.write({"geometry": shape, "properties": properties})
    return path


@pytest.mark.parametrize("encoding", ["UTF-8", "GBK"])
@pytest.mark.parametrize("with_cpg", [True, False])
def test_shapefile(tmp_path: Path, encoding: str, with_cpg: bool) -> None:
    path = write_layer(tmp_path / "jz!界址.shp", "ESRI Shapefile", "EPSG:4547", encoding)
    if not with_cpg:
        path.with_suffix(".cpg").unlink()
    features = read(path, "shp")
    assert [f.patch_id for f in features] == [ID, OTHER]
    for n, feature in enumerate(features):
        assert feature.problem is None
        assert shapely.equals(feature.geometry, outline(n))
        assert feature.surveyed_by == "某测绘院"
        assert feature.surveyed_date == "2024-11-03"
        assert feature.crs.to_epsg(min_confidence=20) == 4547


def test_shapefile_without_prj(tmp_path: Path) -> None:
    path = write_layer(tmp_path / "jz.shp", "ESRI Shapefile", "EPSG:4547")
    path.with_suffix(".prj").unlink()
    problems = [f.problem for f in read(path, "shp")]
    assert {p.code for p in problems if p} == {"E-RETURN-GEOMETRY"}
    assert all(p and "坐标系" in p.what for p in problems)


@pytest.mark.parametrize("suffix", [".dbf", ".shx"])
def test_shapefile_that_is_not_whole(tmp_path: Path, suffix: str) -> None:
    path = write_layer(tmp_path / "jz.shp", "ESRI Shapefile", "EPSG:4547")
    path.with_suffix(suffix).unlink()
    assert problem(path, "shp")[0] == "E-RETURN-FILE"


def test_geopackage(tmp_path: Path) -> None:
    path = write_layer(tmp_path / "jz.gpkg", "GPKG", "EPSG:4526")
    features = read(path, "gpkg")
    assert [(f.patch_id, f.row_no) for f in features] == [(ID, 1), (OTHER, 2)]
    for n, feature in enumerate(features):
        assert feature.problem is None
        assert shapely.equals(feature.geometry, outline(n))
        assert feature.crs.to_epsg() == 4526
        assert feature.surveyed_by == "某测绘院"


def geojson(path: Path, geometry: Any, **more: Any) -> Path:
    feature = {"type": "Feature", "properties": {"patch_id": ID}, "geometry": geometry}
    document = {"type": "FeatureCollection", "features": [feature], **more}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_geojson(tmp_path: Path) -> None:
    shape = shapely.geometry.mapping(EXPECTED)
    name = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4547"}}
    require_square(one(geojson(tmp_path / "a.geojson", shape, crs=name), "geojson"), 4547)
    degrees = one(geojson(tmp_path / "a.geojson", shape), "geojson")
    assert degrees.crs.to_epsg() == 4490
    assert degrees.patch_id == ID


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        "text",
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[["a", "b"]]]},
        {"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]},
        {"type": "MultiPolygon", "coordinates": 7},
        {"type": "Polygon", "coordinates": {"a": 1}},
    ],
)
def test_geojson_without_outline(tmp_path: Path, geometry: Any) -> None:
    assert problem(geojson(tmp_path / "a.geojson", geometry), "geojson")[0] == "E-RETURN-GEOMETRY"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"features": 1}', "[" * 200_000])
def test_no_geojson(tmp_path: Path, text: str) -> None:
    code, _ = problem(write(tmp_path / "a.geojson", text), "geojson")
    assert code in ("E-RETURN-FILE", "E-RETURN-UNKNOWN")


def test_geojson_with_a_crs_nobody_knows(tmp_path: Path) -> None:
    name = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC::X"}}
    path = geojson(tmp_path / "a.geojson", shapely.geometry.mapping(EXPECTED), crs=name)
    assert problem(path, "geojson")[0] == "E-RETURN-GEOMETRY"
