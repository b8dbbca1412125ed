"""Reading delivered layers: formats, encodings, cut names, refusals."""

from __future__ import annotations

import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from pipeline.errors import InputError
from pipeline.io.dbf import read_dbf
from pipeline.io.encodings import choose_encoding, codec_of
from pipeline.io.point_table import read_point_table, write_table
from pipeline.io.reference import SourceRequest, format_of, read_source
from pipeline.io.source_files import files_of_source
from pipeline.schema.headers import match_header
from tests.reference_files import old_shapefile, square, towns, write, write_dbf

NAMES = ["东河镇", "堉垟埇㘵", "西山乡"]


def refused(path: Path, **request: object) -> tuple[str, str]:
    """Code and whole text of the one finding."""
    with pytest.raises(InputError) as caught:
        read_source(SourceRequest(path, **request))  # type: ignore[arg-type]
    (finding,) = caught.value.findings
    return finding.code, finding.render()


@pytest.mark.parametrize("suffix", [".shp", ".gdb", ".gpkg", ".geojson"])
def test_four_formats_give_the_same_texts_and_places(tmp_path: Path, suffix: str) -> None:
    table = towns(4490 if suffix == ".geojson" else 4547)
    table["SL"] = [1, None]
    options = {"encoding": "GBK"} if suffix == ".shp" else {}
    raw, findings = read_source(SourceRequest(write(table, tmp_path / f"镇{suffix}", **options)))
    assert findings == []
    assert raw.columns["XZQMC"].values.tolist() == ["东河镇", "西山乡"]
    assert raw.columns["SL"].values.tolist() == ["1", None]
    assert raw.columns["SL"].is_numeric
    assert not raw.columns["XZQDM"].is_numeric
    assert raw.rows.tolist() == [1, 2]
    assert shapely.area(shapely.symmetric_difference(raw.geometry, table.geometry)).max() < 1e-2


@pytest.mark.parametrize(
    ("encoding", "language_id", "note"),
    [
        ("gbk", 0x00, "判断为 GBK/GB18030"),
        ("gbk", 0x57, "判断为 GBK/GB18030"),
        ("gbk", 0x4D, ""),
        ("utf-8", 0x00, "判断为 UTF-8"),
        ("gb18030", 0x00, "判断为 GBK/GB18030"),
    ],
)
def test_a_table_without_cpg_reads_right(
    tmp_path: Path, encoding: str, language_id: int, note: str
) -> None:
    names = NAMES if encoding != "gbk" else ["东河镇", "堉垟埇", "西山乡"]
    path = old_shapefile(
        tmp_path / "dltb.shp",
        [square(0, 0), square(100, 0), square(200, 0)],
        {"名称": names},
        encoding,
        language_id,
    )
    raw, findings = read_source(SourceRequest(path))
    assert raw.columns["名称"].values.tolist() == names
    assert [f.code for f in findings] == (["N-LAYER-ENCODING"] if note else [])
    assert note in raw.encoding_note


def test_a_cpg_that_the_bytes_contradict_is_overruled_and_told(tmp_path: Path) -> None:
    path = old_shapefile(tmp_path / "a.shp", [square(0, 0)], {"名称": ["东河镇"]}, "gbk")
    path.with_suffix(".cpg").write_text("UTF-8")
    raw, findings = read_source(SourceRequest(path))
    assert raw.columns["名称"].values.tolist() == ["东河镇"]
    assert "cpg 文件写的编码 UTF-8 与内容不符" in findings[0].what


def test_the_mapping_decides_before_everything_else(tmp_path: Path) -> None:
    # "ÖØ" in Latin-1 is 重 in GBK: only somebody who knows can say which.
    path = old_shapefile(tmp_path / "a.shp", [square(0, 0)], {"N": ["ÖØ"]}, "latin1")
    assert read_source(SourceRequest(path))[0].columns["N"].values.tolist() == ["重"]
    raw, findings = read_source(SourceRequest(path, encoding="ISO-8859-1"))
    assert raw.columns["N"].values.tolist() == ["ÖØ"]
    assert findings == []


def test_bytes_of_no_encoding_are_a_finding_with_row_and_bytes(tmp_path: Path) -> None:
    path = old_shapefile(
        tmp_path / "a.shp", [square(0, 0), square(100, 0)], {"N": ["abc", "x\xff\xff"]}, "latin1"
    )
    raw, (finding,) = read_source(SourceRequest(path))
    assert finding.code == "E-LAYER-ENCODING"
    assert "第 2 行" in finding.what
    assert finding.value == "78 ff ff"
    assert raw.columns["N"].values[0] == "abc"


