"""The hash chain over the register's events: what shows that the history was touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.errors import Finding
from pipeline.schema.events import EVENT_LABELS, GENESIS

EVENT_COLUMNS = (
    "event_no",
    "recorded_at",
    "run",
    "kind",
    "subject",
    "event_date",
    "by",
    "reason",
    "source_file",
    "source_sha256",
    "payload",
    "previous_hash",
    "hash",
)
"""Columns of the event table; `payload` is JSON text."""

_HASHED = EVENT_COLUMNS[:-1]

StoredRow = Mapping[str, Any]
"""One row of the event table, by column."""


def event_hash(row: StoredRow) -> str:
    """SHA-256 of the canonical JSON of every column but `hash`, as stored."""
    # repr: a row edited by hand may hold bytes, which JSON does not know.
    text = json.dumps(
        {name: row[name] for name in _HASHED},
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
        default=repr,
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_chain(rows: Iterable[StoredRow], where: str) -> Iterator[Finding]:
    """Every place at which the history is not as it was written; rows by `event_no`.

    A row changed in any column is named; so is one rewritten together with its own hash, by its
    successor, and a number that is missing. Which column was changed can not be known. Not seen
    here: events cut off at the end (the state tables show that), and a history rewritten from some
    event on to its end with fresh hashes (only a hash kept elsewhere shows that: in an export, or
    in the seal beside a sealed run).
    """
    previous: StoredRow | None = None
    for row in rows:
        number = row["event_no"]
        expected_no = 1 if previous is None else previous["event_no"] + 1
        if number > expected_no:
            span = str(expected_no) if number == expected_no + 1 else f"{expected_no}–{number - 1}"
            yield _finding(f"缺少第 {span} 条记录，历史被删减。", where, span)
        if event_hash(row) != row["hash"]:
            yield _of_row(row, "写入后被改动", where)
        elif number == expected_no:
            yield from _check_link(previous, row, where)
        previous = row


def _check_link(previous: StoredRow | None, row: StoredRow, where: str) -> Iterator[Finding]:
    """Whether an untouched row names the hash of the row before it."""
    if previous is None:
        if row["previous_hash"] != GENESIS:
            yield _of_row(row, "不是原来的第一条", where)
        return
    actual = event_hash(previous)
    # A predecessor that does not fit its own hash has been named already.
    if previous["hash"] == actual and row["previous_hash"] != actual:
        yield _of_row(previous, "被整条改写，与后一条衔接不上", where)


def _of_row(row: StoredRow, what: str, where: str) -> Finding:
    label = EVENT_LABELS.get(row["kind"], row["kind"])
    return _finding(
        f"第 {row['event_no']} 条记录{what}：{label}，对象 {row['subject']}。",
        where,
        f"第 {row['event_no']} 条，运行 {row['run']}，登记于 {row['recorded_at']}",
    )


def _finding(what: str, where: str, value: str) -> Finding:
    return Finding(
        "E-REGISTER-CHAIN",
        what,
        where=where,
        value=value,
        allowed="台账历史只能追加，不能改动、删除",
        advice="停止使用这份台账，用最近的备份核对并恢复，查明改动的经过。",
    )
