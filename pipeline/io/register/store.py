"""The county's register (图斑台账): a GeoPackage of events that are only ever added to.

All other tables are the state that `rules.register.replay` makes of the events; they are brought up
to date in the transaction that appends, so that a process killed at any moment leaves both or
neither.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import Finding, InputError
from pipeline.io.register.check import verify_register
from pipeline.io.register.file import (
    open_to_read,
    open_to_write,
    register_errors,
    transaction,
    unreadable,
)
from pipeline.io.register.tables import (
    drop_lists,
    event_of,
    insert_events,
    stored_events,
    write_runs,
    write_state,
)
from pipeline.rules.books.posting_checks import check_postings
from pipeline.rules.register.chain import check_chain, event_hash
from pipeline.rules.register.payloads import (
    canonical_json,
    plain_payload,
    plain_text,
    require_payload,
)
from pipeline.rules.register.replay import RegisterState, replay
from pipeline.schema.events import EVENT_LABELS, GENESIS, Event, NewEvent

__all__ = [
    "Register",
    "open_register",
    "read_events",
    "register_reasons",
    "require_open",
    "verify_register",
    "write_snapshot",
]

NOT_COLLECTED = "台账里没有本期的回收记录。"
MOVED = "台账里本期有新的登记。"
EARLIER_MOVED = "台账里以前各期有新的登记。"
UNREADABLE = "台账无法读取。"
# CROSS JOIN keeps the short list outside: the planner would go through all events.
_AFFECTED = (
    "WHERE kind <> 'posting_made' AND event_no IN"
    " (SELECT event_no FROM temp.affected CROSS JOIN events USING (run, subject))"
)
_EARLIER = (
    "SELECT 1 FROM events WHERE event_no > ?2 AND kind NOT IN ('collected', 'frozen', 'reopened')"
    " AND run IN (SELECT run FROM runs WHERE first_event_no <"
    " (SELECT first_event_no FROM runs WHERE run = ?1)) LIMIT 1"
)
"""What earlier runs were told since: a run's books of the year rest on them too."""
_SEALS = "WHERE run = ? AND subject = ? AND kind IN ('frozen', 'reopened')"


@dataclass
class Register:
    """An open register: the only way to write one."""

    path: Path
    connection: sqlite3.Connection

    def events(self, run: str | None = None) -> list[Event]:
        """All events, or those of one run, in order."""
        with register_errors(self.path, is_writing=False):
            condition, values = ("", ()) if run is None else ("WHERE run = ?", (run,))
            rows = stored_events(self.connection, condition, values)
            return _as_events(self.path, rows)

    def state(self) -> RegisterState:
        """What the register says now, replayed from the first event on."""
        return replay(self.events())

    def needs_collected(self, run: str) -> bool:
        """Whether a collection that appends nothing must still say that it took place."""
        with register_errors(self.path, is_writing=False):
            return bool(_reasons(self.connection, run))

    def append(self, events: Sequence[NewEvent], recorded_at: str) -> list[Event]:
        """Write events and what follows from them, all or nothing; gives them as written.

        Raises `InputError` E-REGISTER-FROZEN, E-LEDGER-BALANCE, E-REGISTER-BUSY or E-FILE-WRITE,
        and `ValueError` for a payload that is not of its kind.
        """
        for event in events:
            require_payload(event)
        if not events:
            return []
        with register_errors(self.path, is_writing=True), transaction(self.connection):
            self._require_open(events)
            rows = self._chained(events, recorded_at)
            insert_events(self.connection, rows)
            written = _as_events(self.path, rows)
            self._bring_up_to_date(written)
        return written

    def _require_open(self, events: Sequence[NewEvent]) -> None:
        """A sealed run takes nothing before it is opened again."""
        sealed: dict[str, bool] = {}
        for event in events:
            if event.run not in sealed:
                seals = stored_events(self.connection, _SEALS, (event.run, event.run))
                sealed[event.run] = [row["kind"] for row in seals][-1:] == ["frozen"]
            if sealed[event.run] and event.kind != "reopened":
                value = f"运行 {event.run}，{EVENT_LABELS[event.kind]}，对象 {event.subject}"
                raise InputError(_frozen(self.path, value))
            if event.kind in ("frozen", "reopened"):
                sealed[event.run] = event.kind == "frozen"

    def _chained(self, events: Sequence[NewEvent], recorded_at: str) -> list[dict[str, Any]]:
        found = self.connection.execute(
            "SELECT event_no, hash FROM events ORDER BY event_no DESC LIMIT 1"
        ).fetchone()
        number, previous_hash = found or (0, GENESIS)
        rows = []
        for event in events:
            number += 1
            row = _columns(event) | {
                "event_no": number,
                "recorded_at": recorded_at,
                "previous_hash": previous_hash,
            }
            row["hash"] = previous_hash = event_hash(row)
            rows.append(row)
        return rows

    def _bring_up_to_date(self, written: Sequence[Event]) -> None:
        """Rebuild the rows that depend on these events from all events of their subjects."""
        self.connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS affected (run, subject, PRIMARY KEY (run, subject))"
        )
        self.connection.execute("DELETE FROM temp.affected")
        self.connection.executemany(
            "INSERT OR IGNORE INTO temp.affected VALUES (?, ?)",
            [(event.run, event.subject) for event in written],
        )
        state = replay(_as_events(self.path, stored_events(self.connection, _AFFECTED)))
        drop_lists(self.connection)
        write_state(self.connection, state)
        write_runs(self.connection, written)
        if any(event.kind == "posting_made" for event in written):
            # Postings are numbered through, so they are replayed together.
            postings = self._postings()
            findings = check_postings(postings, str(self.path))
            if findings:
                raise InputError(findings)
            write_state(self.connection, replay(postings))

    def _postings(self) -> list[Event]:
        rows = stored_events(self.connection, "WHERE kind = 'posting_made'")
        return _as_events(self.path, rows)