def test_short_gbk_text_that_is_valid_utf8_is_still_chinese() -> None:
    # 一 in GBK is D2 BB, which is also Armenian һ in UTF-8.
    cells = ["一".encode("gbk"), "一一".encode("gbk")]
    assert choose_encoding(cells, None, None).codec == "gb18030"
    assert choose_encoding(["一".encode()], None, None).codec == "utf-8"


def test_a_cell_cut_inside_a_character_does_not_change_the_encoding() -> None:
    cells = ["示例县东河镇第一村".encode()[:-1], "西山乡".encode()]
    found = choose_encoding(cells, "UTF-8", None)
    assert (found.codec, found.note) == ("utf-8", "")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("GBK", "gb18030"),
        ("936", "gb18030"),
        ("CP936", "gb18030"),
        ("gb2312", "gb18030"),
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("1251", "cp1251"),
        ("ANSI 1250", "cp1250"),
        ("Big-5", "big5"),
        ("UTF-16", None),
        ("rot13", None),
        ("OEM", None),
    ],
)
def test_names_of_encodings(name: str, codec: str | None) -> None:
    assert codec_of(name) == codec


def test_chinese_names_cut_at_ten_bytes_are_found_by_their_beginning(tmp_path: Path) -> None:
    """GDAL itself fails on this file: the names end inside a character."""
    path = old_shapefile(
        tmp_path / "dltb.shp", [square(0, 0)], {"地类编码": ["0101"], "图斑编号": ["7"]}, "utf-8"
    )
    path.with_suffix(".cpg").write_text("UTF-8")
    with pytest.raises(UnicodeDecodeError):
        gpd.read_file(path, engine="pyogrio")
    raw, _ = read_source(SourceRequest(path))
    assert list(raw.columns) == ["地类编", "图斑编"]
    assert match_header("地类编码", raw.columns) == ["地类编"]
    assert match_header("地类名称", raw.columns) == []


def test_two_names_cut_to_the_same_are_not_guessed(tmp_path: Path) -> None:
    write_dbf(
        tmp_path / "a.dbf", {"地类编码".encode()[:10]: [b"1"], "地类编号".encode()[:10]: [b"2"]}
    )
    columns = read_dbf(tmp_path / "a.dbf", None, None).columns
    assert list(columns) == ["地类编", "地类编_1"]
    assert match_header("地类编码", columns) == ["地类编", "地类编_1"]
    assert match_header("地类编_1", columns) == ["地类编_1"]


@pytest.mark.parametrize(
    ("wanted", "headers", "found"),
    [
        ("面积（亩）", ["面积(亩)"], ["面积(亩)"]),
        ("面积(亩)", ["面积（亩） "], ["面积（亩） "]),
        ("dlbm", ["DLBM", "DLMC"], ["DLBM"]),
        ("DLBM", ["DLBM", "dlbm"], ["DLBM"]),
        ("DLBM", ["DL"], []),
    ],
)
def test_headers_may_differ_in_width_case_and_blanks(
    wanted: str, headers: list[str], found: list[str]
) -> None:
    assert match_header(wanted, headers) == found


def test_numbers_of_a_dbf_are_their_shortest_text(tmp_path: Path) -> None:
    cells = [b"379999001.000", b"", b"*************", b"0.10", b"100", b".000"]
    write_dbf(tmp_path / "a.dbf", {b"CODE": cells}, kind=b"N")
    column = read_dbf(tmp_path / "a.dbf", None, None).columns["CODE"]
    assert column.values.tolist() == ["379999001", None, None, "0.1", "100", "0"]
    assert column.is_numeric


@pytest.mark.parametrize("keep", [20, 40, 70])
def test_a_truncated_dbf_is_told(tmp_path: Path, keep: int) -> None:
    path = write_dbf(tmp_path / "a.dbf", {b"N": [b"abcdef"] * 20})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="属性表"):
        read_dbf(path, None, None)


