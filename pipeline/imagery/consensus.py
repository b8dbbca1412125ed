"""Which tie points agree with each other: with a common plane first, with their neighbours then.

A false lock differs from the points around it; a real local displacement is shared by them. So the
plane only removes what is far off, and the verdict falls among neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 6
TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, normal distribution."""
LEAST_LIMIT_PX = 0.3
"""Closer than this is never an outlier: the measurement itself is not better."""
MOST_FROM_PLANE_PX = 3.5
MOST_FROM_NEIGHBOURS_PX = 2.0
MAX_ROUNDS = 20


def agreeing(
    places: NDArray[np.float64], shifts: NDArray[np.float64], min_points: int
) -> NDArray[np.bool_]:
    """Which shifts `(n, 2)` at places `(n, 2)` agree; all in pixels, `(row, col)`."""
    keep = _near_plane(places, shifts, min_points)
    for _ in range(MAX_ROUNDS):
        if keep.sum() < min_points:
            break
        distance = _from_neighbours(places, shifts - _plane(places, shifts, keep), keep)
        again = keep & (distance <= _limit(distance[keep]))
        if (again == keep).all():
            break
        keep = again
    return keep


def _near_plane(
    places: NDArray[np.float64], shifts: NDArray[np.float64], min_points: int
) -> NDArray[np.bool_]:
    """Points not far from the plane through those that are kept; the start is their median."""
    keep = np.ones(len(shifts), bool)
    if len(shifts) < min_points:
        return keep
    trend: NDArray[np.float64] = np.broadcast_to(np.median(shifts, axis=0), shifts.shape)
    for _ in range(MAX_ROUNDS):
        distance = np.hypot(*(shifts - trend).T)
        again: NDArray[np.bool_] = distance <= MOST_FROM_PLANE_PX
        if again.sum() < min_points:
            return again
        trend = _plane(places, shifts, again)
        if (again == keep).all():
            break
        keep = again
    return keep


def _limit(distance: NDArray[np.float64]) -> float:
    spread = TO_SIGMA * float(np.median(distance))
    return min(max(LEAST_LIMIT_PX, 3 * spread), MOST_FROM_NEIGHBOURS_PX)


def _plane(
    places: NDArray[np.float64], shifts: NDArray[np.float64], keep: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The least squares plane through the kept shifts, at all places."""
    middle = places[keep].mean(axis=0)
    unit = max(float(np.abs(places - middle).max()), 1.0)
    basis = np.column_stack([np.ones(len(places)), (places - middle) / unit])
    return np.asarray(basis @ (np.linalg.pinv(basis[keep], rcond=1e-6) @ shifts[keep]))


def _from_neighbours(
    places: NDArray[np.float64], left: NDArray[np.float64], keep: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Distance of each shift from the median of its nearest kept neighbours, `(n,)`."""
    square = ((places[:, None, :] - places[None, keep, :]) ** 2).sum(axis=2)
    others = np.flatnonzero(keep)
    square[others, np.arange(len(others))] = np.inf  # nobody vouches for himself
    nearest = np.argsort(square, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(others) - 1)]
    if nearest.shape[1] == 0:
        return np.zeros(len(places))
    return np.asarray(np.hypot(*(left - np.median(left[others][nearest], axis=1)).T))
