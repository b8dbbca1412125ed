"""Central meridians, and counties across the edge of a zone."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer

from pipeline.patches.zones import beyond_zone, central_meridian, zone_beside, zone_width


@pytest.mark.parametrize(
    ("code", "meridian", "width"),
    [
        (4547, 114.0, 3.0),
        (4526, 114.0, 3.0),
        (4548, 117.0, 3.0),
        (4498, 117.0, 6.0),
        (32650, 117.0, None),
    ],
)
def test_zones_by_their_meridian(code: int, meridian: float, width: float | None) -> None:
    crs = CRS.from_epsg(code)
    assert central_meridian(crs) == meridian
    assert zone_width(crs) == width


def test_other_projections_have_no_zone() -> None:
    assert central_meridian(CRS.from_epsg(4490)) is None
    assert central_meridian(CRS.from_epsg(3857)) is None


def county(lon: float, side: float = 0.2, crs: int = 4547) -> shapely.Polygon:
    """A square of degrees around a longitude, in the given system."""
    to_crs = Transformer.from_crs(4490, crs, always_xy=True)
    edge = np.linspace(0, 1, 9)[:-1]
    ring = np.concatenate(
        [
            np.column_stack([edge, 0 * edge]),
            np.column_stack([0 * edge + 1, edge]),
            np.column_stack([1 - edge, 0 * edge + 1]),
            np.column_stack([0 * edge, 1 - edge]),
        ]
    )
    x, y = to_crs.transform(lon + side * (ring[:, 0] - 0.5), 30 + side * (ring[:, 1] - 0.5))
    return shapely.Polygon(np.column_stack([x, y]))


def test_a_county_inside_its_zone_is_told_nothing() -> None:
    assert beyond_zone(county(114.5), CRS.from_epsg(4547)) is None
    assert beyond_zone(county(115.6), CRS.from_epsg(32650)) is None


@pytest.mark.parametrize(("code", "beside"), [(4547, 4548), (4526, 4527)])
def test_the_part_beyond_the_edge_and_the_zone_it_is_in(code: int, beside: int) -> None:
    """The edge is 115.5°: of a county 0.2° wide around 115.55°, three quarters lie beyond."""
    area, crs = county(115.55, crs=code), CRS.from_epsg(code)
    outside = beyond_zone(area, crs)
    assert outside is not None
    assert outside.area / area.area == pytest.approx(0.75, abs=1e-3)
    assert zone_beside(outside, crs) == beside
