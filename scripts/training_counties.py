"""Training pairs for the construction network: demo counties with other soils, fields and cameras.

A network that has only seen one county's fields, sun and paint knows that county. So each training
county is the demo generator's with its numbers drawn anew: spectra of all materials, size of the
fields, crops, sun, gain, air and sharpness of both dates, and what stands in the fields: more
constructions of every design, others torn down between the dates, and shapes like lots and banks
that only ever held soil, plants, straw, film and water. Nothing but the generator is used.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import geopandas as gpd
import numpy as np
import rasterio.features
from demo_county import painting
from demo_county.county import _found
from demo_county.designs import Lot, build
from demo_county.imagery import CHUNK_PX, HALO_PX
from demo_county.materials import CROPS_AFTER, CROPS_BEFORE, MATERIALS
from demo_county.noise import Frame
from demo_county.nuisances import place_nuisances
from demo_county.painting import FINE_M, Painter, Sun
from demo_county.scenery import upper_ground
from demo_county.sensor import GSD_M, Sensor, expose
from demo_county.shapes import AFTER, BEFORE, Shape, blob, rectangle
from numpy.typing import NDArray
from shapely import Polygon, unary_union
from shapely.prepared import prep

from pipeline.cli.running import tiled_context
from pipeline.config.models import RunConfig
from pipeline.io.runs import RunPaths
from pipeline.io.scenes import read_meta
from pipeline.stages.requests import described_images, with_detector
from pipeline.stages.runner import run_stages

CLASSES = (
    "none", "building", "hardened", "road", "photovoltaic", "facility", "earthwork",
    "excavation", "waste",
)  # fmt: skip
IGNORED = 255
GONE = 100
"""Added to the class of what stood before only: built, if the dates are swapped."""
CLASS_OF_KIND = {name: value for value, name in enumerate(CLASSES)} | {
    "crop": 0, "water": 0, "grave_kiln": 8, "construction": 1
}  # fmt: skip
BUILT_DESIGNS = {
    "factory": 0.20, "hall": 0.20, "yard": 0.22, "houses": 0.07, "road": 0.06, "solar": 0.05,
    "tunnels": 0.06, "pit": 0.04, "waste": 0.04, "pushed": 0.06,
}  # fmt: skip
KIND_OF_DESIGN = {
    "factory": "building", "hall": "building", "houses": "building", "yard": "hardened",
    "road": "road", "solar": "photovoltaic", "tunnels": "facility", "pit": "excavation",
    "waste": "waste", "pushed": "earthwork",
}  # fmt: skip
NATURAL = (
    "wheat", "vegetables", "late_crop", "ripe_crop", "seedlings", "stubble", "straw", "bare_pale",
    "bare", "bare_red", "ploughed", "ploughed_wet", "flooded", "grass", "dry_grass",
    "maize", "rice", "turbid", "water", "mud", "sandbar", "dirt", "orchard",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TrainingCounty:
    """One pair with its classes, at the generator's own 2 m."""

    before: NDArray[np.uint16]
    """`(band, y, x)`: blue, green, red, nir."""
    after: NDArray[np.uint16]
    label: NDArray[np.uint8]
    """`(y, x)`: index into `CLASSES`, 100 more for what was torn down, 255 not to be learned."""
    valid: NDArray[np.uint8] | None = None
    """`(y, x)`, 0 where both dates were seen; None if everywhere."""


@dataclass(frozen=True, eq=False)
class _Extra:
    """One more thing in the fields."""

    footprint: Polygon
    shapes: list[Shape]
    value: int
    """Class it leaves behind."""


def make_training_county(seed: int, size_px: int) -> TrainingCounty:
    """A varied county; the same seed and generator give the same pixels."""
    rng = np.random.default_rng([seed, 77])
    scale = float(rng.choice([1.0, 1.0, 2.0, 4.0, 7.0]))
    cv2.setNumThreads(1)
    with _other_numbers(rng, scale):
        plants, ground = _found(seed, size_px * GSD_M)
        county, scenery = ground.county, ground.scenery
        nuisances = place_nuisances(county, scenery, plants, ground.sensors)
        sensors = tuple(_other_camera(rng, sensor) for sensor in ground.sensors)
        taken = unary_union([p.footprint.buffer(12) for p in plants])
        extras = list(_extras(rng, county, unary_union([taken, upper_ground(county)]), scale))
        shapes = [
            *scenery.shapes,
            *(s for p in plants for s in p.shapes),
            *(s for n in nuisances for s in n.shapes),
            *(s for extra in extras for s in extra.shapes),
        ]
        outlines = [(p.footprint, _class_of(p)) for p in plants]
        outlines += [(extra.footprint, extra.value) for extra in extras]
        return _painted(county, shapes, outlines, sensors)


