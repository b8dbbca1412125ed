"""Files as townships send them back: forms, layers, archives, photos; small and by hand."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import shapely
from PIL import Image, TiffImagePlugin

from pipeline.delivery.sheets import Column, Kind, ListSheet, Workbook
from pipeline.delivery.styles import alias
from pipeline.io.vectors import write_layers
from pipeline.io.workbooks import write_workbook
from pipeline.schema.delivered import FORM_COLUMNS, VERIFY
from pipeline.schema.fields import FIELDS
from pipeline.schema.returned import ReturnedFile, ReturnKind
from tests.package_factory import WORKING, table

PACKAGE_ID = "demo-379999100-04dd600f"
IDS = ("379999ZJ24000118", "379999ZJ24000138_2", "379999ZJ24000158")
LOCKED = ("serial_no", "patch_id", "issued_id", "area_mu", "area_m2")
KNOWN: dict[str, str] = {name: alias(FIELDS[name]) for name in VERIFY.fields}
KINDS: dict[str, Kind] = {
    "serial_no": "integer",
    "area_mu": "mu",
    "area_m2": "m2",
    "measured_area_m2": "m2",
    "start_date": "date",
    "stop_notice_date": "date",
    "filled_date": "date",
}
FILLED: dict[str, Any] = {
    "site_state": "在建",
    "occupant_name": "=张三",
    "start_date": "2024-05-06",
    "measured_area_m2": 1234.5,
    "is_notified": "是",
    "filled_by": "李四",
    "checked_by": "王五",
    "filled_date": "2024-11-01",
}


def as_file(path: Path, kind: ReturnKind, name: str | None = None) -> ReturnedFile:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ReturnedFile(name or path.name, path, digest, kind)


def form_rows(**filled: Any) -> list[dict[str, Any]]:
    return [
        {"serial_no": n, "patch_id": key, "area_mu": 3.59, "area_m2": 2395.66082997164, **filled}
        for n, key in enumerate(IDS, start=1)
    ]


def write_form(
    path: Path,
    rows: Sequence[Mapping[str, Any]] | None = None,
    package_id: str = PACKAGE_ID,
    spare_rows: int = 2,
) -> Path:
    """A township's register as `io.workbooks` writes it, filled where `rows` say."""
    columns = [
        Column(
            name,
            KNOWN[name],
            KINDS.get(name, "text"),
            is_open=name in FORM_COLUMNS,
            is_summed=name in ("area_mu", "area_m2"),
        )
        for name in (*LOCKED[:4], *FORM_COLUMNS, *LOCKED[4:])
    ]
    notes = (f"期次：2024年　核查包编号：{package_id}　密级：内部", "图斑只是问题线索。")
    sheet = ListSheet("图斑台账", "示例县城关镇核查台账", notes, columns, rows or form_rows())
    sheet = ListSheet(**(vars(sheet) | {"spare_rows": spare_rows if rows is None else 0}))
    book = Workbook("核查台账", package_id, "内部", [sheet], [("怎么填", "只填黄色列。")], {})
    write_workbook(path, book)
    return path


def write_verify(path: Path, shift_m: float = 0.0, **filled: Any) -> Path:
    """A township's layer, filled."""
    rows = [
        {
            "patch_id": key,
            "township_code": "379999100",
            "package_id": PACKAGE_ID,
            "area_m2": 2395.66082997164,
            "is_straddling": False,
            "geometry": outline(n, shift_m),
            **filled,
        }
        for n, key in enumerate(IDS)
    ]
    write_layers(path, {VERIFY: table(VERIFY, rows)}, WORKING.to_wkt())
    return path


def outline(number: int, shift_m: float = 0.0) -> shapely.MultiPolygon:
    x, y = 500_000.0 + 200 * number + shift_m, 3_400_000.0
    shell = [(x, y), (x + 60, y), (x + 60, y + 40), (x, y + 40)]
    hole = [(x + 10, y + 10), (x + 10, y + 20), (x + 20, y + 20), (x + 20, y + 10)]
    return shapely.MultiPolygon([shapely.Polygon(shell, [hole])])


def rezip(
    path: Path, change: Callable[[str, bytes], bytes | None], extra: Mapping[str, bytes] = {}
) -> Path:
    """The same archive with parts changed, left out (None) or added."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            if (changed := change(name, content)) is not None:
                archive.writestr(name, changed)
        for name, content in extra.items():
            archive.writestr(name, content)
    return path


def zip_of(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def jpeg(place: tuple[float, float] | None = None, **tags: Any) -> bytes:
    """A small photo; `place` is longitude and latitude; tags: azimuth, taken."""
    image = Image.new("RGB", (64, 48), (90, 120, 60))
    exif = image.getexif()
    if place is not None:
        gps = exif.get_ifd(0x8825)
        gps[1], gps[2] = "S" if place[1] < 0 else "N", _dms(abs(place[1]))
        gps[3], gps[4] = "W" if place[0] < 0 else "E", _dms(abs(place[0]))
        if "azimuth" in tags:
            gps[16], gps[17] = "T", TiffImagePlugin.IFDRational(round(tags["azimuth"] * 100), 100)
    if "taken" in tags:
        exif.get_ifd(0x8769)[0x9003] = tags["taken"]
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def _dms(degrees: float) -> tuple[Any, Any, Any]:
    minutes, seconds = divmod(degrees * 3600, 60)
    whole, minutes = divmod(minutes, 60)
    parts = (int(whole), int(minutes))
    return (
        *(TiffImagePlugin.IFDRational(part, 1) for part in parts),
        TiffImagePlugin.IFDRational(round(seconds * 10_000), 10_000),
    )
