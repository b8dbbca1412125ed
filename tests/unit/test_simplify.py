import cv2
import numpy as np
import pytest
import shapely
from shapely import Polygon, box

from pipeline.grid import Grid
from pipeline.patches.classed import ClassedBuilder
from pipeline.patches.components import ComponentBuilder
from pipeline.patches.polygonise import trace_outlines
from pipeline.patches.simplify import SimplifyParams, simplify_outlines

GSD_M = 2.0
GRID = Grid(600, 600, (GSD_M, 0.0, 500_000.0, 0.0, -GSD_M, 3_400_000.0), None)
PARAMS = SimplifyParams()


def turned_boxes(seed: int, n: int = 80) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros((600, 600), np.uint8)
    for _ in range(n):
        centre = tuple(float(v) for v in rng.integers(20, 580, 2))
        sides = tuple(float(v) for v in rng.integers(8, 40, 2))
        corners = cv2.boxPoints((centre, sides, float(rng.uniform(0, 90))))
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
    return mask


def outlines_of(mask: np.ndarray) -> np.ndarray:
    builder = ComponentBuilder(600)
    builder.add_strip(0, mask)
    return trace_outlines(builder.finish(), GRID)


@pytest.mark.parametrize("seed", range(4))
def test_area_place_holes_and_validity_are_kept(seed: int) -> None:
    raw = outlines_of(turned_boxes(seed))
    found = simplify_outlines(raw, GSD_M, PARAMS)
    assert found.is_simplified.mean() > 0.7
    assert np.abs(found.area_change).max() <= PARAMS.max_area_change
    np.testing.assert_allclose(
        found.area_change, shapely.area(found.outlines) / shapely.area(raw) - 1, atol=1e-15
    )
    assert shapely.is_valid(found.outlines).all()
    assert shapely.hausdorff_distance(raw, found.outlines).max() <= PARAMS.max_move_px * GSD_M
    holes = shapely.get_num_interior_rings
    assert (holes(raw) == holes(found.outlines)).all()
    assert holes(raw).sum() > 0
    assert shapely.get_num_coordinates(found.outlines).sum() < 0.7 * (
        shapely.get_num_coordinates(raw).sum()
    )


def two_classes(seed: int) -> np.ndarray:
    """Patches of two classes that touch, as the extraction gives them."""
    mask = turned_boxes(seed)
    half = turned_boxes(seed + 100, 200)
    builder = ClassedBuilder(600)
    builder.add_strip(0, np.where((mask == 1) & (half == 1), 2, mask).astype(np.uint8))
    return trace_outlines(builder.finish(30).components, GRID)


@pytest.mark.parametrize("seed", range(4))
def test_what_touches_another_keeps_its_edges_and_nothing_overlaps(seed: int) -> None:
    raw = two_classes(seed)
    found = simplify_outlines(raw, GSD_M, PARAMS)
    first, second = shapely.STRtree(raw).query(raw, predicate="touches")
    touching = np.isin(np.arange(raw.size), first[first != second])
    assert touching.sum() > 20
    assert shapely.equals_exact(found.outlines[touching], raw[touching]).all()
    assert found.is_simplified[~touching].any()
    first, second = shapely.STRtree(found.outlines).query(found.outlines, predicate="intersects")
    apart = first < second
    shared = shapely.intersection(found.outlines[first[apart]], found.outlines[second[apart]])
    assert shapely.area(shared).max() <= 1e-6


def test_squares_stay_and_zero_tolerance_changes_nothing() -> None:
    squares = np.array([box(0, 0, 20, 20), box(40, 0, 42, 2)], dtype=object)
    assert shapely.equals(simplify_outlines(squares, GSD_M, PARAMS).outlines, squares).all()
    raw = outlines_of(turned_boxes(3))
    off = simplify_outlines(raw, GSD_M, SimplifyParams(tolerance_px=0.0))
    assert not off.is_simplified.any()
    assert (off.area_change == 0).all()
    assert shapely.equals_exact(off.outlines, raw).all()
    assert simplify_outlines(raw[:0], GSD_M, PARAMS).outlines.size == 0


def test_a_hole_that_would_vanish_keeps_its_outline() -> None:
    hole = [(10, 10), (10, 12), (12, 12), (12, 10)]
    raw = np.array([Polygon([(0, 0), (40, 0), (40, 40), (0, 40)], [hole])], dtype=object)
    found = simplify_outlines(raw, GSD_M, SimplifyParams(tolerance_px=4.0, max_area_change=0.01))
    assert shapely.get_num_interior_rings(found.outlines[0]) == 1


def test_order_and_neighbours_do_not_show() -> None:
    raw = outlines_of(turned_boxes(5))
    whole = simplify_outlines(raw, GSD_M, PARAMS).outlines
    backwards = simplify_outlines(raw[::-1].copy(), GSD_M, PARAMS).outlines[::-1]
    assert shapely.equals(whole, backwards).all()
