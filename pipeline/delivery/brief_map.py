"""The county map of the brief: townships shaded by the area of signed 违法用地, as one SVG.

The same drawing goes into the page, the PDF and, as a picture, into the Word file. What was not
observed is hatched: no colour there would mean anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.scale_bar import bar_length_m, length_zh

WIDTH, HEIGHT = 560.0, 430.0
LEGEND_HEIGHT = 46.0
MARGIN = 10.0
FONT = "Noto Sans SC, Source Han Sans SC, Microsoft YaHei, SimHei, sans-serif"
INK, SOFT, EDGE = "#1b2229", "#56616b", "#8a949c"
SHADES = ("#f7efe9", "#f3d5c6", "#e8aa94", "#d67866", "#b3122a")
"""From nothing found to most."""
DARK_FROM = 4
"""From this shade on, names are white."""
STEPS_MU = tuple(
    Decimal(mantissa) * Decimal(10) ** power for power in range(5) for mantissa in (1, 2, 5)
)
"""Round numbers for the highest class limit: a quarter, a half and three quarters lie below it."""
FULLY_SEEN = Decimal(95)
"""Townships seen less than this share, in percent, are hatched thinly. For the drawing only."""
SIMPLIFY_PX = 0.4
SHORTEST_BAR_M = 100
LABEL_SIZE = 12.0
SMALL_LABEL_SIZE = 9.5
MANY_TOWNSHIPS = 16
NORTH = (
    f'<path d="M{WIDTH - 16:.0f},8l5,16l-5,-4l-5,4z" fill="{INK}"/>'
    f'<text x="{WIDTH - 16:.0f}" y="36" font-size="10" text-anchor="middle" fill="{INK}">北</text>'
)


@dataclass(frozen=True)
class TownshipOnMap:
    """One township as it is drawn."""

    name: str
    outline: BaseGeometry
    violation_mu: Decimal | None
    """Area of signed 违法用地, 下发; None if nothing can be said."""
    observed_percent: Decimal | None
    """0 if nothing was seen, None if that is not known."""


@dataclass(frozen=True)
class _View:
    left: float
    top: float
    scale: float
    dx: float
    dy: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Map coordinates to drawing units."""
        return self.dx + (x - self.left) * self.scale, self.dy + (self.top - y) * self.scale


