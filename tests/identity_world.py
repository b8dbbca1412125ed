"""A world of sites with known events over four periods, and how each period draws them.

Every period moves all outlines by its registration, jitters their edges, sees some sites in part
only, and adds noise that is no site at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

N_PERIODS = 4
SHIFT_M = 3.0
"""Of a period's registration, in any direction: two periods lie up to three pixels apart."""
JITTER_M = 1.0
PARTIAL_SHARE = 0.15
"""Of the steady sites seen in part only."""
SPACING_M = 240.0
COLUMNS = 20

Pieces = dict[str, BaseGeometry]


@dataclass
class Site:
    """One piece of land: its true outlines in every period, and what is to be said of them."""

    kind: str
    pieces: list[Pieces]
    """Name → outline, by period; empty where it does not show."""
    relations: list[str | None]
    """What each period is to say of its pieces; None where it is not asked."""
    settled: str | None = None
    """Signed after the first period: lawful or false_change."""
    skipped: frozenset[int] = frozenset()
    """Periods in which it must be set aside."""
    issued: dict[int, str] = field(default_factory=dict)
    """Period → id under which it was issued."""


@dataclass(frozen=True)
class Drawn:
    """One outline of a period."""

    outline: BaseGeometry
    site: int
    """-1 for noise."""
    piece: str
    is_partial: bool
    issued_id: str | None


