"""Finding the columns of a filled form, whatever became of its rows and titles on the way.

The hidden row of field names decides where it still stands; otherwise the titles do: width, case
and blanks do not matter, nor do unit and code behind a title, nor order, nor inserted columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.schema.fields import FIELDS
from pipeline.schema.headers import fold

Rows = Mapping[int, Mapping[int, str]]
"""Filled cells: row → column → text, both from 1."""

MIN_TITLES = 3
"""Fewer known titles in one row are no header (as many as the form has, if it has fewer)."""
SEARCHED_ROWS = 100
_TOTALS = frozenset({"合计", "总计", "小计"})
_CODE = re.compile(r"[A-Za-z]+$", re.ASCII)
_BRACKETS = re.compile(r"\([^()]*\)")


@dataclass(frozen=True)
class Header:
    """Where the columns of a form stand."""

    columns: Mapping[int, str]
    """Column number → field name, left to right."""
    last_row: int
    """Last row of the header; the form's lines follow."""
    unknown: tuple[str, ...]
    """Titles over columns that are not read."""
    titles: Mapping[int, str]
    """Column number → title as written."""


class KnownTitles:
    """The titles under which fields may come back."""

    def __init__(self, known: Mapping[str, str]) -> None:
        """`known`: field name → title on the form that was sent."""
        self.names = frozenset(known)
        self.needed = min(MIN_TITLES, len(known))
        self._exact: dict[str, str] = {}
        bare: dict[str, set[str]] = {}
        for name, title in known.items():
            label = FIELDS[name].label_zh if name in FIELDS else title
            for text in (name, title, _without_code(title)):
                self._exact.setdefault(fold(text), name)
            for text in (_bare(title), fold(label)):
                bare.setdefault(text, set()).add(name)
        self._bare = {text: min(found) for text, found in bare.items() if len(found) == 1}

    def field(self, text: str) -> str | None:
        """The field that a title means; None if none or if several could be meant."""
        for word in (fold(text), fold(_without_code(text))):
            if word in self._exact:
                return self._exact[word]
        return self._bare.get(_bare(text))


def find_header(rows: Rows, titles: KnownTitles) -> Header | None:
    """The header of a sheet; None if it has none."""
    numbers = [row for row in sorted(rows) if row <= SEARCHED_ROWS]
    keys = [row for row in numbers if _n_keys(rows[row], titles) >= titles.needed]
    if keys:
        return _header_by_keys(
            rows, max(keys, key=lambda r: (_n_keys(rows[r], titles), -r)), titles
        )
    counts = {row: len(_matches(rows[row], titles)) for row in numbers}
    best = max(numbers, key=lambda row: (counts[row], -row), default=None)
    if best is None or counts[best] == 0:
        return None
    return _header_by_titles(rows, best, titles)


def is_repeated_header(values: Mapping[str, str | None], titles: KnownTitles) -> bool:
    """Whether a line only repeats the titles, as under a page break or in pasted tables."""
    filled = {name: text for name, text in values.items() if text}
    same = sum(titles.field(text) == name for name, text in filled.items())
    return same >= titles.needed and 2 * same > len(filled)


def is_totals(row: Mapping[int, str]) -> bool:
    """Whether a row holds the totals: its first filled cell says so."""
    return bool(row) and fold(row[min(row)]) in _TOTALS


def _n_keys(row: Mapping[int, str], titles: KnownTitles) -> int:
    return len({text.strip() for text in row.values()} & titles.names)


def _header_by_keys(rows: Rows, row: int, titles: KnownTitles) -> Header | None:
    columns, repeated = _first_of_each(
        {c: text.strip() for c, text in rows[row].items() if text.strip() in titles.names}
    )
    below = rows.get(row + 1, {})
    values = {name: below.get(c) for c, name in columns.items()}
    shown = row + 1 if is_repeated_header(values, titles) else row
    texts = below if shown > row else rows[row]
    unknown = _unknown(texts, columns, repeated)
    return Header(columns, shown, unknown, dict(texts))


def _header_by_titles(rows: Rows, best: int, titles: KnownTitles) -> Header | None:
    """The row with most titles, completed from its neighbours where cells were merged."""
    found = _matches(rows[best], titles)
    texts = dict(rows[best])
    last = best
    for row in (best + 1, best - 1, best - 2):
        more = _matches(rows.get(row, {}), titles)
        fresh = {c: name for c, name in more.items() if c not in found}
        # A data row below may hold a word that is a title elsewhere; a header row holds only such.
        is_header = len(fresh) == len(rows.get(row, {})) if row > best else bool(fresh)
        if is_header and fresh:
            found |= {c: name for c, name in fresh.items() if name not in found.values()}
            texts |= {c: rows[row][c] for c in fresh}
            last = max(last, row)
    columns, repeated = _first_of_each(found)
    if len(columns) < titles.needed:
        return None
    return Header(columns, last, _unknown(texts, columns, repeated), texts)


def _matches(row: Mapping[int, str], titles: KnownTitles) -> dict[int, str]:
    found = {column: titles.field(text) for column, text in row.items()}
    return {column: name for column, name in found.items() if name is not None}


def _first_of_each(found: Mapping[int, str]) -> tuple[dict[int, str], frozenset[int]]:
    """One column for each field, the leftmost; and the others."""
    columns: dict[int, str] = {}
    for column in sorted(found):
        if found[column] not in columns.values():
            columns[column] = found[column]
    return columns, frozenset(found) - columns.keys()


def _unknown(
    texts: Mapping[int, str], columns: Mapping[int, str], repeated: frozenset[int]
) -> tuple[str, ...]:
    others = [c for c in sorted(texts) if c not in columns]
    named = [f"{texts[c]}（重复的列）" if c in repeated else texts[c] for c in others]
    return tuple(dict.fromkeys(named))


def _without_code(title: str) -> str:
    """A title without the official code behind it: 图斑面积（㎡） JCMJ → 图斑面积（㎡）."""
    stripped = title.strip()
    found = _CODE.search(stripped)
    return stripped[: found.start()] if found and found.start() else stripped


def _bare(title: str) -> str:
    """A title without code, unit and what else stands in brackets."""
    return _BRACKETS.sub("", fold(_without_code(title))) or fold(title)
