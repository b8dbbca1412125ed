"""Each fault of an image alone, and an image without any."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, reduce
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.grid import PixelWindow
from pipeline.imagery.coverage import MAX_RUNS, covered_outline
from pipeline.imagery.quality import (
    CELL_PX,
    ImageStats,
    QualityParams,
    SaturatedBlock,
    block_stats,
    chosen_blocks,
    merge_stats,
)
from pipeline.imagery.quality_checks import (
    constant_bands,
    depth_of,
    doubt_near_infrared,
    duplicate_bands,
    find_stripes,
    saturated_blocks,
    saturated_share,
    saturation_level,
)
from tests.factories import texture

PARAMS = QualityParams()
SHAPE = (512, 512)
ROLES = ("blue", "green", "red", "nir")


@cache
def _bands(seed: int) -> NDArray[np.float64]:
    soil, plants = texture(SHAPE, 1, seed)[0], texture(SHAPE, 1, seed + 50)[0]
    return np.stack([soil, 0.9 * soil + 0.05, 1.1 * soil - 0.1 * plants, 0.6 * plants + 0.2])


def clean(seed: int = 3) -> NDArray[np.uint16]:
    """Land whose visible bands go together and whose near infrared does not, 11 bits."""
    rng = np.random.default_rng(seed)
    noisy = _bands(seed) + rng.normal(0, 0.01, (4, *SHAPE))
    return np.clip(np.round(noisy * 1500), 1, 2000).astype(np.uint16)


def stats(pixels: NDArray[Any], covered: NDArray[np.uint8] | None = None) -> ImageStats:
    seen = np.ones(pixels.shape[1:], np.uint8) if covered is None else covered
    window = PixelWindow(0, pixels.shape[1], 0, pixels.shape[2])
    return block_stats(np.ascontiguousarray(pixels), seen, window)


def test_a_clean_image_has_no_fault() -> None:
    found = stats(clean())
    depths = [depth_of(h, found.first_value) for h in found.histograms]
    assert all(d is not None and d.bits == 11 for d in depths)
    assert all(d is not None and d.gap_ratio == 0 and d.levels > 300 for d in depths)
    assert [saturation_level(h, 0) for h in found.histograms] == [None] * 4
    assert find_stripes(found, PARAMS.max_stripe_ratio) == []
    assert constant_bands(found) == ()
    assert duplicate_bands(found) == []
    assert doubt_near_infrared(found, ROLES, PARAMS.role_margin) is None


def test_eight_bits_in_sixteen_leave_gaps() -> None:
    coarse = (clean() // 8 * 257).astype(np.uint16)
    depth = depth_of(stats(coarse).histograms[0], 0)
    assert depth is not None
    assert depth.gap_ratio > 0.9
    assert depth.levels < 256
    fine = depth_of(stats(clean()).histograms[0], 0)
    assert fine is not None
    assert fine.gap_ratio < PARAMS.max_gap_ratio


def test_depth_counts_bits_and_levels_exactly() -> None:
    histogram = np.zeros(256, np.int64)
    histogram[[0, 100, 101, 102]] = [1, 500, 400, 600]
    depth = depth_of(histogram, 0)
    assert depth is not None
    assert (depth.bits, depth.levels, depth.gap_ratio) == (7, 3, 0.0)
    assert depth_of(np.zeros(256, np.int64), 0) is None


@pytest.mark.parametrize("overshoot", [0, 40])
def test_a_pile_at_the_bright_end_is_saturation(overshoot: int) -> None:
    pixels = clean()
    pixels[2, 100:160, 200:260] = 2047
    pixels[2, 100, 200:210] = 2047 + overshoot
    found = stats(pixels)
    levels = [saturation_level(h, 0) for h in found.histograms]
    assert levels == [None, None, 2047.0, None]


def test_saturated_blocks_are_named_with_their_bands() -> None:
    here, there = PixelWindow(0, 512, 0, 512), PixelWindow(0, 512, 512, 1024)
    blocks = [SaturatedBlock(here, 1000, (20, 0)), SaturatedBlock(there, 1000, (21, 5))]
    found, bands = saturated_blocks(blocks, 0.02)
    assert ([block.window for block in found], bands) == ([there], (0,))
    assert saturated_share(blocks) == (41 / 2000, 5 / 2000)


def with_columns(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    striped = pixels.astype(np.int64)
    striped[1, :, ::8] += 60
    return striped.astype(np.uint16)


def with_rows(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    striped = pixels.astype(np.int64)
    striped[1, ::8] += 60
    return striped.astype(np.uint16)


@pytest.mark.parametrize(("stripe", "along"), [(with_columns, True), (with_rows, False)])
def test_stripes_are_found_with_way_band_and_size(
    stripe: Callable[[NDArray[np.uint16]], NDArray[np.uint16]], along: bool
) -> None:
    (found,) = find_stripes(stats(stripe(clean())), PARAMS.max_stripe_ratio)
    assert (found.is_along_columns, found.bands) == (along, (1,))
    assert found.step == pytest.approx(60, abs=4)
    assert found.ratio == pytest.approx(0.25, abs=0.01)


def test_fields_and_roads_along_the_columns_are_no_stripes() -> None:
    """Strip fields 40 px wide, each with its own brightness and a road between some."""
    rng = np.random.default_rng(1)
    fields = np.repeat(rng.normal(0, 150, 13), 40)[:512]
    pixels = clean().astype(np.float64) + fields[None, None, :]
    pixels[:, :, 200:203] += 300
    found = stats(np.clip(pixels, 1, 4000).astype(np.uint16))
    assert find_stripes(found, PARAMS.max_stripe_ratio) == []


def test_pixels_without_data_make_no_stripes() -> None:
    pixels = clean()
    covered = np.ones(SHAPE, np.uint8)
    covered[:, ::3] = 0
    pixels[:, :, ::3] = 0
    found = stats(pixels, covered)
    assert find_stripes(found, PARAMS.max_stripe_ratio) == []
    assert found.lows[0] > 0
    assert found.histograms[0][0] == 0


def test_empty_and_equal_bands() -> None:
    pixels = clean()
    pixels[3] = 7
    pixels[2] = pixels[0]
    found = stats(pixels)
    assert constant_bands(found) == (3,)
    assert duplicate_bands(found) == [(0, 2)]
    grey = stats(np.repeat(clean()[:1], 3, axis=0))
    assert duplicate_bands(grey) == [(0, 1), (0, 2), (1, 2)]


def test_one_pixel_makes_bands_differ() -> None:
    pixels = clean()
    pixels[2] = pixels[0]
    pixels[2, 511, 511] += 1
    assert duplicate_bands(stats(pixels)) == []


def test_a_near_infrared_in_the_wrong_place_is_doubted() -> None:
    swapped = clean()[[3, 1, 2, 0]]
    doubt = doubt_near_infrared(stats(swapped), ROLES, PARAMS.role_margin)
    assert doubt is not None
    assert doubt.role == "blue"
    assert doubt.nir_correlation - doubt.correlation > PARAMS.role_margin


def test_bands_that_all_go_together_are_not_doubted() -> None:
    soil = texture(SHAPE, 1, 3)[0]
    rng = np.random.default_rng(2)
    bands = np.stack([soil + rng.normal(0, 0.02, SHAPE) for _ in range(4)])
    found = stats(np.round(bands * 1000).astype(np.uint16))
    assert doubt_near_infrared(found, ROLES, PARAMS.role_margin) is None
    assert doubt_near_infrared(found, ("", "", "", ""), PARAMS.role_margin) is None


def test_floating_pixels_have_no_histogram_but_the_rest() -> None:
    found = stats((clean() / 10_000).astype(np.float32))
    assert found.histograms == ()
    assert found.highs[0] < 1
    assert find_stripes(found, PARAMS.max_stripe_ratio) == []
    assert doubt_near_infrared(found, ROLES, PARAMS.role_margin) is None


def test_blocks_merge_into_the_whole() -> None:
    pixels = clean()
    parts = [
        block_stats(
            np.ascontiguousarray(pixels[:, rows, cols]),
            np.ones((256, 256), np.uint8),
            PixelWindow(rows.start, rows.stop, cols.start, cols.stop),
        )
        for rows in (slice(0, 256), slice(256, 512))
        for cols in (slice(0, 256), slice(256, 512))
    ]
    merged, whole = reduce(merge_stats, parts), stats(pixels)
    for ours, theirs in zip(merged.histograms, whole.histograms, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (merged.lows, merged.highs) == (whole.lows, whole.highs)
    np.testing.assert_array_equal(merged.moments.products, whole.moments.products)
    assert merged.covered_pixels == 512 * 512


def test_correlation_is_that_of_every_fourth_pixel() -> None:
    pixels = clean()
    expected = np.corrcoef(pixels[:, ::4, ::4].reshape(4, -1).astype(float))
    np.testing.assert_allclose(stats(pixels).moments.correlation, expected, atol=1e-9)


def test_large_images_are_judged_on_a_lattice_of_blocks() -> None:
    assert chosen_blocks(20 * 512, 20 * 512) is None
    chosen = chosen_blocks(41 * 512, 512)
    assert chosen is not None
    assert sorted(chosen) == list(range(1, 41, 3))


def test_the_outline_follows_the_covered_cells() -> None:
    cells = np.ones((10, 12), np.bool_)
    cells[6:, :5] = False
    outline = covered_outline(cells, 83, 95)
    assert outline.bounds == (0, 0, 95, 83)
    assert outline.area == 95 * 83 - (5 * CELL_PX) * (83 - 6 * CELL_PX)
    assert covered_outline(np.zeros((3, 3), np.bool_), 24, 24).is_empty


def test_sprinkled_nodata_is_drawn_coarser() -> None:
    cells = np.random.default_rng(0).random((400, 400)) > 0.5
    outline = covered_outline(cells, 3200, 3200)
    assert np.count_nonzero(np.diff(cells.astype(int), axis=1) == 1) > MAX_RUNS
    assert 0 < outline.area < 3200 * 3200
