"""Reflectance of the ground on a fine grid, chunk by chunk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .fields import BLOCK_KINDS, crops_of, strips_at, tabulate
from .geography import County
from .materials import AUTUMN_PLANT, MATERIALS
from .noise import Floats, Frame, mix, normal, smooth_noise, unit
from .shapes import AFTER, BEFORE, Shape

NAMES = tuple(MATERIALS)
FINE_M = 1.0
"""Painting grid: two fine pixels per image pixel, so that edges get mixed pixels."""


@dataclass(frozen=True)
class Sun:
    """Where the light comes from."""

    zenith_deg: float
    azimuth_deg: float

    @property
    def away(self) -> NDArray[np.float64]:
        """Unit vector on the ground, away from the sun."""
        azimuth = math.radians(self.azimuth_deg)
        return np.array([-math.sin(azimuth), math.cos(azimuth)])

    @property
    def reach(self) -> float:
        """Shadow length per metre of height."""
        return math.tan(math.radians(self.zenith_deg))


class ShapeStore:
    """Shapes with their outlines in sixteenths of a fine pixel and their bounds."""

    def __init__(self, shapes: list[Shape], seed: int) -> None:
        rings = [np.rint((s.outline_m / FINE_M - 0.5) * 16).astype(np.int64) for s in shapes]
        self.rings = rings
        self.bounds = np.array([[*r.min(0), *r.max(0)] for r in rings]).reshape(-1, 4) / 16
        self.material = np.array([NAMES.index(s.material) for s in shapes], np.int64)
        self.height = np.array([s.height_m for s in shapes], np.float32)
        self.when = np.array([s.when for s in shapes], np.int64)
        spread = np.array([m.spread for m in MATERIALS.values()])[self.material]
        number = np.arange(len(shapes))
        own = normal(mix(seed, 31, number)) * spread + np.array([s.tone for s in shapes])
        tilt = normal(mix(seed, 32, number[:, None], np.arange(4)[None, :])) * 0.035
        self.tone = np.exp(own[:, None] + tilt).astype(np.float32)
        self.hulls: dict[Sun, list[NDArray[np.int64] | None]] = {}

    def hulls_for(self, sun: Sun) -> list[NDArray[np.int64] | None]:
        """Shadow outlines, None for flat things."""
        if sun not in self.hulls:
            offsets = self.height[:, None] * sun.away * sun.reach * 16 / FINE_M
            self.hulls[sun] = [
                None
                if height == 0
                else cv2.convexHull(np.concatenate([ring, ring + offset]).astype(np.int32))
                .reshape(-1, 2)
                .astype(np.int64)
                for ring, height, offset in zip(self.rings, self.height, offsets, strict=True)
            ]
        return self.hulls[sun]

    def near(self, frame: Frame, reach: float) -> NDArray[np.int64]:
        """Numbers of the shapes that may touch the frame."""
        low = np.array([frame.x0, frame.y0]) / FINE_M - reach
        high = low + frame.count + 2 * reach
        touches = (self.bounds[:, :2] < high).all(1) & (self.bounds[:, 2:] > low).all(1)
        return np.flatnonzero(touches)


def fill_polygons(
    target: NDArray[np.int32] | NDArray[np.uint8],
    rings: list[NDArray[np.int64]],
    values: NDArray[np.int64],
    frame: Frame,
) -> None:
    """Draw rings given in sixteenths of a fine pixel."""
    shift = np.rint(np.array([frame.x0, frame.y0]) / FINE_M * 16).astype(np.int64)
    for ring, value in zip(rings, values.tolist(), strict=True):
        cv2.fillPoly(target, [(ring - shift).astype(np.int32)], value, shift=4)


class Painter:
    """The county's ground at both dates, wherever a frame asks."""

    def __init__(self, county: County, shapes: list[Shape]) -> None:
        self.county = county
        self.store = ShapeStore(shapes, county.seed)
        self.table = tabulate(county.districts)
        self.district_rings = [
            np.rint((np.asarray(d.polygon.exterior.coords)[:-1] / FINE_M - 0.5) * 16).astype(
                np.int64
            )
            for d in county.districts
        ]
        spring = np.array([m.reflectance for m in MATERIALS.values()], np.float32)
        plants = np.array([m.is_plant for m in MATERIALS.values()])
        autumn = np.where(plants[:, None], spring * np.array(AUTUMN_PLANT, np.float32), spring)
        self.reflectance = {BEFORE: spring, AFTER: autumn.astype(np.float32)}
        self.grain = np.array([m.grain for m in MATERIALS.values()], np.float32)
        self.patch = np.array([m.patch for m in MATERIALS.values()], np.float32)
        self.spread = np.array([m.spread for m in MATERIALS.values()], np.float32)
        self.is_plant = plants

    def districts(self, frame: Frame) -> NDArray[np.int32]:
        """Position of each sample's district in the table."""
        ids = np.zeros((frame.count, frame.count), np.int32)
        fill_polygons(ids, self.district_rings, np.arange(len(self.district_rings)), frame)
        return ids

    def paint(self, frame: Frame, suns: dict[int, Sun]) -> tuple[dict[int, Floats], Floats]:
        """Reflectance `(y, x, band)` at both dates, and the water mask (0 or 1)."""
        ground = self._fields(frame)
        near = self.store.near(frame, 60)
        base = self._draw(frame, near[self.store.when[near] == BEFORE | AFTER], None)
        season = self.county.seed * 8
        pieces: dict[int, Floats] = {}
        water = np.zeros((frame.count, frame.count), bool)
        grain = smooth_noise(season + 1, frame, 2.0)
        patch = smooth_noise(season + 2, frame, 28.0)
        for date in (BEFORE, AFTER):
            index = self._draw(frame, near[self.store.when[near] == date], base.copy())
            material, colour = ground[date]
            covered = index > 0
            own = index[covered] - 1
            material[covered] = self.store.material[own]
            lit = self.reflectance[date][material]
            lit *= colour[..., None]
            lit[covered] = self.reflectance[date][material[covered]] * self.store.tone[own]
            fresh = smooth_noise(season + 3 + date, frame, 3.0)
            texture = self.grain[material] * (0.8 * grain + 0.5 * fresh)
            texture += self.patch[material] * patch
            lit *= np.exp(texture)[..., None]
            self._vary_plants(lit, material, frame, season + 5 + date)
            shade = self._shadows(frame, near, index, suns[date], date)
            lit *= (1 - 0.52 * shade)[..., None]
            lit *= self._relief(frame, suns[date])[..., None]
            pieces[date] = lit
            water |= np.isin(material, [NAMES.index(n) for n in ("water", "turbid", "mud")])
        return pieces, water.astype(np.float32)

    def _draw(
        self, frame: Frame, numbers: NDArray[np.int64], index: NDArray[np.int32] | None
    ) -> NDArray[np.int32]:
        if index is None:
            index = np.zeros((frame.count, frame.count), np.int32)
        fill_polygons(index, [self.store.rings[k] for k in numbers], numbers + 1, frame)
        return index

    def _fields(self, frame: Frame) -> dict[int, tuple[NDArray[np.int64], Floats]]:
        """Material and brightness of the open land at both dates."""
        x, y = frame.axes()
        wave = smooth_noise(self.county.seed * 8 + 7, frame, 60.0)
        district = self.districts(frame)
        strips = strips_at(
            self.table, self.county.seed, district, x[None, :] + 1.5 * wave, y[:, None] + 1.5 * wave
        )
        crops = crops_of(strips, NAMES, self.county.seed)
        soil = 0.05 * smooth_noise(self.county.seed * 8 + 8, frame, 150.0)
        rows = normal(strips.row_hash) * np.float32(0.022)
        made: dict[int, tuple[NDArray[np.int64], Floats]] = {}
        for date, crop in zip((BEFORE, AFTER), crops, strict=True):
            material = self._block_cover(strips.block_kind, crop, strips, date)
            own = normal(mix(strips.field_hash, 50))
            late = normal(mix(strips.field_hash, 50 + date))
            tone = self.spread[material] * (0.7 * own + 0.6 * late) + soil + rows
            lane = NAMES.index("dirt")
            tone[strips.is_ridge] = 0.0
            material[strips.is_ridge] = NAMES.index("grass")
            material[strips.is_lane], tone[strips.is_lane] = lane, 0.0
            made[date] = material, np.exp(tone).astype(np.float32)
        return made

    def _block_cover(
        self, kinds: NDArray[np.int64], crop: NDArray[np.int64], strips: object, date: int
    ) -> NDArray[np.int64]:
        along, across = strips.along, strips.across
        material = crop.copy()
        orchard = kinds == BLOCK_KINDS.index("orchard")
        crown = ((along % 5.0) - 2.5) ** 2 + ((across % 5.5) - 2.75) ** 2 < 3.6
        material[orchard & crown] = NAMES.index("orchard")
        material[orchard & ~crown] = NAMES.index("grass" if date == BEFORE else "dry_grass")
        meadow = kinds == BLOCK_KINDS.index("grass")
        material[meadow] = NAMES.index("grass" if date == BEFORE else "dry_grass")
        bare = kinds == BLOCK_KINDS.index("bare")
        scrub = unit(strips.row_hash) < 0.18
        material[bare] = NAMES.index("bare_pale")
        material[bare & scrub] = NAMES.index("dry_grass")
        strips.is_ridge[orchard | meadow | bare] = False
        return material

    def _vary_plants(
        self, lit: Floats, material: NDArray[np.int64], frame: Frame, salt: int
    ) -> None:
        """Vigour: where plants thrive, red falls and near infrared rises."""
        vigour = 0.06 * smooth_noise(salt, frame, 40.0) + 0.03 * smooth_noise(salt + 9, frame, 9.0)
        vigour *= self.is_plant[material]
        lit[..., 2] *= np.exp(-1.2 * vigour)
        lit[..., 3] *= np.exp(vigour)

    def _shadows(
        self, frame: Frame, near: NDArray[np.int64], index: NDArray[np.int32], sun: Sun, date: int
    ) -> Floats:
        """1 where the sun does not reach; never on the roof or crown that casts it."""
        hulls = self.store.hulls_for(sun)
        casting = near[(self.store.when[near] & date > 0) & (self.store.height[near] > 0)]
        rings = [hulls[k] for k in casting]
        shadow = np.zeros((frame.count, frame.count), np.uint8)
        fill_polygons(shadow, rings, np.ones(len(rings), np.int64), frame)
        heights = np.concatenate([[0], self.store.height])[index]
        return ((shadow > 0) & (heights == 0)).astype(np.float32)

    def _relief(self, frame: Frame, sun: Sun) -> Floats:
        """Slopes facing the sun are brighter."""
        coarse = Frame(frame.x0 - 32, frame.y0 - 32, 8.0, int(frame.count * frame.step / 8) + 9)
        x, y = coarse.axes()
        height = np.zeros((coarse.count, coarse.count), np.float32)
        for at_x, at_y, radius, top in self.county.hills:
            square = (x[None, :] - at_x) ** 2 + (y[:, None] - at_y) ** 2
            height += np.float32(top) * np.exp(-square / (2 * (0.62 * radius) ** 2)).astype(
                np.float32
            )
        fold = smooth_noise(self.county.seed * 8 + 6, coarse, 90.0)
        fold += 0.5 * smooth_noise(self.county.seed * 8 + 5, coarse, 45.0)
        height *= 1 + 0.22 * fold
        slope_y, slope_x = np.gradient(height, 8.0)
        away = sun.away
        light = 1 + (slope_x * away[0] + slope_y * away[1]) * sun.reach * 0.9
        light = np.clip(light, 0.55, 1.4).astype(np.float32)
        scale = frame.step / 8.0
        to_coarse = np.array([[scale, 0, 4 + scale / 2 - 0.5], [0, scale, 4 + scale / 2 - 0.5]])
        return cv2.warpAffine(
            light, to_coarse, (frame.count, frame.count),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
