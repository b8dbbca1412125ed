"""What a collection adds to the register: only what differs from what stands there already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import shapely

from pipeline.rules.register.payloads import LINK_KEYS, LINKS, OUTLINE, plain_payload
from pipeline.rules.register.replay import RegisterState
from pipeline.schema.events import Event, EventKind, NewEvent

CORRECTED_ZH = "更正"
"""Reason of an event that replaces an earlier one of its subject."""

HUMAN_KINDS: frozenset[EventKind] = frozenset(
    {"finding_accepted", "photo_accepted", "survey_accepted", "judgement_signed"}
)
"""What people said of a patch; it stays when the patch is withdrawn."""

_MARKS: tuple[tuple[EventKind, str], ...] = (
    ("finding_accepted", "filled_date"),
    ("judgement_signed", "judged_date"),
)
"""Columns that tell whether a patch has one."""

SAME_LAND_SHARE = 0.5
"""Of the smaller outline: with less in common, two outlines are not the same land."""

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


def lineage_events(
    run: str,
    registered: Mapping[str, Mapping[str, Any]],
    lineage: Iterable[Mapping[str, Any]],
    events: Iterable[Event],
) -> list[NewEvent]:
    """Links of the run's patches with earlier ones, and earlier patches that vanished, where news.

    `lineage` are rows of `LINEAGE`. A patch or vanished one of which nothing is found any more,
    because `extract` was done again, has an event without links.
    """
    links: dict[str, list[Mapping[str, Any]]] = {}
    lineage_of: dict[str, str] = {}
    for row in lineage:
        patch = str(row["patch_id"])
        links.setdefault(patch, []).append({name: row[name] for name in LINK_KEYS})
        lineage_of[patch] = str(row["lineage_id"])
    standing = [event for event in events if event.kind == "lineage_linked"]
    for event in standing:
        lineage_of.setdefault(event.subject, str(event.payload["lineage_id"]))
    unlinked = {"parent_id": None, "lineage_relation": None}
    wanted = []
    for patch, lineage_id in sorted(lineage_of.items()):
        row = registered.get(patch, unlinked | {"lineage_id": lineage_id})
        named = {name: row[name] for name in ("lineage_id", "parent_id", "lineage_relation")}
        wanted.append(NewEvent("lineage_linked", run, patch, named | {LINKS: links.get(patch, [])}))
    return missing_events(wanted, standing)


def renumbered(
    registered: Mapping[str, Mapping[str, Any]],
    standing: Mapping[str, Mapping[str, Any]],
    said: Iterable[str],
) -> list[str]:
    """Patches of which people have said something, whose id now stands for other land; sorted.

    `standing`: patch id → its row in the register, `said`: those that people have spoken of.
    """
    both = [patch for patch in sorted(said) if patch in registered and patch in standing]
    if not both:
        return []
    now, then = (
        shapely.from_wkb([rows[patch][OUTLINE] for patch in both])
        for rows in (registered, standing)
    )
    shared_m2 = shapely.area(shapely.intersection(now, then))
    smaller_m2 = np.minimum(shapely.area(now), shapely.area(then))
    return [
        patch
        for patch, is_other in zip(both, shared_m2 < SAME_LAND_SHARE * smaller_m2, strict=True)
        if is_other
    ]


def unreturned(
    accepted: Iterable[NewEvent], state_keys: Iterable[tuple[EventKind, str]]
) -> dict[EventKind, list[str]]:
    """What the register holds but no accepted record states now: its subjects by kind, sorted."""
    stated = {(event.kind, event.subject) for event in accepted}
    found: dict[EventKind, list[str]] = {}
    for kind, subject in sorted(set(state_keys) - stated):
        found.setdefault(kind, []).append(subject)
    return found


def standing_records(state: RegisterState, run: str) -> list[tuple[EventKind, str]]:
    """Kind and subject of what people said in a run and what counts now; photos add up."""
    found: list[tuple[EventKind, str]] = []
    for (of_run, patch), row in state.patches.items():
        if of_run == run and not row["is_withdrawn"]:
            found += [(kind, patch) for kind, name in _MARKS if row[name] is not None]
    found += [("case_recorded", case) for of_run, case in state.cases if of_run == run]
    found += [
        ("county_input_recorded", subject)
        for (of_run, subject), row in state.county_inputs.items()
        # A figure that was taken back is stated as zero.
        if of_run == run and row["value_mu"]
    ]
    return found


def said_of(patches: Sequence[str], events: Iterable[Event]) -> list[str]:
    """Those of the patches of which people have said something, sorted."""
    wanted = set(patches)
    named = {event.subject for event in events if event.kind in HUMAN_KINDS}
    for event in events:
        if event.kind == "case_recorded":
            named |= set(event.payload["patch_ids"])
    return sorted(wanted & named)
