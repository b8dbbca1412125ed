"""What looks changed between the two images and is no construction: the pseudo-changes.

Everything here is flat or stands where something already stood, keeps clear of every planted
change, and is drawn over the scenery and the plants, so that all else stays as it is without it.
`truth.gpkg`, layer `nuisances`, has an outline per thing; `code` is the filter's code.

============  ==================================================================  ==========
code          what is planted                                                     where
============  ==================================================================  ==========
crop_cycle    a third of the fields bears something else in October               `materials`
mulch_film    film on 5 % of the fields in May, on other 3 % in October           `materials`
ploughing     fields ploughed, wet or dry, after or before a crop                 `materials`
drying_yard   grain on threshing floors (concrete or trodden soil) that stood     here
              before, on stretches of farm roads; floors swept or weathered
greenhouse    standing tunnels: new film, film in part new, film off, film on     here
shadow        houses, trees, tunnels; sun 22° in May, 46° from zenith in October  `painting`
haze          thin clouds (6-16 % opaque) that no supplied mask shows             `sensor`
water_level   the filled reservoir, dried and cleared ponds; ponds half drained,  here,
              the river's bank falling dry                                        `scenery`
shift         1.4-2.4 px, locally 0.4-0.7 px r.m.s. more                          `sensor`
cloud_edge    soft rims that the supplied mask leaves out on a fifth of the way   `sensor`
============  ==================================================================  ==========
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union
from shapely.prepared import prep

from .geography import County
from .plane import polygons_in
from .plants import Plant
from .scenery import Scenery, upper_ground
from .sensor import Sensor
from .shapes import (
    AFTER,
    BEFORE,
    BOTH,
    Points,
    Shape,
    moved_sideways,
    outline,
    rectangle,
    ribbon,
    rotation,
)

CLEAR_OF_PLANTS_M = 24.0
GREENHOUSE_HEIGHT_M = 2.4
GRAINS = ("maize", "maize", "rice", "straw")


@dataclass(frozen=True, eq=False)
class Nuisance:
    """One pseudo-change."""

    code: str
    text: str
    footprint: Polygon
    shapes: list[Shape]
    """None for what is in the air."""


def place_nuisances(
    county: County, scenery: Scenery, plants: list[Plant], sensors: tuple[Sensor, Sensor]
) -> list[Nuisance]:
    """Every pseudo-change that has a place of its own."""
    rng = np.random.default_rng([county.seed, 20])
    planted = unary_union([p.footprint for p in plants]).buffer(CLEAR_OF_PLANTS_M)
    free = prep(county.frame.buffer(-30).difference(planted))
    made = [
        *_drying_floors(rng, county, unary_union([upper_ground(county), *scenery.greenhouses])),
        *_grain_on_roads(rng, county),
        *_films(rng, scenery),
        *_drained_ponds(rng, county),
        *_bare_banks(rng, county),
    ]
    return [n for n in made if free.contains(n.footprint)] + list(_air(sensors))


def _drying_floors(
    rng: np.random.Generator, county: County, taken: BaseGeometry
) -> Iterator[Nuisance]:
    """Threshing floors at the villages' edges, and a few out in the fields."""
    spots: list[tuple[Points, float]] = []
    for place in county.settlements:
        for turn in rng.uniform(0, 2 * math.pi, 2):
            away = place.radius_m * rng.uniform(1.15, 1.5) + 22
            at = place.centre + away * np.array([math.cos(turn), math.sin(turn)])
            spots.append((at, place.angle))
    for at in rng.uniform(0.04, 0.96, (round(0.6 * (county.side_m / 1000) ** 2), 2)):
        spots.append((at * county.side_m, float(rng.normal(0.1, 0.2))))
    blocked, used = prep(taken.buffer(5)), []
    for at, angle in spots:
        length, width = rng.uniform(22, 46), rng.uniform(14, 26)
        floor = Polygon(rectangle(at, length, width, angle))
        is_clear = not blocked.intersects(floor) and all(floor.distance(f) > 40 for f in used)
        shapes, text = _floor(rng, (at, length, width, angle))
        if is_clear and rng.random() < 0.6:
            used.append(floor)
            yield Nuisance("drying_yard", text, floor, shapes)


def _floor(
    rng: np.random.Generator, place: tuple[Points, float, float, float]
) -> tuple[list[Shape], str]:
    at, length, width, angle = place
    whole = rectangle(at, length, width, angle)
    ground = str(rng.choice(["old_concrete", "concrete", "packed_soil"], p=[0.4, 0.3, 0.3]))
    shapes = [Shape(whole, ground, when=BOTH)]
    if rng.random() < 0.3:
        tone = float(rng.choice([-1, 1]) * rng.uniform(0.18, 0.4))
        return [*shapes, Shape(whole, ground, 0.0, AFTER, tone)], "existing yard, other brightness"
    grain = str(rng.choice(GRAINS))
    share = rng.uniform(0.55, 0.92, 2)
    shift = rng.uniform(-0.04, 0.04, 2) * [length, width]
    spread = rectangle(at + shift @ rotation(angle), length * share[0], width * share[1], angle)
    return [*shapes, Shape(spread, grain, 0.0, AFTER)], f"{grain} spread on {ground}"


