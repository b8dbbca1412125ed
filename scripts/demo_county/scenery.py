"""The standing scenery in painting order, and what lies on which kind of land."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from .fields import blocks_of
from .geography import County
from .plane import LandPiece, tile_plane
from .settlements import Plot, build_town, build_village, build_zone, tunnels
from .shapes import AFTER, BEFORE, Shape, moved_sideways, rectangle, ribbon, tree_row


@dataclass(frozen=True, eq=False)
class Scenery:
    """Everything of the county that is not a planted case."""

    shapes: list[Shape]
    plots: list[Plot]
    land: list[LandPiece]
    """The county cut into pieces of one land class each, without gaps."""
    greenhouses: list[Polygon]


def build_scenery(county: County) -> Scenery:
    """Shapes and land classes of a county."""
    rng = np.random.default_rng([county.seed, 2])
    zone_shapes, plots = build_zone(rng, county)
    greenhouses = _place_greenhouses(county, rng)
    shapes = [
        *_woods(county, rng),
        *_waters(county, rng),
        *(s for g, angle in greenhouses for s in _greenhouse_farm(rng, g, angle)),
        *zone_shapes,
        *_off_roads(
            county,
            [
                *(s for place in county.settlements for s in build_village(rng, place)),
                *build_town(rng, county),
            ],
        ),
        *_roads(county, rng),
    ]
    farms = [polygon for polygon, _ in greenhouses]
    return Scenery(shapes, plots, _land(county, plots, farms), farms)


def _off_roads(county: County, shapes: list[Shape]) -> list[Shape]:
    """Without the houses and trees that a through road would run over."""
    roads = shapely.STRtree(
        [LineString(r.line).buffer(r.width_m / 2 + 5) for r in county.roads if r.width_m > 5]
    )
    centres = shapely.points(np.array([s.outline_m.mean(0) for s in shapes]))
    hit = set(roads.query(centres, predicate="intersects")[0].tolist())
    return [s for k, s in enumerate(shapes) if s.height_m == 0 or k not in hit]


def _ring(polygon: Polygon, material: str, when: int = BEFORE | AFTER) -> Shape:
    return Shape(np.asarray(polygon.exterior.coords)[:-1], material, 0.0, when)


def _woods(county: County, rng: np.random.Generator) -> list[Shape]:
    made = [_ring(polygon, "wood") for polygon in county.woods]
    bare = county.quarry
    made.append(_ring(bare, "rock"))
    for scale in (0.62, 0.34):
        core = bare.buffer(-(1 - scale) * (bare.area**0.5) / 2)
        if core.geom_type == "Polygon" and not core.is_empty:
            made.append(_ring(core, "pit" if scale < 0.5 else "sand"))
    return made


def _waters(county: County, rng: np.random.Generator) -> list[Shape]:
    width = county.river_width_m
    made = [
        Shape(ribbon(county.stream, 15), "bank"),
        Shape(ribbon(county.stream, 6), "water"),
        Shape(ribbon(county.river, width * 1.65), "bank"),
        Shape(ribbon(county.river, width), "turbid"),
    ]
    for start in rng.uniform(0.1, 0.85, 6):
        first = int(start * len(county.river))
        piece = county.river[first : first + 12]
        if len(piece) > 4:
            offset = float(rng.choice([-1, 1])) * width * 0.40
            bar = ribbon(moved_sideways(piece, offset), width * 0.16)
            made.append(Shape(bar, "sandbar"))
    for offset in (-0.95, 0.95):
        made += tree_row(rng, moved_sideways(county.river, offset * width), 10.0)
    made.append(_ring(county.reservoir, "mud"))
    for low in getattr(county.reservoir_low, "geoms", [county.reservoir_low]):
        made.append(_ring(low, "water", BEFORE))
    made.append(_ring(county.reservoir, "water", AFTER))
    for pond in county.ponds:
        made.append(_ring(pond.buffer(3.0), "bank"))
        is_dry = rng.random() < 0.08
        made.append(_ring(pond, "water" if rng.random() < 0.6 else "turbid", BEFORE))
        made.append(_ring(pond, "mud" if is_dry else "water", AFTER))
    return made


def _roads(county: County, rng: np.random.Generator) -> list[Shape]:
    surface = {"国道": "asphalt", "省道": "asphalt", "县道": "asphalt", "农村道路": "old_concrete"}
    made: list[Shape] = []
    trees: list[Shape] = []
    order = ("农村道路", "县道", "省道", "国道")
    for road in sorted(county.roads, key=lambda r: order.index(r.road_class)):
        if road.road_class in ("国道", "省道"):
            made.append(Shape(ribbon(road.line, road.width_m + 9), "grass"))
        elif road.road_class == "县道":
            made.append(Shape(ribbon(road.line, road.width_m + 4), "dirt"))
        made.append(Shape(ribbon(road.line, road.width_m), surface[road.road_class]))
        if road.road_class == "国道":
            made.append(Shape(ribbon(road.line, 2.4), "bank"))
        if road.road_class != "农村道路":
            for sign in (-1, 1):
                beside = moved_sideways(road.line, sign * (road.width_m / 2 + 4.5))
                trees += tree_row(rng, beside, 9.0)
    town = county.town.union(county.zone_ground)
    clear = [t for t in trees if not _is_in(town, t)]
    return [*made, *clear]


def _is_in(area: BaseGeometry, shape: Shape) -> bool:
    x0, y0, x1, y1 = area.bounds
    x, y = shape.outline_m[0]
    return bool(x0 < x < x1 and y0 < y < y1)


def _place_greenhouses(county: County, rng: np.random.Generator) -> list[tuple[Polygon, float]]:
    blocks = [(p, k) for p, k in blocks_of(county) if k == "vegetable" and p.area > 6000]
    taken = upper_ground(county).buffer(10)
    made: list[tuple[Polygon, float]] = []
    for polygon, _ in blocks:
        district = next(d for d in county.districts if d.polygon.intersects(polygon.centroid))
        ground = Polygon(
            rectangle(
                np.asarray(polygon.centroid.coords[0]),
                rng.uniform(60, 110), rng.uniform(45, 90), district.angle,
            )
        )  # fmt: skip
        is_free = polygon.contains(ground) and not ground.intersects(taken)
        if is_free and rng.random() < 0.3:
            made.append((ground, district.angle))
    return made


def _greenhouse_farm(rng: np.random.Generator, ground: Polygon, angle: float) -> list[Shape]:
    return [_ring(ground, "dirt"), *tunnels(rng, ground, angle, BEFORE | AFTER, "greenhouse")]


def upper_ground(county: County) -> BaseGeometry:
    """Everything that is not fields."""
    return unary_union(
        [
            county.town, county.zone_ground, county.reservoir, *county.woods, *county.ponds,
            *(s.polygon for s in county.settlements),
            *(LineString(r.line).buffer(r.width_m / 2 + 6) for r in county.roads),
            LineString(county.river).buffer(county.river_width_m * 0.9),
            LineString(county.stream).buffer(8),
        ]
    )  # fmt: skip


CLASS_OF_BLOCK = {
    "grain": ("0102", "水浇地"),
    "vegetable": ("0102", "水浇地"),
    "orchard": ("0201", "果园"),
    "grass": ("0404", "其他草地"),
    "bare": ("1206", "裸土地"),
}
ROAD_CLASS = {"国道": ("1003", "公路用地"), "省道": ("1003", "公路用地"),
              "县道": ("1003", "公路用地"), "农村道路": ("1006", "农村道路")}  # fmt: skip


def _land(county: County, plots: list[Plot], farms: list[Polygon]) -> list[LandPiece]:
    """Land classes, first come first served."""
    order: list[LandPiece] = []
    for road in sorted(county.roads, key=lambda r: -r.width_m):
        extra = 9 if road.width_m > 10 else 4 if road.width_m > 5 else 1
        ground = Polygon(ribbon(road.line, road.width_m + extra)).buffer(0)
        order.append(LandPiece(ground, *ROAD_CLASS[road.road_class], "road"))
    river = Polygon(ribbon(county.river, county.river_width_m * 1.65)).buffer(0)
    order.append(LandPiece(river, "1101", "河流水面", "water"))
    order.append(LandPiece(county.reservoir, "1103", "水库水面", "water"))
    order.append(LandPiece(county.town, "0701", "城镇住宅用地", "town"))
    for plot in plots:
        code = ("0601", "工业用地", "plot") if plot.is_built else ("0404", "其他草地", "vacant")
        order.append(LandPiece(plot.polygon, *code))
    order.append(LandPiece(county.zone_ground, "1004", "城镇村道路用地", "street"))
    for place in county.settlements:
        order.append(LandPiece(place.polygon, "0702", "农村宅基地", "village"))
    order.append(LandPiece(Polygon(ribbon(county.stream, 15)).buffer(0), "1107", "沟渠", "water"))
    order += [LandPiece(p.buffer(3), "1104", "坑塘水面", "water") for p in county.ponds]
    order += [LandPiece(p.buffer(1), "1202", "设施农用地", "greenhouse") for p in farms]
    order.append(LandPiece(county.quarry, "0602", "采矿用地", "quarry"))
    order += [LandPiece(p, "0301", "乔木林地", "wood") for p in county.woods]
    for polygon, kind in blocks_of(county):
        code, name = CLASS_OF_BLOCK[kind]
        if code == "0102" and polygon.centroid.y > 0.86 * county.side_m:
            code, name = "0101", "水田"
        elif code == "0102" and polygon.centroid.x < 0.40 * county.side_m:
            code, name = "0103", "旱地"
        order.append(LandPiece(polygon, code, name, kind))
    return tile_plane(order, county.frame)
