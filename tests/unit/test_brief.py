"""What the leaders' brief says: the books' figures, and no more words than what is known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import pytest

from pipeline.delivery.brief import build_brief
from pipeline.delivery.brief_books import Books, figure, shown, summed
from pipeline.delivery.brief_content import Brief, BriefTable
from pipeline.delivery.brief_tables import (
    LINKAGE,
    LINKED_ROWS,
    RANKED_ROWS,
    RANKING,
    RATIO,
    is_reached,
)
from pipeline.delivery.brief_talks import TALKED_ROWS
from tests.brief_factory import HEAD, NAMES, Plan, code_of, make_tables

DOCUMENTS = ("示政土扣〔2025〕3号",)


def brief(plan: Plan | None = None, documents: tuple[str, ...] = DOCUMENTS) -> Brief:
    return build_brief(Books(make_tables(plan)), HEAD, documents)


def printed(value: Any, key: str) -> str:
    """How a cell of tables.json is to be printed; written anew, for the test alone."""
    if value is None or isinstance(value, str):
        return value or "—"
    is_amount = key.endswith(("_mu", "_m2", "_ratio", "_rate"))
    return f"{value:.2f}" if is_amount else str(int(value))


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


def cells(table: BriefTable, name: str) -> list[str]:
    [row] = [row for row in table.rows if row.cells[0].text == name]
    return [cell.text for cell in row.cells[1:]]


def issued(tables: dict[str, Any], table: str, name: str) -> dict[str, Any]:
    rows = tables[table]["rows"]
    return next(r for r in rows if r["unit_name"] == name and r["source_group"] == "下发")


@pytest.mark.parametrize("townships", [1, 6, 13, 30])
def test_every_figure_of_the_ranking_stands_in_the_books(townships: int) -> None:
    tables = make_tables(Plan(townships=townships, unobserved=(4,)))
    table = build_brief(Books(tables), HEAD, ()).ranking
    named = [row.cells[0].text for row in table.rows if row.cells[0].text in NAMES]
    assert len(named) == (townships if townships <= RANKED_ROWS else RANKED_ROWS - 1)
    for name in named:
        expected = []
        for source, key, _, _ in RANKING:
            row = issued(tables, source, name)
            if source == "T02":
                row = next(
                    r
                    for r in tables["T02"]["rows"]
                    if (r["unit_name"], r["source_group"], r["judgement"])
                    == (name, "下发", "违法用地")
                )
            expected.append(printed(row[key], key))
        assert cells(table, name) == expected
    areas = [issued(tables, "T04", name)["area_mu"] for name in named]
    assert areas == sorted(areas, reverse=True)


def test_the_rest_and_the_named_add_up_to_the_total() -> None:
    table = brief(Plan(townships=30, unobserved=(4, 7))).ranking
    for k, (_, key, _, _) in enumerate(RANKING, start=1):
        if key.endswith(("_ratio", "_rate")):
            assert (
                next(r for r in table.rows if r.cells[0].text == "其余 18 个").cells[k].text == "—"
            )
            continue
        numbers = [row.cells[k].text for row in table.rows if not row.is_total]
        total = sum(Decimal(text) for text in numbers if text != "未观测")
        assert Decimal(cells(table, "下发合计（上报口径）")[k - 1]) == total


def test_linkage_and_ratio_are_the_books() -> None:
    tables = make_tables(Plan(townships=30))
    made = build_brief(Books(tables), HEAD, DOCUMENTS)
    named = [row.cells[0].text for row in made.linkage.rows if row.cells[0].text in NAMES]
    assert len(named) == LINKED_ROWS - 1
    for name in named:
        row = issued(tables, "T05", name)
        assert cells(made.linkage, name) == [printed(row[key], key) for key, _, _ in LINKAGE]
    total = tables["T05"]["totals"][0]
    assert cells(made.linkage, "下发合计") == [printed(total[key], key) for key, _, _ in LINKAGE]
    now, year = tables["T06"]["rows"][:2]
    expected = [[printed(now[key], key), printed(year[key], key)] for key, _ in RATIO]
    assert [[c.text for c in row.cells[1:]] for row in made.ratio.rows[: len(RATIO)]] == expected
    assert "对照线 15%" in made.ratio.title


def test_caps_and_doubling_are_said_under_the_table() -> None:
    tables = make_tables()
    first, second, third = tables["T05"]["rows"][:3]
    first["is_capped"] = "是"
    second["remark"] = "核减前按公式为 61.16 亩，超过上限，按 42.50 亩计"
    third["multiplier"] = 2.0
    note = build_brief(Books(tables), HEAD, ()).linkage.note
    assert f"{NAMES[0]}、{NAMES[1]}的测算超过本单位指标，按指标封顶" in in_code_order(note)
    assert f"{NAMES[2]}上年也有扣减，测算加倍" in note
    assert "封顶" not in brief().linkage.note
    for row in tables["T05"]["rows"]:
        row["is_capped"] = "是"
    assert f"{len(tables['T05']['rows'])} 个乡镇的测算超过" in (
        build_brief(Books(tables), HEAD, ()).linkage.note
    )


def in_code_order(note: str) -> str:
    """The two capped townships of the test may stand either way round: by their base."""
    return note.replace(f"{NAMES[1]}、{NAMES[0]}", f"{NAMES[0]}、{NAMES[1]}")


@pytest.mark.parametrize(
    ("reading", "printed_reading"),
    [
        ("达到", "达到 15% 对照线"),
        ("未达到（不等于免责）", "未达到 15% 对照线"),
        ("进度参考：达到；大于100%，请核对分母", "进度参考：达到 15% 对照线"),
        ("无法计算", "无法计算"),
    ],
)
def test_a_reading_names_its_line(reading: str, printed_reading: str) -> None:
    tables = make_tables()
    tables["T06"]["rows"][1]["reading"] = reading
    made = build_brief(Books(tables), HEAD, ())
    assert made.key_figures[3].note == printed_reading
    assert any(f"，{printed_reading}" in sentence for sentence in made.attention)


def test_every_column_says_what_it_shows() -> None:
    """Labels and figures by hand: a column under another's heading is the worst error here."""
    tables = make_tables()
    made = build_brief(Books(tables), HEAD, ())
    total = {name: tables[name]["totals"][0] for name in ("T01", "T02", "T04", "T05", "T11")}
    assert total["T02"]["judgement"] == "违法用地"
    ranking = {
        "图斑（个）": ("T01", "patches"),
        "已反馈（个）": ("T01", "answered"),
        "已判定（个）": ("T01", "judged"),
        "违法用地（图斑）": ("T04", "violations"),
        "违法用地（宗）": ("T04", "cases"),
        "违法用地面积（亩）": ("T04", "area_mu"),
        "其中耕地（亩）": ("T04", "cultivated_mu"),
        "其中永久基本农田（亩）": ("T02", "pbf_mu"),
        "尚未整改（亩）": ("T04", "unrectified_mu"),
        "整改到位率（%）": ("T04", "rectification_rate"),
        "可观测（%）": ("T01", "observed_ratio"),
    }
    labels = [column.label.replace(" ", "") for column in made.ranking.columns[1:]]
    shown_total = dict(zip(labels, cells(made.ranking, "下发合计（上报口径）"), strict=True))
    assert shown_total == {
        label: printed(total[table][key], key) for label, (table, key) in ranking.items()
    }
    linkage = {
        "核减前基数": "base_before_mu",
        "核减后基数": "base_after_mu",
        "其中永久基本农田": "base_pbf_after_mu",
        "核减前测算扣减": "deduction_before_mu",
        "核减后测算扣减": "deduction_after_mu",
        "上级扣减分摊": "quota_deducted_mu",
        "指标结存": "quota_closing_mu",
    }
    labels = [column.label.replace(" ", "") for column in made.linkage.columns[1:]]
    shown_total = dict(zip(labels, cells(made.linkage, "下发合计"), strict=True))
    assert shown_total == {label: printed(total["T05"][key], key) for label, key in linkage.items()}
    year = tables["T06"]["rows"][1]
    for label, key in {
        "违法占用耕地（亩）": "violation_cultivated_mu",
        "新增建设占用耕地（亩）": "denominator_cultivated_mu",
        "违法占用耕地比例（%）": "cultivated_ratio",
        "违法占地比例（%）": "new_ratio",
        "未整改占违法用地（%）": "unrectified_area_ratio",
    }.items():
        assert cells(made.ratio, label)[1] == printed(year[key], key)
    assert [column.label.replace(" ", "") for column in made.clocks.columns[1:]] == [
        "应完成", "按时完成", "逾期完成", "到期未完成", "未到期", "无法判断",
    ]  # fmt: skip
    keys = ("due", "on_time", "late", "open_overdue", "open_not_due", "unknown")
    for row in tables["T10"]["totals"]:
        assert cells(made.clocks, row["clock"]) == [str(row[key]) for key in keys]
    assert [value.value for value in made.key_figures] == [
        printed(total["T04"]["area_mu"], "area_mu"),
        printed(total["T04"]["cultivated_mu"], "cultivated_mu"),
        printed(total["T04"]["unrectified_mu"], "unrectified_mu"),
        printed(year["cultivated_ratio"], "cultivated_ratio"),
        printed(total["T05"]["deduction_after_mu"], "deduction_after_mu"),
    ]


