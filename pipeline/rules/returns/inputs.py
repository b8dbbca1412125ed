"""Checks of the county's own figures (县填报数据) and of decisions between rival records."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from pipeline.rules.returns.records import Accepted, Outcome, Received, Task
from pipeline.rules.returns.values import Reading, is_blank
from pipeline.schema.events import NewEvent
from pipeline.schema.normalise import clean_text, plain_number

FILLED_IN = ("value_mu", "doc_no", "source_title", "source_date", "filled_by", "checked_by")
"""What people fill in; item, unit and year are listed already."""
RESPONSIBLE = ("filled_by", "checked_by")
_YEAR = re.compile(r"(20\d{2})年?", re.ASCII)
_ROW = re.compile(r"\d{1,9}", re.ASCII)

DECIDED = ("decided_by", "decided_date")
Rivals = Mapping[tuple[str, str], Sequence[tuple[str, int | None, bool]]]
"""Record kind and subject → file, row and whether the record stands the checks by itself."""


def check_county_input(received: Received, task: Task) -> Outcome | None:
    """One figure of the county; None if nothing is filled in beside what was listed."""
    if is_blank(received, FILLED_IN):
        return None
    reading = Reading(received, task)
    item = reading.code("item", "county_input")
    unit = _unit(reading, item)
    year = _year(reading, item)
    value = reading.number("value_mu")
    doc_no, title = reading.text("doc_no"), reading.text("source_title")
    on = reading.date("source_date", may_be_later=True)
    people = {name: reading.text(name) for name in RESPONSIBLE}
    needs_document = item is not None and (
        task.codes["county_input"].attributes[item]["is_document_needed"] == "1"
    )
    required = ["item", "unit_code", "year", "value_mu", *(["doc_no"] if needs_document else [])]
    reading.require((*required, *RESPONSIBLE), "E-RETURN-INCOMPLETE", "补齐后重新交回。")
    if reading.problems:
        return reading.rejected()
    payload = {
        "item": item,
        "unit_code": unit,
        "year": year,
        "value_mu": value,
        "doc_no": doc_no,
        "source_title": title,
        "source_date": on,
        **people,
    }
    event = NewEvent(
        "county_input_recorded",
        task.run,
        f"{item}|{unit}|{year}|{doc_no or ''}",
        payload,
        event_date=on,
        by=people["filled_by"],
        source_file=received.source_file,
        source_sha256=received.sha256,
    )
    return Accepted(received, event, tuple(reading.notices))


def _unit(reading: Reading, item: str | None) -> str | None:
    """Code of the county or of a township, written as code, name, or both."""
    text = reading.text("unit_code")
    if text is None:
        return None
    task = reading.task
    names = {task.county_code: task.county_name, **task.townships}
    word = plain_number(re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)))
    found = [
        code for code, name in names.items() if word in (code, _folded(name), code + _folded(name))
    ]
    if len(found) != 1:
        reading.refuse(
            "E-RETURN-VALUE",
            "“单位代码”不是本县或本县乡镇。" if not found else "有几个同名的单位，分不清是哪一个。",
            text,
            "、".join(f"{code} {name}" for code, name in names.items()),
            "写单位代码或名称。",
        )
        return None
    scope = "any" if item is None else task.codes["county_input"].attributes[item]["scope"]
    if scope == "county" and found[0] != task.county_code:
        reading.refuse(
            "E-RETURN-VALUE",
            "这个项目只按全县填。",
            text,
            f"{task.county_code} {task.county_name}",
            "填全县合计；乡镇的份额由程序分摊。",
        )
    return found[0]


def _folded(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def _year(reading: Reading, item: str | None) -> int | None:
    text = reading.text("year")
    if text is None:
        return None
    match = _YEAR.fullmatch(plain_number(unicodedata.normalize("NFKC", text)))
    if match is None:
        reading.refuse("E-RETURN-VALUE", "“年度”不是年份。", text, "四位年份，例如 2025", "改正。")
        return None
    year = int(match.group(1))
    check_year = reading.task.check_year
    attributes = {} if item is None else reading.task.codes["county_input"].attributes[item]
    if check_year is not None and (offset := attributes.get("year_offset")):
        usual = check_year + int(offset)
        if year != usual:
            reading.doubt(f"本期这个项目的年度一般是 {usual}。", str(year))
    return year


def check_decision(received: Received, task: Task, rivals: Rivals) -> Outcome | None:
    """The bureau's choice of one record among rivals; None for a row that is not chosen."""
    if is_blank(received, ("is_adopted",)):
        return None
    reading = Reading(received, task)
    is_adopted = reading.flag("is_adopted")
    if is_adopted is False:
        return None
    kind = reading.code("record_kind", "record_kind")
    subject, file = reading.text("subject"), reading.text("source_file")
    row = _row_no(reading)
    by, reason = reading.text("decided_by"), reading.text("decision_reason")
    on = reading.date("decided_date", may_be_later=True)
    reading.require(("record_kind", "subject", "source_file"), "E-RETURN-INCOMPLETE", "不要删改。")
    reading.require(DECIDED, "E-RETURN-UNSIGNED", "裁决人和裁决日期齐全才算裁决。")
    if not reading.problems:
        # A survey is a whole file's: its polygons make up one boundary.
        wanted = None if kind == "survey" else row
        _require_rival(reading, rivals.get((str(kind), str(subject)), ()), str(file), wanted)
    if reading.problems:
        return reading.rejected()
    event = NewEvent(
        "conflict_decided",
        task.run,
        f"{kind}|{subject}",
        {
            "source_file": file,
            "row": row,
            "decided_by": by,
            "decided_date": on,
            "reason": reason,
        },
        event_date=on,
        by=by,
        reason=reason,
        source_file=received.source_file,
        source_sha256=received.sha256,
    )
    return Accepted(received, event, tuple(reading.notices))


def _row_no(reading: Reading) -> int | None:
    text = clean_text(reading.received.values.get("row_no"))
    if text is None:
        return None
    word = plain_number(text)
    if not _ROW.fullmatch(word):
        reading.refuse("E-RETURN-VALUE", "行号不是整数。", text, "整数", "照裁决表原样填。")
        return None
    return int(word)


def _require_rival(
    reading: Reading,
    records: Sequence[tuple[str, int | None, bool]],
    file: str,
    row: int | None,
) -> None:
    """The decision must name one record of this subject that can be accepted."""
    named = [one for one in records if one[0] == file and (row is None or one[1] in (row, None))]
    if not named:
        reading.refuse(
            "E-RETURN-VALUE",
            "裁决采用的填报不在交回的文件里。",
            f"{file} 第 {row} 行" if row else file,
            "、".join(sorted({f"{one[0]} 第 {one[1]} 行" for one in records})),
            "对照最新的 decisions.xlsx 改正文件和行号。",
        )
    elif not any(is_sound for _, _, is_sound in named):
        reading.refuse(
            "E-RETURN-VALUE",
            "裁决采用的那份填报本身不合要求，没有接收。",
            f"{file} 第 {row} 行" if row else file,
            advice="先让填报单位改正，或采用另一份。",
        )
