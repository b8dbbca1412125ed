"""What people built before the first image: villages, the county town, the industrial zone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from shapely import Point, Polygon

from .geography import County, Settlement, within
from .shapes import Points, Shape, rectangle, ribbon, rotation, tree

HOUSE_ROOFS = ("red_tile", "red_tile", "grey_tile", "grey_tile", "concrete", "blue_metal")
SHED_ROOFS = ("blue_metal", "white_metal", "grey_metal", "blue_metal", "grey_metal", "red_tile")


@dataclass(frozen=True, eq=False)
class Plot:
    """One lot of the industrial zone."""

    polygon: Polygon
    is_built: bool


def build_village(rng: np.random.Generator, place: Settlement) -> list[Shape]:
    """Rows of courtyards facing south, lanes between them, trees in the gaps."""
    turn, radius = rotation(place.angle), place.radius_m
    inside = place.polygon.buffer(-4)
    ground = [Shape(np.asarray(place.polygon.exterior.coords)[:-1], "yard")]
    houses: list[Shape] = []
    trees: list[Shape] = []
    for v in np.arange(-1.3 * radius, 1.3 * radius, 24.0):
        ends = place.centre + np.array([[-1.3 * radius, v + 11], [1.3 * radius, v + 11]]) @ turn
        lane = inside.intersection(Polygon(ribbon(ends, 3.2)))
        for part in getattr(lane, "geoms", [lane]):
            if part.area > 60:
                ground.append(Shape(np.asarray(part.exterior.coords)[:-1], "old_concrete"))
        for u in np.arange(-1.3 * radius, 1.3 * radius, 15.5):
            spot = place.centre + (np.array([u, v]) + rng.normal(0, 0.8, 2)) @ turn
            if not inside.contains(Point(spot)):
                continue
            if rng.random() < 0.80:
                houses += _courtyard(rng, spot, place.angle)
            else:
                trees += [tree(rng, p) for p in rng.normal(0, 5, (3, 2)) + spot]
            if rng.random() < 0.5:
                trees.append(tree(rng, spot + np.array([7.5, 5]) @ turn))
    rim = np.asarray(place.polygon.segmentize(9).exterior.coords)[:-1]
    kept = rim[rng.random(len(rim)) < 0.6]
    trees += [tree(rng, p) for p in kept + rng.normal(0, 3.0, kept.shape)]
    return [*ground, *houses, *trees]


def _courtyard(rng: np.random.Generator, spot: Points, angle: float) -> list[Shape]:
    turn = rotation(angle)
    width, depth = rng.uniform(10.5, 13.5), rng.uniform(7.5, 9.5)
    yard = rectangle(spot + np.array([0, 5.0]) @ turn, width, 6.0, angle)
    house = rectangle(spot - np.array([0, 2.5]) @ turn, width, depth, angle)
    material = str(rng.choice(["old_concrete", "yard", "concrete"]))
    return [
        Shape(yard, material),
        Shape(house, str(rng.choice(HOUSE_ROOFS)), float(rng.uniform(3.5, 9.0))),
    ]


def build_town(rng: np.random.Generator, county: County) -> list[Shape]:
    """Blocks between streets: slabs of flats, courtyards, markets, works, schools and parks."""
    shapes = [Shape(np.asarray(county.town.exterior.coords)[:-1], "town_ground")]
    bounds = county.town.bounds
    centre = np.array([bounds[0] + bounds[2], bounds[1] + bounds[3]]) / 2
    reach = max(bounds[2] - bounds[0], bounds[3] - bounds[1]) / 2
    turn = rotation(county.town_angle)
    scale = within(reach / 330, 0.62, 1.0)
    block = np.array([128.0, 104.0]) * scale
    inside = county.town.buffer(-5)
    cells = int(reach / block.min()) + 2
    for i in range(-cells, cells + 1):
        for j in range(-cells, cells + 1):
            at = centre + (np.array([i, j]) * block) @ turn
            street = rectangle(at, block[0] + 13, block[1] + 13, county.town_angle)
            lot = rectangle(at, block[0] - 13, block[1] - 13, county.town_angle)
            if inside.intersection(Polygon(lot)).area < 0.72 * Polygon(lot).area:
                continue
            shapes.append(Shape(street, "asphalt", tone=0.10))
            shapes.append(Shape(lot, "town_ground"))
            shapes += _town_block(rng, at, block - 16, county.town_angle)
    return shapes


def _town_block(rng: np.random.Generator, at: Points, size: Points, angle: float) -> list[Shape]:
    kind = rng.choice(["flats", "homes", "market", "works", "park", "school"],
                      p=[0.40, 0.22, 0.12, 0.10, 0.08, 0.08])  # fmt: skip
    turn = rotation(angle)
    made: list[Shape] = []
    if kind in ("flats", "homes"):
        pitch, depth, height = (29, 12.5, 17.0) if kind == "flats" else (17, 9.0, 7.0)
        length = 46.0 if kind == "flats" else 13.0
        for v in np.arange(-size[1] / 2 + depth, size[1] / 2 - depth / 2, pitch):
            for u in np.arange(-size[0] / 2 + length / 2, size[0] / 2 - length / 2 + 1, length + 5):
                spot = at + np.array([u, v]) @ turn
                roof = str(rng.choice(["grey_tile", "concrete", "old_concrete", "red_tile"]))
                outline = rectangle(spot, length - rng.uniform(0, 8), depth, angle)
                made.append(Shape(outline, roof, float(height * rng.uniform(0.8, 1.25))))
                if rng.random() < 0.8:
                    made.append(tree(rng, spot + np.array([rng.uniform(-15, 15), 10.0]) @ turn))
    elif kind in ("market", "works"):
        roof = str(rng.choice(SHED_ROOFS if kind == "works" else ("grey_metal", "white_metal")))
        made.append(Shape(rectangle(at, size[0] * 0.92, size[1] * 0.92, angle), "old_concrete"))
        for k in (-1, 1):
            spot = at + np.array([0, k * size[1] * 0.24]) @ turn
            outline = rectangle(spot, size[0] * rng.uniform(0.6, 0.85), size[1] * 0.36, angle)
            made.append(Shape(outline, roof, 9.0))
    elif kind == "school":
        made.append(Shape(rectangle(at, size[0] * 0.9, size[1] * 0.9, angle), "old_concrete"))
        field_at = at + np.array([size[0] * 0.18, 0]) @ turn
        track = Polygon(rectangle(field_at, size[0] * 0.22, size[1] * 0.5, angle)).buffer(12)
        made.append(Shape(np.asarray(track.exterior.coords)[:-1], "track"))
        turf = np.asarray(track.buffer(-7).exterior.coords)[:-1]
        made.append(Shape(turf, "turf"))
        wing = at - np.array([size[0] * 0.28, 0]) @ turn
        made.append(Shape(rectangle(wing, 13, size[1] * 0.7, angle), "concrete", 14.0))
    else:
        made.append(Shape(rectangle(at, *size, angle), "grass"))
        made += [tree(rng, at + (rng.uniform(-0.45, 0.45, 2) * size) @ turn) for _ in range(70)]
    return made


def build_zone(rng: np.random.Generator, county: County) -> tuple[list[Shape], list[Plot]]:
    """Lots between wide streets, six in ten of them built."""
    turn, angle = rotation(county.zone_angle), county.zone_angle
    centre = np.asarray(county.zone_ground.centroid.coords[0])
    size = np.array([0.19, 0.17]) * county.side_m
    counts = np.maximum(np.round(size / [150, 125]).astype(int), [2, 2])
    cell = size / counts
    street = within(0.1 * float(cell.min()), 6, 16)
    shapes = [Shape(np.asarray(county.zone_ground.exterior.coords)[:-1], "asphalt", tone=0.12)]
    plots: list[Plot] = []
    order = rng.permutation(counts[0] * counts[1])
    for rank, place in enumerate(order):
        i, j = divmod(int(place), int(counts[1]))
        at = centre + ((np.array([i, j]) + 0.5) * cell - size / 2) @ turn
        lot = cell - street
        polygon = Polygon(rectangle(at, *lot, angle))
        is_built = bool(rank < 0.55 * len(order))
        plots.append(Plot(polygon, is_built))
        if not is_built:
            ground = str(rng.choice(["grass", "dry_grass", "bare", "grass"]))
            shapes.append(Shape(np.asarray(polygon.exterior.coords)[:-1], ground))
            continue
        yard = "concrete" if rng.random() < 0.5 else "old_concrete"
        shapes.append(Shape(np.asarray(polygon.exterior.coords)[:-1], yard))
        shapes += _sheds(rng, at, lot, angle)
    return shapes, plots


def _sheds(rng: np.random.Generator, at: Points, lot: Points, angle: float) -> list[Shape]:
    turn = rotation(angle)
    roof = str(rng.choice(SHED_ROOFS))
    rows = int(rng.integers(1, 4))
    depth = 0.74 * lot[1] / rows
    length = lot[0] * rng.uniform(0.42, 0.62)
    made: list[Shape] = []
    for k in range(rows):
        v = (k + 0.5) * lot[1] * 0.86 / rows - lot[1] * 0.43
        spot = at + np.array([-lot[0] * 0.14, v]) @ turn
        for half in (-1, 1):
            side = spot + np.array([0, half * depth * 0.235]) @ turn
            outline = rectangle(side, length, depth * 0.47, angle)
            made.append(Shape(outline, roof, 8.5, tone=0.05 * half))
    office = at + np.array([lot[0] * 0.36, -lot[1] * 0.28]) @ turn
    made.append(Shape(rectangle(office, 12, lot[1] * 0.3, angle), "grey_tile", 11.0))
    green = at + np.array([lot[0] * 0.36, lot[1] * 0.34]) @ turn
    made.append(Shape(rectangle(green, lot[0] * 0.14, lot[1] * 0.16, angle), "grass"))
    return made


def tunnels(
    rng: np.random.Generator, ground: Polygon, angle: float, when: int, material: str
) -> list[Shape]:
    """Greenhouse tunnels side by side over a piece of ground."""
    x0, y0, x1, y1 = ground.bounds
    centre = np.array([x0 + x1, y0 + y1]) / 2
    reach = math.hypot(x1 - x0, y1 - y0) / 2
    turn = rotation(angle)
    made = []
    for v in np.arange(-reach, reach, 9.5):
        line = centre + np.array([[-reach, v], [reach, v]]) @ turn
        part = ground.buffer(-1.0).intersection(Polygon(ribbon(line, 7.4)))
        for piece in getattr(part, "geoms", [part]):
            if piece.area > 40:
                made.append(
                    Shape(
                        np.asarray(piece.exterior.coords)[:-1],
                        material,
                        2.4,
                        when,
                        float(rng.normal(0, 0.06)),
                    )
                )
    return made
