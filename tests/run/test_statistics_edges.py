"""Books of counties that are not like others: nothing seen, layers missing, two periods, ranks."""

from __future__ import annotations

import datetime
import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from pipeline.io.runs import RunPaths
from pipeline.io.tables import read_tables_json
from pipeline.io.vectors import read_layer, write_layers
from pipeline.schema.layers import PATCHES
from pipeline.schema.register_layers import (
    CASE_PATCHES,
    CASES,
    COUNTY_INPUTS,
    LEDGER,
    LINEAGE,
    REGISTERED,
    SURVEYS,
)
from pipeline.stages import statistics_books
from pipeline.stages.trace import agrees, trace
from pipeline.stages.verify_books import verify_books
from pipeline.units import mu100_from_m2
from tests.books_factory import m2, rules_with
from tests.closing_factory import (
    COUNTY,
    INPUTS,
    POSTINGS,
    RUN,
    closing_run,
    ledger_rows,
    registered_row,
    run_statistics,
    write_closing_county,
    write_snapshot,
)
from tests.factories import write_raster
from tests.package_factory import GSD_M, SIDE_M, WORKING, X0, Y0, A, B, C, box, patch_id, table

Row = dict[str, Any]
Tables = dict[str, Any]
OUTSIDE = "000000000"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    made = RunPaths(tmp_path_factory.mktemp("edges") / "T1")
    write_closing_county(made)
    return made


def books(paths: RunPaths, rows: list[Row] | None = None, **tables: Any) -> Tables:
    """The tables of the county with another register; everything agrees in them."""
    write_snapshot(paths, rows, **tables)
    run_statistics(paths)
    assert verify_books(paths) == []
    found = read_tables_json(paths.tables)
    assert {row["is_equal"] for row in found["T15"]["rows"]} <= {"相符", "提示"}
    return found


def row(tables: Tables, table_id: str, key: str) -> Row:
    listed = tables[table_id]
    keys = [*listed["row_keys"], *listed["total_keys"]]
    found: Row = [*listed["rows"], *listed["totals"]][keys.index(key)]
    return found


def ledger(
    *postings: tuple[str, str, dict[str, int]], year: int = 2025, run: str = RUN
) -> list[Row]:
    """Deductions of a year: kind, document, unit → hundredths."""
    return [
        {
            "run": run,
            "posting_no": number,
            "line_no": line,
            "posting_kind": kind,
            "year": year,
            "account": account,
            "unit_code": unit,
            "amount_mu100": sign * amount,
            "doc_no": document,
        }
        for number, (kind, document, amounts) in enumerate(postings, 1)
        for line, (account, sign, unit, amount) in enumerate(
            [
                (a, s, u, n)
                for u, n in amounts.items()
                for a, s in (("quota", -1), ("deduction", 1))
            ],
            1,
        )
    ]


def test_no_figure_but_words_where_nothing_of_the_county_was_seen(
    paths: RunPaths, tmp_path: Path
) -> None:
    blind = RunPaths(tmp_path / "T1")
    write_closing_county(blind)
    n = SIDE_M // GSD_M
    transform = Affine(GSD_M, 0, X0, 0, -GSD_M, Y0 + SIDE_M)
    write_raster(blind.align_valid, np.full((n, n), 2, np.uint8), crs=4547, transform=transform)
    tables = books(blind, [], cases=[], links=[], ledger=[], inputs=[])
    for table_id, columns in {
        "T01": ("patches", "area_mu"),
        "T02": ("patches", "area_m2"),
        "T04": ("cases", "area_mu"),
        "T05": ("base_before_mu", "base_after_m2"),
        "T10": ("due", "unknown"),
        "T11": ("patches", "unobserved_patches"),
        "T12": ("area_mu", "pbf_m2"),
    }.items():
        for total in (*tables[table_id]["rows"], *tables[table_id]["totals"]):
            if total["unit_name"] != "示例县（县本级）":
                assert {total[column] for column in columns} == {"未观测"}, (table_id, total)
    assert row(tables, "T05", "total|issued")["deduction_after_mu"] == "未观测"
    assert row(tables, "T11", "total|all")["cloud_ratio"] == 100.0


