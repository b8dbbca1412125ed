"""What a returned record is before and after it is checked: received, accepted or rejected."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pipeline.errors import Finding, Severity
from pipeline.schema.codes import CodeTable
from pipeline.schema.events import NewEvent
from pipeline.schema.normalise import plain_number

RecordKind = Literal[
    "finding", "photo", "survey", "judgement", "case", "county_input", "decision", "file"
]
"""Codes of configs/codes/record_kind.csv; `file` is a file that is rejected as a whole."""


@dataclass(frozen=True)
class Received:
    """One record as it came back."""

    record_kind: RecordKind
    source_file: str
    """Below the returns folder; inside an archive `a.zip!/b.xlsx`."""
    sha256: str
    row_no: int | None
    """As the spreadsheet shows it; None for a whole file."""
    township_code: str | None
    """Of the package or folder; None for the bureau's."""
    subject: str
    """Patch, case number or key, as it is written there."""
    values: Mapping[str, str | None] = field(default_factory=dict)
    """Cleaned text by field name; a column that the form does not have is not there."""
    notices: tuple[Finding, ...] = ()
    """What was noticed while it was read."""

    @property
    def where(self) -> str:
        """File and row for a message."""
        return (
            self.source_file if self.row_no is None else f"{self.source_file} 第 {self.row_no} 行"
        )


@dataclass(frozen=True)
class Accepted:
    """A record that counts, and what it makes happen."""

    received: Received
    event: NewEvent
    notices: tuple[Finding, ...] = ()

    @property
    def shown_subject(self) -> str:
        """The subject for people: keys made of codes as they were written on the form."""
        is_key = self.received.record_kind in ("county_input", "decision")
        return self.received.subject if is_key else self.event.subject


@dataclass(frozen=True)
class Rejected:
    """A record that does not count, and every reason why."""

    received: Received
    problems: tuple[Finding, ...]
    notices: tuple[Finding, ...] = ()


Outcome = Accepted | Rejected


@dataclass(frozen=True)
class Task:
    """What the run asked for: the patches, who got them, and in which words."""

    run: str
    county_code: str
    county_name: str
    check_year: int | None
    after_date: str | None
    """ISO date of the after image."""
    closes_on: str | None
    """ISO date on which the books are closed."""
    patches: Mapping[str, Mapping[str, Any]]
    """Patch id → columns of a `patch_registered` event."""
    locked: Mapping[str, Mapping[str, tuple[Any, ...]]]
    """Patch id → locked column of its form → the ways in which its value may be written."""
    locked_county: Mapping[str, Mapping[str, tuple[Any, ...]]]
    """The same for the bureau's form of judgements."""
    townships: Mapping[str, str]
    """Code → name."""
    packages: Mapping[str, str]
    """Township code → id of the package as it stands."""
    codes: Mapping[str, CodeTable]

    @cached_property
    def _by_word(self) -> dict[str, str | None]:
        """Every way to write a patch's id; None where two patches share it."""
        words: dict[str, str | None] = {}
        for patch, row in self.patches.items():
            for word in _spellings(row.get("issued_id")):
                words[word] = patch if words.get(word, patch) == patch else None
        for patch in self.patches:
            words[_word(patch)] = patch
        return words

    def find_patch(self, text: str | None) -> str | None:
        """The patch meant by an id of ours or an issued one; None if there is none."""
        if not text:
            return None
        for word in _spellings(text):
            if found := self._by_word.get(word):
                return found
        return None

    def ids_of(self, township_code: str | None) -> Mapping[str, str]:
        """Patch by each of its ids in capitals: of a township, or of all."""
        return self._ids.get(township_code, {})

    @cached_property
    def _ids(self) -> dict[str | None, dict[str, str]]:
        found: dict[str | None, dict[str, str]] = {None: {}}
        for patch, row in self.patches.items():
            for name in (row.get("issued_id"), patch):
                for code in {row.get("township_code"), None} if name else ():
                    found.setdefault(code, {})[str(name).upper()] = patch
        return found


def _word(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).replace("\u3000", "")
    return plain_number(re.sub(r"\s+", "", folded)).upper()


def _spellings(text: Any) -> tuple[str, ...]:
    """A text as it is, and without the zeros in front that Excel takes from numbers."""
    if not isinstance(text, str) or not text:
        return ()
    word = _word(text)
    return (word, word.lstrip("0")) if word.isdigit() and word.startswith("0") else (word,)


def reject(received: Received, *problems: Finding) -> Rejected:
    """A record rejected for these reasons."""
    return Rejected(received, problems, received.notices)


def doubt(what: str, where: str, value: str = "") -> Finding:
    """Something to look at again, though it is accepted."""
    return Finding("N-RETURN-DOUBT", what, where, value, severity=Severity.NOTICE)
