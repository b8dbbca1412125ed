"""Default styles and column names inside a GeoPackage, with sqlite3 alone.

QGIS reads `layer_styles`; other programs read `gpkg_data_columns`. Both are written, because QGIS
3.22 does not show the second.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Finding, InputError
from pipeline.io.vectors import FIXED_STAMP

_STYLES = """
CREATE TABLE layer_styles (
 id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
 f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
 f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
 useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME)
"""
_COLUMNS = """
CREATE TABLE gpkg_data_columns (
 table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT,
 mime_type TEXT, constraint_name TEXT,
 CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
 CONSTRAINT gdc_tn UNIQUE (table_name, name))
"""
_CONSTRAINTS = """
CREATE TABLE gpkg_data_column_constraints (
 constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT, min NUMERIC,
 min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,
 CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value))
"""
_EXTENSION = "http://www.geopackage.org/spec/#extension_schema"
DATA_COLUMNS = "gpkg_data_columns"
DATA_CONSTRAINTS = "gpkg_data_column_constraints"


@dataclass(frozen=True)
class StoredStyle:
    """The default style of one layer."""

    layer: str
    title: str
    qml: str
    has_geometry: bool
    columns: Sequence[tuple[str, str, str]]
    """Column, Chinese title, description."""


def write_styles(path: Path, styles: Sequence[StoredStyle], stamp: str = FIXED_STAMP) -> None:
    """Add default styles and column titles to a GeoPackage that has none yet.

    Equal files and arguments give equal bytes. Raises `InputError` E-FILE-WRITE.
    """
    try:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            _write_styles(connection, styles, stamp)
            _write_columns(connection, styles)
            _write_titles(connection, {style.layer: style.title for style in styles})
    except sqlite3.Error as problem:
        raise InputError(
            Finding(
                "E-FILE-WRITE",
                "样式无法写入。",
                where=str(path),
                value=str(problem)[:200],
                advice="关闭正在使用它的 QGIS，检查磁盘空间和写权限后重新运行。",
            )
        ) from problem


def _write_styles(
    connection: sqlite3.Connection, styles: Sequence[StoredStyle], stamp: str
) -> None:
    connection.execute(_STYLES)
    # QGIS lists only what the catalogue names.
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change,"
        " srs_id) VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?, 0)",
        (stamp,),
    )
    connection.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name,"
        " f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, ui,"
        " update_time) VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '', NULL, ?)",
        [
            (
                style.layer,
                "geom" if style.has_geometry else "",
                style.title,
                style.qml,
                style.title,
                stamp,
            )
            for style in styles
        ],
    )


def _write_columns(connection: sqlite3.Connection, styles: Sequence[StoredStyle]) -> None:
    connection.execute(_COLUMNS)
    connection.execute(_CONSTRAINTS)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS gpkg_extensions (table_name TEXT, column_name TEXT,"
        " extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,"
        " CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))"
    )
    connection.executemany(
        "INSERT INTO gpkg_extensions VALUES (?, NULL, 'gpkg_schema', ?, 'read-write')",
        [(name, _EXTENSION) for name in (DATA_COLUMNS, DATA_CONSTRAINTS)],
    )
    connection.executemany(
        f"INSERT INTO {DATA_COLUMNS} (table_name, column_name, name, title, description)"
        " VALUES (?, ?, ?, ?, ?)",
        [
            (style.layer, column, column, title, description)
            for style in styles
            for column, title, description in style.columns
        ],
    )


def _write_titles(connection: sqlite3.Connection, titles: Mapping[str, str]) -> None:
    """The catalogue's identifier must be unique, so it keeps the name and the title describes."""
    connection.executemany(
        "UPDATE gpkg_contents SET description = ? WHERE table_name = ?",
        [(title, layer) for layer, title in titles.items()],
    )
