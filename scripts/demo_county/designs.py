"""What a planted change looks like on the ground, before and after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from shapely import Polygon

from .settlements import tunnels
from .shapes import AFTER, BEFORE, BOTH, Points, Shape, blob, rectangle, rotation

FAINT = (
    ("bare", "old_concrete"), ("bare_pale", "gravel"), ("stubble", "grey_metal"),
    ("bare_pale", "concrete"), ("bare", "gravel"), ("straw", "concrete"),
    ("bare_red", "red_tile"), ("stubble", "grey_tile"),
)  # fmt: skip
"""Fallow land, and what is built on it that looks much the same."""
ROOFS = ("blue_metal", "blue_metal", "white_metal", "grey_metal", "red_tile", "concrete")
YARDS = ("concrete", "fresh_concrete", "old_concrete", "asphalt", "gravel")


@dataclass(frozen=True, eq=False)
class Lot:
    """A turned rectangle."""

    centre: Points
    length: float
    width: float
    angle: float

    @property
    def polygon(self) -> Polygon:
        """Its outline."""
        return Polygon(rectangle(self.centre, self.length, self.width, self.angle))

    def part(self, u: float, v: float, length: float, width: float) -> Points:
        """Outline of a rectangle inside: centre and size as shares of the lot's sides."""
        at = np.array([u * self.length, v * self.width]) @ rotation(self.angle)
        return rectangle(self.centre + at, length * self.length, width * self.width, self.angle)


def _of(lot: Lot, material: str, when: int = AFTER) -> Shape:
    return Shape(lot.part(0, 0, 1, 1), material, 0.0, when)


def build(
    rng: np.random.Generator, design: str, lot: Lot, is_faint: bool
) -> tuple[str, list[Shape]]:
    """The change kind that resulted, and the shapes."""
    if design == "mixed":
        design = str(rng.choice(["factory", "hall", "yard", "solar"], p=[0.40, 0.27, 0.28, 0.05]))
        if is_faint:
            design = str(rng.choice(["yard", "hall"]))
    return DESIGNS[design](rng, lot, is_faint)


def _fallow(lot: Lot, material: str) -> Shape:
    around = Lot(lot.centre, lot.length + 8, lot.width + 8, lot.angle)
    return _of(around, material, BOTH)


def _roof(
    lot: Lot, material: str, part: tuple[float, float, float, float], high: float
) -> list[Shape]:
    u, v, length, width = part
    return [
        Shape(
            lot.part(u, v + sign * width / 4, length, width / 2),
            material,
            high,
            AFTER,
            0.045 * sign,
        )
        for sign in (-1, 1)
    ]


