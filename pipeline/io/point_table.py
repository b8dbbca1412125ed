"""Reading and writing CSV tables of intake: points with coordinate columns, and the findings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import shapely

from pipeline.delivery.sheets import RISKY
from pipeline.errors import Finding, InputError, Severity
from pipeline.io.atomic import replace_bytes
from pipeline.io.encodings import Encoding, choose_encoding
from pipeline.schema.headers import match_header
from pipeline.schema.messages import suggest
from pipeline.schema.normalise import Invalid, clean_text, parse_number
from pipeline.schema.raw_layer import RawColumn, RawLayer

_BOM = b"\xef\xbb\xbf"


def read_point_table(
    path: Path, point_columns: tuple[str, str], stated: str | None
) -> tuple[RawLayer, list[Finding]]:
    """A CSV with one header row as points; rows without readable coordinates have no geometry."""
    content = path.read_bytes()
    encoding, findings = _encoding(path, content, stated)
    text = content.removeprefix(_BOM).decode(encoding.codec, "replace")
    rows = _rows(path, text)
    header = [name.strip() for name in rows[0]] if rows else []
    body = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    numbers = [n for n, row in enumerate(rows[1:], start=1) if any(cell.strip() for cell in row)]
    columns: dict[str, RawColumn] = {}
    for position, name in enumerate(header):
        values = np.empty(len(body), dtype=object)
        values[:] = [row[position] if position < len(row) else None for row in body]
        columns.setdefault(name, RawColumn(values))
    x, y = (_coordinates(path, columns, name) for name in point_columns)
    geometry = np.full(len(body), None, dtype=object)
    known = np.isfinite(x) & np.isfinite(y)
    geometry[known] = shapely.points(x[known], y[known])
    raw = RawLayer(
        path.name,
        columns,
        geometry,
        np.array(numbers, np.int64),
        None,
        encoding.label,
        encoding.note,
    )
    return raw, findings


def _encoding(path: Path, content: bytes, stated: str | None) -> tuple[Encoding, list[Finding]]:
    if content.startswith(_BOM):
        return Encoding("utf-8"), []
    lines = [line for line in content.splitlines() if not line.isascii()]
    encoding = choose_encoding(lines, stated, None)
    if not encoding.is_sound:
        advice = "用记事本或 WPS 另存为 UTF-8 后再给出。"
        return encoding, [
            Finding(
                "E-LAYER-ENCODING", encoding.note, path.name, allowed="UTF-8 或 GBK", advice=advice
            )
        ]
    if not encoding.note:
        return encoding, []
    advice = "抽看几个中文名称；不对时在映射的 encoding: 里写明编码。"
    note = Finding(
        "N-LAYER-CPG" if encoding.is_overruled else "N-LAYER-ENCODING",
        encoding.note,
        path.name,
        encoding.label,
        advice=advice,
        severity=Severity.NOTICE,
    )
    return encoding, [note]


def _rows(path: Path, text: str) -> list[list[str]]:
    first = text.split("\n", maxsplit=1)[0]
    delimiter = max(",;\t，", key=first.count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as broken:
        advice = "用 WPS 或 Excel 打开后另存为 CSV。"
        finding = Finding(
            "E-FILE-UNREADABLE", "CSV 写法有误。", path.name, str(broken), advice=advice
        )
        raise InputError(finding) from broken


def _coordinates(path: Path, columns: dict[str, RawColumn], wanted: str) -> np.ndarray:
    found = match_header(wanted, columns)
    if len(found) != 1:
        raise InputError(
            Finding(
                "E-LAYER-FIELD",
                f"点表里没有坐标列“{wanted}”。",
                path.name,
                wanted,
                f"表里的列：{'、'.join(columns) or '（无）'}",
                suggest(wanted, columns) or "在映射的 fields 里写明 x: 列名 和 y: 列名。",
            )
        )
    return np.array([_number(text) for text in columns[found[0]].values], np.float64)


def _number(text: str | None) -> float:
    cleaned = clean_text(text)
    number = None if cleaned is None else parse_number(cleaned)
    return float("nan") if number is None or isinstance(number, Invalid) else float(number)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A CSV for Excel and WPS: UTF-8 with BOM; delivered text can not become a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    replace_bytes(path, out.getvalue().encode("utf-8-sig"))


def _inert(cell: str) -> str:
    if not cell.startswith(RISKY):
        return cell
    is_number = not isinstance(parse_number(cell), Invalid)
    return cell if is_number else f"'{cell}"
