"""The demo county closed: every planted change, every return and every rerun."""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.closing_truth import Closed, misplaced
from tests.factories import ROOT, call_cli

PLAY = ROOT / "scripts" / "demo_townships.py"
CLOSING = ("collect", "statistics", "report")


def close(data: Path, *command: str) -> str:
    done = call_cli(
        *(command or ("close",)), "--run", "demo", "--data", data, "--config-dir", ROOT / "configs"
    )
    assert done.code == 0, done.text
    return done.text


def digests(data: Path) -> dict[str, str]:
    """Of everything that closing wrote, but the log."""
    roots = [data / "register", *(data / "runs" / "demo" / stage for stage in CLOSING)]
    return {
        path.relative_to(data).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for root in roots
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def own_county(closed_county: Path, tmp_path: Path) -> Path:
    """A copy of the closed county that a test may change."""
    shutil.copytree(closed_county, tmp_path / "data")
    return tmp_path / "data"


def change_table(data: Path, change: Any) -> None:
    path = data / "runs" / "demo" / "statistics" / "tables.json"
    tables = json.loads(path.read_text(encoding="utf-8"))
    change(tables)
    path.write_text(json.dumps(tables, ensure_ascii=False), encoding="utf-8")


def test_every_planted_change_stands_where_it_belongs(closed_county: Path) -> None:
    assert misplaced(closed_county) == []


def test_a_county_named_by_hand_stands_where_it_belongs() -> None:
    """Any other closed demo county: CLOSED_DEMO=<data folder>."""
    named = os.environ.get("CLOSED_DEMO")
    if not named:
        pytest.skip("CLOSED_DEMO names no data folder")
    assert misplaced(Path(named)) == []


def test_what_stands_elsewhere_is_noticed(own_county: Path) -> None:
    def change(tables: dict[str, Any]) -> None:
        row = next(row for row in tables["T12"]["rows"] if row["judgement"] == "违法用地")
        row["judgement"] = "其他用地"
        tables["T04"]["totals"][-1]["closed"] += 1
        tables["T02"]["rows"][0]["patches"] += 1
        row = next(row for row in tables["T03"]["rows"] if row["suspected_class"] == "可排除")
        row["suspected_class"] = "存疑"

    change_table(own_county, change)
    told = misplaced(own_county)
    assert {line.split()[0].strip("('),") for line in told} == {"T12", "T04", "T02", "T03"}


def test_who_plays_and_who_checks_know_nothing_of_the_pipeline() -> None:
    files = [PLAY, *sorted((ROOT / "scripts" / "demo_returns").glob("*.py"))]
    files += [
        ROOT / "tests" / name
        for name in ("books_oracle.py", "books_queries.py", "closing_truth.py")
    ]
    assert len(files) >= 12
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) pipeline\b", text, re.MULTILINE), path


def test_every_kind_of_mistake_was_played(answered_county: Path) -> None:
    played = Closed(answered_county).played
    codes = Counter(record["code"] for record in played["rejected"])
    assert codes.keys() == {
        "E-RETURN-FILE", "E-RETURN-REFUSED", "E-RETURN-UNKNOWN", "E-RETURN-PATCH",
        "E-RETURN-FOREIGN", "E-RETURN-VALUE", "E-RETURN-INCOMPLETE", "E-RETURN-UNSIGNED",
        "E-RETURN-DUPLICATE", "E-RETURN-CONFLICT", "E-RETURN-GEOMETRY", "E-RETURN-PHOTO",
        "E-RETURN-CASE",
    }  # fmt: skip
    assert {record["code"] for record in played["notices"]} == {"N-RETURN-LOCKED", "N-RETURN-DOUBT"}
    assert {record["kind"] for record in played["accepted"]} == {
        "finding", "photo", "survey", "judgement", "case", "county_input", "decision",
    }  # fmt: skip
    ways = {
        (case["rectification"], bool(case["accepted_date"])) for case in played["cases"].values()
    }
    assert len(ways) >= 6


def test_playing_again_changes_nothing_and_another_play_is_the_same(
    packed_county: Path, answered_county: Path, tmp_path: Path
) -> None:
    play = runpy.run_path(str(PLAY))["play"]
    assert "跳过" in play(answered_county, "demo")
    shutil.copytree(packed_county, tmp_path / "data")
    play(tmp_path / "data", "demo")
    first, second = (
        {
            path.relative_to(data).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((data / "returns").rglob("*"))
            if path.is_file()
        }
        for data in (answered_county, tmp_path / "data")
    )
    assert len(first) > 30
    assert first == second


