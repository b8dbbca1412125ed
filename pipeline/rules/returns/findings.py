"""Checks of what townships return: field findings (核查结果) and photos."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.errors import Finding
from pipeline.rules.returns.locked import altered_columns, is_other_row
from pipeline.rules.returns.records import Accepted, Outcome, Received, Task, reject
from pipeline.rules.returns.values import Reading, is_blank, label_of
from pipeline.schema.delivered import FORM_COLUMNS
from pipeline.schema.events import NewEvent
from pipeline.schema.normalise import clean_text
from pipeline.schema.returned import PhotoFacts

REQUIRED = ("site_state", "filled_by", "checked_by", "filled_date")
"""A finding without these says nothing, or nobody answers for it."""

_CODES = {"site_state": "site_state", "stop_effect": "stop_effect"}
_FLAGS = frozenset({"is_found_by_patrol", "is_notified"})
_DATES = frozenset({"start_date", "stop_notice_date", "filled_date"})
_GOES_ON = re.compile(r"[0-9A-Z]", re.ASCII)
"""What would make an id a longer one."""
_LOOKS_LIKE_AN_ID = re.compile(r"\d{6}(ZJ|KJ)\d{6,}", re.ASCII)


def check_finding(received: Received, task: Task) -> Outcome | None:
    """A township's finding on one patch; None if nothing is filled in."""
    if is_blank(received, FORM_COLUMNS):
        return None
    patch = task.find_patch(received.subject)
    if refusal := refuse_patch(received, task, patch):
        return reject(received, refusal)
    assert patch is not None  # refused above
    reading = Reading(received, task)
    _check_row(reading, patch)
    if reading.problems:
        return reading.rejected()
    payload = {name: _value(reading, name) for name in FORM_COLUMNS}
    reading.require(REQUIRED, "E-RETURN-INCOMPLETE", "补齐后重新交回；现状未变化的也要填写。")
    if reading.problems:
        return reading.rejected()
    _doubts(reading, patch, payload)
    event = NewEvent(
        "finding_accepted",
        task.run,
        patch,
        payload,
        event_date=str(payload["filled_date"]),
        by=str(payload["filled_by"]),
        source_file=received.source_file,
        source_sha256=received.sha256,
    )
    return Accepted(received, event, tuple(reading.notices))


def refuse_patch(received: Received, task: Task, patch: str | None) -> Finding | None:
    """Why the record is not about a patch that this sender answers for."""
    written = received.subject
    if patch is None:
        what = "图斑编号不在本期任务中。" if written else "没有写图斑编号。"
        return Finding(
            "E-RETURN-PATCH",
            what,
            received.where,
            written or "空",
            f"运行 {task.run} 的图斑编号或下发编号",
            "按核查包里的编号改正；不是本期的图斑不要填在这里。",
        )
    owner = task.patches[patch].get("township_code")
    if received.township_code is None or owner == received.township_code:
        return None
    return Finding(
        "E-RETURN-FOREIGN",
        "图斑不属于交回的乡镇。",
        received.where,
        f"{patch}（{_township(task, owner)}）",
        f"{_township(task, received.township_code)}的图斑",
        "由图斑所在的乡镇填写交回；归属有误的报县局。",
    )


def _township(task: Task, code: str | None) -> str:
    return "不在任何乡镇范围内" if code is None else task.townships.get(code, code)


def _check_row(reading: Reading, patch: str) -> None:
    """Whether the row really is the patch's: the other id, and what was locked."""
    task = reading.task
    check_locked(reading, patch, task.locked.get(patch, {}))
    if not reading.problems and not task.patches[patch].get("is_sent"):
        reading.doubt("这个图斑没有下发乡镇核查。", patch)


