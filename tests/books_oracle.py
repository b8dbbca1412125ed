"""The books T01 to T07 once more: plain SQL over the register, by definitions of TABLES and DOMAIN.

Shares no code with `pipeline`: sqlite3 over `data/register/<county>.gpkg` and, for the list of
townships, `statistics/county.gpkg`; coefficients and shares are written here as the demo has them.
`python -m tests.books_oracle DATA [RUN]` prints what differs from `statistics/tables.json`.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.books_queries import (
    INPUTS,
    OBSERVED,
    T01,
    T02,
    T03,
    T04_AREAS,
    T04_CASES,
    T05,
    T05_FACTS,
    T05_LEDGER,
    T06,
    T07,
    VIEWS,
)

Books = dict[tuple[str, ...], dict[str, Any]]
"""Unit, group and more → column → value."""
GROUPS = {"issued": "下发", "detected": "自主提取", "all": "全部"}
JUDGEMENTS = {"new_violation": "违法用地", "new_lawful": "合法新增建设用地",
              "other_use": "其他用地", "unjudged": "未判定"}  # fmt: skip
COEF_GENERAL, COEF_PBF, TIMES_AFTER_DEDUCTION, THRESHOLD_PERCENT = 1, 2, 2, 15

TALK_LINES_MU = {"永久基本农田": 5, "自然保护地": 5, "一般耕地": 10}


def open_books(data: Path, run: str, closes_on: str, check_year: int) -> sqlite3.Connection:
    """The register and the books side by side, with the views above."""
    (register,) = (data / "register").glob("*.gpkg")
    books = data / "runs" / run / "statistics" / "county.gpkg"
    connection = sqlite3.connect(":memory:")
    connection.execute("ATTACH ? AS register", (str(register),))
    connection.execute("ATTACH ? AS books", (str(books),))
    values = {"run": run, "closes": closes_on, "check_year": check_year}
    for statement in VIEWS.split(";\n"):
        if statement.strip():
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(statement, used)
    return connection


def expected(connection: sqlite3.Connection) -> dict[str, Books]:
    """Every table's figures, rows of units and totals."""
    units = [row[0] for row in connection.execute("SELECT township_code FROM books.townships")]
    (county,) = {unit[:6] for unit in units}
    tables = {"T01": T01, "T02": T02, "T03": T03, "T04": T04_AREAS, "T04 cases": T04_CASES}
    found = {name: _grouped(connection, sql, county) for name, sql in tables.items()}
    for key, cells in found.pop("T04 cases").items():
        found["T04"].setdefault(key, {}).update(cells)
    found["T05"] = _quota(connection, county)
    found["T06"] = _ratios(connection, county)
    found["T07"] = _rows(connection, T07, 3)
    for (_, _, measure), cells in found["T07"].items():
        cells["line_mu"] = TALK_LINES_MU[measure]
        for when in ("before", "after"):
            is_reached = 3 * cells[f"{when}_m2"] >= 2000 * TALK_LINES_MU[measure]
            cells[f"{when}_label"] = "预警" if is_reached else "未达到"
    seen = dict(connection.execute(OBSERVED.format(unit="township_code")))
    seen |= dict(connection.execute(OBSERVED.format(unit=f"'{county}'")))
    for books in found.values():
        for key, cells in books.items():
            # The county's own row is an account and no land.
            cells["observed_ratio"] = None if key[1] == "county" else seen.get(key[0])
    ((target_year,),) = connection.execute("SELECT check_year + 1 FROM given")
    for cells in found["T05"].values():
        cells |= {"target_year": target_year, "rank": None}
    return found


def _rows(connection: sqlite3.Connection, sql: str, n_keys: int) -> Books:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description]
    return {
        tuple(row[:n_keys]): {
            name: value / 100 if name.endswith("_mu") and value is not None else value
            for name, value in zip(names[n_keys:], row[n_keys:], strict=True)
        }
        for row in cursor
    }