def _grain_on_roads(rng: np.random.Generator, county: County) -> Iterator[Nuisance]:
    """Half the width of a farm road under grain, for some tens of metres."""
    for road in county.roads:
        if road.road_class != "农村道路" or rng.random() < 0.65:
            continue
        line = LineString(road.line)
        first = rng.uniform(0.25, 0.7) * line.length
        piece = shapely.ops.substring(line, first, first + rng.uniform(30, 80))
        beside = moved_sideways(np.asarray(piece.coords), float(rng.choice([-1.0, 1.0])))
        strip = ribbon(beside, 2.4)
        grain = str(rng.choice(GRAINS[:3]))
        footprint = Polygon(strip).buffer(0)
        if footprint.geom_type == "Polygon":
            yield Nuisance(
                "drying_yard", f"{grain} on a road", footprint, [Shape(strip, grain, 0.0, AFTER)]
            )


def _films(rng: np.random.Generator, scenery: Scenery) -> Iterator[Nuisance]:
    """The film of standing tunnels between the dates, farm by farm."""
    tunnels = [s for s in scenery.shapes if s.material == "greenhouse" and s.when == BOTH]
    for farm in scenery.greenhouses:
        own = [s for s in tunnels if farm.contains(Point(s.outline_m.mean(0)))]
        what = str(rng.choice(["same", "new", "part", "off", "on"], p=[0.4, 0.2, 0.15, 0.18, 0.07]))
        share = {"same": 0.0, "part": 0.4}.get(what, 1.0)
        shapes = [_film(rng, s, what) for s in own if rng.random() < share]
        if shapes:
            yield Nuisance("greenhouse", f"film {what}", farm, shapes)


def _film(rng: np.random.Generator, tunnel: Shape, what: str) -> Shape:
    if what in ("new", "part"):
        tone = float(rng.uniform(0.15, 0.35))
        return Shape(tunnel.outline_m, "greenhouse", GREENHOUSE_HEIGHT_M, AFTER, tone)
    under = str(rng.choice(["vegetables", "seedlings", "bare"]))
    when = AFTER if what == "off" else BEFORE
    return Shape(tunnel.outline_m, under, GREENHOUSE_HEIGHT_M, when)


def _drained_ponds(rng: np.random.Generator, county: County) -> Iterator[Nuisance]:
    for pond in county.ponds:
        left = pond.buffer(-rng.uniform(3.5, 8.0))
        if rng.random() < 0.15 and left.geom_type == "Polygon" and left.area > 60:
            shapes = [
                Shape(outline(pond), "mud", 0.0, AFTER), Shape(outline(left), "water", 0.0, AFTER)
            ]  # fmt: skip
            yield Nuisance("water_level", "pond half drained", pond, shapes)


def _bare_banks(rng: np.random.Generator, county: County) -> Iterator[Nuisance]:
    """The river's edge on one side, some hundred metres at a time, clear of bridges."""
    width = county.river_width_m
    bridges = unary_union([LineString(r.line).buffer(r.width_m / 2 + 8) for r in county.roads])
    steps = max(6, round(len(county.river) / 6))
    for first in range(4, len(county.river) - steps, steps):
        if rng.random() < 0.6:
            continue
        side = float(rng.choice([-1.0, 1.0]))
        piece = moved_sideways(county.river[first : first + steps - 2], side * 0.42 * width)
        strip = Polygon(ribbon(piece, 0.16 * width)).buffer(0).difference(bridges)
        material = str(rng.choice(["mud", "sandbar"]))
        for part in polygons_in(strip):
            if part.area > 100:
                shape = Shape(outline(part), material, 0.0, AFTER)
                yield Nuisance("water_level", "bank fallen dry", part, [shape])


def _air(sensors: tuple[Sensor, Sensor]) -> Iterator[Nuisance]:
    for sensor in sensors:
        for veil in sensor.veils:
            disc = Point(veil.x, veil.y).buffer(1.3 * veil.radius_m)
            yield Nuisance("haze", "thin cloud", disc, [])
        for cloud in sensor.clouds:
            ring = Point(cloud.x, cloud.y).buffer(1.45 * cloud.radius_m)
            rim = ring.difference(Point(cloud.x, cloud.y).buffer(0.55 * cloud.radius_m))
            yield Nuisance("cloud_edge", "soft rim", rim, [])
