"""Rule parameters: refusals, dates, digest; and every committed rule file."""

from __future__ import annotations

import dataclasses
import datetime
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_rules
from pipeline.errors import ExitCode, RuleError
from pipeline.rules.parameters import RuleParameter, RuleSet
from pipeline.schema.document import parse_document

ROOT = Path(__file__).parents[2]
RULES = ROOT / "configs" / "rules"
BAD = ROOT / "tests" / "data" / "bad_rules"

D = datetime.date


def parse(text: str, source: str = "rule.yaml") -> RuleParameter:
    return parse_document(
        text,
        source,
        RuleParameter,
        syntax_code="E-RULE-SYNTAX",
        value_code="E-RULE-VALUE",
        error=RuleError,
    )


# file → (code, line:column, words)
BAD_FILES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "alias": ("E-RULE-SYNTAX", "10:12", ("引用",)),
    "assumption_without_reason": ("E-RULE-VALUE", "5:7", ("必须写明 reason", "示例口径")),
    "bad_checked_on": ("E-RULE-VALUE", "11:71", ("checked_on", "不是有效日期", "去年")),
    "bad_date": ("E-RULE-VALUE", "9:3", ("不是有效日期", "2019-13-01")),
    "choices_without_code": ("E-RULE-VALUE", "5:10", ("choices 与 unit 不配", "删去 choices")),
    "code_without_choices": ("E-RULE-VALUE", "4:7", ("choices 与 unit 不配", "code")),
    "duplicate_key": ("E-RULE-SYNTAX", "5:1", ("键“unit”重复",)),
    "empty": ("E-RULE-SYNTAX", "1:1", ("空的",)),
    "empty_reference_title": ("E-RULE-VALUE", "11:24", ("reference.title", "文字过短")),
    "full_width_colon": ("E-RULE-SYNTAX", "4:1", ("冒号", "半角")),
    "id_with_chinese": ("E-RULE-VALUE", "1:5", ("格式不符", "扣减.样例", "小写字母")),
    "id_without_group": ("E-RULE-VALUE", "1:5", ("格式不符", "sample", "两级")),
    "infinite_number": ("E-RULE-SYNTAX", "10:12", ("无法识别", ".inf")),
    "list_at_root": ("E-RULE-SYNTAX", "1:1", ("最外层",)),
    "missing_doc_no": ("E-RULE-VALUE", "11:5", ("reference.doc_no", "缺少")),
    "missing_reference": ("E-RULE-VALUE", "9:3", ("values.2019-05-01.reference", "缺少")),
    "missing_value": ("E-RULE-VALUE", "9:3", ("values.2019-05-01.value", "缺少")),
    "no_values": ("E-RULE-VALUE", "8:9", ("values", "项数过少")),
    "number_in_rank_list_as_text": ("E-RULE-VALUE", "10:12", ("“200”与单位 mu 不符", "不加引号")),
    "percent_text": ("E-RULE-VALUE", "10:12", ("“15%”与单位 1 不符", "0.15")),
    "python_tag": ("E-RULE-SYNTAX", "10:12", ("标签",)),
    "quoted_number": ("E-RULE-VALUE", "10:12", ("“5”与单位 mu 不符", "不加引号")),
    "reason_without_assumption": ("E-RULE-VALUE", "6:9", ("只有 kind 为 assumption",)),
    "short_date": ("E-RULE-VALUE", "9:3", ("不是有效日期", "2019-5-1")),
    "tab_indent": ("E-RULE-SYNTAX", "10:1", ("制表符",)),
    "text_outside_choices": ("E-RULE-VALUE", "11:12", ("“c”与单位 code 不符", "a、b")),
    "unknown_comparison": ("E-RULE-VALUE", "6:13", ("comparison", ">=、>、<=、<、==", "≥")),
    "unknown_deciding_date": ("E-RULE-VALUE", "7:13", ("decided_by", "period_end", "today")),
    "unknown_key": ("E-RULE-VALUE", "2:1", ("titel_zh", "不认识的键", "是否想写“title_zh”")),
    "unknown_kind": ("E-RULE-VALUE", "5:7", ("kind", "local_notice", "rule")),
    "unknown_unit": ("E-RULE-VALUE", "4:7", ("unit", "m2、mu", "亩")),
    "value_without_date": ("E-RULE-VALUE", "9:3", ("不是有效日期", "YYYY-MM-DD")),
}


