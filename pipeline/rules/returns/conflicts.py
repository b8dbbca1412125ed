"""Rival records: the same subject filled in differently, in one file or in several.

What counts is decided by the records alone, whatever order they came in: equal ones all count,
different ones none, until the bureau decides (`bureau/decisions.xlsx`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import Finding
from pipeline.rules.returns.records import Accepted, Outcome, Received, RecordKind, Rejected
from pipeline.rules.returns.values import label_of

Key = tuple[RecordKind, str]

COMPARED: frozenset[RecordKind] = frozenset(
    {"finding", "judgement", "case", "county_input", "decision"}
)
"""Kinds of which one subject can have one state only; photos add up.

Surveys are compared by their outlines (`patches.survey_returns`).
"""


@dataclass(frozen=True)
class Decision:
    """Which record the bureau adopted."""

    source_file: str
    row: int | None
    event: Accepted

    def names(self, received: Received) -> bool:
        """Whether it is this record."""
        return received.source_file == self.source_file and (
            self.row is None or received.row_no in (self.row, None)
        )


@dataclass(frozen=True)
class Rival:
    """One of several different records of a subject."""

    record_kind: RecordKind
    subject: str
    received: Received
    content: str
    """What it says where the rivals differ."""
    decision: Accepted | None
    """The decision that adopted it, or another."""
    is_adopted: bool


def settle(
    outcomes: Sequence[Outcome], decisions: Mapping[str, Decision] | None = None
) -> tuple[list[Outcome], list[Rival]]:
    """The outcomes with every record that contradicts another rejected, and all rivals.

    `decisions`: by "<record kind>|<subject>". The order of `outcomes` is kept.
    """
    groups: dict[Key, list[int]] = defaultdict(list)
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, Accepted) and outcome.received.record_kind in COMPARED:
            groups[outcome.received.record_kind, outcome.event.subject].append(number)
    settled = list(outcomes)
    rivals: list[Rival] = []
    for (kind, subject), numbers in sorted(groups.items()):
        group = [one for n in numbers if isinstance(one := outcomes[n], Accepted)]
        if all(one.event.payload == group[0].event.payload for one in group):
            continue
        decision = (decisions or {}).get(f"{kind}|{subject}")
        adopted = _adopted(group, decision)
        for number, one in zip(numbers, group, strict=True):
            is_adopted = adopted is not None and one.event.payload == adopted.event.payload
            if not is_adopted:
                settled[number] = _refused(one, group, adopted)
            event = None if decision is None or adopted is None else decision.event
            content = _content(one, group)
            rivals.append(Rival(kind, subject, one.received, content, event, is_adopted))
    return settled, rivals


def decisions_of(outcomes: Sequence[Outcome]) -> dict[str, Decision]:
    """The accepted decisions by what they decide."""
    return {
        one.event.subject: Decision(one.event.payload["source_file"], one.event.payload["row"], one)
        for one in outcomes
        if isinstance(one, Accepted) and one.event.kind == "conflict_decided"
    }


def survey_rivals(surveys: Sequence[Outcome], decisions: Mapping[str, Decision]) -> list[Rival]:
    """Surveys of one patch in several files that exclude each other, one of each file."""
    files: dict[str, dict[str, Outcome]] = defaultdict(dict)
    for one in surveys:
        is_refused = isinstance(one, Rejected) and one.problems[0].code == "E-RETURN-CONFLICT"
        if is_refused or isinstance(one, Accepted):
            subject = one.event.subject if isinstance(one, Accepted) else one.received.subject
            files[subject].setdefault(one.received.source_file, one)
    rivals = []
    for subject, found in sorted(files.items()):
        if all(isinstance(one, Accepted) for one in found.values()):
            continue
        decision = decisions.get(f"survey|{subject}")
        for _, one in sorted(found.items()):
            is_adopted = isinstance(one, Accepted)
            event = None if decision is None else decision.event
            rivals.append(Rival("survey", subject, one.received, "界址：见文件", event, is_adopted))
    return rivals


def _adopted(group: Sequence[Accepted], decision: Decision | None) -> Accepted | None:
    """The one record that a decision names; None if it names none, or different ones."""
    if decision is None:
        return None
    named = [one for one in group if decision.names(one.received)]
    if not named or any(one.event.payload != named[0].event.payload for one in named):
        return None
    return named[0]


def _refused(one: Accepted, group: Sequence[Accepted], adopted: Accepted | None) -> Rejected:
    received = one.received
    others = [other for other in group if other.event.payload != one.event.payload]
    places = "；".join(_place(other.received, received) for other in others[:5])
    content = _content(one, group)
    if adopted is not None:
        problem = Finding(
            "E-RETURN-CONFLICT",
            f"已裁决采用 {adopted.received.where}，这一份不采用。",
            received.where,
            content,
            _content(adopted, group),
            "不用再改；裁决有误的改 bureau/decisions.xlsx。",
        )
    elif any(other.received.source_file == received.source_file for other in others):
        problem = Finding(
            "E-RETURN-DUPLICATE",
            f"同一份文件里“{one.shown_subject}”填了几次，内容不同：{places}。",
            received.where,
            content,
            "同一对象只填一次",
            "删去不要的一行；或由县局在 decisions.xlsx 里裁决。",
        )
    else:
        problem = Finding(
            "E-RETURN-CONFLICT",
            f"“{one.shown_subject}”在几份文件里的填报不同：{places}。",
            received.where,
            content,
            "几份填报内容相同，或只留一份",
            "撤掉不要的文件；或在 collect/decisions.xlsx 里裁决后放进 bureau 文件夹。",
        )
    return Rejected(received, (problem,), one.notices)


def _place(other: Received, here: Received) -> str:
    is_here = other.source_file == here.source_file and other.row_no is not None
    return f"第 {other.row_no} 行" if is_here else other.where


def _content(one: Accepted, group: Sequence[Accepted]) -> str:
    """The values of one record in the columns in which the group differs."""
    names = [
        name
        for name in one.event.payload
        if any(other.event.payload.get(name) != one.event.payload.get(name) for other in group)
    ]
    return "；".join(
        f"{label_of(name)}：{_said(one.received, name, one.event.payload.get(name))}"
        for name in names
    )


def _said(received: Received, name: str, value: Any) -> str:
    """The value as it was written, else as it was understood."""
    written = received.values.get(name)
    if written:
        return written
    return "空" if value is None else str(value)