def test_an_issued_patch_in_an_unseen_county_is_counted(tmp_path: Path) -> None:
    blind = RunPaths(tmp_path / "T1")
    write_closing_county(blind)
    n = SIDE_M // GSD_M
    transform = Affine(GSD_M, 0, X0, 0, -GSD_M, Y0 + SIDE_M)
    write_raster(blind.align_valid, np.full((n, n), 1, np.uint8), crs=4547, transform=transform)
    tables = books(blind, [registered_row(1)], links=[], cases=[])
    assert row(tables, "T01", "total|issued")["patches"] == 1
    assert row(tables, "T01", "total|detected")["patches"] == "未观测"
    assert row(tables, "T05", "total|issued")["base_before_mu"] == 4.5
    assert row(tables, "T11", f"{A}|all")["patches"] == 1


def test_the_observed_share_stands_beside_every_sum_of_areas(paths: RunPaths) -> None:
    tables = books(paths)
    for table_id, key in (
        ("T02", f"{B}|issued|new_violation"),
        ("T03", f"{B}|issued|facility"),
        ("T04", f"{B}|issued"),
        ("T05", f"{B}|detected"),
        ("T06", f"{B}|year"),
        ("T07", f"{B}|issued|pbf"),
    ):
        assert row(tables, table_id, key)["observed_ratio"] == 90.0, table_id
    for table_id in ("T02", "T04", "T05"):
        for total in tables[table_id]["totals"]:
            assert total["observed_ratio"] == 71.25
    assert row(tables, "T06", f"{COUNTY}|period")["observed_ratio"] == 71.25
    assert row(tables, "T04", f"{C}|issued")["observed_ratio"] == "未观测"


UNKNOWN_USE = {f"{kind}_{u}": None for kind in ("cultivated", "pbf") for u in ("m2", "mu100")}
SIGNED_AREAS = ("recognised_area_m2", "recognised_new_m2", "recognised_pbf_m2")


def test_farmland_that_nobody_supplied_is_no_zero_in_the_linkage(paths: RunPaths) -> None:
    bare = dict.fromkeys((*SIGNED_AREAS, "recognised_cultivated_m2"))
    rows = [registered_row(1, **UNKNOWN_USE, **bare), registered_row(4, **UNKNOWN_USE)]
    tables = books(paths, [*rows, registered_row(5)], links=[], cases=[])
    known, unknown = row(tables, "T05", f"{B}|issued"), row(tables, "T05", f"{A}|issued")
    assert (known["base_pbf_before_mu"], known["remark"]) == (0.0, None)
    for column in ("base_pbf_before_mu", "base_pbf_before_m2", "base_pbf_after_mu"):
        assert unknown[column] == "未提供"
        assert row(tables, "T05", "total|issued")[column] == "无法计算"
    assert "1 个图斑没有永久基本农田面积，测算为下限" in unknown["remark"]
    # 3600 m², half of it built on before.
    assert (unknown["base_before_mu"], unknown["deduction_after_mu"]) == (2.7, 2.7)


