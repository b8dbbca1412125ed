"""The change mask against exact whole-number arithmetic, and whole against tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.change.cleaning import CleaningParams, change_mask
from pipeline.change.construction import BUILT, N_TRACES, WORKED
from pipeline.change.extraction import MaskJob, mask_tile
from pipeline.grid import PixelWindow, RasterWindow, Tile

UNSEEN = 65_535


def plain_mask(
    score: NDArray[np.uint16], beta: float, sweeps: int, radius: int
) -> NDArray[np.uint8]:
    """Log-odds plus votes of the four neighbours, all pixels at once, then a closing on an
    infinite plane."""
    rows, cols = score.shape
    seen = score != UNSEEN
    label = (score >= 5000) & seen
    p = np.clip(score / 10_000, 0.00005, 0.99995)
    odds = np.where(score == 5000, 0.0, np.log(p / (1 - p)))
    for _ in range(sweeps):
        moved = label.copy()
        for i in range(rows):
            for j in range(cols):
                votes = 0
                for r, c in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                    if 0 <= r < rows and 0 <= c < cols and seen[r, c]:
                        votes += 1 if label[r, c] else -1
                moved[i, j] = seen[i, j] and odds[i, j] + beta * votes >= 0
        label = moved
    if radius:
        label = closed(label, radius)
    return np.where(score == UNSEEN, 255, label).astype(np.uint8)


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


@pytest.mark.parametrize(("beta", "sweeps"), [(0.0, 1), (0.75, 1), (0.75, 4), (1.5, 3)])
@pytest.mark.parametrize("radius", [0, 1, 2])
@pytest.mark.parametrize("unseen", [0.0, 0.1, 0.6])
def test_mask_equals_the_plain_votes(beta: float, sweeps: int, radius: int, unseen: float) -> None:
    score = random_scores(19, 23, 7, unseen)
    params = CleaningParams(neighbour_log_odds=beta, sweeps=sweeps, closing_px=radius)
    found, exact = change_mask(score, params), plain_mask(score, beta, sweeps, radius)
    # how far a closing may reach at the image's edge is a case of its own below
    inner = (slice(radius, 19 - radius), slice(radius, 23 - radius))
    np.testing.assert_array_equal(found[inner], exact[inner])
    assert 0.05 < (exact == 1).mean() < 0.95


def test_不看邻点时_阈值处算变化_低一分不算() -> None:
    params = CleaningParams(neighbour_log_odds=0, closing_px=0)
    score = np.array([[5000, 4990, 10_000, 0, UNSEEN]], np.uint16)
    assert change_mask(score, params).tolist() == [[1, 0, 1, 0, 255]]


RECTANGLE = (slice(3, 6), slice(3, 10))


def test_闭运算补上一个像元的空隙() -> None:
    score = np.zeros((9, 13), np.uint16)
    score[RECTANGLE] = 9000
    score[4, 6] = 0
    mask = change_mask(score, CleaningParams(neighbour_log_odds=0, closing_px=1))
    assert mask[4, 6] == 1
    assert change_mask(score, CleaningParams(neighbour_log_odds=0, closing_px=0))[4, 6] == 0
    # a closing never removes, and does not grow the outline of a rectangle
    assert mask.sum() == 21


@pytest.mark.parametrize("radius", [1, 2])
def test_影像边上的图斑不因闭运算变大(radius: int) -> None:
    """A rectangle is closed already, wherever it lies: one pixel off the image's edge too."""
    score = np.zeros((9, 13), np.uint16)
    score[1:4, 1:8] = 9000
    mask = change_mask(score, CleaningParams(neighbour_log_odds=0, closing_px=radius))
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


@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_明显的变化不因邻点而变大变小(side: int) -> None:
    """Clear change in clearly unchanged ground keeps its outline, one pixel included."""
    score = np.full((20, 20), 60, np.uint16)
    score[6 : 6 + side, 5 : 5 + side] = 9990
    np.testing.assert_array_equal(change_mask(score, CleaningParams()) == 1, score == 9990)


def test_孤立的弱变化去掉_变化中的弱点补上() -> None:
    score = np.full((9, 9), 300, np.uint16)
    score[4, 4] = 6000
    assert not (change_mask(score, CleaningParams(closing_px=0)) == 1).any()
    score[:] = 9700
    score[4, 4] = 4000
    assert (change_mask(score, CleaningParams(closing_px=0)) == 1).all()


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_按瓦片加重叠边计算_与整幅逐像元相同(data: st.DataObject) -> None:
    rows, cols = data.draw(st.integers(3, 40)), data.draw(st.integers(3, 40))
    score = random_scores(
        rows, cols, data.draw(st.integers(0, 999)), data.draw(st.sampled_from([0.0, 0.2]))
    )
    params = CleaningParams(
        neighbour_log_odds=data.draw(st.sampled_from([0.0, 0.75, 1.5])),
        sweeps=data.draw(st.integers(0, 4)),
        closing_px=data.draw(st.integers(0, 3)),
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    kind = rng.choice(np.array([0, 11, 20, 40], np.uint8), (rows, cols))
    traces = rng.choice(np.array([0, 50, 51, 90, 200], np.uint8), (N_TRACES, rows, cols))
    job = MaskJob(params, 0.2)  # of 255: 51
    likely = (traces[BUILT] >= 51) & (traces[BUILT] >= traces[WORKED])
    mask, built = change_mask(score, params), (likely & (score != UNSEEN)).astype(np.uint8)
    split_row, split_col = data.draw(st.integers(1, rows - 1)), data.draw(st.integers(1, cols - 1))
    pieced, pieced_built = np.zeros_like(mask), np.zeros_like(mask)
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
            for name, array in (("score", score[None]), ("kind", kind[None]), ("traces", traces))
        }
        output = mask_tile(Tile(number, core, padded), sources, job)
        at = np.s_[core.row0 : core.row1, core.col0 : core.col1]
        pieced[at], pieced_built[at] = output.rasters["mask"], output.rasters["built"]
    np.testing.assert_array_equal(pieced, mask)
    np.testing.assert_array_equal(pieced_built, built)
