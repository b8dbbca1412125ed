"""Values of delivered tables: dates, codes, areas, and whole columns by their mapping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from pipeline.config.load import load_codes
from pipeline.config.models import LayerSource
from pipeline.errors import Severity
from pipeline.schema.codes import CodeTable
from pipeline.schema.mapping import core_columns
from pipeline.schema.normalise import (
    INVALID,
    clean_text,
    find_code,
    find_zone,
    is_known_land_class,
    parse_area_m2,
    parse_date,
    parse_division_code,
    parse_land_class,
    parse_ratio,
    parse_tblx,
    plain_number,
)
from pipeline.schema.problems import (
    MAX_LISTED,
    Problem,
    merged_findings,
    row_problems,
    summarised,
)
from pipeline.schema.raw_layer import RawColumn, RawLayer
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.schema.source_mapping import Codes, Delivery, kinds_by_tblx
from tests.factories import ROOT

TABLES = ROOT / "configs" / "codes"


def table(name: str) -> CodeTable:
    return load_codes(TABLES / f"{name}.csv")


@pytest.mark.parametrize(
    "text",
    [
        "20240506",
        "2024-05-06",
        "2024/5/6",
        "2024.05.06",
        "2024年5月6日",
        "２０２４年５月６日",
        "20240506.0",
        "2024-05-06T00:00:00",
        "2024/5/6 0:00:00",
        "2024-05-06 00:00:00+08:00",
    ],
)
def test_the_ways_to_write_a_date(text: str) -> None:
    assert parse_date(text) == "2024-05-06"


@pytest.mark.parametrize(
    "text", ["202405", "2024", "2024-13-01", "2024-02-30", "45418", "昨天", "1"]
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is INVALID


@pytest.mark.parametrize("text", ["0", "00000000", "0000-00-00"])
def test_empty_dates_are_unknown(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("379999001.0", "379999001"),
        ("379999001.000000", "379999001"),
        ("3.79999001E8", "379999001"),
        ("3.79999001E+008", "379999001"),
        ("0101", "0101"),
        ("12.5", "12.5"),
        ("东河", "东河"),
        ("1e400", "1e400"),
    ],
)
def test_codes_that_went_through_a_number(text: str, plain: str) -> None:
    assert plain_number(text) == plain


@pytest.mark.parametrize(
    ("text", "width", "code"),
    [
        ("379999001", 9, "379999001"),
        ("379999001.0", 9, "379999001"),
        ("379999001000", 9, "379999001"),
        ("３７９９９９００１", 9, "379999001"),
        ("379999001002", 12, "379999001002"),
    ],
)
def test_division_codes(text: str, width: int, code: str) -> None:
    assert parse_division_code(text, width) == code


@pytest.mark.parametrize(
    ("text", "width"), [("37999900", 9), ("379999001001", 9), ("东河镇", 9), ("379999001", 12)]
)
def test_codes_of_another_length_are_not_padded_to_something(text: str, width: int) -> None:
    assert parse_division_code(text, width) is INVALID


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("101", "0101"),
        ("0101", "0101"),
        ("1", "01"),
        ("11", "11"),
        ("0201k", "0201K"),
        ("05h1", "05H1"),
    ],
)
def test_land_classes_get_their_lost_zero(text: str, code: str) -> None:
    assert parse_land_class(text) == code


def test_land_classes_by_prefix() -> None:
    """DOMAIN §2.4: 1208 后备耕地 occurs and is in no dictionary."""
    known = table("land_class")
    assert is_known_land_class("0101", known)
    assert is_known_land_class("0201K", known)
    assert is_known_land_class("1104A", known)
    for code in ("1208", "9999", "03", "12"):
        assert not is_known_land_class(code, known)


def test_land_categories_are_those_of_the_three_classes() -> None:
    """DOMAIN §2.4, 三大类 (attachment of the third survey)."""
    category = {c: row["land_category"] for c, row in table("land_class").attributes.items()}
    assert {c for c in category if category[c] == "cultivated"} == {"01", "0101", "0102", "0103"}
    unused = {"0404", "1101", "1102", "1105", "1106", "1108", "1110"}
    unused |= {f"12{n:02d}" for n in range(4, 8)}
    assert {c for c in category if category[c] == "unused"} == unused
    four_digits = {c for c in category if len(c) == 4 and c[:2] in ("10", "11", "12")}
    construction = {f"10{n:02d}" for n in (1, 2, 3, 4, 5, 7, 8, 9)} | {"1109", "1201"}
    assert {c for c in four_digits if category[c] == "construction"} == construction
    for prefix in ("05", "06", "07", "08", "09"):
        assert {category[c] for c in category if c.startswith(prefix)} == {"construction"}
    agricultural = {"0301", "0307", "0401", "0403", "1006", "1103", "1104", "1107", "1202", "1203"}
    assert {category[c] for c in agricultural} == {"other_agricultural"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("410", "410"),
        ("411", "410"),
        ("010", "010"),
        ("10", "010"),
        ("012", "010"),
        ("110", "100"),
        ("410.0", "410"),
        ("村庄建设区", "510"),
        ("999", None),
        ("4", None),
    ],
)
def test_planning_zones(text: str, code: str | None) -> None:
    assert find_zone(text, table("planning_zone")) == code


def test_planning_zones_conform_or_not_or_are_left_open() -> None:
    conforms = {c: row["conforms"] for c, row in table("planning_zone").attributes.items()}
    assert set(conforms.values()) == {"1", "0", ""}
    assert {c for c, flag in conforms.items() if flag == "1"} == {"010", "410", "510"}


@pytest.mark.parametrize(
    ("text", "unit", "area"),
    [
        ("15", "mu", 10_000.0),
        ("1", "ha", 10_000.0),
        ("0.01", "km2", 10_000.0),
        ("1,234.5", "m2", 1234.5),
        ("0", "m2", None),
    ],
)
def test_areas_by_their_unit(text: str, unit: str, area: float | None) -> None:
    found = parse_area_m2(text, unit)
    assert found == (None if area is None else pytest.approx(area, abs=1e-9))


def test_numbers_that_are_none() -> None:
    assert parse_area_m2("-3", "m2") is INVALID
    assert parse_area_m2("约3", "m2") is INVALID
    # Finite as a decimal number, infinite as a float.
    assert parse_area_m2("1e400", "mu") is INVALID
    assert parse_area_m2("inf", "m2") is INVALID
    assert parse_ratio("12.5") is INVALID
    assert parse_ratio("0.12") == 0.12


@pytest.mark.parametrize(
    ("text", "found"), [("20", "20"), ("1", "01"), ("dl1", "DL1"), ("20.0", "20")]
)
def test_kinds_as_issued(text: str, found: str) -> None:
    assert parse_tblx(text) == found


def test_every_issued_kind_goes_to_the_finest_of_ours() -> None:
    kinds = kinds_by_tblx(table("change_kind"))
    assert (kinds["20"], kinds["YH"], kinds["DL1"], kinds["JC"]) == (
        "building",
        "hardened",
        "road",
        "construction",
    )
    assert (kinds["TD"], kinds["QT"], kinds["01"]) == ("earthwork", "unknown", "crop")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (" 东河镇 ", "东河镇"),
        ("\u3000甲", "甲"),
        ("", None),
        ("  ", None),
        ("NULL", None),
        ("<空>", None),
        ("a\x00b", "ab"),
        ("e\u0301", "é"),
        (None, None),
        ("0", "0"),
    ],
)
def test_texts_are_cleaned(text: str | None, cleaned: str | None) -> None:
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("township_kind", "街道办事处", "subdistrict"),
        ("township_kind", "开发区", "development_zone"),
        ("township_kind", "town", "town"),
        ("road_class", "乡道", "township"),
        ("permit_kind", "乡村建设规划许可证", "rural"),
        ("patrol_grade", "一级", "1"),
        ("patrol_grade", "1.0", "1"),
        ("patrol_grade", "四级", None),
    ],
)
def test_code_tables_know_the_usual_words(name: str, text: str, code: str | None) -> None:
    assert find_code(text, table(name)) == code


# --- whole columns


def delivery(layer: str, columns: dict[str, list[Any]], **mapping: Any) -> Delivery:
    """A delivered table of unit squares; a column whose name begins with # holds numbers."""
    n = len(next(iter(columns.values())))
    raw = RawLayer(
        "a.shp",
        {
            name.lstrip("#"): RawColumn(np.array(values, dtype=object), name.startswith("#"))
            for name, values in columns.items()
        },
        np.array([shapely.box(i, 0, i + 1, 1) for i in range(n)], dtype=object),
        np.arange(1, n + 1),
    )
    names = {
        "land_class_code": "land_class",
        "zone_code": "planning_zone",
        **{name: name for name in ("township_kind", "road_class", "permit_kind", "patrol_grade")},
        "change_kind": "change_kind",
    }
    tables = {field: table(name) for field, name in names.items()}
    codes = Codes(tables, kinds_by_tblx(tables["change_kind"]))
    return Delivery(
        REFERENCE_LAYERS[layer],
        raw,
        LayerSource(path="a.shp", **mapping),
        codes,
        lambda positions: [(float(p), 0.5) for p in positions],
    )


