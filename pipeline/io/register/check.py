"""Whether the register is what was written: its history, and that its tables follow from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import shapely

from pipeline.errors import Finding, InputError
from pipeline.io.register.file import open_to_read
from pipeline.io.register.schema import GUARDS, RUN_COLUMNS, STATE_LAYERS, srs_id_of
from pipeline.io.register.tables import (
    event_of,
    read_runs,
    read_values,
    state_rows,
    stored_columns,
    stored_events,
    stored_values,
)
from pipeline.rules.books.posting_checks import check_postings
from pipeline.rules.register.chain import check_chain
from pipeline.rules.register.replay import RegisterState, replay
from pipeline.schema.events import EVENT_LABELS, Event
from pipeline.schema.fields import FIELDS

MAX_ROWS_NAMED = 20
"""Rows of one table named one by one; the rest are counted."""

Values = tuple[Any, ...]


def verify_register(path: Path) -> list[Finding]:
    """Everything about a register that is not as this program wrote it; empty if all is.

    The chain names each event that was changed, rewritten or taken out; replaying what is there
    must give every row of every other table; every posting must be in balance. What this can not
    show is a register whose events *and* tables were rewritten consistently up to the end: for
    that its last hash must be kept elsewhere (`export` prints it, sealing a run records it).
    """
    if not path.is_file():
        return [
            Finding(
                "E-FILE-MISSING",
                "还没有台账。",
                where=str(path),
                advice="运行 collect 之后才有台账；台账被移走时从备份恢复。",
            )
        ]
    try:
        with open_to_read(path) as connection:
            return [
                *_check_file(connection, path),
                *check_chain(stored_events(connection), str(path)),
                *_check_state(connection, path),
            ]
    except InputError as problem:
        return list(problem.findings)


def _check_file(connection: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    """The pages are sound, and nothing that acts by itself was added or taken away."""
    for (result,) in connection.execute("PRAGMA integrity_check(5)"):
        if result != "ok":
            yield Finding(
                "E-REGISTER-UNREADABLE",
                "台账文件内部损坏。",
                where=str(path),
                value=str(result)[:200],
                advice="从最近的备份恢复。",
            )
    found = dict(
        connection.execute("SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')")
    )
    for name in sorted(found.keys() | GUARDS.keys()):
        if found.get(name) != GUARDS.get(name):
            yield Finding(
                "E-REGISTER-STATE",
                "台账的触发器或视图被添加、改动或删除。",
                where=str(path),
                value=name,
                allowed="、".join(GUARDS),
                advice="停止使用这份台账，用最近的备份核对并恢复。",
            )


def _check_state(connection: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    try:
        events = _usable_events(connection)
        yield from check_postings(
            (event for event in events if event.kind == "posting_made"), str(path)
        )
        state = replay(events)
        expected = _expected(state, srs_id_of(connection))
    except (AttributeError, KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as wrong:
        # The chain names the event; what it should say is gone.
        yield _state_finding(path, "历史被改动，现状无法由历史重放核对。", repr(wrong)[:200])
        return
    for spec in STATE_LAYERS:
        columns = stored_columns(spec)
        found = read_values(connection, spec)
        yield from _compare(path, spec.name, columns, spec.key, (expected[spec.name], found))
    runs = [astuple(summary) for summary in state.runs.values()]
    yield from _compare(path, "runs", RUN_COLUMNS, ("run",), (runs, read_runs(connection)))


def _usable_events(connection: sqlite3.Connection) -> list[Event]:
    """The events that still are events; the others break the chain."""
    events = []
    for row in stored_events(connection):
        try:
            event = event_of(row)
        except (TypeError, ValueError):
            continue
        if event.kind in EVENT_LABELS:
            events.append(event)
    return events


def _expected(state: RegisterState, srs_id: int) -> dict[str, list[Values]]:
    return {
        spec.name: stored_values(spec, rows, srs_id) for spec, rows in state_rows(state).items()
    }


def _compare(
    path: Path,
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    rows: tuple[Sequence[Values], Sequence[Values]],
) -> Iterator[Finding]:
    """Rows expected and found of one table, by key."""
    places = [columns.index(name) for name in key]
    expected, found = ({tuple(row[i] for i in places): row for row in side} for side in rows)
    problems = list(_differences(columns, expected, found))
    for what, value in problems[:MAX_ROWS_NAMED]:
        yield _state_finding(path, f"表 {table} {what}", value)
    if len(problems) > MAX_ROWS_NAMED:
        more = len(problems) - MAX_ROWS_NAMED
        yield _state_finding(path, f"表 {table} 还有 {more} 行与历史不符。", "")


def _differences(
    columns: Sequence[str], expected: Mapping[Values, Values], found: Mapping[Values, Values]
) -> Iterator[tuple[str, str]]:
    for key in sorted(expected.keys() | found.keys(), key=lambda key: tuple(map(str, key))):
        named = "/".join(map(str, key))
        if key not in found:
            yield f"缺少一行，历史里有它：{named}。", named
        elif key not in expected:
            yield f"多出一行，历史里没有它：{named}。", named
        elif found[key] != expected[key]:
            names = [
                name
                for name, was, is_now in zip(columns, expected[key], found[key], strict=True)
                if was != is_now
            ]
            shown = "、".join(FIELDS[name].label_zh if name in FIELDS else name for name in names)
            yield f"有一行与历史不符：{named}。", f"不符的列：{shown}"


def _state_finding(path: Path, what: str, value: str) -> Finding:
    return Finding(
        "E-REGISTER-STATE",
        what,
        where=str(path),
        value=value,
        allowed="由历史从头重放得到的现状",
        advice="停止使用这份台账，用最近的备份核对并恢复；不要在 QGIS 里改台账。",
    )
