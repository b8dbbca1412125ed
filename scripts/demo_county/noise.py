"""Random fields that depend on place and seed alone, so that chunks meet without a seam."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def mix(*parts: NDArray[np.int64] | int) -> NDArray[np.uint32]:
    """A well-mixed 32-bit number from whole numbers (array or scalar, negative ones too)."""
    state = np.uint32(0x9E3779B9)
    with np.errstate(over="ignore"):
        for part in parts:
            word = np.asarray(part).astype(np.int64).astype(np.uint32)
            state = (state ^ word) * np.uint32(0x85EBCA6B)
            state = (state ^ (state >> np.uint32(15))) * np.uint32(0xC2B2AE35)
            state = state ^ (state >> np.uint32(13))
    return np.asarray(state, np.uint32)


def unit(hashed: NDArray[np.uint32]) -> Floats:
    """0 ≤ value < 1."""
    return (hashed >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def normal(hashed: NDArray[np.uint32]) -> Floats:
    """About a standard normal: the sum of the four bytes."""
    mask = np.uint32(255)
    total = sum(((hashed >> np.uint32(8 * k)) & mask).astype(np.float32) for k in range(4))
    return ((total - 510.0) / 147.8).astype(np.float32)


class Frame:
    """A square of sample points: `origin` metres, `step` metres apart, `count` per side."""

    def __init__(self, x0: float, y0: float, step: float, count: int) -> None:
        self.x0, self.y0, self.step, self.count = x0, y0, step, count

    def axes(self) -> tuple[Floats, Floats]:
        """Centres of the samples along x and y."""
        centres = (np.arange(self.count, dtype=np.float64) + 0.5) * self.step
        return (self.x0 + centres).astype(np.float32), (self.y0 + centres).astype(np.float32)


def smooth_noise(seed: int, frame: Frame, wavelength_m: float) -> Floats:
    """Standard-normal-like field varying over `wavelength_m`, sampled on the frame."""
    first_x = int(np.floor(frame.x0 / wavelength_m)) - 2
    first_y = int(np.floor(frame.y0 / wavelength_m)) - 2
    nodes = int(np.ceil(frame.count * frame.step / wavelength_m)) + 6
    ix, iy = first_x + np.arange(nodes), first_y + np.arange(nodes)
    lattice = normal(mix(seed, iy[:, None], ix[None, :]))
    scale = frame.step / wavelength_m
    shift_x = (frame.x0 + frame.step / 2) / wavelength_m - first_x
    shift_y = (frame.y0 + frame.step / 2) / wavelength_m - first_y
    to_lattice = np.array([[scale, 0, shift_x], [0, scale, shift_y]])
    field = cv2.warpAffine(
        lattice,
        to_lattice,
        (frame.count, frame.count),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return field * np.float32(1.35)