def training_seeds(text: str) -> range:
    """`171-180` as seeds; refuses those that are kept from training."""
    first, _, last = text.partition("-")
    if int(first) < 100:
        raise SystemExit("seeds under 100 are for acceptance and for choosing thresholds")
    return range(int(first), int(last or first) + 1)


def aligned_county(seed: int, size_px: int, folder: Path) -> TrainingCounty:
    """A county of the demo as it is, made in `folder` and aligned by the product."""
    raw = folder / "raw" / "demo"
    command = [sys.executable, str(Path(__file__).with_name("make_demo.py"))]
    command += ["--data", str(folder), "--seed", str(seed), "--size", str(size_px)]
    subprocess.run(command, check=True)
    meta = read_meta(raw)
    masks = raw / "before_mask.tif", raw / "after_mask.tif"
    before, after = described_images(raw / "before.tif", raw / "after.tif", meta, masks=masks)
    run = RunConfig(run="training", before=before, after=after, settings=with_detector("auto"))
    paths = RunPaths(folder / "run")
    with tiled_context(1, None, 1024, quiet=True) as start:
        run_stages(("align",), start(run, paths))
    truth = gpd.read_file(raw / "truth.gpkg", layer="changes")
    is_unclear = ~truth["is_observable"].astype(bool) | (truth["case_id"] == "missed")
    values = np.where(is_unclear, IGNORED, truth["kind"].map(CLASS_OF_KIND))
    order = np.argsort(values == 0, kind="stable")[::-1]  # what is built over what is grown
    label = rasterise(truth.geometry.to_numpy()[order], values[order], paths.align_valid)
    return TrainingCounty(
        read_all_bands(paths.align_before), read_all_bands(paths.align_after), label,
        read_all_bands(paths.align_valid)[0],
    )  # fmt: skip


def read_all_bands(path: Path) -> NDArray[Any]:
    """`(band, y, x)`."""
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read())


def rasterise(
    geometries: NDArray[np.object_], values: NDArray[np.int64], like: Path
) -> NDArray[np.uint8]:
    """Values at the centres of the pixels of the grid of `like`, 0 elsewhere; later ones win."""
    with rasterio.open(like) as dataset:
        shape, transform = dataset.shape, dataset.transform
    pairs = zip(geometries, values.tolist(), strict=True)
    burnt = rasterio.features.rasterize(
        pairs, out_shape=shape, transform=transform, fill=0, dtype="uint8"
    )
    return np.asarray(burnt, np.uint8)


def _class_of(plant: Any) -> int:
    # Trodden soil on pale fallow can not be told by anyone: neither built nor unbuilt.
    return IGNORED if plant.case.design == "vanishing" else CLASS_OF_KIND[plant.kind]


@contextmanager
def _other_numbers(rng: np.random.Generator, scale: float) -> Iterator[None]:
    """Other spectra and crops, and fields `scale` times as large, while it lasts."""
    materials = {}
    tilt = rng.normal(0, 0.05, 4)
    for name, material in MATERIALS.items():
        other = np.array(material.reflectance) * np.exp(
            rng.normal(0, 0.16) + tilt + rng.normal(0, 0.045, 4)
        )
        grain = material.grain * float(np.exp(rng.normal(0, 0.3)))
        materials[name] = replace(material, reflectance=tuple(other.tolist()), grain=grain)
    crops = _redrawn(rng, CROPS_BEFORE)
    after = {name: _redrawn(rng, shares) for name, shares in CROPS_AFTER.items()}
    strips = painting.strips_at

    def larger(table: Any, seed: int, district: Any, x: Any, y: Any) -> Any:
        small = replace(table, seed=table.seed / scale)
        return strips(small, seed, district, x / np.float32(scale), y / np.float32(scale))

    with (
        mock.patch.dict(MATERIALS, materials),
        mock.patch.dict(CROPS_BEFORE, crops),
        mock.patch.dict(CROPS_AFTER, after),
        mock.patch.object(painting, "strips_at", larger),
    ):
        yield


