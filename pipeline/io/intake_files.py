"""Where intake leaves its page and table, also when it stops the work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.io.atomic import replace_text
from pipeline.io.point_table import write_table
from pipeline.io.runs import RunPaths

FAILED_FOLDER = "intake_failed"
"""Beside the stages' folders: a stage that fails leaves nothing in its own."""
REPORT_NAME, TABLE_NAME, PLACES_NAME = "report.html", "findings.csv", "findings.gpkg"


def write_failed(
    paths: RunPaths, header: Sequence[str], rows: Iterable[Sequence[str]], page: str
) -> Path:
    """Page and table of an intake that found blocking problems; returns their folder."""
    folder = paths.root / FAILED_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / TABLE_NAME, header, rows)
    write_report(folder / REPORT_NAME, page)
    return folder


def write_report(path: Path, page: str) -> None:
    """The page as UTF-8."""
    replace_text(path, page)


def discard_failed(paths: RunPaths) -> None:
    """Remove what an earlier, refused intake left: its problems are solved."""
    folder = paths.root / FAILED_FOLDER
    for name in (REPORT_NAME, TABLE_NAME, PLACES_NAME):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
