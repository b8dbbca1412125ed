"""What a returned file is, by its name and the files beside it."""

from __future__ import annotations

import re
from collections.abc import Set
from pathlib import PurePosixPath

from pipeline.errors import Finding
from pipeline.schema.returned import ReturnKind
from pipeline.schema.returned_text import short

ARCHIVE_SUFFIX = ".zip"

_KINDS: dict[str, ReturnKind] = {
    ".xlsx": "xlsx",
    ".csv": "csv",
    ".tsv": "csv",
    ".gpkg": "gpkg",
    ".shp": "shp",
    ".geojson": "geojson",
    ".json": "geojson",
    ".txt": "survey_table",
    ".jpg": "photo",
    ".jpeg": "photo",
    ".png": "photo",
}
_PACKAGE_NAMES = frozenset(
    {
        "readme.txt",
        "manifest.json",
        "cards.pdf",
        "before.tif",
        "after.tif",
        "patches.kml",
        "route.csv",
        "verify.qgz",
        "verify.qgs",
    }
)
"""Files of the package that was sent out, beside the two that come back filled."""
_LEFT_BY_PROGRAMS = (".qgz~", ".qgs~", ".qmd", ".qml", ".aux.xml", ".ovr", ".lock", ".shp.xml")
_JOURNALS = ("-wal", "-shm", "-journal")
_SHAPEFILE_PARTS = (".dbf", ".shx", ".prj", ".cpg", ".sbn", ".sbx", ".qix", ".qpj", ".fix")

_SAVE_AS_XLSX = "用 WPS 或 Excel 打开，另存为“Excel 工作簿（*.xlsx）”再交回。"
_AS_PHOTO = "转成 JPG 再交回；手机相机设为“兼容性最佳”（JPG）。"
_PACK_AS_ZIP = "解压后直接放进文件夹，或重新打包成 zip 再交回。"
_OTHER_FORMATS: dict[str, tuple[str, str, str, str]] = {
    **dict.fromkeys(
        (".xls", ".et", ".ods", ".xlsb"),
        ("E-RETURN-FILE", "这种表格格式不能读取。", "xlsx 或 csv", _SAVE_AS_XLSX),
    ),
    **dict.fromkeys(
        (".xlsm", ".xltm", ".xltx"),
        ("E-RETURN-REFUSED", "带宏的工作簿和模板不接受。", "xlsx 或 csv", _SAVE_AS_XLSX),
    ),
    **dict.fromkeys(
        (".heic", ".heif", ".webp", ".bmp", ".gif", ".jfif"),
        ("E-RETURN-PHOTO", "这种照片格式不能读取。", "jpg 或 png", _AS_PHOTO),
    ),
    **dict.fromkeys(
        (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2"),
        ("E-RETURN-FILE", "这种压缩格式不能读取。", "zip", _PACK_AS_ZIP),
    ),
    **dict.fromkeys(
        (".exe", ".bat", ".cmd", ".com", ".js", ".vbs", ".ps1", ".msi", ".dll", ".lnk", ".scr"),
        (
            "E-RETURN-REFUSED",
            "交回的文件里有可执行的程序。",
            "填报表、图层、照片",
            "在交回单位查毒，删掉程序文件后再交回。",
        ),
    ),
    **dict.fromkeys(
        (".kml", ".kmz", ".dxf", ".dwg", ".gdb", ".mdb"),
        (
            "E-RETURN-UNKNOWN",
            "这种图形格式不作实测界址读取。",
            "gpkg、shp、geojson 或拐点坐标表",
            "转成写明坐标系的 gpkg、shp 或拐点坐标表再交回。",
        ),
    ),
}


def kind_of(name: str, siblings: Set[str]) -> tuple[ReturnKind, Finding | None]:
    """Kind of a file, and why it is not to be read.

    `siblings`: lower-case names of the files in its folder, its own among them.
    """
    base = PurePosixPath(name).name.lower()
    if base in _PACKAGE_NAMES or base.endswith((*_LEFT_BY_PROGRAMS, *_JOURNALS)):
        return "sidecar", None
    suffix = PurePosixPath(base).suffix
    if suffix in _SHAPEFILE_PARTS and f"{base.removesuffix(suffix)}.shp" in siblings:
        return "sidecar", None
    if suffix in _KINDS:
        return _KINDS[suffix], None
    code, what, allowed, advice = _OTHER_FORMATS.get(
        suffix,
        (
            "E-RETURN-UNKNOWN",
            "认不出这是什么文件，没有读取。",
            "填报表（xlsx、csv、gpkg）、照片（jpg、png）、实测界址（gpkg、shp、拐点坐标表）",
            "要并入台账的内容请填在下发的表里；公文、扫描件等附件由县局另行存档。",
        ),
    )
    kind: ReturnKind = "photo" if code == "E-RETURN-PHOTO" else "unknown"
    return kind, Finding(code, what, name, short(suffix or base), allowed, advice)


def safe_suffix(name: str) -> str:
    """What may stay of a name from an archive when it is written: the plain end of it."""
    found = re.search(r"\.[a-z0-9]{1,8}(-wal|-shm|-journal)?$", name.lower(), re.ASCII)
    return found.group() if found else ".bin"
