"""Faces found without GEOS are those of GEOS, and what is not clear is left to it."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.patches.arrangement import arrange
from pipeline.patches.lines import index_lines
from pipeline.patches.partition import split_by_noding
from tests.overlay_factory import X0, Y0, square


def cells(rng: np.random.Generator, n: int) -> np.ndarray:
    """Voronoi cells over 300 m, their vertices rounded to millimetres as delivered layers are."""
    seeds = shapely.multipoints(rng.uniform(-50, 350, (n, 2)) + np.array([X0, Y0]))
    parts = shapely.get_parts(shapely.voronoi_polygons(seeds))
    rounded = shapely.transform(parts, lambda xy: np.round(xy, 3))
    return np.asarray(rounded[shapely.is_valid(rounded)])


def star(rng: np.random.Generator) -> BaseGeometry:
    turn = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 40))))
    ray = np.column_stack([np.cos(turn), np.sin(turn)]) * rng.uniform(10, 60, (turn.size, 1))
    return shapely.Polygon(rng.uniform(80, 220, 2) + ray + np.array([X0, Y0]))


def faces_of(patch: BaseGeometry, features: np.ndarray) -> tuple[bool, np.ndarray, np.ndarray]:
    """Whether the patch is clear, its faces, and the edges it was cut by."""
    patches = np.array([patch], dtype=object)
    edges = index_lines(features).near(shapely.bounds(patches), patches)
    ring = shapely.get_coordinates(patch)
    is_clear, points, size, _ = arrange(ring, np.array([0, len(ring)]), edges.xyxy, edges.first)
    rings = shapely.linearrings(points, indices=np.repeat(np.arange(size.size), size))
    return bool(is_clear[0]), np.asarray(shapely.polygons(rings)), edges.xyxy


@pytest.mark.parametrize("seed", range(60))
def test_the_faces_are_those_of_geos(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patch = star(rng)
    if not patch.is_valid:
        patch = square(100, 100, 80.5)
    is_clear, faces, edges = faces_of(patch, cells(rng, int(rng.integers(5, 120))))
    assert is_clear
    assert shapely.is_valid(faces).all()
    expected = split_by_noding("P", patch, edges)
    assert len(faces) == len(expected)
    one = faces[np.lexsort(shapely.get_coordinates(shapely.point_on_surface(faces)).T)]
    two = expected[np.lexsort(shapely.get_coordinates(shapely.point_on_surface(expected)).T)]
    assert shapely.area(shapely.symmetric_difference(one, two)).max() < 1e-6


def test_a_shared_edge_and_a_shared_vertex_are_clear() -> None:
    # the cell's east side is the patch's west side; the other touches a corner
    patch = square(0, 0, 10)
    features = np.array([square(-10, 0, 10), square(10, 10, 5), square(3.3, -5, 4.4, 30)])
    is_clear, faces, _ = faces_of(patch, features)
    assert is_clear
    assert sorted(np.round(shapely.area(faces), 6)) == [23.0, 33.0, 44.0]


@pytest.mark.parametrize(
    ("patch", "feature"),
    [
        (square(0, 0, 10), square(1e-7, -5, 20)),  # a hair beside the patch's side
        (square(0, 0, 10), square(5, 0, 20)),  # a vertex on the patch's side
        (square(0, 0, 10), square(4, 4, 2)),  # an island
        (square(0, 0, 10), square(5, -5, 1e-6, 30)),  # a sliver narrower than near
    ],
)
def test_what_is_not_clear_is_left_to_geos(patch: BaseGeometry, feature: BaseGeometry) -> None:
    is_clear, faces, edges = faces_of(patch, np.array([feature], dtype=object))
    assert not is_clear
    assert len(faces) == 0
    assert shapely.area(split_by_noding("P", patch, edges)).sum() == pytest.approx(100.0)


def test_faces_share_their_vertices_exactly() -> None:
    """Put together again they give the outline, vertex for vertex."""
    rng = np.random.default_rng(3)
    patch = star(rng)
    _, faces, _ = faces_of(patch, cells(rng, 80))
    merged = shapely.coverage_union_all(faces)
    given = {tuple(xy) for xy in shapely.get_coordinates(patch)}
    assert merged.geom_type == "Polygon"
    assert given <= {tuple(xy) for xy in shapely.get_coordinates(merged)}
    assert shapely.coverage_is_valid(faces)
