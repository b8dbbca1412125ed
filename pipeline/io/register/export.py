"""The register as text files that any program reads, without outlines in the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.io.atomic import replace_text
from pipeline.io.point_table import write_table
from pipeline.io.register.file import open_to_read
from pipeline.io.register.schema import STATE_LAYERS
from pipeline.io.register.tables import read_values, stored_columns, stored_events
from pipeline.rules.register.chain import EVENT_COLUMNS
from pipeline.rules.register.payloads import canonical_json, plain_text
from pipeline.schema.events import EVENT_LABELS, GENESIS
from pipeline.schema.fields import FIELDS

EVENTS_NAME = "events"
EVENT_TITLES = {
    "event_no": "序号",
    "recorded_at": "登记时间",
    "run": "运行编号",
    "kind": "事项",
    "subject": "对象",
    "event_date": "业务日期",
    "by": "经办人",
    "reason": "理由",
    "source_file": "来源文件",
    "source_sha256": "来源文件SHA-256",
    "payload": "内容",
    "previous_hash": "前一条指纹",
    "hash": "本条指纹",
}


@dataclass(frozen=True)
class Exported:
    """What was exported, and the hash that stands for the whole history."""

    rows: dict[str, int]
    """File name → number of rows."""
    head_no: int
    head_hash: str


def export_register(path: Path, out_dir: Path) -> Exported:
    """Write `events.csv`, `events.jsonl` and a CSV per state table. Raises `InputError`.

    The lines of `events.jsonl` hold the columns as stored, the payload as text, so that the hash of
    each can be recomputed; the CSVs are for people. Nothing is checked: see `verify_register`.
    """
    with open_to_read(path) as connection:
        events = [
            {name: _plain(value) for name, value in row.items()}
            for row in stored_events(connection)
        ]
        tables = {
            spec: (stored_columns(spec), read_values(connection, spec)) for spec in STATE_LAYERS
        }
    lines = [canonical_json(row) + "\n" for row in events]
    replace_text(out_dir / f"{EVENTS_NAME}.jsonl", "".join(lines))
    rows = [[*map(_cell, _labelled(row).values())] for row in events]
    write_table(
        out_dir / f"{EVENTS_NAME}.csv", [EVENT_TITLES[name] for name in EVENT_COLUMNS], rows
    )
    counts = {f"{EVENTS_NAME}.csv": len(events), f"{EVENTS_NAME}.jsonl": len(events)}
    for spec, (columns, values) in tables.items():
        shown = [number for number, name in enumerate(columns) if name != "geom"]
        header = [f"{FIELDS[columns[n]].label_zh}（{columns[n]}）" for n in shown]
        write_table(out_dir / f"{spec.name}.csv", header, _texts(values, shown))
        counts[f"{spec.name}.csv"] = len(values)
    head_no, head_hash = (events[-1]["event_no"], events[-1]["hash"]) if events else (0, GENESIS)
    return Exported(counts, head_no, head_hash)


def _labelled(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"kind": EVENT_LABELS.get(row["kind"], row["kind"])}


def _texts(values: Sequence[Sequence[Any]], shown: Sequence[int]) -> list[list[str]]:
    return [[_cell(row[number]) for number in shown] for row in values]


def _plain(value: Any) -> Any:
    """A value that JSON and UTF-8 can hold, also where somebody edited the file."""
    if isinstance(value, bytes):
        return value.hex()
    return plain_text(value) if isinstance(value, str) else value


def _cell(value: Any) -> str:
    return "" if value is None else str(_plain(value))