def _grouped(connection: sqlite3.Connection, sql: str, county: str) -> Books:
    n_keys = 3 if "GROUP BY 1, 2, 3" in sql else 2
    return {
        key: cells
        for unit in ("unit", f"'{county}'")
        for grp in (("grp",) if unit == "unit" else ("grp", "'all'"))
        for key, cells in _rows(connection, sql.format(unit=unit, grp=grp), n_keys).items()
    }


def _quota(connection: sqlite3.Connection, county: str) -> Books:
    found = _rows(connection, T05.format(unit="unit", grp="grp"), 2)
    totals = _rows(connection, T05.format(unit=f"'{county}'", grp="grp"), 2)
    facts = {row[0]: row[1:] for row in connection.execute(T05_FACTS)}
    for (unit, grp), cells in found.items():
        if grp != "issued":
            continue
        quota, is_repeat = facts.get(unit, (None, 0))
        cells["multiplier"] = TIMES_AFTER_DEDUCTION if is_repeat else 1
        for when in ("before", "after"):
            base, pbf = cells[f"base_{when}_mu"], cells[f"base_pbf_{when}_mu"]
            wanted = (COEF_GENERAL * (base - pbf) + COEF_PBF * pbf) * cells["multiplier"]
            column = f"deduction_{when}_mu"
            cells[column] = wanted if quota is None else min(wanted, quota)
            cells["is_capped"] = "否" if quota is None or wanted <= quota else "是"
            total = totals[county, "issued"]
            total[column] = total.get(column, 0) + cells[column]
    posted = _rows(connection, T05_LEDGER, 2)
    _nothing_left(posted, county)
    for key, cells in posted.items():
        found.setdefault(key, {}).update(cells)
    return found | totals


def _nothing_left(posted: Books, county: str) -> None:
    """Of a document that was shared out in full, the county itself keeps zero and not nothing."""
    own = posted.get((county, "county"), {})
    for entry in ("deducted", "restored"):
        if any(cells[f"quota_{entry}_mu"] is not None for cells in posted.values()):
            for column in (f"quota_{entry}_mu", f"deduction_{entry}_mu", "deduction_closing_mu"):
                if column in own and own[column] is None:
                    own[column] = 0.0


def _ratios(connection: sqlite3.Connection, county: str) -> Books:
    stated = {(item, unit): value for item, unit, value in connection.execute(INPUTS)}
    found: Books = {}
    for unit in ("unit", f"'{county}'"):
        found |= _rows(connection, T06.format(unit=unit), 2)
    for (unit, _), cells in found.items():
        cells["threshold"] = THRESHOLD_PERCENT
        for kind, item in (("cultivated", "cultivated"), ("new", "new_construction")):
            whole = stated.get((f"denominator_{item}", unit))
            cells[f"denominator_{kind}_mu"] = whole
            for name, ratio in (("violation", f"{kind}_ratio"), ("net", f"net_{kind}_ratio")):
                area_mu = cells[f"{name}_{kind}_m2"] * 3 / 2000
                cells[ratio] = 100 * area_mu / whole if whole else None
        for kind, part in (("area", "unrectified_area_m2"), ("cultivated", "net_cultivated_m2")):
            whole = cells[f"violation_{kind}_m2"]
            cells[f"unrectified_{kind}_ratio"] = 100 * cells[part] / whole if whole else None
    return found


def printed(tables: dict[str, Any], name: str, period: str = "本期") -> Books:
    """Rows and totals of a printed table by the same keys."""
    found: Books = {}
    group_codes = {label: code for code, label in GROUPS.items()} | {"县级": "county"}
    more = {"T02": "judgement", "T03": "suspected_class", "T07": "measure"}.get(name)
    judged = {label: code for code, label in JUDGEMENTS.items()}
    for row in (*tables[name]["rows"], *tables[name]["totals"]):
        if row.get("period", period) != period:
            continue
        group = group_codes.get(row["source_group"], row["source_group"])
        key: tuple[str, ...] = (row["unit_code"], group)
        if more:
            key = (*key, judged.get(row[more], row[more]))
        found[key] = row
    return found


