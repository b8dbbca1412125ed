"""Postings: what a document does to the accounts, and how what was posted is corrected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pipeline.schema.events import Event

CORRECTION = "correction"


class Line(NamedTuple):
    """One entry of a posting."""

    account: str
    unit_code: str
    amount_mu100: int
    """Signed."""


@dataclass(frozen=True)
class Posting:
    """What one document or statement does to the accounts; its lines sum to zero."""

    key: str
    """`<kind>|<year>|<doc_no>|<unit>`, then `#2` … for what replaces it after a correction."""
    posting_kind: str
    year: int
    doc_no: str | None
    posting_text: str
    lines: tuple[Line, ...]
    reverses_key: str | None = None
    """Key of the posting that it takes back."""
    is_unshared: bool = False
    """Nobody can say which townships it falls on, so that it stays with the county."""

    @property
    def amount_mu100(self) -> int:
        """What it moves: the sum over its first account, without sign."""
        account = self.lines[0].account
        return abs(sum(line.amount_mu100 for line in self.lines if line.account == account))

    def payload(self) -> dict[str, Any]:
        """Payload of its `posting_made` event."""
        return {
            "posting_kind": self.posting_kind,
            "year": self.year,
            "doc_no": self.doc_no,
            "posting_text": self.posting_text,
            "reverses_key": self.reverses_key,
            "lines": [line._asdict() for line in self.lines],
        }


def posted(events: Iterable[Event]) -> tuple[Posting, ...]:
    """The postings of the register, of all runs, in the order in which they were made."""
    return tuple(
        Posting(
            key=event.subject,
            posting_kind=event.payload["posting_kind"],
            year=event.payload["year"],
            doc_no=event.payload["doc_no"],
            posting_text=event.payload["posting_text"],
            lines=tuple(Line(**line) for line in event.payload["lines"]),
            reverses_key=event.payload["reverses_key"],
        )
        for event in events
        if event.kind == "posting_made"
    )


def standing(postings: Iterable[Posting]) -> dict[str, Posting]:
    """First key → the posting that counts now, in the order in which the first were made."""
    history = tuple(postings)
    taken_back = {posting.reverses_key for posting in history}
    found: dict[str, Posting | None] = {}
    for posting in history:
        if posting.posting_kind != CORRECTION:
            first = _first_key(posting.key)
            found[first] = found.get(first) if posting.key in taken_back else posting
    return {first: posting for first, posting in found.items() if posting is not None}


def stands(posting: Posting, counting: Mapping[str, Posting]) -> bool:
    """Whether a wanted posting is posted already.

    One that nobody can share out leaves what was shared out before, if it is the same amount.
    """
    known = counting.get(posting.key)
    if known is None:
        return False
    is_kept = posting.is_unshared and known.amount_mu100 == posting.amount_mu100
    return is_kept or sorted(known.lines) == sorted(posting.lines)


def missing_postings(wanted: Iterable[Posting], existing: Iterable[Posting]) -> list[Posting]:
    """What has to be added so that the wanted postings stand; history is never changed.

    One that stands with other amounts is taken back by a correction and posted anew.
    """
    history = tuple(existing)
    counting = standing(history)
    keys = {posting.key for posting in history}
    missing = []
    for posting in wanted:
        if stands(posting, counting):
            continue
        if posting.key in counting:
            missing.append(_reversal(counting[posting.key]))
        missing.append(replace(posting, key=_next_key(posting.key, keys)))
    return missing


def _reversal(posting: Posting) -> Posting:
    return Posting(
        key=f"{CORRECTION}|{posting.key}",
        posting_kind=CORRECTION,
        year=posting.year,
        doc_no=posting.doc_no,
        posting_text=f"更正（冲销）：{posting.posting_text}",
        lines=tuple(line._replace(amount_mu100=-line.amount_mu100) for line in posting.lines),
        reverses_key=posting.key,
    )


def _first_key(key: str) -> str:
    """The key without the number of its version; unit codes hold no `#`."""
    head, mark, unit = key.rpartition("|")
    return f"{head}{mark}{unit.partition('#')[0]}"


def _next_key(key: str, taken: set[str]) -> str:
    version = 2
    free = key
    while free in taken:
        free = f"{key}#{version}"
        version += 1
    return free
