"""Files beside an image that say what the image itself does not: refused, not read or ignored.

GDAL would take position, mask and nodata from them. We do not let it look (DESIGN §9: whoever can
put a file beside an image must not decide what the image says), so the user has to be told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import Finding, InputError

AUX_TAG = re.compile(rb"<(NoDataValue|SRS|GeoTransform)[\s>]")
"""Elements of an `.aux.xml` that matter; it is searched, not parsed: others may have written it."""
AUX_MAX_BYTES = 64 << 20
"""Longer ones hold tables; what matters stands before these."""

_EXPORT = (
    "在 QGIS 里打开影像，“导出 → 另存为”（原始数据）成 GeoTIFF，"
    "或运行 gdal_translate 原文件 新文件，再用新文件；"
)
_EXPORT_MASK = (
    "运行 gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES 原文件 新文件，把掩膜写进影像，"
    "再用新文件；"
)


def require_no_sidecars(
    path: Path, *, has_transform: bool, has_crs: bool, has_nodata: bool, has_mask: bool
) -> None:
    """Refuse side files that tell what the image file lacks: `InputError` with all of them."""
    beside = _names_beside(path)
    findings = []
    if not has_transform:
        for name in _named(beside, _world_files(path)):
            findings.append(_finding(path, name, "位置（坐标文件）", _EXPORT))
    for name in () if has_mask else _named(beside, {f"{path.name}.msk"}):
        findings.append(_finding(path, name, "掩膜", _EXPORT_MASK))
    lacking = {
        b"SRS": ("坐标系", has_crs),
        b"GeoTransform": ("位置（地理变换）", has_transform),
        b"NoDataValue": ("无效值", has_nodata),
    }
    for name in _named(beside, {f"{path.name}.aux.xml"}):
        tags = _tags(path.with_name(name))
        told = [text for tag, (text, has_own) in lacking.items() if tag in tags and not has_own]
        if told:
            findings.append(_finding(path, name, "、".join(told), _EXPORT))
    if findings:
        raise InputError(findings)


def _finding(path: Path, name: str, told: str, how: str) -> Finding:
    return Finding(
        "E-RASTER-SIDECAR",
        f"影像旁的文件写有{told}，影像文件里却没有；写在旁边文件里的位置、掩膜和无效值一律不读。",
        where=str(path),
        value=name,
        allowed="位置、掩膜和无效值都写在影像文件里",
        advice=f"{how}与这幅影像无关的，移到别的文件夹。",
    )


def _names_beside(path: Path) -> list[str]:
    try:
        return sorted(os.listdir(path.parent))
    except OSError:  # a folder that may be entered but not listed; GDAL could not look either
        return []


def _named(beside: list[str], wanted: set[str]) -> Iterator[str]:
    """Those of the files that are wanted, in whatever case they are written."""
    folded = {name.casefold() for name in wanted}
    return (name for name in beside if name.casefold() in folded)


def _world_files(path: Path) -> set[str]:
    """Names of world files: `.tfw`, `.tifw` and `.wld` for `.tif`, likewise for other formats."""
    kind = path.suffix.lstrip(".").casefold()
    ends = {"wld"} if not kind else {"wld", f"{kind}w", f"{kind[0]}{kind[-1]}w"}
    ends |= {"tifw"} if kind == "tiff" else {"jpgw"} if kind == "jpeg" else set()
    return {f"{path.stem}.{end}" for end in ends}


def _tags(path: Path) -> set[bytes]:
    if not path.is_file():
        return set()
    with path.open("rb") as stream:
        return set(AUX_TAG.findall(stream.read(AUX_MAX_BYTES)))
