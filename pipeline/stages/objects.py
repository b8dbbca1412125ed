"""Part of `extract`: the objects of the change mask, construction-like ones apart from all other.

Objects that the construction network finds are judged first (`patches.construction`); what remains
of the change mask around them is other change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.change.construction import BUILT, FULL, N_TRACES
from pipeline.change.extraction import MaskJob, mask_tile, planes_tile
from pipeline.grid import Grid, PixelWindow, tiles
from pipeline.io.reports import read_json
from pipeline.io.strips import strips
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.patches.classed import FAINT, LIKELY, OTHER, ClassedBuilder, ClassedComponents
from pipeline.patches.components import (
    ComponentBuilder,
    Components,
    ComponentSums,
    burn,
    burn_from,
)
from pipeline.patches.construction import (
    IN_CHANGE_SHARE,
    is_construction,
    outline_levels,
)
from pipeline.patches.measures import minimum_pixels
from pipeline.stages.candidates import candidate_verdicts
from pipeline.stages.context import Number, StageContext


def is_told(context: StageContext) -> bool:
    """Whether the construction network told construction from other change of this pair."""
    return read_json(context.paths.detect_summary)["construction"] is not None


@dataclass(frozen=True, eq=False)
class _Masks:
    """Change mask and built pixels of the whole image, one bit per pixel, in strips of rows."""

    width: int
    changed: list[tuple[int, int, NDArray[np.uint8]]]
    """First row, number of rows, packed bits."""
    built: Components
    lost: Components
    """Changed ground that is less built up after than before."""

    def strips(self) -> Iterator[tuple[PixelWindow, NDArray[np.uint8]]]:
        """The change mask (0, 1), strip by strip."""
        for row0, rows, bits in self.changed:
            flat = np.unpackbits(bits, count=rows * self.width)
            yield PixelWindow(row0, row0 + rows, 0, self.width), flat.reshape(rows, self.width)


def find_objects(context: StageContext, grid: Grid) -> tuple[ClassedComponents, dict[str, Number]]:
    """4-connected objects: construction-like, other change, too faint to be either; and what the
    scorecard was asked and said.

    Without a network all change is construction-like as far as objects go, unless the detector
    tells that the ground lost what stood on it; their kinds decide.
    """
    min_pixels = minimum_pixels(context.run.settings.extract.patches, grid)
    masks = _read_masks(context, grid)
    n_built = len(masks.built)
    judged = _Judged(np.zeros(n_built, np.int32), np.zeros(n_built, np.uint8), {})
    if n_built:
        judged = _judge(context, grid, masks)
    of_change = OTHER if is_told(context) else LIKELY
    builder = ClassedBuilder(grid.width)
    faint, likely = (judged.classes == value for value in (FAINT, LIKELY))
    faint_ones, likely_ones = masks.built.select(faint), masks.built.select(likely)
    for window, changed, built in _with_built(context, grid, masks):
        mask = changed * np.uint8(of_change)
        burn(masks.lost, window, mask, OTHER)
        burn(faint_ones, window, mask, FAINT)
        burn_from(likely_ones, window, mask, built, judged.levels[likely], (LIKELY, 0))
        builder.add_strip(window.row0, mask)
    return builder.finish(min_pixels), judged.counts


@dataclass(frozen=True, eq=False)
class _Judged:
    """What the built components come to, `(component,)` each."""

    classes: NDArray[np.int32]
    """0 where one goes back to the change mask."""
    levels: NDArray[np.uint8]
    """Stored probability at which it ends."""
    counts: dict[str, Number]


def _with_built(
    context: StageContext, grid: Grid, masks: _Masks
) -> Iterator[tuple[PixelWindow, NDArray[np.uint8], NDArray[Any]]]:
    """Strip by strip the change mask (0, 1) and the stored probability of construction."""
    source = Source(str(context.paths.detect_traces), (BUILT + 1,))
    job = TileJob(planes_tile, {"built": source}, None)
    cut = tiles(grid.height, grid.width, context.tile_px)
    outputs = run_tiles(job, cut, context.tiled, context.progress("提取：判别建设"))
    for (row0, layers), (window, changed) in zip(
        strips(outputs, grid.width), masks.strips(), strict=True
    ):
        assert row0 == window.row0
        yield window, changed, layers["built"]


def _read_masks(context: StageContext, grid: Grid) -> _Masks:
    settings, paths = context.run.settings.extract, context.paths
    params = MaskJob(settings.cleaning, settings.construction.min_pixel_probability)
    sources = {
        "score": Source(str(paths.detect_score), (1,)),
        "kind": Source(str(paths.detect_kind), (1,)),
        "traces": Source(str(paths.detect_traces), tuple(range(1, N_TRACES + 1))),
    }
    cut = tiles(grid.height, grid.width, context.tile_px, params.halo_px)
    job = TileJob(mask_tile, sources, params)
    outputs = run_tiles(job, cut, context.tiled, context.progress("提取：清理掩膜"))
    built, lost, changed = ComponentBuilder(grid.width), ComponentBuilder(grid.width), []
    for row0, layers in strips(outputs, grid.width):
        mask = layers["mask"]
        changed.append((row0, mask.shape[0], np.packbits(mask == 1)))
        built.add_strip(row0, layers["built"])
        lost.add_strip(row0, layers["lost"])
    return _Masks(grid.width, changed, built.finish(), lost.finish())


@dataclass(frozen=True, eq=False)
class _Weighed:
    """What the built components weigh, `(component,)` each."""

    is_candidate: NDArray[np.bool_]
    levels: NDArray[np.uint8]
    is_in_change: NDArray[np.bool_]


def _weigh(context: StageContext, grid: Grid, masks: _Masks) -> _Weighed:
    weight, inside = (ComponentSums(masks.built) for _ in range(2))
    for window, changed, built in _with_built(context, grid, masks):
        weight.add_window(window, built)
        inside.add_window(window, changed)
    weight_m2 = weight.totals.astype(np.float64) * (grid.pixel_area_m2 / FULL)
    area_m2 = masks.built.n_pixels.astype(np.float64) * grid.pixel_area_m2
    params = context.run.settings.extract.construction
    return _Weighed(
        is_construction(weight_m2, area_m2, params),
        np.floor(outline_levels(weight_m2, area_m2, params) * FULL).astype(np.uint8),
        inside.totals >= IN_CHANGE_SHARE * masks.built.n_pixels,
    )


def find_candidates(context: StageContext, grid: Grid) -> tuple[Components, NDArray[np.uint8]]:
    """What weighs enough to be construction, and the stored probability at which each ends."""
    masks = _read_masks(context, grid)
    weighed = _weigh(context, grid, masks)
    return masks.built.select(weighed.is_candidate), weighed.levels[weighed.is_candidate]


def _judge(context: StageContext, grid: Grid, masks: _Masks) -> _Judged:
    """What each built component is, and where it ends."""
    weighed = _weigh(context, grid, masks)
    is_built = weighed.is_candidate.copy()
    counts: dict[str, Number] = {}
    least = context.run.settings.extract.construction.min_verdict
    if least > 0:
        candidates = masks.built.select(is_built)
        told, share = candidate_verdicts(context, grid, candidates, weighed.levels[is_built])
        is_built[is_built] = told >= least
        counts = {
            "construction_candidates": told.size,
            "construction_turned_down": int(np.sum(told < least)),
            "construction_share": round(share, 4),
        }
    classes = np.where(is_built, LIKELY, np.where(weighed.is_in_change, 0, FAINT))
    return _Judged(classes.astype(np.int32), weighed.levels, counts)
