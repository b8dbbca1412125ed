"""Figures of the tables once more, by plain SQL on `statistics/county.gpkg` alone.

Written a second time on purpose, beside `delivery.tables`: whoever doubts a figure can paste the
statement into QGIS or any SQLite shell. Shares no code with what it checks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Found = Decimal | int | str
SIGNED = (
    "judgement IS NOT NULL AND judged_by IS NOT NULL AND reviewed_by IS NOT NULL "
    "AND judged_date IS NOT NULL"
)
VIOLATION = f"({SIGNED} AND judgement = 'new_violation')"
UNIT = "coalesce(township_code, '000000000')"
PATCHES_OF_T01 = {
    "patches": "1",
    "sent": "is_sent",
    "withheld": "NOT is_sent",
    "answered": "is_sent AND filled_date IS NOT NULL",
    "unanswered": "is_sent AND filled_date IS NULL",
    "judged": f"({SIGNED})",
    "unjudged": f"NOT ({SIGNED})",
}
WAYS = {
    "demolished": "net_way = 'demolished_restored'",
    "regularised": "net_way = 'regularised'",
    "both": "net_way = 'both'",
    "unrectified": "net_way IS NULL",
}
CASES = f"""
WITH v AS (SELECT * FROM patches WHERE {VIOLATION}),
held AS (
  SELECT c.case_no, {UNIT} AS unit, v.patch_id,
    max(v.source_group = 'issued') OVER (PARTITION BY c.case_no) AS issued,
    row_number() OVER (PARTITION BY c.case_no ORDER BY v.counted_area_m2 DESC, v.patch_id) AS n,
    coalesce(c.is_filed_otherwise, 0) AS otherwise,
    NOT coalesce(c.is_filed_otherwise, 0) AND c.closed_date IS NOT NULL
      AND (:closes_on IS NULL OR c.closed_date <= :closes_on) AS closed,
    c.rectification IS NOT NULL AND c.rectification <> 'not_rectified'
      AND c.accepted_date IS NOT NULL
      AND (:closes_on IS NULL OR c.accepted_date <= :closes_on) AS accepted
  FROM cases c JOIN case_patches l ON l.case_no = c.case_no JOIN v ON v.patch_id = l.patch_id),
zong AS (
  SELECT unit, CASE WHEN issued THEN 'issued' ELSE 'detected' END AS grp,
    otherwise, closed, accepted, 0 AS lonely FROM held WHERE n = 1
  UNION ALL
  SELECT {UNIT}, source_group, 0, 0, 0, 1 FROM v WHERE patch_id NOT IN
    (SELECT l.patch_id FROM case_patches l JOIN cases c ON c.case_no = l.case_no))
SELECT count(*), count(*), count(*) FROM zong"""
CASE_STATES = {
    "cases": "1",
    "closed": "closed",
    "rectified": "closed AND accepted",
    "filed_otherwise": "otherwise",
    "open": "NOT closed AND NOT otherwise",
    "no_case": "lonely",
}
LEDGER = """
WITH kinds AS (
  SELECT DISTINCT q.posting_no, CASE WHEN q.posting_kind = 'correction' THEN r.posting_kind
    ELSE q.posting_kind END AS kind
  FROM quota_ledger q LEFT JOIN quota_ledger r ON r.posting_no = q.reverses_no)
SELECT count(*), count(*), sum(q.amount_mu100 * {sign}) FROM quota_ledger q
JOIN kinds k ON k.posting_no = q.posting_no"""
ENTRIES = {
    ("quota", "opening"): ("opening", 1),
    ("quota", "allotted"): ("allotted", 1),
    ("quota", "restored"): ("restored", 1),
    ("quota", "carried_in"): ("carried_in", 1),
    ("quota", "deducted"): ("deducted", -1),
    ("quota", "carried_out"): ("carried_out", -1),
    ("deduction", "opening"): ("deduction_opening", 1),
    ("deduction", "deducted"): ("deducted", 1),
    ("deduction", "restored"): ("restored", -1),
}
"""Account and entry → kind of posting and the sign that makes it positive."""
RECOUNTED = ("T01", "T02", "T03", "T04", "T05", "T06")
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How one cell is counted: a statement, its values, and what its result is."""

    sql: str
    values: Mapping[str, Any]
    unit: str
    """mu100, m2 or count."""


@dataclass(frozen=True)
class _Rows:
    """Which rows of a table count."""

    table: str
    conditions: tuple[str, ...]
    values: Mapping[str, Any]

    def also(self, condition: str) -> _Rows:
        return _Rows(self.table, (*self.conditions, condition), self.values)

    def count(self) -> Recipe:
        return Recipe(f"SELECT count(*), count(*), count(*){self._end()}", self.values, "count")

    def sum(self, expression: str, unit: str) -> Recipe:
        sums = f"SELECT count(*), count({expression}), sum({expression})"
        return Recipe(f"{sums}{self._end()}", self.values, unit)

    def _end(self) -> str:
        where = " AND ".join(f"({text})" for text in self.conditions)
        return f" FROM {self.table}" + (f" WHERE {where}" if where else "")


