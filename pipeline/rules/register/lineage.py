"""What earlier runs told of the land (沿革): its patches, what came of them, what still stands.

The links between patches are a graph that leads back in time (`rules.books.year_union`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.rules.books.recognised import is_violation, signed_judgement
from pipeline.rules.books.rectification import patch_outcomes
from pipeline.rules.books.row_values import flag_of, text_of
from pipeline.rules.books.year_union import VANISHED, Ancestors, ancestors
from pipeline.rules.register.replay import Key, RegisterState, Row

OPEN, UNSENT, LAWFUL, FALSE_CHANGE, OTHER_USE, RECTIFIED = (
    "open",
    "unsent",
    "lawful",
    "false_change",
    "other_use",
    "rectified",
)
"""Codes of configs/codes/earlier_state.csv."""
SETTLED = (LAWFUL, FALSE_CHANGE)
"""Places that are not told again unless they grow (DOMAIN §1, F5)."""
IDENTIFIED = (OPEN, UNSENT)
"""States whose patch keeps its id: it is the same patch still."""

REGULARISING = ("regularised", "both")
NO_NOTICE = "not_issued"


@dataclass(frozen=True)
class Told:
    """One patch of an earlier run, and how it stands."""

    key: Key
    row: Mapping[str, Any]
    """`REGISTERED`, with the outline under "wkb"."""
    site: int
    """Same for all patches of one piece of land."""
    run_no: int
    is_head: bool
    """Whether no later patch took its place."""
    is_missing: bool
    """Whether a later run told that it had vanished."""
    state: str
    stop_notice_no: str | None
    stop_notice_date: str | None
    has_stop_notice: bool
    """Of the patch, or of the patches it came from."""
    is_regularising: bool

    @property
    def is_settled(self) -> bool:
        """Judged lawful or no real change."""
        return self.state in SETTLED


def tell_earlier(state: RegisterState, false_details: Collection[str]) -> list[Told]:
    """The patches of a register that holds earlier runs only, by run and id, none withdrawn.

    `false_details` are the codes of judgement_detail.csv that stand for no real change (伪变化).
    """
    rows = {key: row for key, row in state.patches.items() if not flag_of(row, "is_withdrawn")}
    order = {run: number for number, run in enumerate(state.runs)}
    keys = sorted(rows, key=lambda key: (order[key[0]], key[1]))
    before = ancestors(rows, state.lineage, tuple(state.runs))
    replaced = {earlier for found in before.values() for earlier in found}
    sites = _sites(keys, before)
    gone = {
        (str(link["earlier_run"]), str(link["earlier_patch_id"]))
        for link in state.lineage
        if link["lineage_relation"] == VANISHED
    }
    rectified = _rectified(state)
    regularising = _regularising(state)
    told = []
    for key in keys:
        chain = _chain(key, before)
        notice = _stop_notice([rows[one] for one in chain])
        told.append(
            Told(
                key=key,
                row=rows[key],
                site=sites[key],
                run_no=order[key[0]],
                is_head=key not in replaced,
                is_missing=key in gone,
                state=_state(rows[key], key in rectified, false_details),
                stop_notice_no=None if notice is None else text_of(notice, "stop_notice_no"),
                stop_notice_date=None if notice is None else text_of(notice, "stop_notice_date"),
                has_stop_notice=notice is not None,
                is_regularising=any(one in regularising for one in chain),
            )
        )
    return told


def _sites(keys: Sequence[Key], before: Ancestors) -> dict[Key, int]:
    """Number of the piece of land of every patch: patches that lead back to each other share it."""
    parent = {key: key for key in keys}

    def root(key: Key) -> Key:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for key in keys:
        for earlier in before.get(key, ()):
            parent[root(key)] = root(earlier)
    numbers: dict[Key, int] = {}
    return {key: numbers.setdefault(root(key), len(numbers)) for key in keys}


def _chain(key: Key, before: Ancestors) -> list[Key]:
    """A patch and all it came from, the patch itself first."""
    chain, waiting = [key], [key]
    seen = {key}
    while waiting:
        for earlier in before.get(waiting.pop(), ()):
            if earlier not in seen:
                seen.add(earlier)
                chain.append(earlier)
                waiting.append(earlier)
    return chain


def _state(row: Mapping[str, Any], is_rectified: bool, false_details: Collection[str]) -> str:
    judgement = signed_judgement(row)
    if judgement is None:
        return OPEN if flag_of(row, "is_sent") else UNSENT
    if is_violation(row):
        return RECTIFIED if is_rectified else OPEN
    if text_of(row, "judgement_detail") in false_details:
        return FALSE_CHANGE
    return LAWFUL if judgement == "new_lawful" else OTHER_USE


def _rectified(state: RegisterState) -> set[Key]:
    """Patches all whose cases are rectified and accepted, on whatever day."""
    links: dict[str, list[Row]] = defaultdict(list)
    for (run, case_no), case in state.cases.items():
        links[run] += [{"case_no": case_no, "patch_id": patch} for patch in case["patch_ids"]]
    found = set()
    for run, patches in links.items():
        cases = [case for (of_run, _), case in state.cases.items() if of_run == run]
        outcomes = patch_outcomes({row["patch_id"] for row in patches}, cases, patches, None)
        found |= {(run, patch) for patch, outcome in outcomes.items() if outcome.is_rectified}
    return found


def _regularising(state: RegisterState) -> set[Key]:
    """Patches in a case that is being regularised (补办中): not accepted yet."""
    return {
        (run, str(patch))
        for (run, _), case in state.cases.items()
        if case["rectification"] in REGULARISING and case["accepted_date"] is None
        for patch in case["patch_ids"]
    }


def _stop_notice(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The row with the latest notice to stop works; None without one."""
    noticed = [
        row
        for row in rows
        if text_of(row, "stop_effect") != NO_NOTICE
        and (text_of(row, "stop_notice_no") or text_of(row, "stop_notice_date"))
    ]
    return max(noticed, key=lambda row: text_of(row, "stop_notice_date") or "", default=None)