def differences(data: Path, run: str, closes_on: str, check_year: int) -> list[str]:
    """What the printed tables say otherwise than the register."""
    path = data / "runs" / run / "statistics" / "tables.json"
    tables = json.loads(path.read_text(encoding="utf-8"))
    with closing(open_books(data, run, closes_on, check_year)) as connection:
        labels = _class_labels(data)
        wanted = [(name, books, "本期") for name, books in expected(connection).items()]
        told = list(_counted_differences(connection))
        runs = connection.execute("SELECT COUNT(DISTINCT run) FROM register.patches")
        if runs.fetchone() == (1,):
            # With one quarter in the register the year so far is that quarter.
            wanted += [(*pair, "年度累计") for *pair, _ in wanted if pair[0] == "T06"]
    for name, books, period in wanted:
        has = printed(tables, name, period)
        for key, cells in sorted(books.items()):
            shown = has.get((*key[:2], labels.get(key[2], key[2])) if name == "T03" else key)
            if shown is None:
                told.append(f"{name} {key}: no such row")
                continue
            told += [
                f"{name} {key} {column}: {shown.get(column)!r} is printed, {value!r} counted"
                for column, value in cells.items()
                if not _is_same(name, key, column, value, shown)
            ]
        told += list(_uncalled(name, books, has, labels))
    return told


def _class_labels(data: Path) -> dict[str, str]:
    del data
    path = Path(__file__).parents[1] / "configs" / "codes" / "suspected_class.csv"
    lines = path.read_text(encoding="utf-8-sig").splitlines()[1:]
    return {line.split(",")[0]: line.split(",")[1] for line in lines}


def _is_same(name: str, key: tuple[str, ...], column: str, value: Any, row: dict[str, Any]) -> bool:
    if name == "T03" and column.startswith("kind_") and key[2] != "suspected_violation":
        return row[column] is None
    if column not in row:
        return False
    has = row[column]
    if isinstance(value, str):
        return bool(has == value)
    if value is None:
        return not isinstance(has, int | float)
    return isinstance(has, int | float) and abs(has - value) < 0.00501


def _uncalled(name: str, books: Books, has: Books, labels: dict[str, str]) -> Iterator[str]:
    """Rows that hold something although nothing is counted there."""
    named = {(*key[:2], labels.get(key[2], key[2])) if name == "T03" else key for key in books}
    for key, row in has.items():
        if key not in named and name not in ("T05", "T06", "T07"):
            held = {
                column: value
                for column, value in row.items()
                if isinstance(value, int | float) and value and not column.endswith("ratio")
            }
            if held:
                yield f"{name} {key}: nothing counted, but {held} printed"


def _counted_differences(connection: sqlite3.Connection) -> Iterator[str]:
    """Counted areas in county.gpkg against those of the register."""
    kinds = ("area", "new", "cultivated", "pbf", "reserve")
    for kind in kinds:
        sql = f"""SELECT c.patch_id, c.c_{kind}, b.counted_{kind}_mu100, c.c_{kind}_m2,
          b.counted_{kind}_m2 FROM counted c LEFT JOIN books.patches b USING (patch_id)
          WHERE c.c_{kind} IS NOT b.counted_{kind}_mu100
             OR ABS(c.c_{kind}_m2 - b.counted_{kind}_m2) > 1e-6"""
        for row in connection.execute(sql):
            yield f"county.gpkg counted_{kind}: {row}"


def main() -> int:
    """Print the differences; 1 if there are any."""
    run = sys.argv[2] if len(sys.argv) > 2 else "demo"
    told = differences(Path(sys.argv[1]), run, "2025-06-30", 2024)
    print("\n".join(told) or "T01–T07 agree with the register")
    return bool(told)


if __name__ == "__main__":
    sys.exit(main())
