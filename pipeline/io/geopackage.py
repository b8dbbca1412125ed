"""Opening a GeoPackage as plain data: read-only, and nothing stored inside it is ever run.

A returned file is hostile until checked (DESIGN §9): its views and triggers are SQL of somebody
else, and a virtual table may load code.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from pipeline.errors import Finding, InputError

_MAGIC = b"SQLite format 3\0"
_CATALOGUE = ("gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys")

JOURNAL_SUFFIXES = ("-wal", "-journal")
"""What sqlite keeps beside a database while it is open; may hold edits not yet in the file."""


def require_geopackage(path: Path) -> None:
    """Raise `InputError` unless `path` is a local .gpkg that GDAL can take for nothing else."""
    text = path.as_posix()
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text) or text.startswith("/vsi"):
        raise _error("E-FILE-REFUSED", "只接受本机上的文件，不接受网址和虚拟文件系统。", path)
    if path.suffix.lower() != ".gpkg":
        raise _error("E-FILE-REFUSED", "只接受 GeoPackage（.gpkg）文件。", path)
    if not path.is_file():
        raise _error("E-FILE-MISSING", "文件不存在。", path)
    with path.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            raise _error("E-FILE-REFUSED", "文件后缀是 .gpkg，内容却不是 GeoPackage。", path)


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can change nothing; text that is not UTF-8 comes as surrogate escapes.

    `immutable` keeps sqlite from creating files beside the original. It also makes sqlite blind to
    edits still waiting in a journal (the file is open in QGIS), so such a file is read as a copy.
    """
    require_geopackage(path)
    with ExitStack() as stack:
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        if any(_has_content(Path(f"{path}{suffix}")) for suffix in JOURNAL_SUFFIXES):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpkg-")))
            uri = _copy_with_journals(path, folder).resolve().as_uri()
        try:
            connection = stack.enter_context(closing(sqlite3.connect(uri, uri=True)))
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("PRAGMA query_only=ON")
            yield connection
        except sqlite3.Error as problem:
            raise _error(
                "E-FILE-UNREADABLE", "GeoPackage 无法读取，可能已损坏。", path, str(problem)
            ) from problem


def user_tables(connection: sqlite3.Connection, path: Path) -> list[str]:
    """Names listed in `gpkg_contents`, plus `layer_styles`; only ordinary tables are accepted."""
    kinds = {
        str(row[1]): str(row[2])
        for row in connection.execute("PRAGMA table_list")
        if row[0] == "main"
    }
    if "gpkg_contents" not in kinds:
        raise _error("E-FILE-UNREADABLE", "文件里没有 GeoPackage 目录表。", path)
    # The catalogue is checked first: asking a view for the list would already run it.
    _require_plain_tables(kinds, set(_CATALOGUE) & kinds.keys(), path)
    listed = {str(name) for (name,) in connection.execute("SELECT table_name FROM gpkg_contents")}
    listed |= {"layer_styles"} & kinds.keys()
    _require_plain_tables(kinds, listed, path)
    return sorted(listed)


def _require_plain_tables(kinds: dict[str, str], names: set[str], path: Path) -> None:
    refused = sorted(name for name in names if kinds.get(name) != "table")
    if refused:
        raise _error(
            "E-FILE-REFUSED", "图层必须是普通表，不接受视图和虚拟表。", path, "、".join(refused)
        )


def quoted(name: str) -> str:
    """A table or column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _copy_with_journals(path: Path, folder: Path) -> Path:
    target = folder / path.name
    shutil.copyfile(path, target)
    for suffix in JOURNAL_SUFFIXES:
        if _has_content(Path(f"{path}{suffix}")):
            shutil.copyfile(f"{path}{suffix}", f"{target}{suffix}")
    return target


def _error(code: str, what: str, path: Path, value: str = "") -> InputError:
    return InputError(
        Finding(
            code,
            what,
            where=str(path),
            value=value,
            allowed="本机上未损坏的 GeoPackage 文件",
            advice="用 QGIS 打开核对，必要时另存为 GeoPackage 后再给出。",
        )
    )
