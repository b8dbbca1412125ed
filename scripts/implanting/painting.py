"""One outline set into an image: sub-pixels, light and shade, the sensor's blur and noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from shapely import affinity, contains_xy
from shapely.geometry import Polygon

from implanting.land import Rendering
from implanting.materials import BANDS, KINDS, SKYLIGHT, THINGS
from implanting.shapes import Plan, swept

SUBPIXEL_M = 0.75
MARGIN_PX = 6
THING_AREA_M2 = 160.0
"""On a yard one vehicle or stack stands on so much ground."""


@dataclass(frozen=True)
class Sky:
    """Sun and sensor of one image."""

    azimuth_rad: float
    """Clockwise from north, where the sun stands."""
    elevation_rad: float
    blur_px: float
    """Standard deviation of the point spread; 0.5 px is an MTF of about 0.3 at Nyquist."""

    @classmethod
    def random(cls, rng: np.random.Generator) -> Sky:
        """A survey flight's: around noon, sun at 42-62 degrees."""
        return cls(
            math.radians(rng.uniform(145.0, 215.0)),
            math.radians(rng.uniform(42.0, 62.0)),
            rng.uniform(0.42, 0.58),
        )


@dataclass(frozen=True)
class Subgrid:
    """Sub-pixel centres of a window of the image."""

    row0: int
    col0: int
    height: int
    width: int
    factor: int
    x: np.ndarray
    y: np.ndarray

    def share(self, fine: np.ndarray) -> np.ndarray:
        """Mean over each pixel of a field of sub-pixels, last two axes."""
        shape = (*fine.shape[:-2], self.height, self.factor, self.width, self.factor)
        return fine.reshape(shape).mean(axis=(-3, -1))


def subgrid(outline: Polygon, transform: object, shape: tuple[int, int]) -> Subgrid:
    west, south, east, north = outline.bounds
    (c0, r0), (c1, r1) = ~transform * (west, north), ~transform * (east, south)
    row0, col0 = max(math.floor(r0) - MARGIN_PX, 0), max(math.floor(c0) - MARGIN_PX, 0)
    row1 = min(math.ceil(r1) + MARGIN_PX, shape[0])
    col1 = min(math.ceil(c1) + MARGIN_PX, shape[1])
    factor = int(np.clip(math.ceil(transform.a / SUBPIXEL_M), 3, 16))
    rows = row0 + (np.arange((row1 - row0) * factor) + 0.5) / factor
    cols = col0 + (np.arange((col1 - col0) * factor) + 0.5) / factor
    x, y = transform * tuple(np.meshgrid(cols, rows))
    return Subgrid(row0, col0, row1 - row0, col1 - col0, factor, x, y)