def told(problems: list[Problem]) -> list[tuple[str, int | None, str]]:
    return [(p.code, p.row, p.value) for p in problems]


def test_land_use_by_its_mapping() -> None:
    columns, problems = core_columns(
        delivery(
            "land_use",
            {"BSM": ["7", "8", "9"], "#DLBM": ["101", "1208", "702.0"], "KCXS": ["0.1", "9", ""]},
            fields={"feature_id": "BSM", "land_class_code": "DLBM", "bund_ratio": "KCXS"},
            constants={"vintage_date": "2023年12月31日"},
        )
    )
    assert columns["land_class_code"].tolist() == ["0101", "1208", "0702"]
    assert columns["feature_id"].tolist() == ["7", "8", "9"]
    assert columns["vintage_date"].tolist() == ["2023-12-31"] * 3
    assert columns["bund_ratio"].isna().tolist() == [False, True, True]
    assert columns["land_class_name"].isna().all()
    assert told(problems) == [
        ("N-CODE-IGNORED", 2, "1208（1 行）"),
        ("N-CODE-FIXED", 1, "101 → 0101（1 行）、702.0 → 0702（1 行）"),
        ("N-LAYER-VALUE", 2, "9"),
    ]
    assert [p.place for p in problems] == [(1.0, 0.5), (0.0, 0.5), (1.0, 0.5)]
    assert {p.severity for p in problems} == {Severity.NOTICE}


