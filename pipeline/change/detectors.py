"""The detectors, and which one a pair gets.

All share one form: a statistic found on a sample, a threshold, and one tile function that turns an
aligned pair into probability (stored score) and kind. `auto` looks at the number of common bands
only, never at the data set or the size of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.change.kinds import KindBands, KindParams, classify_kinds
from pipeline.change.linear import SCORE_UNOBSERVED, LinearStatistic, score_pixels
from pipeline.grid import RasterWindow, Tile, TileOutput

DetectorName = Literal["auto", "irmad", "cva"]
DETECTORS: tuple[str, ...] = ("irmad", "cva")
IRMAD_MIN_BANDS = 4


def choose_detector(name: str, n_bands: int) -> str:
    """The detector for `auto`: IR-MAD from four common bands on, else CVA."""
    if name != "auto":
        return name
    return "irmad" if n_bands >= IRMAD_MIN_BANDS else "cva"


def preview_bands(roles: tuple[str, ...]) -> tuple[int, ...]:
    """Positions of red, green, blue; without roles the first three bands, or the first one."""
    colours = tuple(roles.index(r) for r in ("red", "green", "blue") if r in roles)
    if len(colours) == 3:
        return colours
    return tuple(range(3)) if len(roles) >= 3 else (0,)


@dataclass(frozen=True, eq=False)
class ScoreJob:
    """Parameters of `score_tile`."""

    statistic: LinearStatistic
    threshold: float
    kind_bands: KindBands
    kind_params: KindParams
    preview_bands: tuple[int, ...]
    """Positions of the bands to show, red first where roles are known."""
    preview_step: int
    """Every n-th pixel, counted from the grid origin, goes into the preview."""


@dataclass(frozen=True, eq=False)
class ScorePartial:
    """What a tile gives back beside its rasters."""

    unobserved_pixels: int
    preview: NDArray[np.generic]
    """`(date, band, y, x)`: up to three bands of both dates, colours first where roles say so."""


def score_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: ScoreJob) -> TileOutput:
    """Tile function: sources `before`, `after`, `valid` → `score` uint16, `kind` uint8."""
    before, after = sources["before"].array, sources["after"].array
    valid = sources["valid"].array[0]
    score = score_pixels(params.statistic, params.threshold, before, after, valid)
    kind = classify_kinds(before, after, params.kind_bands, params.kind_params)
    kind[score == SCORE_UNOBSERVED] = 0
    step = params.preview_step
    rows, cols = (
        slice(-tile.core.row0 % step, None, step),
        slice(-tile.core.col0 % step, None, step),
    )
    bands = list(params.preview_bands)
    preview = np.stack([image[bands, rows, cols] for image in (before, after)])
    partial = ScorePartial(int(np.count_nonzero(score == SCORE_UNOBSERVED)), preview)
    return TileOutput({"score": score, "kind": kind}, ((tile.index, partial),))
