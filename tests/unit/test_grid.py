"""Grids, windows and tiles on drawings small enough to count."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from pipeline.grid import BLOCK_PX, Grid, PixelWindow, tiles

SIDES = st.integers(1, 2600)
TILE_SIDES = st.sampled_from([512, 1024, 1536, 2048])


@given(height=SIDES, width=SIDES, tile_px=TILE_SIDES, halo=st.integers(0, 700))
@settings(max_examples=40, deadline=None)
def test_瓦片恰好铺满一次_且按行优先编号(height: int, width: int, tile_px: int, halo: int) -> None:
    seen = np.zeros((height, width), np.uint8)
    for number, tile in enumerate(tiles(height, width, tile_px, halo)):
        assert tile.index == number
        seen[tile.core.row0 : tile.core.row1, tile.core.col0 : tile.core.col1] += 1
        assert tile.padded == PixelWindow(
            max(0, tile.core.row0 - halo),
            min(height, tile.core.row1 + halo),
            max(0, tile.core.col0 - halo),
            min(width, tile.core.col1 + halo),
        )
        padded = np.zeros(tile.padded.shape)
        padded[tile.core_slices] = 1
        assert padded.sum() == tile.core.shape[0] * tile.core.shape[1]
        assert padded[tile.core_slices].shape == tile.core.shape
    assert (seen == 1).all()


@given(height=SIDES, width=SIDES)
@settings(max_examples=30, deadline=None)
def test_统计块的编号与瓦片大小无关(height: int, width: int) -> None:
    def numbered(tile_px: int) -> dict[int, PixelWindow]:
        pairs = [pair for tile in tiles(height, width, tile_px) for pair in tile.blocks(width)]
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    # Worked out without tiles: block (i, j) has number i · blocks_across + j.
    across = ceil(width / BLOCK_PX)
    expected = {
        i * across + j: PixelWindow(
            512 * i, min(512 * i + 512, height), 512 * j, min(512 * j + 512, width)
        )
        for i in range(ceil(height / 512))
        for j in range(across)
    }
    for tile_px in (512, 1024, 2048):
        assert numbered(tile_px) == expected


def test_tiles_arrive_row_major_so_that_strips_can_be_put_together() -> None:
    cores = [(t.core.row0, t.core.col0) for t in tiles(1200, 1300, 512)]
    assert cores == [(r, c) for r in (0, 512, 1024) for c in (0, 512, 1024)]


@pytest.mark.parametrize("tile_px", [0, -512, 1, 511, 513, 1000, 256])
def test_only_multiples_of_512_are_tiles(tile_px: int) -> None:
    with pytest.raises(ValueError, match="multiple of 512"):
        tiles(100, 100, tile_px)


def test_windows_clip_to_the_image_and_may_become_empty() -> None:
    assert PixelWindow(-3, 5, 2, 99).clip(4, 10) == PixelWindow(0, 4, 2, 10)
    assert PixelWindow(20, 30, 0, 5).clip(10, 10).is_empty
    assert PixelWindow(-9, -4, 0, 5).clip(10, 10).is_empty
    assert PixelWindow(5, 8, 5, 9).pad(2) == PixelWindow(3, 10, 3, 11)
    assert PixelWindow(5, 8, 5, 9).shape == (3, 4)


def grid_of(transform: tuple[float, ...], epsg: int | None, gsd_m: float | None = None) -> Grid:
    wkt = None if epsg is None else CRS.from_epsg(epsg).to_wkt()
    return Grid(10, 8, transform, wkt, gsd_m)  # type: ignore[arg-type]


def test_pixel_positions_and_coordinates_are_inverse_also_for_rotated_grids() -> None:
    grid = grid_of((1.5, 0.5, 1000.0, 0.25, -2.0, 2000.0), 32650)
    rows, cols = np.array([0.0, 3.5, 7.0]), np.array([0.0, 1.25, 9.0])
    x, y = grid.xy(rows, cols)
    # by hand for the second one: 1.5·1.25 + 0.5·3.5 + 1000; 0.25·1.25 − 2·3.5 + 2000
    assert (x[1], y[1]) == (1003.625, 1993.3125)
    back = grid.rowcol(x, y)
    np.testing.assert_allclose(back, (rows, cols), atol=1e-9)


def test_pixel_area_in_metres_whatever_the_unit() -> None:
    assert grid_of((2.0, 0, 0, 0, -2.0, 0), 4547).pixel_area_m2 == 4.0
    assert grid_of((1.5, 0.5, 0, 0.25, -2.0, 0), 32650).pixel_area_m2 == pytest.approx(3.125)
    # EPSG:2263 is in US survey feet, 1200/3937 m each
    foot = 1200 / 3937
    assert grid_of((3.0, 0, 0, 0, -3.0, 0), 2263).pixel_area_m2 == pytest.approx(9 * foot**2)
    assert grid_of((1.0, 0, 0, 0, 1.0, 0), None, 0.5).pixel_area_m2 == 0.25
    assert grid_of((1.0, 0, 0, 0, 1.0, 0), None, 0.5).pixel_size_m == 0.5


def test_degrees_and_unknown_pixels_have_no_area_in_metres() -> None:
    with pytest.raises(ValueError, match="degrees"):
        _ = grid_of((1e-5, 0, 0, 0, -1e-5, 0), 4326).pixel_area_m2
    with pytest.raises(ValueError, match="gsd_m"):
        _ = grid_of((1.0, 0, 0, 0, 1.0, 0), None).pixel_area_m2


def test_the_same_shape_is_not_the_same_grid() -> None:
    grid = grid_of((2.0, 0, 0, 0, -2.0, 0), 32650)
    assert grid.same_pixels(grid_of((2.0, 0, 0, 0, -2.0, 0), 32650))
    assert not grid.same_pixels(grid_of((2.0, 0, 1.0, 0, -2.0, 0), 32650))
    assert not grid.same_pixels(grid_of((2.0, 0, 0, 0, -2.0, 0), 32651))
    assert not grid.same_pixels(grid_of((2.0, 0, 0, 0, -2.0, 0), None))
