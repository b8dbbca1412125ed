"""Years that never were, on real ground: fields mixed from several dates, roofs and yards set in.

Six dates of one place are few. But fields are sown by themselves: a year in which one looks as in
2010 and its neighbour as in 2014 might have been. So both images of a pair are put together field
by field from the real dates, with another tone here and there, and the implant script's
painter (`implanting`) builds roofs and yards on them: between the dates, standing at both, or torn
down. Materials are drawn anew for every pair. What differs otherwise was not built.

Implant seeds 1-3 never occur here: these draws are seeded by three numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import rasterio.features
from affine import Affine
from construction_network import IGNORED, MOST_UNBUILT, Scene, scene_of
from implanting import shapes
from implanting.land import noise_sigma, rendering, water_mask
from implanting.materials import ROOFS, YARDS, Material
from implanting.painting import Sky, paint
from numpy.typing import NDArray
from real_backgrounds import FACTORS, aligned
from scipy import ndimage
from skimage.segmentation import felzenszwalb
from training_counties import CLASSES, GONE

from pipeline.change.learned.infer import median_mad

Pixels = NDArray[np.float32]

PIXEL_M = 5.0
N_PAIRS = 300
GROUP, SEED_FAMILY = 7, 101
N_IMPLANTS = 240
BUILT_SHARE, STANDING_SHARE = 0.62, 0.22
"""Of the implants: built between the dates, standing at both; the rest is torn down."""
AREA_M2 = (330.0, 6000.0)
EDGE_PX, WATER_PX = 12, 3
FIELD_SIZES = (60, 200, 600)
"""Felzenszwalb's scale: larger, larger fields."""
BARE_SPOTS = 0.4
"""Of the spots, those of pale soil: eroded knolls, salt, sand."""
LEAST_WATER = 200
"""Pixels of water from which a date's water colours are taken."""
STRANGE_SHARE = 0.15
"""Materials of any colour, beside those of the libraries."""
CLASS_OF = {"roof": CLASSES.index("building"), "yard": CLASSES.index("hardened")}
FINER = 4


@dataclass(frozen=True, eq=False)
class Place:
    """Several dates of one place on one grid, nothing built between them."""

    dates: Pixels
    """`(date, band, y, x)`: blue, green, red, nir, in the pixel values of the first date."""
    seen: NDArray[np.bool_]
    fields: list[NDArray[np.int64]]
    """Fields numbered from 0, coarser and coarser."""


def invented_scenes(
    images: Sequence[Path], work: Path, rng: np.random.Generator
) -> list[list[Scene]]:
    """`N_PAIRS` pairs of the place of the images, each at the pixel sizes `FACTORS`; none without
    images. They stay in `work`."""
    if len(images) < 2:
        return []
    scenes, place = [], None
    for number in range(N_PAIRS):
        path = work / f"inv_{number}.npz"
        if not path.is_file():
            place = place or _place(images, work)
            own = np.random.default_rng([GROUP, SEED_FAMILY, number])
            (before, after), label = invented_pair(place, own)
            hidden = (~place.seen).astype(np.uint8)
            np.savez(path, before=before, after=after, label=label, valid=hidden)
        with np.load(path) as held:
            pair, label, valid = (held["before"], held["after"]), held["label"], held["valid"]
        scenes.append([scene_of(pair, label, valid, factor, rng) for factor in FACTORS])
    return scenes


def _place(images: Sequence[Path], work: Path) -> Place:
    """All images on the first one's grid."""
    dates, seen = [], None
    for other in images[1:]:
        (first, second), valid = aligned(images[0], other, work)
        dates += [first, second] if not dates else [second]
        seen = (valid == 0) if seen is None else seen & (valid == 0)
    assert seen is not None
    return place_of(dates, seen)


def place_of(dates: list[NDArray[np.uint8]], seen: NDArray[np.bool_]) -> Place:
    """The dates with the median and spread of the first one, and their fields."""
    scales = [median_mad(image[:, seen]) for image in dates]
    first, first_spread = scales[0]
    alike = np.empty((len(dates), *dates[0].shape), np.float32)
    for out, image, (middle, spread) in zip(alike, dates, scales, strict=True):
        gain = (first_spread / spread)[:, None, None]
        out[:] = (image - middle[:, None, None]) * gain + first[:, None, None]
    stack = np.moveaxis(alike.reshape(-1, *seen.shape), 0, -1) / 255.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that so many bands are bands
        fields = [felzenszwalb(stack, scale, 0.8, 40, channel_axis=-1) for scale in FIELD_SIZES]
    return Place(alike, seen, fields)


