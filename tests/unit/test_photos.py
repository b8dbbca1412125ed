from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from pipeline.io.returned.photos import read_photo
from pipeline.schema.returned import PhotoFacts
from tests.returned_factory import as_file, jpeg


def read(path: Path, content: bytes) -> PhotoFacts:
    path.write_bytes(content)
    return read_photo(as_file(path, "photo"))


def test_facts_of_a_photo(tmp_path: Path) -> None:
    content = jpeg((114.268663, 30.821834), azimuth=271.25, taken="2024:11:05 10:11:12")
    facts = read(tmp_path / "a.jpg", content)
    assert facts.problem is None
    assert facts.ok
    assert facts.lon == pytest.approx(114.268663, abs=1e-7)
    assert facts.lat == pytest.approx(30.821834, abs=1e-7)
    assert facts.azimuth_deg == 271.25
    assert facts.taken_at == "2024-11-05T10:11:12"
    assert facts.sha256 == as_file(tmp_path / "a.jpg", "photo").sha256


def test_west_and_south_are_negative(tmp_path: Path) -> None:
    facts = read(tmp_path / "a.jpg", jpeg((-71.5, -33.25)))
    assert (facts.lon, facts.lat) == (-71.5, -33.25)


def test_a_full_turn_is_north(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jpg", jpeg((1, 1), azimuth=360)).azimuth_deg == 0.0


def test_camera_that_tells_nothing(tmp_path: Path) -> None:
    facts = read(tmp_path / "a.jpg", jpeg())
    assert facts.ok
    assert (facts.lon, facts.lat, facts.azimuth_deg, facts.taken_at) == (None,) * 4


@pytest.mark.parametrize(
    ("place", "tags"),
    [
        ((0.0, 0.0), {}),
        ((114.0, 95.0), {}),
        ((114.0, 30.0), {"azimuth": 400}),
        (None, {"taken": "0000:00:00 00:00:00"}),
        (None, {"taken": "2024:13:45 10:11:12"}),
        (None, {"taken": "yesterday"}),
    ],
)
def test_facts_that_can_not_be_are_unknown(
    tmp_path: Path, place: tuple[float, float] | None, tags: dict[str, object]
) -> None:
    facts = read(tmp_path / "a.jpg", jpeg(place, **tags))
    assert facts.ok
    if "azimuth" in tags:
        assert facts.azimuth_deg is None
        assert facts.lat == 30.0
    else:
        assert (facts.lon, facts.lat, facts.azimuth_deg, facts.taken_at) == (None,) * 4


def test_png(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("L", (5, 5)).save(out, "PNG")
    assert read(tmp_path / "a.png", out.getvalue()).ok


def png_of(width: int, height: int) -> bytes:
    """A picture that claims a size, without its pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


def webp() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (5, 5)).save(out, "WEBP")
    return out.getvalue()


def truncated() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((400, 300), 80).save(out, "JPEG", quality=95)
    return out.getvalue()[: len(out.getvalue()) // 2]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"this is no photo", "不是照片"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 50, "不是照片"),
        (truncated(), "不是照片"),
        (webp(), "不是照片"),
        (b"<svg onload='x'/>", "不是照片"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (png_of(60_000, 60_000), "像元太多"),
        (png_of(15_000, 14_000), "像元太多"),
        (png_of(100, 100), "不是照片"),
    ],
)
def test_no_photo(tmp_path: Path, content: bytes, word: str) -> None:
    facts = read(tmp_path / "379999ZJ24000118_东.jpg", content)
    assert not facts.ok
    assert facts.problem is not None
    assert facts.problem.code == "E-RETURN-PHOTO"
    assert word in facts.problem.what
    assert facts.problem.where == "379999ZJ24000118_东.jpg"
    assert facts.problem.advice


def test_damaged_metadata_does_not_spoil_the_photo(tmp_path: Path) -> None:
    content = bytearray(jpeg((114.0, 30.0), azimuth=10, taken="2024:11:05 10:11:12"))
    start = content.index(b"Exif\0\0") + 6
    for place in range(start + 8, start + 60):
        content[place] ^= 0xA5
    assert read(tmp_path / "a.jpg", bytes(content)).ok