def draw_county_map(townships: Sequence[TownshipOnMap]) -> str:
    """The map as SVG; an empty frame with a sentence if there is no township."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" '
        f'role="img" aria-label="各乡镇违法用地面积图" font-family="{FONT}">'
    )
    if not townships:
        middle = f'x="{WIDTH / 2:.0f}" y="{HEIGHT / 2:.0f}" text-anchor="middle"'
        return f'{head}<text {middle} font-size="14" fill="{SOFT}">没有乡镇范围</text></svg>'
    limits = class_limits([one.violation_mu for one in townships])
    view = _view(townships)
    # Large ones first: a development zone lies inside a township.
    ordered = sorted(townships, key=lambda one: (-one.outline.area, one.name))
    parts = [head, _patterns()]
    parts += [_township(one, view, limits) for one in ordered]
    parts += _labels(ordered, view, limits)
    parts.append(NORTH)
    parts += _scale_bar(view)
    parts += _legend(limits)
    return "\n".join([*parts, "</svg>"])


def class_limits(areas_mu: Iterable[Decimal | None]) -> tuple[Decimal, ...]:
    """Upper limits of all classes above “none” but the last; empty if no area is above zero."""
    highest = max((area for area in areas_mu if area is not None), default=Decimal(0))
    if highest <= 0:
        return ()
    step = next((step for step in STEPS_MU if highest <= step * 4), STEPS_MU[-1])
    return step, step * 2, step * 3


def shade_of(area_mu: Decimal, limits: Sequence[Decimal]) -> int:
    """Number of the shade; an area on a limit belongs to the class above it."""
    if area_mu <= 0 or not limits:
        return 0
    return 1 + sum(area_mu >= limit for limit in limits)


def _view(townships: Sequence[TownshipOnMap]) -> _View:
    left, bottom, right, top = shapely.total_bounds([one.outline for one in townships])
    room = WIDTH - 2 * MARGIN, HEIGHT - LEGEND_HEIGHT - 2 * MARGIN
    scale = min(room[0] / max(right - left, 1e-9), room[1] / max(top - bottom, 1e-9))
    dx = MARGIN + (room[0] - (right - left) * scale) / 2
    return _View(left, top, scale, dx, MARGIN + (room[1] - (top - bottom) * scale) / 2)


def _patterns() -> str:
    """Hatchings: close for what was not observed at all, wide for what was seen in part."""
    ways = (("unseen", 6, 1.6), ("partly", 11, 0.9))
    drawn = "".join(
        f'<pattern id="{name}" width="{step}" height="{step}" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="{step}" '
        f'stroke="{SOFT}" stroke-width="{width}"/></pattern>'
        for name, step, width in ways
    )
    return f"<defs>{drawn}</defs>"


def _township(one: TownshipOnMap, view: _View, limits: Sequence[Decimal]) -> str:
    path = _path(one.outline, view)
    hatch = _hatch(one)
    if hatch == "unseen" or one.violation_mu is None:
        fill = "#ffffff"
    else:
        fill = SHADES[shade_of(one.violation_mu, limits)]
    title = f"<title>{escape(one.name)}</title>"
    edge = f'stroke="{EDGE}" stroke-width="1" stroke-linejoin="round"'
    drawn = f'<path d="{path}" fill="{fill}" fill-rule="evenodd" {edge}>{title}</path>'
    return drawn + (f'<path d="{path}" fill="url(#{hatch})" fill-rule="evenodd"/>' if hatch else "")


def _hatch(one: TownshipOnMap) -> str:
    if one.observed_percent is None:
        return "partly"
    if one.observed_percent <= 0:
        return "unseen"
    return "partly" if one.observed_percent < FULLY_SEEN else ""


def _path(outline: BaseGeometry, view: _View) -> str:
    simple = shapely.simplify(outline, SIMPLIFY_PX / view.scale, preserve_topology=True)
    texts = []
    for part in shapely.get_parts(simple):
        for ring in (part.exterior, *part.interiors):
            points = [view.at(x, y) for x, y in shapely.get_coordinates(ring)[:-1]]
            texts.append("M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points) + "Z")
    return "".join(texts)


def _labels(
    townships: Sequence[TownshipOnMap], view: _View, limits: Sequence[Decimal]
) -> list[str]:
    """Names, and areas where there is room; the largest areas first, none over another."""
    is_crowded = len(townships) > MANY_TOWNSHIPS
    size = SMALL_LABEL_SIZE if is_crowded else LABEL_SIZE
    taken: list[BaseGeometry] = []
    drawn = []
    for one in sorted(townships, key=lambda one: (-(one.violation_mu or 0), one.name)):
        lines = [one.name] if is_crowded else [one.name, _area_text(one)]
        middle = shapely.point_on_surface(one.outline)
        x, y = view.at(middle.x, middle.y)
        height = size * 1.25 * len(lines)
        width = size * max(_width_em(line) for line in lines)
        x = min(max(x, width / 2 + 2), WIDTH - width / 2 - 2)
        for shift in (0.0, -0.7, 0.7, -1.4, 1.4):
            top = y - height / 2 + shift * size
            place = shapely.box(x - width / 2, top, x + width / 2, top + height)
            if not any(place.intersects(other) for other in taken):
                taken.append(place)
                drawn += _lines(lines, (x, top), size, is_dark=_is_dark(one, limits))
                break
    return drawn


def _area_text(one: TownshipOnMap) -> str:
    if _hatch(one) == "unseen":
        return "未观测"
    return "面积不详" if one.violation_mu is None else f"{one.violation_mu:.2f} 亩"


def _width_em(text: str) -> float:
    return sum(1.0 if ord(char) > 0x2E7F else 0.58 for char in text)


def _is_dark(one: TownshipOnMap, limits: Sequence[Decimal]) -> bool:
    is_shaded = _hatch(one) != "unseen" and one.violation_mu is not None
    return is_shaded and shade_of(one.violation_mu or Decimal(0), limits) >= DARK_FROM


def _lines(
    lines: Sequence[str], place: tuple[float, float], size: float, *, is_dark: bool
) -> list[str]:
    drawn = []
    x, top = place
    ink, edge = ("#ffffff", SHADES[-1]) if is_dark else (INK, "#ffffff")
    for number, line in enumerate(lines):
        y = top + size * (1.0 + 1.25 * number)
        look = f'font-size="{size if number == 0 else size * 0.88:.1f}" text-anchor="middle"'
        drawn.append(
            f'<text x="{x:.1f}" y="{y:.1f}" {look} fill="{ink}" stroke="{edge}" '
            f'stroke-width="2.6" stroke-linejoin="round" paint-order="stroke">{escape(line)}</text>'
        )
    return drawn


def _scale_bar(view: _View) -> list[str]:
    metres = bar_length_m(lambda m: m * view.scale <= 0.2 * WIDTH, SHORTEST_BAR_M)
    right, y = WIDTH - MARGIN, HEIGHT - 14
    left = right - metres * view.scale
    label = length_zh(metres)
    return [
        f'<path d="M{left:.1f},{y - 5:.1f}V{y:.1f}H{right:.1f}V{y - 5:.1f}" fill="none" '
        f'stroke="{INK}" stroke-width="1.3"/>',
        f'<text x="{(left + right) / 2:.1f}" y="{y - 8:.1f}" font-size="11" '
        f'text-anchor="middle" fill="{INK}">{label}</text>',
    ]


def _legend(limits: Sequence[Decimal]) -> list[str]:
    """Swatches in one row below the map."""
    texts = ["无"]
    if limits:
        low, middle, high = (f"{limit:f}" for limit in limits)
        texts += [f"不足 {low} 亩", f"{low}–{middle}", f"{middle}–{high}", f"{high} 亩以上"]
    entries = [(SHADES[number], text) for number, text in enumerate(texts)]
    entries += [("url(#partly)", f"可观测不足 {FULLY_SEEN}% 或不详"), ("url(#unseen)", "未观测")]
    drawn, x = [], MARGIN
    y = HEIGHT - LEGEND_HEIGHT / 2
    for number, (fill, text) in enumerate(entries):
        if number == len(texts):
            x, y = MARGIN, HEIGHT - 5
        drawn.append(
            f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="18" height="11" fill="{fill}" '
            f'stroke="{EDGE}" stroke-width="0.8"/>'
            f'<text x="{x + 23:.1f}" y="{y:.1f}" font-size="11" fill="{INK}">{escape(text)}</text>'
        )
        x += 23 + 11 * _width_em(text) + 12
    return drawn
