"""Pairs of images whose displacement is known at every pixel, and their registration in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from scipy import ndimage

from pipeline.grid import Grid, RasterWindow
from pipeline.imagery.registration import (
    Registration,
    fit_registration,
    remeasured,
    with_residuals,
)
from pipeline.imagery.resample import GridMapping
from pipeline.imagery.tie_points import (
    TieJob,
    TiePoint,
    TiePointParams,
    check_numbers,
    measure_tie_point,
    tie_windows,
)
from pipeline.imagery.validity import NodataRule

Floats = NDArray[np.float64]
Warp = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""Displacement `(row, col)` of the after image's content, at pixels of the after image."""

MARGIN = 40


def still(rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
    return rows * 0.0, cols * 0.0


def shifted(row: float, col: float) -> Warp:
    return lambda rows, cols: (rows * 0.0 + row, cols * 0.0 + col)


def sheared(size: int) -> Warp:
    """Rotation and scale: 0 in one corner, 3 px in the opposite one."""

    def warp(rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
        return 2.1 * rows / size + 0.3 * cols / size, 1.8 * cols / size - 0.3 * rows / size

    return warp


def waved(size: int) -> Warp:
    """Smooth and local: 0 to 3 px, one and a half waves across the image."""

    def warp(rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
        r, c = 2 * np.pi * rows / size, 2 * np.pi * cols / size
        return 1.2 + 0.9 * np.sin(1.5 * c) * np.cos(r), -0.8 + 0.9 * np.cos(1.2 * r + 1.0)

    return warp


def displacement_at(warp: Warp, rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
    """Displacement at pixels of the before image: where their content lies in the after image."""
    moved = np.zeros_like(rows), np.zeros_like(cols)
    for _ in range(12):
        moved = warp(rows + moved[0], cols + moved[1])
    return moved


def scenery(size: int, seed: int, season: int) -> Floats:
    """Parcels, roads and texture; another season has other parcel values and half other texture."""
    rng = np.random.default_rng(seed)
    side = size + 2 * MARGIN
    lines = [np.sort(rng.choice(side, side // 40, replace=False)) for _ in range(2)]
    numbers = [np.searchsorted(line, np.arange(side)) for line in lines]
    parcel = numbers[0][:, None] * (side // 40 + 1) + numbers[1][None, :]
    roads = np.zeros((side, side))
    for line in lines[0][::3]:
        roads[line : line + 3] = 1
    for line in lines[1][::3]:
        roads[:, line : line + 3] = 1
    lasting = ndimage.gaussian_filter(rng.standard_normal((side, side)), 1.6)
    later = np.random.default_rng([seed, season])
    values = later.normal(0, 1, parcel.max() + 1)
    passing = ndimage.gaussian_filter(later.standard_normal((side, side)), 1.6)
    texture = 0.7 * lasting / lasting.std() + (0.7 * passing / passing.std() if season else 0)
    image = ndimage.gaussian_filter(values[parcel] + 2.0 * roads, 0.8)
    return np.asarray(1000 + 120 * (image + texture))


def make_images(
    size: int, warp: Warp, *, seed: int, season: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Before and after, `(y, x)`, uint16 with noise. `season` 0: only moved, gained, noisy."""
    rows, cols = np.mgrid[0:size, 0:size].astype(np.float64)
    inner = slice(MARGIN, MARGIN + size)
    before = scenery(size, seed, 0)[inner, inner]
    moved = warp(rows, cols)
    at = [rows - moved[0] + MARGIN, cols - moved[1] + MARGIN]
    after = ndimage.map_coordinates(scenery(size, seed, season), at, order=3)
    rng = np.random.default_rng([seed, 9])
    noisy = [
        gain * image + rng.normal(0, 8, image.shape) for gain, image in ((1, before), (1.3, after))
    ]
    first, second = (np.clip(np.rint(image), 1, 60000).astype(np.uint16) for image in noisy)
    return first, second


@dataclass(frozen=True)
class Registered:
    """A registration with its points and the grid it holds on."""

    found: Registration
    points: list[TiePoint]
    grid: Grid

    @property
    def mapping(self) -> GridMapping:
        return GridMapping(self.grid, self.grid, *self.found.constant_px, self.found.field)

    def errors(self, warp: Warp, rows: Floats, cols: Floats) -> Floats:
        """Distance of the correction from the true displacement, pixels."""
        true = displacement_at(warp, rows, cols)
        source = self.mapping.positions(rows, cols)
        return np.asarray(np.hypot(source[0] - rows - true[0], source[1] - cols - true[1]))


def utm_grid(height: int, width: int) -> Grid:
    wkt = CRS.from_epsg(32650).to_wkt()
    return Grid(width, height, (2.0, 0.0, 5e5, 0.0, -2.0, 4e6), wkt)


def register_images(
    before: NDArray[np.uint16],
    after: NDArray[np.uint16],
    params: TiePointParams | None = None,
    search_px: float = 10.0,
) -> Registered:
    """What the stage does, on arrays."""
    params = params or TiePointParams()
    grid = utm_grid(*before.shape)
    windows = tie_windows(grid, params)
    checks = check_numbers(windows)
    rule = NodataRule()

    def measure(numbers: set[int], mapping: GridMapping) -> list[TiePoint]:
        plain = GridMapping(grid, grid)
        job = TieJob(
            plain, mapping, rule, rule, search_px, params.min_clear_share, mapping.field is None
        )
        points = []
        for window in windows:
            if window.index not in numbers:
                continue
            sources = {}
            for name, image, through in (("fixed", before, plain), ("moved", after, mapping)):
                part = through.footprint(window.padded)
                pixels = image[None, part.row0 : part.row1, part.col0 : part.col1]
                sources[name] = RasterWindow(pixels, part.row0, part.col0)
            points += [p for _, p in measure_tie_point(window, sources, job).partials]
        return points

    points = measure({window.index for window in windows}, GridMapping(grid, grid))
    points = [replace(point, is_check=point.point_id in checks) for point in points]
    found, points = fit_registration(points, params, search_px, grid)
    result = Registered(found, points, grid)
    if found.kind == "none":
        return result
    left = measure({p.point_id for p in points if p.is_used and p.is_check}, result.mapping)
    points = remeasured(points, {point.point_id: point for point in left}, params)
    return Registered(with_residuals(found, points), points, grid)
