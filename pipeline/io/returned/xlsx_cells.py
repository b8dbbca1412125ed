"""The cells of a workbook that somebody else saved, read straight from its XML.

openpyxl stops at what WPS writes into styles, filters and properties, does not know the dates of
the Chinese built-in formats, and pads rows as far as a file claims. Here every part is parsed as a
stream without a tree: document types are refused, only filled cells are kept, and there are limits.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

from pipeline.errors import Finding, InputError
from pipeline.io.returned.xlsx_sheet import BookTexts, SheetCells, SheetReader, too_large
from pipeline.io.returned.xml_stream import local_attribute, refused_xml, stream_xml
from pipeline.io.returned.zip_members import (
    MIB,
    Limits,
    Member,
    open_zip,
    read_member,
    safe_members,
)
from pipeline.schema.returned_text import cell_text, sheet_text, short

LIMITS = Limits(members=2_000, bytes=200 * MIB)
MAX_PART_BYTES = 48 * MIB
"""Of the parts that are held as a whole: shared texts, styles, properties."""
MAX_TEXTS = 2_000_000
MAX_SHEETS = 200

_CHINESE_DATES = frozenset({*range(27, 37), *range(50, 59)})
"""Built-in formats that Chinese Excel and WPS write without their text (yyyy"年"m"月"d"日")."""
_BOOK, _CORE = "xl/workbook.xml", "docProps/core.xml"
_MACROS = "vbaproject.bin"


@dataclass(frozen=True)
class BookCells:
    """All filled cells of a workbook."""

    sheets: tuple[SheetCells, ...]
    subject: str | None
    """The property 主题, which holds the id of a package."""


def read_book(path: Path, where: str) -> BookCells:
    """Every sheet in its order. `InputError` E-RETURN-REFUSED or E-RETURN-FILE if it can not be."""
    with open_zip(path, where) as archive:
        parts = _Parts(archive, where)
        parts.require_harmless()
        uses_1904, sheets = parts.sheets()
        reader = SheetReader(BookTexts(parts.texts(), parts.date_styles(), uses_1904), where)
        cells = [reader.read(name, parts.pieces(part)) for name, part in sheets]
        return BookCells(tuple(cells), parts.subject())


class _Parts:
    """The parts of a workbook by name."""

    def __init__(self, archive: zipfile.ZipFile, where: str) -> None:
        self._archive = archive
        self._where = where
        self._members = {member.name: member for member in safe_members(archive, where, LIMITS)}

    def require_harmless(self) -> None:
        """Refuse macros, and document types in any part, also in those that nobody reads."""
        if any(name.lower().endswith(_MACROS) for name in self._members):
            raise InputError(
                Finding(
                    "E-RETURN-REFUSED",
                    "工作簿里有宏。",
                    self._where,
                    allowed="不带宏的 xlsx",
                    advice="用 WPS 或 Excel 另存为“Excel 工作簿（*.xlsx）”再交回。",
                )
            )
        for name, member in self._members.items():
            if name.lower().endswith((".xml", ".rels", ".vml")) and self._has_doctype(member):
                raise refused_xml(self._where, f"{short(name)} 含有 DOCTYPE 或 ENTITY 声明")

    def _has_doctype(self, member: Member) -> bool:
        rest = b""
        for piece in read_member(self._archive, member.info, self._where):
            # Without zero bytes, so that UTF-16 shows too.
            text = rest + piece.replace(b"\0", b"")
            if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
                return True
            rest = text[-16:]
        return False

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a part."""
        yield from read_member(self._archive, self._members[name].info, self._where)

    def _small(self, name: str) -> Iterator[bytes]:
        """The bytes of a part that is held as a whole; none if there is no such part."""
        if name not in self._members:
            return iter(())
        if self._members[name].info.file_size > MAX_PART_BYTES:
            raise too_large(self._where)
        return self.pieces(name)

    def sheets(self) -> tuple[bool, list[tuple[str, str]]]:
        """Whether days count from 1904; names and parts of the worksheets in their order."""
        if _BOOK not in self._members:
            raise self._no_workbook("找不到工作簿目录")
        links: dict[str, str] = {}
        found: list[tuple[str, str]] = []
        uses_1904 = False

        def on_link(name: str, attributes: Mapping[str, str]) -> None:
            if name == "Relationship" and attributes.get("Type", "").endswith("/worksheet"):
                target = posixpath.join("/xl", attributes.get("Target", ""))
                links[attributes.get("Id", "")] = posixpath.normpath(target).lstrip("/")

        def on_sheet(name: str, attributes: Mapping[str, str]) -> None:
            nonlocal uses_1904
            if name == "workbookPr":
                uses_1904 = attributes.get("date1904", "0") not in ("0", "false")
            if name == "sheet":
                part = links.get(local_attribute(attributes, "id") or "", "")
                if part in self._members:
                    found.append((attributes.get("name", ""), part))

        stream_xml(self._small("xl/_rels/workbook.xml.rels"), on_link, None, self._where)
        stream_xml(self._small(_BOOK), on_sheet, None, self._where)
        if not found:
            raise self._no_workbook("没有工作表")
        if len(found) > MAX_SHEETS or len({part for _, part in found}) < len(found):
            raise too_large(self._where)
        return uses_1904, found

    def texts(self) -> list[str | None]:
        """The shared texts of the cells."""
        texts: list[str | None] = []
        pieces: list[str] = []
        is_phonetic = False

        def on_start(name: str, _: Mapping[str, str]) -> None:
            nonlocal is_phonetic
            if name == "si":
                pieces.clear()
            is_phonetic = is_phonetic or name == "rPh"

        def on_end(name: str, text: str) -> None:
            nonlocal is_phonetic
            if name == "t" and not is_phonetic:
                pieces.append(text)
            elif name == "rPh":
                is_phonetic = False
            elif name == "si":
                texts.append(cell_text(sheet_text("".join(pieces))))
                if len(texts) > MAX_TEXTS:
                    raise too_large(self._where)

        if "xl/sharedStrings.xml" in self._members:
            stream_xml(self._small("xl/sharedStrings.xml"), on_start, on_end, self._where)
        return texts

    def date_styles(self) -> frozenset[int]:
        """Numbers of the cell styles that show numbers as dates."""
        custom: dict[str, str] = {}
        styles: list[str] = []
        is_inside = False

        def on_start(name: str, attributes: Mapping[str, str]) -> None:
            nonlocal is_inside
            if name == "numFmt":
                custom[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            elif name == "cellXfs":
                is_inside = True
            elif name == "xf" and is_inside:
                styles.append(attributes.get("numFmtId", "0"))

        def on_end(name: str, _: str) -> None:
            nonlocal is_inside
            is_inside = is_inside and name != "cellXfs"

        if "xl/styles.xml" in self._members:
            stream_xml(self._small("xl/styles.xml"), on_start, on_end, self._where)
        dates = {key for key in set(styles) if _is_date(key, custom.get(key))}
        return frozenset(number for number, key in enumerate(styles) if key in dates)

    def subject(self) -> str | None:
        """The property 主题; None if there is none."""
        found: list[str] = []

        def on_end(name: str, text: str) -> None:
            if name == "subject":
                found.append(text)

        if _CORE in self._members:
            stream_xml(self._small(_CORE), None, on_end, self._where)
        return cell_text(sheet_text(found[0])) if found else None

    def _no_workbook(self, value: str) -> InputError:
        return InputError(
            Finding(
                "E-RETURN-FILE",
                "文件后缀是 xlsx，内容却不是工作簿。",
                self._where,
                value,
                "WPS 或 Excel 存出的 xlsx",
                "用 WPS 或 Excel 打开核对，另存为 xlsx 再交回。",
            )
        )


def _is_date(key: str, code: str | None) -> bool:
    if code is not None:
        return len(code) < 256 and bool(is_date_format(code))
    if not key.isdecimal() or len(key) > 6:
        return False
    number = int(key)
    return number in _CHINESE_DATES or bool(is_date_format(BUILTIN_FORMATS.get(number, "")))
