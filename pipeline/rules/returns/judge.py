"""Returned records → accepted or rejected, a function of the returns and the rules alone.

Nothing here knows what was accepted before: the same folder gives the same receipts at any time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.rules.returns.conflicts import (
    COMPARED,
    Decision,
    Rival,
    decisions_of,
    settle,
    survey_rivals,
)
from pipeline.rules.returns.findings import check_finding
from pipeline.rules.returns.inputs import check_county_input, check_decision
from pipeline.rules.returns.records import Accepted, Outcome, Received, Task
from pipeline.rules.returns.signed import check_case, check_judgement

FormCheck = Callable[[Received, Task], Outcome | None]

FORM_CHECKS: Mapping[str, FormCheck] = {
    "finding": check_finding,
    "judgement": check_judgement,
    "case": check_case,
    "county_input": check_county_input,
}
"""Checks of records that stand in forms, by record kind; decisions are checked last."""


@dataclass(frozen=True)
class Verdict:
    """What became of everything that came back."""

    outcomes: tuple[Outcome, ...]
    """By file and row."""
    rivals: tuple[Rival, ...]
    """Records that contradict each other, decided or not."""
    decisions: Mapping[str, Decision]
    """What the bureau decided, by "<record kind>|<subject>"."""

    @property
    def accepted(self) -> tuple[Accepted, ...]:
        """Those that count."""
        return tuple(one for one in self.outcomes if isinstance(one, Accepted))


def judge_returns(
    received: Sequence[Received],
    ready: Sequence[Outcome],
    claims: Sequence[Received],
    task: Task,
) -> Verdict:
    """Check every record of a form, and let rivals exclude each other.

    `ready`: outcomes of what is no form: photos, files rejected as a whole. `claims`: surveys, not
    checked yet, which decisions may name (`with_surveys` adds their outcomes).
    """
    outcomes = list(ready)
    for one in received:
        if one.record_kind != "decision" and (outcome := FORM_CHECKS[one.record_kind](one, task)):
            outcomes.append(outcome)
    found = _records_by_subject(outcomes)
    for one in claims:
        found[one.record_kind, one.subject].append((one.source_file, one.row_no, True))
    checked = [
        check_decision(one, task, found) for one in received if one.record_kind == "decision"
    ]
    decided, rival_decisions = settle(_sorted([one for one in checked if one is not None]))
    decisions = decisions_of(decided)
    settled, rivals = settle(_sorted(outcomes), decisions)
    return Verdict(
        _sorted([*settled, *decided]),
        tuple(sorted([*rivals, *rival_decisions], key=_rival_order)),
        decisions,
    )


def with_surveys(verdict: Verdict, surveys: Sequence[Outcome]) -> Verdict:
    """The verdict with the outcomes of surveys, and those of them that contradict each other."""
    rivals = [*verdict.rivals, *survey_rivals(surveys, verdict.decisions)]
    return Verdict(
        _sorted([*verdict.outcomes, *surveys]),
        tuple(sorted(rivals, key=_rival_order)),
        verdict.decisions,
    )


def _sorted(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """By file and row, so that the order of arrival decides nothing."""
    return tuple(sorted(outcomes, key=_order))


def _records_by_subject(
    outcomes: Sequence[Outcome],
) -> dict[tuple[str, str], list[tuple[str, int | None, bool]]]:
    """Where the records of each subject stand, and whether each is sound by itself."""
    found: dict[tuple[str, str], list[tuple[str, int | None, bool]]] = defaultdict(list)
    for one in outcomes:
        received = one.received
        if received.record_kind in COMPARED:
            is_sound = isinstance(one, Accepted)
            subject = one.event.subject if isinstance(one, Accepted) else received.subject
            place = (received.source_file, received.row_no, is_sound)
            found[received.record_kind, subject].append(place)
    return found


def _order(one: Outcome) -> tuple[str, int, str, str]:
    received = one.received
    return (received.source_file, received.row_no or 0, received.record_kind, received.subject)


def _rival_order(one: Rival) -> tuple[str, str, str, int]:
    received = one.received
    return (one.record_kind, one.subject, received.source_file, received.row_no or 0)
