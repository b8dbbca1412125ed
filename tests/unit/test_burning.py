"""Polygons on pixels, window by window."""

from __future__ import annotations

import numpy as np
import shapely

from pipeline.grid import Grid, PixelWindow
from pipeline.io.burning import burn_mask, burn_numbers

GRID = Grid(40, 30, (2.0, 0.0, 500_000.0, 0.0, -2.0, 4_000_000.0), None, 2.0)


def box(row0: float, row1: float, col0: float, col1: float) -> shapely.Polygon:
    (x0, x1), (y1, y0) = (500_000 + 2 * np.array(c) for c in ((col0, col1), (0, 0)))
    y1, y0 = 4_000_000 - 2 * row0, 4_000_000 - 2 * row1
    return shapely.box(x0, y0, x1, y1)


def test_windows_put_together_are_the_whole() -> None:
    shapes = np.array([box(2, 9, 3, 12), box(5.6, 14.4, 20, 33), box(12, 28, 5, 9)], dtype=object)
    whole = burn_numbers(shapes, GRID, GRID.window)
    assert np.unique(whole).tolist() == [0, 1, 2, 3]
    assert (whole == 1).sum() == 7 * 9
    assert (whole == 2).sum() == 8 * 13  # rows whose centre lies inside: 6 to 13
    parts = [
        burn_numbers(shapes, GRID, PixelWindow(row, min(row + 7, 30), 0, 40))
        for row in range(0, 30, 7)
    ]
    assert np.array_equal(np.concatenate(parts), whole)
    corner = burn_numbers(shapes, GRID, PixelWindow(6, 20, 8, 25))
    assert np.array_equal(corner, whole[6:20, 8:25])


def test_the_later_polygon_shows_and_nothing_gives_zeros() -> None:
    shapes = np.array([box(0, 10, 0, 10), box(5, 15, 5, 15)], dtype=object)
    assert burn_numbers(shapes, GRID, GRID.window)[7, 7] == 2
    assert burn_mask(shapes, GRID, GRID.window).sum() == 175
    assert burn_mask(np.array([], dtype=object), GRID, GRID.window).sum() == 0
    assert burn_mask(shapes, GRID, PixelWindow(20, 30, 0, 40)).sum() == 0
