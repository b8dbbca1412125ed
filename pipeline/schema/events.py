"""Events of the register (图斑台账): the only thing written; all else is replayed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

EventKind = Literal[
    "patch_registered",
    "patch_withdrawn",
    "finding_accepted",
    "photo_accepted",
    "survey_accepted",
    "judgement_signed",
    "case_recorded",
    "county_input_recorded",
    "conflict_decided",
    "posting_made",
    "lineage_linked",
    "collected",
    "frozen",
    "reopened",
]

EVENT_LABELS: Mapping[EventKind, str] = {
    "patch_registered": "图斑登记",
    "patch_withdrawn": "图斑撤回",
    "finding_accepted": "乡镇核查结果",
    "photo_accepted": "核查照片",
    "survey_accepted": "实测界址",
    "judgement_signed": "县局签署判定",
    "case_recorded": "案件登记",
    "county_input_recorded": "县填报数据",
    "conflict_decided": "冲突裁决",
    "posting_made": "指标记账",
    "lineage_linked": "图斑沿革",
    "collected": "回收完成",
    "frozen": "本期封存",
    "reopened": "本期解封",
}

GENESIS = "0" * 64
"""What the first event names as its predecessor."""


@dataclass(frozen=True)
class NewEvent:
    """Something that happened, before it is written."""

    kind: EventKind
    run: str
    subject: str
    """Patch id, case number, key of a county input, key of a posting, or the run."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """JSON values; keys by kind: `schema.register_layers` and `rules.register.replay`."""
    event_date: str | None = None
    """Business date: filled in, judged, filed; ISO."""
    by: str | None = None
    """Who."""
    reason: str | None = None
    """Why."""
    source_file: str | None = None
    """Relative to the returns folder of the run."""
    source_sha256: str | None = None


@dataclass(frozen=True)
class Event(NewEvent):
    """An event as it stands in the register."""

    event_no: int = 0
    recorded_at: str = ""
    """When it was written, local time; given by the command line, never read from a clock below."""
    previous_hash: str = GENESIS
    hash: str = ""
    """SHA-256 over all other columns, the predecessor's hash among them."""
