"""Writing pictures for people."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def write_png(path: Path, image: Image.Image) -> None:
    """PNG without time stamps: the same picture gives the same bytes."""
    image.save(path, format="PNG", optimize=False, compress_level=4)
