from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import CRS
from shapely.affinity import translate
from shapely.geometry import LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.patches.layer_crs import project_points
from pipeline.patches.survey_outline import (
    SurveyOutline,
    compare_with_patch,
    join_outlines,
    read_outline,
)
from tests.overlay_factory import CRS_4547, X0, Y0, square
from tests.survey_factory import LIMITS, area_m2, normal

PATCH = square(0, 0, 60, 50)
PREFIXED = CRS.from_epsg(4526)
NEXT_ZONE = CRS.from_epsg(4548)
DEGREES = CRS.from_epsg(4490)


def read(shape: BaseGeometry | None, crs: CRS | None = CRS_4547) -> SurveyOutline:
    return read_outline(shape, crs, PATCH, CRS_4547, LIMITS)


def ring(*points: tuple[float, float]) -> Polygon:
    return Polygon([(X0 + x, Y0 + y) for x, y in points])


def moved(shape: BaseGeometry, crs: CRS) -> BaseGeometry:
    (found,) = project_points(np.array([shape], dtype=object), CRS_4547, crs)
    return found


@pytest.mark.parametrize("crs", [DEGREES, PREFIXED, NEXT_ZONE, CRS.from_epsg(4326)], ids=str)
def test_a_survey_has_the_same_area_whatever_crs_it_comes_in(crs: CRS) -> None:
    # Edges far longer than those that are cut when a layer in degrees is projected.
    shape = square(0, 0, 900, 800)
    found = read_outline(moved(shape, crs), crs, shape, CRS_4547, LIMITS)
    assert found.problem is None
    assert found.notices == ()
    assert found.geometry is not None
    assert found.geometry.equals_exact(normal(shape), 1e-6)
    assert area_m2(found.geometry) == pytest.approx(area_m2(shape), abs=1e-3)
    assert shapely.get_num_coordinates(found.geometry) == 5


def test_the_order_of_points_and_parts_does_not_matter() -> None:
    points = np.array(shapely.get_coordinates(PATCH))[:-1]
    outlines = set()
    for turned in (points, points[::-1]):
        for first in range(len(points)):
            found = read(Polygon(np.roll(turned, first, axis=0))).geometry
            assert found is not None
            outlines.add(found.wkb)
    repeated = read(Polygon(np.repeat(points, 3, axis=0))).geometry
    assert repeated is not None
    assert outlines == {repeated.wkb}
    one, two = square(0, 0, 10), square(30, 0, 10)
    there, back = read(MultiPolygon([one, two])).geometry, read(MultiPolygon([two, one])).geometry
    assert there is not None
    assert there == back


def test_reading_a_boundary_again_changes_nothing() -> None:
    first = read(moved(PATCH, DEGREES), DEGREES).geometry
    second = read(moved(PATCH, DEGREES), DEGREES).geometry
    assert first is not None
    assert second is not None
    assert first.wkb == second.wkb
    again = read(first).geometry
    assert again is not None
    assert again.wkb == first.wkb


def test_height_is_dropped_and_holes_stay() -> None:
    holed = PATCH.difference(square(10, 10, 10))
    found = read(shapely.force_3d(holed, 12.5)).geometry
    assert found is not None
    assert not found.has_z
    assert area_m2(found) == pytest.approx(area_m2(PATCH) - area_m2(square(10, 10, 10)), abs=1e-6)


def test_a_hair_of_self_crossing_is_repaired_and_told() -> None:
    crossing = ring((0, 0), (60, 0), (60, 50), (59.9, 50.1), (60.1, 50.1), (0, 50))
    assert not crossing.is_valid
    found = read(crossing)
    assert found.problem is None
    assert found.geometry is not None
    assert found.geometry.is_valid
    (notice,) = found.notices
    assert notice.code == "N-RETURN-DOUBT"
    assert "自相交" in notice.what


@pytest.mark.parametrize(
    "shape",
    [
        ring((0, 0), (60, 50), (60, 0), (0, 50)),  # bow tie: both lobes the same
        ring((0, 0), (60, 0), (60, 50), (0, 50), (0, 0), (60, 0), (60, 50), (0, 50)),  # twice round
        Polygon(PATCH.exterior.coords, [square(100, 0, 10).exterior.coords]),  # hole outside
        MultiPolygon([PATCH, square(30, 0, 60, 50)]),  # parts that overlap
    ],
    ids=["bow_tie", "twice_round", "hole_outside", "overlapping_parts"],
)
def test_a_boundary_that_can_be_read_in_two_ways_is_refused(shape: BaseGeometry) -> None:
    assert not shape.is_valid
    found = read(shape)
    assert found.geometry is None
    assert found.problem is not None
    assert found.problem.code == "E-RETURN-GEOMETRY"
    assert "平方米" in found.problem.value


@pytest.mark.parametrize(("size", "is_taken"), [(0.01, True), (0.0998, True), (0.1002, False)])
def test_the_repair_tolerance_is_the_rules(size: float, is_taken: bool) -> None:
    # Two triangles of 2.5 * size beside each other, one of them the wrong way round.
    bow = [(40.0, 50.0), (30.0, 50.0 + size), (40.0, 50.0 + size), (30.0, 50.0)]
    found = read(ring((0, 0), (60, 0), (60, 50), *bow, (0, 50)))
    assert (found.problem is None) is is_taken
    told = found.problem or found.notices[0]
    assert f"{5 * size:+.3f}" in told.value