def _redrawn(rng: np.random.Generator, shares: dict[str, float]) -> dict[str, float]:
    drawn = {name: share * float(rng.gamma(1.0)) + 0.01 for name, share in shares.items()}
    total = sum(drawn.values())
    return {name: share / total for name, share in drawn.items()}


def _other_camera(rng: np.random.Generator, sensor: Sensor) -> Sensor:
    is_after = sensor.date == AFTER
    shift = rng.uniform(-0.35, 0.35, 2) * is_after
    gain = np.array(sensor.gain) * np.exp(rng.normal(0, 0.15) + rng.normal(0, 0.05, 4))
    return replace(
        sensor,
        sun=Sun(float(rng.uniform(18, 55)), float(rng.uniform(125, 215))),
        gain=tuple(gain.tolist()),
        noise=float(rng.uniform(3, 14)),
        blur_px=float(rng.uniform(0.5, 0.85)),
        haze=float(rng.uniform(0, 0.03)),
        margin_px=0,
        shift_px=(float(shift[0]), float(shift[1])),
        wobble_px=0.15 * is_after,
        clouds=(),
        wedge_m=0.0,
    )  # fmt: skip


def _extras(rng: np.random.Generator, county: Any, taken: Any, scale: float) -> Iterator[_Extra]:
    """Lots in the open: built, torn down, or only looking like a lot."""
    side = county.side_m
    blocked, used = prep(taken.buffer(4)), []
    for _ in range(round(110 * (side / 1000) ** 2)):
        at = rng.uniform(30, side - 30, 2)
        long = float(np.exp(rng.uniform(math.log(14), math.log(75))))
        lot = Lot(
            at, long, max(long * rng.uniform(0.35, 1.0), 10.0), float(rng.uniform(0, math.pi))
        )
        draw = rng.random()
        if draw < 0.45:
            extra = _built(rng, lot)
        elif draw < 0.58:
            extra = _gone(rng, lot)
        elif draw < (0.85 if scale == 1 else 0.75):
            extra = _unbuilt(rng, at, long, scale)
        else:
            extra = _wet_hollow(rng, at, long) if rng.random() < 0.6 else _knolls(rng, at, long)
        near = extra.footprint.buffer(14)
        if blocked.intersects(near) or any(near.intersects(f) for f in used):
            continue
        used.append(extra.footprint)
        yield extra


def _built(rng: np.random.Generator, lot: Lot) -> _Extra:
    design = str(rng.choice(list(BUILT_DESIGNS), p=list(BUILT_DESIGNS.values())))
    if design == "road":
        lot = Lot(lot.centre, lot.length * 3.0, float(rng.uniform(3.5, 9)), lot.angle)
    is_faint = design in ("hall", "yard") and bool(rng.random() < 0.3)
    _, shapes = build(rng, design, lot, is_faint)
    if not is_faint and rng.random() < 0.35:
        ground = str(rng.choice(NATURAL[:15]))
        around = Lot(lot.centre, lot.length + 8, lot.width + 8, lot.angle)
        shapes.insert(0, Shape(around.polygon.exterior.coords[:-1] @ np.eye(2), ground, 0.0))
    return _Extra(lot.polygon, shapes, CLASS_OF_KIND[KIND_OF_DESIGN[design]])


def _gone(rng: np.random.Generator, lot: Lot) -> _Extra:
    """What stood before and is field, soil or rubble-free ground after: nothing was built."""
    design = str(rng.choice(["factory", "hall", "yard", "solar", "tunnels"]))
    _, shapes = build(rng, design, lot, False)
    turned = [replace(shape, when=BEFORE) for shape in shapes]
    return _Extra(lot.polygon, turned, GONE + CLASS_OF_KIND[KIND_OF_DESIGN[design]])


