"""Reading the attribute table of a Shapefile byte by byte.

GDAL takes a GBK table without `.cpg` for Latin-1 without a word, and fails on Chinese field names
that were cut inside a character. Here the bytes are kept until the encoding is known.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import Finding, InputError
from pipeline.io.encodings import Encoding, choose_encoding, decode_lenient, first_unreadable
from pipeline.schema.raw_layer import RawColumn

_HEADER = struct.Struct("<BBBBIHH")
_FIELD = struct.Struct("<11sc4xBB14x")
_MAX_FIELDS = 2048
_DELETED = b"*"
_BINARY = "IO+@"
"""Kinds of fields whose bytes are no text."""


@dataclass(frozen=True)
class _Field:
    raw_name: bytes
    kind: str
    width: int
    offset: int
    """From the start of the record, whose first byte says whether it is deleted."""


@dataclass(frozen=True)
class _Layout:
    fields: list[_Field]
    n_records: int
    header_size: int
    record_size: int


@dataclass(frozen=True)
class DbfTable:
    """The attributes of a Shapefile."""

    columns: dict[str, RawColumn]
    n_records: int
    is_deleted: NDArray[np.bool_]
    """Records marked as deleted; GDAL gives no feature for them."""
    encoding: Encoding
    unreadable: tuple[int, str] | None
    """Row (from 1) and bytes of the first cell that the encoding can not read."""


def read_dbf(path: Path, stated: str | None, cpg: str | None) -> DbfTable:
    """The whole table. Raises `InputError` E-FILE-UNREADABLE if it is none."""
    content = path.read_bytes()
    layout = _read_layout(content, path)
    fields = layout.fields
    cells = {field: _cells(content, layout, field) for field in fields}
    names = [field.raw_name for field in fields]
    texts = [
        cell
        for field in fields
        if field.kind == "C"
        for cell in np.unique(cells[field]).tolist()
        if not cell.isascii()
    ]
    # Names are cut like cells, and a table may have Chinese in its names only.
    foreign = texts + [name for name in names if not name.isascii()]
    encoding = choose_encoding(foreign, stated, cpg, content[29])
    columns: dict[str, RawColumn] = {}
    for field in fields:
        name = _unused(decode_lenient(field.raw_name, encoding.codec).strip(), columns)
        columns[name] = _column(cells[field], field, encoding)
    unreadable = None if encoding.is_sound else _first_bad(cells, fields, encoding)
    flags = _view(content, layout, 0, 1)
    return DbfTable(columns, layout.n_records, flags == _DELETED, encoding, unreadable)


def _read_layout(content: bytes, path: Path) -> _Layout:
    if len(content) < 33:
        raise _broken(path, "文件头不完整")
    _, _, _, _, n_records, header_size, record_size = _HEADER.unpack_from(content)
    fields: list[_Field] = []
    position, offset = 32, 1
    while position + 32 <= min(header_size, len(content)) and content[position] != 0x0D:
        raw_name, kind, width, decimals = _FIELD.unpack_from(content, position)
        kind_text = kind.decode("latin1")
        # Clipper keeps the high byte of a long text field where others keep decimals.
        width += decimals * 256 if kind_text == "C" else 0
        fields.append(_Field(raw_name.split(b"\0")[0], kind_text, width, offset))
        offset += width
        position += 32
    if offset > record_size or header_size < 33 or len(fields) > _MAX_FIELDS:
        raise _broken(path, "字段总宽与记录长度不符")
    available = max(0, len(content) - header_size) // record_size
    if available < n_records:
        raise _broken(path, f"应有 {n_records} 条记录，只有 {available} 条")
    return _Layout(fields, n_records, header_size, record_size)


def _view(content: bytes, layout: _Layout, offset: int, width: int) -> NDArray[np.bytes_]:
    """The bytes at one place of every record."""
    return np.ndarray(
        (layout.n_records,),
        dtype=f"S{width}",
        buffer=content,
        offset=layout.header_size + offset if layout.n_records else 0,
        strides=(layout.record_size,),
    )


def _cells(content: bytes, layout: _Layout, field: _Field) -> NDArray[np.bytes_]:
    """Raw cells of one field; numpy drops the zero bytes at their ends."""
    if not field.width:
        return np.zeros(layout.n_records, "S1")
    view = _view(content, layout, field.offset, field.width)
    if field.kind in _BINARY:
        return view.copy()
    stripped: NDArray[np.bytes_] = np.char.strip(view)
    return stripped


def _column(cells: NDArray[np.bytes_], field: _Field, encoding: Encoding) -> RawColumn:
    values = np.empty(len(cells), dtype=object)
    distinct, where = np.unique(cells, return_inverse=True)
    texts = np.empty(len(distinct), dtype=object)
    texts[:] = [_text(cell, field, encoding) for cell in distinct.tolist()]
    if len(cells):
        values[:] = texts[where]
    return RawColumn(values, is_numeric=field.kind in "NFIO+")


def _text(cell: bytes, field: _Field, encoding: Encoding) -> str | None:
    """One cell as text; None for an empty one."""
    if field.kind in ("I", "+"):
        return str(int.from_bytes(cell.ljust(4, b"\0")[:4], "little", signed=True))
    if field.kind == "O":
        return repr(struct.unpack("<d", cell.ljust(8, b"\0")[:8])[0])
    if field.kind in "MBGP@":
        return None
    if field.kind in "NF" and cell.strip(b"*") == b"":
        return None
    text = decode_lenient(cell, encoding.codec).strip()
    if field.kind in "NF" and "." in text and text.strip("+-.0123456789") == "":
        text = text.rstrip("0").rstrip(".") or "0"
    if field.kind == "L":
        return {"T": "1", "Y": "1", "F": "0", "N": "0"}.get(text.upper())
    return text or None


def _first_bad(
    cells: dict[_Field, NDArray[np.bytes_]], fields: list[_Field], encoding: Encoding
) -> tuple[int, str] | None:
    found = []
    for field in fields:
        if field.kind == "C":
            column = cells[field].tolist()
            row = first_unreadable(column, encoding.codec)
            if row is not None:
                found.append((row + 1, column[row][:24].hex(" ")))
    return min(found, default=None)


def _unused(name: str, taken: dict[str, RawColumn]) -> str:
    """The name, numbered if another field was cut to the same."""
    candidate, number = name or "_", 1
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _broken(path: Path, value: str) -> InputError:
    return InputError(
        Finding(
            "E-FILE-UNREADABLE",
            "属性表（.dbf）无法读取，文件可能不完整。",
            where=path.name,
            value=value,
            advice="重新拷贝整套 Shapefile（.shp、.shx、.dbf、.prj），或由提供单位重新导出。",
        )
    )
