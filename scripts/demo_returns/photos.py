"""Small photos with the place and direction that a telephone writes into them."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

from PIL import Image, ImageDraw
from PIL.TiffImagePlugin import IFDRational

from .county import Patch, roll
from .story import Values

DIRECTIONS = {"东": 90.0, "南": 180.0, "西": 270.0, "北": 0.0}
GPS_IFD, EXIF_IFD = 0x8825, 0x8769
SIZE_PX = (96, 72)


def take_photos(patch: Patch, found: Values) -> dict[str, bytes]:
    """Four directions of one patch: file name → JPEG."""
    return {
        f"{patch.patch_id}_{name}.jpg": _photo(patch, found, name, azimuth)
        for name, azimuth in DIRECTIONS.items()
    }


def _photo(patch: Patch, found: Values, name: str, azimuth: float) -> bytes:
    sky, ground = (150, 180, 210), (120, 110 + int(60 * roll(patch.patch_id, name)), 80)
    image = Image.new("RGB", SIZE_PX, sky)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 40, *SIZE_PX), fill=ground)
    if found["site_state"] in ("built", "under_construction"):
        left = int(10 + 40 * roll(patch.patch_id, name, "x"))
        draw.rectangle((left, 22, left + 34, 52), fill=(200, 200, 205), outline=(90, 90, 95))
    exif = image.getexif()
    exif[271] = "demo"
    lon, lat = patch.lon_lat
    exif.get_ifd(GPS_IFD).update(
        {1: "N", 2: _dms(lat), 3: "E", 4: _dms(lon), 16: "T", 17: IFDRational(int(azimuth), 1)}
    )
    exif.get_ifd(EXIF_IFD)[36867] = f"{found['filled_date'].replace('-', ':')} 10:00:00"
    held = io.BytesIO()
    image.save(held, "JPEG", quality=70, exif=exif)
    return held.getvalue()


def _dms(degrees: float) -> tuple[Any, ...]:
    whole = int(degrees)
    minutes = int((degrees - whole) * 60)
    seconds = Fraction(round(((degrees - whole) * 60 - minutes) * 60 * 100), 100)
    return (
        IFDRational(whole, 1),
        IFDRational(minutes, 1),
        IFDRational(seconds.numerator, seconds.denominator),
    )
