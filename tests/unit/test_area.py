"""Ellipsoidal areas against other formulas and other programs."""

from __future__ import annotations

from math import log, pi, radians, sin

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely.affinity import rotate, scale
from shapely.geometry.base import BaseGeometry

from pipeline.grid import Grid
from pipeline.patches import area
from pipeline.patches.area import (
    area_mu100,
    ellipsoidal_area_m2,
    perimeter_m,
    perimeter_without_crs_m,
    planar_area_m2,
)

ORIGINS = {4547: (500_000, 3.4e6), 4528: (40_500_000, 3.4e6), 32651: (500_000, 3.4e6)}
"""A point on the central meridian: CGCS2000 3° GK 114E, the same with zone prefix, UTM."""
ZONE_EDGE_M = 143_000
SIDES_M = (10, 100, 1_000, 3_200, 40_000)


def one_area(geometry: BaseGeometry | None, crs: CRS) -> float:
    return float(ellipsoidal_area_m2(np.array([geometry], dtype=object), crs)[0])


def plot(x: float, y: float, side: float) -> BaseGeometry:
    """A turned square with a hole of 6 %."""
    square = shapely.box(x, y, x + side, y + side)
    hole = shapely.box(x + 0.3 * side, y + 0.3 * side, x + 0.5 * side, y + 0.6 * side)
    return rotate(square.difference(hole), 17.0)


def project(geometry: BaseGeometry, transformer: Transformer) -> BaseGeometry:
    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    return shapely.transform(geometry, move)


def in_lon_lat(geometry: BaseGeometry, crs: CRS, step: float) -> BaseGeometry:
    """The geometry with edges divided into steps, straight in `crs`, in longitude and latitude."""
    dense = shapely.segmentize(geometry, step)
    to_lon_lat = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    return project(dense, to_lon_lat)


def geodesic_area(lon_lat: BaseGeometry, crs: CRS) -> float:
    """Area by GeographicLib's series for geodesic polygons; noise about 1e-4 m² per ring."""
    geod = crs.get_geod()
    assert geod is not None
    return abs(float(geod.geometry_area_perimeter(shapely.orient_polygons(lon_lat))[0]))


def equal_area_plane(lon_lat: BaseGeometry, crs: CRS) -> float:
    """Planar area in a Lambert azimuthal equal-area projection centred on the geometry."""
    centre, figure = lon_lat.centroid, crs.ellipsoid
    assert figure is not None
    shape = f"+a={figure.semi_major_metre} +rf={figure.inverse_flattening} +no_defs"
    to_plane = Transformer.from_crs(
        CRS.from_proj4(f"+proj=longlat {shape}"),
        CRS.from_proj4(f"+proj=laea +lon_0={centre.x} +lat_0={centre.y} {shape}"),
        always_xy=True,
    )
    return float(project(lon_lat, to_plane).area)


@pytest.mark.parametrize("side", SIDES_M)
@pytest.mark.parametrize("offset", [0, ZONE_EDGE_M])
@pytest.mark.parametrize("epsg", ORIGINS)
def test_projected_areas_agree_with_two_other_programs(epsg: int, offset: int, side: int) -> None:
    crs = CRS.from_epsg(epsg)
    x, y = ORIGINS[epsg]
    shape = plot(x + offset, y, side)
    dense = in_lon_lat(shape, crs, step=20.0)
    found = one_area(shape, crs)
    assert found == pytest.approx(geodesic_area(dense, crs), rel=1e-6, abs=3e-4)
    assert found == pytest.approx(equal_area_plane(dense, crs), rel=1e-8)


@pytest.mark.parametrize("side_deg", [1e-4, 1e-2, 0.4])
def test_geographic_areas_follow_edges_straight_in_degrees(side_deg: float) -> None:
    crs = CRS.from_epsg(4326)
    shape = plot(114.2, 30.5, side_deg)
    dense = shapely.segmentize(shape, min(side_deg / 20, 1e-4))
    found = one_area(shape, crs)
    assert found == pytest.approx(geodesic_area(dense, crs), rel=1e-6, abs=3e-4)
    assert found == pytest.approx(equal_area_plane(dense, crs), rel=1e-8)


