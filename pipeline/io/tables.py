"""Writing and reading the tables of the books: CSV for Excel and WPS, JSON for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.delivery.tables.table import Table, as_json, cell_text
from pipeline.io.atomic import replace_text
from pipeline.io.point_table import write_table
from pipeline.io.reports import read_json


def write_csv(path: Path, table: Table) -> None:
    """One table: a Chinese header row, rows, totals last."""
    keys = [column.key for column in table.columns]
    rows = ([cell_text(row.get(key)) for key in keys] for row in (*table.rows, *table.totals))
    write_table(path, [column.header for column in table.columns], rows)


def read_csv(path: Path) -> list[list[str]]:
    """Header and rows as text, as a spreadsheet would show them."""
    with io.StringIO(path.read_text(encoding="utf-8-sig"), newline="") as stream:
        return [[cell.removeprefix("'") for cell in row] for row in csv.reader(stream)]


def write_tables_json(path: Path, tables: Sequence[Table]) -> None:
    """All tables by their id."""
    entries = []
    for table in tables:
        content = as_json(table)
        # One row a line: readable, and fast for the list of a whole county.
        rows = {name: content.pop(name) for name in ("rows", "totals")}
        lists = [f'"{name}": [\n{_lines(listed)}]' for name, listed in rows.items()]
        joined = ",\n".join(lists)
        entries.append(f'"{table.id}": {{{_text(content)[1:-1]},\n{joined}}}')
    replace_text(path, "{\n" + ",\n".join(entries) + "\n}\n")


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"{_text(row)}{',' if n < len(rows) else ''}\n" for n, row in enumerate(rows, 1))


def _text(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def read_tables_json(path: Path) -> dict[str, dict[str, Any]]:
    """What `write_tables_json` wrote."""
    content: dict[str, dict[str, Any]] = read_json(path)
    return content
