"""The change mask against exact whole-number arithmetic, and whole against tiles."""

from __future__ import annotations

from math import exp, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.change.cleaning import CleaningParams, change_mask, halo_px
from pipeline.change.extraction import mask_tile
from pipeline.grid import PixelWindow, RasterWindow, Tile

UNSEEN = 65_535


def plain_magnitude(score: int) -> int:
    """1024 · √(c / threshold) from score = 10⁴ p and p = c² / (c² + threshold²)."""
    p = score / 10_000
    odds = p / max(1 - p, 0.00005)
    return round(1024 * odds**0.25)


def plain_weights(sigma: float) -> list[int]:
    if sigma == 0:
        return [0, 0, 256, 0, 0]
    raw = [exp(-(k * k) / (2 * sigma * sigma)) for k in range(-2, 3)]
    weights = [floor(256 * r / sum(raw) + 0.5) for r in raw]
    weights[2] = 256 - (sum(weights) - weights[2])
    return weights


def plain_mask(score: NDArray[np.uint16], sigma: float, radius: int) -> NDArray[np.uint8]:
    """Weighted mean of the seen pixels in Python integers, then a closing on an infinite plane."""
    rows, cols = score.shape
    weights = plain_weights(sigma)
    over = np.zeros(score.shape, bool)
    for i in range(rows):
        for j in range(cols):
            total = weight = 0
            for a in range(-2, 3):
                for b in range(-2, 3):
                    r, c = i + a, j + b
                    if 0 <= r < rows and 0 <= c < cols and score[r, c] != UNSEEN:
                        w = weights[a + 2] * weights[b + 2]
                        total += w * plain_magnitude(int(score[r, c]))
                        weight += w
            over[i, j] = score[i, j] != UNSEEN and total >= 1024 * weight
    if radius:
        over = closed(over, radius)
    return np.where(score == UNSEEN, 255, over).astype(np.uint8)


def closed(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Closing with the digital disc on an endless plane: nothing is set beyond the image."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    # OpenCV's ellipse: row dy reaches round(r · √(1 − (dy / r)²)) to both sides
    disc = np.abs(x) <= np.round(radius * np.sqrt(1 - (y / radius) ** 2))
    grown = ndimage.binary_dilation(np.pad(mask, 2 * radius), disc)
    inner = slice(2 * radius, -2 * radius)
    return ndimage.binary_erosion(grown, disc)[inner, inner]


def random_scores(rows: int, cols: int, seed: int, unseen: float) -> NDArray[np.uint16]:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(0, 1, (rows, cols)), 1.2)
    score = np.clip(5000 + 9000 * smooth, 0, 10_000).astype(np.uint16)
    score[rng.random((rows, cols)) < unseen] = UNSEEN
    return score


@pytest.mark.parametrize("sigma", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("radius", [0, 1, 2])
@pytest.mark.parametrize("unseen", [0.0, 0.1, 0.6])
def test_mask_equals_exact_integer_arithmetic(sigma: float, radius: int, unseen: float) -> None:
    score = random_scores(19, 23, 7, unseen)
    params = CleaningParams(smoothing_sigma_px=sigma, closing_px=radius)
    found, exact = change_mask(score, params), plain_mask(score, sigma, radius)
    # how far a closing may reach at the image's edge is a case of its own below
    inner = (slice(radius, 19 - radius), slice(radius, 23 - radius))
    np.testing.assert_array_equal(found[inner], exact[inner])
    assert 0.05 < (exact == 1).mean() < 0.95


def test_没有平滑时_阈值处算变化_低一分不算() -> None:
    params = CleaningParams(smoothing_sigma_px=0, closing_px=0)
    score = np.array([[5000, 4990, 10_000, 0, UNSEEN]], np.uint16)
    assert change_mask(score, params).tolist() == [[1, 0, 1, 0, 255]]


RECTANGLE = (slice(3, 6), slice(3, 10))


def test_闭运算补上一个像元的空隙() -> None:
    score = np.zeros((9, 13), np.uint16)
    score[RECTANGLE] = 9000
    score[4, 6] = 0
    mask = change_mask(score, CleaningParams(smoothing_sigma_px=0, closing_px=1))
    assert mask[4, 6] == 1
    assert change_mask(score, CleaningParams(smoothing_sigma_px=0, closing_px=0))[4, 6] == 0
    # a closing never removes, and does not grow the outline of a rectangle
    assert mask.sum() == 21


@pytest.mark.parametrize("radius", [1, 2])
def test_影像边上的图斑不因闭运算变大(radius: int) -> None:
    """A rectangle is closed already, wherever it lies: one pixel off the image's edge too."""
    score = np.zeros((9, 13), np.uint16)
    score[1:4, 1:8] = 9000
    mask = change_mask(score, CleaningParams(smoothing_sigma_px=0, closing_px=radius))
    np.testing.assert_array_equal(mask == 1, score == 9000)


def test_a_hole_of_unseen_pixels_stays_unseen() -> None:
    score = np.full((5, 5), 9000, np.uint16)
    score[2, 2] = UNSEEN
    mask = change_mask(score, CleaningParams())
    assert mask[2, 2] == 255
    assert (np.delete(mask.ravel(), 12) == 1).all()


def test_unseen_neighbours_do_not_dilute() -> None:
    """A changed pixel at the edge of what was seen is as changed as one inside."""
    score = np.full((7, 7), UNSEEN, np.uint16)
    score[3, 3] = 5200
    assert change_mask(score, CleaningParams())[3, 3] == 1
    score[:] = 0
    score[3, 3] = 5200
    assert change_mask(score, CleaningParams())[3, 3] == 0  # the control: seen, unchanged around


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_按瓦片加重叠边计算_与整幅逐像元相同(data: st.DataObject) -> None:
    rows, cols = data.draw(st.integers(3, 40)), data.draw(st.integers(3, 40))
    score = random_scores(
        rows, cols, data.draw(st.integers(0, 999)), data.draw(st.sampled_from([0.0, 0.2]))
    )
    params = CleaningParams(
        smoothing_sigma_px=data.draw(st.sampled_from([0.0, 0.5, 0.8])),
        closing_px=data.draw(st.integers(0, 3)),
    )
    whole = change_mask(score, params)
    split_row, split_col = data.draw(st.integers(1, rows - 1)), data.draw(st.integers(1, cols - 1))
    pieced = np.zeros_like(whole)
    cores = [
        PixelWindow(r0, r1, c0, c1)
        for r0, r1 in ((0, split_row), (split_row, rows))
        for c0, c1 in ((0, split_col), (split_col, cols))
    ]
    for number, core in enumerate(cores):
        padded = core.pad(halo_px(params)).clip(rows, cols)
        pixels = score[None, padded.row0 : padded.row1, padded.col0 : padded.col1]
        sources = {"score": RasterWindow(pixels, padded.row0, padded.col0)}
        output = mask_tile(Tile(number, core, padded), sources, params)
        pieced[core.row0 : core.row1, core.col0 : core.col1] = output.rasters["mask"]
    np.testing.assert_array_equal(pieced, whole)
