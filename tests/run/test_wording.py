"""A clue is never called 违法 or 非法: every file of a full demo run, brief and books included.

Only a signed judgement says 违法 (DESIGN §1, §4). The books and the brief rest on signed
judgements: there the word may stand in the terms of `SIGNED_TERMS`, and nothing is counted under
them while nothing is signed.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from pipeline.config.load import CODES_DIR, load_codes
from tests.factories import ROOT, call_cli
from tests.wording import Text, texts_of, unguarded

SUPPLIED = re.compile(r"(ref_)?(patrol_records|previous_patches|leads|issued_patches)\.")
"""Tables with what the county itself has written: shown as supplied, no finding of ours."""
ANSWER = load_codes(CODES_DIR / "judgement.csv").labels["new_violation"]
FORM = "judgements.xlsx"
"""The form in which the bureau chooses its answer; the answer stands there as a choice."""
SIGNED_TERMS = (
    "违法用地查处整改情况表",
    "违法占用耕地比例表",
    "违法用地监测面积",
    "违法用地面积",
    "违法用地图斑",
    "违法用地",
    "违法占用耕地比例",
    "违法占用耕地面积",
    "违法占用耕地",
    "违法新增建设用地",
    "违法占地比例",
    "违法宗数",
    "违法占用一般耕地面积（警示约谈）",
    "违法占用永久基本农田、自然保护地面积（警示约谈）",
)
"""Names of figures that add up signed judgements (docs/tables.md), longest first."""
BOOKS = ("T02", "T04", "T05", "T06", "T07", "T10", "T12", "T15")
"""Tables that rest on signed judgements; the others are the program's own findings."""
PROGRAM_TABLES = ("T01_patches.csv", "T03_suspected.csv", "T11_observed.csv")


def is_books(name: str) -> bool:
    """Whether a file of a run tells of what the bureau has signed."""
    folder, _, rest = name.partition("/")
    if folder == "report":
        return True
    own = ("statistics.xlsx", "tables.json", "county.gpkg", "county.qgz", "trace.gpkg")
    return folder == "statistics" and (rest in own or rest[:3] in BOOKS)


def without_terms(text: str) -> str:
    for term in sorted(SIGNED_TERMS, key=len, reverse=True):
        text = text.replace(term, "")
    return text


def offences(run: Path) -> list[tuple[str, str, str]]:
    """File, place and surroundings of every word that may not stand there."""
    found = []
    for file in sorted(path for path in run.rglob("*") if path.is_file()):
        name = file.relative_to(run).as_posix()
        for one in texts_of(file):
            if is_allowed(file, one):
                continue
            text = without_terms(one.text) if is_books(name) else one.text
            found += [(name, one.where, around) for around in unguarded(text)]
    return found


def is_allowed(file: Path, one: Text) -> bool:
    if file.suffix == ".gpkg" and SUPPLIED.match(one.where):
        return True
    return file.name == FORM and one.text == ANSWER


def test_no_file_of_a_full_run_calls_a_clue_a_violation(closed_county: Path) -> None:
    run = closed_county / "runs" / "demo"
    stages = {path.name for path in run.iterdir() if path.is_dir()}
    assert {"intake", "screen", "packages", "delivery", "collect", "statistics", "report"} <= stages
    assert offences(run) == []


def test_the_search_finds_the_word_in_every_kind_of_file(closed_county: Path) -> None:
    """疑似违法 is in all of them: what is read is what people see."""
    run = closed_county / "runs" / "demo"
    names = ("cards.pdf", "register.xlsx", "verify.gpkg", "verify.qgz", "patches.kml", "route.csv")
    for name in names:
        files = sorted((run / "packages").glob(f"*/{name}"))
        assert any("疑似违法" in one.text for file in files for one in texts_of(file)), name
    files = [
        run / "report" / "brief.pdf",
        run / "report" / "brief.docx",
        run / "report" / "brief.html",
        run / "statistics" / "T03_suspected.csv",
    ]
    for file in files:
        assert any(re.search("疑似违法|违法用地", one.text) for one in texts_of(file)), file.name


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("疑似违法，待核查", 0),
        ("疑似 非法占用", 0),
        ("《违反土地管理规定行为处分办法》和《国土资源违法案件属地管理制度》", 0),
        ("原文“未经批准非法占用土地”", 0),
        ("这是“违法”的", 1),
        ("违法用地", 1),
        ("疑似的违法建设、非法采矿", 2),
        ("《办法》违法", 1),
        ("是否违反法律", 0),
    ],
)
def test_what_may_stand(text: str, n: int) -> None:
    assert len(unguarded(text)) == n


def test_only_the_signed_column_of_the_list_says_so(closed_county: Path) -> None:
    """T12: the word in one column, in the rows that the register has signed; T01 and T03 never."""
    folder = closed_county / "runs" / "demo" / "statistics"
    with (folder / "T12_list.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = {key for row in rows for key, value in row.items() if unguarded(value)}
    assert columns == {"判定（县局签署）"}
    said = {row["图斑编号"] for row in rows if unguarded(row["判定（县局签署）"])}
    assert said == signed(closed_county)
    for name in PROGRAM_TABLES:
        assert unguarded((folder / name).read_text(encoding="utf-8-sig")) == [], name


def signed(data: Path) -> set[str]:
    """Patches of the register that the bureau has signed as violations."""
    import sqlite3
    from contextlib import closing

    (register,) = (data / "register").glob("*.gpkg")
    with closing(sqlite3.connect(register)) as connection:
        sql = """SELECT patch_id FROM patches WHERE run = 'demo' AND judgement = 'new_violation'
            AND judged_by <> '' AND reviewed_by <> '' AND judged_date <> ''"""
        return {str(row[0]) for row in connection.execute(sql)}


def test_while_nothing_is_signed_nothing_is_a_violation(
    packed_county: Path, tmp_path: Path
) -> None:
    """Closed without an answer: every figure of a signed term is nothing, the brief says so."""
    data = tmp_path / "data"
    shutil.copytree(packed_county, data)
    done = call_cli("close", "--run", "demo", "--data", data, "--config-dir", ROOT / "configs")
    assert done.code == 0, done.text
    run = data / "runs" / "demo"
    tables = json.loads((run / "statistics" / "tables.json").read_text(encoding="utf-8"))
    counted = 0
    for name in ("T02", "T04", "T06"):
        for row in (*tables[name]["rows"], *tables[name]["totals"]):
            if name == "T02" and row["judgement"] != ANSWER:
                continue
            for column in tables[name]["columns"]:
                is_said = name == "T02" or "违法" in column["label"]
                if is_said and column["unit"] in ("个", "宗", "亩", "㎡"):
                    counted += 1
                    assert row[column["key"]] in (0, 0.0, "0", "0.00", None, "未观测", "未提供"), (
                        name, column["label"], row,
                    )  # fmt: skip
    assert counted > 50
    assert all(row["judgement"] != ANSWER for row in tables["T12"]["rows"])
    text = "".join(one.text for one in texts_of(run / "report" / "brief.pdf"))
    assert "目前没有认定违法用地" in text
    assert not re.search(r"认定违法用地图斑\d", text)
    assert offences(run) == []
