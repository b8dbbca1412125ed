"""Registration on images whose displacement is known to the hundredth of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pyproj import CRS

from pipeline.grid import Grid
from pipeline.imagery.registration import fit_registration
from pipeline.imagery.tie_points import (
    TiePoint,
    TiePointParams,
    check_numbers,
    phase_shift,
    search_limit_px,
    tie_windows,
)

PARAMS = TiePointParams()
GRID = Grid(512, 512, (2.0, 0.0, 0.0, 0.0, -2.0, 0.0), CRS.from_epsg(32650).to_wkt())
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
    fit, _ = fit_registration(measured, PARAMS, 10.0, GRID)
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


@pytest.mark.parametrize("size", [(256, 256), (512, 700), (2048, 2048), (8000, 6000)])
def test_check_points_are_a_quarter_spread_over_the_lattice(size: tuple[int, int]) -> None:
    height, width = size
    grid = Grid(width, height, GRID.transform, GRID.crs_wkt)
    windows = tie_windows(grid, PARAMS)
    checks = check_numbers(windows)
    assert 0.2 <= len(checks) / len(windows) <= 0.36
    assert checks == check_numbers(windows)
    held = [window.core for window in windows if window.index in checks]
    fitted = [window.core for window in windows if window.index not in checks]
    for side in ("row0", "col0"):
        at = sorted({getattr(core, side) for core in fitted + held})
        # every line of the lattice keeps points to fit, and one in two lines has one to check
        assert {getattr(core, side) for core in fitted} == set(at)
        assert len({getattr(core, side) for core in held}) * 2 >= len(at) - 1


def test_the_number_of_points_follows_the_image_but_is_bounded() -> None:
    numbers = [
        len(tie_windows(Grid(side, side, GRID.transform, GRID.crs_wkt), PARAMS))
        for side in (256, 512, 1024, 4096, 12_000, 40_000, 400_000)
    ]
    assert numbers == sorted(numbers)
    assert numbers[3] == 12 * 12
    assert numbers[-1] == (2 * 12) ** 2
