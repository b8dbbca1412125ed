"""Locked columns of a returned form against what was sent out: reported, never merged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pipeline.errors import Finding, Severity
from pipeline.rules.returns.records import Received
from pipeline.rules.returns.values import NO, YES, label_of
from pipeline.schema.fields import FIELDS
from pipeline.schema.normalise import Invalid, clean_text, parse_date, parse_number, plain_number

UNCHECKED = frozenset({"package_id", "rule_set", "patch_id", "area_mu100"})
"""Identity, or nothing that people see."""

PLACES = (Decimal("0.01"), Decimal("0.000001"))
"""What a number may have been rounded to on its way through a spreadsheet: 亩 and ㎡, degrees."""

_MOST_DIGITS = 15
"""More than any area or number has; arithmetic on longer ones could fail."""
_DEGREES = frozenset({"center_lon", "center_lat"})
IDENTIFYING = (("serial_no",), ("area_mu", "area_m2"))
"""A row in which each of these differs is another patch's row."""


def altered_columns(received: Received, sent: Mapping[str, tuple[Any, ...]]) -> dict[str, Finding]:
    """Locked columns whose cell no longer says what was sent out, with old and new value.

    `sent`: column → the ways in which its value may be written, the one of the form last.
    """
    return {
        name: _altered(name, received, allowed)
        for name, allowed in sent.items()
        if name in received.values
        and name not in UNCHECKED
        and not _is_same(name, clean_text(received.values[name]), allowed)
    }


def is_other_row(altered: Mapping[str, Finding]) -> bool:
    """Whether so much differs that the patch id stands in the wrong row."""
    return all(any(name in altered for name in names) for names in IDENTIFYING)


def _altered(name: str, received: Received, allowed: tuple[Any, ...]) -> Finding:
    old = "空" if allowed[-1] is None else str(allowed[-1])
    new = clean_text(received.values[name]) or "空"
    return Finding(
        "N-RETURN-LOCKED",
        f"锁定列“{_title(name)}”被改动，未并入：{_short(old)} → {_short(new)}。",
        received.where,
        new,
        old,
        severity=Severity.NOTICE,
    )


def _title(name: str) -> str:
    """Name with unit: areas stand on the form in 亩 and in ㎡."""
    unit = {"mu": "（亩）", "m2": "（㎡）"}.get(FIELDS[name].unit or "", "")
    return f"{label_of(name)}{unit}"


def _short(text: str) -> str:
    line = re.sub(r"\s+", " ", text)
    return line if len(line) <= 40 else f"{line[:39]}…"


def _is_same(name: str, text: str | None, allowed: tuple[Any, ...]) -> bool:
    return any(_equals(name, text, value) for value in allowed)


def _equals(name: str, text: str | None, value: Any) -> bool:
    if isinstance(value, str):
        value = clean_text(value)  # as the cell is: the code `none` reads as nothing
    if value is None or text is None:
        return value is None and text is None
    if isinstance(value, bool):
        return text.casefold() in (YES if value else NO)
    if isinstance(value, int | float):
        found = parse_number(text)
        if isinstance(found, Invalid) or found.adjusted() > _MOST_DIGITS:
            return False
        places = PLACES[name in _DEGREES]
        return abs(found - Decimal(value)) <= places / 2 or _rounded(found, places) == _rounded(
            Decimal(value), places
        )
    return _plain(text) == _plain(str(value)) or _same_day(text, str(value))


def _rounded(number: Decimal, places: Decimal) -> Decimal:
    return number.quantize(places, ROUND_HALF_UP)


def _plain(text: str) -> str:
    return plain_number(re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))).lstrip("0")


def _same_day(text: str, value: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return False
    return parse_date(text) == value
