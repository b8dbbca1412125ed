"""Values of a row of the register, whether it comes from its events or from a GeoPackage."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from pipeline.units import mu100_from_m2

OUTSIDE = "000000000"
"""Stands for no township: the patch lies outside every one (未落入乡镇)."""


def is_missing(value: Any) -> bool:
    """Whether a value is NULL: None, NaN, or a missing value of pandas."""
    if value is None or isinstance(value, str):
        return value is None
    try:
        return bool(value != value)  # noqa: PLR0124 - NaN is what is not equal to itself
    except TypeError:
        # The missing value of a nullable pandas column refuses to be true or false.
        return True


def text_of(row: Mapping[str, Any], name: str) -> str | None:
    """A text; None if NULL or empty."""
    value = row.get(name)
    return None if is_missing(value) or value == "" else str(value)


def real_of(row: Mapping[str, Any], name: str) -> float | None:
    """A measured number; None if NULL."""
    value = row.get(name)
    return None if value is None or is_missing(value) else float(value)


def integer_of(row: Mapping[str, Any], name: str) -> int | None:
    """A whole number; None if NULL."""
    value = row.get(name)
    return None if value is None or is_missing(value) else int(value)


def flag_of(row: Mapping[str, Any], name: str) -> bool | None:
    """Yes or no; None if NULL, which is neither."""
    value = row.get(name)
    return None if is_missing(value) else bool(value)


def date_of(row: Mapping[str, Any], name: str) -> datetime.date | None:
    """A day, given as a date or as ISO text; None if NULL."""
    value = row.get(name)
    if is_missing(value) or value == "":
        return None
    if isinstance(value, datetime.datetime):
        return value.date()
    return value if isinstance(value, datetime.date) else datetime.date.fromisoformat(str(value))


def mu100_of(row: Mapping[str, Any], name: str) -> int | None:
    """Hundredths of a 亩 of an area `name` (without unit): as stored, else HALF_UP of its m²."""
    stored = integer_of(row, f"{name}_mu100")
    if stored is not None:
        return stored
    area_m2 = real_of(row, f"{name}_m2")
    return None if area_m2 is None else mu100_from_m2(area_m2)


def unit_of(row: Mapping[str, Any]) -> str:
    """Township that a patch counts for; `OUTSIDE` if none."""
    return text_of(row, "township_code") or OUTSIDE
