"""Rows of the register's tables: from events and states to what sqlite stores, and back."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any, cast

import shapely

from pipeline.io.geopackage import quoted
from pipeline.io.register.schema import RUN_COLUMNS, srs_id_of
from pipeline.rules.register.chain import EVENT_COLUMNS
from pipeline.rules.register.payloads import OUTLINE
from pipeline.rules.register.replay import RegisterState, RunSummary, advance
from pipeline.schema.events import Event, EventKind
from pipeline.schema.layer import LayerSpec
from pipeline.schema.register_layers import (
    CASE_PATCHES,
    CASES,
    COUNTY_INPUTS,
    LEDGER,
    LINEAGE,
    REGISTERED,
    SURVEYS,
)

Row = Mapping[str, Any]
Values = tuple[Any, ...]

_EVENT_LIST = ", ".join(quoted(name) for name in EVENT_COLUMNS)
_RUN_LIST = ", ".join(quoted(name) for name in RUN_COLUMNS)


def stored_events(
    connection: sqlite3.Connection, condition: str = "", values: Sequence[Any] = ()
) -> Iterator[dict[str, Any]]:
    """Rows of the event table as stored, in order; `condition` is SQL after FROM events."""
    for row in connection.execute(
        f"SELECT {_EVENT_LIST} FROM events {condition} ORDER BY event_no", tuple(values)
    ):
        yield dict(zip(EVENT_COLUMNS, row, strict=True))


def event_of(row: Row) -> Event:
    """A stored row as an event; ValueError if its payload is no JSON object."""
    payload = json.loads(row["payload"])
    if not isinstance(payload, dict):
        raise ValueError("payload is no object")
    return Event(
        kind=cast(EventKind, row["kind"]), **{**_without(row, "kind", "payload")}, payload=payload
    )


def insert_events(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Append rows of the event table."""
    connection.executemany(
        f"INSERT INTO events ({_EVENT_LIST}) VALUES ({_marks(EVENT_COLUMNS)})",
        ([row[name] for name in EVENT_COLUMNS] for row in rows),
    )


def state_rows(state: RegisterState) -> dict[LayerSpec, list[Row]]:
    """The rows of every state table, by key."""
    rows: dict[LayerSpec, Iterable[Row]] = {
        REGISTERED: state.patches.values(),
        SURVEYS: state.surveys.values(),
        CASES: state.cases.values(),
        CASE_PATCHES: (
            {"run": run, "case_no": case_no, "patch_id": patch_id}
            for (run, case_no), case in state.cases.items()
            for patch_id in case["patch_ids"]
        ),
        COUNTY_INPUTS: state.county_inputs.values(),
        LINEAGE: state.lineage,
        LEDGER: state.ledger,
    }
    return {
        spec: sorted(found, key=lambda row: [row[name] for name in spec.key])
        for spec, found in rows.items()
    }


def write_state(connection: sqlite3.Connection, state: RegisterState) -> None:
    """Put the rows of a state in place of those with the same keys; other rows stay."""
    srs_id = srs_id_of(connection)
    for spec, rows in state_rows(state).items():
        values = stored_values(spec, rows, srs_id)
        connection.executemany(_upsert(spec), values)
        if spec.geometry and rows:
            _widen_extent(connection, spec, rows)


def drop_lists(connection: sqlite3.Connection) -> None:
    """Take out the affected cases and links: one that lost a patch, say, has fewer rows."""
    connection.execute(
        f"DELETE FROM {LINEAGE.name} WHERE (run, patch_id) IN (SELECT run, subject FROM affected)"
    )
    for spec in (CASES, CASE_PATCHES):
        connection.execute(
            f"DELETE FROM {spec.name} WHERE (run, case_no) IN (SELECT run, subject FROM affected)"
        )


