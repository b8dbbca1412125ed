"""Stage 9, `statistics` 统计挂钩: the register as collected → tables, county file, trace."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pipeline.delivery.tables.table import Table
from pipeline.errors import Finding, Severity
from pipeline.io.table_workbook import write_table_workbook
from pipeline.io.tables import write_csv, write_tables_json
from pipeline.rules.books.recognised import is_violation
from pipeline.stages.context import Number, StageContext, StageReport
from pipeline.stages.statistics_books import Books, read_books
from pipeline.stages.statistics_county import write_county
from pipeline.stages.statistics_reconcile import reconcile
from pipeline.stages.statistics_tables import all_tables
from pipeline.stages.statistics_trace import write_trace


def run(context: StageContext) -> StageReport:
    """Write every table in three forms, the county's file, and what the figures are made of."""
    with _without_collection():
        books = read_books(context)
        parts = write_county(context, books)
        tables = all_tables(context, books)
        tables.append(reconcile(context, books, tables, parts))
        _write_tables(context, tables)
        contributions = write_trace(context, books, tables)
    unequal = sum(row["is_equal"] == "不符" for row in tables[-1].rows)
    counts: dict[str, Number] = {
        "tables": len(tables),
        "patches": len(books.patches),
        "violations": sum(is_violation(row) for row in books.patches),
        "cases": len(books.cases),
        "contributions": contributions,
        "unequal": unequal,
    }
    return StageReport(counts, _notices(books, tables, unequal))


@contextmanager
def _without_collection() -> Iterator[None]:
    """Hundreds of thousands of tuples live until the end; searching them for cycles is a third."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _write_tables(context: StageContext, tables: Sequence[Table]) -> None:
    run, paths = context.run, context.paths
    for table in tables:
        write_csv(paths.table(table.name), table)
    write_tables_json(paths.tables, tables)
    heading = {
        "county": run.county_name,
        "period": run.period,
        "closes_on": "" if run.closes_on is None else run.closes_on.isoformat(),
        "secrecy": run.settings.package.secrecy,
    }
    write_table_workbook(paths.tables_workbook, tables, heading)


def _notices(books: Books, tables: Sequence[Table], unequal: int) -> tuple[Finding, ...]:
    notices = []
    missing = [table.id for table in tables if _has_word(table)]
    if missing:
        notices.append(
            Finding(
                "N-INPUT-MISSING",
                "有的数字缺少填报数据，写为“未提供”或“无法计算”。",
                where="、".join(missing),
                advice="填写 bureau/county_inputs.xlsx 后重新运行 collect 和 statistics。",
                severity=Severity.NOTICE,
            )
        )
    if unequal:
        notices.append(
            Finding(
                "E-VERIFY-SUM",
                f"核对表有 {unequal} 项不符。",
                where="statistics/T15_reconcile.csv",
                advice="按核对表逐项查看。",
                severity=Severity.NOTICE,
            )
        )
    return tuple(notices)


def _has_word(table: Table) -> bool:
    words = ("未提供", "无法计算")
    return table.id in ("T05", "T06", "T07") and any(
        cell in words for row in table.rows for cell in row.values()
    )
