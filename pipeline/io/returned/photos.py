"""Reading returned photos: whether they are pictures, and what the camera wrote into them."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from pipeline.errors import Finding
from pipeline.schema.normalise import Invalid, parse_date
from pipeline.schema.returned import PhotoFacts, ReturnedFile
from pipeline.schema.returned_text import short

MAX_PIXELS = 200_000_000
MAX_BYTES = 200 << 20
FORMATS = ("JPEG", "PNG")

# Pillow's own limit is lower than what phones take; the size is checked before anything is decoded.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_HEIF_BRANDS = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc")
_TAKEN = re.compile(r"(\d{4}):(\d\d):(\d\d) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d)", re.ASCII)
_CAMERA_ADVICE = "转成 JPG 再交回；手机相机设为“兼容性最佳”（JPG）。"


def read_photo(file: ReturnedFile) -> PhotoFacts:
    """What the photo tells; `problem` if it is none. Facts that the camera left out are None."""
    if file.problem is not None:
        return PhotoFacts(file.sha256, file.problem)
    problem, exif = _check(Path(file.path), file.name)
    if problem is not None or exif is None:
        return PhotoFacts(file.sha256, problem)
    return _facts(file.sha256, exif)


def _check(path: Path, where: str) -> tuple[Finding | None, Image.Exif | None]:
    """Why it is no photo; else its EXIF, if that can be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
        if any(brand in head for brand in _HEIF_BRANDS):
            return _bad("照片是 HEIC 格式，不能读取。", where, "HEIC", _CAMERA_ADVICE), None
        if path.stat().st_size > MAX_BYTES:
            return _bad("照片文件太大。", where, f"{path.stat().st_size} 字节"), None
        with warnings.catch_warnings():
            # Pillow warns of large pictures and of odd metadata; size is checked here.
            warnings.simplefilter("ignore")
            return _decode(path, where)
    except Image.DecompressionBombError:
        return _bad("照片的像元太多。", where, f"超过 {MAX_PIXELS // 1_000_000} 百万像元"), None
    except Exception:
        # Decoders fail in as many ways as there are broken files.
        return _bad("不是照片，或照片已损坏。", where, "打不开"), None


def _decode(path: Path, where: str) -> tuple[Finding | None, Image.Exif | None]:
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            value = f"{image.width} × {image.height}"
            return _bad("照片的像元太多。", where, value), None
        exif = _exif(image)
        # A JPEG is decoded at an eighth of its size: broken data shows, memory is spared.
        image.draft("RGB", (image.width // 8, image.height // 8))
        image.load()
    return None, exif


def _exif(image: Image.Image) -> Image.Exif | None:
    try:
        return image.getexif()
    except Exception:
        return None


def _facts(sha256: str, exif: Image.Exif) -> PhotoFacts:
    place = _directory(exif, ExifTags.IFD.GPSInfo)
    camera = _directory(exif, ExifTags.IFD.Exif)
    lat = _degrees(place, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, 90.0)
    lon = _degrees(place, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, 180.0)
    if lat is None or lon is None or (lat == 0.0 and lon == 0.0):
        # Cameras without a fix write zeros.
        lat = lon = None
    azimuth = _number(place.get(ExifTags.GPS.GPSImgDirection))
    if azimuth is not None:
        azimuth = round(azimuth % 360.0, 2) % 360.0 if 0.0 <= azimuth <= 360.0 else None
    stamps = (
        camera.get(ExifTags.Base.DateTimeOriginal),
        camera.get(ExifTags.Base.DateTimeDigitized),
        _get(exif, ExifTags.Base.DateTime),
    )
    taken = next((found for stamp in stamps if (found := _taken_at(stamp))), None)
    return PhotoFacts(sha256, None, lon, lat, azimuth, taken)


def _directory(exif: Image.Exif, number: int) -> Mapping[int, Any]:
    try:
        return dict(exif.get_ifd(number))
    except Exception:
        return {}


def _get(exif: Image.Exif, tag: int) -> object:
    try:
        return exif.get(tag)
    except Exception:
        return None


def _degrees(place: Mapping[int, Any], tag: int, reference: int, limit: float) -> float | None:
    """Degrees out of degrees, minutes and seconds; seven decimals are a centimetre."""
    parts = place.get(tag)
    if not isinstance(parts, tuple | list) or not 1 <= len(parts) <= 3:
        return None
    numbers = [_number(part) for part in parts]
    if any(number is None or number < 0.0 for number in numbers):
        return None
    value = math.fsum(number / 60.0**n for n, number in enumerate(numbers) if number is not None)
    if value > limit:
        return None
    is_negative = str(place.get(reference, "")).strip("\0 ").upper() in ("S", "W")
    return round(-value if is_negative else value, 7)


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _taken_at(stamp: object) -> str | None:
    found = _TAKEN.match(stamp) if isinstance(stamp, str) else None
    if found is None:
        return None
    day = parse_date("-".join(found.groups()[:3]))
    if day is None or isinstance(day, Invalid):
        return None
    return f"{day}T{':'.join(found.groups()[3:])}"


def _bad(what: str, where: str, value: str, advice: str = "") -> Finding:
    return Finding(
        "E-RETURN-PHOTO",
        what,
        where,
        short(value),
        f"jpg 或 png，不超过 {MAX_PIXELS // 1_000_000} 百万像元",
        advice or "从手机或相机里重新导出原图后再交回。",
    )
