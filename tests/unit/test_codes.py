"""Code tables, built and as committed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.config.load import load_codes
from pipeline.errors import InputError
from pipeline.schema.codes import build_code_table

CODES = Path(__file__).parents[2] / "configs" / "codes"

ROWS = [
    {"code": "01", "label_zh": "耕地", "fixes": '["1", "耕"]', "group": "农用地"},
    {"code": "05", "label_zh": "商服用地", "fixes": "", "group": "建设用地"},
    {"code": "/", "label_zh": "", "fixes": "", "is_ignored": "1", "group": ""},
]

TBLX = {
    *("20", "YH", "DT", "TD", "DL1", "DL2", "DL3", "TL", "ND", "SJ", "CK", "YT", "LD", "GF"),
    *("01", "02", "03", "04", "SM", "KT", "SK", "HL", "GQ", "WL", "TP", "QT", "GEF", "ZQC"),
    *("JC", "LT", "LY", "WH", "TH"),
}
"""The 33 codes of 2026 in the domain note §8 [F11]."""

TBLX_NOT_CONSTRUCTION = {"DT", "TD", "WL", "TP", "QT"}
"""Named there as not counted as construction."""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("01", "01"),
        (" 01 ", "01"),
        ("1", "01"),
        ("耕", "01"),
        ("1 ", "01"),
        ("/", None),
        ("9", None),
    ],
)
def test_lookup_knows_codes_and_misspellings(text: str, code: str | None) -> None:
    assert build_code_table("地类", ROWS, "a.csv").lookup(text) == code


def test_ignored_texts_are_no_codes() -> None:
    table = build_code_table("地类", ROWS, "a.csv")
    assert table.is_ignored(" / ")
    assert not table.is_ignored("01")
    assert list(table.labels) == ["01", "05"]


def test_further_columns_are_attributes() -> None:
    table = build_code_table("地类", ROWS, "a.csv")
    assert table.attributes["05"] == {"group": "建设用地"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"code": "01", "label_zh": "再次", "fixes": ""}, ("“01”与第 2 行重复", "a.csv:5")),
        ({"code": "06", "label_zh": "工矿", "fixes": '["1"]'}, ("“1”与第 2 行重复", "a.csv:5")),
        ({"code": "1", "label_zh": "耕", "fixes": ""}, ("“1”与第 2 行重复",)),
        ({"code": "06", "label_zh": " ", "fixes": ""}, ("“06”没有中文名称",)),
        ({"code": "", "label_zh": "空", "fixes": ""}, ("代码为空",)),
        ({"code": "06 ", "label_zh": "空格", "fixes": ""}, ("前后有空格",)),
        ({"code": "06", "label_zh": "工矿", "fixes": "6"}, ("fixes 列", "JSON")),
        ({"code": "06", "label_zh": "工矿", "fixes": "[6"}, ("fixes 列", "JSON")),
        ({"code": "06", "label_zh": "工矿", "is_ignored": "是"}, ("is_ignored 列", "是")),
    ],
)
def test_a_bad_row_is_refused(row: dict[str, str], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        build_code_table("地类", [*ROWS, row], "a.csv")
    assert len(caught.value.findings) == 1
    for word in words:
        assert word in str(caught.value)


def test_all_bad_rows_are_reported_at_once() -> None:
    bad = [{"code": "06", "label_zh": ""}, {"code": "06", "label_zh": "工矿"}]
    with pytest.raises(InputError) as caught:
        build_code_table("地类", bad, "a.csv")
    assert [f.where for f in caught.value.findings] == ["a.csv:2", "a.csv:3"]


@pytest.mark.parametrize("rows", [[], [{"code": "01"}]])
def test_a_table_needs_rows_and_columns(rows: list[dict[str, str]]) -> None:
    with pytest.raises(InputError, match="label_zh"):
        build_code_table("地类", rows, "a.csv")


@pytest.mark.parametrize("path", sorted(CODES.glob("*.csv")), ids=lambda path: path.stem)
def test_committed_tables_load_with_chinese_labels(path: Path) -> None:
    table = load_codes(path)
    assert table.name == path.stem
    for code, label in table.labels.items():
        assert re.fullmatch(
            r"[a-z][a-z0-9_]*|[0-9]{1,4}[A-Z]?[0-9]?", code
        )  # official codes are numbers
        assert re.search(r"[\u4e00-\u9fff]", label)


def test_the_suspected_classes_are_the_closed_list_of_the_design() -> None:
    assert list(load_codes(CODES / "suspected_class.csv").labels) == [
        "approved",
        "part_approved",
        "built_before_approval",
        "used_before_supply",
        "facility",
        "temporary",
        "rural_road",
        "other",
        "existing_construction",
        "not_construction",
        "early_warning",
        "uncertain",
        "unobserved",
        "suspected_violation",
    ]


def test_the_program_never_says_illegal_without_suspected() -> None:
    for label in load_codes(CODES / "suspected_class.csv").labels.values():
        assert not re.search(r"(?<!疑似)(违法|非法)", label)


def test_change_kinds_have_distinct_pixel_values_that_fit_uint8() -> None:
    table = load_codes(CODES / "change_kind.csv")
    values = {code: int(row["value"]) for code, row in table.attributes.items()}
    assert len(set(values.values())) == len(values)
    assert all(0 <= value <= 254 for value in values.values())
    assert values["unknown"] == 0
    # DESIGN §5: earth moving, digging, graves and waste are not construction.
    is_construction = {code: row["is_construction"] for code, row in table.attributes.items()}
    assert is_construction["unknown"] == ""
    assert {code for code, flag in is_construction.items() if flag == "1"} == {
        code for code, value in values.items() if 10 <= value < 20
    }
    assert {code for code, flag in is_construction.items() if flag == "0"} == {
        code for code, value in values.items() if value >= 20
    }


def test_every_tblx_code_belongs_to_one_kind_beside_the_undivided_one() -> None:
    assert len(TBLX) == 33
    table = load_codes(CODES / "change_kind.csv")
    tblx = {code: json.loads(row["tblx"]) for code, row in table.attributes.items()}
    assert {item for items in tblx.values() for item in items} == TBLX
    divided = [item for code, items in tblx.items() if code != "construction" for item in items]
    assert len(divided) == len(set(divided))
    for code, row in table.attributes.items():
        if row["is_construction"] == "1":
            assert not TBLX_NOT_CONSTRUCTION & set(tblx[code])