def check_locked(reading: Reading, patch: str, sent: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse a row whose id is another row's; note every locked cell that was changed."""
    received, task = reading.received, reading.task
    other = clean_text(received.values.get("issued_id"))
    meant = task.find_patch(other)
    if meant is not None and meant != patch:
        reading.refuse(
            "E-RETURN-PATCH",
            "图斑编号和下发编号不是同一个图斑。",
            f"{received.subject}、{other}",
            str(task.patches[patch].get("issued_id") or "空"),
            "恢复原来的编号；可能是复制或排序时错了行。",
        )
        return
    altered = altered_columns(received, sent)
    if is_other_row(altered):
        reading.refuse(
            "E-RETURN-PATCH",
            "图斑编号和同一行的序号、面积对不上，可能错了行。",
            received.subject,
            "编号、序号和面积与核查包一致",
            "从核查包里的原表重新填写这一行。",
        )
        return
    reading.notices.extend(altered[name] for name in sorted(altered))


def _value(reading: Reading, name: str) -> str | float | bool | None:
    if name in _CODES:
        return reading.code(name, _CODES[name])
    if name in _FLAGS:
        return reading.flag(name)
    if name in _DATES:
        return reading.date(name)
    if name == "measured_area_m2":
        return reading.number(name, above_zero=True)
    return reading.text(name)


def _doubts(reading: Reading, patch: str, payload: dict[str, str | float | bool | None]) -> None:
    """Answers that are possible but seldom meant."""
    start, after = payload["start_date"], reading.task.patches[patch].get("after_date")
    if start is not None and after is not None and str(start) > str(after):
        reading.doubt(f"动工时间晚于后时相 {after}。", str(start))
    filled = str(payload["filled_date"])
    for name in ("start_date", "stop_notice_date"):
        if payload[name] is not None and str(payload[name]) > filled:
            reading.doubt(f"“{label_of(name)}”晚于填表日期 {filled}。", str(payload[name]))
    if payload["filled_by"] == payload["checked_by"]:
        reading.doubt("填表人和审核人是同一个人。", str(payload["filled_by"]))
    if payload["is_found_by_patrol"] and payload["patrol_record_no"] is None:
        reading.doubt("巡查已发现，但没有填巡查台账号。")
    if payload["stop_notice_no"] is None and payload["stop_notice_date"] is not None:
        reading.doubt("有制止文书日期，没有文书号。")


def check_photo(received: Received, facts: PhotoFacts, task: Task) -> Outcome:
    """A photo; `subject` of the record is the id that its name or folder begins with."""
    patch = task.find_patch(received.subject)
    if patch is None and not _LOOKS_LIKE_AN_ID.match(received.subject):
        return reject(
            received,
            Finding(
                "E-RETURN-UNKNOWN",
                "看不出照片是哪个图斑的。",
                received.where,
                received.source_file.rsplit("/", maxsplit=1)[-1],
                "文件名以图斑编号开头，或放在以图斑编号命名的文件夹里",
                "改文件名后重新交回。",
            ),
        )
    if refusal := refuse_patch(received, task, patch):
        return reject(received, refusal)
    if facts.problem is not None:
        return reject(received, facts.problem)
    assert patch is not None  # refused above
    reading = Reading(received, task)
    if facts.lon is None or facts.lat is None:
        reading.doubt("照片没有记录拍摄位置。")
    event = NewEvent(
        "photo_accepted",
        task.run,
        patch,
        {
            "file_name": received.source_file.rsplit("/", maxsplit=1)[-1],
            "sha256": facts.sha256,
            "lon": facts.lon,
            "lat": facts.lat,
            "azimuth_deg": facts.azimuth_deg,
            "taken_at": facts.taken_at,
        },
        event_date=None if facts.taken_at is None else facts.taken_at[:10],
        source_file=received.source_file,
        source_sha256=received.sha256,
    )
    return Accepted(received, event, tuple(reading.notices))


def photo_subject(name: str, township_code: str | None, task: Task) -> str:
    """The id that a photo's file name begins with, else one of its folders; else what is there."""
    parts = re.split(r"!?/", name)
    words = [parts[-1].rsplit(".", maxsplit=1)[0], *reversed(parts[:-1])]
    for ids in (task.ids_of(township_code), task.ids_of(None)):
        for word in words:
            if found := _longest(word.upper(), ids):
                return found
    return next((word for word in words if _LOOKS_LIKE_AN_ID.match(word)), "")


def _longest(word: str, ids: Mapping[str, str]) -> str | None:
    """The patch of the longest id that `word` is, or goes on from with no letter or digit."""
    for length in range(len(word), 0, -1):
        if word[:length] in ids and not _GOES_ON.match(word, length):
            return ids[word[:length]]
    return None