def test_every_bad_file_has_its_case() -> None:
    assert {path.stem for path in BAD.glob("*.yaml")} == set(BAD_FILES)


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_rule_file_is_refused_where_and_why(name: str) -> None:
    code, place, words = BAD_FILES[name]
    source = f"{name}.yaml"
    with pytest.raises(RuleError) as caught:
        parse((BAD / source).read_text(encoding="utf-8"), source)
    assert caught.value.exit_code is ExitCode.RULE
    rendered = [f.render() for f in caught.value.findings if f.where == f"{source}:{place}"]
    assert rendered, str(caught.value)
    assert caught.value.findings[0].code == code
    for word in words:
        assert any(word in text for text in rendered), str(caught.value)


REFERENCE = {"title": "样例", "doc_no": None, "article": None, "checked_on": D(2026, 1, 1)}


def rule(rule_id: str = "quota.sample", **changes: Any) -> RuleParameter:
    fields: dict[str, Any] = {
        "id": rule_id,
        "title_zh": "样例",
        "meaning": "样例",
        "unit": "mu",
        "kind": "standard",
        "applies_to": "county",
        "decided_by": "period_end",
        "values": {
            D(2019, 5, 1): {"value": Decimal("5"), "reference": REFERENCE},
            D(2021, 1, 1): {"value": Decimal("6.5"), "reference": REFERENCE},
            D(2024, 1, 1): {"value": None, "reference": REFERENCE},
        },
    }
    return RuleParameter.model_validate(fields | changes)


def values(value: Any) -> dict[str, Any]:
    return {"values": {D(2019, 5, 1): {"value": value, "reference": REFERENCE}}}


@pytest.mark.parametrize(
    ("on", "number", "since"),
    [
        (D(2019, 5, 1), "5", D(2019, 5, 1)),
        (D(2020, 12, 31), "5", D(2019, 5, 1)),
        (D(2021, 1, 1), "6.5", D(2021, 1, 1)),
        (D(2023, 12, 31), "6.5", D(2021, 1, 1)),
    ],
)
def test_the_value_in_force_changes_on_its_day(on: D, number: str, since: D) -> None:
    found = RuleSet((rule(),)).at("quota.sample", on)
    assert (found.number(), found.since) == (Decimal(number), since)
    assert found.reference.title == "样例"


@pytest.mark.parametrize("on", [D(2019, 4, 30), D(2024, 1, 1), D(2026, 1, 1)])
def test_outside_the_series_is_refused_with_rule_date_and_earliest(on: D) -> None:
    with pytest.raises(RuleError) as caught:
        RuleSet((rule(),)).at("quota.sample", on)
    (finding,) = caught.value.findings
    assert finding.code == "E-RULE-DATE"
    for word in ("quota.sample", str(on), "2019-05-01"):
        assert word in finding.render()


def test_a_repealed_value_says_since_when() -> None:
    with pytest.raises(RuleError, match="自 2024-01-01 起停止执行"):
        RuleSet((rule(),)).at("quota.sample", D(2025, 1, 1))


def test_an_unknown_rule_is_met_with_the_nearest() -> None:
    with pytest.raises(RuleError, match=r"是否想写“quota\.sample”") as caught:
        RuleSet((rule(),)).at("quota.sampel", D(2020, 1, 1))
    assert caught.value.findings[0].code == "E-RULE-VALUE"


def test_numbers_are_the_decimals_that_were_written() -> None:
    text = (BAD / "quoted_number.yaml").read_text(encoding="utf-8")
    parameter = parse(text.replace('"5"', "{a: 0.1, b: [300, 1.10]}"))
    value = RuleSet((parameter,)).at("quota.sample", D(2020, 1, 1)).value
    assert value == {"a": Decimal("0.1"), "b": (Decimal(300), Decimal("1.1"))}


def test_flags_and_codes_keep_their_type() -> None:
    flag = RuleSet((rule(unit="flag", **values(False)),)).at("quota.sample", D(2020, 1, 1))
    assert flag.value is False
    coded = rule(unit="code", choices=("a", "b"), **values("b"))
    assert RuleSet((coded,)).at("quota.sample", D(2020, 1, 1)).text() == "b"


def test_a_value_of_another_type_is_not_bent() -> None:
    with pytest.raises(RuleError, match="一个文字代码"):
        RuleSet((rule(),)).at("quota.sample", D(2020, 1, 1)).text()
    flag = RuleSet((rule(unit="flag", **values(True)),)).at("quota.sample", D(2020, 1, 1))
    with pytest.raises(RuleError, match="一个数字"):
        flag.number()


