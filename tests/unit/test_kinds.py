"""Covers and change kinds from indices worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.change.cover import (
    BARE,
    PLANTS,
    WATER,
    CoverParams,
    CoverRule,
    KindBands,
    cover_of,
    fit_cover,
)
from pipeline.change.kinds import classify_kinds
from pipeline.config.load import load_kind_codes

BANDS = KindBands(green=1, red=2, nir=3)
RULE = CoverRule((0.0, 0.0, 0.0), vegetation_ndvi=0.3, water_ndwi=0.0, water_nir=60.0)
BARE_PX, CROP_PX, WATER_PX, ROOF_PX = (
    (80, 90, 100, 110),
    (30, 50, 40, 200),
    (60, 70, 50, 20),
    (200, 200, 190, 180),
)
"""blue, green, red, nir. NDVI 0.05, 0.67, −0.43, −0.03; NDWI −0.10, −0.60, 0.56, 0.05."""


def cover(pixel: tuple[float, ...], dtype: str = "uint8", rule: CoverRule = RULE) -> int:
    image = np.array(pixel, dtype).reshape(4, 1, 1)
    return int(cover_of(image, BANDS, rule)[0, 0])


def kind(before: tuple[int, ...], after: tuple[int, ...], told: int | None) -> str:
    covers = {
        name: cover_of(np.array(px, "uint8").reshape(4, 1, 1), BANDS, RULE)
        for name, px in (("before", before), ("after", after))
    }
    network = None if told is None else np.full((1, 1), told, np.uint8)
    return load_kind_codes()[int(classify_kinds(covers, network)[0, 0])]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_covers_by_hand(dtype: str) -> None:
    found = [cover(pixel, dtype) for pixel in (BARE_PX, CROP_PX, WATER_PX, ROOF_PX)]
    # A bright roof has the NDWI of water, but is not dark in the near infrared.
    assert found == [BARE, PLANTS, WATER, BARE]


@pytest.mark.parametrize(
    ("name", "before", "after", "told", "expected"),
    [
        ("耕地建房", CROP_PX, BARE_PX, 11, "building"),
        ("耕地收割", CROP_PX, BARE_PX, 0, "crop"),
        ("推土", BARE_PX, BARE_PX, 20, "earthwork"),
        ("坑塘退水露滩", WATER_PX, BARE_PX, 0, "water"),
        ("填塘硬化", WATER_PX, BARE_PX, 12, "hardened"),
        ("水上光伏：网络说了算", WATER_PX, WATER_PX, 14, "photovoltaic"),
        ("耕地变坑塘", CROP_PX, WATER_PX, 0, "water"),
        ("水面长出植被", WATER_PX, CROP_PX, 0, "water"),
        ("裸地变耕地", BARE_PX, CROP_PX, 0, "crop"),
        ("没有网络，宁可不漏", CROP_PX, BARE_PX, None, "construction"),
        ("没有网络，作物照常", BARE_PX, CROP_PX, None, "crop"),
    ],
)
def test_kinds_by_hand(
    name: str, before: tuple[int, ...], after: tuple[int, ...], told: int | None, expected: str
) -> None:
    assert kind(before, after, told) == expected, name


def test_ndvi_limit_belongs_to_vegetation() -> None:
    rule = CoverRule((0.0, 0.0, 0.0), 0.25, 0.0, 10.0)
    # NDVI (125 − 75) / 200 = 0.25 exactly, (124 − 76) / 200 = 0.24
    assert cover((0, 1, 75, 125), rule=rule) == PLANTS
    assert cover((0, 1, 76, 124), rule=rule) == BARE


def test_the_dark_value_of_each_band_is_taken_off_first() -> None:
    hazy = CoverRule((50.0, 60.0, 10.0), 0.3, 0.0, 60.0)
    # red 100 − 60 = 40, near infrared 110 − 10 = 100: NDVI 60 / 140, where 10 / 210 was bare
    assert cover(BARE_PX) == BARE
    assert cover(BARE_PX, rule=hazy) == PLANTS


def mixed_sample(seed: int) -> NDArray[np.float32]:
    """Half soil of NDVI 0.1, half crop of NDVI 0.6, a little deep shadow."""
    rng = np.random.default_rng(seed)
    soil = np.array([[800], [900], [1000], [1222]]) * rng.uniform(0.9, 1.1, (1, 3000))
    crop = np.array([[300], [500], [400], [1600]]) * rng.uniform(0.9, 1.1, (1, 3000))
    shadow = np.full((4, 60), 1.0)
    return np.concatenate([soil, crop, shadow], axis=1).astype(np.float32)


def test_the_limit_of_vegetation_is_the_scenes_own_and_survives_gain_and_haze() -> None:
    params = CoverParams()
    sample = mixed_sample(1)
    rule = fit_cover(sample, BANDS, params)
    assert 0.25 <= rule.vegetation_ndvi <= 0.45
    hazy = fit_cover(sample * np.float32(4) + np.float32(64), BANDS, params)
    assert hazy.vegetation_ndvi == pytest.approx(rule.vegetation_ndvi, abs=0.01)
    plain = cover_of(sample, BANDS, rule)
    assert (plain == cover_of(sample * np.float32(4) + np.float32(64), BANDS, hazy)).mean() > 0.99
    assert (plain[:3000] == BARE).all()
    assert (plain[3000:6000] == PLANTS).all()


def test_uint8_sums_do_not_wrap_around() -> None:
    assert cover((0, 100, 120, 250)) == PLANTS  # 250 + 120 > 255


@pytest.mark.parametrize("missing", ["green", "red", "nir"])
def test_波段角色不全时不可用(missing: str) -> None:
    assert not KindBands(**({"green": 1, "red": 2, "nir": 3} | {missing: -1})).is_usable


def test_black_pixels_do_not_divide_by_zero() -> None:
    assert cover((0, 0, 0, 0)) == BARE
