"""Cutting a patch: faces are disjoint and make up the patch, whatever the lines look like."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import shapely.affinity
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ExitCode, PipelineError
from pipeline.patches import partition
from pipeline.patches.lines import index_lines
from pipeline.patches.partition import SPECK_M2, Pieces, deviates, merge_faces, split_patches
from tests.overlay_factory import square

NO_FEATURES = np.empty(0, dtype=object)


def pieces_of(name: str, patch: BaseGeometry, features: np.ndarray) -> Pieces:
    patches = np.array([patch], dtype=object)
    edges = index_lines(features).near(shapely.bounds(patches), patches)
    return split_patches([name], patches, edges)


def split(patch: BaseGeometry, *features: BaseGeometry) -> np.ndarray:
    return pieces_of("P", patch, np.array(features, dtype=object)).faces


def holed(width: float) -> BaseGeometry:
    """A square with a hole: such patches are always left to GEOS."""
    return square(0, 0, width).difference(square(width / 5, width / 5, width / 10))


def overlap_m2(faces: np.ndarray) -> float:
    """Sum of the areas that any two faces share."""
    one, two = shapely.STRtree(faces).query(faces)
    pairs = one < two
    return float(shapely.area(shapely.intersection(faces[one[pairs]], faces[two[pairs]])).sum())


def assert_partition(faces: np.ndarray, patch: BaseGeometry) -> None:
    assert shapely.is_valid(faces).all()
    assert set(shapely.get_type_id(faces).tolist()) == {shapely.GeometryType.POLYGON}
    assert shapely.area(faces).sum() == pytest.approx(patch.area, rel=1e-9)
    assert overlap_m2(faces) < 1e-9 * patch.area
    assert shapely.unary_union(faces).symmetric_difference(patch).area < 1e-8 * patch.area


def test_without_features_a_patch_is_its_own_pieces() -> None:
    patch = MultiPolygon([square(0, 0, 10), square(20, 0, 5)])
    faces = pieces_of("P", patch, NO_FEATURES).faces
    assert sorted(shapely.area(faces)) == [25.0, 100.0]


def test_a_feature_around_the_patch_cuts_nothing() -> None:
    patch = square(0, 0, 100)
    faces = split(patch, square(-50, -50, 500))
    assert len(faces) == 1
    assert shapely.equals(faces[0], patch)


def test_two_crossing_squares_give_four_faces() -> None:
    # patch 10×10; A covers x < 6, B covers y < 4: 6·4, 4·4, 6·6, 4·6
    faces = split(square(0, 0, 10), square(-5, -5, 11, 30), square(-5, -5, 30, 9))
    assert sorted(np.round(shapely.area(faces), 6)) == [16.0, 24.0, 24.0, 36.0]


def test_holes_of_patch_and_feature() -> None:
    patch = square(0, 0, 100).difference(square(40, 40, 20))
    feature = square(10, 10, 60).difference(square(30, 30, 30))
    faces = split(patch, feature)
    assert_partition(faces, patch)
    inside = [face for face in faces if feature.contains(face.point_on_surface())]
    assert sum(face.area for face in inside) == pytest.approx(60**2 - 30**2, rel=1e-9)


def test_a_feature_inside_the_patch_leaves_a_ring() -> None:
    faces = split(square(0, 0, 100), square(40, 40, 20))
    assert sorted(np.round(shapely.area(faces), 6)) == [400.0, 9600.0]


@pytest.mark.parametrize("noise_m", [1e-3, 1e-6, 1e-9, 3e-10])
def test_edges_that_nearly_coincide(noise_m: float) -> None:
    """The same border digitised five times, each a little off: the worst case for noding."""
    rng = np.random.default_rng(7)
    patch = square(0, 0, 200)
    border = np.column_stack([np.linspace(-10, 210, 300), 100 + rng.normal(0, 5, 300)])
    features = []
    for _ in range(5):
        line = border + rng.normal(0, noise_m, border.shape) + [5e5, 4e6]
        features.append(shapely.Polygon([*line, (5e5 + 300, 4e6 - 50), (5e5 - 50, 4e6 - 50)]))
    assert shapely.is_valid(features).all()
    faces = split(patch, *features)
    assert_partition(faces, patch)
    if noise_m < 1e-6:
        assert len(faces) == 2  # what rounding made is gone
        assert shapely.area(faces).min() > SPECK_M2


def test_thousands_of_land_use_polygons() -> None:
    rng = np.random.default_rng(3)
    points = shapely.multipoints(rng.uniform(0, 2000, (5000, 2)) + np.array([5e5, 4e6]))
    cells = shapely.get_parts(shapely.voronoi_polygons(points))
    patch = square(100, 100, 1800).difference(square(500, 500, 300))
    touching = cells[shapely.intersects(cells, patch)]
    faces = pieces_of("P", patch, touching).faces
    assert_partition(faces, patch)
    assert len(faces) >= len(touching)


def test_specks_join_the_neighbour_with_the_longest_edge() -> None:
    left, right = square(0, 0, 10), square(10.00000001, 0, 10)
    speck = square(10, 0, 0.00000001, 10)
    patch = shapely.unary_union([left, speck, right])
    faces = split(patch, left, right, speck)
    assert len(faces) == 2
    assert_partition(faces, patch)


def test_a_face_is_not_represented_by_a_speck_joined_to_it() -> None:
    """Found by random layers: half way up an L, its long arm a speck, the point was on the arm."""
    foot, arm = square(0, 0, 10), square(0, 10, 1e-8, 30)
    pieces = pieces_of("P", foot.union(arm), np.array([foot], dtype=object))
    assert len(pieces.faces) == 1
    assert shapely.contains(foot, pieces.points).all()


def test_specks_narrower_than_the_coordinates_resolve_do_not_stay() -> None:
    """From the demo county: slivers whose intersection with a neighbour comes out empty."""
    rng = np.random.default_rng(5)
    cells = shapely.get_parts(
        shapely.voronoi_polygons(shapely.multipoints(rng.uniform(0, 200, (60, 2))))
    )
    corner = np.array([40_500_000.3, 4e6])
    there = [shapely.affinity.translate(cell, *corner) for cell in cells]
    there += [shapely.affinity.translate(cell, 1e-8) for cell in there]
    there += [shapely.affinity.translate(cell, 3e-8) for cell in there[: len(cells)]]
    patch = shapely.box(40_500_020, 4_000_020, 40_500_180, 4_000_180)
    features = np.array(there, dtype=object)
    lines = [shapely.boundary(patch), *shapely.boundary(features)]
    raw = partition._faces_inside(patch, shapely.unary_union(lines))
    assert shapely.area(raw).min() < 0.01 * SPECK_M2
    faces = pieces_of("P", patch, features).faces
    assert_partition(faces, patch)
    # at such eastings the area of a sliver is itself uncertain by about a square millimetre
    assert shapely.area(faces).min() > 0.1 * SPECK_M2


def test_a_patch_smaller_than_a_speck_stays() -> None:
    patch = square(0, 0, 5e-4)
    faces = split(patch, square(-1, -1, 1.00025, 5))
    assert len(faces) == 2
    assert shapely.area(faces).sum() == pytest.approx(patch.area, rel=1e-4)


def test_merged_faces_are_valid_and_keep_their_area() -> None:
    faces = split(square(0, 0, 10), square(-5, -5, 11, 30), square(-5, -5, 30, 9))
    ordered = faces[np.argsort(shapely.area(faces))]
    diagonal = merge_faces(ordered[[0, 3]])  # the two that meet in one point only
    assert diagonal.is_valid
    assert diagonal.area == pytest.approx(52.0)
    assert merge_faces(faces).geom_type == "Polygon"


@pytest.mark.parametrize(
    ("total", "area", "expected"),
    [
        (1e6 + 0.9, 1e6, False),
        (1e6 + 1.1, 1e6, True),
        (1e6 - 1.1, 1e6, True),
        (1.0 + 0.9e-4, 1.0, False),
        (1.0 - 1.1e-4, 1.0, True),
        (np.nan, 1.0, True),
    ],
)
def test_tolerance_on_both_sides(total: float, area: float, expected: bool) -> None:
    assert deviates(np.array([total]), np.array([area])).tolist() == [expected]


def test_faces_that_do_not_add_up_stop_the_run_and_name_the_patch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = partition._faces_inside
    monkeypatch.setattr(partition, "_faces_inside", lambda *given: real(*given)[1:])
    with pytest.raises(PipelineError, match="379999ZJ24000007") as error:
        pieces_of("379999ZJ24000007", holed(10), np.array([square(5, 5, 10)]))
    assert error.value.findings[0].code == "E-INTERNAL"
    assert error.value.exit_code is ExitCode.INTERNAL


def test_the_snapped_second_try_is_taken_when_the_first_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, tries = partition._faces_inside, []

    def first_fails(patch: BaseGeometry, noded: BaseGeometry) -> np.ndarray:
        tries.append(noded)
        return real(patch, noded)[len(tries) == 1 :]

    monkeypatch.setattr(partition, "_faces_inside", first_fails)
    patch = holed(1000 / 3)
    faces = split(patch, square(-10, -10, 100 / 7, 500))
    assert len(tries) == 2
    assert_partition(faces, patch)
