"""Looking into the county's register: one patch's history, checking it, exporting it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.errors import Finding, UsageError
from pipeline.io.register.export import export_register
from pipeline.io.register.store import read_events, verify_register
from pipeline.io.runs import RunPaths
from pipeline.rules.register.payloads import LINE_KEYS, LINK_KEYS, OUTLINE, PAYLOAD_KEYS
from pipeline.rules.register.replay import Key, RegisterState, replay
from pipeline.schema.codes import CodeTable
from pipeline.schema.events import EVENT_LABELS, Event, EventKind
from pipeline.schema.fields import FIELDS
from pipeline.schema.register_layers import CASE_COLUMNS
from pipeline.units import format_mu100, two_places

SHORT_HASH = 12
CODE_TABLES = {
    "judgement": "judgement",
    "judgement_detail": "judgement_detail",
    "site_state": "site_state",
    "stop_effect": "stop_effect",
    "suspected_class": "suspected_class",
    "change_kind": "change_kind",
    "primary_kind": "violation_kind",
    "flags": "flag",
    "source": "patch_source",
    "lineage_relation": "lineage_relation",
    "source_group": "source_group",
    "theme": "theme",
    "rectification": "case_outcome",
    "item": "county_input",
    "posting_kind": "posting_kind",
}
"""Code table in which the values of a field are found."""
OTHER_LABELS = {
    "wkb": "界址",
    "patch_ids": "涉及图斑",
    "file_name": "照片",
    "sha256": "SHA-256",
    "lon": "经度",
    "lat": "纬度",
    "azimuth_deg": "方位角",
    "taken_at": "拍摄时间",
    "source_file": "采用的文件",
    "row": "采用的行",
    "decided_by": "裁决人",
    "decided_date": "裁决日期",
    "reason": "裁决理由",
    "reverses_key": "冲销凭证",
    "lines": "分录",
    "links": "前期图斑",
    "received": "收到",
    "accepted": "接收",
    "rejected": "退回",
    "tables_sha256": "统计表SHA-256",
    "books_sha256": "成果库SHA-256",
}
"""What payload keys that are no fields are called."""
_NAMED_ALREADY = ("run", "patch_id")


def log(paths: RunPaths, county_code: str, patch: str) -> list[str]:
    """All that the register holds of a patch (by its id or issued id) or a case, through all runs.

    Raises `UsageError` if it knows none by that name.
    """
    place = paths.register(county_code)
    events = read_events(place)
    state = replay(events)
    patches = _patches_named(state, patch)
    cases = sorted(
        {
            (event.run, event.subject)
            for event in events
            if event.kind == "case_recorded" and event.subject == patch
        }
    )
    if not patches and not cases:
        raise UsageError(
            Finding(
                "E-USAGE",
                "台账里没有这个图斑或案件。",
                where=str(place),
                value=patch,
                allowed="图斑编号、下发图斑编号或案号",
                advice="核对编号；本期还没有回收过时先运行 collect。",
            )
        )
    subjects = set(patches) | set(cases) | _cases_of(events, patches)
    codes = _load_code_tables()
    lines = [_patch_heading(state.patches[key], codes) for key in patches]
    lines += [
        f"案件 {case_no}，运行 {run}{'' if (run, case_no) in state.cases else '，已撤销'}"
        for run, case_no in cases
    ]
    return [*lines, *_history(events, subjects, codes)]


def verify(path: Path) -> list[Finding]:
    """Everything about the register that is not as it was written."""
    return verify_register(path)


def export(path: Path, out_dir: Path) -> list[str]:
    """Write the register as CSV and JSON lines; what was written, and the last hash to keep."""
    exported = export_register(path, out_dir)
    return [
        *(f"{out_dir / name}：{count} 行" for name, count in exported.rows.items()),
        f"历史共 {exported.head_no} 条，最后一条的指纹：{exported.head_hash}",
        "把这个指纹另处保存（打印、盖章）：日后与它一致，台账的全部历史就没有被改动。",
    ]


def _patches_named(state: RegisterState, name: str) -> list[Key]:
    """By id or issued id, and the same land in other runs."""
    named = [
        key for key, row in state.patches.items() if name in (row["patch_id"], row["issued_id"])
    ]
    lineages = {state.patches[key]["lineage_id"] for key in named}
    return [key for key, row in state.patches.items() if row["lineage_id"] in lineages]


def _cases_of(events: Iterable[Event], patches: Iterable[Key]) -> set[Key]:
    """Cases that hold one of the patches, or once did."""
    wanted = set(patches)
    return {
        (event.run, event.subject)
        for event in events
        if event.kind == "case_recorded"
        and any((event.run, patch_id) in wanted for patch_id in event.payload["patch_ids"])
    }


def _patch_heading(row: Mapping[str, Any], codes: Mapping[str, CodeTable]) -> str:
    parts = [f"图斑 {row['patch_id']}", f"运行 {row['run']}", f"沿革编号 {row['lineage_id']}"]
    parts += [
        f"{FIELDS[name].label_zh} {_shown(name, row[name], codes)}"
        for name in ("issued_id", "township_name", "suspected_class", "judgement")
        if row[name] is not None
    ]
    area_mu100 = row["area_mu100"]
    parts += [] if area_mu100 is None else [f"面积 {format_mu100(area_mu100)} 亩"]
    return "，".join(parts + (["已撤回"] if row["is_withdrawn"] else []))


def _history(
    events: Iterable[Event], subjects: set[Key], codes: Mapping[str, CodeTable]
) -> list[str]:
    """Two lines per event: who and when; then what was new in it."""
    latest: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    runs = {run for run, _ in subjects}
    lines = []
    for event in events:
        subject = event.subject
        if event.kind == "conflict_decided":
            subject = subject.partition("|")[2]
        is_seal = event.kind in ("frozen", "reopened") and event.run in runs
        if (event.run, subject) not in subjects and not is_seal:
            continue
        slot = (event.kind, event.run, event.subject)
        lines.append(_event_line(event))
        before = {} if event.kind == "photo_accepted" else latest.get(slot, {})
        changes = _changes(before, event, codes)
        lines += [f"    {'；'.join(changes)}"] if changes else []
        latest[slot] = event.payload
    return lines


def _event_line(event: Event) -> str:
    parts = [f"第 {event.event_no} 条", event.recorded_at, EVENT_LABELS[event.kind], event.subject]
    for label, value in (
        ("日期", event.event_date),
        ("经办", event.by),
        ("理由", event.reason),
        ("文件", event.source_file),
        ("SHA-256", event.source_sha256 and event.source_sha256[:SHORT_HASH]),
    ):
        if value:
            parts.append(f"{label} {value}")
    return " ｜ ".join([*parts, f"指纹 {event.hash[:SHORT_HASH]}"])


def _changes(before: Mapping[str, Any], event: Event, codes: Mapping[str, CodeTable]) -> list[str]:
    """What is stated for the first time or otherwise than before, in the order of the form."""
    changes = []
    for name in PAYLOAD_KEYS[event.kind]:
        was, value = before.get(name), event.payload.get(name)
        if value == was or name in _NAMED_ALREADY:
            continue
        if name == OUTLINE:
            changes.append(f"{_label(name, event.kind)}：{'已改动' if before else '已存'}")
            continue
        earlier = f"{_shown(name, was, codes)} → " if before else ""
        changes.append(f"{_label(name, event.kind)}：{earlier}{_shown(name, value, codes)}")
    return changes


def _label(name: str, kind: EventKind) -> str:
    # A case has a day of decision too, which is no day of ours.
    if name in OTHER_LABELS and (name not in CASE_COLUMNS or kind != "case_recorded"):
        return OTHER_LABELS[name]
    return FIELDS[name].label_zh.partition("（")[0] if name in FIELDS else name


def _shown(name: str, value: Any, codes: Mapping[str, CodeTable]) -> str:
    """A value in words."""
    if value is None:
        return "（空）"
    if isinstance(value, list):
        return "、".join(_shown(name, item, codes) for item in value) or "（无）"
    if isinstance(value, dict):
        keys = (*LINE_KEYS, *LINK_KEYS)
        shown = (_shown(key, value[key], codes) for key in keys if value.get(key) is not None)
        return " ".join(shown)
    if isinstance(value, bool):
        return "是" if value else "否"
    if name.endswith("_mu100"):
        return f"{format_mu100(value)} 亩"
    if name.endswith("_m2"):
        return f"{two_places(value)} ㎡"
    labels = codes[name].labels if name in codes else {}
    return labels.get(str(value), str(value))


def _load_code_tables() -> dict[str, CodeTable]:
    return {field: load_codes(CODES_DIR / f"{table}.csv") for field, table in CODE_TABLES.items()}
