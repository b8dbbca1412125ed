"""Single cells of returned forms → values of the register, with every problem found on the way."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal

from pipeline.errors import Finding
from pipeline.rules.returns.records import Received, Rejected, Task, doubt
from pipeline.schema.fields import FIELDS
from pipeline.schema.normalise import Invalid, clean_text, find_code, parse_date, parse_number

YES = frozenset({"是", "true", "1", "y", "yes"})
NO = frozenset({"否", "false", "0", "n", "no"})
MAX_NUMBER = Decimal(10) ** 12
"""More than any area, amount or fine."""
MAX_TEXT = 2000
"""Longest text of one cell, in characters."""

_CELL_ERROR = re.compile(r"#(REF!|N/A|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|GETTING_DATA|SPILL!|CALC!)")
_UNIT = re.compile(r"(平方米|㎡|m2|m²)$")
_SERIAL = re.compile(r"\d{5}(\.\d+)?")
_SERIAL_ORIGIN = datetime.date(1899, 12, 30)
FIRST_DATE, LAST_DATE = "1950-01-01", "2099-12-31"

OTHER_LABELS = {
    "patch_ids": "图斑编号",
    "is_adopted": "采用",
    "decision_reason": "裁决理由",
    "row": "行号",
    "decided_by": "裁决人",
    "reason": "裁决理由",
}
"""Columns of forms that are no fields of the register."""


def label_of(name: str) -> str:
    """Chinese name of a column."""
    if name in OTHER_LABELS:
        return OTHER_LABELS[name]
    return FIELDS[name].label_zh if name in FIELDS else name


def is_blank(received: Received, columns: Iterable[str]) -> bool:
    """Whether none of the columns holds anything."""
    return all(clean_text(received.values.get(name)) is None for name in columns)


class Reading:
    """Reads the cells of one record and gathers what is wrong with them."""

    def __init__(self, received: Received, task: Task) -> None:
        self.received = received
        self.task = task
        self.problems: list[Finding] = []
        self.notices: list[Finding] = list(received.notices)

    def refuse(
        self, code: str, what: str, value: str = "", allowed: str = "", advice: str = ""
    ) -> None:
        """Note a reason to reject the record."""
        self.problems.append(Finding(code, what, self.received.where, value, allowed, advice))

    def doubt(self, what: str, value: str = "") -> None:
        """Note something that stays accepted but should be looked at."""
        self.notices.append(doubt(what, self.received.where, value))

    def rejected(self) -> Rejected:
        """The record with all its problems."""
        return Rejected(self.received, tuple(self.problems), tuple(self.notices))

    def require(self, names: Iterable[str], code: str, advice: str) -> None:
        """Refuse the record once, naming every required column that is empty."""
        empty = [name for name in names if clean_text(self.received.values.get(name)) is None]
        if empty:
            listed = "、".join(f"“{label_of(name)}”" for name in empty)
            self.refuse(code, f"没有填{listed}。", "空", "非空", advice)

    def text(self, name: str) -> str | None:
        """A text as written; cells that hold an error or an unresolved formula are refused."""
        text = clean_text(self.received.values.get(name))
        if text is None:
            return None
        if _CELL_ERROR.fullmatch(text) or text.startswith("="):
            self._refuse_value(
                name,
                "是公式或出错的单元格，没有内容",
                text,
                "文字、数字或日期",
                "改成直接填写的内容。",
            )
            return None
        if len(text) > MAX_TEXT:
            allowed = f"不超过 {MAX_TEXT} 字"
            self._refuse_value(name, "太长", f"{len(text)} 字", allowed, "写要点，详情另附材料。")
            return None
        return text

    def code(self, name: str, table: str) -> str | None:
        """A code of a closed list, by code or label."""
        text = self.text(name)
        if text is None:
            return None
        codes = self.task.codes[table]
        found = find_code(text, codes)
        if found is None:
            allowed = "、".join(codes.labels.values())
            self._refuse_value(name, "不在选项中", text, allowed, "从下拉列表里选。")
        return found

    def flag(self, name: str) -> bool | None:
        """Yes, no, or unknown."""
        text = self.text(name)
        if text is None:
            return None
        word = text.casefold()
        if word not in YES | NO:
            self._refuse_value(name, "不在选项中", text, "是、否，不清楚的留空", "从下拉列表里选。")
            return None
        return word in YES

    def date(self, name: str, *, may_be_later: bool = False) -> str | None:
        """An ISO date; a serial number of Excel is read as its day.

        `may_be_later`: whether a day after the closing date is nothing unusual.
        """
        text = self.text(name)
        if text is None:
            return None
        found = self._parse_date(name, text)
        if found is None:
            return None
        if not FIRST_DATE <= found <= LAST_DATE:
            allowed = f"{FIRST_DATE} 至 {LAST_DATE}"
            self._refuse_value(name, "不是可能的日期", text, allowed, "核对年份。")
            return None
        closes_on = self.task.closes_on
        if closes_on is not None and found > closes_on and not may_be_later:
            self.doubt(f"“{label_of(name)}”晚于统计截止日期 {closes_on}。", found)
        return found

    def _parse_date(self, name: str, text: str) -> str | None:
        if _SERIAL.fullmatch(text):
            day = _SERIAL_ORIGIN + datetime.timedelta(days=int(text.split(".", maxsplit=1)[0]))
            self.doubt(f"“{label_of(name)}”是 Excel 的日期序号，读作 {day.isoformat()}。", text)
            return day.isoformat()
        found = parse_date(text)
        if isinstance(found, Invalid):
            self._refuse_value(
                name, "不是日期", text, "YYYY-MM-DD，例如 2025-05-01", "改成完整的年月日，或留空。"
            )
            return None
        return found

    def number(self, name: str, *, above_zero: bool = False) -> float | None:
        """A number that is not negative; `above_zero`: nor zero."""
        text = self.text(name)
        if text is None:
            return None
        word = unicodedata.normalize("NFKC", text)
        number = parse_number(_UNIT.sub("", word) if FIELDS[name].unit == "m2" else word)
        unit = {"m2": "平方米", "mu": "亩", "yuan": "元"}.get(FIELDS[name].unit or "", "")
        allowed = f"{'大于' if above_zero else '不小于'} 0 的数，单位{unit}"
        if isinstance(number, Invalid):
            self._refuse_value(name, "不是数字", text, allowed, "只填数字，不写单位和说明。")
            return None
        if number < 0 or (above_zero and float(number) == 0) or number >= MAX_NUMBER:
            self._refuse_value(name, "超出范围", text, allowed, "没有的留空，有的填实数。")
            return None
        return float(number)

    def _refuse_value(self, name: str, what: str, value: str, allowed: str, advice: str) -> None:
        self.refuse("E-RETURN-VALUE", f"“{label_of(name)}”{what}。", value, allowed, advice)
