"""Finding a place for every planted change where its case's geography really holds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union
from shapely.prepared import prep

from .cases import CASE_BY_ID, CASES, CONSTRUCTIONS_PER_KM2, POPULATION, Case
from .designs import Lot
from .geography import County, within
from .scenery import Scenery
from .sensor import Sensor, unseen_area, wedge
from .shapes import rotation

MARGIN_M = 9.0
"""Least distance of a plant to boundaries its case is not about."""
SMALL_SIDE_M = 1800.0
"""Below this, everything stands closer together."""
FAINT_TURNS = (1, 5)
"""Of every eight plants, those built to look like what was there."""
OPEN_CODES = ("0404", "1206", "0201")
CONSTRUCTION_CODES = ("0601", "0701", "0702")
EXACT_M2_PER_MU = 2000.0 / 3.0


@dataclass(frozen=True, eq=False)
class Site:
    """A place given to a case."""

    case: Case
    lot: Lot
    footprint: Polygon
    is_faint: bool


@dataclass(eq=False)
class Ground:
    """The regions that cases refer to, and which pieces became permanent basic farmland."""

    county: County
    scenery: Scenery
    sensors: tuple[Sensor, Sensor]
    urban: BaseGeometry = field(default_factory=Polygon)
    pbf: dict[int, bool] = field(default_factory=dict)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        county = self.county
        side = county.side_m
        belt = county.zone.polygon
        ring = within(0.03 * side, 60, 160)
        self.urban = unary_union([county.town.buffer(ring), county.zone_ground.buffer(12)])
        self.land = self.scenery.land
        self.tree = shapely.STRtree([p.polygon for p in self.land])
        self.weights = {
            k: self._weights(k)
            for k in ("cultivated", "open", "any", "lane", "wood", "construction")
        }
        lines = [t.polygon.boundary for t in county.townships] + [belt.boundary]
        lines.append(county.moved.polygon.boundary)
        self.near_lines = prep(unary_union(lines).buffer(MARGIN_M))
        homes = unary_union([s.polygon for s in county.settlements])
        wild = unary_union(reserve_woods(county))
        cover = unary_union([unseen_area(s) for s in self.sensors])
        corner = wedge(self.sensors[1], side).buffer(24)
        self.inner = prep(county.frame.buffer(-30))
        self.hidden = prep(unary_union([cover, corner]))
        self.not_rural = prep(
            unary_union([self.urban.buffer(14), belt.buffer(14), homes.buffer(46)])
        )
        self.belt, self.wild = prep(belt.buffer(-MARGIN_M)), prep(wild)
        self.homes_near, self.homes_by = prep(homes.buffer(9)), prep(homes.buffer(30))
        self.homes_wide = prep(homes.buffer(50))
        self.urban_near = prep(self.urban.buffer(30))
        self.belt_near = prep(belt.buffer(MARGIN_M))
        self.urban_in = prep(self.urban.buffer(-MARGIN_M))
        self.moved_in = prep(county.moved.polygon.buffer(-MARGIN_M))
        self.moved_near = prep(county.moved.polygon.buffer(MARGIN_M))
        self.right_in = prep(county.quarry_right.buffer(-5))
        self.right_near = prep(county.quarry_right.buffer(18))
        self.township_lines = _township_lines(county)
        cloud = self.sensors[1].clouds[0]
        self.cloud_core = prep(Point(cloud.x, cloud.y).buffer(0.58 * cloud.radius_m))
        self.corner = prep(wedge(self.sensors[1], side).buffer(-12))

    def _weights(self, land: str) -> tuple[np.ndarray, np.ndarray]:
        own = np.array([k for k, p in enumerate(self.land) if _suits(land, p.code)], int)
        area = np.array([self.land[k].polygon.area for k in own])
        return own, area / max(area.sum(), 1e-9)

    def region_holds(self, region: str, place: Polygon) -> bool:
        """Whether a footprint lies where the case wants it, with margins."""
        if not self.inner.contains(place) or self.wild.intersects(place):
            return False
        if region == "cloud":
            return self.cloud_core.contains(place) and not self.moved_near.intersects(place)
        if region == "nodata":
            return self.corner.contains(place)
        if self.hidden.intersects(place):
            return False
        if region == "border":
            if _largest_share(place, self.county) > 0.75:
                return False
            return not self.not_rural.intersects(place) and not self.moved_near.intersects(place)
        if self.near_lines.intersects(place):
            return False
        if region == "moved":
            return self.moved_in.contains(place) and not self.not_rural.intersects(place)
        if self.moved_near.intersects(place):
            return False
        checks = {
            "rural": lambda: not self.not_rural.intersects(place),
            "lane": lambda: not self.urban_near.intersects(place)
            and not self.belt_near.intersects(place) and not self.homes_near.intersects(place),
            "urban": lambda: self.urban_in.contains(place) and not self.belt_near.intersects(place)
            and not self.homes_wide.intersects(place),
            "zone": lambda: self.urban_in.contains(place) and self.belt.contains(place),
            "village": lambda: self.homes_by.intersects(place)
            and not self.homes_near.intersects(place)
            and not self.urban_near.intersects(place) and not self.belt_near.intersects(place),
            "right": lambda: self.right_in.contains(place),
            "ridge": lambda: not self.right_near.intersects(place)
            and not self.not_rural.intersects(place),
            "anywhere": lambda: True,
        }  # fmt: skip
        return bool(checks[region]())

    def land_holds(self, case: Case, place: Polygon) -> bool:
        """Whether all land about is of the right class, and farmland protection can be as needed.

        Settles the protection of the pieces it touches.
        """
        margin = 3.0 if case.region in ("zone", "anywhere", "right") else MARGIN_M
        if case.design in ("road", "sliver"):
            margin = 4.0
        touched = self.tree.query(place.buffer(margin), predicate="intersects")
        if not all(_suits(case.land, self.land[int(k)].code) for k in touched):
            return False
        farm = [int(k) for k in touched if self.land[int(k)].code.startswith("01")]
        if any(self.pbf.get(k, case.on_pbf) != case.on_pbf for k in farm):
            return False
        self.pbf.update(dict.fromkeys(farm, case.on_pbf))
        return True

    def is_apart(self, place: Polygon) -> bool:
        """Whether no other plant is near."""
        x0, y0, x1, y1 = place.bounds
        boxes = np.array(self.boxes).reshape(-1, 4)
        gap = 16.0 if self.county.side_m < SMALL_SIDE_M else 26.0
        touching = (
            (boxes[:, 0] < x1 + gap) & (boxes[:, 2] > x0 - gap)
            & (boxes[:, 1] < y1 + gap) & (boxes[:, 3] > y0 - gap)
        )  # fmt: skip
        return not bool(touching.any())


def reserve_woods(county: County) -> list[Polygon]:
    """Woods of the nature reserve and the redline: nothing is planted there."""
    return [county.woods[0], county.woods[1], county.reservoir.buffer(20)]


def _largest_share(place: Polygon, county: County) -> float:
    parts = [t.polygon.intersection(place).area for t in county.townships]
    return max(parts) / float(place.area)


def _suits(land: str, code: str) -> bool:
    if land == "lane" and code == "1006":
        return True
    if land in ("any", "lane"):
        return code.startswith("01") or code in OPEN_CODES
    if land == "cultivated":
        return code.startswith("01")
    if land == "wood":
        return code == "0301"
    return code in (OPEN_CODES if land == "open" else CONSTRUCTION_CODES)


def find_sites(ground: Ground, attempt: int = 0) -> list[Site] | None:
    """A site for every case, then as many more as the county's density asks for.

    None if a case finds no place.
    """
    county = ground.county
    rng = np.random.default_rng([county.seed, 4, attempt])
    sites: list[Site] = []
    for case in CASES:
        if case.land != "water":
            found = _place(ground, rng, case, tries=3000)
            if not found:
                return None
            sites += found
    wanted = round(CONSTRUCTIONS_PER_KM2 * (county.side_m / 1000) ** 2)
    names, shares = list(POPULATION), np.array(list(POPULATION.values()))
    for _ in range(max(0, wanted - len(sites))):
        case = CASE_BY_ID[str(rng.choice(names, p=shares / shares.sum()))]
        sites += _place(ground, rng, case, tries=300)
    return sites


def _place(ground: Ground, rng: np.random.Generator, case: Case, tries: int) -> list[Site]:
    small = ground.county.side_m < SMALL_SIDE_M
    low, high = case.area_m2
    if small:
        low, high = max(250.0, 0.45 * low), min(high, 1400.0)
    for attempt in range(tries):
        area = float(np.exp(rng.uniform(math.log(min(low, high)), math.log(high))))
        if attempt > tries / 2:
            area = min(low, high)
        lot = _draw_lot(ground, rng, case, area)
        place = lot.polygon
        if (
            ground.is_apart(place)
            and ground.region_holds(case.region, place)
            and ground.land_holds(case, place)
        ):
            ground.boxes.append(place.bounds)
            is_faint = len(ground.boxes) % 8 in FAINT_TURNS and case.region != "zone"
            return [Site(case, lot, place, is_faint)]
    return []


def _draw_lot(ground: Ground, rng: np.random.Generator, case: Case, area: float) -> Lot:
    county = ground.county
    at = _draw_spot(ground, rng, case)
    angle = _local_angle(county, at, case)
    if case.design == "road":
        longest = 165.0 if county.side_m < SMALL_SIDE_M else rng.uniform(256, 380)
        return Lot(at, longest, 5.0, angle + float(rng.choice([0, math.pi / 2])))
    if case.design == "sliver":
        return Lot(at, 66.0, 40.0 if county.side_m < SMALL_SIDE_M else 52.0, angle)
    if case.exact_mu:
        area = case.exact_mu * EXACT_M2_PER_MU
    ratio = rng.uniform(1.05, 2.1)
    if case.design == "houses":
        ratio = area / 14.0**2
    return Lot(at, math.sqrt(area * ratio), math.sqrt(area / ratio), angle)


def _draw_spot(ground: Ground, rng: np.random.Generator, case: Case) -> np.ndarray:
    county = ground.county
    if case.region == "border":
        lines = ground.township_lines
        share = np.array([line.length for line in lines])
        line = lines[int(rng.choice(len(lines), p=share / share.sum()))]
        return np.asarray(line.interpolate(rng.random(), normalized=True).coords[0])
    if case.region == "cloud":
        cloud = ground.sensors[1].clouds[0]
        return np.array([cloud.x, cloud.y]) + rng.normal(0, 0.3 * cloud.radius_m, 2)
    if case.region == "moved":
        x0, y0, x1, y1 = county.moved.polygon.bounds
        return np.array([rng.uniform(x0, x1), rng.uniform(y0, y1)])
    if case.region == "nodata":
        reach = ground.sensors[1].wedge_m
        return np.array([rng.uniform(30, reach), county.side_m - rng.uniform(30, 1.8 * reach)])
    if case.region == "zone":
        plot = rng.choice([k for k, p in enumerate(ground.scenery.plots) if not p.is_built])
        return _inside(rng, ground.scenery.plots[int(plot)].polygon)
    if case.region == "right":
        return _inside(rng, county.quarry_right)
    if case.region == "urban":
        return _inside(rng, county.town.buffer(160))
    if case.region == "village":
        place = county.settlements[int(rng.integers(len(county.settlements)))]
        turn = rng.uniform(0, 2 * math.pi)
        reach = place.radius_m * rng.uniform(1.0, 1.6) + 20
        return place.centre + reach * np.array([math.cos(turn), math.sin(turn)])
    own, weights = ground.weights[case.land]
    return _inside(rng, ground.land[int(rng.choice(own, p=weights))].polygon)


def _inside(rng: np.random.Generator, polygon: BaseGeometry) -> np.ndarray:
    x0, y0, x1, y1 = polygon.bounds
    return np.array([rng.uniform(x0, x1), rng.uniform(y0, y1)])


def _township_lines(county: County) -> list[LineString]:
    lines = [
        a.polygon.intersection(b.polygon)
        for k, a in enumerate(county.townships)
        for b in county.townships[k + 1 :]
    ]
    merged = [shapely.line_merge(part) for part in lines if part.length > 50]
    return [part for line in merged for part in getattr(line, "geoms", [line])]


def _local_angle(county: County, at: np.ndarray, case: Case) -> float:
    if case.region == "zone" or case.land == "construction":
        return county.zone_angle
    seeds = np.array([d.seed for d in county.districts])
    return county.districts[int(np.argmin(np.hypot(*(seeds - at).T)))].angle


def rotated(lot: Lot, offset: tuple[float, float]) -> np.ndarray:
    """A point given along and across the lot, metres from its centre."""
    return lot.centre + np.array(offset) @ rotation(lot.angle)
