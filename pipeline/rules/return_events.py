"""What a collection adds to the register: only what differs from what stands there already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.rules.payloads import plain_payload
from pipeline.schema.events import Event, EventKind, NewEvent

CORRECTED_ZH = "更正"
"""Reason of an event that replaces an earlier one of its subject."""

HUMAN_KINDS: frozenset[EventKind] = frozenset(
    {"finding_accepted", "photo_accepted", "survey_accepted", "judgement_signed"}
)
"""What people said of a patch; it stays when the patch is withdrawn."""

_Key = tuple[str, str, str]


def missing_events(wanted: Iterable[NewEvent], events: Iterable[Event]) -> list[NewEvent]:
    """The wanted events whose payload is not what the register says last of their subject.

    `events` are those of the run, in order. A photo is there once its file is, whatever came after.
    """
    latest: dict[_Key, Mapping[str, Any]] = {_key(event): event.payload for event in events}
    subjects = {key[:2] for key in latest}
    missing = []
    for event in wanted:
        key, payload = _key(event), plain_payload(event.payload)
        if key in latest and (event.kind == "photo_accepted" or latest[key] == payload):
            continue
        is_correction = event.kind != "photo_accepted" and key[:2] in subjects
        missing.append(replace(event, reason=CORRECTED_ZH) if is_correction else event)
        latest[key] = payload
        subjects.add(key[:2])
    return missing


def _key(event: NewEvent) -> _Key:
    photo = str(event.payload["sha256"]) if event.kind == "photo_accepted" else ""
    return event.kind, event.subject, photo


def patch_events(
    run: str,
    registered: Mapping[str, Mapping[str, Any]],
    events: Iterable[Event],
    event_date: str | None,
) -> list[NewEvent]:
    """Patches to register, to register again because they changed, and to withdraw."""
    standing: dict[str, Mapping[str, Any] | None] = {}
    for event in events:
        if event.kind == "patch_registered":
            standing[event.subject] = event.payload
        elif event.kind == "patch_withdrawn":
            standing[event.subject] = None
    changed = [
        NewEvent(
            "patch_registered",
            run,
            patch,
            payload,
            event_date=event_date,
            reason=CORRECTED_ZH if patch in standing else None,
        )
        for patch, payload in sorted(registered.items())
        if standing.get(patch) != plain_payload(payload)
    ]
    gone = [
        NewEvent("patch_withdrawn", run, patch)
        for patch, payload in sorted(standing.items())
        if payload is not None and patch not in registered
    ]
    return [*changed, *gone]


def said_of(patches: Sequence[str], events: Iterable[Event]) -> list[str]:
    """Those of the patches of which people have said something, sorted."""
    wanted = set(patches)
    named = {event.subject for event in events if event.kind in HUMAN_KINDS}
    for event in events:
        if event.kind == "case_recorded":
            named |= set(event.payload["patch_ids"])
    return sorted(wanted & named)
