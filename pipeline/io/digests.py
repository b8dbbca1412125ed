"""Digests of files: of the bytes, and for GeoPackages of the content.

Opening a GeoPackage in QGIS changes its bytes (dates, journal mode, extents) but not what is in it;
the content digest covers table names, types, values, geometries, reference systems and styles only.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import Finding, InputError
from pipeline.io.atomic import replace_text
from pipeline.io.geopackage import open_read_only, quoted, user_tables

_WORKERS = 4
"""Enough to keep a disk busy; hashing itself runs without the GIL."""

_ENVELOPE_BYTES = (0, 32, 48, 48, 64)
"""Length of the envelope in a GeoPackage geometry header, by its flag (GeoPackage 1.3, 2.1.3)."""

_STYLE_BOOKKEEPING = frozenset({"id", "update_time"})
"""Columns of `layer_styles` that say when a style was saved, not what it is."""


@dataclass(frozen=True)
class FileDigest:
    """What identifies a file."""

    digest: str
    """Decides whether the file is the same: the content digest if there is one."""
    kind: Literal["file", "content"]
    size: int
    """Bytes."""
    file_digest: str
    """SHA-256 of the bytes; equals `digest` where `kind` is "file"."""


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_digest(path: Path) -> str:
    """Digest that decides whether two files are the same; see the module docstring."""
    return geopackage_digest(path) if _has_content_digest(path) else file_sha256(path)


def geopackage_digest(path: Path) -> str:
    """SHA-256 over all user tables and styles of a GeoPackage, in whatever order it holds them."""
    total = hashlib.sha256()
    with open_read_only(path) as connection:
        for table in user_tables(connection, path):
            total.update(_table_digest(connection, table))
    return total.hexdigest()


def _table_digest(connection: sqlite3.Connection, table: str) -> bytes:
    """Digest of one table.

    The row id is ignored, so rows have no stored order: their digests are sorted instead.
    """
    geometry, reference = _geometry_column(connection, table)
    columns = sorted(
        (str(name), str(kind).upper())
        for _, name, kind, _, _, primary in connection.execute(
            f"PRAGMA table_info({quoted(table)})"
        )
        if not (primary and str(kind).upper() == "INTEGER")
        and name != geometry
        and not (table == "layer_styles" and name in _STYLE_BOOKKEEPING)
    )
    selected = [quoted(geometry) if geometry else "NULL", *(quoted(name) for name, _ in columns)]
    rows = sorted(
        hashlib.sha256(_plain_wkb(shape) + ascii(values).encode("ascii")).digest()
        for shape, *values in connection.execute(
            f"SELECT {', '.join(selected)} FROM {quoted(table)}"
        )
    )
    digest = hashlib.sha256(ascii((table, columns, geometry, reference, len(rows))).encode("ascii"))
    for row in rows:
        digest.update(row)
    return digest.digest()


def _geometry_column(
    connection: sqlite3.Connection, table: str
) -> tuple[str | None, tuple[Any, ...] | None]:
    """Name of the geometry column with its type and reference system; None for plain tables."""
    has_geometries = connection.execute("PRAGMA table_info(gpkg_geometry_columns)").fetchone()
    if has_geometries is None:
        return None, None
    row = connection.execute(
        "SELECT g.column_name, g.geometry_type_name, g.z, g.m,"
        " s.organization, s.organization_coordsys_id, s.definition"
        " FROM gpkg_geometry_columns g LEFT JOIN gpkg_spatial_ref_sys s USING (srs_id)"
        " WHERE g.table_name = ?",
        (table,),
    ).fetchone()
    return (None, None) if row is None else (str(row[0]), tuple(row[1:]))


def _plain_wkb(blob: Any) -> bytes:
    """The WKB behind the GeoPackage header, whose envelope may come and go; else the value."""
    if isinstance(blob, bytes) and blob[:2] == b"GP" and len(blob) > 8:
        envelope = (blob[3] >> 1) & 0b111
        if envelope < len(_ENVELOPE_BYTES):
            return blob[8 + _ENVELOPE_BYTES[envelope] :]
    return ascii(blob).encode("ascii")


def _has_content_digest(path: Path) -> bool:
    return path.suffix.lower() == ".gpkg"


class DigestCache:
    """Digests by path, valid while size, mtime and ctime stay the same. It only saves hashing time.

    A missing or damaged cache file is an empty cache.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: dict[str, dict[str, Any]] = _read_entries(path)
        self._is_changed = False

    def digest(self, path: Path) -> FileDigest:
        """Digest of a file, computed unless the same state of the file was seen before."""
        key, stamp = str(path.resolve()), _stamp(path)
        with self._lock:
            entry = self._entries.get(key)
        if entry is not None and entry["stamp"] == stamp:
            return FileDigest(**entry["digest"])
        found = compute_digest(path)
        with self._lock:
            self._entries[key] = {"stamp": stamp, "digest": asdict(found)}
            self._is_changed = True
        return found

    def save(self) -> None:
        """Keep what was computed for the next run."""
        if self._path is not None and self._is_changed:
            with self._lock:
                # Escaped: a path may hold bytes that are no text.
                text = json.dumps(self._entries, sort_keys=True)
            replace_text(self._path, text)
            self._is_changed = False


def compute_digest(path: Path) -> FileDigest:
    """Digest of a file, always from its content."""
    size, file_digest = path.stat().st_size, file_sha256(path)
    if _has_content_digest(path):
        return FileDigest(geopackage_digest(path), "content", size, file_digest)
    return FileDigest(file_digest, "file", size, file_digest)


def digest_files(
    paths: Mapping[str, Path], cache: DigestCache | None = None
) -> dict[str, FileDigest]:
    """Digests by logical name, several files at a time; all missing files are reported at once."""
    missing = [
        Finding("E-FILE-MISSING", f"找不到文件（{name}）。", str(path), advice="检查路径是否正确。")
        for name, path in paths.items()
        if not path.is_file()
    ]
    if missing:
        raise InputError(missing)
    compute = compute_digest if cache is None else cache.digest
    with ThreadPoolExecutor(_WORKERS) as pool:
        return dict(zip(paths, pool.map(compute, paths.values()), strict=True))


def digest_tree(
    folders: Mapping[str, Path], cache: DigestCache | None = None
) -> dict[str, FileDigest]:
    """Digests of all files below some folders, by name as `named_files` gives it."""
    return digest_files(named_files(folders), cache)


def named_files(folders: Mapping[str, Path]) -> dict[str, Path]:
    """All files below some folders by the folder's prefix and the relative path, with slashes."""
    return {
        f"{prefix}{path.relative_to(folder).as_posix()}": path
        for prefix, folder in folders.items()
        for path in tree_files(folder)
    }


def tree_files(folder: Path) -> list[Path]:
    """All files below a folder, in a fixed order; links are not followed."""
    return sorted(
        Path(root) / name for root, _, names in os.walk(folder, followlinks=False) for name in names
    )


def _stamp(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _read_entries(path: Path | None) -> dict[str, dict[str, Any]]:
    if path is None:
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {
            key: {"stamp": list(entry["stamp"]), "digest": asdict(FileDigest(**entry["digest"]))}
            for key, entry in entries.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
