"""Outlines in metres from the scene's upper left corner, x to the right and y down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

Points = NDArray[np.float64]

BEFORE, AFTER, BOTH = 1, 2, 3
"""On which date a shape stands: bits of `Shape.when`."""


@dataclass(frozen=True, eq=False, slots=True)
class Shape:
    """One thing on the ground, drawn over everything listed earlier."""

    outline_m: Points
    """`(vertex, xy)`."""
    material: str
    height_m: float = 0.0
    when: int = BOTH
    tone: float = 0.0
    """Added to the logarithm of the reflectance; the shape's own random tone comes on top."""


def outline(polygon: Polygon) -> Points:
    """The outer ring as an array."""
    return np.asarray(polygon.exterior.coords, float)[:-1]


def rotation(angle: float) -> Points:
    """Matrix that turns row vectors by `angle`, radians."""
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def rectangle(
    centre: Points | Sequence[float], length: float, width: float, angle: float
) -> Points:
    """Four corners, the length along `angle`."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * [length, width]
    return np.asarray(centre) + corners @ rotation(angle)


def curve(
    rng: np.random.Generator,
    start: Sequence[float] | Points,
    end: Sequence[float] | Points,
    sway_m: float,
) -> Points:
    """A winding line from one point to another."""
    t = np.linspace(0, 1, 90)[:, None]
    line = np.asarray(start, float) * (1 - t) + np.asarray(end, float) * t
    along = line[-1] - line[0]
    normal = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
    swings = sum(
        rng.uniform(0.4, 1) / k * np.sin(2 * math.pi * k * t + rng.uniform(0, 6.3))
        for k in (1, 2, 3)
    )
    return line + normal * swings * sway_m * np.sqrt(np.clip(np.sin(math.pi * t), 0, None))


def moved_sideways(line: Points, offset_m: float) -> Points:
    """The line shifted along its normals."""
    along = np.gradient(line, axis=0)
    normals = np.stack([-along[:, 1], along[:, 0]], 1)
    return line + normals / np.maximum(np.hypot(*normals.T), 1e-9)[:, None] * offset_m


def ribbon(line: Points, width_m: float) -> Points:
    """A line with a width, as an outline."""
    return np.concatenate(
        [moved_sideways(line, width_m / 2), moved_sideways(line, -width_m / 2)[::-1]]
    )


def blob(rng: np.random.Generator, centre: Points, radius_m: float, rough: float = 0.2) -> Points:
    """An irregular round outline."""
    t = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    wobble = 1 + sum(
        rng.uniform(0.2, 1) * rough / k**0.5 * np.sin(k * t + rng.uniform(0, 6.3))
        for k in (2, 3, 5, 9)
    )
    return np.asarray(centre) + np.stack([np.cos(t), np.sin(t)], 1) * (radius_m * wobble)[:, None]


CROWN = np.stack(
    [np.cos(np.arange(7) * 2 * math.pi / 7), np.sin(np.arange(7) * 2 * math.pi / 7)], 1
)


def tree(rng: np.random.Generator, spot: Points) -> Shape:
    """One crown."""
    return Shape(spot + CROWN * rng.uniform(1.6, 3.6), "tree", float(rng.uniform(3, 8)))


def tree_row(rng: np.random.Generator, line: Points, spacing_m: float) -> list[Shape]:
    """Trees beside a road or a bank, with gaps."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    distance = np.concatenate([[0], np.cumsum(steps)])
    stops = np.arange(0, distance[-1], spacing_m)
    spots = np.stack([np.interp(stops, distance, line[:, k]) for k in (0, 1)], 1)
    return [tree(rng, spot + rng.normal(0, 1.0, 2)) for spot in spots if rng.random() < 0.7]