def test_values_of_the_mapping_come_before_the_code_tables() -> None:
    columns, problems = core_columns(
        delivery(
            "roads",
            {"GLDJ": ["一", "2", "乡道", "铁路"]},
            fields={"road_class": "GLDJ"},
            values={"road_class": {"一": "national", "2": "provincial"}},
        )
    )
    assert columns["road_class"].tolist()[:3] == ["national", "provincial", "township"]
    assert told(problems) == [("E-LAYER-CODE", 4, "铁路")]
    assert "rural（农村道路）" in problems[0].allowed


def test_issued_kinds_that_are_not_listed_become_unknown() -> None:
    columns, problems = core_columns(
        delivery(
            "issued_patches",
            {"JCBH": ["A", "B", "C"], "TBLX": ["20", "ZZ", None], "JCMJ": ["15", "0", "x"]},
            fields={"issued_id": "JCBH", "tblx": "TBLX", "stated_area_m2": "JCMJ"},
            units={"stated_area_m2": "mu"},
        )
    )
    assert columns["change_kind"].tolist() == ["building", "unknown", "unknown"]
    assert columns["tblx"].tolist()[:2] == ["20", "ZZ"]
    assert columns["stated_area_m2"].tolist()[0] == pytest.approx(10_000)
    assert columns["stated_area_m2"].isna().tolist() == [False, True, True]
    assert told(problems) == [("N-LAYER-VALUE", 3, "x"), ("N-LAYER-CODE", 2, "ZZ")]


def test_our_own_kind_may_be_mapped_instead() -> None:
    columns, problems = core_columns(
        delivery(
            "issued_patches",
            {"JCBH": ["A", "B"], "LX": ["建（构）筑物", "road"]},
            fields={"issued_id": "JCBH", "change_kind": "LX"},
        )
    )
    assert columns["change_kind"].tolist() == ["building", "road"]
    assert problems == []


def test_required_values_and_fields_stop_the_work() -> None:
    _, problems = core_columns(
        delivery(
            "townships",
            {"DM": ["379999001", " ", "37999"], "MC": ["东河镇", None, "西山乡"]},
            fields={"township_code": "DM", "township_name": "MC"},
        )
    )
    assert told(problems) == [
        ("E-LAYER-FIELD", None, ""),
        ("E-LAYER-VALUE", 3, "37999"),
        ("E-LAYER-NULL", 2, "空"),
        ("E-LAYER-NULL", 2, "空"),
    ]
    assert "township_kind" in problems[0].what
    assert all(p.is_blocking for p in problems)


def test_a_field_that_is_not_there_is_told_once_with_the_nearest() -> None:
    _, problems = core_columns(
        delivery("land_use", {"DLBM": ["0101"]}, fields={"land_class_code": "DLBN"})
    )
    assert [(p.code, p.advice) for p in problems] == [("E-LAYER-FIELD", "是否想写“DLBM”？")]
    assert "DLBM" in problems[0].allowed


def test_a_key_that_is_no_field_is_told() -> None:
    _, problems = core_columns(
        delivery("land_use", {"A": ["0101"]}, fields={"land_class_code": "A", "bundratio": "A"})
    )
    assert [(p.code, p.value) for p in problems] == [("E-CONFIG-VALUE", "bundratio")]
    assert "bund_ratio" in problems[0].advice


def test_many_rows_are_counted_beyond_the_listed_ones() -> None:
    n = MAX_LISTED + 30
    template = Problem("N-LAYER-VALUE", "不对。", "leads", "a.csv", severity=Severity.NOTICE)
    problems = row_problems(template, np.arange(1, n + 1), [str(i) for i in range(n)])
    assert len(problems) == MAX_LISTED + 1
    assert sum(p.count for p in problems) == n
    (line,) = summarised(problems)
    assert f"线索 {n} 处" in line.what


def test_equal_problems_of_many_rows_end_as_one_finding() -> None:
    template = Problem("E-LAYER-VALUE", "为空。", "townships", "a.shp")
    rows = np.arange(3, 40)
    (finding,) = merged_findings(row_problems(template, rows, []))
    assert finding.where.startswith("乡镇（街道、开发区），a.shp，第 3、4、5、")
    assert "等共 37 行" in finding.where
