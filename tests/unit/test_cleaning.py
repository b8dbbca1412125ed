"""The change mask against exact whole-number arithmetic, and whole against tiles."""

from __future__ import annotations

from math import exp, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.change.cleaning import CleaningParams, change_mask
from pipeline.change.cuts import CUT_BITS, classes_of_cut, cut_bits
from pipeline.change.extraction import MaskJob, mask_tile
from pipeline.change.likely import LikelyParams, change_classes
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
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    # Patches of one evidence, as fields are; 0 (unknown) everywhere or nowhere.
    coarse = rng.integers(1, 256, (3, rows // 3 + 1, cols // 3 + 1)) * data.draw(st.integers(0, 1))
    built = coarse.repeat(3, axis=1).repeat(3, axis=2)[:, :rows, :cols].astype(np.uint8)
    grey = rng.integers(0, 256, (rows, cols)).astype(np.uint8)
    job = MaskJob(params, LikelyParams(), takes_faint=data.draw(st.booleans()), is_cut=True)
    mask = change_mask(score, params)
    whole = change_classes(mask, score, built, job.likely, takes_faint=job.takes_faint)
    whole_cuts = cut_bits(whole, mask, grey, built[1])
    split_row, split_col = data.draw(st.integers(1, rows - 1)), data.draw(st.integers(1, cols - 1))
    pieced, pieced_cuts = np.zeros_like(whole), np.zeros_like(whole)
    cores = [
        PixelWindow(r0, r1, c0, c1)
        for r0, r1 in ((0, split_row), (split_row, rows))
        for c0, c1 in ((0, split_col), (split_col, cols))
    ]
    for number, core in enumerate(cores):
        padded = core.pad(job.halo_px).clip(rows, cols)
        cut = np.s_[:, padded.row0 : padded.row1, padded.col0 : padded.col1]
        sources = {
            name: RasterWindow(np.ascontiguousarray(array[cut]), padded.row0, padded.col0)
            for name, array in (("score", score[None]), ("built", built), ("grey", grey[None]))
        }
        output = mask_tile(Tile(number, core, padded), sources, job)
        at = np.s_[core.row0 : core.row1, core.col0 : core.col1]
        pieced[at], pieced_cuts[at] = output.rasters["mask"], output.rasters["cuts"]
    np.testing.assert_array_equal(pieced, whole)
    np.testing.assert_array_equal(pieced_cuts, whole_cuts)
    if not built.any():
        np.testing.assert_array_equal(whole, mask)


def planes(rows: int, cols: int, before: int, after: int) -> NDArray[np.uint8]:
    built = np.full((3, rows, cols), 1, np.uint8)
    built[0], built[1] = before, after
    return built


def test_faint_change_counts_where_built_material_is_new() -> None:
    mask, score = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint16)
    score[5:15, 5:15] = 1000  # a third of the threshold: c / threshold = (0.1 / 0.9)^½
    params = LikelyParams()
    bare = planes(20, 20, 100, 100)
    bare[1, 5:15, 5:15] = 140
    found = change_classes(mask, score, bare, params)
    assert (found[6:14, 6:14] == 1).all()
    assert found.sum() == (found[4:16, 4:16] == 1).sum()
    assert not change_classes(mask, score, bare, params, takes_faint=False).any()
    was_built = bare.copy()
    was_built[0] = 153
    assert not change_classes(mask, score, was_built, params).any()
    plants = bare.copy()
    plants[0] = 1
    assert (change_classes(mask, score, plants, params)[6:14, 6:14] == 1).all()


def test_strong_change_does_not_lift_unchanged_ground_beside_it() -> None:
    mask, score = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint16)
    score[:, :10], mask[:, :10] = 9900, 1
    found = change_classes(mask, score, planes(20, 20, 100, 140), LikelyParams())
    assert (found[:, :10] == 1).all()
    assert not found[:, 10:].any()


def test_soil_is_other_change_and_strong_material_a_class_of_its_own() -> None:
    mask, score = np.ones((9, 30), np.uint8), np.full((9, 30), 9900, np.uint16)
    built = planes(9, 30, 100, 80)
    built[1, :, 10:20], built[1, :, 20:] = 130, 190
    found = change_classes(mask, score, built, LikelyParams())
    assert found[4, [2, 14, 26]].tolist() == [2, 1, 3]


def test_the_cuts_part_ground_by_change_brightness_and_material() -> None:
    classes, mask = np.zeros((20, 60), np.uint8), np.zeros((20, 60), np.uint8)
    classes[5:15, 10:50] = 1
    mask[5:15, 10:20] = 1
    grey, built = np.full((20, 60), 90, np.uint8), np.full((20, 60), 100, np.uint8)
    grey[:, 30:], built[:, 40:] = 140, 150
    bits = cut_bits(classes, mask, grey, built)
    assert ((bits > 0) == (classes > 0)).all()
    at = [15, 25, 35, 45]
    changed, bright, material = (classes_of_cut(bits, bit)[10, at].tolist() for bit in CUT_BITS)
    assert changed == [3, 1, 1, 1]
    assert bright == [1, 1, 3, 3]
    assert material == [1, 1, 1, 3]
