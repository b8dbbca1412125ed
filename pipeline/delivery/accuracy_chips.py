"""Small pictures of one place at one date with outlines over it, for the accuracy page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

INK = {"truth": (255, 214, 10), "patch": (232, 28, 55), "dropped": (80, 200, 255)}
"""Outline colours; the page's key names them."""
SIDE_PX = 260
HIDDEN = (214, 214, 214)
JPEG_QUALITY = 86


@dataclass(frozen=True)
class ChipDate:
    """The pixels of one date around an item."""

    pixels: NDArray[Any]
    """`(1 or 3, y, x)`, red first, as delivered."""
    hidden: NDArray[np.bool_]
    """`(y, x)`: not observed on both dates, or outside the image."""
    stretch: NDArray[np.float64]
    """Values shown as black and as white, `(2, band)`."""


@dataclass(frozen=True)
class Outline:
    """Rings in chip pixels, `(corner, x and y)` each, and what they are: a key of `INK`."""

    rings: Sequence[NDArray[np.float64]]
    role: str


def draw_chip(date: ChipDate, outlines: Sequence[Outline]) -> bytes:
    """JPEG of `SIDE_PX`²; outlines first named lie on top. Equal arguments give equal bytes."""
    low, high = date.stretch[:, :, None, None]
    scaled = (
        (np.nan_to_num(date.pixels.astype(np.float64)) - low) * 255 / np.maximum(high - low, 1e-6)
    )
    shown = np.clip(scaled + 0.5, 0, 255).astype(np.uint8)
    if len(shown) == 1:
        shown = np.repeat(shown, 3, axis=0)
    picture = np.moveaxis(shown, 0, -1).copy()
    picture[date.hidden] = (picture[date.hidden] // 3 + np.array(HIDDEN) * 2 // 3).astype(np.uint8)
    factor = SIDE_PX / picture.shape[0]
    smooth = Image.Resampling.BICUBIC if factor < 4 else Image.Resampling.NEAREST
    image = Image.fromarray(picture).resize((SIDE_PX, SIDE_PX), smooth)
    pen = ImageDraw.Draw(image)
    for outline in reversed(outlines):
        for ring in outline.rings:
            points = [(float(x) * factor, float(y) * factor) for x, y in ring]
            pen.line(points, fill=INK[outline.role], width=2, joint="curve")
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
