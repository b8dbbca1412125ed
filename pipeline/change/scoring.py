"""What turns an aligned pair into stored scores: one call per tile, whatever the detector.

A scorer is fitted to a pair once and then scores tiles; it says how far beyond a tile's core it
must see. `DETECTORS` in `change.detectors` names them; `stages.detect` fits them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.change.built_up import CellPlan, DateIndex, built_up_change, built_up_odds
from pipeline.change.learned.scoring import LearnedScore, score_learned
from pipeline.change.linear import (
    SCORE_MAX,
    SCORE_UNOBSERVED,
    Calibration,
    LinearStatistic,
    score_pixels,
)
from pipeline.grid import RasterWindow, Tile


@dataclass(frozen=True, eq=False)
class Scored:
    """A tile's core."""

    score: NDArray[np.uint16]
    """`(y, x)` probability × 10,000, `SCORE_UNOBSERVED` where a date was not seen."""
    is_gain: NDArray[np.bool_] | None = None
    """`(y, x)` whether it is more built up after than before; None if that is not told."""


class Scorer(Protocol):
    """A detector fitted to a pair; picklable."""

    @property
    def halo_px(self) -> int:
        """How far beyond its core a tile must be read."""

    def score(self, tile: Tile, sources: Mapping[str, RasterWindow]) -> Scored:
        """Scores of the core from `before`, `after`, `valid` of the padded window."""


@dataclass(frozen=True, eq=False)
class LinearScorer:
    """IR-MAD, SFA, CVA."""

    statistic: LinearStatistic
    calibration: Calibration
    is_turned: bool = False
    """Whether the statistic takes the after date first (`PairSample.is_turned`)."""

    @property
    def halo_px(self) -> int:
        """Pixels are scored one by one."""
        return 0

    def score(self, tile: Tile, sources: Mapping[str, RasterWindow]) -> Scored:
        """See `Scorer`."""
        rows, cols = tile.core_slices
        dates = ("after", "before") if self.is_turned else ("before", "after")
        first, second = (sources[date].array[:, rows, cols] for date in dates)
        valid = sources["valid"].array[0, rows, cols]
        return Scored(score_pixels(self.statistic, self.calibration, first, second, valid))


@dataclass(frozen=True, eq=False)
class TextureScorer:
    """The built-up index of both dates."""

    plan: CellPlan
    before: DateIndex
    after: DateIndex

    @property
    def halo_px(self) -> int:
        """The lot's average and the edges under it."""
        return self.plan.halo_px

    def score(self, tile: Tile, sources: Mapping[str, RasterWindow]) -> Scored:
        """See `Scorer`."""
        valid = sources["valid"].array[0]
        before, after = (
            built_up_odds(sources[name].array, valid, date, self.plan)
            for name, date in (("before", self.before), ("after", self.after))
        )
        change = built_up_change(before, after)[tile.core_slices]
        score = np.floor(np.abs(change) * np.float32(SCORE_MAX) + np.float32(0.5)).astype(np.uint16)
        score[valid[tile.core_slices] != 0] = SCORE_UNOBSERVED
        return Scored(score, change > 0)


@dataclass(frozen=True, eq=False)
class LearnedScorer:
    """A network."""

    learned: LearnedScore

    @property
    def halo_px(self) -> int:
        """The network's own."""
        return self.learned.halo_px

    def score(self, tile: Tile, sources: Mapping[str, RasterWindow]) -> Scored:
        """See `Scorer`."""
        return Scored(score_learned(self.learned, tile, sources))


@dataclass(frozen=True, eq=False)
class EnsembleScorer:
    """Mean of the members' log-odds (logarithmic opinion pool: Genest and Zidek 1986, Statistical
    Science 1(1)); which way it changed is what most of their probability says."""

    members: tuple[Scorer, ...]

    @property
    def halo_px(self) -> int:
        """The widest of the members'."""
        return max(member.halo_px for member in self.members)

    def score(self, tile: Tile, sources: Mapping[str, RasterWindow]) -> Scored:
        """See `Scorer`."""
        table = log_odds_of_scores()
        total, gain = (np.zeros(tile.core.shape, np.float64) for _ in range(2))
        unseen, has_direction = np.zeros(tile.core.shape, np.bool_), False
        for member in self.members:
            scored = member.score(tile, sources)
            unseen |= scored.score == SCORE_UNOBSERVED
            stored = np.minimum(scored.score, SCORE_MAX)
            total += table[stored]
            if scored.is_gain is not None:
                has_direction = True
                gain += np.where(scored.is_gain, 1.0, -1.0) * stored
        total /= len(self.members)
        score = np.floor(SCORE_MAX / (1.0 + np.exp(-total)) + 0.5).astype(np.uint16)
        score[unseen] = SCORE_UNOBSERVED
        return Scored(score, gain > 0 if has_direction else None)


def log_odds_of_scores() -> NDArray[np.float64]:
    """Natural log-odds of every stored score 0 … `SCORE_MAX`; the ends are half a step off
    certainty."""
    probability = np.clip(np.arange(SCORE_MAX + 1), 0.5, SCORE_MAX - 0.5) / SCORE_MAX
    odds: NDArray[np.float64] = np.log(probability / (1.0 - probability))
    return odds
