"""What a workbook holds, as plain values: sheets, columns, drop-downs. `io.workbooks` writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "id", "integer", "mu", "m2", "degree", "date", "long"]
"""How a column is shown; `id` is text that must never become a number, `long` wraps."""
Value = str | int | float | None
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula once it is edited or saved as CSV."""


@dataclass(frozen=True)
class Column:
    """One column of a list."""

    key: str
    """Field name; stands hidden under the header so that a return is read by name."""
    title: str
    kind: Kind = "text"
    width: float = 12.0
    """Characters."""
    is_open: bool = False
    """Whether people fill it in; all other cells are locked."""
    choices: str | None = None
    """Name of the list on the code sheet that fills its drop-down."""
    is_strict: bool = True
    """Whether the drop-down refuses other texts."""
    is_summed: bool = False


@dataclass(frozen=True)
class ListSheet:
    """A table with a title, locked columns, open columns and a line of sums."""

    name: str
    title: str
    notes: tuple[str, ...]
    """Lines under the title."""
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Value]]
    frozen_columns: int = 2
    spare_rows: int = 0
    """Empty open rows below, for what people add."""


@dataclass(frozen=True)
class Workbook:
    """A workbook: lists, a page of instructions, a sheet of codes."""

    title: str
    identity: str
    """Package id; stored in the properties and on the instruction sheet."""
    secrecy: str
    lists: Sequence[ListSheet]
    instructions: Sequence[tuple[str, str]]
    """Heading and text."""
    codes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Name of a list → the texts of its drop-down."""
    dictionary: Sequence[tuple[str, str, str, str]] = ()
    """Column, Chinese name, official code, meaning."""
