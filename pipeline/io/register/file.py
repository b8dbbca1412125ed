"""Opening the register: one writer, any readers, and what the errors of sqlite mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pyproj import CRS

from pipeline.errors import Finding, InputError
from pipeline.io.register import schema as register_schema
from pipeline.io.register.schema import SCHEMA_VERSION, create_register, crs_definition, srs_id_of

BUSY_SECONDS = 10.0
"""How long to wait for another program."""

_DISK_ERRORS = ("SQLITE_READONLY", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")


@contextmanager
def register_errors(path: Path, *, is_writing: bool) -> Iterator[None]:
    """Say what an error of sqlite means for the register."""
    try:
        yield
    except sqlite3.Error as problem:
        raise InputError(_explain(path, problem, is_writing=is_writing)) from problem


@contextmanager
def open_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing, but may roll back what a killed writer left.

    An older version that can be brought up is read as it is: its later tables are empty.
    Raises `InputError` if the file is no register or of another version.
    """
    with register_errors(path, is_writing=False), closing(_connect(path)) as connection:
        connection.execute("PRAGMA query_only=ON")
        found = _version(connection, path)
        if not _oldest_version() <= found <= SCHEMA_VERSION:
            raise InputError(_version_finding(path, found))
        yield connection


@contextmanager
def open_to_write(path: Path, crs_wkt: str | None) -> Iterator[sqlite3.Connection]:
    """The only connection that may write, to an existing or a new register of today's version.

    Held against other writers until it is closed, also between its transactions.
    Raises `InputError`.
    """
    with register_errors(path, is_writing=True), _sole_writer(path):
        if not path.exists():
            create_register(path, crs_wkt)
        with closing(_connect(path)) as connection:
            # QGIS leaves a file that it had open in another mode; one that it has open is busy.
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("PRAGMA synchronous=FULL")
            _migrate(connection, path)
            require_crs(connection, path, crs_wkt)
            yield connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # A full disk has rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def unreadable(path: Path, value: str) -> Finding:
    """The finding for a file that is no register."""
    return Finding(
        "E-REGISTER-UNREADABLE",
        "台账无法读取，可能已损坏，或不是台账文件。",
        where=str(path),
        value=value[:200],
        advice="从最近的备份恢复；没有备份时把文件移走，再逐期运行 collect，由交回的材料重建。",
    )


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


@contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    """Keep other writers out by a lock beside the register; a killed process gives it up."""
    beside = path.with_name(f".{path.stem}.lock")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(_not_writable(path, problem.strerror or str(problem))) from problem
    with closing(sqlite3.connect(beside, timeout=BUSY_SECONDS, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def require_crs(connection: sqlite3.Connection, path: Path, crs_wkt: str | None) -> None:
    """All runs of a county share one reference system: their outlines lie in one table."""
    if crs_wkt is None:
        return
    definition = connection.execute(
        "SELECT definition FROM gpkg_spatial_ref_sys WHERE srs_id = ?", (srs_id_of(connection),)
    ).fetchone()[0]
    wanted = CRS.from_wkt(crs_wkt)
    found = None if definition == "undefined" else CRS.from_wkt(definition)
    if found != CRS.from_wkt(crs_definition(wanted)):
        raise InputError(
            Finding(
                "E-LAYER-CRS",
                "本期影像的坐标系与台账的不同。",
                where=str(path),
                value=wanted.name,
                allowed="无坐标系" if found is None else found.name,
                advice="一个县各期用同一坐标系：把影像转到台账的坐标系后从 intake 起重新运行。",
            )
        )


def _version(connection: sqlite3.Connection, path: Path) -> int:
    tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not {"events", "gpkg_contents"} <= tables:
        raise InputError(unreadable(path, "没有 events 表"))
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    found = _version(connection, path)
    if found == SCHEMA_VERSION:
        return
    steps = [step for version, step in register_schema.MIGRATIONS if version > found]
    if not _oldest_version() <= found <= SCHEMA_VERSION:
        raise InputError(_version_finding(path, found))
    with transaction(connection):
        for step in steps:
            step(connection)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _oldest_version() -> int:
    """The oldest version from which steps lead up to today's."""
    steps = [version for version, _ in register_schema.MIGRATIONS]
    return min(steps, default=SCHEMA_VERSION + 1) - 1


def _version_finding(path: Path, found: int) -> Finding:
    is_newer = found > SCHEMA_VERSION
    return Finding(
        "E-REGISTER-VERSION",
        "台账由更新版本的程序写成。" if is_newer else "台账是旧版本的，尚未升级。",
        where=str(path),
        value=f"版本 {found}",
        allowed=f"版本 {SCHEMA_VERSION}",
        advice="用写出它的那个版本或更新的程序打开。" if is_newer else "运行 collect，自动升级。",
    )


def _explain(path: Path, problem: sqlite3.Error, *, is_writing: bool) -> Finding:
    name = getattr(problem, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Finding(
            "E-REGISTER-BUSY",
            "台账正被另一个程序使用。",
            where=str(path),
            value=str(problem),
            advice="等另一个运行结束；关闭正在使用它的 QGIS 后重新运行。",
        )
    if is_writing and name.startswith(_DISK_ERRORS):
        return _not_writable(path, str(problem))
    return unreadable(path, str(problem))


def _not_writable(path: Path, value: str) -> Finding:
    return Finding(
        "E-FILE-WRITE",
        "台账无法写入。",
        where=str(path),
        value=value,
        advice="检查磁盘空间和写权限；关闭正在使用它的 QGIS 后重新运行。",
    )
