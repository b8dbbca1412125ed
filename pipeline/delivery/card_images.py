"""The pictures of a verification card: before, after, and the overlay map, all at one scale.

Pixels arrive as arrays and leave as JPEG bytes; nothing is read or written here. What lies over
the pixels is drawn by `card_map`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import hypot
from typing import Any

import cv2
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import Field
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.card_map import HIDDEN, Extent, outline_svg, overlay_svg
from pipeline.delivery.scale_bar import bar_length_m
from pipeline.schema.model import Frozen

OUTLINE_INK, OUTLINE_INK_ON_MAP = "#d5112b", "#111418"
SHORTEST_BAR_M = 5
SCALE_BAR_RATIO = 0.36
"""Longest scale bar, as a share of the picture's side."""
HIDDEN_GROUND, HIDDEN_LINE = 236, 178
"""Greys of the hatching where nothing was seen."""
HIDDEN_WASH = 0.45
"""How much of a cloud's or shadow's own look the hatching leaves."""
HATCH_WIDTHS_PER_SIDE = 100
"""Width of one hatching line, as a part of the picture's side."""
MUTED = 0.38
"""Contrast left to the picture under the overlay map."""
PAPER = 255


HIDDEN_CODES: Mapping[str, tuple[int, ...]] = {
    "nodata": (1,),
    "cloud": (2,),
    "shadow": (3,),
    "other": (4, 5),
}
"""Codes of the validity files by what the legend calls them."""


class CardImageParams(Frozen):
    """Settings of the pictures on a card (核查卡影像)."""

    margin_m: float = Field(30, ge=0, description="图斑四周至少留出的距离，米")
    margin_ratio: float = Field(0.35, ge=0, le=2, description="图斑四周留出的距离与图斑边长之比")
    min_side_m: float = Field(120, gt=0, description="画面的最小边长，米")
    picture_px: int = Field(420, ge=100, le=2000, description="影像边长，像素")
    max_enlargement: float = Field(4, ge=1, le=16, description="影像像元最多放大的倍数")
    stretch_percent: tuple[float, float] = Field(
        (1.0, 99.0), description="拉伸所取的百分位，每期影像统一一次"
    )
    jpeg_quality: int = Field(84, ge=30, le=95, description="影像压缩质量")


DEFAULTS = CardImageParams()


@dataclass(frozen=True)
class Stretch:
    """Digital numbers shown as black and as white, red, green, blue; one for a whole date."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]


@dataclass(frozen=True)
class DateWindow:
    """The pixels of one date around a patch; they should cover `card_extent`."""

    pixels: NDArray[Any]
    """`(3, y, x)` red, green, blue, or `(1, y, x)`, as delivered."""
    hidden: NDArray[Any]
    """`(y, x)`: 0 where this date shows the ground, else what hides it: `HIDDEN_CODES`."""
    transform: tuple[float, float, float, float, float, float]
    """Affine coefficients a–f of this window in the working CRS, metres."""
    stretch: Stretch


@dataclass(frozen=True)
class CardImages:
    """Encoded pictures of one card."""

    before: bytes
    """JPEG, like the next two."""
    after: bytes
    muted: bytes
    """The after image in light grey, ground of the overlay map."""
    outline: bytes
    """SVG, like the next two; drawn over `before` and `after`."""
    outline_on_map: bytes
    overlay: bytes
    symbols: tuple[str, ...]
    """Keys of `card_map.SYMBOLS` that occur in the overlay map."""
    side_m: float
    scale_bar_m: int
    hidden_before: float
    """Share of the picture that shows no ground, 0–1."""
    hidden_after: float
    hidden_kinds: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """What hides it, before and after: keys of `card_map.HIDDEN`, the largest first."""


def stretch_of(
    pixels: NDArray[Any], seen: NDArray[np.bool_], params: CardImageParams = DEFAULTS
) -> Stretch:
    """The stretch of a date from a sample of it, `(1 or 3, y, x)` and `(y, x)`."""
    bands = [band[seen] for band in _three(pixels)]
    if not bands[0].size:
        return Stretch((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    low, high = np.percentile(np.asarray(bands, np.float64), params.stretch_percent, axis=1)
    return Stretch(
        (float(low[0]), float(low[1]), float(low[2])),
        (float(high[0]), float(high[1]), float(high[2])),
    )


def card_extent(outline: BaseGeometry, params: CardImageParams = DEFAULTS) -> Extent:
    """The square to show: the outline's box with its margin; what to read from the images."""
    xmin, ymin, xmax, ymax = shapely.bounds(outline)
    size = max(xmax - xmin, ymax - ymin)
    margin = max(params.margin_m, params.margin_ratio * size)
    side = max(size + 2 * margin, params.min_side_m)
    return Extent(float((xmin + xmax - side) / 2), float((ymin + ymax + side) / 2), float(side))


