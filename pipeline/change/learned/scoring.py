"""The detector `learned`: a network's probability as the stored score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.change.learned.infer import InputScaling, PairPixels, fit_scaling, infer
from pipeline.change.learned.network import Network, band_positions, require_gsd
from pipeline.change.linear import SCORE_MAX, SCORE_UNOBSERVED
from pipeline.change.sample import PairSample
from pipeline.grid import RasterWindow, Tile
from pipeline.schema.model import Frozen


class NetworkParams(Frozen):
    """Settings of the detector `learned` (学习型检测器)."""

    model: str | None = Field(
        default=None,
        min_length=1,
        description="模型文件（.onnx，由 make train 训练或自备）；相对路径从数据文件夹算起",
    )


@dataclass(frozen=True, eq=False)
class LearnedScore:
    """A network fitted to one pair."""

    network: Network
    bands: tuple[int, ...]
    """Positions of the network's bands among the pair's."""
    scaling: InputScaling

    @property
    def halo_px(self) -> int:
        """How far beyond its core a tile must be read."""
        return self.network.card.halo_px


def fit_learned(
    network: Network, roles: tuple[str, ...], gsd_m: float, sample: PairSample
) -> LearnedScore:
    """The network on a pair with these bands and pixels. Raises `InputError` E-MODEL-BANDS or
    E-MODEL-GSD where it does not apply."""
    require_gsd(network.card, gsd_m)
    bands = band_positions(network.card, roles)
    scaling = fit_scaling(network.card, sample.before[list(bands)], sample.after[list(bands)])
    return LearnedScore(network, bands, scaling)


def score_learned(
    learned: LearnedScore, tile: Tile, sources: Mapping[str, RasterWindow]
) -> NDArray[np.uint16]:
    """Stored score of a tile's core, uint16 `(y, x)`; sources `before`, `after`, `valid` with the
    network's halo. `SCORE_UNOBSERVED` where `valid` is not 0."""
    bands = list(learned.bands)
    valid = sources["valid"].array[0]
    pixels = PairPixels(
        sources["before"].array[bands], sources["after"].array[bands], valid, tile.padded
    )
    change = infer(learned.network, learned.scaling, pixels, tile.core)[0]
    score = stored_score(change, learned.network.card.thresholds[0])
    score[valid[tile.core_slices] != 0] = SCORE_UNOBSERVED
    return score


def stored_score(probability: NDArray[np.float32], threshold: float) -> NDArray[np.uint16]:
    """Probability × 10,000 with the network's own threshold moved to one half, straight lines on
    either side: every later step decides at 5,000, whatever the detector."""
    values = probability.astype(np.float64)
    low = 0.5 * values / threshold
    high = 0.5 + 0.5 * (values - threshold) / (1.0 - threshold)
    moved = np.where(values < threshold, low, high)
    # Rounding must not lift a pixel over the decision.
    result = np.floor(moved * SCORE_MAX + 0.5)
    result = np.where(values < threshold, np.minimum(result, SCORE_MAX / 2 - 1), result)
    return result.astype(np.uint16)
