"""The register as the first seven stages of a run may see it: events of earlier runs, no others.

A run is earlier if it was registered before this one, and its patches are not later than this run's
after image. What a run is told after it has gone out still counts for the runs that follow.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

from pipeline.errors import InputError
from pipeline.io.register.file import open_to_read, require_crs
from pipeline.io.register.tables import event_of, stored_events
from pipeline.rules.register.replay import RegisterState, replay
from pipeline.schema.events import EventKind

KINDS: tuple[EventKind, ...] = (
    "patch_registered",
    "patch_withdrawn",
    "finding_accepted",
    "judgement_signed",
    "case_recorded",
    "lineage_linked",
)
"""What can tell of land and how it stands; photos, postings and seals can not."""

_CONDITION = (
    "WHERE run IN (SELECT value FROM json_each(?)) AND kind IN (SELECT value FROM json_each(?))"
)
_EARLIER = (
    "SELECT run FROM runs WHERE run <> ?1 AND first_event_no <"
    " coalesce((SELECT first_event_no FROM runs WHERE run = ?1), last_event_no + 1)"
    " AND coalesce((SELECT max(after_date) FROM patches WHERE patches.run = runs.run), '')"
    " <= coalesce(?2, '9999') ORDER BY first_event_no"
)


def read_earlier(
    path: Path, run: str, after_date: str | None, crs_wkt: str
) -> RegisterState | None:
    """The state that the events of earlier runs give; None if there is no register or no such run.

    `after_date` is the ISO date of the run's after image, `crs_wkt` its reference system. Raises
    `InputError`, E-LAYER-CRS if the register's outlines lie in another system.
    """
    if not path.is_file():
        return None
    with open_to_read(path) as connection:
        require_crs(connection, path, crs_wkt)
        values = _values(connection, run, after_date)
        if values is None:
            return None
        return replay(event_of(row) for row in stored_events(connection, _CONDITION, values))


def earlier_digest(path: Path, run: str, after_date: str | None) -> str | None:
    """SHA-256 of what `read_earlier` reads, by content; None where that is None.

    A register that can not be read has a digest of its own: reading it says what is wrong.
    """
    if not path.is_file():
        return None
    total = hashlib.sha256()
    try:
        with open_to_read(path) as connection:
            values = _values(connection, run, after_date)
            if values is None:
                return None
            for row in connection.execute(
                f"SELECT run, kind, subject, payload FROM events {_CONDITION} ORDER BY event_no",
                values,
            ):
                total.update(ascii(row).encode("ascii"))
    except InputError as problem:
        total.update(ascii([finding.code for finding in problem.findings]).encode("ascii"))
    return total.hexdigest()


def _values(
    connection: sqlite3.Connection, run: str, after_date: str | None
) -> tuple[str, str] | None:
    runs = [str(name) for (name,) in connection.execute(_EARLIER, (run, after_date))]
    return (json.dumps(runs), json.dumps(KINDS)) if runs else None
