"""The index of boundaries: every edge is found, none is changed, and no result knows of it."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.patches import lines
from pipeline.patches.lines import index_lines
from tests.overlay_factory import X0, Y0, overlay, patch_table, reference

CORNER = np.array([X0, Y0])
SIDE = 60
"""Squares of the dissolved zone per side."""


def dissolved() -> BaseGeometry:
    """A dissolved zone: ragged cells with shared borders, a third of them left out as holes."""
    rng = np.random.default_rng(4)
    corner = np.stack(np.meshgrid(np.arange(SIDE + 1), np.arange(SIDE + 1)), axis=-1) * 50.0
    corner += rng.uniform(-8, 8, corner.shape) + CORNER

    def side(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        t = np.linspace(0, 1, 12)[:-1, None]
        return np.asarray(a + (b - a) * t + np.sin(9 * t) * t * (1 - t) * 8)

    cells = []
    for row, col in np.ndindex(SIDE, SIDE):
        if rng.random() < 0.66:
            a, b = corner[row, col], corner[row, col + 1]
            c, d = corner[row + 1, col + 1], corner[row + 1, col]
            east, west = side(b, c), side(a, d)[::-1]
            south, north = side(a, b), side(d, c)[::-1]
            ring = np.vstack([south, b[None], east[1:], c[None], north[:-1], d[None], west[:-1]])
            cells.append(shapely.make_valid(shapely.Polygon(ring)))
    return shapely.unary_union(cells).buffer(0)


ZONE = dissolved()


def some_patches(n: int) -> list[BaseGeometry]:
    rng = np.random.default_rng(9)
    turn = np.linspace(0, 2 * np.pi, 17)[:-1]
    around = np.column_stack([np.cos(turn), np.sin(turn)])
    places = rng.uniform(100, 50 * SIDE - 100, (n, 2)) + CORNER
    return [shapely.Polygon(p + around * rng.uniform(5, 60, (16, 1))) for p in places]


def test_every_edge_near_a_patch_is_found_once_and_as_delivered() -> None:
    zone, outlines = np.array([ZONE], dtype=object), np.array(some_patches(40), dtype=object)
    found = index_lines(zone).near(shapely.bounds(outlines), outlines)
    rings = shapely.get_rings(shapely.get_parts(zone))
    points = [shapely.get_coordinates(ring) for ring in rings]
    edges = np.vstack([np.hstack([ring[:-1], ring[1:]]) for ring in points])
    low, high = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
    for number, (x0, y0, x1, y1) in enumerate(shapely.bounds(outlines)):
        wanted = edges[
            (low[:, 0] <= x1) & (high[:, 0] >= x0) & (low[:, 1] <= y1) & (high[:, 1] >= y0)
        ]
        got = found.xyxy[found.first[number] : found.first[number + 1]]
        assert sorted(map(tuple, got)) == sorted(map(tuple, wanted))


def test_areas_in_a_large_zone_are_those_of_direct_intersection() -> None:
    assert shapely.get_num_coordinates(ZONE) > 20_000
    outlines = some_patches(120)
    zone = reference("permanent_basic_farmland", [{"geometry": ZONE}])
    done = overlay(patch_table(outlines), {"permanent_basic_farmland": zone})
    inside = done.parts[done.parts["pbf_id"].notna()]
    planar = inside.geometry.area.groupby(inside["patch_id"]).sum()
    planar = planar.reindex(done.patches["patch_id"], fill_value=0.0)
    direct = shapely.area(shapely.intersection(np.array(outlines, dtype=object), ZONE))
    np.testing.assert_allclose(planar, direct, rtol=0, atol=1e-6)
    assert (direct > 1).sum() > 60


@pytest.mark.parametrize("run_edges", [1, 7, 100_000])
def test_the_subdivision_never_shows(monkeypatch: pytest.MonkeyPatch, run_edges: int) -> None:
    """The same parts to the last bit, however finely the zone is looked up."""
    patches = patch_table(some_patches(30))
    layers = {
        "permanent_basic_farmland": reference("permanent_basic_farmland", [{"geometry": ZONE}])
    }
    one = overlay(patches, layers)
    monkeypatch.setattr(lines, "RUN_EDGES", run_edges)
    other = overlay(patches, layers)
    assert (
        shapely.to_wkb(one.parts.geometry).tolist() == shapely.to_wkb(other.parts.geometry).tolist()
    )
    assert one.parts["area_m2"].tolist() == other.parts["area_m2"].tolist()


def test_parts_have_no_vertex_that_is_neither_delivered_nor_a_crossing() -> None:
    outlines = some_patches(60)
    layers = {
        "permanent_basic_farmland": reference("permanent_basic_farmland", [{"geometry": ZONE}])
    }
    done = overlay(patch_table(outlines), layers)
    given = {tuple(xy) for shape in (ZONE, *outlines) for xy in shapely.get_coordinates(shape)}
    border = ZONE.boundary
    for outline, patch_id in zip(outlines, done.patches["patch_id"], strict=True):
        own = done.parts.geometry[(done.parts["patch_id"] == patch_id).to_numpy()]
        for xy in shapely.get_coordinates(own.to_numpy()):
            if tuple(xy) not in given:
                point = shapely.Point(xy)
                assert point.distance(outline.boundary) < 1e-8
                assert point.distance(border) < 1e-8


@pytest.mark.parametrize("n_holes", [0, 1, 5])
def test_a_point_is_inside_by_the_same_answer_as_geos(n_holes: int) -> None:
    rng = np.random.default_rng(n_holes)
    shape = some_patches(1)[0].buffer(200)
    for hole in some_patches(n_holes):
        shape = shape.difference(shapely.affinity.translate(hole.buffer(10), 30, 30))
    features = np.array([shape, shapely.box(0, 0, 1, 1)], dtype=object)
    x0, y0, x1, y1 = shape.bounds
    x, y = rng.uniform(x0, x1, 500), rng.uniform(y0, y1, 500)
    own = index_lines(features).covers(np.zeros(500, dtype=np.int64), x, y)
    assert own.tolist() == shapely.contains_xy(shape, x, y).tolist()
    assert not index_lines(features).covers(np.full(500, -1), x, y).any()