def card_images(
    outline: BaseGeometry,
    before: DateWindow,
    after: DateWindow,
    overlays: Mapping[str, Iterable[BaseGeometry]],
    params: CardImageParams = DEFAULTS,
    shown_area: BaseGeometry | None = None,
) -> CardImages:
    """All pictures of a patch.

    `overlays`: polygons near the patch by layer name (`card_map.SYMBOL_OF_LAYER`). `shown_area`:
    pixels outside it stay blank, for land that the receiving township must not see (DESIGN §9);
    overlays are drawn as given.
    """
    extent = card_extent(outline, params)
    pictures, hidden, kinds = [], [], []
    for date in (before, after):
        side_px = _side_px(extent, date, params)
        unseen = _unseen(date, extent, side_px)
        pictures.append(_picture(date, extent, unseen))
        hidden.append(float((unseen > 0).mean()))
        kinds.append(_kinds(unseen))
        if shown_area is not None:
            pictures[-1][~_inside(shown_area, extent, side_px)] = PAPER
    overlay, symbols = overlay_svg(overlays, extent)
    return CardImages(
        before=_jpeg(Image.fromarray(pictures[0]), params),
        after=_jpeg(Image.fromarray(pictures[1]), params),
        muted=_jpeg(_mute(pictures[1]), params),
        outline=outline_svg(outline, extent, OUTLINE_INK),
        outline_on_map=outline_svg(outline, extent, OUTLINE_INK_ON_MAP),
        overlay=overlay,
        symbols=symbols,
        side_m=extent.side_m,
        scale_bar_m=bar_length_m(lambda m: m <= SCALE_BAR_RATIO * extent.side_m, SHORTEST_BAR_M),
        hidden_before=hidden[0],
        hidden_after=hidden[1],
        hidden_kinds=(kinds[0], kinds[1]),
    )