def paint(
    image: np.ndarray,
    plan: Plan,
    transform: object,
    tone: Rendering,
    sky: Sky,
    noise: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Set one plan into `image`, float `(band, y, x)` in the order of `BANDS`, in place."""
    height_m = rng.uniform(4.0, 10.0) if plan.kind == "roof" else 0.0
    reach = height_m / math.tan(sky.elevation_rad)
    dx, dy = -reach * math.sin(sky.azimuth_rad), -reach * math.cos(sky.azimuth_rad)
    ground = swept(plan.outline, dx, dy) if height_m else plan.outline
    grid = subgrid(ground, transform, image.shape[1:])
    covered = contains_xy(plan.outline, grid.x, grid.y)
    shaded = contains_xy(ground, grid.x, grid.y) & ~covered
    values = tone.values(_reflectance(plan, grid, sky, rng))
    blur = (sky.blur_px, sky.blur_px)
    alpha = ndimage.gaussian_filter(grid.share(covered.astype(float)), blur, mode="nearest")
    shade = ndimage.gaussian_filter(grid.share(shaded.astype(float)), blur, mode="nearest")
    window = (slice(grid.row0, grid.row0 + grid.height), slice(grid.col0, grid.col0 + grid.width))
    for band in range(len(BANDS)):
        whole = grid.share(values[band] * covered)
        own = ndimage.gaussian_filter(whole, blur, mode="nearest")
        under = image[band][window]
        lit = tone.offset[band]
        dimmed = np.minimum(under, lit + SKYLIGHT[band] * np.maximum(under - lit, 0.0))
        around = under + shade / np.maximum(1.0 - alpha, 1e-6) * (dimmed - under)
        grainy = ndimage.gaussian_filter(rng.standard_normal(under.shape), 0.5)
        grainy *= noise[band] / 0.56
        image[band][window] = (1.0 - alpha) * around + own + alpha * grainy


def _reflectance(plan: Plan, grid: Subgrid, sky: Sky, rng: np.random.Generator) -> np.ndarray:
    """Reflectance times relative illumination of every sub-pixel, `(band, y, x)`."""
    material = KINDS[plan.kind][plan.material]
    whole = material.spread * float(np.clip(rng.standard_normal(), -2.0, 2.0))
    tints = rng.normal(0.0, material.tint, len(BANDS))
    base = np.array(material.reflectance) * np.exp(whole + tints)
    fine = rng.standard_normal(grid.x.shape)
    step = max(1.0 / (grid.x[0, 1] - grid.x[0, 0]), 0.5)
    grain = ndimage.gaussian_filter(fine, step, mode="nearest")
    grain *= material.grain / max(grain.std(), 1e-9)
    light = np.exp(grain)
    centre = plan.outline.centroid
    u, v = grid.x - centre.x, grid.y - centre.y
    along = (math.cos(plan.angle_rad), math.sin(plan.angle_rad))
    across = -along[1] * u + along[0] * v
    if plan.kind == "roof":
        light *= _facets(across, along, sky, rng)
        return base[:, None, None] * light
    reach = max(math.sqrt(plan.outline.area), 1.0)
    towards = rng.uniform(0.0, 2 * math.pi)
    light *= 1.0 + rng.uniform(0.02, 0.12) * (u * math.cos(towards) + v * math.sin(towards)) / reach
    field = base[:, None, None] * light
    return _with_things(field, plan, grid, rng)


def _facets(
    across: np.ndarray, along: tuple[float, float], sky: Sky, rng: np.random.Generator
) -> np.ndarray:
    """Light on the two slopes of a roof relative to level ground (cosine law)."""
    pitch = math.radians(rng.uniform(3.0, 18.0))
    sun = (
        math.sin(sky.azimuth_rad) * math.cos(sky.elevation_rad),
        math.cos(sky.azimuth_rad) * math.cos(sky.elevation_rad),
        math.sin(sky.elevation_rad),
    )
    normal = (-along[1] * math.sin(pitch), along[0] * math.sin(pitch))
    tilt = normal[0] * sun[0] + normal[1] * sun[1]
    level = math.cos(pitch) * sun[2]
    # Skylight, about a fifth, falls on both slopes alike.
    left, right = (0.2 + 0.8 * max(level + side * tilt, 0.0) / sun[2] for side in (1.0, -1.0))
    return np.where(across >= 0.0, left, right)


def _with_things(
    field: np.ndarray, plan: Plan, grid: Subgrid, rng: np.random.Generator
) -> np.ndarray:
    """Vehicles and stacks: small rectangles of other materials."""
    west, south, east, north = plan.outline.bounds
    for _ in range(int(rng.poisson(plan.outline.area / THING_AREA_M2))):
        x, y = rng.uniform(west, east), rng.uniform(south, north)
        length, width = rng.uniform(3.0, 9.0), rng.uniform(1.8, 3.2)
        spot = affinity.rotate(
            Polygon([(x, y), (x + length, y), (x + length, y + width), (x, y + width)]),
            plan.angle_rad + (0.0 if rng.random() < 0.7 else math.pi / 2),
            use_radians=True,
        )
        of = THINGS[int(rng.integers(len(THINGS)))]
        inside = contains_xy(spot, grid.x, grid.y)
        field[:, inside] = np.array(of)[:, None] * math.exp(rng.normal(0.0, 0.15))
    return field
