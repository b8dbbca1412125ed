"""Cells of returned forms as text, in one normal form whichever program saved them."""

from __future__ import annotations

import datetime
import math
import re
from decimal import Decimal

from pipeline.schema.normalise import clean_text

YES_ZH, NO_ZH = "是", "否"
MAX_CELL_CHARS = 32_767
"""As much as a spreadsheet cell can hold."""

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_EXCEL_TEXT = re.compile(r'="([^"]*)"')
_SURROGATES = re.compile("[\ud800-\udfff]")


def cell_text(value: object) -> str | None:
    """Text of a cell: dates ISO, numbers without exponent, yes and no as 是 and 否; None if empty.

    A time of day beside a date is dropped: the forms ask for days.
    """
    if value is None or isinstance(value, bytes):
        return None
    if isinstance(value, bool):
        return YES_ZH if value else NO_ZH
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return number_text(value)
    return clean_text(readable(str(value)).replace("\r\n", "\n").replace("\r", "\n"))


def number_text(value: float | Decimal) -> str | None:
    """The shortest plain text that means the number; None for NaN and infinities."""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else None
    if not math.isfinite(value):
        return None
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if abs(number.adjusted()) > 30:
        return "0" if number.is_zero() else str(number)
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def sheet_text(text: str) -> str:
    """A text of a spreadsheet file with its escapes (_x000D_) resolved."""
    return _ESCAPED.sub(lambda found: readable(chr(int(found.group(1), 16))), text)


def csv_text(text: str) -> str:
    """A field of a CSV without what is put around ids and formulas so that Excel keeps them."""
    stripped = text.strip()
    if found := _EXCEL_TEXT.fullmatch(stripped):
        return found.group(1)
    return stripped[1:] if stripped.startswith(("'=", "'+", "'-", "'@")) else stripped


def readable(text: str) -> str:
    """Text that can be written as UTF-8: bytes that were no UTF-8 are read as GBK."""
    if not _SURROGATES.search(text):
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("gb18030")
    except UnicodeError:
        return _SURROGATES.sub("\ufffd", text)


def short(text: str, limit: int = 60) -> str:
    """A value as it is quoted in a finding: one line, not too long."""
    line = " ".join(readable(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
