"""The built-up index: what raises it, what cancels, and that windows do not show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.change.built_up import (
    BuiltUpParams,
    CellPlan,
    DateIndex,
    built_up_change,
    built_up_features,
    built_up_odds,
    cell_plan,
    fit_index,
    fit_scale,
    two_gaussians,
)
from pipeline.change.cells import blur, cell_means, gaussian_taps, gradients, spread_cells

RGB = ("red", "green", "blue")
SIZE = 320
VILLAGE, NEW = np.s_[40:140, 30:150], np.s_[190:290, 180:300]


def strips(seed: int) -> NDArray[np.float64]:
    """Fields: long strips of soil and green, no corners, `(band, y, x)`."""
    rng = np.random.default_rng(seed)
    soil, green = np.array([110.0, 95, 75]), np.array([70.0, 95, 60])
    share = np.repeat(rng.random(SIZE // 10), 10)[:, None] * np.ones(SIZE)
    image = soil[:, None, None] * share + green[:, None, None] * (1 - share)
    return image + rng.normal(0, 1.5, image.shape)


def houses(image: NDArray[np.float64], where: tuple[slice, slice], seed: int) -> None:
    """Roofs of about 10 m in grey, white and blue with shadows between."""
    rng = np.random.default_rng(seed)
    colours = np.array([[150.0, 150, 150], [190, 190, 188], [90, 120, 180], [120, 115, 110]])
    block = image[:, where[0], where[1]]
    block[:] = 60
    for r in range(0, block.shape[1] - 5, 7):
        for c in range(0, block.shape[2] - 5, 7):
            block[:, r : r + 5, c : c + 5] = colours[rng.integers(4), :, None, None]


def pair(*, swapped: bool = False) -> list[NDArray[np.uint8]]:
    """A village at both dates, a new estate at the second, which is hazier and brighter."""
    before, after = strips(1), strips(2)
    houses(before, VILLAGE, 3)
    houses(after, VILLAGE, 4)
    houses(after, NEW, 5)
    images = [before, 40 + 0.8 * after]
    found = [np.clip(np.round(image), 0, 255).astype(np.uint8) for image in images]
    return found[::-1] if swapped else found


def plan() -> CellPlan:
    return cell_plan(RGB, 2.0, BuiltUpParams())


def fitted(image: NDArray[np.uint8]) -> DateIndex:
    scale = fit_scale(image.reshape(3, -1), plan())
    valid = np.zeros(image.shape[1:], np.uint8)
    features = built_up_features(image, valid, scale, plan())
    return fit_index(features.reshape(len(features), -1), scale)


def change_of(images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    valid = np.zeros(images[0].shape[1:], np.uint8)
    return built_up_change(*(built_up_odds(i, valid, fitted(i), plan()) for i in images))


@pytest.fixture(scope="module")
def change() -> NDArray[np.float32]:
    return change_of(pair())


def test_新建成片_原有村庄和农田不变(change: NDArray[np.float32]) -> None:
    inner = np.s_[205:275, 195:285]
    assert (change[inner] > 0.5).mean() > 0.95
    assert (np.abs(change[55:125, 45:135]) > 0.5).mean() < 0.05
    assert (np.abs(change[:150, 180:]) > 0.5).mean() < 0.02


def test_对调时相只改变方向(change: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(change_of(pair(swapped=True)), -change)


def test_增益和偏移不改变判断(change: NDArray[np.float32]) -> None:
    before, after = pair()
    brighter = np.clip(after.astype(float) * 1.1, 0, 255).round().astype(np.uint8)
    other = change_of([before, brighter])
    assert (np.abs(other - change) > 0.3).mean() < 0.02


def test_两期相同没有变化() -> None:
    image = pair()[1]
    assert np.abs(change_of([image, image.copy()])).max() == 0.0


def test_没有看到的像元不影响别处() -> None:
    image = pair()[1]
    valid = np.zeros(image.shape[1:], np.uint8)
    valid[:16, :16] = 2
    hidden = image.copy()
    hidden[:, :16, :16] = 255
    date = fitted(image)
    one, other = (built_up_odds(i, valid, date, plan()) for i in (image, hidden))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("gsd_m", [0.5, 1.0, 2.0, 4.0])
def test_瓦片加重叠边与整幅相同(gsd_m: float) -> None:
    image = np.concatenate([pair()[1]] * 2, axis=2)
    chosen = cell_plan(RGB, gsd_m, BuiltUpParams(lot_sigma_m=12.0))
    assert chosen.halo_px % chosen.factor == 0
    date = fitted(image)
    valid = np.zeros(image.shape[1:], np.uint8)
    whole = built_up_odds(image, valid, date, chosen)
    for start in (0, 128, 512):
        stop = min(start + 128, image.shape[2])
        low, high = max(start - chosen.halo_px, 0), min(stop + chosen.halo_px, image.shape[2])
        part = built_up_odds(image[:, :, low:high], valid[:, low:high], date, chosen)
        np.testing.assert_array_equal(part[:, start - low : stop - low], whole[:, start:stop])


def test_单波段影像只用纹理() -> None:
    grey = cell_plan(("pan",), 1.0, BuiltUpParams())
    image = pair()[1][:1]
    scale = fit_scale(image.reshape(1, -1), grey)
    features = built_up_features(image, np.zeros(image.shape[1:], np.uint8), scale, grey)
    assert (features[3:] == 0).all()
    assert (features[:3] > 0).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    ("gsd_m", "factor"), [(0.3, 16), (0.5, 8), (0.8, 4), (1.0, 4), (2.0, 2), (2.5, 2), (10.0, 1)]
)
def test_cells_are_powers_of_two_near_four_metres(gsd_m: float, factor: int) -> None:
    assert cell_plan(RGB, gsd_m, BuiltUpParams()).factor == factor


def test_two_gaussians_are_found() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-0.5, 1.0, 40_000), rng.normal(3.0, 0.7, 8_000)])
    means, variances, weights = two_gaussians(rng.permutation(values))
    np.testing.assert_allclose(means, [-0.5, 3.0], atol=0.05)
    np.testing.assert_allclose(np.sqrt(variances), [1.0, 0.7], atol=0.05)
    assert weights[1] == pytest.approx(1 / 6, abs=0.01)


# --- cells ---------------------------------------------------------------------------------------


def test_blur_equals_scipy() -> None:
    plane = np.random.default_rng(0).random((40, 50), dtype=np.float32)
    taps = gaussian_taps(1.5)
    exact = ndimage.convolve1d(plane.astype(float), taps.astype(float), axis=1, mode="nearest")
    exact = ndimage.convolve1d(exact, taps.astype(float), axis=0, mode="nearest")
    np.testing.assert_allclose(blur(plane, taps), exact, atol=1e-5)
    assert taps.sum() == pytest.approx(1.0, abs=1e-6)


def test_gradients_equal_sobel() -> None:
    plane = np.random.default_rng(1).random((12, 15), dtype=np.float32)
    across, down = gradients(plane)
    for found, axis in ((across, 1), (down, 0)):
        exact = ndimage.sobel(plane.astype(float), axis=axis, mode="nearest") / 8
        np.testing.assert_allclose(found, exact, atol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 8])
def test_cells_and_back(factor: int) -> None:
    """Block means of the seen; a plane that is linear in the cells comes back linear inside."""
    rows, cols = 6 * factor, 5 * factor
    ramp = np.arange(cols, dtype=np.float32) * np.ones((rows, 1), np.float32)
    image = np.stack([ramp, ramp]).astype(np.float32)
    valid = np.zeros((rows, cols), np.uint8)
    cells = cell_means(image, (1,), np.array([2.0]), valid, factor)
    assert cells.shape == (1, 6, 5)
    np.testing.assert_allclose(
        cells[0], ramp.reshape(6, factor, 5, factor).mean((1, 3)) / 2, rtol=1e-6
    )
    back = spread_cells(cells[0], factor, (rows, cols))
    inner = slice(factor, cols - factor)
    np.testing.assert_allclose(back[:, inner], ramp[:, inner] / 2, atol=1e-4)


def test_unseen_pixels_count_as_usual_ground() -> None:
    image: NDArray[Any] = np.full((1, 2, 2), 8, np.uint8)
    valid = np.array([[0, 1], [0, 0]], np.uint8)
    cells = cell_means(image, (0,), np.array([4.0]), valid, 2)
    assert cells[0, 0, 0] == pytest.approx((2 + 1 + 2 + 2) / 4)
