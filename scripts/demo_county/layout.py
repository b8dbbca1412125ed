"""Lays the county out: townships, river, reservoir, hills, roads, seats, districts.

All lengths scale with the side of the scene between limits, so that one square kilometre is
as complete as a whole county.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import shapely
from shapely import LineString, MultiPoint, Point, Polygon
from shapely.ops import polygonize, unary_union

from .geography import (
    SEATS,
    VILLAGE_NAMES,
    ZONE,
    County,
    District,
    Road,
    Settlement,
    Township,
    Village,
    within,
)
from .shapes import Points, blob, curve, rectangle, rotation


def lay_out(seed: int, side_m: float) -> County:
    """The county of a seed and a size."""
    rng = np.random.default_rng([seed, 1])
    county = County(seed, side_m)
    _draw_townships(county, rng)
    _draw_waters(county, rng)
    _draw_hills(county, rng)
    _draw_towns(county, rng)
    _draw_villages(county, rng)
    _draw_main_roads(county, rng)
    _settle(county, rng)
    _dig_ponds(county, rng)
    _divide_farmland(county, rng)
    return county


def _draw_townships(county: County, rng: np.random.Generator) -> None:
    side = county.side_m
    sway = 0.018 * side
    lines = [
        curve(rng, (-0.02 * side, 0.485 * side), (1.02 * side, 0.475 * side), sway),
        curve(rng, (0.415 * side, -0.02 * side), (0.405 * side, 0.56 * side), sway),
        curve(rng, (0.765 * side, -0.02 * side), (0.775 * side, 0.56 * side), sway),
        curve(rng, (0.465 * side, 0.40 * side), (0.475 * side, 1.02 * side), sway),
    ]
    rings = unary_union([county.frame.exterior, *(LineString(line) for line in lines)])
    for seat in SEATS:
        point = Point(np.array(seat.at) * side)
        face = next(face for face in polygonize(rings) if face.contains(point))
        county.townships.append(Township(seat.code, seat.name, seat.kind, face))
    county.zone_angle = float(rng.uniform(-0.16, 0.16))
    ground = rectangle(np.array(ZONE.at) * side, 0.19 * side, 0.17 * side, county.zone_angle)
    county.zone_ground = Polygon(ground)
    belt = Polygon(rectangle(np.array(ZONE.at) * side, 0.27 * side, 0.25 * side, county.zone_angle))
    county.zone = Township(ZONE.code, ZONE.name, ZONE.kind, belt)


def _draw_waters(county: County, rng: np.random.Generator) -> None:
    side = county.side_m
    county.river_width_m = within(0.012 * side, 14, 120)
    bend = (0.735 * side, 0.50 * side)
    upper = curve(rng, (0.725 * side, -0.02 * side), bend, 0.022 * side)
    lower = curve(rng, bend, (0.90 * side, 1.03 * side), 0.0)
    lower = lower + np.array([-1.0, 0.35]) * (
        np.sin(np.linspace(0, math.pi, len(lower)))[:, None] * 0.19 * side
    )
    county.river = _smooth(np.concatenate([upper, lower[1:]]))
    centre = np.array([0.285, 0.175]) * side
    county.reservoir = Polygon(blob(rng, centre, 0.062 * side, 0.32)).buffer(0)
    county.reservoir_low = county.reservoir.buffer(-within(0.0065 * side, 10, 60))
    county.stream = curve(rng, centre + 0.04 * side, (0.728 * side, 0.44 * side), 0.02 * side)


def _smooth(line: Points) -> Points:
    kernel = np.hanning(17)
    kernel /= kernel.sum()
    padded = np.pad(line, ((8, 8), (0, 0)), mode="reflect", reflect_type="odd")
    return np.stack([np.convolve(padded[:, k], kernel, "valid") for k in (0, 1)], 1)


def _draw_hills(county: County, rng: np.random.Generator) -> None:
    side = county.side_m
    for x, y, radius in (
        (0.06, 0.07, 0.10), (0.17, 0.05, 0.08), (0.10, 0.21, 0.085), (0.37, 0.06, 0.075),
        (0.03, 0.33, 0.06), (0.40, 0.22, 0.04), (0.045, 0.60, 0.035),
    ):  # fmt: skip
        at = (np.array([x, y]) + rng.normal(0, 0.008, 2)) * side
        county.hills.append((at[0], at[1], radius * side, radius * side * 0.30))
        county.woods.append(Polygon(blob(rng, at, radius * side, 0.3)).buffer(0))
    place = np.array([0.105, 0.335]) * side
    county.quarry = Polygon(blob(rng, place, within(0.020 * side, 22, 160), 0.25)).buffer(0)
    county.quarry_right = county.quarry.buffer(within(0.022 * side, 36, 160))
    county.woods.append(county.quarry.buffer(within(0.040 * side, 64, 400)))
    for spot in rng.uniform(0.05, 0.95, (round(within((side / 1000) ** 2 * 1.2, 2, 300)), 2)):
        county.woods.append(Polygon(blob(rng, spot * side, rng.uniform(14, 42), 0.3)).buffer(0))


def _draw_towns(county: County, rng: np.random.Generator) -> None:
    side = county.side_m
    at = np.array(SEATS[0].at) * side
    county.town = Polygon(blob(rng, at, 0.088 * side, 0.10)).buffer(0)
    county.town_angle = float(rng.normal(0.08, 0.06))


def _draw_villages(county: County, rng: np.random.Generator) -> None:
    side = county.side_m
    names = iter(VILLAGE_NAMES)
    avoid = unary_union(
        [county.town, county.reservoir, LineString(county.river).buffer(0.03 * side)]
    )
    for township in county.townships:
        wanted = (6, 5, 7, 6, 5)[county.townships.index(township)] if side >= 2000 else 4
        seeds = [np.array(next(s.at for s in SEATS if s.code == township.code)) * side]
        apart = 0.12 * side
        while len(seeds) < wanted:
            spot = rng.uniform(0, side, 2)
            point = Point(spot)
            roomy = township.polygon.buffer(-0.035 * side)
            if roomy.contains(point) and not avoid.contains(point):
                if all(np.hypot(*(spot - other)) > apart for other in seeds):
                    seeds.append(spot)
                else:
                    apart *= 0.985
        cells = shapely.voronoi_polygons(MultiPoint(seeds), extend_to=county.frame)
        for number, seed in enumerate(seeds, start=1):
            cell = next(c for c in cells.geoms if c.contains(Point(seed)))
            polygon = cell.intersection(township.polygon)
            code = f"{township.code}{200 + number}"
            county.villages.append(Village(code, next(names), township.code, polygon, seed))
    edge = next(t.polygon for t in county.townships if t.code == county.moved_to)
    county.moved = max(
        (v for v in county.villages if v.township_code == "379999101"),
        key=lambda v: v.polygon.intersection(edge.buffer(1)).area,
    )


def _draw_main_roads(county: County, rng: np.random.Generator) -> None:
    side = county.side_m
    seats = {seat.code: np.array(seat.at) * side for seat in (*SEATS, ZONE)}
    wide = within(side / 4096, 0.6, 1.0)
    town = seats["379999100"]
    west, south = np.array([0.43 * side, 0.565 * side]), np.array([0.60 * side, 0.545 * side])

    def road(name: str, kind: str, stops: list[Points | list[float]], width: float) -> None:
        parts = [curve(rng, a, b, 0.008 * side) for a, b in pairwise(stops)]
        line = np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
        county.roads.append(Road(name, kind, _smooth(line), width * wide))

    edge_w, edge_e = [-0.02 * side, 0.60 * side], [1.02 * side, 0.545 * side]
    road("G999", "国道", [edge_w, west, south, edge_e], 22)
    road("S888", "省道", [[0.565 * side, -0.02 * side], town, south, seats["379999102"],
                        [0.62 * side, 1.02 * side]], 13)  # fmt: skip
    road("X001", "县道", [town, [0.42 * side, 0.33 * side], seats["379999200"]], 8)
    road("X002", "县道", [seats["379999200"], [0.22 * side, 0.58 * side], seats["379999101"],
                        [0.20 * side, 1.02 * side]], 8)  # fmt: skip
    road("X003", "县道", [town, [0.74 * side, 0.24 * side], seats["379999001"],
                        [1.02 * side, 0.20 * side]], 9)  # fmt: skip
    gates = [
        seats["379999400"] + np.array([0.0, sign * 0.086 * side]) @ rotation(county.zone_angle)
        for sign in (1, -1)
    ]
    road("X004", "县道", [seats["379999102"], [0.77 * side, 0.80 * side], gates[0]], 9)
    road("X006", "县道", [gates[1], [0.825 * side, 0.55 * side]], 9)
    road("X005", "县道", [seats["379999101"], seats["379999102"]], 8)


def _settle(county: County, rng: np.random.Generator) -> None:
    side = county.side_m
    wet = unary_union(
        [
            LineString(county.river).buffer(county.river_width_m / 2 + 45),
            county.reservoir.buffer(60),
            county.quarry_right.buffer(60),
            county.town.buffer(110),
            county.zone_ground.buffer(70),
        ]
    )
    seats = {tuple(np.array(s.at) * side) for s in SEATS[1:]}
    wanted = [(v.seed, tuple(v.seed) in seats) for v in county.villages]
    extra = rng.uniform(0.03 * side, 0.97 * side, (round(1.6 * (side / 1000) ** 2), 2))
    wanted += [(spot, False) for spot in extra]
    size = within(side / 4096, 0.30, 1.0)
    main = [LineString(r.line).buffer(r.width_m / 2 + 10) for r in county.roads[:2]]
    for spot, is_seat in wanted:
        radius = rng.uniform(62, 118) * size * (1.55 if is_seat else 1.0)
        polygon = Polygon(blob(rng, spot, radius, 0.22)).buffer(0)
        is_clear = not polygon.intersects(wet) and not any(
            polygon.intersects(m) for m in main if not is_seat
        )
        is_apart = all(
            np.hypot(*(spot - other.centre)) > 1.25 * (radius + other.radius_m) + 90 * size
            for other in county.settlements
        )
        if is_clear and is_apart and county.frame.buffer(-radius * 0.4).contains(Point(spot)):
            angle = float(rng.normal(0.08, 0.12))
            county.settlements.append(Settlement(np.asarray(spot), radius, angle, polygon))
    trunk = [r.line for r in county.roads]
    for number, place in enumerate(county.settlements, start=1):
        points = np.concatenate(trunk)
        nearest = points[np.argmin(np.hypot(*(points - place.centre).T))]
        line = curve(rng, place.centre, nearest, 12 * size)
        county.roads.append(Road(f"Y{number:03d}", "农村道路", line, 4.5))


def _dig_ponds(county: County, rng: np.random.Generator) -> None:
    taken = unary_union(
        [
            *(s.polygon.buffer(6) for s in county.settlements),
            *(LineString(r.line).buffer(r.width_m / 2 + 8) for r in county.roads),
            LineString(county.river).buffer(county.river_width_m / 2 + 25),
            county.town, county.zone_ground, county.reservoir, county.quarry_right,
        ]
    )  # fmt: skip
    for spot in rng.uniform(0.03, 0.97, (round(2.6 * (county.side_m / 1000) ** 2), 2)):
        angle = rng.normal(0.15, 0.2)
        for k in range(int(rng.choice([1, 1, 1, 4]))):
            length, width = rng.uniform(28, 60), rng.uniform(20, 32)
            at = spot * county.side_m + np.array([0, 36.0 * k]) * [math.sin(angle), math.cos(angle)]
            pond = Polygon(rectangle(at, length, width, -angle)).buffer(-4).buffer(4)
            if not pond.intersects(taken) and county.frame.contains(pond):
                county.ponds.append(pond)


def _divide_farmland(county: County, rng: np.random.Generator) -> None:
    side = county.side_m
    spacing = within(side / 6, 260, 560)
    count = math.ceil(side / spacing)
    lattice = np.stack(np.meshgrid(np.arange(-1, count + 1), np.arange(-1, count + 1)), -1)
    seeds = ((lattice + 0.5) + rng.uniform(-0.33, 0.33, lattice.shape)).reshape(-1, 2) * spacing
    cells = shapely.voronoi_polygons(MultiPoint(seeds)).geoms
    points = shapely.STRtree([Point(s) for s in seeds])
    cell_by_seed = {int(points.query(c, predicate="contains")[0]): c for c in cells}
    scale = within(side / 4096, 0.72, 1.0)
    for number in sorted(cell_by_seed):
        seed = seeds[number]
        polygon = cell_by_seed[number].intersection(county.frame.buffer(120, join_style="mitre"))
        angle = float(rng.normal(0.16, 0.10) + rng.choice([0, math.pi / 2], p=[0.68, 0.32]))
        cell = (rng.uniform(170, 300) * scale, rng.uniform(130, 210) * scale)
        is_upland = seed[0] < 0.46 * side and seed[1] < 0.44 * side
        kinds = ("grain", "vegetable", "orchard", "grass")
        shares = (0.34, 0.12, 0.34, 0.20) if is_upland else (0.72, 0.18, 0.06, 0.04)
        kind = str(rng.choice(kinds, p=shares))
        if polygon.area > 1:
            county.districts.append(District(number, polygon, seed, angle, cell, kind))
    for place, kind in (
        ((0.33, 0.64), "grass"),
        ((0.55, 0.70), "orchard"),
        ((0.30, 0.92), "grass"),
    ):
        gaps = [float(np.hypot(*(d.seed - np.array(place) * side))) for d in county.districts]
        nearest = int(np.argmin(gaps))
        county.districts[nearest] = replace(county.districts[nearest], kind=kind)
