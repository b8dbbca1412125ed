"""From events to the state of the register: the only definition of what the events mean.

Of every kind the latest event of a (run, subject) counts. So a row depends on the events of its own
subject alone, and replaying only those gives the same row as replaying everything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.rules.register.payloads import LINE_KEYS, LINK_KEYS, LINKS, OUTLINE
from pipeline.schema.delivered import FORM_COLUMNS
from pipeline.schema.events import GENESIS, Event, EventKind
from pipeline.schema.register_layers import (
    CASE_COLUMNS,
    INPUT_COLUMNS,
    JUDGEMENT_COLUMNS,
    REGISTERED,
    REGISTERED_COLUMNS,
    SURVEY_COLUMNS,
)

Row = dict[str, Any]
Key = tuple[str, str]
"""Run and subject."""

_LINKED = ("lineage_id", "parent_id", "lineage_relation")
_POSTED = ("posting_kind", "year", "doc_no", "posting_text")
_SEALS = ("frozen", "reopened")
_SAID_OF_PATCHES: Mapping[EventKind, tuple[str, ...]] = {
    "lineage_linked": _LINKED,
    "finding_accepted": FORM_COLUMNS,
    "judgement_signed": JUDGEMENT_COLUMNS,
    "survey_accepted": SURVEY_COLUMNS,
}
"""What is taken over into a patch's row."""


@dataclass(frozen=True)
class RunSummary:
    """Where a run stands in the register."""

    run: str
    event_count: int
    first_event_no: int
    last_event_no: int
    last_hash: str
    collected_no: int | None
    """Event that last closed a collection; None if there is none."""
    is_moved: bool
    """Whether anything but sealing was written after that."""
    is_frozen: bool


@dataclass(frozen=True)
class RegisterState:
    """What the register says now. Rows have the fields of their layer, and what is named here."""

    patches: Mapping[Key, Row]
    """By run and patch id: `REGISTERED` and the outline under "wkb" (hex)."""
    surveys: Mapping[Key, Row]
    """By run and patch id: `SURVEYS` and "wkb"."""
    cases: Mapping[Key, Row]
    """By run and case number: `CASES` and the list "patch_ids"; none that was taken back."""
    county_inputs: Mapping[Key, Row]
    """By run and subject: `COUNTY_INPUTS`; "" where no document is named, as it is in the key."""
    ledger: tuple[Row, ...]
    """`LEDGER` by posting and line, and the posting's key under "posting_key"."""
    decisions: Mapping[Key, Row]
    """Latest payload of `conflict_decided`."""
    photos: Mapping[Key, Mapping[str, Row]]
    """By run and patch id: payload of `photo_accepted` by the photo's SHA-256."""
    lineage: tuple[Row, ...]
    """`LINEAGE`: what patches are the same land as, and which vanished."""
    runs: Mapping[str, RunSummary]
    """In the order of their first events."""
    head_hash: str = GENESIS
    """Of the last event replayed."""

    @property
    def frozen(self) -> frozenset[str]:
        """The sealed runs."""
        return frozenset(run for run, summary in self.runs.items() if summary.is_frozen)

    def runs_until(self, run: str) -> tuple[str, ...]:
        """The runs that were in the register before `run`, and itself: what it may see."""
        earlier = []
        for name in self.runs:
            if name == run:
                break
            earlier.append(name)
        return (*earlier, run)


