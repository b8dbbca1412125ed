"""The stage `statistics` on a county whose every figure was worked out by head."""

from __future__ import annotations

import datetime
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.io.runs import RunPaths
from pipeline.io.tables import read_tables_json
from pipeline.io.vectors import read_layer, stream_records
from pipeline.schema.delivered import DELIVERED_PARTS
from pipeline.schema.register_layers import CLOSED_PATCHES, CLOSED_TOWNSHIPS
from pipeline.stages.verify_books import verify_books
from tests.closing_factory import (
    COUNTY,
    INPUTS,
    RUN,
    closing_run,
    registered_row,
    run_statistics,
    write_closing_county,
    write_snapshot,
)
from tests.package_factory import A, B, C, D, patch_id

Row = dict[str, Any]
OUTSIDE = "000000000"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunPaths]:
    """Files that only manifests of a real run would add are not there."""
    from pipeline.io.digests import DigestCache
    from pipeline.io.rasters import close_handles
    from pipeline.io.tiles import ThreadDispatcher
    from pipeline.stages.catalogue import stage_by_name
    from pipeline.stages.context import StageContext
    from pipeline.stages.runner import run_stage

    paths = RunPaths(tmp_path_factory.mktemp("books") / "T1")
    write_closing_county(paths)
    through = ThreadDispatcher(1)
    try:
        context = StageContext(
            closing_run(), paths, through, through, 512, lambda _: lambda *_: None
        )
        run_stage(stage_by_name("statistics"), context, DigestCache(paths.digest_cache))
        yield paths
    finally:
        through.close()
        close_handles()


@pytest.fixture(scope="module")
def tables(closed: RunPaths) -> dict[str, Any]:
    return read_tables_json(closed.tables)


def row(tables: dict[str, Any], table_id: str, key: str) -> Row:
    table = tables[table_id]
    keys = [*table["row_keys"], *table["total_keys"]]
    found: Row = [*table["rows"], *table["totals"]][keys.index(key)]
    return found


def cells(tables: dict[str, Any], table_id: str, key: str, *columns: str) -> list[Any]:
    return [row(tables, table_id, key)[column] for column in columns]


PROGRESS = ("patches", "sent", "answered", "unanswered", "judged", "unjudged")


@pytest.mark.parametrize(
    ("key", "figures"),
    [
        (f"{A}|issued", [2, 2, 2, 0, 2, 0]),
        (f"{A}|detected", [1, 1, 1, 0, 1, 0]),
        (f"{B}|issued", [1, 1, 0, 1, 1, 0]),
        (f"{B}|detected", [1, 0, 0, 0, 1, 0]),
        (f"{C}|issued", ["未观测"] * 6),
        (f"{D}|detected", [1, 1, 0, 1, 0, 1]),
        (f"{OUTSIDE}|issued", [1, 0, 0, 0, 1, 0]),
        ("total|issued", [4, 3, 2, 1, 4, 0]),
        ("total|detected", [3, 2, 1, 1, 2, 1]),
        ("total|all", [7, 5, 3, 2, 6, 1]),
    ],
)
def test_progress(tables: dict[str, Any], key: str, figures: list[Any]) -> None:
    assert cells(tables, "T01", key, *PROGRESS) == figures


def test_progress_areas_are_those_of_the_patches(tables: dict[str, Any]) -> None:
    assert cells(tables, "T01", f"{A}|issued", "area_mu", "area_m2") == [10.2, 6800.0]
    assert cells(tables, "T01", "total|all", "area_mu", "cultivated_mu", "pbf_m2") == [
        33.69,
        16.84,
        11230.5,
    ]
    assert row(tables, "T01", f"{C}|issued")["observed_ratio"] == "未观测"
    assert row(tables, "T01", f"{B}|issued")["observed_ratio"] == 90.0


JUDGED = ("patches", "unmeasured", "area_mu", "area_m2", "new_mu", "cultivated_mu", "pbf_mu")


