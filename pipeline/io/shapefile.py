"""Reading a Shapefile: geometry by GDAL, attributes by our own reader."""

from __future__ import annotations

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
                "E-FILE-MISSING",
                f"Shapefile 缺少同名的 {'、'.join(missing)} 文件。",
                path.name,
                advice="重新拷贝整套文件（.shp、.shx、.dbf、.prj），不要只拷 .shp。",
            )
        )
    cpg = parts[".cpg"].read_bytes()[:64].decode("latin1") if ".cpg" in parts else None
    table = read_dbf(parts[".dbf"], stated, cpg)
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


def _encoding_findings(path: Path, table: DbfTable) -> list[Finding]:
    if table.unreadable is not None:
        row, value = table.unreadable
        what = f"属性文字有读不通的字节（最早在第 {row} 行）：{table.encoding.note}"
        allowed = "UTF-8、GBK/GB18030，或在映射的 encoding: 里写明"
        advice = "请提供单位重新导出为 UTF-8 或 GBK，或写明原来的编码。"
        return [Finding("E-LAYER-ENCODING", what, path.name, value, allowed, advice)]
    if table.encoding.note:
        advice = "抽看几个中文名称；不对时在映射的 encoding: 里写明编码。"
        return [
            Finding(
                "N-LAYER-ENCODING",
                table.encoding.note,
                path.name,
                table.encoding.label,
                advice=advice,
                severity=Severity.NOTICE,
            )
        ]
    return []
