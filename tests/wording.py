"""Finds 违法 and 非法 where DESIGN §1 does not allow them, in any text or delivered file.

Allowed: right after 疑似, inside 《》, and inside “” where the same quotation stands in a rule or a
code table of `configs/`.
"""

from __future__ import annotations

import html
import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import openpyxl
import pypdf
import rasterio

from tests.factories import ROOT

WORDS = re.compile("违法|非法")
AROUND = 12
SILENT = frozenset({".png", ".jpg", ".npy", ".npz", ".bin", ".msgpack"})
"""Pictures and numbers hold no text."""
QUOTE = re.compile("“([^“”]*)”")
SPACES = re.compile(r"\s+")


class Text(NamedTuple):
    """A text of a file and where it stands: page, line, table.column, member."""

    where: str
    text: str


@lru_cache(maxsize=1)
def quotations() -> frozenset[str]:
    """What rules and code tables quote, without blanks."""
    files = [*(ROOT / "configs/rules").rglob("*.yaml"), *(ROOT / "configs/codes").glob("*.csv")]
    texts = (SPACES.sub("", path.read_text(encoding="utf-8-sig")) for path in files)
    return frozenset(quoted for text in texts for quoted in QUOTE.findall(text))


def unguarded(text: str) -> list[str]:
    """The surroundings of every 违法 or 非法 that may not stand in a finding of the program."""

    def without(quote: re.Match[str]) -> str:
        inside = SPACES.sub("", quote.group(1))
        return "" if inside in quotations() else quote.group()

    left = re.sub("《[^《》]*》", "", QUOTE.sub(without, text))
    left = re.sub(r"疑似\s*(违法|非法)", "", left)
    return [
        left[max(0, found.start() - AROUND) : found.end() + AROUND]
        for found in WORDS.finditer(left)
    ]


def texts_of(file: Path) -> Iterator[Text]:
    """Every text of a file, as somebody who opens it can see or find it."""
    readers = {
        ".gpkg": _tables,
        ".xlsx": _sheets,
        ".docx": _document,
        ".qgz": _project,
        ".pdf": _pages,
        ".tif": _tags,
        ".zip": _members,
    }
    if file.suffix in readers:
        yield from readers[file.suffix](file)
    elif file.suffix not in SILENT:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix in (".html", ".kml"):
            # Also what stands in attributes and scripts.
            yield Text("tags", html.unescape(" ".join(re.findall("<[^>]*>", text))))
            text = html.unescape(re.sub("<[^>]*>", "", text))
        yield from (Text(str(n), line) for n, line in enumerate(text.splitlines(), start=1))


def _tables(file: Path) -> Iterator[Text]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        for (name,) in names:
            if name.startswith("rtree_"):
                continue
            rows = connection.execute(f'SELECT * FROM "{name}"')
            columns = [column[0] for column in rows.description]
            yield from (
                Text(f"{name}.{column}", html.unescape(value))
                for row in rows
                for column, value in zip(columns, row, strict=True)
                if isinstance(value, str)
            )


def _sheets(file: Path) -> Iterator[Text]:
    book = openpyxl.load_workbook(file)
    for sheet in book.worksheets:
        yield Text(sheet.title, sheet.title)
        for rule in sheet.data_validations.dataValidation:
            yield from (Text(sheet.title, str(t)) for t in (rule.prompt, rule.error) if t)
        for row in sheet.iter_rows():
            for cell in row:
                if isinstance(cell.value, str):
                    yield Text(sheet.title, cell.value)
                if cell.comment is not None:
                    yield Text(sheet.title, cell.comment.text)
    yield Text("properties", f"{book.properties.title} {book.properties.keywords}")


def _document(file: Path) -> Iterator[Text]:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.endswith(".xml"):
                content = archive.read(name).decode("utf-8")
                for n, paragraph in enumerate(content.split("</w:p>")):
                    text = html.unescape(re.sub("<[^>]*>", "", paragraph))
                    yield Text(f"{name}#{n}", text)
                    # Alternative texts of pictures, titles.
                    yield Text(
                        f"{name}#{n}", html.unescape(" ".join(re.findall('"([^"]*)"', paragraph)))
                    )


def _project(file: Path) -> Iterator[Text]:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            content = archive.read(name).decode("utf-8")
            lines = (html.unescape(line) for line in content.splitlines())
            yield from (Text(name, line) for line in lines)


def _pages(file: Path) -> Iterator[Text]:
    for n, page in enumerate(pypdf.PdfReader(io.BytesIO(file.read_bytes())).pages, start=1):
        # A line may break anywhere in Chinese.
        yield Text(f"p{n}", SPACES.sub("", page.extract_text()))


def _tags(file: Path) -> Iterator[Text]:
    with rasterio.open(file) as image:
        yield Text("tags", json.dumps([image.tags(), image.descriptions], ensure_ascii=False))


def _members(file: Path) -> Iterator[Text]:
    """Names only: a package's zip holds the files of its folder."""
    with zipfile.ZipFile(file) as archive:
        yield Text("names", " ".join(archive.namelist()))