def invented_pair(
    place: Place, rng: np.random.Generator
) -> tuple[tuple[NDArray[np.uint16], NDArray[np.uint16]], NDArray[np.uint8]]:
    """Both images `(band, y, x)` and the label `(y, x)` as of a training county."""
    before, after = _mixed(place, rng)
    label = np.zeros(place.seen.shape, np.uint8)
    with _other_materials(rng):
        _build(before, after, label, place.seen, rng)
    # Sixteen values to one of the eight-bit image: bits are taken away in training.
    pair = tuple(
        np.clip(image * 16.0 + 2000.0, 1, 65535).astype(np.uint16) for image in (before, after)
    )
    return (pair[0], pair[1]), label


def _mixed(place: Place, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    n_dates = len(place.dates)
    fields = place.fields[rng.integers(len(place.fields))]
    n = int(fields.max()) + 1
    years = rng.choice(n_dates, 2, replace=False)
    share = rng.choice([0.0, 0.3, 0.7])
    images = []
    # Some fields bear the same at both dates.
    is_same = rng.random(n) < 0.12
    same_year = rng.integers(0, n_dates, n)
    for year in years:
        of_field = np.where(rng.random(n) < share, rng.integers(0, n_dates, n), year)
        of_field = np.where(is_same & (share > 0), same_year, of_field)
        image = np.empty_like(place.dates[0])
        for k in range(n_dates):
            here = of_field[fields] == k
            image[:, here] = place.dates[k][:, here]
        images.append(_spotted(_other_tones(image, fields, n, rng), fields, n, rng))
    return _flooded(images[0], images[1], place, rng)


def _other_tones(
    image: Pixels, fields: NDArray[np.int64], n: int, rng: np.random.Generator
) -> Pixels:
    """Some fields lighter or darker, greener or barer, or without their pattern."""
    spread = image.std(axis=(1, 2), keepdims=True)
    is_other = (rng.random(n) < rng.choice([0.0, 0.2, 0.5])).astype(np.float32)
    tone = rng.normal(0, 0.35, (1, n)) + rng.normal(0, 0.2, (4, n))
    greener = rng.normal(0, 0.5, n) * np.array([[-0.5], [-0.2], [-0.7], [1.0]])
    shift = ((tone + greener) * is_other).astype(np.float32)[:, fields]
    contrast = np.where(is_other > 0, np.exp(rng.normal(0, 0.5, n)), 1.0).astype(np.float32)
    counts = np.maximum(np.bincount(fields.ravel(), minlength=n), 1)
    out = np.empty_like(image)
    for band in range(4):
        mean = np.bincount(fields.ravel(), image[band].ravel(), n) / counts
        centre = mean.astype(np.float32)[fields]
        out[band] = centre + (image[band] - centre) * contrast[fields] + shift[band] * spread[band]
    return np.clip(out, 2, 253)


def _spotted(image: Pixels, fields: NDArray[np.int64], n: int, rng: np.random.Generator) -> Pixels:
    """Some fields with uneven spots of salt, drowned seed, lodged or thriving crop: none built."""
    spread = image.std(axis=(1, 2))
    for _ in range(int(rng.integers(0, 6))):
        relief = _relief(fields.shape, (2.5, 18), rng)
        least, softness = rng.uniform(0.9, 1.9), rng.uniform(0.05, 0.6)
        cover = np.clip((relief - least) / softness, 0, 1)
        cover *= (rng.random(n) < rng.uniform(0.1, 0.5))[fields]
        is_bare = rng.random() < BARE_SPOTS
        tone = abs(rng.normal(0, 1.2)) if is_bare else rng.normal(0, 0.9)
        tone = tone + rng.normal(0, 0.25, 4)
        tone[3] += rng.normal(-0.3 if is_bare else 0, 0.5)
        image = image + cover * (tone * spread)[:, None, None].astype(np.float32)
    return np.clip(image, 2, 253).astype(np.float32)


def _flooded(
    before: Pixels, after: Pixels, place: Place, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Ponds of the colour of real water, at one date or at both: no roofs, dark as they are."""
    water = [image[:, water_mask(image, place.seen)] for image in place.dates]
    known = [colours for colours in water if colours.shape[1] >= LEAST_WATER]
    if not known:
        return before, after
    images = [before, after]
    for _ in range(int(rng.integers(0, 4))):
        relief = _relief(place.seen.shape, (4, 20), rng)
        colours = known[rng.integers(len(known))]
        colour = colours[:, rng.integers(colours.shape[1])] * np.exp(rng.normal(0, 0.15, 4))
        level, softness = rng.uniform(1.5, 2.3), rng.uniform(0.03, 0.25)
        both = rng.random() < 0.3
        for k in (0, 1) if both else (int(rng.integers(2)),):
            # What stands at both dates has risen or fallen.
            cover = np.clip((relief - level - rng.uniform(0, 0.3)) / softness, 0, 1)
            wet = colour[:, None, None] * (1 + rng.normal(0, 0.04, (4, *cover.shape)))
            images[k] = images[k] + cover * (wet - images[k])
    first, second = (np.clip(image, 2, 253).astype(np.float32) for image in images)
    return first, second


def _relief(
    shape: tuple[int, ...], cells: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Smooth heights `(y, x)` of about unit spread, whose hills measure about a cell."""
    cell = float(np.exp(rng.uniform(*np.log(cells))))
    height, width = shape
    coarse = rng.normal(0, 1, (int(height / cell) + 2, int(width / cell) + 2)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


@contextmanager
def _other_materials(rng: np.random.Generator) -> Iterator[None]:
    """Roofs and yards of other colours and grains, and of any size, while it lasts."""

    def drawn(material: Material) -> Material:
        if rng.random() < STRANGE_SHARE:
            base = rng.uniform(0.05, 0.5) * np.exp(rng.normal(0, 0.3, 4))
        else:
            base = np.array(material.reflectance) * np.exp(rng.normal(0, 0.08, 4))
        grain = material.grain * float(np.exp(rng.normal(0, 0.4)))
        spread = material.spread * float(rng.uniform(1.0, 1.5))
        return replace(
            material, reflectance=tuple(base.tolist()), spread=spread, tint=0.07, grain=grain
        )

    with (
        mock.patch.dict(ROOFS, {name: drawn(m) for name, m in ROOFS.items()}),
        mock.patch.dict(YARDS, {name: drawn(m) for name, m in YARDS.items()}),
        mock.patch.object(shapes, "AREA_M2", AREA_M2),
        mock.patch.object(shapes, "APART_M", 30.0),
    ):
        yield


def _build(
    before: Pixels,
    after: Pixels,
    label: NDArray[np.uint8],
    seen: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    """Paint implants into the images and their classes into the label, in place."""
    grid = Affine(PIXEL_M, 0, 0, 0, -PIXEL_M, PIXEL_M * label.shape[0])
    images, tones, noises, wet = (before, after), [], [], np.zeros_like(seen)
    for image in images:
        water = water_mask(image, seen)
        tones.append(rendering(image.astype(np.float64), seen, water, True))
        noises.append(noise_sigma(image, seen & ~water))
        wet |= water
    allowed = ndimage.binary_erosion(seen, iterations=EDGE_PX)
    allowed &= ~ndimage.binary_dilation(wet, iterations=WATER_PX)
    skies = Sky.random(rng), Sky.random(rng)
    for plan in shapes.place(rng, N_IMPLANTS, allowed, grid):
        draw = rng.random()
        is_built = draw < BUILT_SHARE
        is_standing = not is_built and draw < BUILT_SHARE + STANDING_SHARE
        seed = int(rng.integers(2**63))
        for k in (1,) if is_built else (0, 1) if is_standing else (0,):
            # The same draws at both dates: what stands keeps its colour.
            own = np.random.default_rng(seed)
            paint(images[k], plan, grid, tones[k], skies[k], noises[k], own)
        if not is_standing:
            _tell(label, plan, grid, CLASS_OF[plan.kind] + (0 if is_built else GONE))


def _tell(label: NDArray[np.uint8], plan: shapes.Plan, grid: Affine, value: int) -> None:
    west, south, east, north = plan.outline.bounds
    (c0, r0), (c1, r1) = ~grid * (west, north), ~grid * (east, south)
    rows, cols = slice(int(r0) - 1, int(r1) + 2), slice(int(c0) - 1, int(c1) + 2)
    size = rows.stop - rows.start, cols.stop - cols.start
    fine = grid * Affine.translation(cols.start, rows.start) * Affine.scale(1 / FINER)
    burnt = rasterio.features.rasterize(
        [plan.outline], (size[0] * FINER, size[1] * FINER), transform=fine, dtype="uint8"
    )
    cover = cv2.resize(burnt.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    part = label[rows, cols]
    part[(cover > MOST_UNBUILT) & (part == 0)] = IGNORED
    part[cover >= 0.5] = value