@pytest.mark.parametrize(
    "path",
    [
        "https://example.org/a.shp",
        "/vsicurl/https://example.org/a.shp",
        "/vsizip/a.zip/a.shp",
        "a!b.geojson",
        "layer.vrt",
    ],
)
def test_only_local_files_are_opened(path: str) -> None:
    with pytest.raises(InputError) as caught:
        format_of(Path(path))
    assert caught.value.findings[0].code == "E-FILE-REFUSED"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.vrt", b"<OGRVRTDataSource/>"),
        ("a.shp", b"<OGRVRTDataSource/>"),
        ("a.gpkg", b"<OGRVRTDataSource/>"),
        ("a.geojson", b"<OGRVRTDataSource/>"),
        ("a.json", b'{"type":"Topology","objects":{}}'),
        ("a.json", b'{"x":1}'),
        ("a.kml", b"<kml/>"),
        ("a.xlsx", b"PK"),
        ("a.csv", b"x,y\0"),
    ],
)
def test_content_must_agree_with_the_suffix(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    code, text = refused(tmp_path / name, takes_points=True)
    assert code == "E-FILE-REFUSED"
    assert str(tmp_path) not in text


def test_a_missing_file_and_a_missing_layer_name_what_is_there(tmp_path: Path) -> None:
    path = write(towns(), tmp_path / "towns.gpkg", layer="XZQ")
    write(towns(), path, layer="XZQ_old", append=True)
    assert refused(tmp_path / "town.gpkg")[0] == "E-FILE-MISSING"
    assert "是否想写“towns.gpkg”" in refused(tmp_path / "town.gpkg")[1]
    code, text = refused(path, layer="XZQQ")
    assert code == "E-LAYER-MISSING"
    assert "XZQ、XZQ_old" in text
    assert "是否想写“XZQ”" in text
    assert refused(path)[0] == "E-LAYER-MISSING"
    assert len(read_source(SourceRequest(path, layer="XZQ"))[0]) == 2


def test_half_a_shapefile_is_told(tmp_path: Path) -> None:
    path = write(towns(), tmp_path / "a.shp")
    path.with_suffix(".shx").unlink()
    code, text = refused(path)
    assert (code, ".shx" in text) == ("E-FILE-PART", True)
    assert not path.with_suffix(".shx").exists()


def test_what_the_system_refuses_is_a_finding(tmp_path: Path) -> None:
    path = write(towns(), tmp_path / "a.shp")
    path.with_suffix(".dbf").unlink()
    path.with_suffix(".dbf").mkdir()
    assert refused(path)[0] == "E-FILE-UNREADABLE"
    (tmp_path / "b.gdb").mkdir()
    assert refused(tmp_path / "b.gdb")[0] == "E-FILE-REFUSED"


def test_parts_in_capital_letters_belong_to_it(tmp_path: Path) -> None:
    path = write(towns(), tmp_path / "a.shp", encoding="GBK")
    path.with_suffix(".dbf").rename(tmp_path / "A.DBF")
    raw, _ = read_source(SourceRequest(path))
    assert raw.columns["XZQMC"].values.tolist() == ["东河镇", "西山乡"]
    assert set(files_of_source(path)) == {"shp", "shx", "dbf", "prj", "cpg"}


def test_z_is_dropped_and_null_geometry_kept_as_none(tmp_path: Path) -> None:
    shapes = [shapely.force_3d(square(0, 0), 5.0), None]
    path = write(gpd.GeoDataFrame({"A": [1, 2]}, geometry=shapes, crs=4547), tmp_path / "a.gpkg")
    raw, _ = read_source(SourceRequest(path))
    assert raw.geometry[1] is None
    assert not shapely.has_z(raw.geometry[0])


POINTS = "名称,东坐标,北坐标\n甲,500100.5,3399900\n乙,,\n丙,abc,3399900\n"


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (POINTS.encode("utf-8-sig"), []),
        (POINTS.encode("gbk"), ["N-LAYER-ENCODING"]),
        (POINTS.replace(",", "\t").encode("utf-8-sig"), []),
        (POINTS.replace("\n", "\r\n").encode("utf-8-sig"), []),
    ],
)
def test_a_table_of_points(tmp_path: Path, content: bytes, codes: list[str]) -> None:
    (tmp_path / "p.csv").write_bytes(content)
    raw, findings = read_point_table(tmp_path / "p.csv", ("东坐标", "北坐标"), None)
    assert raw.columns["名称"].values.tolist() == ["甲", "乙", "丙"]
    assert [f.code for f in findings] == codes
    assert raw.geometry[0].equals(shapely.Point(500100.5, 3399900))
    assert raw.geometry[1] is None
    assert raw.geometry[2] is None
    assert raw.rows.tolist() == [1, 2, 3]


def test_a_table_is_for_points_only_and_needs_its_columns(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(POINTS, encoding="utf-8-sig")
    assert refused(tmp_path / "p.csv")[0] == "E-FILE-REFUSED"
    code, text = refused(tmp_path / "p.csv", point_columns=("东座标", "北坐标"), takes_points=True)
    assert code == "E-LAYER-FIELD"
    assert "是否想写“东坐标”" in text


def test_delivered_text_can_not_become_a_formula(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", ["值"], [["=cmd()"], ["-1.5"], ["@x"], ["无"], ["+1a"]])
    content = (tmp_path / "a.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    lines = content.decode("utf-8-sig").split("\r\n")
    assert lines == ["值", "'=cmd()", "-1.5", "'@x", "无", "'+1a", ""]


def test_reading_gives_no_warning(tmp_path: Path) -> None:
    path = write(towns(), tmp_path / "a.gdb", layer="行政区")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw, _ = read_source(SourceRequest(path, layer="行政区"))
    assert np.array_equal(raw.rows, [1, 2])
