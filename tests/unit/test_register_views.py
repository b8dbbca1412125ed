"""What people get to see of the register: a patch's history, the export."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.io.register.store import read_events
from pipeline.io.runs import RunPaths
from pipeline.stages.register import export, log, verify
from tests.register_factory import (
    RUN,
    case,
    finding,
    frozen,
    linked,
    one_of_each,
    patch_id,
    registered,
    survey,
    write_register,
)

COUNTY = "379999"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    paths = RunPaths.for_run(tmp_path_factory.mktemp("data"), RUN)
    events = [
        *one_of_each(),
        finding(1, site_state="vacant", occupant_name="=cmd|'/c calc'!A1"),
        case("示案〔2026〕1号", [2], decided_date="2026-07-20", closed_date="2026-08-01"),
        registered(9, "2026Q3"),
        linked(9, f"{RUN}:{patch_id(1)}", "2026Q3"),
        survey(1, 70.0),
        frozen(),
    ]
    write_register(paths.register(COUNTY), events)
    return paths


def numbers(lines: list[str]) -> list[int]:
    return [int(line.split()[1]) for line in lines if line.startswith("第 ")]


def test_a_patch_is_told_from_its_first_day_on(paths: RunPaths) -> None:
    lines = log(paths, COUNTY, patch_id(1))
    # Itself, what people said, its case (also after it left it), the decision, the seal; and the
    # same land in the next quarter.
    assert numbers(lines) == [1, 4, 5, 6, 7, 8, 10, 15, 16, 17, 18, 19, 20]
    assert lines[0].startswith(f"图斑 {patch_id(1)}，运行 {RUN}")
    assert lines[1].startswith(f"图斑 {patch_id(9)}，运行 2026Q3")
    text = "\n".join(lines)
    assert "合法性判定：违法用地" in text
    assert "图斑面积：2500.00 ㎡；图斑面积：3.75 亩" in text
    assert "文件 379999101/register.xlsx ｜ SHA-256 abababababab" in text
    assert "处罚决定日期：（空） → 2026-07-20；" in text
    assert "结案日期：（空） → 2026-08-01" in text
    (decision,) = [lines[n + 1] for n, line in enumerate(lines) if "冲突裁决" in line]
    assert "裁决日期：2" in decision
    assert "处罚" not in decision
    assert f"涉及图斑：{patch_id(1)}、{patch_id(2)} → {patch_id(2)}" in text
    assert "实测界址面积：3600.00 ㎡ → 4900.00 ㎡；界址：已改动" in text
    assert "本期封存" in text
    assert "wkb" not in text


def test_only_what_is_new_is_said_again(paths: RunPaths) -> None:
    lines = log(paths, COUNTY, patch_id(1))
    again = lines[1 + next(n for n, line in enumerate(lines) if line.startswith("第 15 条"))]
    assert "用地主体：（空） → =cmd|'/c calc'!A1" in again
    assert "填表人" not in again


def test_issued_ids_and_case_numbers_are_understood(paths: RunPaths) -> None:
    assert log(paths, COUNTY, "XF001") == log(paths, COUNTY, patch_id(1))
    lines = log(paths, COUNTY, "示案〔2026〕1号")
    assert lines[0] == f"案件 示案〔2026〕1号，运行 {RUN}"
    assert numbers(lines) == [8, 16, 20]


@pytest.mark.parametrize("name", ["", "379999ZJ26999999", RUN, "379999"])
def test_an_unknown_subject_is_refused(paths: RunPaths, name: str) -> None:
    with pytest.raises(UsageError):
        log(paths, COUNTY, name)


def test_an_export_proves_the_chain_without_this_program(paths: RunPaths, tmp_path: Path) -> None:
    place = paths.register(COUNTY)
    lines = export(place, tmp_path / "out")
    rows = [
        json.loads(x)
        for x in (tmp_path / "out" / "events.jsonl").read_text("utf-8").split("\n")
        if x
    ]
    previous_hash = "0" * 64
    for row in rows:
        assert row["previous_hash"] == previous_hash
        own = row.pop("hash")
        text = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        previous_hash = hashlib.sha256(text.encode()).hexdigest()
        assert own == previous_hash
    events = read_events(place)
    assert len(rows) == len(events)
    assert any(events[-1].hash in line for line in lines)
    assert verify(place) == []


def test_exported_tables_open_in_a_spreadsheet_as_text(paths: RunPaths, tmp_path: Path) -> None:
    export(paths.register(COUNTY), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "events.csv",
        "events.jsonl",
        "patches.csv",
        "surveys.csv",
        "cases.csv",
        "case_patches.csv",
        "county_inputs.csv",
        "lineage.csv",
        "quota_ledger.csv",
    }
    content = (tmp_path / "patches.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    first = next(row for row in rows if row["运行编号（run）"] == RUN)
    assert first["用地主体（occupant_name）"] == "'=cmd|'/c calc'!A1"
    assert first["是否已撤回（is_withdrawn）"] == "0"
    assert first["处理意见（handling_opinion）"] == ""
    assert len(rows) == 4
    with (tmp_path / "quota_ledger.csv").open(encoding="utf-8-sig", newline="") as stream:
        amounts = [row["金额（0.01亩）（amount_mu100）"] for row in csv.DictReader(stream)]
    assert amounts == ["12000", "-12000"]
    with (tmp_path / "events.csv").open(encoding="utf-8-sig", newline="") as stream:
        kinds = [row["事项"] for row in csv.DictReader(stream)]
    assert kinds[:4] == ["图斑登记", "图斑登记", "图斑登记", "乡镇核查结果"]