def test_a_base_of_cultivated_land_that_nobody_supplied_can_not_be_computed(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = rules_with({"quota.base": "cultivated"})
    monkeypatch.setattr(statistics_books, "load_rules", lambda _folder: changed)
    bare = dict.fromkeys((*SIGNED_AREAS, "recognised_cultivated_m2"))
    rows = [registered_row(1, **UNKNOWN_USE, **bare), registered_row(5)]
    tables = books(paths, rows, links=[], cases=[])
    town, total = row(tables, "T05", f"{A}|issued"), row(tables, "T05", "total|issued")
    for column in ("base_before_mu", "base_before_m2", "base_after_mu", "net_both_mu"):
        assert (town[column], total[column]) == ("未提供", "无法计算")
    assert town["deduction_after_mu"] == total["deduction_after_mu"] == "无法计算"
    assert "违法占用耕地面积" in json.dumps(tables["T05"]["assumptions"], ensure_ascii=False)


def test_codes_and_forms_of_a_language_are_told_in_chinese(paths: RunPaths) -> None:
    tables = books(paths)
    said = [line for one in tables.values() for line in one["assumptions"]]
    assert "整改验收期限（deadline.acceptance）＝次年6月30日" in said
    assert "查处整改期限（deadline.rectification）＝当年12月31日" in said
    assert "立案期限（deadline.case_filing_months）＝1个月" in said
    assert "增违挂钩扣减方式（quota.mode）＝按面积乘系数" in said
    for line in said:
        value = line.partition("＝")[2]
        assert not set(value) & set("{}'_()"), line
        assert not any("a" <= letter <= "z" for letter in value.lower()), line
    text = "\n".join(trace(paths, "T10", "合计", "due", "下发"))
    assert "整改验收期限＝次年6月30日（自 2019-05-01）" in text
    assert "Decimal" not in text


def test_a_township_at_its_quota_is_told_in_words(paths: RunPaths) -> None:
    tables = books(paths)
    town = row(tables, "T05", f"{A}|issued")
    assert (town["deduction_before_mu"], town["is_capped"]) == (5.0, "否")
    assert town["remark"] == "核减前测算 6.00 亩，超过上限，按 5.00 亩计"
    capped = books(paths, links=[], cases=[])
    town = row(capped, "T05", f"{A}|issued")
    assert (town["deduction_after_mu"], town["is_capped"]) == (5.0, "是")
    assert town["remark"].endswith("核减后测算 6.00 亩，超过上限，按 5.00 亩计")
    repeated = [*INPUTS, ("deducted_last_year", B, 2023, 1.0, "")]
    town = row(books(paths, inputs=repeated), "T05", f"{B}|issued")
    assert (town["multiplier"], town["deduction_after_mu"]) == (2.0, 1.8)
    assert town["remark"] == "上一年度已扣减，测算乘 2"


def test_what_this_run_posted_of_last_year_does_not_double_its_own_deduction(
    paths: RunPaths,
) -> None:
    for run, multiplier in ((RUN, 1.0), ("Z0", 2.0)):
        posted = ledger(("deducted", "去年", {B: 100}), year=2024, run=run)
        town = row(books(paths, ledger=posted, inputs=[]), "T05", f"{B}|issued")
        assert town["multiplier"] == multiplier
        assert (town["quota_deducted_mu"], town["check_deduction"]) == ("未提供", None)


def test_the_county_has_nothing_left_of_what_was_shared_out(paths: RunPaths) -> None:
    tables = books(paths)
    county = row(tables, "T05", f"{COUNTY}|county")
    assert (county["quota_deducted_mu"], county["deduction_deducted_mu"]) == (0.0, 0.0)
    assert (county["deduction_closing_mu"], county["quota_restored_mu"]) == (0.0, "未提供")
    assert (county["quota_closing_mu"], county["check_quota"]) == (50.0, 0.0)
    assert county["remark"] == "文件扣减 2.70 亩，已分到乡镇 2.70 亩"
    part = ledger(("deducted", "示政发〔2025〕9号", {A: 200, COUNTY: 70}))
    county = row(books(paths, ledger=part), "T05", f"{COUNTY}|county")
    assert (county["quota_deducted_mu"], county["deduction_closing_mu"]) == (0.7, 0.7)
    assert county["remark"].endswith("已分到乡镇 2.00 亩，未分到 0.70 亩")
    nothing = row(books(paths, ledger=[], inputs=[]), "T05", f"{COUNTY}|county")
    assert (nothing["quota_deducted_mu"], nothing["remark"]) == ("未提供", None)


def test_shares_stated_for_townships_are_part_of_the_countys_document(paths: RunPaths) -> None:
    inputs = [
        ("quota_deducted", COUNTY, 2025, 2.7, "甲"),
        ("quota_deducted", A, 2025, 1.0, "甲"),
        ("quota_deducted", B, 2025, 0.5, "乙"),
        ("quota_deducted", COUNTY, 2024, 9.0, "去年"),
    ]
    posted = ledger(("deducted", "甲", {A: 100, B: 170}), ("deducted", "乙", {B: 50}))
    tables = books(paths, inputs=inputs, ledger=posted)
    (line,) = [r for r in tables["T15"]["rows"] if "上级扣减文件数" in r["identity"]]
    assert (line["left"], line["right"], line["is_equal"]) == (3.2, 3.2, "相符")


def two_periods(
    paths: RunPaths, own: list[tuple[Any, ...]], earlier: list[tuple[Any, ...]], posted: list[Row]
) -> Tables:
    """Stated in an earlier run too, whose name sorts last and whose rows come last."""
    inputs = [
        {"run": run, "item": item, "unit_code": unit, "year": year, "value_mu": value, "doc_no": ""}
        for run, stated in ((RUN, own), ("Z0", earlier))
        for item, unit, year, value in stated
    ]
    rows = [registered_row(2, "Z0", after_date="2024-07-01")]
    write_snapshot(paths, [*rows, *(registered_row(n) for n in range(1, 9))], ledger=posted)
    specs = (REGISTERED, SURVEYS, CASES, CASE_PATCHES, LINEAGE, LEDGER)
    layers = {spec: read_layer(paths.snapshot, spec) for spec in specs}
    layers[COUNTY_INPUTS] = table(COUNTY_INPUTS, inputs)
    write_layers(paths.snapshot, layers, WORKING.to_wkt())
    run_statistics(paths)
    assert verify_books(paths) == []
    return read_tables_json(paths.tables)


def test_of_a_quota_stated_in_two_periods_the_later_counts_once(paths: RunPaths) -> None:
    opening, smaller = (("quota_opening", A, 2025, value) for value in (5.0, 3.0))
    deducted = ("quota_deducted", COUNTY, 2025, 2.7)
    posted = ledger(("deducted", "", {A: 270}))
    tables = two_periods(paths, [smaller, deducted], [opening, deducted], posted)
    # 6.00 亩 before netting: the cap is the 3.00 亩 that this period states, not 5 and not 8.
    assert row(tables, "T05", f"{A}|issued")["deduction_before_mu"] == 3.0
    (line,) = [r for r in tables["T15"]["rows"] if "上级扣减文件数" in r["identity"]]
    assert (line["left"], line["is_equal"]) == (2.7, "相符")


def test_a_period_without_a_patch_has_books_too(paths: RunPaths) -> None:
    tables = books(paths, [], cases=[], links=[])
    assert row(tables, "T01", "total|all")["patches"] == 0
    assert row(tables, "T06", f"{COUNTY}|period")["denominator_cultivated_mu"] == 30.0
    assert row(tables, "T06", f"{COUNTY}|period")["cultivated_ratio"] == 0.0


def ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = rules_with({"quota.mode": "rank_table"})
    monkeypatch.setattr(statistics_books, "load_rules", lambda _folder: rules)


def test_by_rank_places_are_shared_and_land_outside_takes_none(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked(monkeypatch)
    signed = {"judgement": "new_violation", "judged_by": "甲", "reviewed_by": "乙"}
    signed |= {"judged_date": "2024-11-25", "recognised_area_m2": 2000.0}
    signed |= {"recognised_new_m2": 2000.0, "recognised_cultivated_m2": 1800.0}
    signed |= {"recognised_pbf_m2": 0.0}
    rows = [registered_row(n, **signed) for n in (1, 7)]
    rows.append(registered_row(4, source_group="issued", **signed))
    tables = books(paths, rows, cases=[], links=[], inputs=[], ledger=[])
    keys = ("rank", "deduction_before_mu", "deduction_after_mu", "award_mu")
    shown = {
        code: [row(tables, "T05", f"{code}|issued")[key] for key in keys]
        for code in (A, B, "379999401", OUTSIDE)
    }
    # Two share the first two places; D and unseen C share the last two, but C gets no award.
    assert shown[A] == shown[B] == [1.5, 250.0, 250.0, 0.0]
    assert shown["379999401"] == [3.5, 0.0, 0.0, 250.0]
    assert shown[OUTSIDE] == [None, 0.0, 0.0, 0.0]
    total = row(tables, "T05", "total|issued")
    assert (total["deduction_after_mu"], total["award_mu"]) == (500.0, 250.0)
    assert "增违挂钩扣减方式（quota.mode）＝按名次定额" in tables["T05"]["assumptions"]
    text = "\n".join(trace(paths, "T05", "清溪镇", "deduction_after_mu", "下发"))
    assert "扣减最多的各名依次 300、200、100亩；最好的各名依次奖励 300、200、100亩" in text
    assert "quota.coef_pbf" not in text


def test_by_rank_an_unknown_area_leaves_deductions_and_awards_open(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked(monkeypatch)
    bare = dict.fromkeys((*SIGNED_AREAS, "recognised_cultivated_m2"))
    rows = [registered_row(1, **UNKNOWN_USE, **bare), registered_row(5)]
    tables = books(paths, rows, cases=[], links=[])
    for key in (f"{A}|issued", f"{B}|issued", "total|issued"):
        shown = row(tables, "T05", key)
        assert shown["deduction_after_mu"] == shown["award_mu"] == "无法计算"


@pytest.mark.parametrize(
    ("pbf_mu", "general_mu", "ratio", "said"),
    [
        ("4.99 亩", "9.99 亩", "14.99", ["未达到", "未达到", "未达到（不等于免责）"]),
        ("5.00 亩", "10.00 亩", "15.00", ["预警", "预警", "达到"]),
        ("5.01 亩", "10.01 亩", "15.01", ["预警", "预警", "达到"]),
    ],
)
def test_a_hundredth_beside_every_line_through_the_whole_stage(
    paths: RunPaths, pbf_mu: str, general_mu: str, ratio: str, said: list[str]
) -> None:
    pbf, general = m2(pbf_mu), m2(general_mu)
    areas = {"recognised_area_m2": 20_000.0, "recognised_new_m2": 20_000.0}
    areas |= {"recognised_pbf_m2": pbf, "recognised_reserve_m2": pbf}
    # The sum must not lie below the line for want of a bit.
    areas["recognised_cultivated_m2"] = float(np.nextafter(pbf + general, np.inf))
    judged = {"judgement": "new_violation", "judged_by": "甲", "reviewed_by": "乙"}
    first = registered_row(1, judged_date="2024-11-25", **judged, **areas)
    cultivated_mu100 = mu100_from_m2(areas["recognised_cultivated_m2"])
    whole_mu = {"14.99": 100.07, "15.00": 100.0, "15.01": 99.93}[ratio]
    stated = whole_mu * cultivated_mu100 / 1500
    inputs = [("denominator_cultivated", COUNTY, 2024, round(stated, 4), "")]
    tables = books(paths, [first], cases=[], links=[], inputs=inputs)
    town = [row(tables, "T07", f"{A}|issued|{m}") for m in ("pbf", "reserve", "general_cultivated")]
    county = row(tables, "T06", f"{COUNTY}|year")
    assert [line["before_label"] for line in town] == [said[0], said[0], said[1]]
    assert (county["cultivated_ratio"], county["reading"]) == (float(ratio), said[2])
    assert town[0]["before_mu"] == float(pbf_mu.split()[0])
    assert town[2]["before_mu"] == float(general_mu.split()[0])


def test_trace_leads_to_the_pixels(paths: RunPaths) -> None:
    books(paths)
    places = {1: (520, 150, 900), 2: (370, 270, 1500)}
    found = [
        {
            "patch_id": patch_id(n),
            "n_pixels": pixels,
            "first_row": first_row,
            "first_col": first_col,
            "before_date": "2024-05-06",
            "after_date": "2024-10-18",
            "change_kind": "building",
            "source": "issued",
            "theme": "land",
            "geometry": box(300, 100, 360, 160),
        }
        for n, (first_row, first_col, pixels) in places.items()
    ]
    paths.extract_patches.parent.mkdir(exist_ok=True)
    write_layers(paths.extract_patches, {PATCHES: table(PATCHES, found)}, WORKING.to_wkt())
    try:
        text = "\n".join(trace(paths, "T01", A, "patches", "下发"))
    finally:
        paths.extract_patches.unlink()
    assert "首像元第 520 行第 150 列，共 900 个像元（2024-05-06 → 2024-10-18）" in text
    # Patch 3 is not in the file: nothing is made up.
    assert "像元位置未提供" in text
    assert "前时相　日期未知　align/before.tif" in text
    assert f"原片 {'b' * 16}" in text
    assert "像元位置未提供" in "\n".join(trace(paths, "T01", A, "patches", "下发"))


def parts_of(paths: RunPaths, row_key: str, column: str) -> list[tuple[str, str, str]]:
    """Kind, subject and amount of what a figure of T05 is made of."""
    with sqlite3.connect(paths.trace) as connection:
        found = connection.execute(
            "SELECT subject_kind, subject_id, amount_text FROM contributions "
            "WHERE table_id = 'T05' AND row_key = ? AND column_key = ?",
            (row_key, column),
        ).fetchall()
    connection.close()
    return found


def test_a_deduction_names_what_every_patch_adds_before_the_cap(paths: RunPaths) -> None:
    books(paths)
    # 3.00 general once, 1.50 of 永久基本农田 twice; rectified, so that nothing is left after.
    assert parts_of(paths, f"{A}|issued", "deduction_before_mu") == [("patch", patch_id(1), "6")]
    assert parts_of(paths, f"{A}|issued", "deduction_after_mu") == []
    assert parts_of(paths, f"{B}|issued", "deduction_after_mu") == [("patch", patch_id(5), "0.9")]
    rows = [("row", f"{B}|issued", ""), ("row", f"{A}|issued", "")]
    assert parts_of(paths, "total|issued", "deduction_before_mu") == rows


def test_the_whole_countys_quota_is_what_it_stated_and_not_its_townships_too(
    paths: RunPaths,
) -> None:
    lines = [("quota", A, 500), ("superior", A, -500), ("quota", COUNTY, 900)]
    lines.append(("superior", COUNTY, -900))
    posted = [
        {
            "run": RUN,
            "posting_no": number,
            "line_no": number,
            "posting_kind": "allotted",
            "year": 2025,
            "account": account,
            "unit_code": unit,
            "amount_mu100": amount,
            "doc_no": "",
        }
        for number, (account, unit, amount) in enumerate(lines, 1)
    ]
    for line, number in zip(posted, (1, 1, 2, 2), strict=True):
        line["posting_no"] = number
    tables = books(paths, ledger=posted, inputs=[])
    assert row(tables, "T05", "total|issued")["quota_allotted_mu"] == 9.0
    assert parts_of(paths, "total|issued", "quota_allotted_mu") == [("row", f"{COUNTY}|county", "")]
    assert parts_of(paths, f"{A}|issued", "quota_allotted_mu") == [("posting", "1-1", "5.00")]


def test_a_township_that_no_longer_exists_keeps_what_it_had_in_the_year(paths: RunPaths) -> None:
    former = {"township_code": "379999199", "township_name": "已撤镇", "lineage_id": "L0"}
    earlier = registered_row(1, "T0", after_date="2024-07-01", **former)
    outside = registered_row(1, "T0", after_date="2024-07-01", township_code=None, lineage_id="L9")
    outside["patch_id"] = "379999ZJ24000099"
    tables = books(paths, [earlier, outside, registered_row(5)], cases=[], links=[])
    line = row(tables, "T06", "379999199|year")
    assert (line["unit_name"], line["violation_cultivated_m2"]) == ("原乡镇 379999199", 1700.0)
    assert row(tables, "T06", "379999199|period")["violation_cultivated_m2"] == 0.0
    assert row(tables, "T06", f"{OUTSIDE}|year")["unit_name"] == "未落入乡镇"
    assert row(tables, "T06", f"{COUNTY}|year")["violation_cultivated_m2"] == 3400.0
    assert "379999199|issued" not in tables["T01"]["row_keys"]


def test_a_negative_balance_is_pointed_out(paths: RunPaths) -> None:
    def pointed_out(tables: Tables) -> list[Any]:
        rows = tables["T15"]["rows"]
        return [(r["left"], r["is_equal"]) for r in rows if "期末为负" in r["identity"]]

    assert pointed_out(books(paths)) == [(0, "相符")]
    opening, _, deducted = POSTINGS
    lines = (("quota", A, -501), ("deduction", A, 501))
    posted = ledger_rows((opening, (deducted[0], deducted[1], lines)))
    assert pointed_out(books(paths, ledger=posted, inputs=[])) == [(1, "提示")]


def test_land_beyond_the_image_is_without_image(tmp_path: Path) -> None:
    cut = RunPaths(tmp_path / "T1")
    write_closing_county(cut)
    n = SIDE_M // GSD_M
    transform = Affine(GSD_M, 0, X0, 0, -GSD_M, Y0 + 900)
    write_raster(cut.align_valid, np.zeros((450, n), np.uint8), crs=4547, transform=transform)
    tables = books(cut)
    shares = ("observed_ratio", "nodata_ratio", "cloud_ratio")
    assert [row(tables, "T11", f"{C}|all")[key] for key in shares] == [0.0, 100.0, 0.0]
    assert [row(tables, "T11", "total|all")[key] for key in shares] == [75.0, 25.0, 0.0]
    assert row(tables, "T01", f"{C}|issued")["patches"] == "未观测"


def test_a_year_that_is_not_over_is_progress_only(paths: RunPaths) -> None:
    for day, reading in ((30, "进度参考：未达到（不等于免责）"), (31, "未达到（不等于免责）")):
        write_snapshot(paths)
        run_statistics(paths, closing_run(closes_on=datetime.date(2024, 12, day)))
        tables = read_tables_json(paths.tables)
        assert row(tables, "T06", f"{COUNTY}|year")["reading"] == reading
        assert row(tables, "T06", f"{COUNTY}|period")["reading"].startswith("进度参考")


@pytest.mark.parametrize(
    ("shown", "again", "agree"),
    [
        ("未提供", "未提供", True),
        ("未观测", 0, True),
        ("未提供", 5, False),
        ("未提供", "无法计算", False),
        (None, 0, True),
        (0.0, "未提供", False),
        (5.0, Decimal("5.01"), False),
    ],
)
def test_a_word_agrees_with_itself_and_with_nothing(shown: Any, again: Any, agree: bool) -> None:
    assert agrees(shown, again, "mu100") is agree


def test_a_patch_under_cloud_is_counted_where_it_lies(paths: RunPaths) -> None:
    hidden = registered_row(1, township_code=C, suspected_class="unobserved")
    tables = books(paths, [hidden, registered_row(3)], cases=[], links=[])
    assert row(tables, "T11", f"{C}|all")["unobserved_patches"] == 1
    assert row(tables, "T11", f"{A}|all")["unobserved_patches"] == 0
    assert row(tables, "T07", f"{C}|issued|pbf")["before_mu"] == 1.5
    assert row(tables, "T07", f"{C}|detected|pbf")["before_mu"] == "未观测"
    # What is lawful has nothing to be rectified.
    assert row(tables, "T12", patch_id(3))["rectification"] is None
    assert row(tables, "T12", patch_id(1))["rectification"] == "未整改到位"
