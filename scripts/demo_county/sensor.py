"""How each date was taken: optics, place errors, air, clouds, gain, noise, and its mask."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import Polygon
from shapely.ops import unary_union

from .noise import Floats, Frame, smooth_noise
from .painting import FINE_M, Sun
from .shapes import AFTER, BEFORE

GSD_M = 2.0
CLEAR, NODATA, CLOUD, SHADOW = 0, 1, 2, 3
"""Values of the supplied masks."""


@dataclass(frozen=True)
class Cloud:
    """A cloud by where it hides the ground; its shadow falls `height_m` further on."""

    x: float
    y: float
    radius_m: float
    height_m: float
    number: int


@dataclass(frozen=True)
class Veil:
    """A thin cloud that no mask shows."""

    x: float
    y: float
    radius_m: float
    opacity: float
    number: int


@dataclass(frozen=True)
class Sensor:
    """One date's camera and air."""

    date: int
    sun: Sun
    gain: tuple[float, float, float, float]
    offset: tuple[float, float, float, float]
    noise: float
    blur_px: float
    haze: float
    margin_px: int
    """How far the image reaches beyond the county on every side."""
    shift_px: tuple[float, float] = (0.0, 0.0)
    wobble_px: float = 0.0
    """Standard deviation of the slowly varying part of the misregistration, per axis."""
    clouds: tuple[Cloud, ...] = field(default=())
    wedge_m: float = 0.0
    """Reach of the corner that this date did not see, along the lower edge."""
    veils: tuple[Veil, ...] = field(default=())


def plan_sensors(
    seed: int, side_m: float, attempt: int, core: tuple[float, float]
) -> tuple[Sensor, Sensor]:
    """The before and the after date; each attempt has its own clouds, one of them over `core`."""
    rng = np.random.default_rng([seed, 3, attempt])
    spring = Sensor(
        BEFORE, Sun(22.0, 148.0), (3100, 2950, 2700, 2450), (130, 95, 70, 45), 7.0, 0.60, 0.006, 0,
        clouds=_clouds(rng, side_m, 2, 0.045, 0), veils=_veils(seed, BEFORE, side_m),
    )  # fmt: skip
    shift = rng.uniform(1.0, 1.7, 2) * np.where(rng.random(2) < 0.5, -1.0, 1.0)
    autumn = Sensor(
        AFTER, Sun(46.0, 164.0), (2600, 2520, 2380, 2080), (215, 160, 110, 75),
        9.0, 0.72, 0.010, 10,
        (float(shift[0]), float(shift[1])), 0.33,
        _clouds(rng, side_m, 4, 0.055, 10, core), float(rng.uniform(0.12, 0.17) * side_m),
        _veils(seed, AFTER, side_m),
    )  # fmt: skip
    return spring, autumn


def _clouds(
    rng: np.random.Generator,
    side: float,
    count: int,
    share: float,
    first: int,
    core: tuple[float, float] | None = None,
) -> tuple[Cloud, ...]:
    made = []
    for number in range(count):
        x, y = rng.uniform(0.12, 0.88, 2) * side
        if number == 0 and core is not None:
            x, y = core
        radius = max(rng.uniform(0.6, 1.15) * share * side, 62.0 if number == 0 else 30.0)
        made.append(Cloud(x, y, radius, min(rng.uniform(500, 900), 0.16 * side), first + number))
    return tuple(made)


def _veils(seed: int, date: int, side: float) -> tuple[Veil, ...]:
    """Thin clouds, one in about ten square kilometres; from a draw of their own."""
    rng = np.random.default_rng([seed, 13, date])
    made = []
    for number in range(max(1, round(0.05 * date * (side / 1000) ** 2))):
        x, y = rng.uniform(0.06, 0.94, 2) * side
        radius = min(rng.uniform(60, 160), 0.09 * side)
        made.append(Veil(x, y, radius, rng.uniform(0.06, 0.16), 64 * date + number))
    return tuple(made)


def shadow_of(cloud: Cloud, sun: Sun) -> tuple[float, float]:
    """How far the shadow lies from the cloud, metres."""
    x, y = sun.away * sun.reach * cloud.height_m
    return float(x), float(y)


def unseen_area(sensor: Sensor) -> Polygon:
    """Where clouds and their shadows may be, generously; and the missing corner."""
    parts = []
    for cloud in sensor.clouds:
        dx, dy = shadow_of(cloud, sensor.sun)
        disc = Polygon(_circle(cloud.x, cloud.y, 1.45 * cloud.radius_m))
        parts += [disc, Polygon(_circle(cloud.x + dx, cloud.y + dy, 1.45 * cloud.radius_m))]
    return unary_union(parts)


def _circle(x: float, y: float, radius: float) -> NDArray[np.float64]:
    t = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    return np.stack([x + radius * np.cos(t), y + radius * np.sin(t)], 1)


def wedge(sensor: Sensor, side_m: float) -> Polygon:
    """The corner (lower left) without data, beyond the image's edge too."""
    reach = sensor.wedge_m
    return Polygon([(-60, side_m + 60), (-60, side_m - 1.9 * reach), (reach + 60, side_m + 60)])


def opacity(sensor: Sensor, frame: Frame, seed: int, is_shadow: bool) -> Floats:
    """0 clear … 1 opaque, at the samples of a frame."""
    total = np.zeros((frame.count, frame.count), np.float32)
    for cloud in sensor.clouds:
        dx, dy = shadow_of(cloud, sensor.sun) if is_shadow else (0.0, 0.0)
        moved = Frame(frame.x0 - dx, frame.y0 - dy, frame.step, frame.count)
        x, y = moved.axes()
        gap = np.hypot(x[None, :] - cloud.x, (y[:, None] - cloud.y) * 1.15) / cloud.radius_m
        if float(gap.min()) > 1.6:
            continue
        ragged = 0.16 * smooth_noise(seed * 64 + cloud.number, moved, cloud.radius_m * 0.45)
        ragged += 0.07 * smooth_noise(seed * 64 + 32 + cloud.number, moved, cloud.radius_m * 0.14)
        total = np.maximum(total, np.clip((1.02 - gap + ragged) / 0.30, 0, 1))
    return total


