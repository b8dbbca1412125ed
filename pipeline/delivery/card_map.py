"""What is drawn over a card's pictures: outlines and overlay layers as vector symbols (SVG).

Vectors stay sharp at any print size. Every symbol can be told from the others without colour: by
hatching (填充线) or by the line of its edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

UNITS = 1000
"""Side of a picture in drawing units; y grows downwards."""
BLEED = 30
"""Shapes are cut this far outside the picture, so that no edge is drawn along its frame."""
TOLERANCE = 0.8
"""Vertices closer to the line than this are left out: 0.05 mm on a picture of 60 mm."""
HATCH_STEP = 27
SWATCH_SIZE = (200, 110)

Hatch = Literal["none", "rising", "falling", "upright", "level", "grid", "diamond"]


@dataclass(frozen=True)
class Symbol:
    """How one kind of overlay is drawn and what the legend calls it."""

    label_zh: str
    ink: str
    """Colour of hatching and edge; dark enough to print in black and white."""
    hatch: Hatch = "none"
    tint: float = 0.16
    """Opacity of the fill, 0–1."""
    edge: float = 3.0
    dash: str = ""


SYMBOLS: Mapping[str, Symbol] = {
    "cultivated": Symbol("耕地", "#b8961a", tint=0.28, edge=2.0),
    "permanent_basic_farmland": Symbol("永久基本农田", "#7d7510", "rising", 0.22),
    "protected": Symbol("生态红线／自然保护地", "#14783c", "falling", 0.16, 6, "26 12"),
    "approvals": Symbol("批文", "#2a50b4", "upright", 0.18, 4),
    "supply_registration": Symbol("供地／登记", "#1876ad", "level", 0.16, 4),
    "facility_land": Symbol("设施农用地", "#00756b", "grid", 0.18, 4),
    "temporary_land": Symbol("临时用地", "#6a3d8f", "diamond", 0.16, 4),
    "urban_boundary": Symbol("城镇开发边界", "#9c2348", tint=0.0, edge=8, dash="34 10 6 10"),
}
"""In drawing order; hues as in the delivered maps (`delivery.palette`)."""

HIDDEN: Mapping[str, Symbol] = {
    "nodata": Symbol("无影像", "#8a8a8a", "rising", 0.16, 2),
    "cloud": Symbol("云", "#2f6fb5", "falling", 0.10, 2),
    "shadow": Symbol("云影", "#22304f", "level", 0.20, 2),
    "other": Symbol("过饱和／未配准", "#a8481f", "upright", 0.12, 2),
}
"""How land that a date does not show is hatched on its picture."""

SYMBOL_OF_LAYER: Mapping[str, str] = {
    "cultivated": "cultivated",
    "permanent_basic_farmland": "permanent_basic_farmland",
    "ecological_redline": "protected",
    "nature_reserve": "protected",
    "approvals": "approvals",
    "supply": "supply_registration",
    "registration": "supply_registration",
    "facility_land": "facility_land",
    "temporary_land": "temporary_land",
    "urban_boundary": "urban_boundary",
}
"""Reference layer → symbol; `cultivated` stands for the 耕地 of `land_use`."""


@dataclass(frozen=True)
class Extent:
    """The square of ground that all pictures of a card show; metres, in the working CRS."""

    left: float
    top: float
    side_m: float

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """`(xmin, ymin, xmax, ymax)`."""
        return self.left, self.top - self.side_m, self.left + self.side_m, self.top

    def drawn(self, shape: BaseGeometry) -> BaseGeometry:
        """A shape in drawing units, cut a little outside the picture and simplified."""
        factor = UNITS / self.side_m

        def place(xy: NDArray[np.float64]) -> NDArray[np.float64]:
            placed: NDArray[np.float64] = (xy - (self.left, self.top)) * (factor, -factor)
            return placed

        placed = shapely.transform(shapely.force_2d(shape), place)
        if not shapely.is_valid(placed):
            placed = shapely.make_valid(placed)
        cut = shapely.intersection(
            placed, shapely.box(-BLEED, -BLEED, UNITS + BLEED, UNITS + BLEED)
        )
        return shapely.simplify(cut, TOLERANCE)


def outline_svg(outline: BaseGeometry, extent: Extent, ink: str) -> bytes:
    """The patch outline: a dark line with a white casing, seen on bright and dark ground."""
    path = _path(extent.drawn(outline))
    line = '<path d="{}" fill="none" stroke="{}" stroke-width="{}" stroke-linejoin="round"/>'
    return _svg(line.format(path, "#ffffff", 13) + line.format(path, ink, 6.5))


def overlay_svg(
    layers: Mapping[str, Iterable[BaseGeometry]], extent: Extent
) -> tuple[bytes, tuple[str, ...]]:
    """The overlay map and the symbols that occur in it, in drawing order.

    `layers`: polygons by reference layer name (keys of `SYMBOL_OF_LAYER`).
    """
    shapes: dict[str, list[BaseGeometry]] = {}
    for layer, polygons in layers.items():
        shapes.setdefault(SYMBOL_OF_LAYER[layer], []).extend(polygons)
    drawn, present = [], []
    for key in SYMBOLS:
        merged = shapely.union_all([extent.drawn(shape) for shape in shapes.get(key, ())])
        frame = shapely.box(0, 0, UNITS, UNITS)
        if shapely.area(shapely.intersection(merged, frame)) > 0:
            present.append(key)
            drawn.append(_draw(key, _path(merged), UNITS, UNITS))
    return _svg("".join(drawn)), tuple(present)


def swatch_svg(key: str) -> bytes:
    """The legend's sample of a symbol of `SYMBOLS` or `HIDDEN`."""
    width, height = SWATCH_SIZE
    path = f"M8 8H{width - 8}V{height - 8}H8Z"
    return _svg(_draw(key, path, width, height), width, height)