def build_world(seed: int, n_sites: int = 300) -> list[Site]:
    """Sites on a lattice, every kind in turn."""
    rng = np.random.default_rng(seed)
    makers = tuple(_KINDS)
    sites = []
    for number in range(n_sites):
        kind = makers[number % len(makers)]
        x = (number % COLUMNS + 0.5) * SPACING_M
        y = (number // COLUMNS + 0.5) * SPACING_M
        made = _KINDS[kind](rng)
        moved = [
            {name: shapely.affinity.translate(shape, x, y) for name, shape in pieces.items()}
            for pieces in made.pieces
        ]
        made.pieces = moved
        made.issued = {period: f"XF{number:03d}{text}" for period, text in made.issued.items()}
        sites.append(made)
    return sites


def draw(sites: list[Site], period: int, seed: int) -> list[Drawn]:
    """What one period shows, in an order of its own."""
    rng = np.random.default_rng((seed, period))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    shift = SHIFT_M * np.array([np.cos(angle), np.sin(angle)])
    drawn = []
    for number, site in enumerate(sites):
        for name, shape in site.pieces[period].items():
            seen, is_partial = shape, False
            if site.kind == "steady" and period > 0 and rng.random() < PARTIAL_SHARE:
                seen, is_partial = _part_of(shape, rng), True
            drawn.append(
                Drawn(
                    _jittered(seen, shift, rng), number, name, is_partial, site.issued.get(period)
                )
            )
    for _ in range(len(sites)):
        column, row = rng.integers(0, COLUMNS), rng.integers(0, len(sites) // COLUMNS)
        x, y = column * SPACING_M + rng.uniform(-15, 15), row * SPACING_M + rng.uniform(-15, 15)
        blob = shapely.box(x, y, x + rng.uniform(14, 22), y + rng.uniform(14, 22))
        is_turn = (column + row) % N_PERIODS == period  # no two periods' noise in one place
        if is_turn and not any(one.piece == f"{column}_{row}" for one in drawn):
            drawn.append(Drawn(_jittered(blob, shift, rng), -1, f"{column}_{row}", False, None))
    order = rng.permutation(len(drawn))
    return [drawn[at] for at in order]


def _jittered(shape: BaseGeometry, shift: np.ndarray, rng: np.random.Generator) -> BaseGeometry:
    dense = shapely.segmentize(shape, 9.0)
    noise = lambda points: points + shift + np.clip(rng.normal(0, 0.5, points.shape), -1, 1)
    ring = noise(shapely.get_coordinates(dense)[:-1] * 1.0)
    return shapely.buffer(shapely.Polygon(ring), 0)


def _part_of(shape: BaseGeometry, rng: np.random.Generator) -> BaseGeometry:
    west, south, east, north = shape.bounds
    share = rng.uniform(0.45, 0.8)
    if rng.random() < 0.5:
        return shapely.box(west, south, west + share * (east - west), north)
    return shapely.box(west, north - share * (north - south), east, north)


def _box(width: float, height: float, x: float = 0.0, y: float = 0.0) -> BaseGeometry:
    return shapely.box(x, y, x + width, y + height)


def _sides(rng: np.random.Generator) -> tuple[float, float]:
    return rng.uniform(18, 60), rng.uniform(18, 60)


def _steady(rng: np.random.Generator) -> Site:
    shape = _box(*_sides(rng))
    return Site("steady", [{"a": shape}] * 4, [None, "continued", "continued", "continued"])


def _neighbours(rng: np.random.Generator) -> Site:
    """Two owners four metres apart; never the same land."""
    width, height = _sides(rng)
    pieces = {"a": _box(width, height), "b": _box(20.0, height, width + 4.0)}
    return Site("neighbours", [pieces] * 4, [None, "continued", "continued", "continued"])


def _grows(rng: np.random.Generator) -> Site:
    width, height = rng.uniform(25, 45), rng.uniform(25, 45)
    sizes = [1.0, 1.9, 1.9, 2.8]
    pieces: list[Pieces] = [{"a": _box(width * size, height)} for size in sizes]
    return Site("grows", pieces, [None, "grew", "continued", "grew"])


def _shrinks(rng: np.random.Generator) -> Site:
    width, height = rng.uniform(60, 90), rng.uniform(25, 45)
    sizes = [1.0, 0.4, 0.4, 0.4]
    pieces: list[Pieces] = [{"a": _box(width * size, height)} for size in sizes]
    return Site("shrinks", pieces, [None, "shrank", "continued", "continued"])


def _splits(rng: np.random.Generator) -> Site:
    height = rng.uniform(25, 45)
    two = {"a": _box(35.0, height), "b": _box(35.0, height, 60.0)}
    return Site(
        "splits",
        [{"ab": _box(95.0, height)}, two, two, two],
        [None, "split", "continued", "continued"],
    )


def _merges(rng: np.random.Generator) -> Site:
    height = rng.uniform(25, 45)
    two = {"a": _box(35.0, height), "b": _box(35.0, height, 60.0)}
    one = {"ab": _box(95.0, height)}
    return Site("merges", [two, two, one, one], [None, "continued", "merged", "continued"])


def _vanishes(rng: np.random.Generator) -> Site:
    shape = _box(*_sides(rng))
    return Site("vanishes", [{"a": shape}, {"a": shape}, {}, {}], [None, "continued", None, None])


def _returns(rng: np.random.Generator) -> Site:
    shape = _box(*_sides(rng))
    return Site(
        "returns",
        [{"a": shape}, {}, {"a": shape}, {"a": shape}],
        [None, None, "returned", "continued"],
    )


def _comes_late(rng: np.random.Generator) -> Site:
    first = int(rng.integers(1, 4))
    shape = _box(*_sides(rng))
    pieces: list[Pieces] = [{"a": shape} if period >= first else {} for period in range(4)]
    told = ["continued" if period > first else None for period in range(4)]
    return Site("comes late", pieces, told)


def _settled(rng: np.random.Generator) -> Site:
    """Lawful: seen again unchanged, then grown, then as it had grown."""
    width, height = rng.uniform(25, 45), rng.uniform(25, 45)
    sizes = [1.0, 1.0, 2.0, 2.0]
    pieces: list[Pieces] = [{"a": _box(width * size, height)} for size in sizes]
    return Site("settled", pieces, [None, None, "grew", "continued"], "lawful", frozenset({1}))


def _false_alarm(rng: np.random.Generator) -> Site:
    shape = _box(*_sides(rng))
    skipped = frozenset({1, 2, 3})
    return Site("false alarm", [{"a": shape}] * 4, [None] * 4, "false_change", skipped)


def _issued_again(rng: np.random.Generator) -> Site:
    """Found by us, issued from above later, issued once more under another number."""
    shape = _box(*_sides(rng))
    told = [None, "continued", "continued", "continued"]
    return Site("issued again", [{"a": shape}] * 4, told, issued={1: "A", 2: "B", 3: "B"})


def _settled_and_issued(rng: np.random.Generator) -> Site:
    """Issued patches are never set aside, whatever was signed before."""
    shape = _box(*_sides(rng))
    told = [None, "continued", None, None]
    return Site(
        "settled, issued", [{"a": shape}, {"a": shape}, {}, {}], told, "lawful", issued={1: "C"}
    )


_KINDS: dict[str, Callable[[np.random.Generator], Site]] = {
    "steady": _steady,
    "neighbours": _neighbours,
    "grows": _grows,
    "shrinks": _shrinks,
    "splits": _splits,
    "merges": _merges,
    "vanishes": _vanishes,
    "returns": _returns,
    "comes late": _comes_late,
    "steady again": _steady,
    "settled": _settled,
    "false alarm": _false_alarm,
    "issued again": _issued_again,
    "settled, issued": _settled_and_issued,
}
