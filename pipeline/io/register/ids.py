"""The county's book of patch numbers (图斑编号簿): which number was reserved for what.

Kept beside the register, not in it: numbers are reserved before anything is collected, and stay
when a run is thrown away. Only ever added to, in one transaction per extraction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from pipeline.io.register.file import BUSY_SECONDS, register_errors, transaction
from pipeline.patches.numbering import Reservation, Unnumbered, assign_numbers, numbered

_TABLE = """
CREATE TABLE IF NOT EXISTS reserved (
 entry_no INTEGER PRIMARY KEY, run TEXT NOT NULL, stem TEXT NOT NULL, first_row INTEGER NOT NULL,
 first_col INTEGER NOT NULL, issued_id TEXT NOT NULL, number INTEGER NOT NULL, wkb BLOB NOT NULL)
"""
_OWN = (
    "SELECT stem, first_row, first_col, issued_id, number, wkb FROM reserved WHERE run = ?"
    " ORDER BY entry_no"
)
_OTHERS = "SELECT stem, max(number) FROM reserved WHERE run <> ? GROUP BY stem"
_ADD = (
    "INSERT INTO reserved (run, stem, first_row, first_col, issued_id, number, wkb)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)


def reserve_ids(path: Path, run: str, wanted: Unnumbered, used: Iterable[str]) -> list[str]:
    """Ids of the patches of a run: those reserved before, and new ones, written down.

    `used` are ids that other runs have, whether or not they are in the book. Two runs at once wait
    for each other. Raises `InputError`.
    """
    with register_errors(path, is_writing=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(
            sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        ) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            with transaction(connection):
                connection.execute(_TABLE)
                own = [Reservation(*row) for row in connection.execute(_OWN, (run,))]
                others = [numbered(*row) for row in connection.execute(_OTHERS, (run,))]
                ids, fresh = assign_numbers(wanted, own, [*others, *used])
                connection.executemany(
                    _ADD,
                    [(run, *one.key, one.number, one.wkb) for one in fresh],
                )
    return ids
