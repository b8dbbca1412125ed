"""Cubic convolution against references in float64, and the laws that hold for every cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from scipy import ndimage

from pipeline.grid import Grid, PixelWindow
from pipeline.imagery.displacement import DisplacementField
from pipeline.imagery.resample import GridMapping, resample, sample_nearest
from tests.factories import coordinate_image

UTM_50N = CRS.from_epsg(32650).to_wkt()
UTM_51N = CRS.from_epsg(32651).to_wkt()
DTYPES = ("uint8", "uint16", "int16", "float32")


def grid_of(
    rows: int, cols: int, *, x: float = 5e5, y: float = 4e6, size: float = 2.0, wkt: str = UTM_50N
) -> Grid:
    return Grid(cols, rows, (size, 0.0, x, 0.0, -size, y), wkt)


def keys(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' kernel (1981, eq. 15) with a = −1/2, written from the paper's two polynomials."""
    s = np.abs(t)
    near = 1.5 * s**3 - 2.5 * s**2 + 1
    far = -0.5 * s**3 + 2.5 * s**2 - 4 * s + 2
    return np.where(s <= 1, near, np.where(s < 2, far, 0.0))


def keys_at(
    image: NDArray[Any], rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Reference: Σ image · k(r − i) · k(c − j) in float64 with the edge replicated."""
    height, width = image.shape
    base_r, base_c = np.floor(rows).astype(int), np.floor(cols).astype(int)
    total = np.zeros(rows.shape)
    for a in range(-1, 3):
        for b in range(-1, 3):
            i, j = base_r + a, base_c + b
            value = image[np.clip(i, 0, height - 1), np.clip(j, 0, width - 1)].astype(np.float64)
            total += value * keys(rows - i) * keys(cols - j)
    return total


def random_image(rows: int, cols: int, dtype: str, seed: int = 3) -> NDArray[Any]:
    """Two bands of rough noise over the full range of the type: the kernel must overshoot."""
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.normal(1000, 300, (2, rows, cols)).astype(np.float32)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, (2, rows, cols)).astype(dtype)


def whole(
    image: NDArray[Any], mapping: GridMapping, valid: NDArray[np.uint8] | None = None
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """The whole target from the whole source."""
    if valid is None:
        valid = np.ones(image.shape[1:], np.uint8)
    return resample(mapping.target.window, image, (0, 0), valid, mapping)


def in_windows(
    image: NDArray[Any], valid: NDArray[np.uint8], mapping: GridMapping, cut: list[PixelWindow]
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """The same, window by window, each reading nothing but its footprint."""
    target = mapping.target
    out = np.zeros((image.shape[0], target.height, target.width), image.dtype)
    mask = np.zeros((target.height, target.width), np.uint8)
    for window in cut:
        needed = mapping.footprint(window)
        part = (slice(needed.row0, needed.row1), slice(needed.col0, needed.col1))
        pixels, seen = resample(
            window, image[(slice(None), *part)], (needed.row0, needed.col0), valid[part], mapping
        )
        place = (slice(window.row0, window.row1), slice(window.col0, window.col1))
        out[(slice(None), *place)], mask[place] = pixels, seen
    return out, mask


# --- whole-pixel offsets -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_pixel_offsets_copy_exactly(dtype: str) -> None:
    image = random_image(40, 50, dtype)
    source = grid_of(40, 50)
    # the target begins 3 rows further down and 5 columns further right
    target = grid_of(30, 40, x=5e5 + 5 * 2.0, y=4e6 - 3 * 2.0)
    pixels, valid = whole(image, GridMapping(target, source))
    np.testing.assert_array_equal(pixels, image[:, 3:33, 5:45])
    assert pixels.dtype == image.dtype
    assert (valid == 1).all()


def test_an_offset_within_a_millionth_of_a_pixel_counts_as_whole() -> None:
    image = random_image(20, 20, "uint16")
    source, target = grid_of(20, 20), grid_of(20, 20, x=5e5 + 1e-7)
    pixels, _ = whole(image, GridMapping(target, source))
    np.testing.assert_array_equal(pixels, image)


# --- fractional shifts ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift", [(0.5, 0.0), (0.0, -0.25), (1.3, -2.7), (-0.01, 0.99)])
def test_fractional_shift_equals_the_float64_reference(
    dtype: str, shift: tuple[float, float]
) -> None:
    image = random_image(60, 70, dtype)
    grid = grid_of(60, 70)
    pixels, valid = whole(image, GridMapping(grid, grid, *shift))
    rows, cols = np.mgrid[0:60, 0:70].astype(float)
    rows, cols = rows + shift[0], cols + shift[1]
    for band, result in zip(image, pixels, strict=True):
        exact = keys_at(band, rows, cols)
        seen = valid == 1
        if dtype == "float32":
            np.testing.assert_allclose(result[seen], exact[seen], rtol=1e-3)
        else:
            info = np.iinfo(dtype)
            expected = np.clip(np.round(exact), info.min, info.max)
            assert np.abs(result[seen].astype(float) - expected[seen]).max() <= 1
    # a target pixel is valid exactly where its centre lies in the source image
    inside = (rows >= -0.5) & (rows <= 59.5) & (cols >= -0.5) & (cols <= 69.5)
    np.testing.assert_array_equal(valid == 1, inside)


def test_integers_are_rounded_to_nearest_also_below_zero() -> None:
    # halfway between two equal neighbours and along a line: the kernel reproduces both exactly
    image = np.full((1, 8, 8), -7, np.int16)
    pixels, _ = whole(image, GridMapping(grid_of(8, 8), grid_of(8, 8), 0.5, 0.3))
    assert (pixels == -7).all()
    line = np.broadcast_to(np.arange(-8, 8, dtype=np.int16) * 10, (1, 16, 16)).copy()
    pixels, _ = whole(line, GridMapping(grid_of(16, 16), grid_of(16, 16), 0.0, 0.31))
    # 10 · (c + 0.31) − 80 → rounded: …, −76.9 → −77, −66.9 → −67
    np.testing.assert_array_equal(pixels[0, 0, 1:5], [-67, -57, -47, -37])


def test_cubic_convolution_reproduces_a_quadratic() -> None:
    """Keys' theorem: third-order accurate, so polynomials of degree 2 come out exactly."""
    rows, cols = np.mgrid[0:32, 0:32].astype(float)
    image = (0.5 * rows**2 - 0.25 * cols**2 + rows * cols + 3).astype(np.float32)[None]
    pixels, _ = whole(image, GridMapping(grid_of(32, 32), grid_of(32, 32), 0.4, 0.7))
    r, c = rows + 0.4, cols + 0.7
    exact = 0.5 * r**2 - 0.25 * c**2 + r * c + 3
    inner = (slice(2, -3), slice(2, -3))
    np.testing.assert_allclose(pixels[0][inner], exact[inner], rtol=1e-5, atol=1e-3)


# --- sign and axis order -------------------------------------------------------------------------


def test_像元里写着自己的坐标_平移的符号和行列次序由此可见() -> None:
    image = coordinate_image(40, 50)
    grid = grid_of(40, 50)
    pixels, _ = whole(image, GridMapping(grid, grid, shift_row_px=2.25, shift_col_px=-1.5))
    # content of target (20, 30) lies at source (20 + 2.25, 30 − 1.5)
    np.testing.assert_allclose(pixels[:, 20, 30], [22.25, 28.5], atol=1e-4)


def test_a_grid_further_east_and_south_reads_further_right_and_down() -> None:
    image = coordinate_image(40, 50)
    source = grid_of(40, 50)
    target = grid_of(10, 10, x=5e5 + 7.5, y=4e6 - 2.5)  # 3.75 px east, 1.25 px south
    pixels, _ = whole(image, GridMapping(target, source))
    np.testing.assert_allclose(pixels[:, 4, 6], [5.25, 9.75], atol=1e-4)


def test_other_pixel_size_maps_centres_to_centres() -> None:
    image = coordinate_image(60, 80)
    source = grid_of(60, 80, size=1.0)
    target = grid_of(20, 26, size=3.0)
    pixels, valid = whole(image, GridMapping(target, source))
    # centre of target pixel (r, c) is 3r + 1.5 source pixels from the corner: centre number 3r + 1
    rows, cols = np.mgrid[0:20, 0:26]
    inner = (slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(pixels[0][inner], (3 * rows + 1)[inner], atol=1e-3)
    np.testing.assert_allclose(pixels[1][inner], (3 * cols + 1)[inner], atol=1e-3)
    assert (valid == 1).all()


def test_a_shift_counts_in_target_pixels_for_other_pixel_sizes_too() -> None:
    image = coordinate_image(60, 80)
    mapping = GridMapping(grid_of(20, 26, size=3.0), grid_of(60, 80, size=1.0), 1.5, -0.5)
    pixels, _ = whole(image, mapping)
    # content of target (10, 12) lies 1.5 target pixels = 4.5 source pixels further down
    np.testing.assert_allclose(pixels[:, 10, 12], [31 + 4.5, 37 - 1.5], atol=1e-3)


# --- general mappings ----------------------------------------------------------------------------


def reference_positions(
    target: Grid, source: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Source positions of target pixel centres, with 3 × 3 matrices and pyproj alone."""
    rows, cols = np.mgrid[0 : target.height, 0 : target.width].astype(float)
    to_map = np.array([*target.transform, 0, 0, 1]).reshape(3, 3)
    to_pixel = np.linalg.inv(np.array([*source.transform, 0, 0, 1]).reshape(3, 3))
    x, y, _ = np.tensordot(to_map, [cols + 0.5, rows + 0.5, np.ones_like(rows)], axes=1)
    x, y = Transformer.from_crs(target.crs_wkt, source.crs_wkt, always_xy=True).transform(x, y)
    col, row, _ = np.tensordot(to_pixel, [x, y, np.ones_like(x)], axes=1)
    return row - 0.5, col - 0.5


@pytest.mark.parametrize(
    ("name", "target", "source"),
    [
        ("像元大小不同", grid_of(70, 90, size=2.5, x=5e5 + 11), grid_of(120, 150)),
        (
            "相邻带",
            grid_of(90, 90, x=748_000),
            grid_of(400, 400, x=207_600, y=4_001_600, wkt=UTM_51N),
        ),
        (
            "源影像旋转",
            grid_of(60, 60, x=5e5 + 40, y=4e6 - 60),
            Grid(120, 120, (1.9, 0.4, 5e5, 0.4, -1.9, 4e6), UTM_50N),
        ),
    ],
)
def test_general_mapping_equals_the_reference(name: str, target: Grid, source: Grid) -> None:
    rows, cols = reference_positions(target, source)
    inside = (rows > 2) & (rows < source.height - 4) & (cols > 2) & (cols < source.width - 4)
    assert inside.mean() > 0.3, name
    rough = random_image(source.height, source.width, "float32")[:1]
    smooth = ndimage.gaussian_filter(rough.astype(np.float64), (0, 1.5, 1.5)).astype(np.float32)
    pixels, valid = whole(smooth, GridMapping(target, source))
    assert (valid[inside] == 1).all()
    # Between nodes 32 px apart positions are bilinear: exact for affine, < 0.001 px across zones.
    np.testing.assert_allclose(pixels[0][inside], keys_at(smooth[0], rows, cols)[inside], rtol=1e-4)
    # a second opinion with another interpolator: a cubic spline agrees on smooth content
    spline = ndimage.map_coordinates(smooth[0].astype(float), [rows, cols], order=3, mode="nearest")
    assert np.sqrt(((pixels[0] - spline)[inside] ** 2).mean()) < 0.02 * smooth.std()
    outside = (rows < -0.51) | (cols < -0.51)
    outside |= (rows > source.height - 0.49) | (cols > source.width - 0.49)
    assert (valid[outside] == 0).all()


# --- validity ------------------------------------------------------------------------------------


def test_nodata_under_the_kernel_makes_the_pixel_invalid() -> None:
    image = random_image(20, 20, "uint16")
    valid = np.ones((20, 20), np.uint8)
    valid[10, 10] = 0
    grid = grid_of(20, 20)
    _, half = whole(image, GridMapping(grid, grid, 0.5, 0.5), valid)
    # taps of target (r, c) are r − 1 … r + 2: (10, 10) is under r = 8 … 11
    expected = np.ones((20, 20), np.uint8)
    expected[8:12, 8:12] = 0
    np.testing.assert_array_equal(half, expected)
    _, only_rows = whole(image, GridMapping(grid, grid, 0.5, 0.0), valid)
    expected = np.ones((20, 20), np.uint8)
    expected[8:12, 10] = 0
    np.testing.assert_array_equal(only_rows, expected)
    _, copied = whole(image, GridMapping(grid, grid, 2.0, -1.0), valid)
    expected = np.ones((20, 20), np.uint8)
    expected[8, 11] = 0
    expected[18:] = 0  # rows 18, 19 would need source rows 20, 21
    expected[:, 0] = 0
    np.testing.assert_array_equal(copied, expected)


def test_nothing_outside_the_source_is_valid() -> None:
    image = random_image(10, 10, "uint8")
    target = grid_of(30, 30, x=5e5 - 20, y=4e6 + 20)
    _, valid = whole(image, GridMapping(target, grid_of(10, 10)))
    expected = np.zeros((30, 30), np.uint8)
    expected[10:20, 10:20] = 1
    np.testing.assert_array_equal(valid, expected)
    far = grid_of(30, 30, x=9e5)
    mapping = GridMapping(far, grid_of(10, 10))
    assert mapping.footprint(far.window).is_empty
    _, valid = resample(far.window, image[:, :0, :0], (0, 0), np.ones((0, 0), np.uint8), mapping)
    assert not valid.any()


# --- any cut gives the same bits -----------------------------------------------------------------


@st.composite
def cuts(draw: st.DrawFn, rows: int, cols: int) -> list[PixelWindow]:
    """A grid cut along random lines, pieces in any order."""

    def lines(length: int) -> list[int]:
        inner = draw(st.lists(st.integers(1, length - 1), unique=True, max_size=3))
        return [0, *sorted(inner), length]

    r, c = lines(rows), lines(cols)
    pieces = [PixelWindow(r0, r1, c0, c1) for r0, r1 in pairwise(r) for c0, c1 in pairwise(c)]
    return draw(st.permutations(pieces))


MAPPINGS = st.one_of(
    st.tuples(
        st.floats(-3, 3), st.floats(-3, 3), st.sampled_from([2.0]), st.sampled_from([0.0, 0.6, 4.0])
    ),
    st.tuples(
        st.floats(-1, 1), st.floats(-1, 1), st.sampled_from([1.7, 3.1]), st.sampled_from([0.0, 5.3])
    ),
)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@given(data=st.data(), params=MAPPINGS)
@settings(max_examples=40, deadline=None)
def test_任意切块得到逐位相同的像元和有效性(dtype: str, data: st.DataObject, params: Any) -> None:
    shift_row, shift_col, size, move = params
    image = random_image(75, 83, dtype)
    rng = np.random.default_rng(5)
    valid = (rng.random((75, 83)) > 0.02).astype(np.uint8)
    target = grid_of(70, 80, x=5e5 + move, y=4e6 - move, size=size)
    mapping = GridMapping(target, grid_of(75, 83), shift_row, shift_col)
    pixels, mask = whole(image, mapping, valid)
    cut_pixels, cut_mask = in_windows(image, valid, mapping, data.draw(cuts(70, 80)))
    np.testing.assert_array_equal(cut_mask, mask)
    seen = mask == 1
    # invalid pixels hold no data: only what is valid has to agree
    np.testing.assert_array_equal(cut_pixels[:, seen], pixels[:, seen])


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_cuts_agree_across_zones_too(data: st.DataObject) -> None:
    source = grid_of(120, 120, x=207_960, y=4_001_380, wkt=UTM_51N)
    target = grid_of(90, 90, x=748_000)
    mapping = GridMapping(target, source)
    image = random_image(120, 120, "uint16")
    valid = np.ones((120, 120), np.uint8)
    pixels, mask = whole(image, mapping, valid)
    assert 0.5 < mask.mean() < 1  # the source covers most of the target, and not all
    cut_pixels, cut_mask = in_windows(image, valid, mapping, data.draw(cuts(90, 90)))
    np.testing.assert_array_equal(cut_mask, mask)
    np.testing.assert_array_equal(cut_pixels, pixels)


# --- nearest neighbour for stored scores ---------------------------------------------------------


def test_putting_back_takes_the_value_under_the_centre_and_fills_outside() -> None:
    source = grid_of(4, 4, size=2.0)
    target = grid_of(6, 6, size=1.0, x=5e5 + 4, y=4e6 - 4)
    values = np.arange(16, dtype=np.uint16).reshape(4, 4)
    # target pixels are quarters of source pixels from (2, 2) on; two rows and columns lie outside
    expected = np.full((6, 6), 65535, np.uint16)
    expected[:4, :4] = np.repeat(np.repeat(values[2:, 2:], 2, axis=0), 2, axis=1)
    found = sample_nearest(target.window, values, (0, 0), GridMapping(target, source), 65535)
    np.testing.assert_array_equal(found, expected)


# --- displacement fields -------------------------------------------------------------------------


def wavy_field(rows: int, cols: int, spacing: int = 32, size: float = 1.5) -> DisplacementField:
    shape = -(-rows // spacing) + 1, -(-cols // spacing) + 1
    rng = np.random.default_rng(8)
    return DisplacementField(spacing, *(rng.uniform(-size, size, (2, *shape))))


def bilinear(nodes: NDArray[np.float64], r: float, c: float, spacing: int) -> float:
    """Reference: the four nodes around, weighted by hand."""
    i, j = int(r // spacing), int(c // spacing)
    a, b = r / spacing - i, c / spacing - j
    return float(
        nodes[i, j] * (1 - a) * (1 - b) + nodes[i, j + 1] * (1 - a) * b
        + nodes[i + 1, j] * a * (1 - b) + nodes[i + 1, j + 1] * a * b
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_field_equals_the_float64_reference(dtype: str) -> None:
    image = random_image(90, 110, dtype)
    grid = grid_of(90, 110)
    field = wavy_field(90, 110)
    pixels, valid = whole(image, GridMapping(grid, grid, 0.4, -0.3, field))
    rows, cols = np.mgrid[0:90, 0:110].astype(float)
    for k in np.ndindex(rows.shape):
        rows[k] += 0.4 + bilinear(field.rows_px, *k, 32)
        cols[k] += -0.3 + bilinear(field.cols_px, *k, 32)
    inside = (rows >= -0.5) & (rows <= 89.5) & (cols >= -0.5) & (cols <= 109.5)
    np.testing.assert_array_equal(valid == 1, inside)
    for band, result in zip(image, pixels, strict=True):
        exact = keys_at(band, rows, cols)
        if dtype == "float32":
            np.testing.assert_allclose(result[inside], exact[inside], rtol=1e-3)
        else:
            info = np.iinfo(dtype)
            expected = np.clip(np.round(exact), info.min, info.max)
            assert np.abs(result[inside].astype(float) - expected[inside]).max() <= 1
        assert not result[~inside].any()


def test_a_constant_field_is_a_shift() -> None:
    image = random_image(70, 80, "uint16")
    grid = grid_of(70, 80)
    even = DisplacementField(64, np.full((3, 3), 1.25), np.full((3, 3), -0.7))
    pixels, valid = whole(image, GridMapping(grid, grid, field=even))
    expected, mask = whole(image, GridMapping(grid, grid, 1.25, -0.7))
    inner = (slice(3, -3), slice(3, -3))
    np.testing.assert_array_equal(valid[inner], mask[inner])
    difference = pixels.astype(int) - expected.astype(int)
    assert np.abs(difference[:, 3:-3, 3:-3]).max() <= 1
    assert (difference[:, 3:-3, 3:-3] != 0).mean() < 0.01


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("size", [2.0, 1.7], ids=["同格网", "像元不同"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_位移场_任意切块得到逐位相同的像元和有效性(
    dtype: str, size: float, data: st.DataObject
) -> None:
    image = random_image(75, 83, dtype)
    valid = (np.random.default_rng(5).random((75, 83)) > 0.02).astype(np.uint8)
    target = grid_of(70, 80, x=5e5 + 0.6, size=size)
    mapping = GridMapping(target, grid_of(75, 83), 0.3, 0.2, wavy_field(70, 80))
    pixels, mask = whole(image, mapping, valid)
    cut_pixels, cut_mask = in_windows(image, valid, mapping, data.draw(cuts(70, 80)))
    np.testing.assert_array_equal(cut_mask, mask)
    np.testing.assert_array_equal(cut_pixels[:, mask == 1], pixels[:, mask == 1])


def test_classes_follow_a_field_in_any_cut() -> None:
    image = random_image(75, 83, "uint16")[0]
    grid = grid_of(75, 83)
    mapping = GridMapping(grid, grid, 0.3, 0.2, wavy_field(75, 83))
    found = sample_nearest(grid.window, image, (0, 0), mapping, 7)
    rows, cols = np.mgrid[0:75, 0:83].astype(float)
    source = mapping.positions(rows, cols)
    r, c = (np.floor(at + 0.5).astype(int) for at in source)
    inside = (r >= 0) & (r < 75) & (c >= 0) & (c < 83)
    expected = np.full(image.shape, 7, image.dtype)
    expected[inside] = image[r[inside], c[inside]]
    assert (found != expected).mean() < 1e-3  # ties at half a pixel may fall on either side
    for window in (PixelWindow(0, 40, 0, 83), PixelWindow(40, 75, 13, 50)):
        part = mapping.footprint(window)
        pixels = image[part.row0 : part.row1, part.col0 : part.col1]
        cut = sample_nearest(window, pixels, (part.row0, part.col0), mapping, 7)
        place = (slice(window.row0, window.row1), slice(window.col0, window.col1))
        np.testing.assert_array_equal(cut, found[place])