def test_a_rectangle_in_degrees_has_snyders_area() -> None:
    a, e2 = 6378137.0, 0.00669437999014132

    def q(lat_deg: float) -> float:
        """Snyder 1987, eq. 3-12, with the logarithm as printed."""
        s, e = sin(radians(lat_deg)), e2**0.5
        logarithm = log((1 - e * s) / (1 + e * s))
        return float((1 - e2) * (s / (1 - e2 * s * s) - logarithm / (2 * e)))

    expected = a * a / 2 * (q(31.0) - q(30.0)) * radians(0.5)
    assert one_area(shapely.box(114, 30, 114.5, 31), CRS.from_epsg(4326)) == pytest.approx(
        expected, rel=1e-12
    )


def test_the_whole_ellipsoid_has_the_surface_of_the_authalic_sphere() -> None:
    # Radius of the sphere of equal area, 6371007.1809 m: NIMA TR8350.2 (2000), table 3.3.
    whole = one_area(shapely.box(-180, -90, 180, 90), CRS.from_epsg(4326))
    assert whole == pytest.approx(4 * pi * 6371007.1809**2, rel=1e-10)


def test_a_sphere_has_the_area_of_archimedes() -> None:
    sphere = CRS.from_dict({"proj": "longlat", "R": 1000.0})
    zone = one_area(shapely.box(0, -30, 90, 30), sphere)
    assert zone == pytest.approx(2 * pi * 1000.0 * 1000.0 / 4, rel=1e-12)
    # Under the slanting edge φ = λ: the integral of sin λ from 0 to 60° is 1/2.
    under_slope = shapely.Polygon([(0, 0), (60, 0), (60, 60)])
    assert one_area(under_slope, sphere) == pytest.approx(1000.0 * 1000.0 / 2, rel=1e-10)


