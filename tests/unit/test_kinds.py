"""Change kinds from indices worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.change.kinds import KindBands, KindParams, classify_kinds
from pipeline.config.load import load_kind_codes

BANDS = KindBands(green=1, red=2, nir=3)
BARE, CROP, WATER = (80, 90, 100, 110), (30, 50, 40, 200), (60, 70, 50, 20)
"""blue, green, red, nir. NDVI 0.05, 0.67, −0.43; NDWI −0.10, −0.60, 0.56."""


def kind(before: tuple[float, ...], after: tuple[float, ...], dtype: str = "uint8") -> int:
    images = [np.array(pixel, dtype).reshape(4, 1, 1) for pixel in (before, after)]
    return int(classify_kinds(*images, BANDS, KindParams())[0, 0])


@pytest.mark.parametrize(
    ("name", "before", "after", "expected"),
    [
        ("耕地变裸地", CROP, BARE, "construction"),
        ("裸地变裸地（如硬化）", BARE, BARE, "construction"),
        ("坑塘填成裸地", WATER, BARE, "construction"),
        ("耕地变坑塘", CROP, WATER, "water"),
        ("水面长出植被", WATER, CROP, "water"),
        ("裸地变耕地", BARE, CROP, "crop"),
        ("作物轮换", CROP, CROP, "crop"),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_kinds_by_hand(
    name: str, before: tuple[int, ...], after: tuple[int, ...], expected: str, dtype: str
) -> None:
    assert load_kind_codes()[kind(before, after, dtype)] == expected, name


def test_ndvi_limit_belongs_to_vegetation() -> None:
    params = KindParams(vegetation_ndvi=0.25)
    after = np.array([[[0, 0]], [[1, 1]], [[75, 76]], [[125, 124]]], np.uint8)
    # NDVI (125 − 75) / 200 = 0.25 exactly, (124 − 76) / 200 = 0.24
    found = classify_kinds(after, after, BANDS, params)[0].tolist()
    assert [load_kind_codes()[value] for value in found] == ["crop", "construction"]


def test_a_common_gain_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.uniform(1, 100, (2, 4, 30, 30)).astype(np.float32)
    one = classify_kinds(before, after, BANDS, KindParams())
    # powers of two scale floats without rounding
    other = classify_kinds(before * np.float32(8), after * np.float32(0.25), BANDS, KindParams())
    np.testing.assert_array_equal(one, other)
    assert len(np.unique(one)) == 3


def test_uint8_sums_do_not_wrap_around() -> None:
    assert load_kind_codes()[kind(BARE, (0, 100, 120, 250))] == "crop"  # 250 + 120 > 255


@pytest.mark.parametrize("missing", ["green", "red", "nir"])
def test_波段角色不全时不猜类别(missing: str) -> None:
    bands = KindBands(**({"green": 1, "red": 2, "nir": 3} | {missing: -1}))
    image = np.full((4, 5, 5), 9, np.uint8)
    assert not classify_kinds(image, image, bands, KindParams()).any()


def test_black_pixels_do_not_divide_by_zero() -> None:
    kind((0, 0, 0, 0), (0, 0, 0, 0))