def factory(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """A yard with one or two roofs on it."""
    if is_faint:
        return hall(rng, lot, is_faint)
    made = [_of(lot, str(rng.choice(YARDS[:4])))]
    roof, high = str(rng.choice(ROOFS)), float(rng.uniform(5, 9))
    if lot.length * lot.width > 1800 and rng.random() < 0.6:
        made += _roof(lot, roof, (-0.22, 0.0, 0.38, 0.72), high)
        made += _roof(lot, str(rng.choice(ROOFS)), (0.24, 0.08, 0.34, 0.62), high)
    else:
        made += _roof(lot, roof, (-0.06, -0.05, 0.74, 0.74), high)
    return "building", made


def hall(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """One roof over the whole lot."""
    if is_faint:
        roofs = [pair for pair in FAINT if "metal" in pair[1] or "tile" in pair[1]]
        ground, roof = roofs[int(rng.integers(len(roofs)))]
        return "building", [_fallow(lot, ground), *_roof(lot, roof, (0, 0, 1, 1), 3.5)]
    return "building", _roof(lot, str(rng.choice(ROOFS)), (0, 0, 1, 1), float(rng.uniform(4, 9)))


def yard(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """Hardened ground, with a shed in the corner now and then."""
    if is_faint:
        covers = [pair for pair in FAINT if pair[1] in YARDS]
        ground, cover = covers[int(rng.integers(len(covers)))]
        return "hardened", [_fallow(lot, ground), _of(lot, cover)]
    made = [_of(lot, str(rng.choice(YARDS, p=[0.3, 0.2, 0.2, 0.15, 0.15])))]
    if lot.length * lot.width > 900 and rng.random() < 0.5:
        made += _roof(lot, str(rng.choice(ROOFS)), (0.34, 0.3, 0.24, 0.3), 4.0)
    return "hardened", made


def solar(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """Rows of panels on gravel."""
    made = [_of(lot, str(rng.choice(["gravel", "dry_grass"])))]
    rows = max(2, round(lot.width / 5.0))
    for k in range(rows):
        made.append(
            Shape(lot.part(0, (k + 0.5) / rows - 0.5, 0.96, 0.62 / rows), "panel", 0.0, AFTER)
        )
    return "photovoltaic", made


def houses(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """Farm houses in a row, each with a yard."""
    count = max(1, round(lot.length / 14))
    made = [_of(lot, "old_concrete" if is_faint else "concrete")]
    if is_faint:
        made.insert(0, _fallow(lot, "bare"))
    for k in range(count):
        roof = str(
            rng.choice(["grey_tile", "red_tile"] if is_faint else ["red_tile", "blue_metal"])
        )
        made.append(
            Shape(lot.part((k + 0.5) / count - 0.5, -0.2, 0.9 / count, 0.52), roof, 6.0, AFTER)
        )
    return "building", made


def pit(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """A dug hole with a pale rim."""
    radius = float(np.sqrt(lot.length * lot.width / np.pi))
    edge = lot.polygon.buffer(-0.12 * lot.width).buffer(0.12 * lot.width)
    made = [Shape(np.asarray(edge.exterior.coords)[:-1], "sand", 0.0, AFTER)]
    made.append(Shape(blob(rng, lot.centre, 0.52 * radius, 0.2), "pit", 0.0, AFTER))
    return "excavation", made


def waste(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """Heaps of rubble and rubbish."""
    made = [_of(lot, "waste")]
    for _ in range(6):
        u, v = rng.uniform(-0.38, 0.38, 2)
        heap = str(rng.choice(["rock", "pit", "pushed_soil", "waste"]))
        made.append(Shape(lot.part(u, v, 0.2, 0.22), heap, 1.5, AFTER))
    return "waste", made


def pushed(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """Bare, pushed soil."""
    made = [_of(lot, "pushed_soil")]
    for _ in range(4):
        u, v = rng.uniform(-0.35, 0.35, 2)
        made.append(
            Shape(lot.part(u, v, 0.25, 0.2), str(rng.choice(["bare", "bare_red"])), 0, AFTER)
        )
    return "earthwork", made


def crop(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """Wheat in May, ploughed in October."""
    return "crop", [_of(lot, "wheat", BEFORE), _of(lot, "ploughed", AFTER)]


def greenhouse(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """Tunnels on trodden ground, or a breeding shed."""
    if rng.random() < 0.35:
        made = [_of(lot, "dirt")]
        for v in (-0.25, 0.25):
            made += _roof(lot, str(rng.choice(["blue_metal", "white_metal"])), (0, v, 0.92, 0.3), 4)
        return "facility", made
    return "facility", [
        _of(lot, "dirt"), *tunnels(rng, lot.polygon, lot.angle, AFTER, "greenhouse"),
    ]  # fmt: skip


def road(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """A new concrete road."""
    cover = "old_concrete" if is_faint else str(rng.choice(["concrete", "fresh_concrete"]))
    return "road", [_of(lot, cover)]


def vanishing(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """Something built that can hardly be told from the fallow before it."""
    return "building", [_fallow(lot, "bare_pale"), _of(lot, "packed_soil", AFTER)]


def nothing(rng: np.random.Generator, lot: Lot, is_faint: bool) -> tuple[str, list[Shape]]:
    """Nothing: the scenery changes by itself."""
    return "water", []


DESIGNS = {
    "factory": factory, "hall": hall, "yard": yard, "solar": solar, "houses": houses, "pit": pit,
    "waste": waste, "pushed": pushed, "crop": crop, "tunnels": greenhouse, "road": road,
    "vanishing": vanishing, "none": nothing, "sliver": yard,
}  # fmt: skip
