"""Paints a fictional corner of a county at two dates, with the errors of real deliveries.

The scene knows its answer: every planted construction is in the label. Shares no code with
`pipeline`, so that neither can hide a mistake of the other.

Lengths are metres, directions are image directions (x to the right, y down).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

BANDS = ("blue", "green", "red", "nir")
GSD_M = 2.0
FINE = 2
"""Fine pixels per image pixel and direction: edges get mixed pixels, as a sensor gives them."""
FINE_M = GSD_M / FINE
MARGIN_PX = 8
"""Painted beyond the image, so that the moved after image has real pixels at its border."""
N_FIELD_IDS = 65_521
COLLAR = 255
CONSTRUCTIONS_PER_KM2 = 6.0
AREA_RANGE_M2 = (200.0, 4000.0)

REFLECTANCE: dict[str, tuple[float, float, float, float]] = {
    "wheat": (0.045, 0.085, 0.055, 0.42),
    "vegetables": (0.055, 0.100, 0.070, 0.35),
    "seedlings": (0.080, 0.110, 0.110, 0.27),
    "stubble": (0.110, 0.145, 0.175, 0.26),
    "bare": (0.105, 0.130, 0.165, 0.22),
    "grass": (0.060, 0.095, 0.075, 0.31),
    "tree": (0.032, 0.060, 0.042, 0.33),
    "water": (0.062, 0.080, 0.058, 0.032),
    "bank": (0.120, 0.150, 0.160, 0.26),
    "dirt": (0.145, 0.175, 0.210, 0.27),
    "packed_soil": (0.135, 0.165, 0.205, 0.255),
    "yard": (0.130, 0.155, 0.180, 0.24),
    "asphalt": (0.095, 0.100, 0.108, 0.13),
    "concrete": (0.225, 0.245, 0.262, 0.29),
    "red_tile": (0.095, 0.115, 0.190, 0.25),
    "grey_tile": (0.130, 0.138, 0.150, 0.18),
    "blue_metal": (0.260, 0.230, 0.165, 0.25),
    "white_metal": (0.420, 0.430, 0.440, 0.45),
    "film": (0.270, 0.290, 0.285, 0.36),
}
"""Surface reflectance per band. Plausible round figures, not measurements."""
PLANTS = ("wheat", "vegetables", "seedlings", "grass", "tree")
CROPS = ("wheat", "vegetables", "seedlings", "stubble", "bare")
CROP_SHARES = (0.44, 0.14, 0.12, 0.14, 0.16)
BARE_CROPS = (CROPS.index("stubble"), CROPS.index("bare"))
CROP_CHANGE_SHARE = 0.15
HOUSE_ROOFS = ("red_tile", "grey_tile", "grey_tile", "concrete", "blue_metal")

Floats = NDArray[np.float32]
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shape:
    """One thing on the ground."""

    outline_m: Points
    """`(vertex, xy)`."""
    material: str
    height_m: float = 0.0


@dataclass(frozen=True, eq=False)
class Fields:
    """Strip fields on the fine grid."""

    field_id: NDArray[np.int64]
    row_id: NDArray[np.int64]
    """Working rows inside a field: they differ a little in tone."""
    is_ridge: NDArray[np.bool_]
    is_lane: NDArray[np.bool_]
    angle: Floats
    """Direction of the strips, radians."""


@dataclass(frozen=True)
class Sensor:
    """How one date was taken."""

    sun_zenith_deg: float
    sun_azimuth_deg: float
    gain: tuple[float, float, float, float]
    offset: tuple[float, float, float, float]
    noise: float
    plant_nir: float
    """Season: near-infrared of everything green, relative to spring."""


BEFORE = Sensor(24.0, 150.0, (3100, 2900, 2700, 2500), (110, 80, 60, 40), 7.0, 1.0)
AFTER = Sensor(47.0, 165.0, (2550, 2500, 2450, 2050), (190, 140, 95, 70), 9.0, 0.88)


@dataclass(frozen=True, eq=False)
class LabelledPair:
    """`before`, `after` `(band, y, x)` uint16; `label` 0 unchanged, 1 built, 255 not seen."""

    before: NDArray[np.uint16]
    after: NDArray[np.uint16]
    label: NDArray[np.uint8]


def paint_pair(size_px: int, seed: int) -> LabelledPair:
    """Both dates and the label, decided by size and seed alone."""
    rng = np.random.default_rng(seed)
    side = (size_px + 2 * MARGIN_PX) * FINE
    fields = lay_fields(rng, side)
    standing = lay_countryside(rng, side * FINE_M)
    crops = grow_crops(rng)
    built = plan_constructions(rng, fields, crops[0], draw_index(standing, side))
    shift_px = rng.uniform(1.0, 1.7, 2) * np.where(rng.random(2) < 0.5, -1.0, 1.0)
    soil = 1 + 0.035 * noise(rng, side, 1.0) + 0.05 * noise(rng, side, 14.0)
    images = []
    for sensor, shapes, crop, shift in (
        (BEFORE, standing, crops[0], np.zeros(2)),
        (AFTER, [*standing, *built], crops[1], shift_px),
    ):
        ground = render_ground(rng, fields, shapes, crop, sensor) * soil[..., None]
        images.append(expose(rng, ground, sensor, shift))
    before, after = images
    label = label_shapes(built, side)
    collar = collar_wedge(rng, size_px)
    after[:, collar] = 0
    label[collar] = COLLAR
    return LabelledPair(before, after, label)


def noise(rng: np.random.Generator, side: int, sigma: float) -> Floats:
    """Smooth random field, mean 0, standard deviation 1."""
    step = max(1, int(sigma // 2))
    coarse = rng.standard_normal((side // step + 1, side // step + 1), dtype=np.float32)
    smooth = cv2.GaussianBlur(coarse, (0, 0), sigma / step)
    if step > 1:
        smooth = cv2.resize(smooth, (side, side), interpolation=cv2.INTER_CUBIC)
    smooth = smooth[:side, :side]
    return ((smooth - smooth.mean()) / smooth.std()).astype(np.float32)


def lay_fields(rng: np.random.Generator, side: int) -> Fields:
    """Blocks between dirt lanes, each cut into strips of one direction and width."""
    spacing = round(190 / FINE_M)
    seeds = np.full((side, side), 255, np.uint8)
    for y in range(spacing // 3, side, spacing):
        for x in range(spacing // 3, side, spacing):
            jitter = rng.integers(-spacing // 3, spacing // 3 + 1, 2)
            seeds[tuple(np.clip(jitter + np.array([y, x]), 0, side - 1))] = 0
    _, block = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    y, x = np.mgrid[:side, :side].astype(np.float32)
    bend = 9 / FINE_M
    wavy_x, wavy_y = x + bend * noise(rng, side, 50), y + bend * noise(rng, side, 50)
    block = cv2.remap(
        block.astype(np.float32), wavy_x, wavy_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.int64)
    count = int(block.max()) + 1
    angle = (rng.normal(0.25, 0.12, count) + rng.choice([0, math.pi / 2], count, p=[0.7, 0.3]))[
        block
    ].astype(np.float32)
    across = (-wavy_x * np.sin(angle) + wavy_y * np.cos(angle)) * FINE_M
    along = (wavy_x * np.cos(angle) + wavy_y * np.sin(angle)) * FINE_M
    strip = across / rng.uniform(14, 34, count)[block]
    strip_id = np.floor(strip).astype(np.int64)
    cut = along / rng.uniform(70, 160, count)[block] + (strip_id * 0.37) % 1.0
    field_id = (block * 7919 + strip_id * 104_729 + np.floor(cut).astype(np.int64) * 1_299_709) % (
        N_FIELD_IDS
    )
    row_id = (field_id * 31 + np.floor(across / 3.5).astype(np.int64)) % N_FIELD_IDS
    edges = cv2.morphologyEx(block.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    lanes = cv2.dilate(edges.astype(np.uint8), np.ones((2, 2), np.uint8)).astype(bool)
    return Fields(field_id, row_id, np.modf(strip)[0] < 0.05, lanes, angle)


def lay_countryside(rng: np.random.Generator, side_m: float) -> list[Shape]:
    """Everything that stands on both dates, in the order it is painted."""
    river = curve(rng, (-30, side_m * 0.16), (side_m + 30, side_m * 0.34), side_m * 0.05)
    highway = curve(rng, (side_m * 0.30, side_m + 30), (side_m * 0.62, -30), side_m * 0.02)
    villages = place_villages(rng, side_m, river)
    ground = [Shape(ribbon(river, 74), "bank"), Shape(ribbon(river, 46), "water")]
    ground += [Shape(blob(rng, centre, radius), "yard") for centre, radius in villages]
    roads, buildings, trees = [], [], []
    for centre, radius in villages:
        nearest = highway[np.argmin(np.hypot(*(highway - centre).T))]
        roads.append(Shape(ribbon(curve(rng, centre, nearest, 18), 4.5), "concrete"))
        houses, around = build_village(rng, centre, radius)
        buildings += houses
        trees += around
    roads += [Shape(ribbon(highway, 22), "grass"), Shape(ribbon(highway, 11), "asphalt")]
    for offset in (-9.5, 9.5):
        trees += tree_row(rng, moved_sideways(highway, offset), 9.0)
    for offset in (-33, 33):
        trees += tree_row(rng, moved_sideways(river, offset), 11.0)
    ponds = [
        Shape(rectangle(spot, rng.uniform(25, 55), rng.uniform(20, 40), 0.25), "water")
        for spot in spots(rng, side_m, 3.0, 60)
    ]
    groves = [
        tree
        for spot in spots(rng, side_m, 4.0, 40)
        for tree in scatter_trees(rng, spot, rng.uniform(12, 38))
    ]
    tunnels = [
        Shape(rectangle(spot + np.array([0, 11.0 * k]), 62, 7.5, 0.2), "film", 2.5)
        for spot in spots(rng, side_m, 0.6, 120)
        for k in range(int(rng.integers(4, 8)))
    ]
    return [*ponds, *tunnels, *groves, *ground, *roads, *buildings, *trees]


def place_villages(
    rng: np.random.Generator, side_m: float, river: Points
) -> list[tuple[Points, float]]:
    """Centres and radii, off the river and apart."""
    villages: list[tuple[Points, float]] = []
    for spot in spots(rng, side_m, 10.0, 40):
        radius = rng.uniform(75, 165)
        is_dry = np.hypot(*(river - spot).T).min() > radius + 50
        is_apart = all(np.hypot(*(spot - c)) > radius + r + 170 for c, r in villages)
        if is_dry and is_apart:
            villages.append((spot, radius))
    return villages


def build_village(
    rng: np.random.Generator, centre: Points, radius: float
) -> tuple[list[Shape], list[Shape]]:
    """Rows of houses facing south, lanes between them, trees in the gaps."""
    angle = rng.normal(0.1, 0.12)
    turn = rotation(angle)
    houses, trees, lanes = [], [], []
    for v in np.arange(-radius, radius, 25.0):
        half = math.sqrt(max(radius**2 - v**2, 0.0)) * 0.9
        ends = centre + np.array([[-half, v + 10], [half, v + 10]]) @ turn
        lanes.append(Shape(ribbon(ends, 3.0), "concrete"))
        for u in np.arange(-half + 6, half - 6, 15.0):
            spot = centre + (np.array([u, v]) + rng.normal(0, 0.9, 2)) @ turn
            if rng.random() < 0.78:
                outline = rectangle(spot, rng.uniform(9, 13.5), rng.uniform(7, 10.5), angle)
                houses.append(Shape(outline, str(rng.choice(HOUSE_ROOFS)), rng.uniform(3.5, 8.5)))
            for tree in rng.normal(0, 8, (int(rng.integers(0, 3)), 2)) + spot:
                trees.append(plant_tree(rng, tree))
    rim = rng.uniform(0, 2 * math.pi, int(radius * 0.5))
    rim_spots = centre + np.stack([np.cos(rim), np.sin(rim)], 1) * radius * rng.uniform(
        0.95, 1.12, (rim.size, 1)
    )
    trees += [plant_tree(rng, spot) for spot in rim_spots]
    return [*lanes, *houses], trees


def grow_crops(rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Crop of every field at both dates; some change, which is not construction."""
    before = rng.choice(len(CROPS), N_FIELD_IDS, p=CROP_SHARES)
    other = (before + rng.integers(1, len(CROPS), N_FIELD_IDS)) % len(CROPS)
    return before, np.where(rng.random(N_FIELD_IDS) < CROP_CHANGE_SHARE, other, before)


