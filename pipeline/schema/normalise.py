"""Single values of delivered tables → values of the register: texts, codes, dates, numbers.

Every parser takes cleaned text and returns the value, or `INVALID` if the text means nothing that
the field accepts. NULL never reaches a parser.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from pipeline.schema.codes import CodeTable

NULL_WORDS = frozenset({"", "null", "<null>", "<空>", "none", "nan", "n/a"})
"""Texts that delivered tables hold where they mean nothing (compared without case)."""

NULL_DATES = frozenset({"0", "00000000", "0000-00-00", "0000/00/00"})
"""What dbf files and forms hold for an empty date."""

OPEN_WORDS = frozenset({"长期", "永久", "无限期", "长期有效", "永久有效", "至今"})
"""What stands where a validity has no last day."""

FIRST_DAY, LAST_DAY = "1949-10-01", "2100-12-31"
"""Days of documents and images before or after these are slips of the pen."""
LAST_END = "2200-12-31"
"""Latest last day of a validity (rights of 70 years and more); a year 9999 stands for open."""

M2_PER_UNIT: Mapping[str, Decimal] = {
    "m2": Decimal(1),
    "mu": Decimal(2000) / Decimal(3),
    "ha": Decimal(10_000),
    "km2": Decimal(1_000_000),
}
"""Square metres of the units in which areas are delivered (1 亩 = 2000/3 m²)."""

MAX_AREA_M2 = Decimal(10) ** 15
"""More than the surface of the earth, in whichever unit: a slip of the pen."""


class Invalid:
    """The one value that stands for text that can not be read."""


INVALID: Final = Invalid()

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DATE = re.compile(
    r"(\d{4})(?:([-/.年])(\d{1,2})(?:[-/.月])(\d{1,2})日?|(\d{2})(\d{2}))"
    r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_LAND_CLASS = re.compile(r"\d{2}[0-9A-Z]{0,3}", re.ASCII)


def clean_text(text: str | None) -> str | None:
    """NFC, without control characters and blanks at the ends; None where nothing is left."""
    if text is None:
        return None
    cleaned = _CONTROL.sub("", unicodedata.normalize("NFC", text)).strip().strip("\u3000\ufeff")
    return None if cleaned.casefold() in NULL_WORDS else cleaned


def plain_number(text: str) -> str:
    """A whole number without fraction, exponent or separators; any other text as it is.

    Codes pass through Excel and dbf as `379999001.0` or `3.79999001E8`.
    """
    if not re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", text, re.ASCII):
        return text
    number = Decimal(text)
    if number.is_zero() or number != number.to_integral_value() or abs(number.adjusted()) > 30:
        return "0" if number.is_zero() and "." in text else text
    if text.isdigit():
        return text
    return f"{number:f}".split(".", maxsplit=1)[0]


def parse_date(text: str) -> str | Invalid | None:
    """ISO date out of yyyymmdd, yyyy-mm-dd, yyyy/m/d, yyyy.m.d, yyyy年m月d日, with or without time.

    None for the ways in which an empty date is written.
    """
    word = plain_number(unicodedata.normalize("NFKC", text)).replace(" 日", "日")
    if word in NULL_DATES:
        return None
    match = _DATE.fullmatch(word)
    if match is None:
        return INVALID
    year, _, month, day, short_month, short_day = match.groups()
    try:
        return datetime.date(
            int(year), int(month or short_month), int(day or short_day)
        ).isoformat()
    except ValueError:
        return INVALID


def parse_end_date(text: str) -> str | Invalid | None:
    """The last day of a validity as `parse_date` reads it; None for words that leave it open."""
    return None if text in OPEN_WORDS else parse_date(text)


def is_possible_day(day: str, *, ends: bool) -> bool:
    """Whether an ISO day can be meant; `ends` for the last day of a validity."""
    if ends and day.startswith("9999-"):
        return True
    return FIRST_DAY <= day <= (LAST_END if ends else LAST_DAY)


def parse_number(text: str) -> Decimal | Invalid:
    """A finite decimal number; thousands separators and full-width digits are accepted."""
    word = unicodedata.normalize("NFKC", text).replace(",", "").replace(" ", "")
    try:
        number = Decimal(word)
    except InvalidOperation:
        return INVALID
    return number if number.is_finite() else INVALID


def parse_area_m2(text: str, unit: str) -> float | Invalid | None:
    """Square metres of an area in `unit`; None for 0, which stands for "not measured"."""
    number = parse_number(text)
    if isinstance(number, Invalid) or not 0 <= number <= MAX_AREA_M2:
        return INVALID
    return None if number == 0 else float(number * M2_PER_UNIT[unit])


def parse_ratio(text: str) -> float | Invalid:
    """A share from 0 to 1."""
    number = parse_number(text)
    if isinstance(number, Invalid) or not 0 <= number <= 1:
        return INVALID
    return float(number)


def parse_division_code(text: str, width: int) -> str | Invalid:
    """An administrative code (行政区划代码) of `width` digits as text.

    A township code that is delivered with the three zeros of its missing village is cut.
    """
    word = plain_number(unicodedata.normalize("NFKC", text)).replace(" ", "")
    if not re.fullmatch(r"\d+", word, re.ASCII):
        return INVALID
    if width == 9 and len(word) == 12 and word.endswith("000"):
        word = word[:9]
    return word if len(word) == width else INVALID


def parse_land_class(text: str) -> str | Invalid:
    """A land class code (地类编码): two or four digits, perhaps a letter; lost zeros put back."""
    word = plain_number(unicodedata.normalize("NFKC", text)).replace(" ", "").upper()
    if word.isdigit() and len(word) in (1, 3):
        word = f"0{word}"
    return word if _LAND_CLASS.fullmatch(word) else INVALID


def parse_tblx(text: str) -> str:
    """A kind of an issued patch (TBLX): upper case, one-digit land classes with their zero."""
    word = plain_number(unicodedata.normalize("NFKC", text)).replace(" ", "").upper()
    return f"0{word}" if re.fullmatch(r"[1-9]", word, re.ASCII) else word


def is_known_land_class(code: str, table: CodeTable) -> bool:
    """Whether some code of the table is a prefix: classes are refined by further characters."""
    return any(code[:length] in table.labels for length in range(2, len(code) + 1))


def find_code(text: str, table: CodeTable) -> str | None:
    """The code meant by `text`: itself, a known misspelling, its label, or its plain number."""
    for word in (text, plain_number(unicodedata.normalize("NFKC", text))):
        if code := table.lookup(word):
            return code
    by_label = {label: code for code, label in table.labels.items()}
    return by_label.get(text)


def find_zone(text: str, table: CodeTable) -> str | None:
    """A planning zone by its code; a code refined below it (012, 411) counts as its zone."""
    word = plain_number(unicodedata.normalize("NFKC", text)).replace(" ", "")
    padded = f"0{word}" if len(word) == 2 else word
    if re.fullmatch(r"\d{3}", padded, re.ASCII):
        for candidate in (padded, f"{padded[:2]}0", f"{padded[0]}00"):
            if candidate in table.labels:
                return candidate
    return find_code(text, table)