def test_talk_cells_are_of_their_measure_and_reading() -> None:
    tables = make_tables(Plan(townships=30))
    tables["T07"]["rows"][0]["concealed_before_label"] = "预警"
    made = build_brief(Books(tables), HEAD, ())
    for row in made.talks.rows:
        lines = {
            r["measure"]: r for r in tables["T07"]["rows"] if r["unit_name"] == row.cells[0].text
        }
        for cell, measure in zip(
            row.cells[1:4], ("永久基本农田", "自然保护地", "一般耕地"), strict=True
        ):
            both = [f"{lines[measure][key]:.2f}" for key in ("before_mu", "after_mu")]
            assert cell.text == "→".join(dict.fromkeys(both))
        for cell, key in zip(
            row.cells[4:], ("before_label", "after_label", "concealed_before_label"), strict=True
        ):
            labels = {line[key] for line in lines.values()}
            worst = next(w for w in ("预警", "无法计算", "未达到") if w in labels)
            assert cell.text == worst


def test_talk_lines_name_the_warned_first_and_count_the_rest() -> None:
    tables = make_tables(Plan(townships=30))
    made = build_brief(Books(tables), HEAD, ())
    rows = tables["T07"]["rows"]
    warned = {row["unit_name"] for row in rows if row["before_label"] == "预警"}
    shown_names = [row.cells[0].text for row in made.talks.rows]
    assert len(shown_names) == TALKED_ROWS < len(warned)
    assert set(shown_names) <= warned
    assert all(row.cells[4].tone == "alert" for row in made.talks.rows)
    assert f"{len(warned) - TALKED_ROWS} 个预警" in made.talks.note
    assert f"等 {len(warned)} 个乡镇的违法用地达到警示约谈的面积线" in made.attention[0]


