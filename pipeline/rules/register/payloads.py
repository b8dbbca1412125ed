"""What an event of the register may hold: keys and types by kind, checked before it is written.

An event is never taken back, so what could not be shown or written again must not get in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import shapely

from pipeline.schema.delivered import FORM_COLUMNS
from pipeline.schema.events import EVENT_LABELS, EventKind, NewEvent
from pipeline.schema.field import Dtype
from pipeline.schema.fields import FIELDS
from pipeline.schema.register_layers import (
    CASE_COLUMNS,
    INPUT_COLUMNS,
    JUDGEMENT_COLUMNS,
    REGISTERED_COLUMNS,
    SURVEY_COLUMNS,
)

OUTLINE = "wkb"
"""Key of an outline: hex of the WKB of a MultiPolygon, in the run's reference system."""

LINKS = "links"
"""Key of the patches of earlier runs that are the same land."""

PAYLOAD_KEYS: Mapping[EventKind, tuple[str, ...]] = {
    "patch_registered": (*REGISTERED_COLUMNS, OUTLINE),
    "patch_withdrawn": (),
    "finding_accepted": FORM_COLUMNS,
    "photo_accepted": ("file_name", "sha256", "lon", "lat", "azimuth_deg", "taken_at"),
    "survey_accepted": (*SURVEY_COLUMNS, OUTLINE),
    "judgement_signed": JUDGEMENT_COLUMNS,
    "case_recorded": (*CASE_COLUMNS, "patch_ids"),
    "county_input_recorded": INPUT_COLUMNS,
    "conflict_decided": ("source_file", "row", "decided_by", "decided_date", "reason"),
    "posting_made": ("posting_kind", "year", "doc_no", "posting_text", "reverses_key", "lines"),
    "lineage_linked": ("lineage_id", "parent_id", "lineage_relation", LINKS),
    "collected": ("received", "accepted", "rejected"),
    "frozen": ("tables_sha256", "books_sha256"),
    "reopened": (),
}
LINE_KEYS = ("account", "unit_code", "amount_mu100")
"""Keys of one line of a posting."""
LINK_KEYS = (
    "earlier_run",
    "earlier_patch_id",
    "lineage_relation",
    "overlap_m2",
    "grown_m2",
)
"""Keys of one link of a patch."""

_FIELD_KINDS: frozenset[EventKind] = frozenset(
    {
        "patch_registered",
        "finding_accepted",
        "survey_accepted",
        "judgement_signed",
        "case_recorded",
        "county_input_recorded",
        "lineage_linked",
    }
)
"""Kinds whose keys are registered fields, so that their values have types."""


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no blanks, nothing escaped that need not be.

    Raises `ValueError` for NaN and `TypeError` for what is no JSON value.
    """
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )


def plain_text(text: str) -> str:
    r"""`text` as a database can hold it: lone surrogates, from undecodable names, as `\udcXX`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A payload exactly as it will come back from the register.

    Compare this, not the raw payload, with what the register holds.
    """
    return {plain_text(name): _plain(value, _dtype(name)) for name, value in payload.items()}


def require_payload(event: NewEvent) -> None:
    """Raise `ValueError` unless the event's payload is of its kind: then the program is wrong."""
    problems = _problems(event)
    if problems:
        raise ValueError(f"{event.kind} {event.subject}: {'; '.join(problems)}")


def input_subject(payload: Mapping[str, Any]) -> str:
    """Subject of a `county_input_recorded` event."""
    names = ("item", "unit_code", "year")
    return "|".join([*(str(payload[name]) for name in names), payload["doc_no"] or ""])


def _dtype(name: str) -> Dtype | None:
    return FIELDS[name].dtype if name in FIELDS else None


def _plain(value: Any, dtype: Dtype | None) -> Any:
    match value:
        case str():
            return plain_text(value)
        case bool():
            return value
        case int() | float() if dtype == "real":
            return float(value)
        case list() | tuple():
            return [_plain(item, None) for item in value]
        case Mapping():
            return {plain_text(str(key)): _plain(item, _dtype(key)) for key, item in value.items()}
        case _:
            return value


