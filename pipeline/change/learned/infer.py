"""A network over a tile: fixed windows, so that nothing depends on how the image was cut.

Convolutions with several halvings of resolution are not shift-invariant, and a deep network sees
further than any affordable halo. So inference runs on windows of one size whose cores lie on a
lattice anchored at the grid's origin; what lies beyond the image is mirrored. A window's result
depends on the image alone: any tile size (a multiple of 512 px) and any worker gives the same
bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.change.learned.card import NetworkCard
from pipeline.change.learned.network import Network
from pipeline.grid import PixelWindow

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation → standard deviation of a normal distribution."""
OTHER_LOOKS = ((2, False), (0, True), (2, True), (1, False), (3, False), (1, True), (3, True))
"""Quarter turns, and whether the window is mirrored after them."""


@dataclass(frozen=True, eq=False)
class InputScaling:
    """Pixel values → network input: (value − offset) · gain, clipped to ±clip."""

    offset: NDArray[np.float32]
    """`(date, band)`, before first."""
    gain: NDArray[np.float32]
    """`(date, band)`."""
    clip: float


@dataclass(frozen=True, eq=False)
class PairPixels:
    """Pixels of a tile with its halo."""

    before: NDArray[Any]
    """`(band, y, x)`: the network's bands in its order."""
    after: NDArray[Any]
    valid: NDArray[np.uint8]
    """`(y, x)`, 0 where both dates were seen."""
    window: PixelWindow
    """Where they lie in the grid: the core grown by at least `halo_px`, clipped at the image."""


def fit_scaling(card: NetworkCard, before: NDArray[Any], after: NDArray[Any]) -> InputScaling:
    """The scaling for a pair from its sample `(band, n)` of the network's bands, n ≥ 1."""
    rule = card.normalisation
    if rule.kind == "fixed":
        assert rule.full_scale is not None  # the card was checked
        mean, std = np.asarray(rule.mean), np.asarray(rule.std)
        offset = np.tile(mean * rule.full_scale, (2, 1))
        gain = np.tile(1.0 / (std * rule.full_scale), (2, 1))
    else:
        offset, spread = (np.stack(v) for v in zip(*map(median_mad, (before, after)), strict=True))
        gain = 1.0 / spread
    return InputScaling(offset.astype(np.float32), gain.astype(np.float32), rule.clip)


def median_mad(pixels: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and robust standard deviation per band of `(band, n)`; 1 where a band is constant.

    Integer pixels have many ties: a spread below one grey value would blow noise up, so for them
    it is at least 1.
    """
    values = pixels.astype(np.float64)
    centre = np.median(values, axis=1)
    spread = MAD_TO_SIGMA * np.median(np.abs(values - centre[:, np.newaxis]), axis=1)
    least = 0.0 if pixels.dtype.kind == "f" else 1.0
    spread = np.maximum(spread, least)
    return centre, np.where(spread > 0, spread, 1.0)


def scaled(pixels: NDArray[Any], scaling: InputScaling, date: int) -> NDArray[np.float32]:
    """Pixels `(band, y, x)` of one date (0 before, 1 after) as network input, float32."""
    offset, gain = (
        values[date][:, np.newaxis, np.newaxis] for values in (scaling.offset, scaling.gain)
    )
    result = (pixels.astype(np.float32) - offset) * gain
    clip = np.float32(scaling.clip)
    limited: NDArray[np.float32] = np.clip(np.nan_to_num(result, copy=False), -clip, clip)
    return limited


def infer(
    network: Network,
    scaling: InputScaling,
    pixels: PairPixels,
    core: PixelWindow,
    looks: int = 1,
) -> NDArray[np.float32]:
    """Probability per class of a tile's core, `(class, y, x)` float32.

    The mean of the first `looks` (1 to 8) ways to turn and mirror a window: what a network says by
    accident of direction averages out. Unobserved pixels enter as the middle value 0; windows whose
    core shows nothing are 0 without being computed. `core` must begin on a multiple of
    `card.core_px` (tiles of 512 px do).
    """
    card = network.card
    out = np.zeros((len(card.classes), *core.shape), np.float32)
    step = card.core_px
    if core.row0 % step or core.col0 % step:
        raise ValueError(f"a tile must begin on a multiple of {step} px, got {core}")
    for row0 in range(core.row0, core.row1, step):
        for col0 in range(core.col0, core.col1, step):
            window = PixelWindow(row0, row0 + step, col0, col0 + step)
            inside = window.clip(core.row1, core.col1)
            rows, cols = inside.slices_in(pixels.window)
            if np.all(pixels.valid[rows, cols]):
                continue
            wanted = window.pad(card.halo_px)
            result = _looked_at(network, _window_inputs(scaling, pixels, wanted), looks)
            near = inside.slices_in(wanted)
            out[(slice(None), *inside.slices_in(core))] = result[(slice(None), *near)]
    return out


def _looked_at(
    network: Network, dates: tuple[NDArray[np.float32], NDArray[np.float32]], looks: int
) -> NDArray[np.float32]:
    """Mean probability per class of a square window over several ways to turn it."""
    result = network.run(*dates)
    for quarters, is_mirrored in OTHER_LOOKS[: looks - 1]:
        before, after = (_turned(date, quarters, is_mirrored) for date in dates)
        seen = network.run(before, after)
        back = np.rot90(seen[:, :, ::-1] if is_mirrored else seen, -quarters, (1, 2))
        result = result + back
    return result / np.float32(looks) if looks > 1 else result


def _turned(values: NDArray[np.float32], quarters: int, is_mirrored: bool) -> NDArray[np.float32]:
    turned = np.rot90(values, quarters, (1, 2))
    return np.ascontiguousarray(turned[:, :, ::-1] if is_mirrored else turned)


def _window_inputs(
    scaling: InputScaling, pixels: PairPixels, wanted: PixelWindow
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both dates of one window, mirrored where it reaches beyond the image."""
    there = pixels.window
    have = PixelWindow(
        max(wanted.row0, there.row0),
        min(wanted.row1, there.row1),
        max(wanted.col0, there.col0),
        min(wanted.col1, there.col1),
    )
    rows, cols = have.slices_in(there)
    unseen = pixels.valid[rows, cols] != 0
    edges = (
        (0, 0),
        (have.row0 - wanted.row0, wanted.row1 - have.row1),
        (have.col0 - wanted.col0, wanted.col1 - have.col1),
    )
    inputs = []
    for date, image in enumerate((pixels.before, pixels.after)):
        values = scaled(image[:, rows, cols], scaling, date)
        values[:, unseen] = 0
        inputs.append(np.ascontiguousarray(np.pad(values, edges, mode="symmetric")))
    return inputs[0], inputs[1]