def test_a_county_without_patches_is_not_called_clean() -> None:
    made = brief(Plan(townships=3, patches=0))
    assert "没有下发图斑" in made.conclusion
    assert "没有看到的地方不等于没有变化" in made.conclusion
    assert made.key_figures[2].is_alert is False
    assert made.attention[0].startswith("没有乡镇达到")


def test_nothing_found_is_no_news_while_nothing_is_judged() -> None:
    tables = make_tables(Plan(patches=0))
    for name, cells in (("T01", {"patches": 59, "unjudged": 59}), ("T04", {"violations": 0})):
        for row in tables[name]["totals"]:
            row.update(cells)
    made = build_brief(Books(tables), HEAD, ())
    assert "59 个未判定" in made.conclusion
    assert "；59 个图斑还没有判定，不在内。" in made.attention[0]
    assert made.key_figures[0].note == "还有 59 个图斑未判定"


def test_missing_denominators_are_said_and_not_zero() -> None:
    made = brief(Plan(has_denominator=False), ())
    figure_of_ratio = made.key_figures[3]
    assert (figure_of_ratio.value, figure_of_ratio.unit) == ("无法计算", "")
    assert any("分母未提供" in sentence for sentence in made.attention)
    assert cells(made.ratio, "新增建设占用耕地（亩）") == ["未提供", "未提供"]


def test_deductions_are_the_superiors_only_with_a_document() -> None:
    decided = make_tables()["T05"]["totals"][0]["quota_deducted_mu"]
    with_document = next(s for s in brief().attention if "上级已扣减" in s)
    assert f"{decided:.2f} 亩（{DOCUMENTS[0]}）" in with_document
    tables = make_tables()
    for row in (*tables["T05"]["rows"], *tables["T05"]["totals"]):
        row["quota_deducted_mu"] = "未提供"
    without = build_brief(Books(tables), HEAD, ())
    assert without.key_figures[4].note == "上级扣减文件未提供"
    assert any("只供研究，以上级文件为准" in sentence for sentence in without.attention)