def test_returns_of_others_are_never_touched(packed_county: Path, tmp_path: Path) -> None:
    shutil.copytree(packed_county, tmp_path / "data")
    theirs = tmp_path / "data" / "returns" / "demo" / "379999001" / "register.xlsx"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"filled in by hand")
    assert "不覆盖" in runpy.run_path(str(PLAY))["play"](tmp_path / "data", "demo")
    assert [path.name for path in theirs.parents[1].rglob("*") if path.is_file()] == [theirs.name]


def test_a_changed_return_is_kept_aside_when_it_is_played_anew(
    answered_county: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(answered_county, data)
    changed = data / "returns" / "demo" / "bureau" / "cases.xlsx"
    changed.write_bytes(b"by hand")
    answers = data / "returns" / "demo" / ".played.json"
    text = answers.read_text(encoding="utf-8")
    answers.write_text(re.sub('"stamp": "[0-9a-f]+"', '"stamp": ""', text), encoding="utf-8")
    assert "另存" in runpy.run_path(str(PLAY))["play"](data, "demo")
    (kept,) = (data / "returns").glob(".demo.kept_*/bureau/cases.xlsx")
    assert kept.read_bytes() == b"by hand"
    assert changed.read_bytes() != b"by hand"


def test_closing_again_recomputes_nothing(own_county: Path) -> None:
    before = digests(own_county)
    text = close(own_county)
    assert digests(own_county) == before
    for stage in CLOSING:
        assert re.search(rf"{stage}\b.*(没有变化|跳过)", text), text


@pytest.mark.slow
def test_losing_the_results_of_closing_gives_the_same_again(own_county: Path) -> None:
    """Also with the register standing: nothing is recorded twice."""
    before = digests(own_county)
    for stage in CLOSING:
        shutil.rmtree(own_county / "runs" / "demo" / stage)
    close(own_county)
    assert digests(own_county) == before


def test_an_open_conflict_waits_and_a_decided_one_counts(closed_county: Path) -> None:
    closed = Closed(closed_county)
    rivals = [one for one in closed.played["rejected"] if one["code"] == "E-RETURN-CONFLICT"]
    often = Counter(one["subject"] for one in rivals)
    (open_patch,) = (patch for patch, number in often.items() if number == 2)
    (decided_patch,) = (patch for patch, number in often.items() if number == 1)
    adopted = closed.played["patches"][decided_patch]["finding"]
    (register,) = (closed_county / "register").glob("*.gpkg")
    with closing(sqlite3.connect(register)) as file:
        sql = "SELECT site_state, photo_note FROM patches WHERE patch_id = ?"
        assert file.execute(sql, (open_patch,)).fetchone() == (None, None)
        assert file.execute(sql, (decided_patch,)).fetchone() == (
            adopted["site_state"], adopted["photo_note"],
        )  # fmt: skip


def test_a_corrected_return_is_taken_and_its_past_is_kept(own_county: Path) -> None:
    """The township without a choice on the list corrects its form: one more record, none lost."""
    import openpyxl

    closed = Closed(own_county)
    (record,) = (
        one for one in closed.played["rejected"]
        if one["code"] == "E-RETURN-VALUE" and one["kind"] == "finding" and "现状" in one["why"]
    )  # fmt: skip
    (register,) = (own_county / "register").glob("*.gpkg")
    with closing(sqlite3.connect(register)) as file:
        (events,) = file.execute("SELECT COUNT(*) FROM events").fetchone()
    path = own_county / "returns" / "demo" / record["file"]
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    names = {cell.value: cell.column for cell in sheet[4]}
    for row in range(6, sheet.max_row + 1):
        if sheet.cell(row, names["patch_id"]).value == record["subject"]:
            sheet.cell(row, names["site_state"]).value = "建成"
    book.save(path)
    close(own_county)
    with closing(sqlite3.connect(register)) as file:
        rows = file.execute(
            "SELECT kind, subject FROM events WHERE event_no > ?", (events,)
        ).fetchall()
        sql = "SELECT site_state FROM patches WHERE patch_id = ?"
        assert file.execute(sql, (record["subject"],)).fetchone() == ("built",)
    assert [kind for kind, _ in rows] == ["finding_accepted", "collected"]
    assert rows[0][1] == record["subject"]
