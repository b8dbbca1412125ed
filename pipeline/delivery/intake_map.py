"""The overview map of the intake page: townships, image outline, places of findings, as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import shapely

from pipeline.delivery.intake_facts import Overview, Ring
from pipeline.delivery.scale_bar import bar_length_m, length_zh
from pipeline.schema.problems import Place, Problem

WIDTH_PX = 760.0
MAX_HEIGHT_PX = 520.0
MARGIN_PX = 18.0
MAX_DOTS = 400
"""Dots drawn of each severity; the table has them all."""
SHORTEST_BAR_M = 10


@dataclass(frozen=True)
class _View:
    """Map coordinates → pixels of the drawing."""

    left: float
    top: float
    scale: float
    """Pixels per metre."""
    width: float
    height: float

    def at(self, place: Place) -> tuple[float, float]:
        """Pixel position of a place."""
        x = MARGIN_PX + (place[0] - self.left) * self.scale
        return x, MARGIN_PX + (self.top - place[1]) * self.scale

    def shows(self, place: Place) -> bool:
        """Whether a place lies on the drawing."""
        x, y = self.at(place)
        return 0 <= x <= self.width and 0 <= y <= self.height


def draw_map(overview: Overview, problems: Sequence[Problem]) -> str:
    """An SVG drawing, sized by itself, without script or reference to anything outside."""
    view = _view(overview)
    parts = [
        f'<svg viewBox="0 0 {view.width:.0f} {view.height:.0f}" role="img" '
        'aria-label="位置图" xmlns="http://www.w3.org/2000/svg">',
        f'<path class="frame" d="{_path([overview.footprint], view)}"/>',
    ]
    for name, rings in sorted(overview.outlines.items()):
        title = f"<title>{escape(name)}</title>"
        parts.append(f'<path class="town" d="{_path(rings, view)}">{title}</path>')
    parts += [*_areas(problems, view), *_dots(problems, view)]
    for name, place in sorted(overview.labels.items()):
        x, y = view.at(place)
        parts.append(f'<text class="name" x="{x:.1f}" y="{y:.1f}">{escape(name)}</text>')
    parts += _scale_bar(view)
    return "\n".join([*parts, "</svg>"])


def count_off_map(overview: Overview, problems: Iterable[Problem]) -> int:
    """Findings with a place that the drawing does not reach."""
    view = _view(overview)
    return sum(1 for p in problems if p.place is not None and not view.shows(p.place))


def _view(overview: Overview) -> _View:
    places = [place for rings in overview.outlines.values() for ring in rings for place in ring]
    places += list(overview.footprint)
    xs, ys = [x for x, _ in places], [y for _, y in places]
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    room = WIDTH_PX - 2 * MARGIN_PX, MAX_HEIGHT_PX - 2 * MARGIN_PX
    scale = min(room[0] / max(width, 1e-9), room[1] / max(height, 1e-9))
    return _View(
        min(xs), max(ys), scale, width * scale + 2 * MARGIN_PX, height * scale + 2 * MARGIN_PX
    )


def _path(rings: Iterable[Ring], view: _View) -> str:
    texts = []
    for ring in rings:
        points = [f"{x:.1f},{y:.1f}" for x, y in map(view.at, ring)]
        texts.append(f"M{'L'.join(points)}Z")
    return " ".join(texts)


def _areas(problems: Sequence[Problem], view: _View) -> list[str]:
    """Land that findings concern, under the dots; the largest first, so that none is hidden."""
    found = [(n, p, p.area) for n, p in enumerate(problems, start=1) if p.area is not None]
    found.sort(key=lambda item: -item[2].area)
    parts = []
    for number, problem, area in found:
        css = "area block" if problem.is_blocking else "area"
        title = escape(f"{number} {problem.subject_zh}：{problem.what} {problem.value}")
        rings = [
            [(float(x), float(y)) for x, y in ring.coords]
            for part in shapely.get_parts(area)
            if part.geom_type == "Polygon"
            for ring in (part.exterior, *part.interiors)
        ]
        parts.append(
            f'<path class="{css}" fill-rule="evenodd" d="{_path(rings, view)}">'
            f"<title>{title}</title></path>"
        )
    for number, problem, _ in found:
        if problem.place is not None and view.shows(problem.place):
            x, y = view.at(problem.place)
            parts.append(f'<text class="no" x="{x + 6:.1f}" y="{y - 5:.1f}">{number}</text>')
    return parts


def _dots(problems: Sequence[Problem], view: _View) -> list[str]:
    """Notices below, blocking findings above."""
    parts = []
    for is_blocking, css, radius in ((False, "note", 3.2), (True, "block", 4.6)):
        shown = [
            (number, p)
            for number, p in enumerate(problems, start=1)
            if p.place is not None and p.is_blocking is is_blocking and view.shows(p.place)
        ]
        for number, problem in shown[:MAX_DOTS]:
            assert problem.place is not None  # chosen above
            x, y = view.at(problem.place)
            title = escape(f"{number} {problem.subject_zh}：{problem.what} {problem.value}")
            parts.append(
                f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
                f"<title>{title}</title></circle>"
            )
    return parts


def _scale_bar(view: _View) -> list[str]:
    metres = bar_length_m(lambda m: m * view.scale <= 0.25 * view.width, SHORTEST_BAR_M)
    x, y = MARGIN_PX + 8, view.height - MARGIN_PX - 10
    end = x + metres * view.scale
    label = length_zh(metres)
    return [
        f'<path class="bar" d="M{x:.1f},{y - 5:.1f}V{y:.1f}H{end:.1f}V{y - 5:.1f}"/>',
        f'<text class="scale" x="{(x + end) / 2:.1f}" y="{y - 8:.1f}">{label}</text>',
    ]
