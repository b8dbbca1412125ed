"""YAML text → model: places, Chinese texts, everything at once."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from pipeline.errors import Finding, InputError
from pipeline.schema.document import parse_document
from pipeline.schema.model import Frozen


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Part(Frozen):
    width_m: float = Field(default=1.0, gt=0, le=10, description="宽度")
    tags: tuple[str, ...] = ()


class Sample(Frozen):
    code: str = Field(pattern=r"^[0-9]{6}$", description="6 位编码")
    count: int = Field(default=1, ge=1)
    is_used: bool = True
    day: datetime.date | None = None
    mode: Literal["fast", "slow"] = "fast"
    colour: Colour = Colour.RED
    parts: tuple[Part, ...] = ()
    by_date: Mapping[datetime.date, Part] = {}


def parse(text: str) -> Sample:
    return parse_document(
        text,
        "样例.yaml",
        Sample,
        syntax_code="E-CONFIG-SYNTAX",
        value_code="E-CONFIG-VALUE",
        error=InputError,
    )


def findings(text: str) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        parse(text)
    return caught.value.findings


def only_finding(text: str) -> Finding:
    found = findings(text)
    assert len(found) == 1, [f.render() for f in found]
    return found[0]


def test_a_full_document_is_read_with_its_types() -> None:
    sample = parse(
        'code: "010101"  # 注释\n'
        "count: 0x10\n"
        "is_used: false\n"
        "day: 2026-03-31\n"
        "mode: slow\n"
        "colour: green\n"
        "parts: [{width_m: 2, tags: [a, b]}, {}]\n"
        "by_date:\n  2019-05-01: {width_m: 1e-1}\n"
    )
    assert sample == Sample(
        code="010101",
        count=16,
        is_used=False,
        day=datetime.date(2026, 3, 31),
        mode="slow",
        colour=Colour.GREEN,
        parts=(Part(width_m=2.0, tags=("a", "b")), Part()),
        by_date={datetime.date(2019, 5, 1): Part(width_m=0.1)},
    )


def test_null_where_allowed_is_unknown() -> None:
    assert parse('code: "010101"\nday: null\n').day is None
    assert parse('code: "010101"\nday:\n').day is None


def test_models_can_not_change() -> None:
    with pytest.raises(ValidationError):
        Part().width_m = 3.0  # type: ignore[misc]


def test_defaults_are_checked_too() -> None:
    class Wrong(Frozen):
        count: int = Field(default=0, ge=1)

    with pytest.raises(ValidationError):
        Wrong()


GOOD = 'code: "010101"\n'

# text after the good first line, where the finding must point, words it must hold
VALUE_CASES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "整数写成文字": ('count: "2"\n', "2:8", ("count", "应为整数", "2")),
    "整数带小数": ("count: 2.5\n", "2:8", ("应为整数", "2.5")),
    "是否写成文字": ("is_used: yes\n", "2:10", ("应为是否值", "true 或 false", "yes")),
    "日期不存在": ("day: 2026-02-30\n", "2:6", ("不是有效日期", "2026-02-30", "YYYY-MM-DD")),
    "日期写成数字": ("day: 20260331\n", "2:6", ("应为日期", "20260331")),
    "日期带时刻": ("day: 2026-03-31 12:30:00\n", "2:6", ("日期", "2026-03-31 12:30:00")),
    "选项拼错": ("mode: fsat\n", "2:7", ("fast、slow", "是否想写“fast”", "fsat")),
    "枚举拼错": ("colour: gren\n", "2:9", ("red、green", "是否想写“green”", "gren")),
    "小于下限": ("count: 0\n", "2:8", ("超出范围", "≥ 1")),
    "等于开区间下限": ("parts: [{width_m: 0}]\n", "2:19", ("parts[1].width_m", "＞ 0")),
    "大于上限": ("parts: [{}, {width_m: 11}]\n", "2:23", ("parts[2].width_m", "≤ 10")),
    "列表写成文字": ("parts: [{tags: a}]\n", "2:16", ("应为列表", "a")),
    "列表项类型不对": ("parts:\n- tags:\n  - a\n  - 7\n", "5:5", ("tags[2]", '写成 "7"')),
    "映射写成数字": ("parts:\n  - 3\n", "3:5", ("一组“键: 值”", "3")),
    "不认识的键": ("coutn: 2\n", "2:1", ("不认识的键", "是否想写“count”", "by_date、code")),
    "嵌套的不认识的键": ("parts:\n- wide: 2\n", "3:3", ("parts[1].wide", "tags、width_m")),
    "日期键不对": ("by_date:\n  2019-13-01: {}\n", "3:3", ("不是有效日期", "2019-13-01")),
    "日期键之下出错": (
        "by_date:\n  2019-05-01:\n    width_m: -1\n",
        "4:14",
        ("by_date.2019-05-01.width_m", "＞ 0", "-1"),
    ),
}


@pytest.mark.parametrize("case", VALUE_CASES)
def test_a_wrong_value_is_placed_and_explained(case: str) -> None:
    text, place, words = VALUE_CASES[case]
    finding = only_finding(GOOD + text)
    assert finding.code == "E-CONFIG-VALUE"
    assert finding.where == f"样例.yaml:{place}"
    for word in words:
        assert word in finding.render()


def test_an_unquoted_code_is_shown_as_written_and_to_be_quoted() -> None:
    finding = only_finding("code: 010101\n")
    assert finding.value == "010101"
    assert '写成 "010101"' in finding.advice
    assert finding.where == "样例.yaml:1:7"


def test_a_code_of_wrong_length_is_met_with_its_description() -> None:
    finding = only_finding('code: "10101"\n')
    assert finding.allowed == "6 位编码"
    assert "引号" in finding.advice


def test_a_missing_key_points_at_the_parent() -> None:
    class Outer(Frozen):
        inner: Sample

    with pytest.raises(InputError) as caught:
        parse_document(
            "# 首行\ninner:\n  count: 2\n",
            "a.yaml",
            Outer,
            syntax_code="E-CONFIG-SYNTAX",
            value_code="E-CONFIG-VALUE",
            error=InputError,
        )
    (finding,) = caught.value.findings
    assert finding.where == "a.yaml:2:1"
    assert "inner.code" in finding.what
    assert "缺少" in finding.what


# text, where, words
SYNTAX_CASES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "重复的键": (GOOD + "count: 1\ncount: 2\n", "3:1", ("键“count”重复",)),
    "制表符": ("parts:\n\t- {}\n", "2:1", ("制表符", "空格")),
    "括号没有成对": (GOOD + "parts: [{}\nmode: fast\n", "2:8", ("括号没有成对",)),
    "引号没有成对": ('code: "010101\ncount: 1\n', "1:7", ("引号没有成对",)),
    "冒号": (GOOD + "mode: a: b\n", "2:8", ("不能再出现",)),
    "全角冒号": (GOOD + "count：1\nmode: fast\n", "2:1", ("缺少冒号", "半角")),
    "首行全角冒号": ("code：1\ncount: 1\n", "2:6", ("上一行", "半角")),
    "多个文档": (GOOD + "---\ncount: 1\n", "2:1", ("多个 YAML 文档",)),
    "控制字符": (GOOD + "mode: fa\x01st\n", "2:9", ("控制字符",)),
    "空文件": ("", "1:1", ("空的",)),
    "只有注释": ("# 无\n", "1:1", ("空的",)),
    "最外层是列表": ("# 注释\n- a\n", "2:1", ("最外层",)),
    "最外层是文字": ("abc\n", "1:1", ("最外层",)),
    "引用": (GOOD + "parts: [&a {}, *a]\n", "2:9", ("引用",)),
    "自身引用": (GOOD + "parts: &a [*a]\n", "2:8", ("引用",)),
    "没有定义的引用": (GOOD + "mode: *z\n", "2:7", ("引用",)),
    "自定义标签": (GOOD + "mode: !!python/name:os.system x\n", "2:7", ("标签",)),
    "无穷大": (GOOD + "parts: [{width_m: .inf}]\n", "2:19", ("无法识别", "十进制")),
    "列表作键": (GOOD + "? [a]\n: 1\n", "2:3", ("键应为一个词",)),
}


@pytest.mark.parametrize("case", SYNTAX_CASES)
def test_broken_yaml_is_placed_and_explained(case: str) -> None:
    text, place, words = SYNTAX_CASES[case]
    finding = only_finding(text)
    assert finding.code == "E-CONFIG-SYNTAX"
    assert finding.where == f"样例.yaml:{place}"
    for word in words:
        assert word in finding.render()


def test_every_mistake_is_reported_at_once() -> None:
    found = findings("code: 1\ncount: 0\ncount: 5\nmode: x\nnew: 1\nparts: [{width_m: a}]\n")
    places = sorted((f.code, f.where.removeprefix("样例.yaml:")) for f in found)
    assert places == [
        ("E-CONFIG-SYNTAX", "3:1"),
        ("E-CONFIG-VALUE", "1:7"),
        ("E-CONFIG-VALUE", "2:8"),
        ("E-CONFIG-VALUE", "4:7"),
        ("E-CONFIG-VALUE", "5:1"),
        ("E-CONFIG-VALUE", "6:19"),
    ]
