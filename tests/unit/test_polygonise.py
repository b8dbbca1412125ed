"""Outlines of small masks, with the rings written out by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from pipeline.grid import Grid
from pipeline.patches import polygonise
from pipeline.patches.components import find_components
from pipeline.patches.polygonise import trace_outlines

NORTH_UP = (2.0, 0.0, 100.0, 0.0, -2.0, 50.0)
SOUTH_UP = (2.0, 0.0, 100.0, 0.0, 2.0, 50.0)
ROTATED = (1.2, 1.6, 100.0, 1.6, -1.2, 50.0)


def outlines(mask: list[list[int]], transform: tuple[float, ...] = NORTH_UP) -> NDArray[np.object_]:
    array = np.array(mask, dtype=np.uint8)
    a, b, c, d, e, f = transform
    grid = Grid(array.shape[1], array.shape[0], (a, b, c, d, e, f), None)
    return trace_outlines(find_components(array), grid)


def rings(polygon: shapely.Polygon) -> list[list[tuple[float, float]]]:
    return [list(ring.coords) for ring in (polygon.exterior, *polygon.interiors)]


def test_one_pixel_is_its_four_corners_from_the_upper_left_counter_clockwise() -> None:
    (pixel,) = outlines([[0, 0], [0, 1]])
    assert rings(pixel) == [[(102, 48), (102, 46), (104, 46), (104, 48), (102, 48)]]


def test_straight_edges_carry_no_points_in_between() -> None:
    (shape,) = outlines([[1, 1, 1], [1, 0, 0]])
    assert rings(shape) == [
        [(100, 50), (100, 46), (102, 46), (102, 48), (106, 48), (106, 50), (100, 50)]
    ]


def test_a_hole_is_an_interior_ring_running_clockwise() -> None:
    (frame,) = outlines([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
    assert rings(frame) == [
        [(100, 50), (100, 44), (106, 44), (106, 50), (100, 50)],
        [(102, 48), (104, 48), (104, 46), (102, 46), (102, 48)],
    ]


def test_a_pocket_that_touches_the_outside_at_a_corner_becomes_a_hole() -> None:
    (shape,) = outlines([[1, 1, 1], [1, 0, 1], [1, 1, 0]])
    assert shapely.is_valid(shape)
    assert rings(shape) == [
        [(100, 50), (100, 44), (104, 44), (104, 46), (106, 46), (106, 50), (100, 50)],
        [(102, 48), (104, 48), (104, 46), (102, 46), (102, 48)],
    ]


def test_the_other_diagonal_likewise() -> None:
    (shape,) = outlines([[1, 1, 1], [1, 0, 1], [0, 1, 1]])
    assert shapely.is_valid(shape)
    assert rings(shape) == [
        [(100, 50), (100, 46), (102, 46), (102, 44), (106, 44), (106, 50), (100, 50)],
        [(102, 48), (104, 48), (104, 46), (102, 46), (102, 48)],
    ]


def test_two_holes_that_touch_each_other_stay_two_rings() -> None:
    (shape,) = outlines([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]])
    assert shapely.is_valid(shape)
    assert len(shape.interiors) == 2
    assert shape.area == 14 * 4


def test_a_component_inside_the_hole_of_another_keeps_its_own_place_in_the_order() -> None:
    ring = [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 0, 1, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]
    outer, inner = outlines(ring)
    assert (outer.area, inner.area) == (16 * 4, 4)
    assert shapely.equals(inner, shapely.box(104, 44, 106, 46))


@pytest.mark.parametrize("transform", [NORTH_UP, SOUTH_UP, ROTATED])
def test_shells_run_counter_clockwise_on_any_grid(transform: tuple[float, ...]) -> None:
    (frame,) = outlines([[1, 1, 1], [1, 0, 1], [1, 1, 1]], transform)
    assert shapely.is_ccw(frame.exterior)
    assert not shapely.is_ccw(frame.interiors[0])
    assert frame.area == pytest.approx(8 * 4, rel=1e-12)


def test_no_components_give_an_empty_array() -> None:
    nothing = outlines([[0, 0]])
    assert nothing.shape == (0,)
    assert nothing.dtype == object


def test_chunks_and_threads_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = (np.random.default_rng(0).random((60, 70)) < 0.55).astype(np.uint8)
    found, grid = find_components(mask), Grid(70, 60, NORTH_UP, None)
    whole = trace_outlines(found, grid)
    assert len(whole) > 20
    monkeypatch.setattr(polygonise, "CHUNK_COMPONENTS", 3)
    with ThreadPoolExecutor(3) as pool:
        in_chunks = trace_outlines(found, grid, pool.map)
    np.testing.assert_array_equal(shapely.to_wkb(whole), shapely.to_wkb(in_chunks))
