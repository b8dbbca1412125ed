"""Covered shares of pixels against GEOS, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.grid import Grid, PixelWindow
from pipeline.patches.pixel_cover import pixel_cover

GRID = Grid(40, 30, (2.0, 0.0, 100.0, 0.0, -2.0, 200.0), None, 2.0)


def star(rng: np.random.Generator) -> BaseGeometry:
    count = int(rng.integers(3, 14))
    turn = np.sort(rng.uniform(0, 2 * np.pi, count))
    reach = rng.uniform(2, 45, count)
    ring = np.column_stack([140 + reach * np.cos(turn), 170 + reach * np.sin(turn)])
    return shapely.make_valid(shapely.Polygon(ring))


def by_geos(area: BaseGeometry, window: PixelWindow) -> np.ndarray:
    rows, cols = np.mgrid[window.row0 : window.row1, window.col0 : window.col1]
    boxes = shapely.box(100 + 2 * cols, 200 - 2 * (rows + 1), 100 + 2 * (cols + 1), 200 - 2 * rows)
    return np.asarray(shapely.area(shapely.intersection(area, boxes))) / 4


@pytest.mark.parametrize("seed", range(12))
def test_any_outline_in_any_window(seed: int) -> None:
    rng = np.random.default_rng(seed)
    window = PixelWindow(3, 27, 2, 35) if seed % 2 else GRID.window
    area = star(rng)
    if seed % 3 == 0:
        area = shapely.difference(area, shapely.Point(140, 170).buffer(3.3))
    if seed % 4 == 0:
        area = shapely.union_all([area, shapely.box(101.3, 141.1, 103.7, 190.9)])
    assert np.abs(pixel_cover(area, GRID, window) - by_geos(area, window)).max() < 1e-9


def test_the_whole_window_is_covered_whole_and_nothing_by_what_lies_beside() -> None:
    assert (pixel_cover(shapely.box(0, 0, 1000, 1000), GRID, GRID.window) == 1.0).all()
    assert (pixel_cover(shapely.box(0, 0, 50, 50), GRID, GRID.window) == 0.0).all()


def test_cutting_the_window_changes_nothing() -> None:
    area = star(np.random.default_rng(99))
    whole = pixel_cover(area, GRID, GRID.window)
    upper = pixel_cover(area, GRID, PixelWindow(0, 13, 0, 40))
    lower = pixel_cover(area, GRID, PixelWindow(13, 30, 0, 40))
    assert np.abs(np.concatenate([upper, lower]) - whole).max() < 1e-12
