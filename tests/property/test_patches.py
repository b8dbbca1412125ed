"""Laws that hold for every mask, grid and cut into strips."""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.features import shapes
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from pipeline.grid import Grid, PixelWindow
from pipeline.patches.area import ellipsoidal_area_m2, planar_area_m2
from pipeline.patches.components import ComponentBuilder, Components, burn, find_components
from pipeline.patches.polygonise import trace_outlines

PIXEL_M = 2.0
CGCS2000_GK_114E = CRS.from_epsg(4547).to_wkt()


@st.composite
def masks(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Sparse, dense and even random masks, some smoothed so that they have larger patches."""
    height, width = draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from([0.05, 0.3, 0.5, 0.6, 0.7, 0.95]))
    mask = (rng.random((height, width)) < share).astype(np.uint8)
    if draw(st.booleans()):
        mask = ndimage.median_filter(mask, 3)
    return mask


small_masks = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(0, 1)
)
all_masks = st.one_of(masks(), small_masks)


def grid_of(mask: NDArray[np.uint8], origin_x: float = 5e5) -> Grid:
    transform = (PIXEL_M, 0.0, origin_x, 0.0, -PIXEL_M, 3.4e6)
    return Grid(mask.shape[1], mask.shape[0], transform, CGCS2000_GK_114E)


def assert_same(one: Components, two: Components) -> None:
    assert (one.height, one.width) == (two.height, two.width)
    for name in ("n_pixels", "bbox", "run_offsets", "runs"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def first_corner(polygon: BaseGeometry) -> tuple[float, float]:
    """Sorts polygons as their first pixels: the uppermost, then leftmost corner."""
    return min((-y, x) for x, y in shapely.get_coordinates(polygon).tolist())


@given(mask=all_masks, data=st.data())
@settings(deadline=None)
def test_components_do_not_depend_on_the_strips(
    mask: NDArray[np.uint8], data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, mask.shape[0]), max_size=6).map(sorted))
    builder = ComponentBuilder(mask.shape[1])
    for row0, row1 in zip([0, *cuts], [*cuts, mask.shape[0]], strict=True):
        builder.add_strip(row0, mask[row0:row1])
    assert_same(builder.finish(), find_components(mask))


@given(mask=all_masks)
@settings(deadline=None)
def test_components_are_those_of_scipy(mask: NDArray[np.uint8]) -> None:
    labels, n = ndimage.label(mask)
    found = find_components(mask)
    assert len(found) == n
    names = labels[found.first_row, found.first_col]
    assert sorted(names) == list(range(1, n + 1))
    np.testing.assert_array_equal(found.n_pixels, np.bincount(labels.ravel())[names])
    position = found.first_row * mask.shape[1] + found.first_col
    assert (np.diff(position) > 0).all()
    assert all(position == [np.flatnonzero(labels == name)[0] for name in names])


@given(mask=all_masks, data=st.data())
@settings(deadline=None)
def test_burning_all_components_in_strips_gives_the_mask_back(
    mask: NDArray[np.uint8], data: st.DataObject
) -> None:
    height, width = mask.shape
    rows = data.draw(st.integers(1, height))
    found = find_components(mask)
    out = np.zeros_like(mask)
    for row0 in range(0, height, rows):
        window = PixelWindow(row0, min(row0 + rows, height), 0, width)
        burn(found, window, out[row0 : row0 + rows], 1)
    np.testing.assert_array_equal(out, mask)


@given(mask=all_masks, data=st.data())
@settings(deadline=None)
def test_a_selection_has_the_components_of_its_own_mask(
    mask: NDArray[np.uint8], data: st.DataObject
) -> None:
    found = find_components(mask)
    keep = data.draw(arrays(np.bool_, len(found)))
    chosen = found.select(keep)
    out = np.zeros_like(mask)
    burn(chosen, PixelWindow(0, mask.shape[0], 0, mask.shape[1]), out, 1)
    assert_same(chosen, find_components(out))


@given(mask=all_masks)
@settings(deadline=None, max_examples=200)
def test_outlines_are_valid_and_those_of_gdal(mask: NDArray[np.uint8]) -> None:
    grid = grid_of(mask)
    found = find_components(mask)
    ours = trace_outlines(found, grid)
    records = shapes(mask, mask=mask == 1, connectivity=4, transform=Affine(*grid.transform))
    gdal = sorted((shapely.geometry.shape(record) for record, _ in records), key=first_corner)
    assert len(ours) == len(gdal)
    assert shapely.is_valid(ours).all()
    assert shapely.equals(ours, np.array(gdal, dtype=object)).all()
    np.testing.assert_array_equal(shapely.area(ours), found.n_pixels * PIXEL_M**2)
    assert shapely.is_ccw(shapely.get_exterior_ring(ours)).all()


@given(mask=masks(), shift_px=st.integers(-1000, 1000))
@settings(deadline=None, max_examples=50)
def test_moving_the_grid_by_whole_pixels_moves_outlines_and_changes_no_planar_area(
    mask: NDArray[np.uint8], shift_px: int
) -> None:
    here, there = grid_of(mask), grid_of(mask, 5e5 + shift_px * PIXEL_M)
    found = find_components(mask)
    before = planar_area_m2(found.n_pixels, here)
    np.testing.assert_array_equal(planar_area_m2(found.n_pixels, there), before)
    outlines = trace_outlines(found, there)
    np.testing.assert_array_equal(shapely.area(outlines), before)
    moved = shapely.transform(
        trace_outlines(found, here), lambda xy: xy + np.array([shift_px * PIXEL_M, 0.0])
    )
    assert shapely.equals_exact(moved, outlines).all()


@given(mask=masks())
@settings(deadline=None, max_examples=50)
def test_ellipsoidal_areas_of_patches_and_gaps_add_up_to_the_frame(
    mask: NDArray[np.uint8],
) -> None:
    grid = grid_of(mask, origin_x=6e5)
    pieces = [
        trace_outlines(find_components((mask == value).astype(np.uint8)), grid) for value in (0, 1)
    ]
    frame = trace_outlines(find_components(np.ones_like(mask)), grid)
    assert grid.crs is not None
    total = ellipsoidal_area_m2(np.concatenate(pieces), grid.crs).sum()
    np.testing.assert_allclose(total, ellipsoidal_area_m2(frame, grid.crs)[0], atol=1e-5)