def _problems(event: NewEvent) -> list[str]:
    if event.kind not in EVENT_LABELS:
        return ["unknown kind"]
    keys, payload = PAYLOAD_KEYS[event.kind], event.payload
    if set(keys) != payload.keys():
        missing, extra = sorted(set(keys) - payload.keys()), sorted(payload.keys() - set(keys))
        return [f"missing keys {missing}, unknown keys {extra}"]
    problems = [] if event.run and event.subject else ["run or subject is empty"]
    if event.kind in _FIELD_KINDS:
        problems += [
            f"{name} = {payload[name]!r}"
            for name in keys
            if name in FIELDS and not _fits(name, payload[name])
        ]
    if event.kind in _OWN_CHECKS:
        problems += _OWN_CHECKS[event.kind](event)
    return problems


def _fits(name: str, value: Any) -> bool:
    field = FIELDS[name]
    if value is None:
        return field.nullable
    return _TYPE_CHECKS[field.dtype](value)


def _is_iso_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


_TYPE_CHECKS: Mapping[Dtype, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "real": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "date": _is_iso_date,
    "json": lambda value: isinstance(value, list),
}


def _check_registered(event: NewEvent) -> list[str]:
    named = (event.payload["run"], event.payload["patch_id"])
    problems = [] if named == (event.run, event.subject) else [f"payload names {named}"]
    return problems + _check_outline(event)


def _check_outline(event: NewEvent) -> list[str]:
    try:
        outline = shapely.from_wkb(bytes.fromhex(event.payload[OUTLINE]))
    except (shapely.errors.GEOSException, TypeError, ValueError) as problem:
        return [f"outline can not be read: {problem}"]
    is_usable = (
        outline.geom_type == "MultiPolygon"
        and not outline.is_empty
        and not outline.has_z
        and outline.is_valid
    )
    return [] if is_usable else ["outline is no valid two-dimensional MultiPolygon"]


def _check_case(event: NewEvent) -> list[str]:
    ids = event.payload["patch_ids"]
    return [] if ids == sorted(set(ids)) else ["patch_ids are not sorted or not distinct"]


def _check_input(event: NewEvent) -> list[str]:
    expected = input_subject(event.payload)
    return [] if event.subject == expected else [f"subject should be {expected}"]


def _check_posting(event: NewEvent) -> list[str]:
    lines = event.payload["lines"]
    problems = [] if lines else ["no lines"]
    for line in lines:
        if set(line) != set(LINE_KEYS):
            problems.append(f"line has keys {sorted(line)}")
        elif not all(_fits(name, line[name]) for name in LINE_KEYS):
            problems.append(f"line {line}")
    return problems + [
        f"{name} = {event.payload[name]!r}"
        for name in ("posting_kind", "year", "doc_no", "posting_text")
        if not _fits(name, event.payload[name])
    ]


def _check_links(event: NewEvent) -> list[str]:
    return [
        f"link {link}"
        for link in event.payload[LINKS]
        if set(link) != set(LINK_KEYS)
        or not all(_fits(name, link[name]) for name in LINK_KEYS)
        or None in (link["earlier_run"], link["earlier_patch_id"], link["lineage_relation"])
    ]


def _check_own_run(event: NewEvent) -> list[str]:
    return [] if event.subject == event.run else ["subject should be the run"]


def _check_seal(event: NewEvent) -> list[str]:
    who = [] if event.by and event.reason else ["by and reason are required"]
    return _check_own_run(event) + who


_OWN_CHECKS: Mapping[EventKind, Callable[[NewEvent], list[str]]] = {
    "patch_registered": _check_registered,
    "survey_accepted": _check_outline,
    "case_recorded": _check_case,
    "county_input_recorded": _check_input,
    "posting_made": _check_posting,
    "lineage_linked": _check_links,
    "collected": _check_own_run,
    "frozen": _check_seal,
    "reopened": _check_seal,
}
