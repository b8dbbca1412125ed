"""The chart of the brief: for each township what counted before rectification and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from pipeline.delivery.brief_map import FONT, INK, SOFT

WIDTH = 300.0
NAME_WIDTH = 76.0
VALUE_WIDTH = 46.0
ROW_HEIGHT = 27.0
BAR_HEIGHT = 9.0
TOP = 24.0
BEFORE_FILL, AFTER_FILL = "#e3b3a4", "#b3122a"
NAME_CHARS, NAME_SIZE = 9, 11.5
"""Longer names are cut; those that do not fit their column are written smaller."""
LEAST_PX = 1.0
"""Anything above nothing is seen."""


@dataclass(frozen=True)
class Bars:
    """One township; None where nothing can be said."""

    name: str
    before_mu: Decimal | None
    after_mu: Decimal | None


def draw_bars(bars: Sequence[Bars], labels: tuple[str, str]) -> str:
    """Pairs of bars as SVG, one pair under the other."""
    height = TOP + ROW_HEIGHT * max(len(bars), 3) + 4
    highest = max(
        (area for one in bars for area in (one.before_mu, one.after_mu) if area is not None),
        default=Decimal(0),
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" '
        f'role="img" aria-label="{escape(labels[0])}与{escape(labels[1])}对比图" '
        f'font-family="{FONT}">',
        *_legend(labels),
    ]
    for number, one in enumerate(bars):
        parts += _pair(one, TOP + ROW_HEIGHT * number, highest)
    if not bars:
        middle = f'x="{WIDTH / 2:.0f}" y="{height / 2:.0f}" text-anchor="middle"'
        parts.append(f'<text {middle} font-size="12" fill="{SOFT}">没有可以比较的面积</text>')
    else:
        axis = f"M{NAME_WIDTH:.1f},{TOP - 1:.1f}V{TOP + ROW_HEIGHT * len(bars):.1f}"
        parts.append(f'<path d="{axis}" stroke="{SOFT}" stroke-width="0.8" fill="none"/>')
    return "\n".join([*parts, "</svg>"])


def _legend(labels: tuple[str, str]) -> list[str]:
    drawn = []
    for x, fill, label in ((NAME_WIDTH, BEFORE_FILL, labels[0]), (190.0, AFTER_FILL, labels[1])):
        drawn.append(
            f'<rect x="{x:.1f}" y="4" width="18" height="9" fill="{fill}"/>'
            f'<text x="{x + 23:.1f}" y="12.5" font-size="11" fill="{INK}">{escape(label)}</text>'
        )
    return drawn


def _pair(one: Bars, top: float, highest: Decimal) -> list[str]:
    name = one.name if len(one.name) <= NAME_CHARS else one.name[: NAME_CHARS - 1] + "…"
    size = min(NAME_SIZE, (NAME_WIDTH - 7) / max(1, len(name)))
    drawn = [
        f'<text x="{NAME_WIDTH - 6:.1f}" y="{top + ROW_HEIGHT / 2 + 2:.1f}" font-size="{size:.1f}" '
        f'text-anchor="end" fill="{INK}">{escape(name)}</text>'
    ]
    for number, (area, fill) in enumerate(
        ((one.before_mu, BEFORE_FILL), (one.after_mu, AFTER_FILL))
    ):
        y = top + 3 + number * (BAR_HEIGHT + 1.5)
        length = _length(area, highest)
        text = "—" if area is None else f"{area:.2f}"
        if length:
            drawn.append(
                f'<rect x="{NAME_WIDTH:.1f}" y="{y:.1f}" width="{length:.1f}" '
                f'height="{BAR_HEIGHT:.0f}" fill="{fill}"/>'
            )
        drawn.append(
            f'<text x="{NAME_WIDTH + length + 5:.1f}" y="{y + BAR_HEIGHT - 0.8:.1f}" '
            f'font-size="9.5" fill="{INK}">{text}</text>'
        )
    return drawn


def _length(area: Decimal | None, highest: Decimal) -> float:
    if area is None or area <= 0 or highest <= 0:
        return 0.0
    return max(LEAST_PX, float(area / highest) * (WIDTH - NAME_WIDTH - VALUE_WIDTH))
