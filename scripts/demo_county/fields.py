"""Fields: blocks between lanes, cut into strips, one crop per strip and date.

Functions of place and seed alone. Blocks exist as arrays (for painting) and as polygons (for
the land-use layer), from the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon

from .geography import County, District
from .materials import CROPS_AFTER, CROPS_BEFORE
from .noise import Floats, mix, unit
from .shapes import Points, rotation

BLOCK_KINDS = ("grain", "vegetable", "orchard", "grass", "bare")
SALT_BLOCK, SALT_BEFORE, SALT_AFTER, SALT_WIDTH = 101, 102, 103, 104
BLOCK_SHARES = {
    "grain": (0.90, 0.03, 0.02, 0.035, 0.015),
    "vegetable": (0.42, 0.52, 0.02, 0.03, 0.01),
    "orchard": (0.26, 0.02, 0.62, 0.08, 0.02),
    "grass": (0.30, 0.0, 0.10, 0.54, 0.06),
}
"""Kinds of blocks in a district of each kind."""
LANE_M = 3.6


@dataclass(frozen=True, eq=False)
class Strips:
    """What the fields are at each sample point."""

    block_kind: NDArray[np.int64]
    field_hash: NDArray[np.uint32]
    row_hash: NDArray[np.uint32]
    is_lane: NDArray[np.bool_]
    is_ridge: NDArray[np.bool_]
    along: Floats
    across: Floats


@dataclass(frozen=True, eq=False)
class DistrictTable:
    """District properties as arrays, indexed by position in `County.districts`."""

    number: NDArray[np.int64]
    seed: Points
    angle: Floats
    cell: Floats
    shares: Floats


def tabulate(districts: list[District]) -> DistrictTable:
    """The districts' properties as arrays."""
    return DistrictTable(
        np.array([d.number for d in districts]),
        np.array([d.seed for d in districts]),
        np.array([d.angle for d in districts], np.float32),
        np.array([d.cell_m for d in districts], np.float32),
        np.cumsum([BLOCK_SHARES[d.kind] for d in districts], axis=1).astype(np.float32),
    )


def strips_at(
    table: DistrictTable, seed: int, district: NDArray[np.int32], x: Floats, y: Floats
) -> Strips:
    """Fields at points whose district (position in the table) is known."""
    angle = table.angle[district]
    cos, sin = np.cos(angle), np.sin(angle)
    dx = x - table.seed[:, 0].astype(np.float32)[district]
    dy = y - table.seed[:, 1].astype(np.float32)[district]
    u, v = dx * cos + dy * sin, dy * cos - dx * sin
    length, width = table.cell[:, 0][district], table.cell[:, 1][district]
    bu, bv = np.floor(u / length), np.floor(v / width)
    du, dv = u - bu * length, v - bv * width
    block = mix(seed, SALT_WIDTH, table.number[district], bu, bv)
    kind = _kinds_of(table, seed, district, bu, bv)
    strip_m = 9 + 20 * unit(block) + np.where(kind == 1, -3, 0).astype(np.float32)
    strip = dv / strip_m
    strip_no = np.floor(strip)
    halves = 1 + (block & np.uint32(1)) + ((block >> np.uint32(1)) & np.uint32(1))
    cut = np.floor(du / length * halves.astype(np.float32) + 0.3 * unit(mix(block, strip_no)))
    field_hash = mix(block, strip_no, cut)
    row_hash = mix(field_hash, np.floor(dv / 3.2))
    is_lane = (du < LANE_M) | (dv < LANE_M * 0.8)
    is_ridge = (strip - strip_no) * strip_m < 0.9
    return Strips(kind, field_hash, row_hash, is_lane, is_ridge, du, dv)


def _kinds_of(
    table: DistrictTable, seed: int, district: NDArray[np.int32], bu: Floats, bv: Floats
) -> NDArray[np.int64]:
    draw = unit(mix(seed, SALT_BLOCK, table.number[district], bu, bv))
    kind = np.zeros(district.shape, np.int64)
    for k in range(len(BLOCK_KINDS) - 1):
        kind += draw >= table.shares[:, k][district]
    return kind


def crop_tables(names: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Cumulative shares: of the crops in May `(crop,)`, and in October `(crop before, crop)`."""
    before = np.array([CROPS_BEFORE.get(n, 0.0) for n in names])
    after = np.array([[CROPS_AFTER.get(b, {b: 1.0}).get(n, 0.0) for n in names] for b in names])
    after /= after.sum(1, keepdims=True)
    return np.cumsum(before).astype(np.float32), np.cumsum(after, 1).astype(np.float32)


def crops_of(
    strips: Strips, names: tuple[str, ...], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Crop of every point at both dates, as an index into `names`."""
    before_shares, after_shares = crop_tables(names)
    shares = np.where(strips.block_kind == 1, 1, 0)
    draw = unit(mix(strips.field_hash, seed, SALT_BEFORE))
    before = np.searchsorted(before_shares[:-1], draw, side="right")
    is_garden = (shares == 1) & (unit(mix(strips.field_hash, 7)) < 0.7)
    before = np.where(is_garden, names.index("vegetables"), before)
    draw = unit(mix(strips.field_hash, seed, SALT_AFTER))
    after = np.zeros_like(before)
    for k in range(len(names) - 1):
        after += draw >= after_shares[:, k][before]
    return before, after


def blocks_of(county: County) -> list[tuple[Polygon, str]]:
    """Every block of fields as a polygon, with its kind."""
    blocks: list[tuple[Polygon, str]] = []
    for district in county.districts:
        shares = np.cumsum(BLOCK_SHARES[district.kind]).astype(np.float32)
        turn = rotation(district.angle)
        corners = (np.asarray(district.polygon.exterior.coords) - district.seed) @ turn.T
        length, width = (float(np.float32(m)) for m in district.cell_m)
        low = np.floor(corners.min(0) / [length, width]).astype(int)
        high = np.floor(corners.max(0) / [length, width]).astype(int)
        for bu in range(low[0], high[0] + 1):
            for bv in range(low[1], high[1] + 1):
                cell = np.array([[bu, bv], [bu + 1, bv], [bu + 1, bv + 1], [bu, bv + 1]])
                ring = (cell * [length, width]) @ turn + district.seed
                polygon = shapely.intersection(Polygon(ring), district.polygon)
                draw = float(unit(mix(county.seed, SALT_BLOCK, district.number, bu, bv)))
                kind = BLOCK_KINDS[int((draw >= shares[:-1]).sum())]
                if polygon.geom_type == "Polygon" and polygon.area > 1:
                    blocks.append((polygon, kind))
    return blocks
