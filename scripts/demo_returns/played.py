"""What was filled in and what must be rejected: the answer book of the play."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .county import Patch
from .story import Values

PLAYED_NAME = ".played.json"
"""Hidden, so that collecting returns does not look at it."""


@dataclass
class Played:
    """Collects what is played; file names are relative to the returns folder."""

    folder: Path
    """Where the files are written."""
    patches: dict[str, dict[str, Any]] = field(default_factory=dict)
    cases: dict[str, Values] = field(default_factory=dict)
    county_inputs: list[Values] = field(default_factory=list)
    accepted: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, patches: list[Patch]) -> None:
        """List every patch before anything is said of it."""
        for patch in patches:
            plant = patch.plant
            self.patches[patch.patch_id] = {
                "issued_id": patch.issued_id,
                "township_code": patch.township_code,
                "is_sent": patch.is_sent,
                "truth_id": plant.truth_id if plant else None,
                "case_id": plant.case_id if plant else None,
                "finding": None,
                "judgement": None,
                "survey_m2": None,
                "photos": 0,
                "case_nos": [],
            }

    def accept(self, file: str, kind: str, subject: str, row: int | None = None) -> None:
        """A record that must be accepted."""
        self.accepted.append({"file": file, "row": row, "kind": kind, "subject": subject})

    def reject(self, file: str, kind: str, subject: str, code: str, why: str) -> None:
        """A record that must be rejected with this code."""
        self.rejected.append(
            {"file": file, "kind": kind, "subject": subject, "code": code, "why": why}
        )

    def notice(self, file: str, subject: str, code: str, why: str) -> None:
        """A record that must be accepted with this notice."""
        self.notices.append({"file": file, "subject": subject, "code": code, "why": why})

    def found(self, file: str, patch_id: str, values: Values, row: int | None = None) -> None:
        """A township's finding that must be accepted."""
        self.accept(file, "finding", patch_id, row)
        self.patches[patch_id]["finding"] = values

    def write(self, stamp: object, files: dict[str, str]) -> None:
        """Save the answer book; `files`: digest of every file that was written."""
        content = {
            "stamp": stamp,
            "patches": self.patches,
            "cases": self.cases,
            "county_inputs": self.county_inputs,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "notices": self.notices,
            "files": files,
        }
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (self.folder / PLAYED_NAME).write_text(text, encoding="utf-8", newline="\n")