def plan_constructions(
    rng: np.random.Generator,
    fields: Fields,
    crop: NDArray[np.int64],
    index: NDArray[np.int32],
) -> list[Shape]:
    """New buildings, yards and roads on farmland, none touching another; a quarter is faint."""
    side = index.shape[0]
    taken = (index > 0).astype(np.uint8)
    border = (MARGIN_PX + 8) * FINE
    taken[:border] = taken[-border:] = taken[:, :border] = taken[:, -border:] = 1
    wanted = max(4, round(CONSTRUCTIONS_PER_KM2 * (side * FINE_M / 1000) ** 2))
    areas_m2 = np.exp(rng.uniform(*np.log(AREA_RANGE_M2), wanted))
    built: list[Shape] = []
    for number, area_m2 in enumerate(areas_m2):
        is_faint = number % 4 == 3
        for _ in range(400):
            row, col = rng.integers(border, side - border, 2)
            if is_faint and crop[fields.field_id[row, col]] not in BARE_CROPS:
                continue
            spot = np.array([col, row]) * FINE_M
            new = design(rng, number, area_m2, spot, float(fields.angle[row, col]), is_faint)
            footprint = cv2.dilate(fill([new], side), np.ones((13, 13), np.uint8)) > 0
            if not taken[footprint].any():
                taken[footprint] = 1
                built.append(new)
                break
    return built


