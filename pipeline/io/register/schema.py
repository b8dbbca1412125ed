"""The tables of the register and their versions.

It is a GeoPackage 1.1: that version leaves `user_version` to us, later ones take it themselves.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.io.atomic import staging_file
from pipeline.io.geopackage import quoted
from pipeline.schema.field import Dtype
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

SCHEMA_VERSION = 2

STATE_LAYERS = (REGISTERED, SURVEYS, CASES, CASE_PATCHES, COUNTY_INPUTS, LINEAGE, LEDGER)
RUN_COLUMNS = (
    "run",
    "event_count",
    "first_event_no",
    "last_event_no",
    "last_hash",
    "collected_no",
    "is_moved",
    "is_frozen",
)
"""Of the table `runs`; it also shows that events were cut off which no other table shows."""

UNDEFINED_SRS_ID = -1
_OWN_SRS_ID = 100_000
"""For a reference system without an EPSG code."""
_APPLICATION_ID = 0x47503131
"""GP11."""
_STAMP = "2000-01-01T00:00:00.000Z"

_SQL_TYPES: dict[Dtype, str] = {
    "text": "TEXT",
    "date": "TEXT",
    "json": "TEXT",
    "integer": "INTEGER",
    "real": "DOUBLE",
    "boolean": "BOOLEAN",
}

_CATALOGUE = """
CREATE TABLE gpkg_spatial_ref_sys (
 srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
 organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
 table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
 description TEXT DEFAULT '', last_change DATETIME NOT NULL, min_x DOUBLE, min_y DOUBLE,
 max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
 CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
 table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
 srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
 CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
 CONSTRAINT uk_gc_table_name UNIQUE (table_name),
 CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
 CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
"""

_EVENTS = """
CREATE TABLE events (
 event_no INTEGER PRIMARY KEY, recorded_at TEXT NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL,
 subject TEXT NOT NULL, event_date TEXT, "by" TEXT, reason TEXT, source_file TEXT,
 source_sha256 TEXT, payload TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL);
CREATE INDEX events_by_subject ON events (run, subject);
CREATE INDEX postings ON events (event_no) WHERE kind = 'posting_made';
CREATE TABLE runs (
 run TEXT NOT NULL PRIMARY KEY, event_count INTEGER NOT NULL, first_event_no INTEGER NOT NULL,
 last_event_no INTEGER NOT NULL, last_hash TEXT NOT NULL, collected_no INTEGER,
 is_moved BOOLEAN NOT NULL, is_frozen BOOLEAN NOT NULL);
"""

GUARDS = {
    "events_no_update": (
        "CREATE TRIGGER events_no_update BEFORE UPDATE ON events"
        " BEGIN SELECT RAISE(ABORT, '台账历史不能改动'); END"
    ),
    "events_no_delete": (
        "CREATE TRIGGER events_no_delete BEFORE DELETE ON events"
        " BEGIN SELECT RAISE(ABORT, '台账历史不能删除'); END"
    ),
    # INSERT OR REPLACE fires no delete trigger.
    "events_append_only": (
        "CREATE TRIGGER events_append_only BEFORE INSERT ON events"
        " WHEN NEW.event_no IS NOT (SELECT coalesce(max(event_no), 0) + 1 FROM events)"
        " BEGIN SELECT RAISE(ABORT, '台账历史只能追加'); END"
    ),
}
"""Against a slip of the hand in another program; the chain is what proves anything."""


def srs_id_of(connection: sqlite3.Connection) -> int:
    """Identifier of the reference system of the geometry tables."""
    found = connection.execute(
        "SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = ?", (REGISTERED.name,)
    ).fetchone()
    return UNDEFINED_SRS_ID if found is None else int(found[0])


def create_register(path: Path, crs_wkt: str | None) -> None:
    """Build a new register beside its place, so that a half-made one is never found there."""
    with staging_file(path) as partial, closing(sqlite3.connect(partial)) as connection:
        connection.executescript(_CATALOGUE + _EVENTS)
        srs_id = _add_reference_systems(connection, crs_wkt)
        for guard in GUARDS.values():
            connection.execute(guard)
        for name, label in (("events", "台账历史"), ("runs", "各期登记")):
            _list_table(connection, name, label, None)
        for spec in STATE_LAYERS:
            connection.execute(_table_sql(spec))
            _list_table(connection, spec.name, spec.label_zh, srs_id if spec.geometry else None)
            if spec.geometry:
                connection.execute(
                    "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, ?, 0, 0)",
                    (spec.name, spec.geometry.upper(), srs_id),
                )
        connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.commit()


def _add_lineage(connection: sqlite3.Connection) -> None:
    """Version 2: the table of the lineage; no run of the first version had found any."""
    connection.execute(_table_sql(LINEAGE))
    _list_table(connection, LINEAGE.name, LINEAGE.label_zh, None)


MIGRATIONS: tuple[tuple[int, Callable[[sqlite3.Connection], None]], ...] = ((2, _add_lineage),)
"""Version that a step leads to, and the step; in order, run in one transaction."""


def _table_sql(spec: LayerSpec) -> str:
    columns = ["fid INTEGER PRIMARY KEY"]
    if spec.geometry:
        columns.append(f"geom {spec.geometry.upper()} NOT NULL")
    columns += [
        f"{quoted(field.name)} {_SQL_TYPES[field.dtype]}{_not_null(spec, field.name)}"
        for field in spec.field_specs
    ]
    key = ", ".join(quoted(name) for name in spec.key)
    return f"CREATE TABLE {quoted(spec.name)} ({', '.join(columns)}, UNIQUE ({key}))"


def _not_null(spec: LayerSpec, name: str) -> str:
    return " NOT NULL" if name in spec.key else ""


def _list_table(connection: sqlite3.Connection, name: str, label: str, srs_id: int | None) -> None:
    kind = "attributes" if srs_id is None else "features"
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change,"
        " srs_id) VALUES (?, ?, ?, ?, ?, ?)",
        (name, kind, name, label, _STAMP, srs_id),
    )


def _add_reference_systems(connection: sqlite3.Connection, crs_wkt: str | None) -> int:
    wgs84 = CRS.from_epsg(4326)
    rows = [
        ("Undefined cartesian SRS", UNDEFINED_SRS_ID, "NONE", UNDEFINED_SRS_ID, "undefined"),
        ("Undefined geographic SRS", 0, "NONE", 0, "undefined"),
        (wgs84.name, 4326, "EPSG", 4326, wgs84.to_wkt("WKT1_GDAL")),
    ]
    srs_id = UNDEFINED_SRS_ID
    if crs_wkt is not None:
        crs = CRS.from_wkt(crs_wkt)
        epsg = crs.to_epsg(min_confidence=100)
        srs_id = epsg or _OWN_SRS_ID
        if srs_id != 4326:
            authority = "NONE" if epsg is None else "EPSG"
            rows.append((crs.name, srs_id, authority, srs_id, crs_definition(crs)))
    connection.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, NULL)", rows)
    return srs_id


def crs_definition(crs: CRS) -> str:
    """Well-known text as GeoPackage wants it, where the older form can say it."""
    try:
        return crs.to_wkt("WKT1_GDAL")
    except CRSError:
        return crs.to_wkt()
