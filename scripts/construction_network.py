"""The construction network's layers, the windows it learns from, and how they are disturbed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

GSD_FACTORS = (1.0, 1.5, 2.0, 2.5, 3.0)
"""Pixel sizes learned from, in units of the generator's 2 m."""
MAD_TO_SIGMA = 1.4826
CLIP = 6.0
IGNORED = 255
GONE = 100
MOST_UNBUILT = 0.38
"""A pixel of which more, but less than half, was built is not learned from."""
RIM_PX = 8


class Block(nn.Sequential):
    """3 × 3 convolution, batch norm (folded into it at run time), ReLU."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(n_in, n_out, 3, stride, dilation, dilation, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
        )


class ConstructionNetwork(nn.Module):
    """A small U-Net (Ronneberger et al. 2015) over both dates stacked (early fusion, Daudt et al.
    2018): 4 + 4 bands in, logits per class out."""

    def __init__(self, n_classes: int, widths: tuple[int, int, int, int] = (8, 24, 48, 80)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.stem = Block(8, a)
        self.second = nn.Sequential(Block(a, b, 2), Block(b, b))
        self.fourth = nn.Sequential(Block(b, c, 2), Block(c, c))
        self.deepest = nn.Sequential(
            Block(c, d, 2), Block(d, d), Block(d, d, dilation=2), Block(d, d)
        )
        self.up_quarter = nn.Sequential(nn.Conv2d(c + d, c, 1), Block(c, c))
        self.up_half = nn.Sequential(nn.Conv2d(b + c, b, 1), Block(b, b))
        self.up_full = nn.Sequential(nn.Conv2d(a + b, a, 1), nn.ReLU(inplace=True))
        self.head = nn.Conv2d(a, n_classes, 1)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Logits `(n, class, y, x)` of inputs `(n, band, y, x)`; sides are multiples of 8."""
        full = self.stem(torch.cat([before, after], 1))
        half = self.second(full)
        quarter = self.fourth(half)
        deep = self.deepest(quarter)
        quarter = self.up_quarter(torch.cat([quarter, _twice(deep)], 1))
        half = self.up_half(torch.cat([half, _twice(quarter)], 1))
        full = self.up_full(torch.cat([full, _twice(half)], 1))
        logits: Tensor = self.head(full)
        return logits


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


@dataclass(frozen=True, eq=False)
class Scene:
    """One pair at one pixel size, normalised per date and band."""

    pixels: NDArray[np.float16]
    """`(date · band, y, x)`."""
    label: NDArray[np.uint8]
    places: dict[int, NDArray[np.int32]]
    """Some pixels `(n, 2)` of every class, `GONE` + class included."""


def scene_of(
    pair: tuple[NDArray[np.uint16], NDArray[np.uint16]],
    label: NDArray[np.uint8],
    valid: NDArray[np.uint8],
    factor: float,
    rng: np.random.Generator,
) -> Scene:
    """The pair with its pixels averaged over `factor` × `factor`; `valid` is 0 where both dates
    were seen."""
    seen = valid == 0
    own = label.copy()
    own[~seen] = IGNORED
    size = round(label.shape[0] / factor), round(label.shape[1] / factor)
    bands = []
    for image in pair:
        for band in image:
            small = _shrunk(band.astype(np.float32), size)
            ok = _shrunk(seen.astype(np.float32), size) > 0.99
            values = small[ok][::7]
            centre = np.median(values)
            spread = max(MAD_TO_SIGMA * float(np.median(np.abs(values - centre))), 1.0)
            scaled = (small - centre) / spread
            scaled[~ok] = 0
            bands.append(np.clip(scaled, -15, 15).astype(np.float16))
    own = _shrunk_label(own, size)
    places = {}
    for value in np.unique(own):
        if value not in (0, IGNORED):
            where = np.argwhere(own == value)
            places[int(value)] = where[rng.permutation(len(where))[:4000]].astype(np.int32)
    return Scene(np.stack(bands), own, places)


def _shrunk(band: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """The band on `size` (rows, columns): averaged to fewer pixels, interpolated to more."""
    if band.shape == size:
        return band
    way = cv2.INTER_AREA if size < band.shape else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(band, size[::-1], interpolation=way), np.float32)


