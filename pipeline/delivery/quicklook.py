"""The quicklook of a comparison: before, after, and the patches on the after image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.delivery.assets import FONT_PATH
from pipeline.delivery.scale_bar import bar_length_m, length_zh

PANEL_PX = 720
"""Longest side of one panel."""
MIN_COLUMN_PX = 420
"""A narrow image keeps this much room, so that captions and footer can be read."""
GAP_PX = 16
HEADER_PX = 56
FOOTER_PX = 64
INK, PAPER, ACCENT = (32, 36, 42), (255, 255, 255), (230, 30, 60)
STRETCH_PERCENT = (1.0, 99.0)
STRETCH_STEP = 7
"""Every n-th observed pixel of the preview is enough for its percentiles."""


@dataclass(frozen=True)
class QuicklookContent:
    """What is drawn."""

    before: NDArray[Any]
    """`(band, y, x)`, one or three bands, as delivered."""
    after: NDArray[Any]
    outlines: list[list[tuple[float, float]]]
    """Rings of the patches in preview pixels, `(x, y)`."""
    seen: NDArray[np.bool_]
    """`(y, x)` of the preview: False where at least one date was not observed."""
    metres_per_pixel: float
    """Ground size of one preview pixel."""
    captions: tuple[str, str, str]
    footer: str


def draw_quicklook(content: QuicklookContent) -> Image.Image:
    """Three panels at one scale with captions, a scale bar and a footer line."""
    height, width = content.seen.shape
    factor = PANEL_PX / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    panels = [_panel(pixels, content.seen, size) for pixels in (content.before, content.after)]
    marked = panels[1].copy()
    _draw_outlines(marked, content.outlines, factor)
    column = max(size[0], MIN_COLUMN_PX)
    canvas = Image.new("RGB", (3 * column + 4 * GAP_PX, HEADER_PX + size[1] + FOOTER_PX), PAPER)
    pen = ImageDraw.Draw(canvas)
    title, small = font(26), font(19)
    for number, (panel, caption) in enumerate(
        zip((*panels, marked), content.captions, strict=True)
    ):
        left = GAP_PX + number * (column + GAP_PX)
        canvas.paste(panel, (left, HEADER_PX))
        pen.text((left, HEADER_PX / 2), caption, font=title, fill=INK, anchor="lm")
    middle = HEADER_PX + size[1] + FOOTER_PX / 2
    bar_end = _draw_scale(pen, content.metres_per_pixel / factor, size[0], middle)
    pen.text((bar_end + 28, middle), content.footer, font=small, fill=INK, anchor="lm")
    return canvas


def font(size_px: int) -> ImageFont.FreeTypeFont:
    """The vendored Noto Sans SC."""
    return ImageFont.truetype(str(FONT_PATH), size_px)


def _panel(pixels: NDArray[Any], seen: NDArray[np.bool_], size: tuple[int, int]) -> Image.Image:
    """Stretch each band between percentiles of its observed pixels; unobserved is light grey."""
    bands = pixels if pixels.shape[0] == 3 else np.repeat(pixels[:1], 3, axis=0)
    out = np.zeros((*seen.shape, 3), np.uint8)
    for k in range(3):
        band = np.nan_to_num(bands[k].astype(np.float32))
        shown = band[seen][::STRETCH_STEP]
        low, high = np.percentile(shown, STRETCH_PERCENT) if shown.size else (0.0, 1.0)
        scaled = (band - low) / max(float(high - low), 1e-6)
        out[..., k] = np.clip(scaled * 255 + 0.5, 0, 255).astype(np.uint8)
    out[~seen] = 225
    return Image.fromarray(out).resize(size, Image.Resampling.LANCZOS)


def _draw_outlines(
    panel: Image.Image, outlines: list[list[tuple[float, float]]], factor: float
) -> None:
    pen = ImageDraw.Draw(panel)
    for ring in outlines:
        points = [(x * factor, y * factor) for x, y in ring]
        pen.line(points, fill=ACCENT, width=2, joint="curve")


def _draw_scale(pen: ImageDraw.ImageDraw, metres_per_px: float, limit_px: int, y: float) -> float:
    """Draw a round-numbered bar and return its right end including the label."""
    metres = bar_length_m(lambda m: m / metres_per_px <= 0.3 * limit_px, 1)
    end = GAP_PX + metres / metres_per_px
    pen.line([(GAP_PX, y - 7), (GAP_PX, y + 7)], fill=INK, width=2)
    pen.line([(GAP_PX, y), (end, y)], fill=INK, width=3)
    pen.line([(end, y - 7), (end, y + 7)], fill=INK, width=2)
    label = length_zh(metres)
    pen.text((end + 10, y), label, font=font(19), fill=INK, anchor="lm")
    return end + 10 + pen.textlength(label, font=font(19))