@contextmanager
def open_register(path: Path, crs_wkt: str | None) -> Iterator[Register]:
    """The register to write to, made if there is none; other writers wait until it is closed.

    `crs_wkt` is the run's reference system; None leaves that of an existing register unchecked.
    Nothing is built on a history that was touched. Raises `InputError` (E-REGISTER-BUSY after 10 s,
    E-REGISTER-CHAIN, E-REGISTER-UNREADABLE, E-REGISTER-VERSION, E-LAYER-CRS, E-FILE-WRITE).
    """
    with open_to_write(path, crs_wkt) as connection:
        findings = list(check_chain(stored_events(connection), str(path)))
        if findings:
            raise InputError(findings)
        yield Register(path, connection)


def read_events(path: Path) -> list[Event]:
    """All events in order; none if there is no register yet. Raises `InputError`."""
    if not path.is_file():
        return []
    with open_to_read(path) as connection:
        return _as_events(path, stored_events(connection))


def write_snapshot(
    path: Path, state: RegisterState, runs: Iterable[str], crs_wkt: str | None
) -> None:
    """Write the state of `runs` as layers, rows by key: equal states give equal bytes."""
    # The catalogue of stages imports this module at every start; GDAL takes its time.
    from pipeline.io.register.snapshot import write_state_layers

    write_state_layers(path, state, runs, crs_wkt)


def register_reasons(path: Path, run: str) -> tuple[str, ...]:
    """Why a run's returns must be collected again; empty if the register stands as collect left it.

    A frozen run is never collected again.
    """
    if not path.is_file():
        return (NOT_COLLECTED,)
    try:
        with open_to_read(path) as connection:
            return _reasons(connection, run)
    except InputError:
        # Collecting again says what is wrong with it.
        return (UNREADABLE,)


def require_open(path: Path, run: str) -> None:
    """Raise `InputError` E-REGISTER-FROZEN if the run is sealed: its books stay as they are.

    Even what would only be rejected changes receipts, and with them the sealed tables.
    """
    if not path.is_file():
        return
    with open_to_read(path) as connection:
        found = connection.execute("SELECT is_frozen FROM runs WHERE run = ?", (run,)).fetchone()
    if found and found[0]:
        raise InputError(_frozen(path, f"运行 {run}"))


def _reasons(connection: sqlite3.Connection, run: str) -> tuple[str, ...]:
    found = connection.execute(
        "SELECT collected_no, is_moved, is_frozen FROM runs WHERE run = ?", (run,)
    ).fetchone()
    collected_no, is_moved, is_frozen = found or (None, False, False)
    if is_frozen:
        return ()
    if collected_no is None:
        return (NOT_COLLECTED,)
    if is_moved:
        return (MOVED,)
    earlier = connection.execute(_EARLIER, (run, collected_no)).fetchone()
    return () if earlier is None else (EARLIER_MOVED,)


def _as_events(path: Path, rows: Iterable[Mapping[str, Any]]) -> list[Event]:
    events = []
    for row in rows:
        try:
            events.append(event_of(row))
        except (TypeError, ValueError) as problem:
            raise InputError(unreadable(path, f"第 {row['event_no']} 条的内容")) from problem
    return events


def _columns(event: NewEvent) -> dict[str, Any]:
    """The columns of the event table that the event itself gives."""
    texts = {
        "run": event.run,
        "kind": event.kind,
        "subject": event.subject,
        "event_date": event.event_date,
        "by": event.by,
        "reason": event.reason,
        "source_file": event.source_file,
        "source_sha256": event.source_sha256,
    }
    plain = {name: None if text is None else plain_text(text) for name, text in texts.items()}
    return plain | {"payload": canonical_json(plain_payload(event.payload))}


def _frozen(path: Path, value: str) -> Finding:
    return Finding(
        "E-REGISTER-FROZEN",
        "本期已封存，不再接收填报；封存的成果没有改动。",
        where=str(path),
        value=value,
        advice="新交回的材料不会丢，留在原处即可；确需更正时先解封（make reopen），"
        "写明经办人和理由，再重新回收。",
    )
