"""The county's standing reference layers, as rows in the sources' own field names."""

from __future__ import annotations

import numpy as np
from shapely import LineString, Polygon, box
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from .documents import Row
from .place import ellipsoid_area_m2
from .plane import LandPiece, polygons_in, tile_plane
from .plants import Plant
from .siting import Ground, reserve_woods

MOVED_ON, MOVED_EVE = "20240701", "20240630"
FOUNDED = "20120101"
SURNAMES = "陈林徐孙周吴郑冯蒋沈韩杨朱秦许何吕张"
GIVEN = (
    "建国",
    "海燕",
    "志强",
    "春梅",
    "文斌",
    "立新",
    "小军",
    "秀兰",
    "国庆",
    "晓东",
    "玉珍",
    "大勇",
)


def person(number: int) -> str:
    """A made-up name."""
    return SURNAMES[number % len(SURNAMES)] + GIVEN[(number * 5) % len(GIVEN)]


def townships(ground: Ground) -> list[Row]:
    """XZQ: two versions of the two townships between which a village moved."""
    county = ground.county
    moved, zone = county.moved, county.zone
    assert moved is not None
    assert zone is not None
    rows: list[Row] = []
    for unit in [*county.townships, zone]:
        row: Row = {"XZQDM": unit.code, "XZQMC": unit.name, "XZQLX": unit.kind, "QYRQ": FOUNDED,
                    "SXRQ": None, "geometry": unit.polygon}  # fmt: skip
        if unit.code not in (moved.township_code, county.moved_to):
            rows.append(row)
            continue
        gives = unit.code == moved.township_code
        later = (
            unit.polygon.difference(moved.polygon)
            if gives
            else unary_union([unit.polygon, moved.polygon])
        )
        rows.append({**row, "SXRQ": MOVED_EVE})
        rows.append({**row, "QYRQ": MOVED_ON, "geometry": unary_union(polygons_in(later))})
    return rows


def villages(ground: Ground) -> list[Row]:
    """CJDCQ: the moved village has an old and a new code."""
    county = ground.county
    moved = county.moved
    assert moved is not None
    rows: list[Row] = []
    for village in county.villages:
        row: Row = {"ZLDWDM": village.code, "ZLDWMC": village.name, "QYRQ": FOUNDED, "SXRQ": None,
                    "geometry": village.polygon}  # fmt: skip
        if village is moved:
            rows.append({**row, "SXRQ": MOVED_EVE})
            rows.append({**row, "ZLDWDM": new_code(ground), "QYRQ": MOVED_ON})
        else:
            rows.append(row)
    return rows


def new_code(ground: Ground) -> str:
    """Code of the moved village in its new township."""
    taken = sum(v.township_code == ground.county.moved_to for v in ground.county.villages)
    return f"{ground.county.moved_to}{201 + taken}"


def land_use(ground: Ground, plants: list[Plant]) -> list[Row]:
    """DLTB, with three flaws far from every plant: an overlap, a crossed ring, class 1208."""
    rng = np.random.default_rng([ground.county.seed, 12])
    rows = [_land_row(piece, rng) for piece in ground.land]
    busy = unary_union([p.footprint.buffer(45) for p in plants])
    quiet = [
        k for k, piece in enumerate(ground.land)
        if piece.code == "0404" or piece.code.startswith("01")
        if piece.polygon.area > 1500 and len(piece.polygon.interiors) == 0
        and not piece.polygon.intersects(busy)
    ]  # fmt: skip
    first, second, third = (quiet[int(k)] for k in rng.permutation(len(quiet))[:3])
    rows[first].update(DLBM="1208", DLMC="后备耕地")
    rows[second]["geometry"] = _crossed(ground.land[second].polygon)
    spot = ground.land[third].polygon.representative_point()
    patch = LandPiece(translate(box(-9, -7, 9, 7), spot.x, spot.y), "0404", "其他草地", "flaw")
    rows.append(_land_row(patch, rng))
    for number, row in enumerate(rows, start=1):
        row["BSM"] = f"3799992120{number:08d}"
    return rows


def _land_row(piece: LandPiece, rng: np.random.Generator) -> Row:
    ratio = 0.0
    if piece.code.startswith("01"):
        ratio = float(rng.choice([0.0, 0.0, 0.0532, 0.0871, 0.1204]))
    area = round(ellipsoid_area_m2(piece.polygon), 2)
    return {"BSM": "", "DLBM": piece.code, "DLMC": piece.name, "KCXS": ratio, "TBMJ": area,
            "SJNF": "2023", "geometry": piece.polygon}  # fmt: skip


