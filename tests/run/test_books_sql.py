"""T01 to T07 against plain SQL over the register (`tests/books_oracle.py`)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.books_oracle import differences, expected, open_books

RUN, CLOSES_ON, CHECK_YEAR = "demo", "2025-06-30", 2024


@pytest.fixture
def own_books(closed_county: Path, tmp_path: Path) -> Path:
    """The register and the books of the closed county, to be changed."""
    shutil.copytree(closed_county / "register", tmp_path / "register")
    source = closed_county / "runs" / RUN / "statistics"
    shutil.copytree(source, tmp_path / "runs" / RUN / "statistics")
    return tmp_path


def test_the_books_agree_with_the_register(closed_county: Path) -> None:
    assert differences(closed_county, RUN, CLOSES_ON, CHECK_YEAR) == []


def test_the_books_of_a_county_named_by_hand_agree() -> None:
    """Any other closed demo county: CLOSED_DEMO=<data folder>."""
    named = os.environ.get("CLOSED_DEMO")
    if not named:
        pytest.skip("CLOSED_DEMO names no data folder")
    assert differences(Path(named), RUN, CLOSES_ON, CHECK_YEAR) == []


def test_the_oracle_has_something_to_say(closed_county: Path) -> None:
    with closing(open_books(closed_county, RUN, CLOSES_ON, CHECK_YEAR)) as connection:
        found = expected(connection)
        bases = {row[0] for row in connection.execute("SELECT basis FROM counted")}
        ways = {row[0] for row in connection.execute("SELECT way FROM wrong")}
    assert bases == {"signed", "survey", "patch"}
    assert ways == {"demolished_restored", "regularised", "both", None}
    assert {name: len(books) > 5 for name, books in found.items()} == dict.fromkeys(found, True)
    assert any(cells.get("multiplier") == 2 for cells in found["T05"].values())
    assert {cells.get("is_capped") for cells in found["T05"].values()} >= {"是", "否"}
    assert any(cells["cultivated_ratio"] is None for cells in found["T06"].values())
    assert any((cells["cultivated_ratio"] or 0) >= 15 for cells in found["T06"].values())


@pytest.mark.parametrize("name", ["T01", "T02", "T03", "T04", "T05", "T06", "T07"])
def test_every_changed_figure_is_noticed(own_books: Path, name: str) -> None:
    path = own_books / "runs" / RUN / "statistics" / "tables.json"
    tables = json.loads(path.read_text(encoding="utf-8"))
    unchecked = {"award_mu"}
    changed = missed = 0
    for column in tables[name]["columns"]:
        key = column["key"]
        rows = [row for row in tables[name]["rows"] if isinstance(row.get(key), int | float)]
        rows = [row for row in rows if row[key] and row.get("period", "本期") == "本期"]
        if key in unchecked or key.startswith(("check_", "concealed_")) or not rows:
            continue
        before, rows[0][key] = rows[0][key], rows[0][key] + 0.01
        path.write_text(json.dumps(tables, ensure_ascii=False), encoding="utf-8")
        told = differences(own_books, RUN, CLOSES_ON, CHECK_YEAR)
        changed, missed = changed + 1, missed + (not told)
        rows[0][key] = before
    assert changed >= (4 if name == "T07" else 8)
    assert missed == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE patches SET judgement = 'other_use' WHERE rowid = "
        "(SELECT MIN(rowid) FROM patches WHERE judgement = 'new_violation')",
        "UPDATE cases SET accepted_date = '2025-07-01' WHERE rowid = "
        "(SELECT MIN(rowid) FROM cases WHERE accepted_date < '2025-06-30' "
        "AND rectification = 'regularised')",
        "UPDATE surveys SET survey_pbf_mu100 = survey_pbf_mu100 + 1",
        "UPDATE county_inputs SET value_mu = value_mu * 2 "
        "WHERE item = 'denominator_cultivated' AND LENGTH(unit_code) = 6",
        "UPDATE quota_ledger SET amount_mu100 = amount_mu100 + 1 "
        "WHERE account = 'quota' AND posting_kind = 'deducted'",
    ],
    ids=["judgement", "acceptance", "survey", "denominator", "ledger"],
)
def test_a_changed_register_is_noticed(own_books: Path, statement: str) -> None:
    (register,) = (own_books / "register").glob("*.gpkg")
    with closing(sqlite3.connect(register)) as file, file:
        assert file.execute(statement).rowcount > 0
    assert differences(own_books, RUN, CLOSES_ON, CHECK_YEAR) != []