def test_assumptions_used_are_named_once_and_sorted() -> None:
    assumed = {"kind": "assumption", "reason": "示例口径，待上级文件确认"}
    rules = RuleSet((rule("a.x"), rule("b.y", **assumed), rule("b.a", **assumed)))
    assert rules.assumptions_used(["b.y", "a.x", "b.a", "b.y"]) == ("b.a", "b.y")
    with pytest.raises(RuleError):
        rules.assumptions_used(["b.z"])


def test_comments_layout_and_spelling_of_numbers_do_not_change_the_digest() -> None:
    source = (RULES / "accountability" / "talk_pbf_area.yaml").read_text(encoding="utf-8")
    variants = {
        "plain": source,
        "comment": "# 说明\n" + source.replace("value: 5", "value:   5.0   # 亩"),
        "order": source.replace("unit: mu\n", "") + "unit: mu\n",
    }
    digests = set()
    for name, text in variants.items():
        assert name == "plain" or text != source
        digests.add(RuleSet((parse(text),)).digest())
    assert len(digests) == 1
    changed = RuleSet((parse(source.replace("value: 5", "value: 5.01")),)).digest()
    assert changed not in digests
    assert re.fullmatch(r"[0-9a-f]{64}", changed)


def test_the_digest_tells_text_from_number_and_new_rules() -> None:
    number = rule(unit="mu", **values(Decimal(5)))
    listed = rule(unit="mu", **values((Decimal(5),)))
    digests = {RuleSet(rules).digest() for rules in ((number,), (listed,), (number, rule("a.b")))}
    assert len(digests) == 3


def test_a_rule_set_can_not_change() -> None:
    rules = RuleSet((rule(),))
    with pytest.raises(dataclasses.FrozenInstanceError):
        rules.parameters = ()  # type: ignore[misc]


COMMITTED = load_rules(RULES).parameters


@pytest.mark.parametrize("parameter", COMMITTED, ids=lambda parameter: parameter.id)
def test_committed_rules_have_labels_and_references(parameter: RuleParameter) -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert chinese.search(parameter.title_zh)
    assert chinese.search(parameter.meaning)
    for since, dated in parameter.values.items():
        assert chinese.search(dated.reference.title)
        assert dated.reference.checked_on >= since
    if parameter.is_assumption:
        assert parameter.reason
        assert "待上级文件确认" in parameter.reason
    else:
        # A figure without any number of a document must say so to the reader.
        for dated in parameter.values.values():
            assert dated.reference.doc_no or "未见文号" in parameter.meaning


@pytest.mark.parametrize(
    ("rule_id", "on", "number", "comparison", "doc_no"),
    [
        ("accountability.cultivated_land_ratio", D(2026, 3, 31), "0.15", ">=", "第15号令"),
        ("accountability.talk_pbf_area", D(2019, 5, 1), "5", ">=", "源政办字〔2019〕19号"),
        ("accountability.talk_cultivated_area", D(2019, 5, 1), "10", ">=", "源政办字〔2019〕19号"),
        ("transfer.pbf_area", D(2026, 3, 31), "5", ">=", ""),
        ("transfer.cultivated_area", D(2026, 3, 31), "10", ">=", ""),
        ("minimum.construction_area", D(2026, 3, 31), "200", ">=", "TD/T 1055"),
        ("rural_road.min_width", D(2026, 3, 31), "2", ">=", ""),
        ("rural_road.max_width", D(2026, 3, 31), "8", "<=", ""),
    ],
)
def test_committed_figures_are_those_of_the_domain_note(
    rule_id: str, on: D, number: str, comparison: str, doc_no: str
) -> None:
    found = RuleSet(COMMITTED).at(rule_id, on)
    assert found.number() == Decimal(number)
    assert found.parameter.comparison == comparison
    assert doc_no in (found.reference.doc_no or "")


def test_the_talk_notice_does_not_reach_back() -> None:
    with pytest.raises(RuleError, match="2019-05-01"):
        RuleSet(COMMITTED).at("accountability.talk_pbf_area", D(2019, 4, 30))


def test_quota_figures_no_document_gives_are_assumptions() -> None:
    ids = [parameter.id for parameter in COMMITTED if parameter.id.startswith("quota.")]
    documented = {"quota.rank_table_anhui2016"}
    assert set(RuleSet(COMMITTED).assumptions_used(ids)) == set(ids) - documented
    ranks = RuleSet(COMMITTED).at("quota.rank_table_anhui2016", D(2016, 8, 25)).value
    assert ranks == {
        "deduct": (Decimal(300), Decimal(200), Decimal(100)),
        "award": (Decimal(300), Decimal(200), Decimal(100)),
    }
