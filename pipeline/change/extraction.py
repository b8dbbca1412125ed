"""Tile functions of the extract stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.change.cleaning import CleaningParams, change_mask, halo_px
from pipeline.change.cuts import CUT_REACH_PX, cut_bits
from pipeline.change.likely import LikelyParams, change_classes, likely_halo_px
from pipeline.change.linear import SCORE_UNOBSERVED
from pipeline.grid import RasterWindow, Tile, TileOutput

UNOBSERVED = 255
"""Value of `change.tif` where at least one date was not seen."""


@dataclass(frozen=True)
class MaskJob:
    """Parameters of `mask_tile`."""

    cleaning: CleaningParams
    likely: LikelyParams
    takes_faint: bool
    is_cut: bool = False
    """Whether the tile function also gives the `cuts`."""

    @property
    def halo_px(self) -> int:
        """Pixels around a tile that its core depends on."""
        return likely_halo_px(halo_px(self.cleaning)) + (CUT_REACH_PX if self.is_cut else 0)


def mask_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: MaskJob) -> TileOutput:
    """Tile function: `score` and `built` of the padded window → change mask of the core by
    class: 1 construction-like, 2 other change, 0 none, 255 unobserved; from `grey` the bits of
    `change.cuts`, if they are wanted."""
    score = sources["score"].array[0]
    mask = change_mask(score, params.cleaning)
    classes = change_classes(
        mask,
        score,
        sources["built"].array,
        params.likely,
        takes_faint=params.takes_faint,
    )
    layers = {"mask": classes[tile.core_slices]}
    if params.is_cut:
        grey, built = sources["grey"].array[0], sources["built"].array[1]
        layers["cuts"] = cut_bits(classes, mask, grey, built)[tile.core_slices]
    return TileOutput(layers)


def measure_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: None) -> TileOutput:
    """Tile function: `score` and `kind` as stored, and `change` before patches are drawn on it."""
    score, kind = sources["score"].array[0], sources["kind"].array[0]
    change = (score == SCORE_UNOBSERVED).view(np.uint8) * np.uint8(UNOBSERVED)
    return TileOutput({"score": score, "kind": kind, "change": change})
