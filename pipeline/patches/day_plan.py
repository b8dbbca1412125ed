"""The order in which a township walks its patches: days of a few stops, each patch once.

Every day begins with the most urgent patch that is left (answer due first, then priority) and is
filled with those of the same urgency of date that cost the shortest detour, a higher priority
making up for some metres. Inside a day the order is geographical: a round trip from the seat,
shortened by exchanges. Distances are straight lines in the working CRS, metres: enough to order
stops, no promise of a road. The same stops in another order give the same plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""`(n, 2)`: east and north, metres."""

LATEST = "9999-12-31"
"""Stands for a date that is not known: after all others."""
GAIN_M = 1e-6
"""An exchange must shorten the trip by more than rounding does."""


@dataclass(frozen=True)
class Stop:
    """A patch to be visited."""

    patch_id: str
    x: float
    """Of a point inside it; metres in the working CRS, like `y`."""
    y: float
    priority: int
    due_date: str | None
    """ISO; None if no day was set."""

    @property
    def urgency(self) -> tuple[str, int, str]:
        """Sorts the most urgent first; no two stops are equal."""
        return self.due_date or LATEST, -self.priority, self.patch_id


@dataclass(frozen=True)
class Day:
    """One day's round trip."""

    stops: tuple[Stop, ...]
    """In walking order."""
    legs_m: tuple[float, ...]
    """Straight distance to each stop from the one before, the first from the seat."""
    home_m: float
    """From the last stop back to the seat."""

    @property
    def length_m(self) -> float:
        """The whole round trip."""
        return sum(self.legs_m) + self.home_m


def plan_days(
    stops: Sequence[Stop], seat: tuple[float, float], per_day: int, metres_per_point: float
) -> tuple[Day, ...]:
    """Every stop on exactly one day, at most `per_day` a day, only the last day not full."""
    if per_day < 1:
        raise ValueError("a day must have room for a stop")
    left = sorted(stops, key=lambda stop: stop.urgency)
    days = []
    while left:
        chosen = _choose(left, seat, per_day, metres_per_point)
        days.append(_walk([left[n] for n in chosen], seat))
        taken = set(chosen)
        left = [stop for n, stop in enumerate(left) if n not in taken]
    return tuple(days)


def _choose(
    left: Sequence[Stop], seat: tuple[float, float], per_day: int, metres_per_point: float
) -> list[int]:
    """Positions of one day's stops: the first of `left` and what lies best on the way.

    `left` is sorted by urgency; what is due later comes only once nothing is left that is due
    earlier.
    """
    points = np.array([(stop.x, stop.y) for stop in left])
    worth = metres_per_point * np.array([stop.priority for stop in left], np.float64)
    due = np.array([stop.due_date or LATEST for stop in left])
    tour, chosen = [np.array(seat), points[0], np.array(seat)], [0]
    is_free = np.ones(len(left), np.bool_)
    is_free[0] = False
    while len(chosen) < per_day and is_free.any():
        free = np.flatnonzero(is_free & (due == due[np.argmax(is_free)]))
        detours, places = _detours(points[free], np.array(tour))
        # `left` is sorted by urgency: of equal costs the first is the most urgent.
        best = int(np.argmin(detours - worth[free]))
        tour.insert(int(places[best]) + 1, points[free[best]])
        chosen.append(int(free[best]))
        is_free[free[best]] = False
    return chosen


def _detours(points: Points, tour: Points) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """How much longer a tour gets with each point at its best place, and after which stop."""
    away = np.hypot(*(points[:, None] - tour[None]).transpose(2, 0, 1))
    longer = away[:, :-1] + away[:, 1:] - np.hypot(*np.diff(tour, axis=0).T)
    places = longer.argmin(axis=1)
    return longer[np.arange(len(points)), places], places


def _walk(stops: Sequence[Stop], seat: tuple[float, float]) -> Day:
    """The stops as a short round trip, in the direction that meets the urgent ones earlier."""
    ranked = sorted(stops, key=lambda stop: stop.urgency)
    points = np.array([seat, *((stop.x, stop.y) for stop in ranked)])
    away = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    order = _shortened(_nearest_next(away), away)
    if _lateness(order[::-1]) < _lateness(order):
        order = order[::-1]
    path = [0, *order]
    legs = tuple(float(away[a, b]) for a, b in pairwise(path))
    return Day(tuple(ranked[n - 1] for n in order), legs, float(away[order[-1], 0]))


def _nearest_next(away: NDArray[np.float64]) -> list[int]:
    """From the seat (0) always to the nearest stop that is left."""
    order, left = [0], list(range(1, len(away)))
    while left:
        following = min(left, key=lambda n: (away[order[-1], n], n))
        order.append(following)
        left.remove(following)
    return order[1:]


def _shortened(order: list[int], away: NDArray[np.float64]) -> list[int]:
    """No turning round of a stretch and no moving of a stop makes the round trip shorter."""
    best, length = order, _length(order, away)
    while True:
        for candidate in _neighbours(best):
            found = _length(candidate, away)
            if found < length - GAIN_M:
                best, length = candidate, found
                break
        else:
            return best


def _neighbours(order: list[int]) -> list[list[int]]:
    """Every tour with one stretch turned round, then every one with one stop moved."""
    n = len(order)
    turned = [
        [*order[:a], *order[a:b][::-1], *order[b:]] for a in range(n) for b in range(a + 2, n + 1)
    ]
    moved = []
    for a in range(n):
        rest = [*order[:a], *order[a + 1 :]]
        moved += [[*rest[:b], order[a], *rest[b:]] for b in range(n) if b != a]
    return turned + moved


def _length(order: Sequence[int], away: NDArray[np.float64]) -> float:
    path = np.array([0, *order, 0])
    return float(away[path[:-1], path[1:]].sum())


def _lateness(order: Sequence[int]) -> tuple[int, ...]:
    """Stops are numbered by urgency: how late each comes, weighted so that the urgent count."""
    return (sum(place * (len(order) - rank) for place, rank in enumerate(order)), *order)