@pytest.mark.parametrize(
    ("key", "figures"),
    [
        # Patch 1 as signed: 3500 m², of which 3000 new, 1700 cultivated, 1000 永农.
        (f"{A}|issued|new_violation", [1, 1, 5.25, 3500.0, 4.5, 2.55, 1.5]),
        # Patch 5 as surveyed: 1000 m², of which 400 were built on before.
        (f"{B}|issued|new_violation", [1, 0, 1.5, 1000.0, 0.9, 0.0, 0.0]),
        # Patch 6 was judged by one person only.
        (f"{D}|detected|unjudged", [1, 1, 3.0, 2000.0, 1.5, 1.5, 1.5]),
        (f"{D}|detected|new_violation", [0, 0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("total|issued|new_violation", [2, 1, 6.75, 4500.0, 5.4, 2.55, 1.5]),
        ("total|all|new_violation", [4, 3, 25.35, 16900.0, 14.7, 11.85, 10.8]),
    ],
)
def test_judged(tables: dict[str, Any], key: str, figures: list[Any]) -> None:
    assert cells(tables, "T02", key, *JUDGED) == figures


def test_a_layer_that_was_not_supplied_is_no_zero(tables: dict[str, Any]) -> None:
    assert row(tables, "T02", f"{A}|issued|new_violation")["reserve_mu"] == "未提供"
    assert row(tables, "T02", f"{A}|issued|other_use")["reserve_mu"] == 0.0


def test_suspected_lists_kinds_for_suspected_violations_only(tables: dict[str, Any]) -> None:
    suspected = row(tables, "T03", f"{A}|issued|suspected_violation")
    assert [suspected[f"kind_{n}"] for n in (1, 4)] == [0, 1]
    assert row(tables, "T03", f"{A}|issued|early_warning")["kind_4"] is None
    assert row(tables, "T03", "total|all|suspected_violation")["patches"] == 2
    assert f"{C}|issued|uncertain" not in tables["T03"]["row_keys"]
    assert suspected["basis_note"] == "示例口径，待上级文件确认"


CASES = ("violations", "cases", "closed", "rectified", "filed_otherwise", "open", "no_case")


@pytest.mark.parametrize(
    ("key", "figures"),
    [
        # K1 holds patches 1 and 5 and counts where the larger one lies.
        (f"{A}|issued", [1, 1, 1, 1, 0, 0, 0]),
        (f"{A}|detected", [1, 1, 0, 0, 1, 0, 0]),
        (f"{B}|issued", [1, 1, 0, 0, 0, 1, 0]),
        (f"{B}|detected", [1, 1, 0, 0, 0, 1, 1]),
        ("total|all", [4, 4, 1, 1, 1, 2, 1]),
    ],
)
def test_cases(tables: dict[str, Any], key: str, figures: list[Any]) -> None:
    assert cells(tables, "T04", key, *CASES) == figures


def test_rates_and_ways_of_rectification(tables: dict[str, Any]) -> None:
    total = row(tables, "T04", "total|all")
    assert (total["duty_rate"], total["rectification_rate"]) == (50.0, 50.0)
    assert (total["demolished_mu"], total["unrectified_mu"], total["area_mu"]) == (
        5.25,
        20.1,
        25.35,
    )
    assert row(tables, "T04", f"{D}|issued")["duty_rate"] == "无法计算"
    assert (total["check_cases"], total["check_area"]) == (0, 0.0)


def test_linkage_counts_issued_violations_and_nets_what_is_accepted(tables: dict[str, Any]) -> None:
    columns = ("base_before_mu", "net_demolished_mu", "base_after_mu", "deduction_before_mu")
    # 4.50 亩 new, of which 1.50 permanent basic farmland counts twice: 6.00, but A's quota is 5.
    assert cells(tables, "T05", f"{A}|issued", *columns) == [4.5, 4.5, 0.0, 5.0]
    assert cells(tables, "T05", f"{B}|issued", *columns) == [0.9, 0.0, 0.9, 0.9]
    assert cells(tables, "T05", "total|issued", "base_before_mu", "deduction_after_mu") == [
        5.4,
        0.9,
    ]
    reference = row(tables, "T05", f"{B}|detected")
    assert (reference["base_before_mu"], reference["deduction_before_mu"]) == (4.8, None)


def test_quota_accounts_balance_and_sum_to_the_document(tables: dict[str, Any]) -> None:
    entries = ("quota_opening_mu", "quota_deducted_mu", "quota_closing_mu", "check_quota")
    assert cells(tables, "T05", f"{A}|issued", *entries) == [5.0, 2.0, 3.0, 0.0]
    assert cells(tables, "T05", f"{B}|issued", *entries) == ["未提供", 0.7, "无法计算", None]
    assert row(tables, "T05", f"{COUNTY}|county")["quota_allotted_mu"] == 50.0
    assert cells(tables, "T05", "total|issued", *entries) == [5.0, 2.7, 52.3, 0.0]
    assert row(tables, "T05", "total|issued")["target_year"] == 2025


def test_ratios_read_as_the_instrument_allows(tables: dict[str, Any]) -> None:
    county = row(tables, "T06", f"{COUNTY}|period")
    assert (county["violation_cultivated_mu"], county["cultivated_ratio"]) == (2.55, 8.5)
    assert county["reading"] == "进度参考：未达到（不等于免责）"
    year = row(tables, "T06", f"{COUNTY}|year")
    assert year["reading"] == "未达到（不等于免责）"
    # 1700 m² are exactly 15 % of 17 亩: at the threshold counts as reached.
    town = row(tables, "T06", f"{A}|period")
    assert (town["cultivated_ratio"], town["reading"]) == (15.0, "进度参考、参照：达到")
    assert town["net_cultivated_ratio"] == 0.0
    missing = row(tables, "T06", f"{B}|period")
    assert (missing["denominator_cultivated_mu"], missing["cultivated_ratio"]) == (
        "未提供",
        "无法计算",
    )
    assert county["unrectified_area_ratio"] == 22.22


def test_talk_lines_in_both_readings(tables: dict[str, Any]) -> None:
    line = row(tables, "T07", f"{A}|issued|pbf")
    assert (line["before_mu"], line["before_label"], line["after_mu"]) == (1.5, "未达到", 0.0)
    assert (line["concealed_before_mu"], line["concealed_before_label"]) == (1.5, "未达到")
    # Whether anything was concealed in K2 nobody has said.
    unsaid = row(tables, "T07", f"{A}|detected|pbf")
    assert (unsaid["concealed_before_mu"], unsaid["concealed_before_label"]) == ("无法计算",) * 2
    assert row(tables, "T07", f"{C}|issued|pbf")["before_label"] == "未观测"


def test_clocks(tables: dict[str, Any]) -> None:
    states = ("due", "on_time", "late", "open_overdue", "open_not_due", "unknown", "check")
    # Due on 11-20; patch 1 on 11-10, patch 3 on 11-21.
    assert cells(tables, "T10", f"{A}|issued|verification", *states) == [2, 1, 1, 0, 0, 0, 0]
    assert cells(tables, "T10", "total|all|case_filing", *states) == [3, 2, 0, 1, 0, 0, 0]


def test_observed_shares_add_up_to_the_land(tables: dict[str, Any]) -> None:
    shares = ("observed_ratio", "nodata_ratio", "cloud_ratio", "shadow_ratio", "other_ratio")
    assert cells(tables, "T11", f"{C}|all", *shares) == [0.0, 0.0, 100.0, 0.0, 0.0]
    assert cells(tables, "T11", f"{B}|all", *shares) == [90.0, 0.0, 0.0, 10.0, 0.0]
    assert cells(tables, "T11", "total|all", *shares) == [71.25, 0.0, 25.0, 3.75, 0.0]


def test_list_holds_what_was_issued_or_sent(tables: dict[str, Any]) -> None:
    rows = tables["T12"]["rows"]
    assert [r["patch_id"] for r in rows] == [patch_id(n) for n in (5, 1, 3, 7, 2, 6)]
    assert [r["serial"] for r in rows] == [1, 2, 3, 4, 5, 6]
    first = rows[0]
    assert (first["case_nos"], first["counted_basis"], first["is_closed"]) == (
        "K1、K3",
        "实测界址",
        "否",
    )
    assert rows[1]["rectification"] == "拆除复耕"
    assert rows[5]["judgement"] == "未判定"


def test_everything_agrees_with_everything(tables: dict[str, Any], closed: RunPaths) -> None:
    verdicts = {r["identity"]: r["is_equal"] for r in tables["T15"]["rows"]}
    assert "不符" not in verdicts.values()
    assert verdicts["本期已撤回的图斑（不计入各表）"] == "提示"
    assert verify_books(closed) == []


def test_no_word_of_a_verdict_but_what_was_signed(tables: dict[str, Any]) -> None:
    for table_id in ("T01", "T03", "T11"):
        text = json.dumps(tables[table_id], ensure_ascii=False).replace("疑似违法", "")
        text = text.replace(tables["T03"]["columns"][8]["label"], "")
        for word in ("违法", "非法"):
            assert word not in text, table_id


def test_county_file_holds_what_the_tables_add_up(closed: RunPaths) -> None:
    patches = read_layer(closed.books, CLOSED_PATCHES)
    assert patches["patch_id"].tolist() == [patch_id(n) for n in range(1, 8)]
    parts = read_layer(closed.books, DELIVERED_PARTS)
    surveyed = parts[parts["patch_id"] == patch_id(5)]
    assert surveyed["area_mu100"].sum() == 150
    assert set(surveyed["land_category"]) == {"construction"}
    towns = read_layer(closed.books, CLOSED_TOWNSHIPS)
    assert towns["township_code"].tolist() == sorted([A, B, C, D])
    years = list(stream_records(closed.books, "year_patches"))
    assert len(years) == 4
    assert (closed.stage_dir("statistics") / "county.qgz").is_file()


def test_every_posting_of_the_file_sums_to_zero(closed: RunPaths) -> None:
    with sqlite3.connect(closed.books) as connection:
        sums = connection.execute(
            "SELECT posting_no, sum(amount_mu100) FROM quota_ledger GROUP BY posting_no"
        ).fetchall()
    connection.close()
    assert sums == [(1, 0), (2, 0), (3, 0)]


def test_the_same_register_gives_the_same_bytes(closed: RunPaths, tmp_path: Path) -> None:
    other = RunPaths(tmp_path / "T1")
    write_closing_county(other)
    run_statistics(other)
    for name in ("tables.json", "statistics.xlsx", "county.gpkg", "T05_quota.csv", "county.qgz"):
        ours, theirs = (p.stage_dir("statistics") / name for p in (closed, other))
        assert ours.read_bytes() == theirs.read_bytes(), name


def written_anew(closed: RunPaths, folder: Path, **changes: Any) -> dict[str, Any]:
    """The tables of a county with another register."""
    root = folder / "T1"
    shutil.copytree(closed.root, root, ignore=shutil.ignore_patterns("statistics", "collect"))
    paths = RunPaths(root)
    rows = changes.pop("rows", None)
    run = closing_run(**changes.pop("run", {}))
    write_snapshot(paths, rows, **changes)
    run_statistics(paths, run)
    return read_tables_json(paths.tables)


def test_a_lineage_counts_once_in_the_year_with_its_latest_run(
    closed: RunPaths, tmp_path: Path
) -> None:
    earlier = {"run": "T0", "after_date": "2024-07-01", "recognised_cultivated_m2": 600.0}
    same = registered_row(1, **earlier)
    other = registered_row(1, **earlier, lineage_id="elsewhere", patch_id="379999ZJ24000099")
    rows = [same, other, *(registered_row(n) for n in range(1, 9))]
    tables = written_anew(closed, tmp_path, rows=rows)
    period, year = (row(tables, "T06", f"{COUNTY}|{kind}") for kind in ("period", "year"))
    assert period["violation_cultivated_m2"] == 1700.0
    assert year["violation_cultivated_m2"] == 2300.0
    assert row(tables, "T01", "total|all")["patches"] == 7


def test_nothing_collected_and_nothing_stated(closed: RunPaths, tmp_path: Path) -> None:
    blank = dict.fromkeys(("judgement", "judged_by", "reviewed_by", "judged_date"))
    rows = [registered_row(n, **blank) for n in range(1, 8)]
    tables = written_anew(
        closed, tmp_path, rows=rows, cases=[], links=[], inputs=[], ledger=[],
        run={"closes_on": None},
    )  # fmt: skip
    assert row(tables, "T04", "total|all")["duty_rate"] == "无法计算"
    assert row(tables, "T05", "total|issued")["quota_closing_mu"] == "无法计算"
    assert row(tables, "T06", f"{COUNTY}|period")["reading"] == "无法计算"
    assert row(tables, "T10", f"{D}|detected|verification")["unknown"] == 1
    assert row(tables, "T02", "total|all|unjudged")["patches"] == 7


def test_what_is_dated_after_the_closing_day_does_not_count(
    closed: RunPaths, tmp_path: Path
) -> None:
    tables = written_anew(closed, tmp_path, run={"closes_on": datetime.date(2024, 12, 5)})
    town = row(tables, "T04", f"{A}|issued")
    assert (town["closed"], town["rectified"], town["demolished_mu"]) == (0, 0, 0.0)
    assert INPUTS[0][1] == COUNTY
    assert RUN == "T1"


@pytest.mark.parametrize(
    ("layer", "statement", "told"),
    [
        ("books", "UPDATE patches SET counted_area_mu100 = 526 WHERE patch_id LIKE '%01'", "T02"),
        ("books", "UPDATE cases SET closed_date = NULL WHERE case_no = 'K1'", "T04"),
        ("books", "UPDATE quota_ledger SET amount_mu100 = 501 WHERE account = 'opening'", "凭证"),
        ("books", "UPDATE parts SET area_mu100 = area_mu100 + 1 WHERE part_id LIKE '%1-1'", "分块"),
        ("trace", "DELETE FROM contributions WHERE subject_id = 'K2'", "构成"),
        (
            "trace",
            "UPDATE contributions SET amount_m2_text = '3500.5' WHERE amount_m2_text = '3500.0' "
            "AND table_id = 'T02'",
            "T02",
        ),
    ],
)
def test_verify_names_what_was_tampered_with(
    closed: RunPaths, tmp_path: Path, layer: str, statement: str, told: str
) -> None:
    shutil.copytree(closed.root, tmp_path / "T1")
    paths = RunPaths(tmp_path / "T1")
    connection = sqlite3.connect(getattr(paths, layer))
    connection.execute("PRAGMA trusted_schema=ON")
    triggers = connection.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall()
    for (name,) in triggers:
        connection.execute(f'DROP TRIGGER "{name}"')
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()
    findings = verify_books(paths)
    assert findings
    assert any(told in found.what for found in findings)


def test_verify_reads_the_csv_cell_by_cell(closed: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(closed.root, tmp_path / "T1")
    paths = RunPaths(tmp_path / "T1")
    path = paths.table("T04_rectification")
    path.write_bytes(path.read_bytes().replace(b"5.25,3500.00", b"5.26,3500.00", 1))
    findings = verify_books(paths)
    assert len(findings) == 1
    assert "T04_rectification.csv" in findings[0].what
    assert "5.26≠5.25" in findings[0].value
