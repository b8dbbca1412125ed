"""What was seen: declared nodata, NaN, and collars told from dark pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.grid import PixelWindow, RasterWindow, Tile
from pipeline.imagery.validity import (
    Collar,
    CollarBounds,
    CollarScan,
    NodataRule,
    collar_candidates,
    covered_mask,
    scan_collar,
)


def window(array: NDArray[Any], row0: int = 0, col0: int = 0) -> RasterWindow:
    return RasterWindow(array, row0, col0)


def drawn(*rows: str, dtype: str = "uint8", bands: int = 3) -> NDArray[Any]:
    """All bands from one drawing: `.` is 0, `#` is data."""
    plane = np.array([[0 if c == "." else 90 for c in row] for row in rows], dtype)
    return np.broadcast_to(plane, (bands, *plane.shape)).copy()


def scanned(image: NDArray[Any], value: float, cut: list[PixelWindow]) -> CollarBounds:
    """Bounds merged over windows in the given order."""
    _, height, width = image.shape
    merged: CollarBounds | None = None
    for number, core in enumerate(cut):
        pixels = image[:, core.row0 : core.row1, core.col0 : core.col1]
        output = scan_collar(
            Tile(number, core, core),
            {"image": window(pixels, core.row0, core.col0)},
            CollarScan(value, height, width),
        )
        [(_, bounds)] = output.partials
        merged = bounds if merged is None else merged.merge(bounds)
    assert merged is not None
    return merged


def ruled(value: float, bounds: CollarBounds) -> NodataRule:
    return NodataRule(collars=(Collar(value, bounds),))


def test_一个波段为无效值不算_全部波段为无效值才算() -> None:
    image = np.array([[[0, 0, 5, 7]], [[0, 3, 0, 7]]], np.uint16)
    assert covered_mask(window(image), NodataRule(nodata=0)).tolist() == [[0, 1, 1, 1]]
    assert covered_mask(window(image), NodataRule(nodata=7)).tolist() == [[1, 1, 1, 0]]
    assert covered_mask(window(image), NodataRule()).tolist() == [[1, 1, 1, 1]]


def test_a_float_pixel_needs_every_band_finite() -> None:
    image = np.array([[[1, np.nan, np.inf, -1]], [[1, 1, 1, -1]]], np.float32)
    assert covered_mask(window(image), NodataRule()).tolist() == [[1, 0, 0, 1]]
    assert covered_mask(window(image), NodataRule(nodata=np.nan)).tolist() == [[1, 0, 0, 1]]
    assert covered_mask(window(image), NodataRule(nodata=-1)).tolist() == [[1, 0, 0, 0]]


def test_only_whole_number_images_without_any_rule_are_trivially_covered() -> None:
    assert NodataRule().is_trivial("uint16")
    assert not NodataRule().is_trivial("float32")
    assert not NodataRule(nodata=0).is_trivial("uint16")
    assert not ruled(0, scanned(COLLARED, 0, [PixelWindow(0, 6, 0, 8)])).is_trivial("uint8")


COLLARED = drawn(
    "........",
    "..####..",
    ".######.",
    ".##.###.",
    "..####..",
    "...##...",
)
EXPECTED = np.array([[c == "#" for c in row] for row in (
    "........",
    "..####..",
    ".######.",
    ".######.",  # the dark pixel inside stays
    "..####..",
    "...##...",
)]).astype(np.uint8)  # fmt: skip


def test_黑边从图廓往里认_图中的暗像元保留() -> None:
    bounds = scanned(COLLARED, 0, [PixelWindow(0, 6, 0, 8)])
    rule = ruled(0, bounds)
    np.testing.assert_array_equal(covered_mask(window(COLLARED), rule), EXPECTED)


def test_black_and_white_collars_of_one_image() -> None:
    """White counts from the frame only: beside black, or inside, it is a roof."""
    rows = (
        "........",
        "..#OO##.",
        ".##O###.",
        ".O.#####",
        "OOOOOO##",
    )
    plane = np.array([[{".": 0, "#": 90, "O": 255}[c] for c in row] for row in rows], np.uint8)
    image = np.stack([plane, plane])
    whole = [PixelWindow(0, 5, 0, 8)]
    rule = NodataRule(collars=tuple(Collar(v, scanned(image, v, whole)) for v in (0, 255)))
    expected = [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0, 1, 1],
    ]
    np.testing.assert_array_equal(covered_mask(window(image), rule), expected)


def test_a_window_of_the_image_gets_its_part_of_the_mask() -> None:
    rule = ruled(0, scanned(COLLARED, 0, [PixelWindow(0, 6, 0, 8)]))
    part = covered_mask(window(COLLARED[:, 2:5, 3:8], 2, 3), rule)
    np.testing.assert_array_equal(part, EXPECTED[2:5, 3:8])


def test_one_dark_band_is_no_collar() -> None:
    image = COLLARED.copy()
    image[1, 0, 0] = 1  # in one band there is something in the corner
    bounds = scanned(image, 0, [PixelWindow(0, 6, 0, 8)])
    assert covered_mask(window(image), ruled(0, bounds))[0, 0] == 1


def test_an_image_of_nothing_but_collar_is_nowhere_covered() -> None:
    image = np.zeros((2, 4, 5), np.uint8)
    bounds = scanned(image, 0, [PixelWindow(0, 4, 0, 5)])
    assert not covered_mask(window(image), ruled(0, bounds)).any()


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_按任意瓦片扫描再合并_与整幅相同(data: st.DataObject) -> None:
    rows, cols = data.draw(st.integers(1, 14)), data.draw(st.integers(1, 14))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    image = rng.integers(0, 3, (2, rows, cols)).astype(np.uint8)
    image *= rng.random((rows, cols)) > data.draw(st.sampled_from([0.0, 0.4, 0.9, 1.0]))
    steps = data.draw(st.integers(1, 15)), data.draw(st.integers(1, 15))
    cut = [
        PixelWindow(r, min(r + steps[0], rows), c, min(c + steps[1], cols))
        for r in range(0, rows, steps[0])
        for c in range(0, cols, steps[1])
    ]
    merged = scanned(image, 0, data.draw(st.permutations(cut)))
    rule = ruled(0, merged)
    # Reference by definition: collar = value in every band, and not between covered pixels both
    # along its row and along its column.
    covered = (image != 0).any(axis=0)
    expected = np.ones((rows, cols), np.uint8)
    for r in range(rows):
        for c in range(cols):
            in_row = covered[r, : c + 1].any() and covered[r, c:].any()
            in_col = covered[: r + 1, c].any() and covered[r:, c].any()
            if not covered[r, c] and not (in_row and in_col):
                expected[r, c] = 0
    np.testing.assert_array_equal(covered_mask(window(image), rule), expected)


@pytest.mark.parametrize(
    ("dtype", "share_0", "share_255", "expected"),
    [
        ("uint8", 0.02, 0.0, [0.0]),
        ("uint8", 0.0, 0.02, [255.0]),
        ("uint8", 0.02, 0.02, [0.0, 255.0]),
        ("uint8", 0.005, 0.005, []),
        ("uint16", 0.5, 0.5, [0.0]),  # 255 is an ordinary value in 16 bits
        ("float32", 0.5, 0.0, [0.0]),
    ],
)
def test_what_the_frame_says(
    dtype: str, share_0: float, share_255: float, expected: list[float]
) -> None:
    frame = np.full((3, 1000), 80, dtype)
    frame[:, : round(1000 * share_0)] = 0
    frame[:, 1000 - round(1000 * share_255) :] = 255
    assert collar_candidates(frame) == expected


def test_a_value_in_one_band_of_the_frame_is_no_candidate() -> None:
    frame = np.full((3, 100), 80, np.uint8)
    frame[0] = 0
    assert collar_candidates(frame) == []
