"""The reliability curve as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDTH, HEIGHT = 344, 400
LEFT, TOP, SIDE = 56, 16, 270
"""Origin and side of the square of the curve."""
BARS_TOP, BARS_HEIGHT = TOP + SIDE + 44, 46
"""The small bars below it: how many cases each class holds."""


def reliability_svg(curve: Mapping[str, Any], what: str) -> str:
    """Share that really changed against stored probability, with intervals and case counts.

    `curve` as in `evaluate.json`; `what` names the cases in Chinese. Equal figures, equal text.
    """
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="可靠性曲线（{what}）">',
        f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>',
        *_axes(),
        f'<line class="ideal" x1="{LEFT}" y1="{TOP + SIDE}" x2="{LEFT + SIDE}" y2="{TOP}"/>',
        *_curve(curve),
        *_bars(curve, what),
        "</svg>",
    ]
    return "".join(parts)


def _x(value: float) -> str:
    return f"{LEFT + SIDE * value:.1f}"


def _y(value: float) -> str:
    return f"{TOP + SIDE * (1 - value):.1f}"


def _axes() -> list[str]:
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = _x(tick), _y(tick)
        if 0 < tick < 1:
            parts.append(f'<line class="grid" x1="{x}" y1="{_y(0)}" x2="{x}" y2="{_y(1)}"/>')
            parts.append(f'<line class="grid" x1="{_x(0)}" y1="{y}" x2="{_x(1)}" y2="{y}"/>')
        label = f"{tick:.0%}"
        parts.append(f'<text x="{x}" y="{TOP + SIDE + 16}" class="tick mid">{label}</text>')
        parts.append(f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" class="tick end">{label}</text>')
    middle = TOP + SIDE / 2
    parts.append(
        f'<text x="14" y="{middle}" class="axis mid" transform="rotate(-90 14 {middle})">'
        "实际为变化的比例</text>"
    )
    return parts


def _curve(curve: Mapping[str, Any]) -> list[str]:
    known = [one for one in curve["bins"] if one["n"]]
    parts = []
    for one in known:
        low, high = one["interval"]
        x = _x(one["mean_probability"])
        parts.append(f'<line class="whisker" x1="{x}" y1="{_y(low)}" x2="{x}" y2="{_y(high)}"/>')
    points = " ".join(f"{_x(o['mean_probability'])},{_y(o['changed_share'])}" for o in known)
    parts.append(f'<polyline class="curve" points="{points}"/>')
    for one in known:
        x, y = _x(one["mean_probability"]), _y(one["changed_share"])
        tip = (
            f"概率 {one['mean_probability']:.3f}，实际 {one['changed_share']:.3f}，{one['n']:,} 个"
        )
        parts.append(f'<circle class="dot" cx="{x}" cy="{y}" r="3.6"><title>{tip}</title></circle>')
    return parts


def _bars(curve: Mapping[str, Any], what: str) -> list[str]:
    most = max(one["n"] for one in curve["bins"])
    parts = []
    for one in curve["bins"]:
        height = BARS_HEIGHT * one["n"] / most
        x, width = LEFT + SIDE * one["low"] + 1, SIDE * (one["high"] - one["low"]) - 2
        parts.append(
            f'<rect class="count" x="{x:.1f}" y="{BARS_TOP + BARS_HEIGHT - height:.1f}" '
            f'width="{width:.1f}" height="{height:.1f}"><title>{one["n"]:,} 个</title></rect>'
        )
    base = BARS_TOP + BARS_HEIGHT
    parts.append(f'<line class="base" x1="{LEFT}" y1="{base}" x2="{LEFT + SIDE}" y2="{base}"/>')
    parts.append(
        f'<text x="{LEFT + SIDE / 2}" y="{base + 18}" class="axis mid">'
        f"程序给出的概率（柱：各级的{what}数，最多 {most:,}）</text>"
    )
    return parts
