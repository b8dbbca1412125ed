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

from pipeline.change.cover import PLANTS, CoverRule, KindBands, cover_of
from pipeline.change.kinds import KindParams, classify_kinds
from pipeline.change.linear import SCORE_UNOBSERVED, LinearStatistic, score_pixels
from pipeline.change.materials import Materials, built_after, built_before
from pipeline.change.traces import (
    BUILT_AFTER,
    BUILT_BEFORE,
    GREY_AFTER,
    GREY_BEFORE,
    N_TRACES,
    NO_SOIL_AFTER,
    GreyRule,
    grey_of,
)
from pipeline.grid import RasterWindow, Tile, TileOutput

DetectorName = Literal["auto", "irmad", "cva"]
DETECTORS: tuple[str, ...] = ("irmad", "cva")
IRMAD_MIN_BANDS = 4
LEAST_SCORE = 25
"""Stored score (a twentieth of the threshold) below which no material is asked for."""


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
class KindModel:
    """What the kinds of one pair are told by."""

    bands: KindBands
    params: KindParams
    covers: Mapping[str, CoverRule]
    """By date, `before` and `after`."""
    materials: Materials | None
    """None if the pair does not show what its soils and its hard ground look like."""
    greys: Mapping[str, GreyRule]


@dataclass(frozen=True, eq=False)
class ScoreJob:
    """Parameters of `score_tile`."""

    statistic: LinearStatistic
    threshold: float
    kinds: KindModel | None
    """None without band roles: kind 0 everywhere."""
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
    """Tile function: sources `before`, `after`, `valid` → `score` uint16, `kind` uint8 and
    `traces` uint8 `(4, y, x)` (see `change.traces`)."""
    before, after = sources["before"].array, sources["after"].array
    valid = sources["valid"].array[0]
    score = score_pixels(params.statistic, params.threshold, before, after, valid)
    kind, traces = _kinds({"before": before, "after": after}, score, params.kinds)
    kind[score == SCORE_UNOBSERVED] = 0
    step = params.preview_step
    rows, cols = (
        slice(-tile.core.row0 % step, None, step),
        slice(-tile.core.col0 % step, None, step),
    )
    bands = list(params.preview_bands)
    preview = np.stack([image[bands, rows, cols] for image in (before, after)])
    partial = ScorePartial(int(np.count_nonzero(score == SCORE_UNOBSERVED)), preview)
    return TileOutput({"score": score, "kind": kind, "traces": traces}, ((tile.index, partial),))


def _kinds(
    pair: Mapping[str, NDArray[np.generic]], score: NDArray[np.uint16], model: KindModel | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Kind `(y, x)` and traces `(4, y, x)`, 0 where nothing can be told."""
    traces = np.zeros((N_TRACES, *score.shape), np.uint8)
    if model is None:
        return np.zeros(score.shape, np.uint8), traces
    covers = {
        name: cover_of(pixels, model.bands, model.covers[name]) for name, pixels in pair.items()
    }
    if model.materials is None:
        return classify_kinds(covers, None, model.params), traces
    traces[BUILT_BEFORE] = built_before(pair["before"], covers["before"], model.materials)
    # No one asks for the material of what did not change at all.
    asked = np.where(score >= LEAST_SCORE, covers["after"], np.uint8(PLANTS))
    traces[BUILT_AFTER], traces[NO_SOIL_AFTER] = built_after(pair["after"], asked, model.materials)
    for trace, name in ((GREY_BEFORE, "before"), (GREY_AFTER, "after")):
        traces[trace] = grey_of(pair[name], model.greys[name])
    built = np.maximum(traces[BUILT_AFTER], traces[NO_SOIL_AFTER])
    return classify_kinds(covers, built, model.params), traces