def veiling(sensor: Sensor, frame: Frame, seed: int) -> Floats:
    """Opacity of the thin clouds at the samples of a frame: thickest inside, ragged, no rim."""
    total = np.zeros((frame.count, frame.count), np.float32)
    x, y = frame.axes()
    for veil in sensor.veils:
        gap = np.hypot(x[None, :] - veil.x, (y[:, None] - veil.y) * 1.2) / veil.radius_m
        if float(gap.min()) > 1.5:
            continue
        ragged = 0.22 * smooth_noise(seed * 64 + 40 + veil.number, frame, veil.radius_m * 0.5)
        total += np.float32(veil.opacity) * np.clip((1.15 - gap + ragged) / 0.6, 0, 1)
    return total


def misplacement(sensor: Sensor, frame: Frame, seed: int, side_m: float) -> tuple[Floats, Floats]:
    """Where each pixel really looks, relative to where it says, pixels along x and y."""
    wave = max(side_m / 3.2, 330.0)
    dx = sensor.shift_px[0] + sensor.wobble_px * smooth_noise(seed * 16 + 1, frame, wave)
    dy = sensor.shift_px[1] + sensor.wobble_px * smooth_noise(seed * 16 + 2, frame, wave)
    return dx, dy


def expose(
    ground: Floats, sensor: Sensor, frame: Frame, seed: int, side_m: float
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Digital numbers `(band, y, x)` and mask of the image pixels that fill `frame`.

    `ground` covers the same square on the fine grid.
    """
    fine = GSD_M / FINE_M
    blurred = cv2.GaussianBlur(ground, (0, 0), sensor.blur_px * fine)
    dx, dy = misplacement(sensor, frame, seed, side_m)
    centre = (np.arange(frame.count, dtype=np.float32) + 0.5) * np.float32(fine) - 0.5
    seen = cv2.remap(
        blurred,
        centre[None, :] + dx * np.float32(fine),
        centre[:, None] + dy * np.float32(fine),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    seen = _through_air(seen, sensor, frame, seed, side_m)
    mask = _supplied_mask(sensor, frame, seed)
    numbers = seen * np.array(sensor.gain, np.float32) + np.array(sensor.offset, np.float32)
    draw = np.random.default_rng(
        [seed, 5, sensor.date, int(frame.x0) + 100_000, int(frame.y0) + 100_000]
    )
    numbers += draw.standard_normal(numbers.shape, np.float32) * (sensor.noise + 0.008 * numbers)
    digital = np.clip(np.rint(numbers), 1, 4095).astype(np.uint16)
    if sensor.wedge_m:
        x, y = frame.axes()
        missing = x[None, :] < sensor.wedge_m - (side_m - y[:, None]) / 1.9
        digital[missing] = 0
        mask[missing] = NODATA
    return np.moveaxis(digital, 2, 0), mask


def _through_air(seen: Floats, sensor: Sensor, frame: Frame, seed: int, side_m: float) -> Floats:
    wave = max(side_m / 2.5, 400.0)
    light = 1 + 0.025 * smooth_noise(seed * 16 + 4 + sensor.date, frame, wave)
    haze = sensor.haze * (1 + 0.5 * smooth_noise(seed * 16 + 8 + sensor.date, frame, wave))
    seen = seen * light[..., None] + haze[..., None] * np.array([1.6, 1.2, 0.9, 0.5], np.float32)
    shade = opacity(sensor, frame, seed, is_shadow=True)
    seen = seen * (1 - shade[..., None] * np.array([0.42, 0.48, 0.54, 0.60], np.float32))
    cover = opacity(sensor, frame, seed, is_shadow=False)[..., None] * np.float32(0.97)
    tops = 1 + 0.08 * smooth_noise(seed * 16 + 13, frame, 60.0)
    bright = tops[..., None] * np.array([0.66, 0.65, 0.64, 0.66], np.float32)
    veil = veiling(sensor, frame, seed)[..., None]
    seen = seen * (1 - veil) + np.array([0.66, 0.64, 0.61, 0.60], np.float32) * veil
    return (seen * (1 - cover) + bright * cover).astype(np.float32)


def _supplied_mask(sensor: Sensor, frame: Frame, seed: int) -> NDArray[np.uint8]:
    """Clouds and shadows as an imagery supplier draws them: coarse at the edges.

    Generous on most of the way round, on the rest along the thick part only.
    """
    around = 12
    wide = Frame(
        frame.x0 - around * frame.step, frame.y0 - around * frame.step,
        frame.step, frame.count + 2 * around,
    )  # fmt: skip
    mask = np.zeros((frame.count, frame.count), np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
    is_careless = smooth_noise(seed * 16 + 13 + sensor.date, wide, 260.0) > 0.85
    for value, is_shadow in ((SHADOW, True), (CLOUD, False)):
        hidden = opacity(sensor, wide, seed, is_shadow)
        spread = cv2.dilate(((hidden > 0.12) & ~is_careless).astype(np.uint8), kernel)
        spread |= cv2.dilate((hidden > 0.40).astype(np.uint8), kernel[::4, ::4].copy())
        mask[spread[around:-around, around:-around] > 0] = value
    return mask