@pytest.mark.parametrize(
    ("shape", "crs", "words"),
    [
        (None, CRS_4547, "没有图形"),
        (Polygon(), CRS_4547, "没有图形"),
        (ring((0, np.inf), (2, 3), (4, 5)), CRS_4547, "没有图形"),
        (PATCH, None, "没有写明坐标系"),
        (LineString(PATCH.exterior.coords), CRS_4547, "不是面"),
        (ring((0, 0), (60, 0), (0, 0)), CRS_4547, "没有剩下面"),
        (shapely.transform(PATCH, lambda xy: xy[:, ::-1]), CRS_4547, "坐标轴颠倒"),
        (shapely.transform(moved(PATCH, DEGREES), lambda xy: xy[:, ::-1]), DEGREES, "坐标轴颠倒"),
        (PATCH, DEGREES, "坐标是米"),
        (moved(PATCH, DEGREES), CRS_4547, "坐标是经纬度"),
        (PATCH, PREFIXED, "不带带号"),
        (moved(PATCH, PREFIXED), CRS_4547, "带有带号"),
        (PATCH, NEXT_ZONE, "另一个坐标系却正好落在图斑上"),
        (PATCH, CRS.from_epsg(2379), "西安80"),
        (translate(PATCH, 400, 0), CRS_4547, ""),
    ],
)
def test_what_can_not_be_where_it_says(
    shape: BaseGeometry | None, crs: CRS | None, words: str
) -> None:
    found = read(shape, crs)
    if not words:  # far away in the right CRS: told by the comparison with the patch
        assert found.problem is None
        return
    assert found.geometry is None
    assert found.problem is not None
    assert found.problem.code == "E-RETURN-GEOMETRY"
    assert words in found.problem.what
    assert "CGCS2000" in found.problem.allowed + found.problem.advice or "重新交回" in (
        found.problem.advice
    )


def test_the_crs_that_would_fit_is_named() -> None:
    problem = read(PATCH, NEXT_ZONE).problem
    assert problem is not None
    assert "EPSG:4547" in problem.advice
    in_degrees = read(moved(PATCH, DEGREES), CRS_4547).problem
    assert in_degrees is not None
    assert "EPSG:4490" in in_degrees.advice


def test_pieces_of_one_patch_become_one_boundary() -> None:
    one, beside, apart = (normal(square(x, 0, 20)) for x in (0, 20, 50))
    joined = join_outlines([apart, one, beside, one], LIMITS)
    assert joined.geometry is not None
    assert len(joined.geometry.geoms) == 2
    assert joined.geometry.area == pytest.approx(1200.0)
    assert joined.geometry.is_valid
    assert joined == join_outlines([one, beside, apart], LIMITS)
    assert join_outlines([one], LIMITS).geometry is one


def test_pieces_that_lie_on_each_other_are_refused() -> None:
    outer, inner = normal(square(0, 0, 20)), normal(square(5, 5, 5))
    found = join_outlines([outer, inner], LIMITS)
    assert found.geometry is None
    assert found.problem is not None
    assert "25.00" in found.problem.value
    hair = normal(square(19.99, 0, 20))
    assert join_outlines([outer, hair], LIMITS).geometry is not None


def test_how_far_and_how_well_a_survey_fits_its_patch() -> None:
    def judge(dx: float) -> tuple[bool, int]:
        problem, notices = compare_with_patch(normal(translate(PATCH, dx, 0)), PATCH, LIMITS)
        return problem is None, len(notices)

    assert judge(0) == (True, 0)
    assert judge(30) == (True, 0)  # exactly half
    assert judge(30.1) == (True, 1)
    assert judge(110) == (True, 1)  # exactly 50 m away
    assert judge(110.1) == (False, 0)
    inside = normal(square(5, 5, 40))  # all of the survey lies in the patch
    assert compare_with_patch(inside, PATCH, LIMITS) == (None, ())


@pytest.mark.parametrize(
    ("shape", "n"),
    [(square(0, 0, 60, 25), 0), (square(0, 0, 60, 24.9), 1), (square(0, 0, 60, 100), 0),
     (square(0, 0, 60, 100.1), 1), (ring((0, 0), (60, 0), (60, 50), (0, 5000)), 1)],
)  # fmt: skip
def test_a_survey_far_larger_or_smaller_than_its_patch_is_told(shape: BaseGeometry, n: int) -> None:
    problem, notices = compare_with_patch(normal(shape), PATCH, LIMITS)
    assert problem is None
    assert [notice.what for notice in notices] == ["界址与图斑的面积相差很大。"] * n


@pytest.mark.parametrize(("size", "is_taken"), [(0.7, False), (0.71, True)])
def test_a_boundary_around_next_to_nothing_is_refused(size: float, is_taken: bool) -> None:
    found = join_outlines([normal(square(0, 0, size))], LIMITS)
    assert (found.problem is None, found.geometry is not None) == (is_taken, is_taken)


@pytest.mark.parametrize("crs", [CRS_4547, PREFIXED], ids=str)
@pytest.mark.parametrize(
    ("northing", "is_taken"),
    [(9e4, True), (1.1e5, False), (2e7, False), (1e12, False), (1e300, False)],
)
def test_a_point_that_nobody_can_have_surveyed_is_refused(
    northing: float, is_taken: bool, crs: CRS
) -> None:
    prefix = 0.0 if crs is CRS_4547 else 38_000_000.0
    corners = [(X0 + x + prefix, Y0 + y) for x, y in ((0, 0), (60, 0), (60, northing), (0, 50))]
    found = read(Polygon(corners), crs)
    assert (found.problem is None) is is_taken
    assert (found.geometry is None) is not is_taken


@pytest.mark.parametrize("size", [1e6, 1e12, 1e200])
def test_a_boundary_nowhere_near_is_refused_before_it_is_worked_on(size: float) -> None:
    away = shapely.box(X0, Y0 + size, X0 + 100, Y0 + 2 * size)
    found = read(away)
    assert found.problem is not None
    assert "远" in found.problem.what
