"""Outlines of roofs and yards in metres, and where on the land they go."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import Polygon, box

from implanting.materials import KINDS

AREA_M2 = (400.0, 3000.0)
MAX_ASPECT = 3.0
L_SHARE = 0.35
APART_M = 40.0
TRIES = 20_000


@dataclass(frozen=True)
class Plan:
    """One implant before it is painted."""

    number: int
    kind: str
    material: str
    outline: Polygon
    """In the image's CRS."""
    angle_rad: float
    """Direction of the long side, counter-clockwise from east."""


def random_outline(rng: np.random.Generator) -> tuple[Polygon, float]:
    """A rectangle or an L of 400-3,000 m² around the origin, and the direction of its long side.

    The logarithm of the area is uniform: small buildings are more common than large ones.
    """
    area = math.exp(rng.uniform(math.log(AREA_M2[0]), math.log(AREA_M2[1])))
    aspect = rng.uniform(1.0, MAX_ASPECT)
    shape = box(-aspect / 2, -0.5, aspect / 2, 0.5)
    if rng.random() < L_SHARE:
        bite_x, bite_y = rng.uniform(0.35, 0.6) * aspect, rng.uniform(0.35, 0.55)
        shape = shape.difference(box(aspect / 2 - bite_x, 0.5 - bite_y, aspect, 1.0))
    scale = math.sqrt(area / shape.area)
    angle = rng.uniform(0.0, math.pi)
    shape = affinity.scale(shape, scale, scale, origin=(0, 0))
    return affinity.rotate(shape, angle, origin=(0, 0), use_radians=True), angle


def place(
    rng: np.random.Generator, count: int, allowed: np.ndarray, transform: object
) -> list[Plan]:
    """`count` plans on allowed pixels `(y, x)`, apart from each other; state of the land unasked.

    Stops with a message where the land has no room for them.
    """
    rows, cols = np.nonzero(allowed)
    plans: list[Plan] = []
    taken: list[Polygon] = []
    for _ in range(TRIES):
        if len(plans) == count:
            return plans
        shape, angle = random_outline(rng)
        k = int(rng.integers(len(rows)))
        x, y = transform * (cols[k] + rng.random(), rows[k] + rng.random())
        outline = affinity.translate(shape, x, y)
        if not _fits(outline, allowed, ~transform):
            continue
        if any(outline.distance(other) < APART_M for other in taken):
            continue
        kind = ("roof", "yard")[int(rng.integers(2))]
        names = list(KINDS[kind])
        material = names[int(rng.integers(len(names)))]
        plans.append(Plan(len(plans) + 1, kind, material, outline, angle))
        taken.append(outline)
    raise SystemExit(f"no room for {count} implants on the land of this image, only {len(plans)}")


def _fits(outline: Polygon, allowed: np.ndarray, to_pixel: object) -> bool:
    west, south, east, north = outline.bounds
    col0, row0 = to_pixel * (west, north)
    col1, row1 = to_pixel * (east, south)
    r0, r1 = math.floor(row0) - 1, math.ceil(row1) + 1
    c0, c1 = math.floor(col0) - 1, math.ceil(col1) + 1
    if r0 < 0 or c0 < 0 or r1 > allowed.shape[0] or c1 > allowed.shape[1]:
        return False
    return bool(allowed[r0:r1, c0:c1].all())


def swept(outline: Polygon, dx: float, dy: float) -> Polygon:
    """Everything the outline passes over when it is moved by (dx, dy): the cast shadow's ground."""
    parts = [outline]
    corners = np.asarray(outline.exterior.coords)
    for (x0, y0), (x1, y1) in pairwise(corners):
        side = Polygon([(x0, y0), (x1, y1), (x1 + dx, y1 + dy), (x0 + dx, y0 + dy)])
        if side.area > 0:
            parts.append(side.buffer(0))
    return shapely.union_all([*parts, affinity.translate(outline, dx, dy)])