def _three(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels if pixels.shape[0] == 3 else np.repeat(pixels[:1], 3, axis=0)


def _side_px(extent: Extent, date: DateWindow, params: CardImageParams) -> int:
    """Pixels of a picture's side: no more than the image can fill."""
    a, _, _, d, _, _ = date.transform
    native_px = extent.side_m / hypot(a, d)
    return max(1, min(params.picture_px, round(params.max_enlargement * native_px)))


def _kinds(unseen: NDArray[np.uint8]) -> tuple[str, ...]:
    counts = {kind: int(np.isin(unseen, codes).sum()) for kind, codes in HIDDEN_CODES.items()}
    return tuple(sorted((kind for kind in counts if counts[kind]), key=lambda kind: -counts[kind]))


def _picture(date: DateWindow, extent: Extent, unseen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stretched, brought to the extent, hatched where nothing was seen; `(y, x, 3)`."""
    stretched = np.empty((*date.hidden.shape, 3), np.uint8)
    for k, band in enumerate(_three(date.pixels)):
        low, high = date.stretch.low[k], date.stretch.high[k]
        scaled = (np.nan_to_num(band.astype(np.float32)) - low) * (255 / max(high - low, 1e-6))
        stretched[..., k] = np.clip(scaled + 0.5, 0, 255).astype(np.uint8)
    source, reduced = stretched, _whole_pixels_per_pixel(date, extent, unseen.shape[0])
    if reduced > 1:
        source = np.asarray(Image.fromarray(stretched).reduce(reduced))
    mapping = _mapping(date, extent, unseen.shape[0], reduced)
    size = unseen.shape[1], unseen.shape[0]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(source, mapping, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    picture = warped.astype(np.uint8, copy=False)
    for kind, codes in HIDDEN_CODES.items():
        _hatch(picture, np.isin(unseen, codes), kind)
    return picture


def _hatch(picture: NDArray[np.uint8], hidden: NDArray[np.bool_], kind: str) -> None:
    """Hatch what is hidden in one way; a cloud or shadow stays visible under its lines."""
    rows, cols = np.nonzero(hidden)
    if not rows.size:
        return
    way = {"nodata": rows + cols, "cloud": rows - cols, "shadow": rows, "other": cols}[kind]
    is_line = way // max(2, len(picture) // HATCH_WIDTHS_PER_SIDE) % 3 == 0
    if kind == "nodata":
        picture[rows, cols] = np.where(is_line, HIDDEN_LINE, HIDDEN_GROUND)[:, None]
        return
    ink = np.array([int(HIDDEN[kind].ink[k : k + 2], 16) for k in (1, 3, 5)], np.float32)
    washed = PAPER - (PAPER - picture[rows, cols].astype(np.float32)) * HIDDEN_WASH
    picture[rows, cols] = np.where(is_line[:, None], ink, washed).astype(np.uint8)


def _unseen(date: DateWindow, extent: Extent, side_px: int) -> NDArray[np.uint8]:
    """What hides the ground, no data outside the image, on the picture; `(y, x)`."""
    placed = cv2.warpAffine(
        date.hidden.astype(np.uint8),
        _mapping(date, extent, side_px),
        (side_px, side_px),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=1,
    )
    return placed.astype(np.uint8, copy=False)


def _whole_pixels_per_pixel(date: DateWindow, extent: Extent, side_px: int) -> int:
    """By how much an image finer than the picture is averaged first, so that nothing flickers."""
    a, _, _, d, _, _ = date.transform
    return max(1, int(extent.side_m / side_px / hypot(a, d)))


def _mapping(
    date: DateWindow, extent: Extent, side_px: int, reduced: int = 1
) -> NDArray[np.float64]:
    """Picture pixel → source pixel, `(2, 3)`; as OpenCV counts, centres are whole numbers."""
    step = extent.side_m / side_px
    to_ground = Affine(step, 0.0, extent.left, 0.0, -step, extent.top)
    corners = Affine.scale(1 / reduced) @ ~Affine(*date.transform) @ to_ground
    centres = Affine.translation(-0.5, -0.5) @ corners @ Affine.translation(0.5, 0.5)
    return np.array(tuple(centres)[:6]).reshape(2, 3)


def _inside(area: BaseGeometry, extent: Extent, side_px: int) -> NDArray[np.bool_]:
    """Which pixels of the picture lie in an area."""
    canvas = Image.new("L", (side_px, side_px))
    pen = ImageDraw.Draw(canvas)
    clipped = shapely.intersection(area, shapely.box(*extent.bounds))
    factor = side_px / extent.side_m
    for part in shapely.get_parts(clipped):
        if part.geom_type != "Polygon":
            continue
        for ring, value in ((part.exterior, 255), *((hole, 0) for hole in part.interiors)):
            xy = shapely.get_coordinates(ring)
            points = (xy - (extent.left, extent.top)) * (factor, -factor)
            pen.polygon([(float(x), float(y)) for x, y in points], fill=value)
    return np.asarray(canvas) > 0


def _mute(picture: NDArray[np.uint8]) -> Image.Image:
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float32)
    return Image.fromarray((PAPER - (PAPER - grey) * MUTED).astype(np.uint8))


def _jpeg(picture: Image.Image, params: CardImageParams) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=params.jpeg_quality)
    return stream.getvalue()