def _shrunk_label(label: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The value with at least half of the pixel; pixels of which nearly half was built are not
    learned from (were all mixed pixels left out, outlines would grow by a pixel)."""
    best = np.full(size, 0.5, np.float32)
    out = np.zeros(size, np.uint8)
    for value in np.unique(label):
        if value == 0:
            continue
        share = _shrunk((label == value).astype(np.float32), size)
        out[(share > (0.0 if value == IGNORED else MOST_UNBUILT)) & (out == 0)] = IGNORED
        more = share >= best
        best[more], out[more] = share[more], value
    return out


def draw_window(
    scene: Scene, side: int, rng: np.random.Generator, aims_at: int | tuple[int, int] | None
) -> tuple[NDArray[np.float32], NDArray[np.uint8], tuple[int, int]]:
    """A window `(date · band, y, x)`, its label and first pixel; around a pixel of class `aims_at`,
    with the first pixel `aims_at`, or anywhere."""
    height, width = scene.label.shape
    if isinstance(aims_at, tuple):
        row, col = aims_at
    elif aims_at is not None and aims_at in scene.places:
        spots = scene.places[aims_at]
        row, col = spots[rng.integers(len(spots))] - rng.integers(16, side - 16, 2)
    else:
        row, col = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    row = int(min(max(row, 0), height - side))
    col = int(min(max(col, 0), width - side))
    pixels = scene.pixels[:, row : row + side, col : col + side].astype(np.float32)
    label = scene.label[row : row + side, col : col + side]
    turns = int(rng.integers(4))
    pixels, label = np.rot90(pixels, turns, (1, 2)), np.rot90(label, turns)
    if rng.random() < 0.5:
        pixels, label = pixels[:, :, ::-1], label[:, ::-1]
    is_gone = (label >= GONE) & (label != IGNORED)
    if rng.random() < 0.2:
        pixels = np.concatenate([pixels[4:], pixels[:4]])
        label = np.where(is_gone, label - GONE, np.where(label == IGNORED, IGNORED, 0))
    else:
        label = np.where(is_gone, 0, label)
    return np.ascontiguousarray(pixels), label.astype(np.uint8), (row, col)


def disturb(x: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Other light, air, sharpness, place, noise and bit depth, each date on its own.

    `x` `(n, 8, y, x)`; `strength` `(n,)`, 1 for the full disturbance.
    """
    n, _, side, _ = x.shape

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    s = strength.view(n, 1, 1, 1)
    by_scene, by_date = normal(n, 1, 1, 1) - 0.6, _by_date(normal(n, 2, 1))
    gain = torch.exp(s * (0.40 * by_scene + 0.22 * by_date + 0.22 * normal(n, 8, 1, 1)))
    by_scene, by_date = normal(n, 1, 1, 1), _by_date(normal(n, 2, 1))
    offset = s * (0.25 * by_scene + 0.35 * by_date + 0.32 * normal(n, 8, 1, 1))
    bend = s * 0.03 * _by_date(normal(n, 2, 1))
    x = x * gain + offset
    x = x + bend * x * x.abs().clamp(max=5)
    x = functional.conv2d(
        functional.pad(x, (1, 1, 1, 1), mode="replicate").view(1, n * 8, side + 2, side + 2),
        _kernels(n, strength, uniform),
        groups=n * 8,
    ).view(n, 8, side, side)
    veil = functional.interpolate(normal(n, 2, 4, 4), size=(side, side), mode="bilinear")
    bluish = torch.tensor([1.3, 1.1, 1.0, 0.5]).repeat(2).view(1, 8, 1, 1)
    veil = veil.repeat_interleave(4, 1) * bluish
    has_veil = (uniform(n, 1, 1, 1) < 0.3).float()
    x = x + s * has_veil * 0.25 * uniform(n, 1, 1, 1) * veil
    # Patchy soil and growth, for the most part the same at both dates.
    fine = functional.interpolate(normal(n, 2, 20, 20), size=(side, side), mode="bilinear")
    fine = fine + fine.mean(1, keepdim=True)
    x = x + s * 0.3 * uniform(n, 1, 1, 1) ** 2 * fine.repeat_interleave(4, 1)
    noise = _by_date(uniform(n, 2, 1) ** 2)
    x = x + 0.25 * s * noise * normal(*x.shape)
    # Eight bits stretched for the eye: what is bright is white.
    white = 1.3 + 8 * (uniform(n, 2, 1) + (uniform(n, 2, 1) > s.view(n, 1, 1) * 0.5).float())
    x = torch.minimum(x, _by_date(white))
    step = 0.02 + 0.12 * uniform(n, 1, 1, 1) * s
    return (torch.round(x / step) * step).clamp(-CLIP, CLIP)


def _by_date(values: Tensor) -> Tensor:
    """`(n, 2, 1)` → `(n, 8, 1, 1)`."""
    return values.expand(-1, 2, 4).reshape(-1, 8, 1, 1)


def _kernels(n: int, strength: Tensor, uniform: Callable[..., Tensor]) -> Tensor:
    """3 × 3 kernels `(n · 8, 1, 3, 3)`: a blur for each date, for one date a shift too."""
    shift = (uniform(n, 2, 2) * 2 - 1) * 0.6 * strength.view(n, 1, 1)
    shift[:, 0] = 0
    sigma = 0.15 + 0.6 * strength.view(n, 1, 1) * uniform(n, 2, 1) ** 2
    at = torch.tensor([-1.0, 0.0, 1.0])
    axes = torch.exp(-0.5 * ((at.view(1, 1, 1, 3) - shift[..., None]) / sigma[..., None]) ** 2)
    axes = axes + 1e-6
    axes = axes / axes.sum(-1, keepdim=True)
    kernel = axes[:, :, 0, :, None] * axes[:, :, 1, None, :]
    # Some suppliers sharpen: the centre gains what the ring loses.
    gain = (uniform(n, 2) - 0.5).clamp(min=0) * 1.6 * strength.view(n, 1)
    kernel = kernel * (1 + gain[..., None, None]) - gain[..., None, None] / 9
    return kernel.repeat_interleave(4, 1).reshape(n * 8, 1, 3, 3)