def _unbuilt(
    rng: np.random.Generator, at: NDArray[np.float64], long: float, scale: float
) -> _Extra:
    """Soil, plants, straw, film or water in the outline of a lot, a field or a bank."""
    before, after = (str(v) for v in rng.choice(NATURAL, 2, replace=False))
    long *= float(rng.choice([1.0, min(scale, 3.0)]))
    if rng.random() < 0.6:
        ring = rectangle(at, long, max(long * rng.uniform(0.15, 1.0), 6.0), rng.uniform(0, math.pi))
    else:
        ring = blob(rng, at, long / 2, 0.25)
    when = [(before, BEFORE), (after, AFTER)]
    if rng.random() < 0.4:
        when = [when[int(rng.integers(2))]]
    shapes = [Shape(ring, material, 0.0, date) for material, date in when]
    return _Extra(Polygon(ring).buffer(0), shapes, 0)


def _wet_hollow(rng: np.random.Generator, at: NDArray[np.float64], long: float) -> _Extra:
    """A pond of the plains: water, reed, mud and a pale rim, of another width at each date."""
    long *= 1.6
    whole = blob(rng, at, long / 2, 0.2)
    rims = ["bank", "sandbar", "mud", "dry_grass", "grass", "bare_pale", "film"]
    rim, inner, within = (str(v) for v in rng.choice(rims, 3))
    shapes = [Shape(whole, rim)]
    for date in (BEFORE, AFTER):
        width, wet = rng.uniform(0.6, 1.0), str(rng.choice(["water", "turbid", "mud", "grass"]))
        for material, share in ((inner, width), (within, 0.85 * width), (wet, 0.7 * width)):
            shapes.append(Shape(at + (whole - at) * share, material, 0.0, date))
    return _Extra(Polygon(whole).buffer(0), shapes, 0)


def _knolls(rng: np.random.Generator, at: NDArray[np.float64], long: float) -> _Extra:
    """Pale or dark spots of bare ground, seen where the crop is off."""
    tone = float(rng.choice([-1, 1]) * rng.uniform(0.15, 0.6))
    material = str(rng.choice(["bare", "bare_pale", "stubble", "straw", "ploughed", "dry_grass"]))
    when = [BEFORE, AFTER, AFTER][int(rng.integers(3))]
    shapes = []
    for _ in range(int(rng.integers(1, 9))):
        spot = at + rng.normal(0, 0.45 * long, 2)
        ring = blob(rng, spot, float(rng.uniform(3, 0.35 * long)), 0.45)
        shapes.append(Shape(ring, material, 0.0, when, tone))
    return _Extra(
        unary_union([Polygon(s.outline_m).buffer(0) for s in shapes]).convex_hull, shapes, 0
    )


def _painted(
    county: Any, shapes: list[Shape], outlines: list[tuple[Polygon, int]], sensors: Any
) -> TrainingCounty:
    size = round(county.side_m / GSD_M)
    painter = Painter(county, shapes)
    suns = {sensor.date: sensor.sun for sensor in sensors}
    for sensor in sensors:
        painter.store.hulls_for(sensor.sun)
    images = {s.date: np.zeros((4, size, size), np.uint16) for s in sensors}
    for row in range(0, size, CHUNK_PX):
        for col in range(0, size, CHUNK_PX):
            x0, y0 = (col - HALO_PX) * GSD_M, (row - HALO_PX) * GSD_M
            count = CHUNK_PX + 2 * HALO_PX
            lit, _ = painter.paint(Frame(x0, y0, FINE_M, round(count * GSD_M / FINE_M)), suns)
            coarse = Frame(x0, y0, GSD_M, count)
            for sensor in sensors:
                numbers, _ = expose(lit[sensor.date], sensor, coarse, county.seed, county.side_m)
                part = images[sensor.date][:, row : row + CHUNK_PX, col : col + CHUNK_PX]
                inner = numbers[:, HALO_PX:-HALO_PX, HALO_PX:-HALO_PX]
                part[:] = inner[:, : part.shape[1], : part.shape[2]]
    label = np.zeros((size, size), np.uint8)
    for footprint, value in outlines:
        ring = np.asarray(footprint.exterior.coords)[:-1]
        points = np.rint((ring / GSD_M - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(label, [points], int(value), shift=4)
    return TrainingCounty(images[BEFORE], images[AFTER], label)
