"""What the leaders' brief (领导简报) says: one frozen value of ready text for all three files.

Word, PDF and page are drawn from the same `Brief`, so that no figure can differ between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["", "alert", "soft", "strong"]
"""How a cell is printed: usual, standing out, receding, or firm."""


@dataclass(frozen=True)
class Cell:
    """One printed cell."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Column:
    """One printed column; `share` is its width relative to the others.

    A blank in the label is a line break.
    """

    label: str
    share: float = 1.0
    is_number: bool = True


@dataclass(frozen=True)
class Row:
    """One printed row; totals are set apart by a line."""

    cells: tuple[Cell, ...]
    is_total: bool = False


@dataclass(frozen=True)
class BriefTable:
    """One table of the brief."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    """One line under the table."""


@dataclass(frozen=True)
class KeyFigure:
    """One large figure of the first page."""

    label: str
    value: str
    unit: str
    note: str
    is_alert: bool = False


@dataclass(frozen=True)
class Masthead:
    """The head of the first page, in the order of an official brief (简报)."""

    secrecy: str
    title: str
    period: str
    issuer: str
    as_of: str
    images: str


@dataclass(frozen=True)
class Brief:
    """Everything that is printed, apart from the two drawings."""

    masthead: Masthead
    conclusion: str
    key_figures: tuple[KeyFigure, ...]
    map_title: str
    attention: tuple[str, ...]
    """What leaders are asked to look at."""
    ranking: BriefTable
    linkage: BriefTable
    chart_title: str
    ratio: BriefTable
    talks: BriefTable
    clocks: BriefTable
    unknowns: tuple[str, ...]
    """What is not known, and what follows from it."""
    method: tuple[str, ...]
    assumptions: tuple[str, ...]
    assumption_label: str
    """How figures are marked that rest on an assumption; empty if none does."""
    signatures: tuple[str, ...]
    footnote: str


@dataclass(frozen=True)
class Drawings:
    """The two drawings as SVG text, without script or reference to anything outside."""

    county_map: str
    chart: str
