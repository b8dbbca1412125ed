"""Run files, rule folders, code files; generated defaults in step with the models."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from pipeline.config.generate import default_yaml, drift, json_schema, write
from pipeline.config.load import load_codes, load_rules, load_run
from pipeline.config.models import RunConfig, Settings
from pipeline.errors import ExitCode, InputError, RuleError
from pipeline.schema.document import parse_document
from pipeline.schema.model import Frozen

BAD = Path(__file__).parents[1] / "data" / "bad_config"
RULES = Path(__file__).parents[2] / "configs" / "rules"

RUN_TEXT = """\
run: 2026Q1
county_code: "010101"
before: {path: before.tif, date: 2025-10-06, bands: [blue, green, red, nir]}
after: {path: after.tif, date: 2026-05-01, bands: [blue, green, red, ""]}
gsd_m: 2
settings:
  align: {tie_points: {points_per_side: 7}}
"""

# file → (code, line:column, words)
BAD_FILES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "bad_date": ("E-CONFIG-VALUE", "9:9", ("after.date", "不是有效日期", "2026-02-30")),
    "bands_not_a_list": ("E-CONFIG-VALUE", "6:10", ("应为列表", "blue")),
    "chinese_run": ("E-CONFIG-VALUE", "1:6", ("格式不符", "字母、数字", "2026年一季度")),
    "colon_in_value": ("E-CONFIG-SYNTAX", "4:10", ("不能再出现", "加引号")),
    "control_character": ("E-CONFIG-SYNTAX", "4:12", ("控制字符",)),
    "date_as_number": ("E-CONFIG-VALUE", "9:9", ("应为日期", "20260501", "YYYY-MM-DD")),
    "dates_swapped": ("E-CONFIG-VALUE", "9:9", ("后时相不晚于前时相", "晚于 2025-10-06")),
    "duplicate_key": ("E-CONFIG-SYNTAX", "2:1", ("键“run”重复",)),
    "full_width_county_code": ("E-CONFIG-VALUE", "2:14", ("格式不符", "6 位", "３７９９９９")),
    "gsd_not_finite": ("E-CONFIG-SYNTAX", "7:8", ("无法识别", ".nan")),
    "gsd_text": ("E-CONFIG-VALUE", "7:8", ("应为数字", "不加引号")),
    "gsd_zero": ("E-CONFIG-VALUE", "7:8", ("超出范围", "＞ 0")),
    "image_as_text": ("E-CONFIG-VALUE", "7:8", ("after", "一组“键: 值”", "after.tif")),
    "leading_zero_county_code": ("E-CONFIG-VALUE", "2:14", ("引号", '写成 "010101"')),
    "missing_path": ("E-CONFIG-VALUE", "7:1", ("after.path", "缺少", "影像文件路径")),
    "missing_run": ("E-CONFIG-VALUE", "1:1", ("run", "缺少", "运行编号")),
    "open_bracket": ("E-CONFIG-SYNTAX", "6:10", ("括号没有成对",)),
    "open_quote": ("E-CONFIG-SYNTAX", "2:14", ("引号没有成对",)),
    "repeated_band": ("E-CONFIG-VALUE", "6:10", ("波段角色重复", "blue")),
    "setting_out_of_range": ("E-CONFIG-VALUE", "7:45", ("tie_points.min_points", "≥ 3")),
    "short_county_code": ("E-CONFIG-VALUE", "2:14", ("格式不符", "37999", "前导零")),
    "two_documents": ("E-CONFIG-SYNTAX", "7:1", ("多个 YAML 文档",)),
    "unknown_band": ("E-CONFIG-VALUE", "6:29", ("bands[4]", "near", "swir1")),
    "unknown_key": ("E-CONFIG-VALUE", "2:1", ("country_code", "是否想写“county_code”")),
    "unknown_nested_key": ("E-CONFIG-VALUE", "6:3", ("before.band", "是否想写“bands”")),
    "unknown_setting": ("E-CONFIG-VALUE", "7:33", ("min_point", "是否想写“min_points”")),
    "unquoted_county_code": ("E-CONFIG-VALUE", "2:14", ("引号", '写成 "379999"')),
    "unquoted_number_run": ("E-CONFIG-VALUE", "1:6", ("引号", '写成 "2026"')),
}


def test_every_bad_file_has_its_case() -> None:
    assert {path.stem for path in BAD.glob("*.yaml")} == set(BAD_FILES)


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_run_file_is_refused_where_and_why(name: str) -> None:
    code, place, words = BAD_FILES[name]
    path = BAD / f"{name}.yaml"
    with pytest.raises(InputError) as caught:
        load_run(path)
    (finding,) = caught.value.findings
    assert caught.value.exit_code is ExitCode.INPUT
    assert (finding.code, finding.where) == (code, f"{path.as_posix()}:{place}")
    for word in words:
        assert word in finding.render()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_run_file_is_read(tmp_path: Path, encoding: str, newline: str) -> None:
    path = tmp_path / "2026Q1.yaml"
    path.write_bytes(RUN_TEXT.replace("\n", newline).encode(encoding))
    config = load_run(path)
    assert (config.run, config.county_code, config.gsd_m) == ("2026Q1", "010101", 2.0)
    assert config.after.date == datetime.date(2026, 5, 1)
    assert config.after.bands == ("blue", "green", "red", "")
    assert config.settings.align.tie_points.points_per_side == 7
    assert config.settings.detect == Settings().detect


def test_what_is_not_given_takes_its_default(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("run: r\nbefore: {path: a.tif}\nafter: {path: b.tif}\n", encoding="utf-8")
    config = load_run(path)
    assert config.settings == Settings()
    assert (config.county_code, config.gsd_m, config.before.bands) == ("000000", None, None)


@pytest.mark.parametrize("load", [load_run, load_codes, load_rules])
def test_a_missing_file_is_said_in_chinese(tmp_path: Path, load: Callable[[Path], object]) -> None:
    with pytest.raises(InputError, match="找不到") as caught:
        load(tmp_path / "没有的文件")
    assert caught.value.findings[0].code == "E-FILE-MISSING"


@pytest.mark.parametrize("load", [load_run, load_codes])
def test_gbk_and_folders_are_refused(tmp_path: Path, load: Callable[[Path], object]) -> None:
    path = tmp_path / "gbk.csv"
    path.write_bytes("code,label_zh\n01,耕地\n".encode("gbk"))
    with pytest.raises(InputError, match="UTF-8"):
        load(path)
    with pytest.raises(InputError, match="无法打开"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("code,label_zh\n01,耕地,多余\n", "2", "格数与表头不一致"),
        ("code,label_zh\n01\n", "2", "格数与表头不一致"),
        ('code,label_zh\n01,"耕地\n', "2", "CSV 写法有误"),
        ("code,label_zh\n01,耕地\n01,耕地\n", "3", "重复"),
    ],
)
def test_a_broken_csv_is_refused(tmp_path: Path, text: str, place: str, words: str) -> None:
    path = tmp_path / "land.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words) as caught:
        load_codes(path)
    assert caught.value.findings[0].where == f"{path.as_posix()}:{place}"


def test_a_csv_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "land.csv"
    path.write_bytes("code,label_zh\r\n01,耕地\r\n".encode("utf-8-sig"))
    assert load_codes(path).labels == {"01": "耕地"}


def copy_rule(directory: Path, rule: str, target: str, old: str = "", new: str = "") -> None:
    path = directory / target
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (RULES / rule).read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new) if old else text, encoding="utf-8")


def test_all_mistakes_of_all_rule_files_come_at_once(tmp_path: Path) -> None:
    copy_rule(tmp_path, "quota/base.yaml", "quota/base.yaml")
    copy_rule(tmp_path, "quota/mode.yaml", "quota/mode.yaml", "unit: code", "unit: text")
    copy_rule(tmp_path, "quota/coef_pbf.yaml", "quota/coef.yaml")
    copy_rule(tmp_path, "quota/coef_general.yaml", "other/coef_general.yaml")
    (tmp_path / "quota" / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load_rules(tmp_path)
    found = {Path(f.where.split(".yaml")[0]).name: f for f in caught.value.findings}
    assert set(found) == {"mode", "coef", "coef_general", "notes.txt"}
    assert "位置不一致" in found["coef"].what
    assert found["coef"].allowed == "quota.coef"
    assert found["coef_general"].allowed == "other.coef_general"
    assert "text" in found["mode"].value
    assert ".yaml" in found["notes.txt"].what


def test_an_empty_rule_folder_is_no_rule_set(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="没有规则文件"):
        load_rules(tmp_path)


def test_the_rule_set_does_not_depend_on_where_it_lies(tmp_path: Path) -> None:
    for path in RULES.rglob("*.yaml"):
        copy_rule(tmp_path, path.relative_to(RULES).as_posix(), path.relative_to(RULES).as_posix())
    assert load_rules(tmp_path).digest() == load_rules(RULES).digest()
    copy_rule(
        tmp_path,
        "quota/base.yaml",
        "quota/base.yaml",
        "value: new_construction",
        "value: cultivated",
    )
    assert load_rules(tmp_path).digest() != load_rules(RULES).digest()


class Inner(Frozen):
    width_m: float = Field(default=1e-6, gt=0, le=8, description="宽度")
    mode: Literal["a", "b"] = Field(default="a", description="方式")
    names: tuple[str, ...] = Field(default=("甲", '"乙"'), min_length=1, description="名称")
    limit_px: int | None = Field(default=None, ge=2, description="上限")


class Outer(Frozen):
    is_on: bool = Field(default=True, description="是否启用")
    inner: Inner = Field(default=Inner(), description="内层")


def test_generated_defaults_show_meaning_unit_range_and_choices() -> None:
    assert default_yaml(Outer).split("\n\n", 1)[1] == (
        "# 是否启用\n"
        "is_on: true\n"
        "# 内层\n"
        "inner:\n"
        "  # 宽度；单位：米；范围：> 0，≤ 8\n"
        "  width_m: 1e-06\n"
        "  # 方式；可取：a、b\n"
        '  mode: "a"\n'
        "  # 名称；范围：不少于 1 项\n"
        '  names: ["甲", "\\"乙\\""]\n'
        "  # 上限；单位：像元；范围：≥ 2；可不填（null）\n"
        "  limit_px: null\n"
    )


@pytest.mark.parametrize("model", [Outer, Settings])
def test_generated_defaults_parse_back_to_the_defaults(model: type[Frozen]) -> None:
    parsed = parse_document(
        default_yaml(model),
        "default.yaml",
        model,
        syntax_code="E-CONFIG-SYNTAX",
        value_code="E-CONFIG-VALUE",
        error=InputError,
    )
    assert parsed == model()


def test_every_setting_is_described() -> None:
    for line, before in zip(
        default_yaml(Settings).splitlines()[1:], default_yaml(Settings).splitlines(), strict=False
    ):
        if line and not line.lstrip().startswith("#"):
            comment = before.lstrip().removeprefix("# ")
            assert comment != before.lstrip()
            assert any("\u4e00" <= character <= "\u9fff" for character in comment), line


def test_the_schema_knows_the_keys_and_refuses_others() -> None:
    schema = json.loads(json_schema())
    assert set(schema["properties"]) == set(RunConfig.model_fields)
    assert schema["additionalProperties"] is False
    assert json_schema() == json_schema()


def test_drift_is_seen_until_written(tmp_path: Path) -> None:
    assert len(drift(tmp_path)) == 4
    write(tmp_path)
    assert drift(tmp_path) == []
    path = tmp_path / "default.yaml"
    path.write_bytes(path.read_bytes().replace("像元".encode(), "象元".encode()))
    (diff,) = drift(tmp_path)
    assert any(line.startswith("-") and "象元" in line for line in diff.splitlines())
    assert any(line.startswith("+") and "像元" in line for line in diff.splitlines())