def design(
    rng: np.random.Generator,
    number: int,
    area_m2: float,
    spot: Points,
    angle: float,
    is_faint: bool,
) -> Shape:
    """One construction of a given area: building, yard or road in turn."""
    kind = ("building", "yard", "building", "road")[(number // 2) % 4]
    if kind == "road":
        width = rng.uniform(5, 7)
        outline = rectangle(spot, min(area_m2, 1500) / width, width, angle)
        return Shape(outline, "packed_soil" if is_faint else "concrete")
    ratio = rng.uniform(1.1, 2.6)
    outline = rectangle(spot, math.sqrt(area_m2 * ratio), math.sqrt(area_m2 / ratio), angle)
    if kind == "yard":
        corner = outline.mean(0) + (outline - outline.mean(0)) * rng.uniform(0.8, 1.15, (4, 1))
        return Shape(corner, "packed_soil" if is_faint else "concrete")
    roofs = ("grey_tile",) if is_faint else ("blue_metal", "white_metal", "red_tile", "concrete")
    return Shape(outline, str(rng.choice(roofs)), rng.uniform(4, 9))


def render_ground(
    rng: np.random.Generator,
    fields: Fields,
    shapes: Sequence[Shape],
    crop: NDArray[np.int64],
    sensor: Sensor,
) -> Floats:
    """Reflectance `(y, x, band)` on the fine grid as one date sees it."""
    side = fields.field_id.shape[0]
    season = np.array([1, 1, 1, sensor.plant_nir], np.float32)
    table = {
        m: np.array(r, np.float32) * (season if m in PLANTS else 1) for m, r in REFLECTANCE.items()
    }
    crop_table = np.array([table[name] for name in CROPS], np.float32)
    vigour = rng.normal(1, 0.07, (N_FIELD_IDS, 1)).astype(np.float32)
    rows = rng.normal(1, 0.025, N_FIELD_IDS).astype(np.float32)
    ground = (crop_table[crop] * vigour)[fields.field_id] * rows[fields.row_id][..., None]
    ground[fields.is_ridge] = 0.5 * ground[fields.is_ridge] + 0.5 * table["grass"]
    ground[fields.is_lane] = table["dirt"]
    index = draw_index(shapes, side)
    tone = np.random.default_rng(len(BANDS)).normal(1, 0.06, len(shapes))
    colours = np.array([table[s.material] for s in shapes]) * tone[:, None]
    covered = index > 0
    ground[covered] = colours.astype(np.float32)[index[covered] - 1]
    ground[cast_shadows(shapes, index, sensor)] *= 0.5
    return ground * (1 + 0.025 * noise(rng, side, 20.0))[..., None]


def cast_shadows(
    shapes: Sequence[Shape], index: NDArray[np.int32], sensor: Sensor
) -> NDArray[np.bool_]:
    """Where the sun does not reach; never on the roof or crown that casts it."""
    azimuth = math.radians(sensor.sun_azimuth_deg)
    away = np.array([-math.sin(azimuth), math.cos(azimuth)])
    length = math.tan(math.radians(sensor.sun_zenith_deg))
    high = [shape for shape in shapes if shape.height_m > 0]
    hulls = [
        cv2.convexHull(
            np.concatenate([s.outline_m, s.outline_m + away * s.height_m * length]).astype(
                np.float32
            )
        ).reshape(-1, 2)
        for s in high
    ]
    shadow = (
        fill([Shape(hull, s.material) for hull, s in zip(hulls, high, strict=True)], index.shape[0])
        > 0
    )
    heights = np.array([0.0, *(s.height_m for s in shapes)])
    return shadow & (heights[index] == 0)


def expose(
    rng: np.random.Generator, ground: Floats, sensor: Sensor, shift_px: NDArray[np.float64]
) -> NDArray[np.uint16]:
    """Optics, misregistration, sampling, gain, offset and noise → digital numbers."""
    dy, dx = shift_px * FINE
    moved = cv2.warpAffine(
        cv2.GaussianBlur(ground, (0, 0), 0.55 * FINE),
        np.array([[1, 0, dx], [0, 1, dy]]),
        ground.shape[1::-1],
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    size = ground.shape[0] // FINE
    sampled = cv2.resize(moved, (size, size), interpolation=cv2.INTER_AREA)
    inside = sampled[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    numbers = inside * np.array(sensor.gain, np.float32) + np.array(sensor.offset, np.float32)
    numbers += rng.normal(0, 1, numbers.shape) * (sensor.noise + 0.006 * numbers)
    return np.moveaxis(np.clip(np.rint(numbers), 1, 4095).astype(np.uint16), 2, 0)


def label_shapes(shapes: Sequence[Shape], side: int) -> NDArray[np.uint8]:
    """1 where at least half of an image pixel was built over."""
    share = cv2.resize(
        fill(shapes, side).astype(np.float32),
        (side // FINE, side // FINE),
        interpolation=cv2.INTER_AREA,
    )
    inside = share[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    return (inside >= 0.5).astype(np.uint8)


def collar_wedge(rng: np.random.Generator, size_px: int) -> NDArray[np.bool_]:
    """The corner that the turned after image did not reach."""
    y, x = np.mgrid[:size_px, :size_px]
    reach = size_px * rng.uniform(0.10, 0.14)
    return (size_px - 1 - x) + (size_px - 1 - y) * rng.uniform(0.35, 0.6) < reach


def draw_index(shapes: Sequence[Shape], side: int) -> NDArray[np.int32]:
    """Number of the topmost shape, from 1; 0 where there is none."""
    index = np.zeros((side, side), np.int32)
    for number, shape in enumerate(shapes, start=1):
        cv2.fillPoly(index, [to_fine(shape.outline_m)], number, shift=4)
    return index


def fill(shapes: Iterable[Shape], side: int) -> NDArray[np.uint8]:
    """1 under any of the shapes."""
    mask = np.zeros((side, side), np.uint8)
    for shape in shapes:
        cv2.fillPoly(mask, [to_fine(shape.outline_m)], 1, shift=4)
    return mask


def to_fine(outline_m: Points) -> NDArray[np.int32]:
    """Metres → sixteenths of a fine pixel, as OpenCV's `shift=4` wants them."""
    return np.rint((outline_m / FINE_M - 0.5) * 16).astype(np.int32)


def spots(rng: np.random.Generator, side_m: float, per_km2: float, border_m: float) -> list[Points]:
    """Random places inside the scene, at least one."""
    count = max(1, round(per_km2 * (side_m / 1000) ** 2))
    return list(rng.uniform(border_m, side_m - border_m, (count, 2)))


def curve(
    rng: np.random.Generator,
    start: Sequence[float] | Points,
    end: Sequence[float] | Points,
    sway_m: float,
) -> Points:
    """A winding line from one point to another."""
    t = np.linspace(0, 1, 80)[:, None]
    line = np.asarray(start) * (1 - t) + np.asarray(end) * t
    along = line[-1] - line[0]
    normal = np.array([-along[1], along[0]]) / max(np.hypot(*along), 1e-9)
    swings = sum(
        rng.uniform(0.4, 1) / k * np.sin(2 * math.pi * k * t + rng.uniform(0, 6.3))
        for k in (1, 2, 3)
    )
    return line + normal * swings * sway_m * np.sin(math.pi * t) ** 0.5


def moved_sideways(line: Points, offset_m: float) -> Points:
    """The line shifted along its normals."""
    along = np.gradient(line, axis=0)
    normals = np.stack([-along[:, 1], along[:, 0]], 1)
    return line + normals / np.maximum(np.hypot(*normals.T), 1e-9)[:, None] * offset_m


def ribbon(line: Points, width_m: float) -> Points:
    """A line with a width, as an outline."""
    sides = moved_sideways(line, width_m / 2), moved_sideways(line, -width_m / 2)
    return np.concatenate([sides[0], sides[1][::-1]])


def rectangle(centre: Points, length_m: float, width_m: float, angle: float) -> Points:
    """Four corners, the length along `angle`."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * [length_m, width_m]
    return centre + corners @ rotation(angle)


def rotation(angle: float) -> Points:
    """Matrix that turns row vectors by `angle`."""
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def blob(rng: np.random.Generator, centre: Points, radius_m: float) -> Points:
    """An irregular round outline."""
    t = np.linspace(0, 2 * math.pi, 60, endpoint=False)
    wobble = 1 + sum(
        rng.uniform(0.03, 0.2) / k**0.3 * np.sin(k * t + rng.uniform(0, 6.3)) for k in (2, 3, 5)
    )
    return centre + np.stack([np.cos(t), np.sin(t)], 1) * (radius_m * wobble)[:, None]


def plant_tree(rng: np.random.Generator, spot: Points) -> Shape:
    """One crown."""
    t = np.linspace(0, 2 * math.pi, 9, endpoint=False)
    crown = spot + np.stack([np.cos(t), np.sin(t)], 1) * rng.uniform(1.6, 3.6)
    return Shape(crown, "tree", rng.uniform(3, 8))


def tree_row(rng: np.random.Generator, line: Points, spacing_m: float) -> list[Shape]:
    """Trees beside a road or a bank, with gaps."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    distance = np.concatenate([[0], np.cumsum(steps)])
    stops = np.arange(0, distance[-1], spacing_m)
    line_spots = np.stack([np.interp(stops, distance, line[:, k]) for k in (0, 1)], 1)
    return [
        plant_tree(rng, spot + rng.normal(0, 1.0, 2)) for spot in line_spots if rng.random() < 0.7
    ]


def scatter_trees(rng: np.random.Generator, spot: Points, radius_m: float) -> list[Shape]:
    """A grove."""
    count = int(radius_m**2 / 22)
    return [plant_tree(rng, place) for place in rng.normal(0, radius_m / 2, (count, 2)) + spot]
