"""Registration on images whose displacement is known to the hundredth of a pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pyproj import CRS

from pipeline.grid import Grid
from pipeline.imagery.tie_points import (
    Registration,
    TiePoint,
    TiePointParams,
    fit_registration,
    phase_shift,
    search_limit_px,
    tie_windows,
)

PARAMS = TiePointParams()
UNMOVED = Registration(0.0, 0.0, None, 0, 0)
SIZE = 128


def scene(seed: int, size: int = 320) -> NDArray[np.float64]:
    """A band-limited image of known Fourier coefficients: it can be moved exactly."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    rows, cols = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    radius = np.hypot(rows, cols)
    spectrum *= np.exp(-((radius / 0.18) ** 2)) / np.maximum(radius, 1 / size) ** 0.5
    return spectrum


def picture(spectrum: NDArray[np.complex128], shift: tuple[float, float]) -> NDArray[np.float64]:
    """The image moved by `shift`: what was at r is at r + shift. The shift theorem, exact."""
    size = spectrum.shape[0]
    rows, cols = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    moved = spectrum * np.exp(-2j * np.pi * (rows * shift[0] + cols * shift[1]))
    image = np.fft.irfft2(moved, s=(size, size))
    image = image / np.fft.irfft2(spectrum, s=(size, size)).std()
    middle = slice((size - SIZE) // 2, (size + SIZE) // 2)
    return 1000 + 150 * image[middle, middle]


ALL_VALID = np.ones((SIZE, SIZE), np.uint8)
SHIFTS = [(0.0, 0.0), (0.25, -0.4), (-0.5, 0.5), (1.37, -2.81), (-3.0, 2.2), (2.9, 0.05)]


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_known_shifts_are_found_to_a_tenth_of_a_pixel(
    shift: tuple[float, float], seed: int
) -> None:
    spectrum = scene(seed)
    before, after = picture(spectrum, (0.0, 0.0)), picture(spectrum, shift)
    row, col, snr = phase_shift(
        before.astype(np.float32), after.astype(np.float32), ALL_VALID, 10.0
    )
    assert (row, col) == pytest.approx(shift, abs=0.1)
    assert snr > PARAMS.min_snr


@pytest.mark.parametrize("shift", SHIFTS)
def test_增益_偏移_噪声_一成内容改变_仍准到十分之一像元(shift: tuple[float, float]) -> None:
    """One window may be a quarter pixel off then; the points together must not."""
    rng = np.random.default_rng(9)
    side = round(SIZE * 0.1**0.5)
    measured = []
    for number in range(16):
        spectrum = scene(40 + number)
        before = picture(spectrum, (0.0, 0.0)) + rng.normal(0, 15, (SIZE, SIZE))
        after = 0.6 * picture(spectrum, shift) + 400 + rng.normal(0, 9, (SIZE, SIZE))
        row, col = rng.integers(0, SIZE - side, 2)
        after[row : row + side, col : col + side] = 1300  # 10 % became one bright roof
        found = phase_shift(before.astype(np.float32), after.astype(np.float32), ALL_VALID, 10.0)
        measured.append(TiePoint(number, 0.0, 0.0, *found, SIZE))
    fit, _ = fit_registration(measured, PARAMS, 10.0, UNMOVED)
    assert (fit.shift_row_px, fit.shift_col_px) == pytest.approx(shift, abs=0.1)
    assert fit.n_used >= 12


def test_unseen_pixels_do_not_pull_the_shift() -> None:
    """A collar that stays in place would otherwise be the strongest feature, at shift 0."""
    spectrum = scene(6)
    before, after = picture(spectrum, (0.0, 0.0)), picture(spectrum, (1.6, -1.2))
    valid = ALL_VALID.copy()
    valid[:, :30] = 0
    before[:, :30], after[:, :30] = 0, 0
    row, col, _ = phase_shift(before.astype(np.float32), after.astype(np.float32), valid, 10.0)
    assert (row, col) == pytest.approx((1.6, -1.2), abs=0.15)


def test_a_flat_window_says_nothing() -> None:
    flat = np.full((SIZE, SIZE), 7, np.float32)
    textured = picture(scene(1), (0.0, 0.0)).astype(np.float32)
    assert phase_shift(flat, flat, ALL_VALID, 10.0)[2] == 0
    assert phase_shift(flat, textured, ALL_VALID, 10.0)[2] == 0


def test_peaks_beyond_the_limit_are_never_reported() -> None:
    spectrum = scene(3)
    before, after = picture(spectrum, (0.0, 0.0)), picture(spectrum, (20.0, -15.0))
    row, col, snr = phase_shift(before.astype(np.float32), after.astype(np.float32), ALL_VALID, 5.0)
    assert max(abs(row), abs(col)) <= 5.5
    assert snr < PARAMS.min_snr
    # the control: with a wider search the same pair gives its true shift, so the limit did it
    row, col, snr = phase_shift(
        before.astype(np.float32), after.astype(np.float32), ALL_VALID, 30.0
    )
    assert (row, col) == pytest.approx((20.0, -15.0), abs=0.1)
    assert snr > PARAMS.min_snr


def test_unrelated_images_have_no_credible_peak() -> None:
    one, other = picture(scene(11), (0.0, 0.0)), picture(scene(12), (0.0, 0.0))
    _, _, snr = phase_shift(one.astype(np.float32), other.astype(np.float32), ALL_VALID, 10.0)
    assert snr < PARAMS.min_snr


# --- consensus -----------------------------------------------------------------------------------


def points(shifts: list[tuple[float, float]], quality: float = 20.0) -> list[TiePoint]:
    return [
        TiePoint(number, 100.0, 100.0, row, col, quality, 128)
        for number, (row, col) in enumerate(shifts)
    ]


AGREEING = [(1.2, -0.7), (1.25, -0.72), (1.15, -0.7), (1.2, -0.65), (1.22, -0.7)]


def test_the_common_shift_is_the_median_of_the_points() -> None:
    fit, marked = fit_registration(points(AGREEING), PARAMS, 10.0, UNMOVED)
    assert (fit.shift_row_px, fit.shift_col_px) == (1.2, -0.7)
    assert fit.is_established
    assert (fit.n_points, fit.n_used) == (5, 5)
    assert all(point.is_used for point in marked)
    # distances from (1.2, −0.7): 0, 0.0539, 0.05, 0.05, 0.02 → median 0.05
    assert fit.residual_px == pytest.approx(0.05, abs=1e-4)


def test_outliers_and_false_locks_are_left_out() -> None:
    wild = [(1.2, 3.0), (-6.0, -0.7)]
    beyond = [(75.0, 0.0), (-295.0, 120.0), (10.1, 0.0)]
    fit, marked = fit_registration(points(AGREEING + wild + beyond), PARAMS, 10.0, UNMOVED)
    assert (fit.shift_row_px, fit.shift_col_px) == pytest.approx((1.2, -0.7), abs=0.03)
    assert [point.is_used for point in marked] == [True] * 5 + [False] * 5
    assert fit.n_points == 10


def test_points_below_the_signal_to_noise_bound_have_no_vote() -> None:
    weak = points([(4.0, 4.0)] * 20, quality=PARAMS.min_snr - 0.01)
    strong = [replace(p, point_id=100 + p.point_id) for p in points(AGREEING)]
    fit, marked = fit_registration(weak + strong, PARAMS, 10.0, UNMOVED)
    assert (fit.shift_row_px, fit.shift_col_px) == (1.2, -0.7)
    assert sum(point.is_used for point in marked) == 5


@pytest.mark.parametrize(
    "shifts",
    [
        [],
        AGREEING[:3],  # too few
        [(75.0, 0.0), (75.1, 0.0), (75.0, 0.1), (75.0, 0.0), (74.9, 0.0)],  # agreed, but absurd
        [(5.0 * np.cos(k), 5.0 * np.sin(k)) for k in range(12)],  # all over the place
    ],
    ids=["没有点", "点太少", "一致但超限", "互相矛盾"],
)
def test_without_agreement_nothing_is_moved(shifts: list[tuple[float, float]]) -> None:
    fit, marked = fit_registration(points(shifts), PARAMS, 10.0, UNMOVED)
    assert not fit.is_established
    assert (fit.shift_row_px, fit.shift_col_px, fit.residual_px) == (0.0, 0.0, None)
    assert not any(point.is_used for point in marked)
    assert fit.n_points == len(shifts)


def test_a_minority_that_agrees_is_not_a_majority() -> None:
    rng = np.random.default_rng(1)
    scattered = [tuple(pair) for pair in rng.uniform(-9, 9, (14, 2)).tolist()]
    fit, _ = fit_registration(points(AGREEING + scattered), PARAMS, 20.0, UNMOVED)
    assert not fit.is_established


def test_the_second_measurement_adds_to_what_was_already_applied() -> None:
    left = [(0.02, -0.01), (0.0, 0.0), (0.03, -0.02), (0.01, -0.01)]
    first = Registration(1.2, -0.7, 0.05, 5, 5)
    fit, marked = fit_registration(points(left), PARAMS, 10.0, first)
    assert (fit.shift_row_px, fit.shift_col_px) == pytest.approx((1.215, -0.71), abs=1e-3)
    assert marked[0].shift_row_px == pytest.approx(1.22)


def test_negligible_shifts_are_not_worth_an_interpolation() -> None:
    small = Registration(0.06, -0.06, 0.01, 9, 9)
    assert small.without_negligible(0.1).shift_row_px == 0.0
    assert small.without_negligible(0.1).is_established
    assert small.without_negligible(0.08) == small


# --- where to measure ----------------------------------------------------------------------------


def test_the_limit_is_in_metres_but_never_below_a_few_pixels() -> None:
    assert search_limit_px(PARAMS, 2.0) == pytest.approx(10.0)
    assert search_limit_px(PARAMS, 30.0) == PARAMS.min_search_px


@pytest.mark.parametrize("size", [(63, 500), (64, 64), (130, 5000), (724, 934), (6000, 5200)])
def test_windows_lie_inside_the_image_and_cover_it(size: tuple[int, int]) -> None:
    height, width = size
    wkt = CRS.from_epsg(32650).to_wkt()
    grid = Grid(width, height, (2.0, 0.0, 0.0, 0.0, -2.0, 0.0), wkt)
    windows = [tile.core for tile in tie_windows(grid, PARAMS)]
    if min(size) < 64:
        assert windows == []
        return
    assert windows
    assert len(set(windows)) == len(windows)
    for window in windows:
        assert window.clip(height, width) == window
        assert window.shape[0] == window.shape[1]
    # both halves of the image in both directions get points if there is room for two windows
    if min(size) > 500:
        for axis, length in (("row0", height), ("col0", width)):
            firsts = [getattr(window, axis) for window in windows]
            assert min(firsts) < length / 4
            assert max(firsts) > length / 2
