"""Which detector a pair gets, and what the ensemble makes of its members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest

from pipeline.change.detectors import DETECTORS, DetectorName, choose_detector, members_of
from pipeline.change.linear import SCORE_UNOBSERVED
from pipeline.change.scoring import EnsembleScorer, Scored
from pipeline.grid import PixelWindow, RasterWindow, Tile
from pipeline.stages.detect_fit import FITS

RGB = ("red", "green", "blue")


@pytest.mark.parametrize(
    ("roles", "gsd_m", "chosen"),
    [
        ((*RGB, "nir"), 2.0, "irmad"),
        ((*RGB, "nir"), 0.5, "irmad"),
        (("", "", "", ""), 30.0, "irmad"),
        (RGB, 2.0, "ensemble"),
        (RGB, 3.0, "ensemble"),
        (RGB, 1.0, "ensemble"),
        (RGB, 0.8, "texture"),
        (RGB, 10.0, "cva"),
        (("", "", ""), 2.0, "cva"),
        (("pan",), 0.5, "cva"),
    ],
)
def test_自动选择只看波段和分辨率(roles: tuple[str, ...], gsd_m: float, chosen: str) -> None:
    assert choose_detector("auto", roles, gsd_m) == chosen


def test_every_detector_is_named_described_and_can_be_fitted() -> None:
    assert set(get_args(DetectorName)) == {"auto", *DETECTORS}
    assert all(DETECTORS.values())
    assert {*FITS, "ensemble"} == set(DETECTORS)
    for n_bands in (1, 3, 4, 8):
        assert {member for member, _ in members_of("ensemble", n_bands)} <= set(FITS)


@dataclass(frozen=True)
class Fixed:
    """A member that says the same everywhere."""

    scored: Scored
    halo_px: int = 3

    def score(self, tile: Tile, sources: Mapping[str, RasterWindow]) -> Scored:
        return self.scored


def member(scores: list[int], gains: list[bool] | None = None, halo_px: int = 3) -> Fixed:
    is_gain = None if gains is None else np.array([gains])
    return Fixed(Scored(np.array([scores], np.uint16), is_gain), halo_px)


def pooled(*members: Fixed) -> Scored:
    scorer = EnsembleScorer(members)
    assert scorer.halo_px == max(m.halo_px for m in members)
    width = members[0].scored.score.shape[1]
    window = PixelWindow(0, 1, 0, width)
    return scorer.score(Tile(0, window, window), {})


def test_集成是对数几率的平均() -> None:
    found = pooled(member([5000, 9000, 8000, 0, 10_000]), member([5000, 1000, 5000, 0, 10_000]))
    # odds 4 and 1 → √4 = 2 → 2/3; the ends stay half a step off certainty
    assert found.score.tolist() == [[5000, 5000, 6667, 1, 9999]]
    assert found.is_gain is None


def test_没有看到的像元_哪个成员没看到都算() -> None:
    unseen = SCORE_UNOBSERVED
    found = pooled(member([unseen, 9000, 100]), member([9000, unseen, 100]))
    assert found.score.tolist()[0][:2] == [unseen, unseen]


def test_方向由成员的概率之和决定() -> None:
    one = member([9000, 2000, 9000], [True, True, False], halo_px=8)
    other = member([3000, 6000, 100], [False, False, True])
    found = pooled(one, other, member([500, 500, 500]))
    assert found.is_gain is not None
    assert found.is_gain.tolist() == [[True, False, False]]
