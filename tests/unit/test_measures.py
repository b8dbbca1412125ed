"""Minimum sizes, reasons for dropping, widths and ids."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest
from pydantic import ValidationError
from pyproj import CRS

from pipeline.grid import Grid
from pipeline.patches.components import find_components
from pipeline.patches.measures import (
    PatchParams,
    classify_drops,
    minimum_pixels,
    patch_ids,
    width_m,
)

CGCS2000_GK_114E = CRS.from_epsg(4547).to_wkt()


def grid_of(gsd_m: float) -> Grid:
    return Grid(100, 100, (gsd_m, 0.0, 5e5, 0.0, -gsd_m, 3.4e6), CGCS2000_GK_114E)


@pytest.mark.parametrize(
    ("gsd_m", "expected"),
    [
        (2.0, 50),  # 200 / 4
        (0.8, 313),  # 200 / 0.64 = 312.5
        (0.1, 20_000),  # 0.1² is not exact in binary
        (9.99, 3),  # 200 / 99.8 = 2.004
        (10.0, 1),  # coarse: one pixel
        (30.0, 1),
    ],
)
def test_minimum_pixels(gsd_m: float, expected: int) -> None:
    assert minimum_pixels(PatchParams(), grid_of(gsd_m)) == expected


def test_minimum_pixels_without_crs_uses_the_stated_gsd() -> None:
    grid = Grid(100, 100, (1.0, 0, 0, 0, 1.0, 0), None, gsd_m=2.0)
    assert minimum_pixels(PatchParams(min_area_m2=201.0), grid) == 51


def rows_of(*lengths: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """A mask with one component of each length, in every second row."""
    mask = np.zeros((2 * len(lengths), 60), np.uint8)
    for k, length in enumerate(lengths):
        mask[2 * k, :length] = 1
    return mask


def test_reasons_at_each_size() -> None:
    found = find_components(rows_of(1, 3, 4, 49, 50, 51))
    reasons = classify_drops(found, PatchParams(), grid_of(2.0)).tolist()
    assert reasons == ["speckle", "speckle", "below_min_area", "below_min_area", "", ""]


def test_at_coarse_resolution_nothing_is_dropped() -> None:
    found = find_components(rows_of(1, 3, 50))
    assert classify_drops(found, PatchParams(), grid_of(10.0)).tolist() == ["", "", ""]


def test_speckle_may_be_larger_than_the_minimum_area() -> None:
    found = find_components(rows_of(3, 4))
    params = PatchParams(min_area_m2=8.0)
    assert classify_drops(found, params, grid_of(2.0)).tolist() == ["speckle", ""]


@pytest.mark.parametrize("key", ["min_area_m2", "coarse_gsd_m", "speckle_px"])
def test_sizes_must_be_positive(key: str) -> None:
    with pytest.raises(ValidationError):
        PatchParams.model_validate({key: 0})


def test_every_parameter_is_described() -> None:
    assert all(field.description for field in PatchParams.model_fields.values())


def test_width_of_rectangles_is_their_short_side() -> None:
    sides = np.array([[2.0, 8.0], [5.0, 5.0], [3.0, 4000.0]])
    found = width_m(sides.prod(axis=1), 2 * sides.sum(axis=1))
    np.testing.assert_allclose(found, [2.0, 5.0, 3.0], rtol=1e-9)


def test_width_of_a_disc_is_the_side_of_the_square_of_its_area() -> None:
    radius = 10.0
    found = width_m(np.array([pi * radius**2]), np.array([2 * pi * radius]))
    assert found[0] == pytest.approx(radius * sqrt(pi))


def test_patch_ids() -> None:
    assert patch_ids("379999", 2026, 2) == ["379999ZJ26000001", "379999ZJ26000002"]
    assert patch_ids("010203", None, 1) == ["010203ZJ00000001"]
    assert patch_ids("010203", 2005, 1) == ["010203ZJ05000001"]
    assert patch_ids("010203", 2005, 0) == []


@pytest.mark.parametrize("county_code", ["37999", "3799990", "37999a", "３７９９９９"])
def test_county_codes_have_six_digits(county_code: str) -> None:
    with pytest.raises(ValueError, match="six digits"):
        patch_ids(county_code, 2026, 1)


def test_more_patches_than_numbers_are_refused() -> None:
    assert patch_ids("379999", 2026, 999_999)[-1] == "379999ZJ26999999"
    with pytest.raises(ValueError, match="six digits"):
        patch_ids("379999", 2026, 1_000_000)
