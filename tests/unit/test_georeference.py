"""Which georeferences can be true: only the impossible is refused before a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyproj import CRS

from pipeline.errors import Finding, InputError
from pipeline.grid import Grid
from pipeline.io.georeference import require_reference

NAN, INF = float("nan"), float("inf")
GK_120E, DEGREES, UTM, WEB, GEOCENTRIC = 4549, 4490, 32650, 3857, 4978
OWN_ZONE = CRS.from_proj4("+proj=tmerc +lon_0=117.4 +x_0=0 +y_0=-3400000 +ellps=GRS80")
"""A city's own system, its origin in the middle of the town."""


def grid(crs: int | CRS | None, *transform: float, gsd_m: float | None = None) -> Grid:
    found = CRS.from_epsg(crs) if isinstance(crs, int) else crs
    a, b, c, d, e, f = transform
    return Grid(256, 256, (a, b, c, d, e, f), None if found is None else found.to_wkt(), gsd_m)


def refused(found: Grid) -> Finding:
    with pytest.raises(InputError) as problem:
        require_reference(Path("a.tif"), found)
    (finding,) = problem.value.findings
    assert finding.where == "a.tif"
    return finding


@pytest.mark.parametrize(
    "transform",
    [
        (NAN, 0, NAN, 0, -2, 3_500_000),
        (2, 0, INF, 0, -2, 3_500_000),
        (2, 0, 500_000, 0, -2, -INF),
        (1e307, 0, 500_000, 0, -2, 3_500_000),
        (2, 0, -1.8e308, 0, -2, 3_500_000),
        (0, 0, 500_000, 0, 0, 3_500_000),
        (1, 2, 0, 2, 4, 0),
        (1, 0, 0, 0, 1, 0),
    ],
    ids=["nan", "inf", "neginf", "overflow", "filler", "zero", "singular", "none"],
)
def test_transforms_that_give_no_place(transform: tuple[float, ...]) -> None:
    assert refused(grid(GK_120E, *transform)).code == "E-RASTER-TRANSFORM"


def test_without_a_crs_no_transform_is_needed_but_none_may_be_broken() -> None:
    require_reference(Path("a.png"), grid(None, 1, 0, 0, 0, 1, 0, gsd_m=0.5))
    assert refused(grid(None, NAN, 0, 0, 0, 1, 0, gsd_m=0.5)).code == "E-RASTER-TRANSFORM"
    assert refused(grid(None, 1, 0, 0, 0, 1, 0)).code == "E-RASTER-NOCRS"


@pytest.mark.parametrize(
    ("crs", "transform", "what", "advice"),
    [
        (GEOCENTRIC, (2, 0, 5e5, 0, -2, 3.5e6), "既不是经纬度，也不是投影坐标系", "核实"),
        (DEGREES, (2, 0, 500_000, 0, -2, 3_500_000), "坐标是米", "核实"),
        (DEGREES, (2, 0, 40_500_000, 0, -2, 3_500_000), "坐标是米", "EPSG:4528"),
        (DEGREES, (2e-5, 0, 31.6, 0, -2e-5, 120), "纬度", "核实"),
        (DEGREES, (2e-5, 0, 120, 0, 2e-5, 89.996), "超出了经纬度的范围", "核实"),
        (GK_120E, (2e-5, 0, 120, 0, -2e-5, 31.6), "坐标是经纬度", "EPSG:4490"),
        (GK_120E, (2e-5, 0, 31.6, 0, -2e-5, 120), "纬度在前", "对调"),
        (UTM, (2e-5, 0, -73.9, 0, -2e-5, -4.1), "大小像经纬度", "核实"),
    ],
)
def test_coordinates_that_can_not_be_in_the_system(
    crs: int, transform: tuple[float, ...], what: str, advice: str
) -> None:
    finding = refused(grid(crs, *transform))
    assert finding.code == "E-IMAGE-CRS"
    assert what in finding.what
    assert advice in finding.what + finding.advice


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (GK_120E, (2, 0, 500_000, 0, -2, 3_500_000)),
        (GK_120E, (2, 0, 500_000, 0, 2, 3_500_000)),
        (UTM, (2, 0, 0, 0, -2, 0)),
        (UTM, (2, 0, -20_000, 0, -2, 4_000_000)),
        (WEB, (0.1, 0, 10, 0, -0.1, 20)),
        (OWN_ZONE, (0.1, 0, 110, 0, -0.1, 30)),
        (DEGREES, (2e-5, 0, 120, 0, -2e-5, 90)),
        (DEGREES, (2e-5, 0, 283.5, 0, -2e-5, -12)),
    ],
    ids=["north up", "south up", "corner", "west", "web", "own", "pole", "to 360"],
)
def test_what_is_unusual_but_possible(crs: int | CRS, transform: tuple[float, ...]) -> None:
    require_reference(Path("a.tif"), grid(crs, *transform))
