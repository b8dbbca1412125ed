"""One image given twice, and bands in another order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.grid import Grid
from pipeline.imagery.likeness import (
    WINDOW_PX,
    PairWindow,
    likeness_windows,
    measure_likeness,
)
from pipeline.imagery.quality import QualityParams
from tests.factories import texture

SHAPE = (128, 128)
LIMIT = QualityParams().swapped_correlation


def land(seed: int, noise: float = 0.03, gain: float = 1.0) -> NDArray[np.float64]:
    base = texture(SHAPE, 4, 7)
    return gain * base + np.random.default_rng(seed).normal(0, noise, base.shape)


def compared(before: NDArray[np.float64], after: NDArray[np.float64], *, hidden: int = 0):  # type: ignore[no-untyped-def]
    seen = np.ones(SHAPE, np.bool_)
    seen[:, :hidden] = False
    return measure_likeness([PairWindow(before, after, seen)], LIMIT)


def test_two_passes_are_neither_the_same_nor_in_another_order() -> None:
    found = compared(land(1), land(2, gain=0.8))
    assert not found.is_identical
    assert found.detail_correlation < 0.9
    assert found.swapped == ()


def test_the_same_pixels_are_the_same_image() -> None:
    image = land(1)
    found = compared(image, image.copy())
    assert found.is_identical
    assert found.detail_correlation == pytest.approx(1.0)


def test_one_other_pixel_is_not_the_same_and_hidden_ones_do_not_count() -> None:
    image = land(1)
    other = image.copy()
    other[2, 60, 60] += 1
    assert not compared(image, other).is_identical
    other = image.copy()
    other[:, :, :10] = 0
    assert compared(image, other, hidden=10).is_identical


def test_a_stretched_copy_in_eight_bits_keeps_its_details() -> None:
    image = np.round(land(1) * 1000)
    copy = np.round((image - image.min()) / (image.max() - image.min()) * 255)
    found = compared(image, copy)
    assert not found.is_identical
    assert found.detail_correlation > 0.99


def test_a_swapped_pair_of_bands_turns_their_difference() -> None:
    after = land(2)[[2, 1, 0, 3]]
    found = compared(land(1), after)
    assert (0, 2) in [(low, high) for low, high, _ in found.swapped]
    assert all(correlation < LIMIT for _, _, correlation in found.swapped)


def test_too_few_pixels_say_nothing() -> None:
    image = land(1)
    found = compared(image, image, hidden=120)
    assert not found.is_identical
    assert np.isnan(found.detail_correlation)


def test_windows_lie_inside_the_grid_and_spread_over_it() -> None:
    grid = Grid(3000, 700, (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), None, 1.0)
    windows = likeness_windows(grid)
    assert len(windows) == 2 * 5
    for tile in windows:
        assert 0 <= tile.core.row0 < tile.core.row1 <= 700
        assert 0 <= tile.core.col0 < tile.core.col1 <= 3000
        assert max(tile.core.shape) <= WINDOW_PX
    assert {tile.core.col0 // 512 for tile in windows} == {0, 1, 2, 3, 5}
    small = likeness_windows(Grid(50, 40, (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), None, 1.0))
    assert [tile.core.shape for tile in small] == [(40, 50)]