def _crossed(polygon: Polygon) -> Polygon:
    """The polygon with a small loop in its ring, as a slip of the hand leaves it."""
    ring = np.asarray(polygon.exterior.coords)
    a, b = ring[0], ring[1]
    along = (b - a) / max(float(np.hypot(*(b - a))), 1e-9)
    across = np.array([-along[1], along[0]])
    middle = (a + b) / 2
    loop = [middle + 1.5 * along + 2 * across, middle - 1.5 * along - 2 * across,
            middle + 1.5 * along - 2 * across, middle - 1.5 * along + 2 * across]  # fmt: skip
    return Polygon(np.concatenate([ring[:1], loop, ring[1:]]))


def village_ranges(ground: Ground, plants: list[Plant]) -> list[BaseGeometry]:
    """203 ranges: the built-up places, and the land beside them that is village ground too."""
    lots = [
        p.footprint.buffer(12, join_style="mitre") for p in plants if p.case.region == "village"
    ]
    merged = unary_union([*(s.polygon.buffer(5) for s in ground.county.settlements), *lots])
    closed = merged.buffer(16).buffer(-16).intersection(ground.county.frame)
    keep = unary_union([p.footprint.buffer(9) for p in plants if p.case.region == "lane"])
    return [p for p in polygons_in(closed.difference(keep)) if p.area > 50]


def farmland_protection(ground: Ground, ranges: list[BaseGeometry]) -> list[Row]:
    """YJBNT: the pieces that plants need, and six in ten of the others."""
    rng = np.random.default_rng([ground.county.seed, 13])
    zone = ground.county.zone
    assert zone is not None
    off = unary_union([ground.urban.buffer(15), zone.polygon, *ranges])
    rows: list[Row] = []
    for number, piece in enumerate(ground.land):
        is_drawn = rng.random() < 0.62 and piece.polygon.area > 3000
        if not piece.code.startswith("01") or not ground.pbf.get(number, is_drawn):
            continue
        for part in polygons_in(piece.polygon.difference(off)):
            if part.area > 1:
                name = f"379999{len(rows) + 1:06d}"
                area = round(ellipsoid_area_m2(part), 2)
                rows.append({"BSM": f"3799992220{len(rows) + 1:08d}", "YJJBNTTBBH": name,
                             "YJJBNTMJ": area, "geometry": part})  # fmt: skip
    return rows


def planning_zones(ground: Ground, ranges: list[BaseGeometry], protection: list[Row]) -> list[Row]:
    """GHFQ: zones without overlap over the whole county."""
    county = ground.county
    named = {"100": "生态保护区", "300": "农田保护区", "410": "城镇集中建设区", "510": "村庄建设区",
             "520": "一般农业区", "530": "林业发展区", "700": "矿产能源发展区"}  # fmt: skip
    order = [
        *((p, "100") for g in reserve_woods(county) for p in polygons_in(g)),
        *((p, "410") for p in polygons_in(ground.urban)),
        *((p, "510") for r in ranges for p in polygons_in(r)),
        (county.quarry_right, "700"),
        *((row["geometry"], "300") for row in protection),
        *((w, "530") for w in county.woods),
        (county.frame, "520"),
    ]
    pieces = [LandPiece(p, code, named[code], "") for p, code in order]
    return [
        {"GHFQDM": z.code, "GHFQMC": z.name, "geometry": z.polygon}
        for z in tile_plane(pieces, county.frame)
    ]


def simple_layers(ground: Ground, ranges: list[BaseGeometry]) -> dict[str, list[Row]]:
    """Redline, reserve, urban boundary, settlements, roads, previous patches."""
    county = ground.county
    frame = county.frame
    woods = reserve_woods(county)
    redline = unary_union(woods).intersection(frame)
    reserve = county.woods[0].intersection(frame)
    return {
        "redline": [{"MC": "瀍水源头生态保护红线", "LXDM": "110", "geometry": redline}],
        "reserve": [{"MC": "垟坪县级自然保护区", "geometry": reserve}],
        "urban_boundary": [
            {"GHFQDM": "410", "GHFQMC": "城镇集中建设区", "geometry": p}
            for p in polygons_in(ground.urban.intersection(frame))
        ],
        "settlements": [
            {"CZCSXM": "203", "MC": f"村庄{number:03d}", "geometry": p}
            for number, p in enumerate(ranges, start=1)
        ],
        "roads": [
            {"DLMC": r.name, "DLDJ": r.road_class,
             "geometry": LineString(r.line).intersection(frame)}
            for r in county.roads
        ],
        "previous": [
            {"JCBH": f"379999SJBG23{number:06d}", "PDJG": result,
             "geometry": plot.polygon.buffer(-12)}
            for number, (plot, result) in enumerate(
                zip([p for p in ground.scenery.plots if p.is_built],
                    ("合法", "合法", "其他", "违法"), strict=False), start=1)
        ],
    }  # fmt: skip