@pytest.mark.parametrize("offset", [0, ZONE_EDGE_M])
def test_edges_of_one_kilometre_need_no_further_division(
    offset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    crs = CRS.from_epsg(4547)
    shape = shapely.box(500_000 + offset, 3.4e6, 501_000 + offset, 3_401_000)
    coarse = one_area(shape, crs)
    monkeypatch.setattr(area, "MAX_PIECE_M", 5.0)
    assert coarse == pytest.approx(one_area(shape, crs), rel=1e-11)
    assert coarse != pytest.approx(shape.area, rel=1e-9)


def test_long_edges_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    crs = CRS.from_epsg(4547)
    shape = plot(600_000, 3.4e6, 90_000)
    divided = one_area(shape, crs)
    monkeypatch.setattr(area, "MAX_PIECE_M", 1e9)
    undivided = one_area(shape, crs)
    monkeypatch.setattr(area, "MAX_PIECE_M", 100.0)
    assert divided == pytest.approx(one_area(shape, crs), rel=1e-13)
    assert divided != pytest.approx(undivided, rel=1e-13)


def test_feet_on_the_axes_give_square_metres() -> None:
    feet = CRS.from_epsg(2263)
    metres = CRS.from_proj4(
        "+proj=lcc +lat_0=40.1666666666667 +lon_0=-74 +lat_1=41.0333333333333 "
        "+lat_2=40.6666666666667 +x_0=300000 +y_0=0 +ellps=GRS80 +units=m"
    )
    foot_m = 1200 / 3937
    shape = plot(990_000, 200_000, 5_000)
    in_metres = scale(shape, foot_m, foot_m, origin=(0, 0))
    assert one_area(shape, feet) == pytest.approx(one_area(in_metres, metres), rel=1e-9)
    assert perimeter_m(np.array([shape]), feet)[0] == pytest.approx(in_metres.length)


def test_a_plot_across_the_date_line_is_like_the_same_plot_in_the_next_zone() -> None:
    first, second = CRS.from_epsg(32601), CRS.from_epsg(32602)
    shape = plot(166_000, 1_000, 2_000)
    assert one_area(shape, first) == pytest.approx(one_area(shape, second), rel=1e-9)


def test_holes_parts_and_kinds_of_geometry() -> None:
    crs = CRS.from_epsg(4547)
    a, b = shapely.box(5e5, 3.4e6, 500_200, 3_400_100), shapely.box(6e5, 3.4e6, 600_050, 3_400_050)
    hole = shapely.box(500_050, 3_400_010, 500_080, 3_400_090)
    both = shapely.MultiPolygon([a, b])
    nested = shapely.GeometryCollection([both, shapely.Point(5e5, 3.4e6)])
    geometries = np.array([a, both, nested, a - hole, shapely.Polygon(), shapely.Point(1, 1), None])
    found = ellipsoidal_area_m2(geometries, crs)
    area_a, area_b, area_hole = (one_area(g, crs) for g in (a, b, hole))
    assert found[:3].tolist() == [area_a, area_a + area_b, area_a + area_b]
    assert found[3] == pytest.approx(area_a - area_hole, abs=1e-7)
    assert found[4:6].tolist() == [0.0, 0.0]
    assert np.isnan(found[6])


def test_the_direction_of_rings_does_not_matter() -> None:
    crs = CRS.from_epsg(4547)
    shape = plot(550_000, 3.4e6, 300)
    assert one_area(shapely.reverse(shape), crs) == pytest.approx(one_area(shape, crs), abs=1e-6)


def test_batches_are_bounded_but_never_cut_a_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(area, "BATCH_POINTS", 12)
    ring_offsets = np.array([0, 5, 10, 15, 40, 45])
    assert area._batches(ring_offsets) == [(0, 2), (2, 3), (3, 4), (4, 5)]


def test_batches_do_not_change_the_areas(monkeypatch: pytest.MonkeyPatch) -> None:
    crs = CRS.from_epsg(4547)
    shapes = np.array([plot(5e5 + 700 * k, 3.4e6, 50 + k) for k in range(30)])
    whole = ellipsoidal_area_m2(shapes, crs)
    monkeypatch.setattr(area, "BATCH_POINTS", 12)
    np.testing.assert_array_equal(ellipsoidal_area_m2(shapes, crs), whole)


def test_no_geometries_have_no_areas() -> None:
    assert ellipsoidal_area_m2(np.empty(0, dtype=object), CRS.from_epsg(4547)).shape == (0,)


def test_outlines_outside_the_domain_are_refused() -> None:
    with pytest.raises(ValueError, match="domain"):
        one_area(shapely.box(1e9, 1e9, 2e9, 2e9), CRS.from_epsg(4547))


def test_a_crs_without_ellipsoid_is_refused() -> None:
    local = CRS.from_wkt('LOCAL_CS["x",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]')
    with pytest.raises(ValueError, match="ellipsoid"):
        one_area(shapely.box(0, 0, 1, 1), local)


def test_planar_area_is_pixels_times_pixel_area() -> None:
    n_pixels: NDArray[np.int64] = np.array([1, 50])
    in_feet = Grid(9, 9, (3.0, 0, 0, 0, -3.0, 0), CRS.from_epsg(2263).to_wkt())
    without_crs = Grid(9, 9, (1.0, 0, 0, 0, 1.0, 0), None, gsd_m=0.5)
    foot_m2 = (1200 / 3937) ** 2
    np.testing.assert_allclose(planar_area_m2(n_pixels, in_feet), [9 * foot_m2, 450 * foot_m2])
    assert planar_area_m2(n_pixels, without_crs).tolist() == [0.25, 12.5]


def test_perimeters_count_holes_and_use_the_unit() -> None:
    frame = shapely.box(0, 0, 10, 10) - shapely.box(2, 2, 4, 6)
    geometries = np.array([frame])
    assert perimeter_m(geometries, CRS.from_epsg(4547)).tolist() == [40 + 12]
    without_crs = Grid(9, 9, (2.0, 0, 0, 0, -2.0, 0), None, gsd_m=0.5)
    assert perimeter_without_crs_m(geometries, without_crs).tolist() == [(40 + 12) / 2 * 0.5]
    with pytest.raises(ValueError, match="angles"):
        perimeter_m(geometries, CRS.from_epsg(4326))


def test_mu_are_rounded_half_up_to_two_decimals() -> None:
    # 1 亩 = 2000/3 m²; 10 m² = 0.015 亩 lies half way and goes up, 9.99 m² goes down.
    assert area_mu100(np.array([2000 / 3, 10.0, 9.99, 0.0])).tolist() == [100, 2, 1, 0]
