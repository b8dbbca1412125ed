"""Dates that file names and metadata carry, such as `GF2_20240506_L1A.tif`."""

from __future__ import annotations

import datetime
import re

_DATE = re.compile(
    r"(?<![0-9])((?:19|20)[0-9]{2})([-_./]?)(0[1-9]|1[0-2])\2(0[1-9]|[12][0-9]|3[01])(?![0-9])"
    r"|(?<![0-9])((?:19|20)[0-9]{2})年(0?[1-9]|1[0-2])月(0?[1-9]|[12][0-9]|3[01])日"
)


def find_dates(text: str) -> tuple[datetime.date, ...]:
    """Every date of eight digits, with or without one kind of separator, or written 年月日.

    A longer number is an order number, not a date. In order, each once.
    """
    found = set()
    for match in _DATE.finditer(text):
        year, _, month, day, *written = match.groups()
        parts = (year, month, day) if year else tuple(written)
        try:
            found.add(datetime.date(*map(int, parts)))
        except ValueError:
            continue
    return tuple(sorted(found))