def replay(events: Iterable[Event]) -> RegisterState:
    """The state after `events`, which must come in the order of their numbers."""
    latest: dict[EventKind, dict[Key, Event]] = defaultdict(dict)
    photos: dict[Key, dict[str, Row]] = defaultdict(dict)
    postings: list[Event] = []
    runs: dict[str, RunSummary] = {}
    head_hash = GENESIS
    for event in events:
        key = (event.run, event.subject)
        if event.kind == "photo_accepted":
            photos[key][str(event.payload["sha256"])] = dict(event.payload)
        elif event.kind == "posting_made":
            postings.append(event)
        else:
            latest[event.kind][key] = event
        runs[event.run] = advance(runs.get(event.run), event)
        head_hash = event.hash
    return RegisterState(
        patches={
            key: _patch_row(
                {kind: found[key] for kind, found in latest.items() if key in found},
                len(photos.get(key, ())),
            )
            for key in latest["patch_registered"]
        },
        surveys={
            (run, patch_id): {
                "run": run,
                "patch_id": patch_id,
                **_taken(event.payload, SURVEY_COLUMNS),
                OUTLINE: event.payload[OUTLINE],
            }
            for (run, patch_id), event in latest["survey_accepted"].items()
        },
        cases={
            (run, case_no): {
                "run": run,
                "case_no": case_no,
                **_taken(event.payload, CASE_COLUMNS),
                "patch_ids": list(event.payload["patch_ids"]),
            }
            for (run, case_no), event in latest["case_recorded"].items()
            if not is_empty_case(event.payload)
        },
        county_inputs={
            key: _input_row(event) for key, event in latest["county_input_recorded"].items()
        },
        ledger=tuple(_ledger_rows(postings)),
        decisions={key: dict(event.payload) for key, event in latest["conflict_decided"].items()},
        photos=dict(photos),
        lineage=tuple(
            row
            for (run, patch_id), event in latest["lineage_linked"].items()
            for row in _link_rows(run, patch_id, event)
        ),
        runs=runs,
        head_hash=head_hash,
    )


def is_empty_case(payload: Mapping[str, Any]) -> bool:
    """Whether nothing of a case is left but its number: that is how the bureau takes one back.

    A remark may say why.
    """
    return all(value in (None, []) for name, value in payload.items() if name != "remark")


def advance(summary: RunSummary | None, event: Event) -> RunSummary:
    """Where the run of `event` stands after it; `summary` is None before its first event."""
    before = summary or RunSummary(event.run, 0, event.event_no, 0, GENESIS, None, False, False)
    is_collected = event.kind == "collected"
    return replace(
        before,
        event_count=before.event_count + 1,
        last_event_no=event.event_no,
        last_hash=event.hash,
        collected_no=event.event_no if is_collected else before.collected_no,
        is_moved=not is_collected and (before.is_moved or event.kind not in _SEALS),
        is_frozen=event.kind == "frozen" if event.kind in _SEALS else before.is_frozen,
    )


def _patch_row(found: Mapping[EventKind, Event], photo_count: int) -> Row:
    """The row of one patch from the latest event of every kind about it."""
    registered = found["patch_registered"]
    withdrawn = found.get("patch_withdrawn")
    row = dict.fromkeys(REGISTERED.fields) | _taken(registered.payload, REGISTERED_COLUMNS)
    for kind, columns in _SAID_OF_PATCHES.items():
        if kind in found:
            row |= _taken(found[kind].payload, columns)
    row["is_withdrawn"] = withdrawn is not None and withdrawn.event_no > registered.event_no
    row["photo_count"] = photo_count
    row[OUTLINE] = registered.payload[OUTLINE]
    return row


def _input_row(event: Event) -> Row:
    row = {"run": event.run, **_taken(event.payload, INPUT_COLUMNS)}
    return row | {"doc_no": row["doc_no"] or ""}


def _link_rows(run: str, patch_id: str, event: Event) -> Iterable[Row]:
    """None for an event of the first version, which named no patches."""
    for link in event.payload.get(LINKS) or ():
        yield {
            "run": run,
            "patch_id": patch_id,
            "lineage_id": event.payload["lineage_id"],
            **_taken(link, LINK_KEYS),
        }


def _ledger_rows(postings: Iterable[Event]) -> Iterable[Row]:
    """Postings are numbered in the order they were made; a reversal finds its own run's first."""
    numbers: dict[tuple[str | None, str], int] = {}
    for number, event in enumerate(postings, start=1):
        reversed_key = event.payload["reverses_key"]
        reverses_no = numbers.get((event.run, reversed_key), numbers.get((None, reversed_key)))
        for line_no, line in enumerate(event.payload["lines"], start=1):
            yield {
                "posting_no": number,
                "line_no": line_no,
                "run": event.run,
                **_taken(event.payload, _POSTED),
                **_taken(line, LINE_KEYS),
                "reverses_no": reverses_no,
                "posting_key": event.subject,
            }
        numbers[event.run, event.subject] = number
        numbers[None, event.subject] = number


def _taken(payload: Mapping[str, Any], names: Iterable[str]) -> Row:
    """The named entries; None for those that an older version did not write."""
    return {name: payload.get(name) for name in names}