def _draw(key: str, path: str, width: int, height: int) -> str:
    symbol = SYMBOLS[key] if key in SYMBOLS else HIDDEN[key]
    parts = []
    if symbol.tint:
        parts.append(
            f'<path d="{path}" fill="{symbol.ink}" fill-opacity="{symbol.tint}"'
            ' fill-rule="evenodd"/>'
        )
    if symbol.hatch != "none":
        lines = _hatch_path(symbol.hatch, width, height)
        parts.append(
            f'<clipPath id="{key}"><path d="{path}" clip-rule="evenodd"/></clipPath>'
            f'<path d="{lines}" clip-path="url(#{key})" fill="none" stroke="{symbol.ink}"'
            ' stroke-width="3"/>'
        )
    dash = f' stroke-dasharray="{symbol.dash}"' if symbol.dash else ""
    parts.append(
        f'<path d="{path}" fill="none" stroke="{symbol.ink}" stroke-width="{symbol.edge:g}"'
        f'{dash} stroke-linejoin="round"/>'
    )
    return "".join(parts)


@lru_cache(maxsize=32)
def _hatch_path(hatch: Hatch, width: int, height: int) -> str:
    upright = [f"M{x} 0V{height}" for x in range(HATCH_STEP // 2, width, HATCH_STEP)]
    level = [f"M0 {y}H{width}" for y in range(HATCH_STEP // 2, height, HATCH_STEP)]
    step = round(HATCH_STEP * 2**0.5)
    starts = range(-height, width, step)
    rising = [f"M{x} {height}L{x + height} 0" for x in starts]
    falling = [f"M{x} 0L{x + height} {height}" for x in starts]
    lines: Mapping[Hatch, list[str]] = {
        "upright": upright,
        "level": level,
        "rising": rising,
        "falling": falling,
        "grid": upright + level,
        "diamond": rising + falling,
        "none": [],
    }
    return "".join(lines[hatch])


def _path(shape: BaseGeometry) -> str:
    """SVG path of all rings of a shape's polygons; lines and points left by cutting are none."""
    rings = []
    for part in shapely.get_parts(shape):
        if part.geom_type == "Polygon":
            rings += [part.exterior, *part.interiors]
        elif part.geom_type in ("MultiPolygon", "GeometryCollection"):
            rings += [_path(part)]
    return "".join(
        ring
        if isinstance(ring, str)
        else "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in shapely.get_coordinates(ring)) + "Z"
        for ring in rings
    )


def _svg(content: str, width: int = UNITS, height: int = UNITS) -> bytes:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    return f'{head} width="{width}" height="{height}">{content}</svg>'.encode()