def write_runs(connection: sqlite3.Connection, written: Sequence[Event]) -> None:
    """Move on where runs stand by events just written."""
    found = {row[0]: RunSummary(*row[:-2], *map(bool, row[-2:])) for row in read_runs(connection)}
    runs = {event.run: None for event in written}
    for event in written:
        found[event.run] = advance(found.get(event.run), event)
    connection.executemany(
        f"INSERT OR REPLACE INTO runs ({_RUN_LIST}) VALUES ({_marks(RUN_COLUMNS)})",
        [astuple(found[run]) for run in runs],
    )


def stored_values(spec: LayerSpec, rows: Sequence[Row], srs_id: int) -> list[Values]:
    """What sqlite holds for the rows of one table, in the order of `stored_columns`."""
    columns = [(field.name, field.dtype == "json") for field in spec.field_specs]
    values = [[_stored(row[name], is_list) for name, is_list in columns] for row in rows]
    if not spec.geometry:
        return [tuple(row) for row in values]
    blobs = _geometry_blobs([row[OUTLINE] for row in rows], srs_id)
    return [(blob, *row) for blob, row in zip(blobs, values, strict=True)]


def stored_columns(spec: LayerSpec) -> tuple[str, ...]:
    """Columns of a state table without the row number."""
    return (*(("geom",) if spec.geometry else ()), *spec.fields)


def read_values(connection: sqlite3.Connection, spec: LayerSpec) -> list[Values]:
    """The rows of one state table as they are, by key; none if an older version lacks the table."""
    has_table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if connection.execute(has_table, (spec.name,)).fetchone() is None:
        return []
    columns = ", ".join(quoted(name) for name in stored_columns(spec))
    key = ", ".join(quoted(name) for name in spec.key)
    return connection.execute(
        f"SELECT {columns} FROM {quoted(spec.name)} ORDER BY {key}"
    ).fetchall()


def read_runs(connection: sqlite3.Connection) -> list[Values]:
    """The rows of the table `runs`, in the order of the runs."""
    return connection.execute(f"SELECT {_RUN_LIST} FROM runs ORDER BY first_event_no").fetchall()


def _without(row: Row, *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _marks(columns: Sequence[str]) -> str:
    return ", ".join("?" * len(columns))


def _upsert(spec: LayerSpec) -> str:
    columns = stored_columns(spec)
    key = ", ".join(quoted(name) for name in spec.key)
    rest = [quoted(name) for name in columns if name not in spec.key]
    update = ", ".join(f"{name} = excluded.{name}" for name in rest)
    return (
        f"INSERT INTO {quoted(spec.name)} ({', '.join(quoted(name) for name in columns)})"
        f" VALUES ({_marks(columns)}) ON CONFLICT ({key})"
        f" DO {f'UPDATE SET {update}' if rest else 'NOTHING'}"
    )


def _stored(value: Any, is_list: bool) -> Any:
    if is_list and value is not None:
        return json.dumps(value, ensure_ascii=False)
    return int(value) if isinstance(value, bool) else value


def _geometry_blobs(outlines: Sequence[str], srs_id: int) -> list[bytes]:
    """GeoPackage binary (2.1.3): little endian, envelope of x and y, then the WKB."""
    bounds = shapely.bounds(shapely.from_wkb(outlines))
    return [
        b"GP\x00\x03"
        + struct.pack("<i4d", srs_id, west, east, south, north)
        + bytes.fromhex(outline)
        for outline, (west, south, east, north) in zip(outlines, bounds, strict=True)
    ]


def _widen_extent(connection: sqlite3.Connection, spec: LayerSpec, rows: Sequence[Row]) -> None:
    """What a map shows first; it only ever grows, which is all that is needed of it."""
    found = shapely.total_bounds(shapely.from_wkb([row[OUTLINE] for row in rows]))
    connection.execute(
        "UPDATE gpkg_contents SET min_x = min(coalesce(min_x, ?1), ?1),"
        " min_y = min(coalesce(min_y, ?2), ?2), max_x = max(coalesce(max_x, ?3), ?3),"
        " max_y = max(coalesce(max_y, ?4), ?4) WHERE table_name = ?5",
        (*map(float, found), spec.name),
    )
