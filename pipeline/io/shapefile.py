"""Reading a Shapefile: geometry by GDAL, attributes by our own reader."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from pipeline.errors import Finding, InputError, Severity
from pipeline.io.dbf import DbfTable, read_dbf
from pipeline.io.gdal_vectors import crs_of, gdal_read, geometries, unreadable
from pipeline.io.source_files import shapefile_parts
from pipeline.schema.raw_layer import RawColumn, RawLayer


def read_shapefile(path: Path, stated: str | None) -> tuple[RawLayer, list[Finding]]:
    """Geometry by GDAL, attributes by our own reader, joined by record number."""
    parts = shapefile_parts(path)
    missing = [suffix for suffix in (".shx", ".dbf") if suffix not in parts]
    if missing:
        raise InputError(
            Finding(
                "E-FILE-PART",
                f"Shapefile 缺少同名的 {'、'.join(missing)} 文件。",
                path.name,
                advice="重新拷贝整套文件（.shp、.shx、.dbf、.prj），不要只拷 .shp。",
            )
        )
    cpg = parts[".cpg"].read_bytes()[:64].decode("latin1") if ".cpg" in parts else None
    n_shapes = _require_whole(parts[".shp"], parts[".shx"])
    table = read_dbf(parts[".dbf"], stated, cpg)
    if table.n_records > n_shapes:
        # Which rows lost their shapes can not be told, so none of them can be trusted.
        raise _incomplete(path, f"图形 {n_shapes} 个，属性 {table.n_records} 条")
    meta, fids, geometry, _ = gdal_read(path, columns=[], encoding="ISO-8859-1")
    if len(fids) and fids.max() >= table.n_records:
        value = f"图形 {int(fids.max()) + 1} 个，属性 {table.n_records} 条"
        raise unreadable(path, value, "Shapefile 的图形与属性条数不符。")
    columns = {
        name: RawColumn(column.values[fids], column.is_numeric)
        for name, column in table.columns.items()
    }
    raw = RawLayer(
        path.name,
        columns,
        geometries(geometry, len(fids)),
        fids.astype(np.int64) + 1,
        crs_of(meta["crs"]),
        table.encoding.label,
        table.encoding.note,
        int(np.count_nonzero(~table.is_deleted)) - len(fids),
    )
    return raw, _encoding_findings(path, table)


def _require_whole(shp: Path, index: Path) -> int:
    """How many shapes the index lists; refuses files that end before the last of them."""
    listed = index.read_bytes()
    size = shp.stat().st_size
    if len(listed) < 100 or (len(listed) - 100) % 8:
        raise _incomplete(index, f"{len(listed)} 字节")
    n_shapes = (len(listed) - 100) // 8
    stated = 2 * int.from_bytes(listed[24:28], "big")
    if stated > len(listed):
        raise _incomplete(index, f"应有 {stated} 字节，只有 {len(listed)} 字节")
    # Offsets and lengths count 16-bit words; a record has a header of 8 bytes.
    ends = [8 + 2 * (offset + length) for offset, length in struct.iter_unpack(">II", listed[100:])]
    n_beyond = sum(end > size for end in ends)
    with shp.open("rb") as stream:
        whole = 2 * int.from_bytes(stream.read(28)[24:], "big")
    # Some writers list measures in the index that they leave out of the file: it is whole.
    if n_beyond and whole > size:
        raise _incomplete(shp, f"{n_shapes} 个图形里有 {n_beyond} 个不在文件里")
    return n_shapes


def _incomplete(path: Path, value: str) -> InputError:
    advice = "重新拷贝整套 Shapefile（.shp、.shx、.dbf、.prj），核对文件大小后再给出。"
    what = "Shapefile 不完整：文件在结束之前就断了，或各部分不是同一套。"
    return InputError(Finding("E-FILE-TRUNCATED", what, path.name, value, advice=advice))


def _encoding_findings(path: Path, table: DbfTable) -> list[Finding]:
    if table.unreadable is not None:
        row, value = table.unreadable
        what = f"属性文字有读不通的字节（最早在第 {row} 行）：{table.encoding.note}"
        allowed = "UTF-8、GBK/GB18030，或在映射的 encoding: 里写明"
        advice = "请提供单位重新导出为 UTF-8 或 GBK，或写明原来的编码。"
        return [Finding("E-LAYER-ENCODING", what, path.name, value, allowed, advice)]
    if table.encoding.note:
        advice = "抽看几个中文名称；不对时在映射的 encoding: 里写明编码。"
        code = "N-LAYER-CPG" if table.encoding.is_overruled else "N-LAYER-ENCODING"
        return [
            Finding(
                code,
                table.encoding.note,
                path.name,
                table.encoding.label,
                advice=advice,
                severity=Severity.NOTICE,
            )
        ]
    return []
