"""Geometry and reference systems of delivered layers, on figures whose answer is plain."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer

from pipeline.patches.layer_checks import find_overlaps, make_usable, periods_meet, share_inside
from pipeline.patches.layer_crs import (
    crs_label,
    find_misfit,
    fitting_crs,
    is_same_crs,
    needs_parameters,
    parse_crs,
    robust_bounds,
    to_crs,
)
from pipeline.patches.layer_gaps import find_gaps

BOX = shapely.box


def shapes(*given: object) -> np.ndarray:
    array = np.empty(len(given), dtype=object)
    array[:] = given
    return array


def test_a_bow_tie_is_repaired_and_told() -> None:
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    found = make_usable(shapes(BOX(0, 0, 1, 1), bow), "MultiPolygon")
    assert found.is_repaired.tolist() == [False, True]
    assert found.geometry[1].geom_type == "MultiPolygon"
    assert found.geometry[1].area == 2.0
    assert "Self-intersection" in found.reasons[1]


def test_a_spike_that_turns_into_a_line_is_dropped_from_the_polygon() -> None:
    spike = shapely.Polygon([(0, 0), (4, 0), (4, 4), (4, 9), (4, 4), (0, 4)])
    found = make_usable(shapes(spike), "MultiPolygon")
    assert found.geometry[0].equals(BOX(0, 0, 4, 4))
    assert found.area_change_m2[0] == 0.0


def test_what_can_not_be_used_is_told_apart() -> None:
    flat = shapely.Polygon([(0, 0), (1, 1), (2, 2), (0, 0)])
    with np.errstate(invalid="ignore"):
        nan = shapely.Polygon([(0, 0), (1, 0), (float("nan"), 1), (0, 0)])
        infinite = shapely.Polygon([(0, 0), (1, 0), (float("inf"), 1), (0, 0)])
    mixed = shapely.GeometryCollection([BOX(0, 0, 1, 1), shapely.LineString([(0, 0), (5, 5)])])
    line = shapely.LineString([(0, 0), (1, 1)])
    found = make_usable(
        shapes(None, shapely.Polygon(), line, flat, mixed, nan, infinite), "MultiPolygon"
    )
    assert found.is_missing.tolist()[:5] == [True, True, False, False, False]
    assert found.is_missing[6]
    assert found.is_mistyped.tolist()[:5] == [False, False, True, False, False]
    assert found.is_lost[3]
    assert found.geometry[4].equals(BOX(0, 0, 1, 1))
    assert [shape is None for shape in found.geometry] == [
        True,
        True,
        True,
        True,
        False,
        True,
        True,
    ]


def test_z_goes_and_several_points_become_one() -> None:
    found = make_usable(
        shapes(shapely.Point(1, 2, 3), shapely.MultiPoint([(1, 1), (2, 2)])), "Point"
    )
    assert not shapely.has_z(found.geometry).any()
    assert found.geometry[1].equals(shapely.Point(1, 1))
    assert found.is_repaired.tolist() == [False, True]


def test_overlaps_are_measured_and_touching_is_none() -> None:
    grid = shapes(BOX(0, 0, 10, 10), BOX(10, 0, 20, 10), BOX(18, 0, 30, 10), BOX(2, 2, 4, 4))
    found = find_overlaps(grid)
    pairs = list(
        zip(found.first.tolist(), found.second.tolist(), found.area_m2.tolist(), strict=True)
    )
    assert pairs == [(1, 2, 20.0), (0, 3, 4.0)]
    for (x, y), region in zip(found.places, (BOX(18, 0, 20, 10), BOX(2, 2, 4, 4)), strict=True):
        assert region.contains(shapely.Point(x, y))


@pytest.mark.parametrize(("width", "n"), [(0.04, 0), (0.06, 1)])
def test_noise_of_coordinates_is_no_overlap(width: float, n: int) -> None:
    assert len(find_overlaps(shapes(BOX(0, 0, 10, 10), BOX(10 - width, 0, 20, 10))).first) == n


def test_equal_polygons_overlap() -> None:
    assert find_overlaps(shapes(BOX(0, 0, 2, 2), BOX(0, 0, 2, 2))).area_m2.tolist() == [4.0]


def test_versions_of_different_times_may_overlap() -> None:
    same = shapes(BOX(0, 0, 2, 2), BOX(0, 0, 2, 2), BOX(0, 0, 2, 2))
    starts = shapes(None, "2024-07-01", "2024-06-30")
    ends = shapes("2024-06-30", None, "2024-06-30")
    found = find_overlaps(same, periods_meet(starts, ends))
    # The last day still counts: 2024-06-30 belongs to the first and the third.
    assert (found.first.tolist(), found.second.tolist()) == ([0], [2])
    reverse = find_overlaps(same, periods_meet(starts[::-1], ends[::-1]))
    assert (reverse.first.tolist(), reverse.second.tolist()) == ([0], [2])


def test_overlaps_do_not_depend_on_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(11)
    corners = rng.uniform(0, 50, (60, 2))
    boxes = shapely.box(corners[:, 0], corners[:, 1], corners[:, 0] + 9, corners[:, 1] + 9)
    whole = find_overlaps(boxes)
    monkeypatch.setattr("pipeline.patches.layer_checks.PAIRS_PER_BATCH", 7)
    parts = find_overlaps(boxes)
    assert len(whole.first) > 20
    assert np.array_equal(whole.first, parts.first)
    assert np.array_equal(whole.places, parts.places)
    brute = sum(
        boxes[i].intersection(boxes[j]).area > 0.5 for i in range(60) for j in range(i + 1, 60)
    )
    assert len(whole.first) == brute


@pytest.mark.parametrize("per_cell", [1, 150])
def test_gaps_are_found_across_cells(per_cell: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.patches.layer_gaps.FEATURES_PER_CELL", per_cell)
    cells = [BOX(i, j, i + 10, j + 10) for i in range(0, 60, 10) for j in range(0, 60, 10)]
    holes = [BOX(20, 20, 30, 30), BOX(50, 0, 60, 10)]
    cover = shapes(*[c for c in cells if c not in holes][1:], BOX(0, 0, 10, 9.5))
    found = find_gaps(cover, BOX(0, 0, 60, 60))
    assert found.area_m2.tolist() == pytest.approx([100, 100, 5])
    assert found.total_m2 == pytest.approx(205)
    assert found.whole_m2 == 3600
    for place in found.places[:2]:
        assert any(hole.contains(shapely.Point(place)) for hole in holes)


def test_a_rounded_common_boundary_is_no_gap() -> None:
    cover = shapes(BOX(0, 0, 500, 1000), BOX(500.02, 0, 1000, 1000))
    assert find_gaps(cover, BOX(0, 0, 1000, 1000)).total_m2 == 0.0
    # The seam hangs on a real gap here and counts with it.
    assert find_gaps(cover, BOX(0, 0, 1000, 1001)).total_m2 == pytest.approx(1020)


def test_share_inside() -> None:
    found = share_inside(
        shapes(BOX(0, 0, 1, 1), BOX(9, 0, 11, 1), BOX(20, 0, 21, 1)), BOX(0, 0, 10, 10)
    )
    assert found.tolist() == [1.0, 0.5, 0.0]


# --- reference systems: zone 38 (114°E) around 500 km east, 3,400 km north is EPSG:4547

PLACE = (500_000.0, 3_400_000.0)


@pytest.mark.parametrize(
    ("epsg", "x", "y", "word", "suggestion"),
    [
        (4547, 38_500_000.0, 3.4e6, "带有带号（38）", 4526),
        (4526, 500_000.0, 3.4e6, "不带带号", 4547),
        (4526, 39_500_000.0, 3.4e6, "带号与写明", 4527),
        (4491, 500_000.0, 3.4e6, "不带带号", 4502),
        (4490, 38_500_000.0, 3.4e6, "坐标是米", 4526),
        (4490, 19_500_000.0, 3.4e6, "坐标是米", 4497),
        (4490, 500_000.0, 3.4e6, "坐标是米", 4547),
        (4547, 114.0, 30.7, "经纬度", 4490),
        (4547, 30.7, 114.0, "对调", None),
        (4490, 30.7, 114.0, "对调", None),
        (4547, 3.4e6, 500_000.0, "对调", None),
        (4526, 3.4e6, 38_500_000.0, "对调", None),
        (32650, 50_500_000.0, 3.4e6, "带号（50）", None),
    ],
)
def test_coordinates_that_contradict_their_system(
    epsg: int, x: float, y: float, word: str, suggestion: int | None
) -> None:
    misfit = find_misfit((x, y, x, y), CRS.from_epsg(epsg), (114.0, 30.7))
    assert misfit is not None
    assert word in misfit.what_zh
    assert misfit.suggestion == suggestion


@pytest.mark.parametrize(
    ("epsg", "x", "y"),
    [
        (4547, *PLACE),
        (4526, 38_500_000.0, 3.4e6),
        (4490, 114.0, 30.7),
        (4502, 300_000.0, 4.4e6),
        (32650, 650_000.0, 4.0e6),
        (4326, -77.0, -12.0),
        (3857, 1.27e7, 3.6e6),
    ],
)
def test_coordinates_that_fit(epsg: int, x: float, y: float) -> None:
    assert find_misfit((x, y, x, y), CRS.from_epsg(epsg), (114.0, 30.7)) is None


def test_the_system_is_named_by_where_the_images_lie() -> None:
    target = CRS.from_epsg(4547)
    footprint = (PLACE[0] - 500, PLACE[1] - 500, PLACE[0] + 500, PLACE[1] + 500)
    for code in (4490, 4526, 4547, 4508):
        x, y = Transformer.from_crs(target, code, always_xy=True).transform(*PLACE)
        assert fitting_crs((x, y, x, y), target, footprint) == [code] or code == 4508
    assert fitting_crs((1.0, 1.0, 1.0, 1.0), target, footprint) == []


def test_names_of_systems() -> None:
    assert parse_crs("EPSG:4547") == CRS.from_epsg(4547)
    assert parse_crs("4547") == CRS.from_epsg(4547)
    assert parse_crs("EPSG:999999") is None
    assert parse_crs("国家2000") is None
    assert parse_crs("EPSG:5737") is None
    assert crs_label(CRS.from_epsg(4526)) == "CGCS2000 3 度带，中央经线 114°，带号 38（EPSG:4526）"
    assert crs_label(CRS.from_epsg(4490)) == "CGCS2000 经纬度（EPSG:4490）"


def test_an_esri_prj_is_recognised() -> None:
    esri = CRS.from_wkt(CRS.from_epsg(4547).to_wkt("WKT1_ESRI"))
    assert is_same_crs(esri, CRS.from_epsg(4547))
    assert not is_same_crs(esri, CRS.from_epsg(4526))


def test_other_datums_need_parameters_and_wgs84_does_not() -> None:
    own = CRS.from_epsg(4547)
    assert needs_parameters(CRS.from_epsg(2382), own)
    assert needs_parameters(CRS.from_epsg(4214), own)
    assert not needs_parameters(CRS.from_epsg(4326), own)
    assert not needs_parameters(CRS.from_epsg(32650), own)


def test_edges_in_degrees_stay_where_they_were() -> None:
    """A 20 km parallel bends by metres in the plane; its cut edge must lie on the true curve."""
    source, target = CRS.from_epsg(4490), CRS.from_epsg(4547)
    line = shapes(shapely.LineString([(114.9, 36.0), (115.1, 36.0)]))
    moved = to_crs(line, source, target)[0]
    lon = np.linspace(114.9, 115.1, 1001)
    x, y = Transformer.from_crs(source, target, always_xy=True).transform(lon, np.full(1001, 36.0))
    truth = shapely.points(x, y)
    straight = shapely.LineString([moved.coords[0], moved.coords[-1]])
    assert shapely.distance(straight, truth).max() > 4.0
    assert shapely.distance(moved, truth).max() < 1e-3
    steps = np.diff(shapely.get_coordinates(moved), axis=0)
    assert np.hypot(*steps.T).max() <= 100.0


def test_x_stays_east() -> None:
    moved = to_crs(shapes(shapely.Point(114.0, 30.0)), CRS.from_epsg(4490), CRS.from_epsg(4547))
    assert moved[0].x == pytest.approx(500_000.0, abs=1e-6)
    assert 3.3e6 < moved[0].y < 3.4e6


def test_a_stray_feature_does_not_move_the_bounds() -> None:
    boxes = [BOX(i, 0, i + 1, 1) for i in range(300)]
    bounds = robust_bounds(shapes(*boxes, BOX(1e9, 0, 1e9 + 1, 1)))
    assert bounds is not None
    assert bounds[2] < 310
    assert robust_bounds(shapes(None)) is None