def recipe(table_id: str, row_key: str, column: str, settings: Settings) -> Recipe | None:
    """The statement of a cell; None for shares, words and what only the rules work out.

    `settings`: closes_on, target_year, county_code, base (new_construction or cultivated).
    """
    if table_id not in RECOUNTED:
        return None
    unit, group, *further = row_key.split("|")
    match table_id:
        case "T01":
            return _counted(_patches(unit, group), column, PATCHES_OF_T01, "")
        case "T02":
            return _of_judged(_patches(unit, group, further), column, further[0])
        case "T03":
            rows = _patches(unit, group, further).also("suspected_class = :further")
            kinds = {f"kind_{n}": f"primary_kind = '{n}'" for n in range(1, 8)}
            is_suspected = further[0] == "suspected_violation"
            return _counted(rows, column, {"patches": "1", **(kinds if is_suspected else {})}, "")
        case "T04":
            return _of_violations(_patches(unit, group), column, settings)
        case "T05":
            return _of_quota(unit, group, column, settings)
        case "T06":
            return _of_ratio(unit, group, column, settings)
    return None


def recount(connection: sqlite3.Connection, how: Recipe) -> Found:
    """What a statement gives, as the table prints it; ㎡ to two decimals."""
    n_rows, n_known, total = connection.execute(how.sql, how.values).fetchone()
    if n_known < n_rows:
        return "无法计算" if n_known else "未提供"
    if how.unit == "count":
        return int(total or 0)
    exact = Decimal(total or 0) / (100 if how.unit == "mu100" else 1)
    return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _patches(unit: str, group: str, further: list[str] | None = None) -> _Rows:
    conditions, values = [], {}
    if unit != "total":
        conditions.append(f"{UNIT} = :unit")
        values["unit"] = unit
    if group != "all":
        conditions.append("source_group = :grp")
        values["grp"] = group
    if further:
        values["further"] = further[0]
    return _Rows("patches", tuple(conditions), values)


def _counted(rows: _Rows, column: str, counts: Mapping[str, str], prefix: str) -> Recipe | None:
    if column in counts:
        return rows.also(counts[column]).count()
    kind, _, unit = column.rpartition("_")
    if kind in ("area", "new", "cultivated", "pbf", "reserve") and unit in ("mu", "m2"):
        unit = "mu100" if unit == "mu" else unit
        return rows.sum(f"{prefix}{kind}_{unit}", unit)
    return None


def _of_judged(rows: _Rows, column: str, judgement: str) -> Recipe | None:
    if judgement == "unjudged":
        rows = rows.also(f"NOT ({SIGNED})")
    else:
        rows = rows.also(f"({SIGNED}) AND judgement = :further")
    counts = {"patches": "1", "unmeasured": "NOT coalesce(is_measured, 0)"}
    return _counted(rows, column, counts, "counted_")


def _of_violations(rows: _Rows, column: str, settings: Settings) -> Recipe | None:
    if column in CASE_STATES:
        # 宗 are laid out as unit and grp, see CASES.
        conditions = [CASE_STATES[column]]
        conditions += ["unit = :unit"] if "unit" in rows.values else []
        conditions += ["grp = :grp"] if "grp" in rows.values else []
        values = {**rows.values, "closes_on": settings["closes_on"]}
        return Recipe(f"{CASES} WHERE {' AND '.join(conditions)}", values, "count")
    rows = rows.also(VIOLATION)
    if column == "violations":
        return rows.count()
    way, _, unit = column.rpartition("_")
    if way == "unrectified_cultivated":
        return _counted(rows.also(WAYS["unrectified"]), f"cultivated_{unit}", {}, "counted_")
    if way in WAYS:
        return _counted(rows.also(WAYS[way]), f"area_{unit}", {}, "counted_")
    return _counted(rows, column, {}, "counted_")


def _of_quota(unit: str, group: str, column: str, settings: Settings) -> Recipe | None:
    if column in ("base_before_mu", "base_before_m2"):
        suffix = "mu100" if column.endswith("_mu") else "m2"
        base = f"counted_cultivated_{suffix}"
        if settings["base"] == "new_construction":
            base = f"coalesce(counted_new_{suffix}, counted_area_{suffix})"
        return _patches(unit, group).also(VIOLATION).sum(base, suffix)
    account, _, entry = column.removesuffix("_mu").partition("_")
    if unit == "total" or group == "detected" or (account, entry) not in ENTRIES:
        return None
    kind, sign = ENTRIES[account, entry]
    sql = LEDGER.format(sign=sign) + (
        " WHERE q.account = :account AND q.year = :year AND q.unit_code = :unit AND k.kind = :kind"
    )
    values = {"account": account, "year": settings["target_year"], "unit": unit, "kind": kind}
    return Recipe(sql, values, "mu100")


def _of_ratio(unit: str, period: str, column: str, settings: Settings) -> Recipe | None:
    table = "patches" if period == "period" else "year_patches"
    is_violation = VIOLATION if period == "period" else "judgement = 'new_violation'"
    rows = _Rows(table, ("source_group = 'issued'", is_violation), {})
    if unit != settings["county_code"]:
        rows = _Rows(table, (*rows.conditions, f"{UNIT} = :unit"), {"unit": unit})
    prefix, _, rest = column.partition("_")
    if prefix in ("net", "unrectified"):
        rows = rows.also("net_way IS NULL")
    elif prefix != "violation":
        return None
    return None if rest.endswith("ratio") else _counted(rows, rest, {}, "counted_")