def test_what_is_not_known_is_listed() -> None:
    tables = make_tables(Plan(unobserved=(4,)))
    tables["T15"]["rows"].append({"identity": "T04＝T02", "is_equal": "不符"})
    made = build_brief(Books(tables), HEAD, ())
    said = "".join(made.unknowns)
    first = tables["T01"]["totals"][0]
    for words in (
        f"{NAMES[4]} 未观测",
        f"{first['unanswered']} 个没有反馈",
        f"{first['unjudged']} 个没有签署判定",
        "没有看到不等于没有变化",
        "1 项不符（T04＝T02）",
        "只作参照，不计入上报口径",
        "“只计瞒报”一栏无法计算",
    ):
        assert words in said
    assert "没有判断逾期" not in said


def test_without_a_closing_date_nothing_is_overdue() -> None:
    head = type(HEAD)(**{**asdict(HEAD), "closes_on": None, "after_date": None})
    made = build_brief(Books(make_tables()), head, ())
    assert made.masthead.as_of == "统计截止日期未填写"
    assert "没有判断逾期" in "".join(made.unknowns)
    assert "截至" not in made.conclusion
    assert "后时相 未提供" in made.masthead.images


@pytest.mark.parametrize(
    "plan", [Plan(), Plan(townships=30), Plan(patches=0), Plan(has_denominator=False)]
)
def test_no_verdict_of_its_own(plan: Plan) -> None:
    """违法 only in what the bureau has signed or in the name of the ratio; 非法 never."""
    for text in texts(asdict(brief(plan))):
        assert "非法" not in text
        rest = re.sub("违法用地|违法占用耕地|违法占地比例|违法占耕比例", "", text)
        assert "违法" not in rest, text


@pytest.mark.parametrize("townships", [6, 30])
def test_tables_never_outgrow_their_page(townships: int) -> None:
    made = brief(Plan(townships=townships))
    assert len(made.ranking.rows) <= RANKED_ROWS + 2
    assert len(made.linkage.rows) <= LINKED_ROWS + 1
    assert len(made.talks.rows) <= TALKED_ROWS
    for table in (made.ranking, made.linkage, made.ratio, made.talks, made.clocks):
        assert all(len(row.cells) == len(table.columns) for row in table.rows)


def test_assumptions_are_printed_with_their_table_and_without_ids() -> None:
    made = brief()
    assert made.assumption_label == "示例口径，待上级文件确认"
    assert made.assumptions[0].startswith("T05：")
    assert "永久基本农田扣减系数＝2" in made.assumptions[0]
    assert "quota." not in "".join(made.assumptions)
    tables = make_tables()
    for table in tables.values():
        table["assumptions"] = []
    without = build_brief(Books(tables), HEAD, ())
    assert (without.assumptions, without.assumption_label) == ((), "")
    assert "口径，待" not in without.footnote


def test_figures_keep_their_decimals_through_json() -> None:
    row = json.loads('{"area_mu": 12.3, "rate": 3, "cases": 4.0, "x_mu": 0}', parse_float=Decimal)
    assert shown(figure(row, "area_mu")) == "12.30"
    assert shown(figure(row, "x_mu")) == "0.00"
    assert shown(figure(row, "cases")) == "4"
    assert shown(figure(row, "none_mu")) == "—"


def test_sums_leave_out_the_unseen_and_stop_at_the_unknown() -> None:
    rows = [{"a_mu": 1.1}, {"a_mu": "未观测"}, {"a_mu": 2.2}]
    assert summed(rows, "a_mu") == Decimal("3.30")
    assert summed([*rows, {"a_mu": "无法计算"}], "a_mu") is None
    assert summed([{"a_mu": "未观测"}], "a_mu") is None


@pytest.mark.parametrize(
    ("reading", "reached"),
    [
        ("达到", True),
        ("进度参考：达到", True),
        ("参照：达到；大于100%，请核对分母", True),
        ("未达到（不等于免责）", False),
        ("进度参考：未达到（不等于免责）", False),
        ("无法计算", False),
    ],
)
def test_a_line_not_reached_is_never_an_alert(reading: str, reached: bool) -> None:
    assert is_reached(reading) is reached


def test_units_are_those_of_the_tables() -> None:
    assert [unit.code for unit in Books(make_tables()).units()] == [code_of(k) for k in range(6)]
