"""One finished comparison against what is known of the pair: labels, or planted changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.change.learned.samples import NOT_LABELLED
from pipeline.grid import BLOCK_PX, Grid, PixelWindow
from pipeline.io.burning import burn_mask, burn_numbers
from pipeline.io.rasters import read_grid, read_window
from pipeline.io.vectors import read_layer
from pipeline.patches.accuracy import (
    PatchAgreement,
    PatchScores,
    block_counts,
    is_mostly_changed,
    patch_agreement,
)
from pipeline.patches.agreement import Outcomes
from pipeline.patches.area import ellipsoidal_area_m2, planar_area_m2
from pipeline.patches.planted import FOUND_SHARE, PlantedScores, covered_share, planted_scores
from pipeline.patches.polygonise import trace_outlines
from pipeline.patches.reliability import ScoreHistogram
from pipeline.schema.layers import PATCHES
from pipeline.stages.labelled_pairs import ReadMask


@dataclass(frozen=True)
class Item:
    """A miss or a false alarm."""

    pair: str
    folder: Path
    """Of the comparison."""
    name: str
    """Truth id or patch id; empty for a labelled patch."""
    geometry: BaseGeometry
    """In the CRS of the before image."""
    kind: str | None
    area_m2: float
    share: float
    """Of a miss: covered by patches. Of a false alarm: on true change."""
    probability: float | None
    """Of a false alarm's patch."""

    @property
    def weight(self) -> float:
        """Worst first: misses by area, false alarms by area × probability."""
        return self.area_m2 * (1.0 if self.probability is None else self.probability)


@dataclass(frozen=True)
class Judged:
    """What the figures are made from; add those of separate pairs with `+`."""

    blocks: NDArray[np.int64]
    """Confusion counts of pixels per fixed block, `(block, 5)`."""
    histogram: ScoreHistogram | None
    """None where unlabelled change may be anywhere."""
    scores: PatchScores
    truth: Outcomes
    predicted: Outcomes
    probability: NDArray[np.float64]
    """Stored probability of each judged patch, entries as in `predicted`."""
    misses: tuple[Item, ...] = ()
    false_alarms: tuple[Item, ...] = ()
    truth_by_kind: Outcomes = field(default_factory=Outcomes.none)
    planted: PlantedScores | None = None

    def __add__(self, other: Judged) -> Judged:
        """Both pairs together; only labelled pairs come in numbers, so nothing planted adds up."""
        histogram = self.histogram
        if histogram is not None and other.histogram is not None:
            histogram.merge(other.histogram)
        return Judged(
            np.concatenate([self.blocks, other.blocks]),
            histogram,
            self.scores + other.scores,
            self.truth + other.truth,
            self.predicted + other.predicted,
            np.concatenate([self.probability, other.probability]),
            self.misses + other.misses,
            self.false_alarms + other.false_alarms,
        )

    def trimmed(self, count: int) -> Judged:
        """With only the worst misses and false alarms left, worst first."""
        worst = [
            tuple(sorted(items, key=lambda item: -item.weight)[:count])
            for items in (self.misses, self.false_alarms)
        ]
        changed = dict(vars(self), misses=worst[0], false_alarms=worst[1])
        return Judged(**changed)


def nothing_judged() -> Judged:
    """The start of a sum over labelled pairs."""
    none = Outcomes.none()
    blocks = np.zeros((0, 5), np.int64)
    return Judged(blocks, ScoreHistogram(), PatchScores(), none, none, np.zeros(0))


def judge_labelled(name: str, folder: Path, grid: Grid, label: ReadMask) -> Judged:
    """Judge the comparison in `folder`, on the before image's `grid`, by its label."""
    patches = read_layer(folder / "patches.gpkg", PATCHES)
    outlines = np.asarray(patches.geometry.to_numpy(), dtype=object)
    blocks, histogram, inside = _labelled_pixels(folder, grid, label, outlines)
    agreement = patch_agreement(lambda: _masks(folder, grid, label), grid.width)
    n_labelled = inside.sum(axis=1)
    is_judged, is_correct = n_labelled > 0, is_mostly_changed(inside)
    is_false = is_judged & ~is_correct
    truth = Outcomes(
        _areas_m2(agreement, grid),
        np.full(len(agreement.truth), None, object),
        agreement.is_found,
    )
    share = inside[:, 1] / np.maximum(n_labelled, 1)
    return Judged(
        blocks,
        histogram,
        agreement.scores,
        truth,
        _outcomes(patches[is_judged], is_correct[is_judged]),
        _probabilities(patches[is_judged]),
        _label_misses(name, folder, grid, agreement, truth),
        _false_alarms(name, folder, patches[is_false], share[is_false]),
    )


def _masks(
    folder: Path, grid: Grid, label: ReadMask
) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]]:
    """First row, prediction and label of every strip."""
    for window in _strips(grid):
        predicted = read_window(str(folder / "change.tif"), (1,), window)[0]
        yield window.row0, predicted, label(window)


def _labelled_pixels(
    folder: Path, grid: Grid, label: ReadMask, outlines: NDArray[np.object_]
) -> tuple[NDArray[np.int64], ScoreHistogram, NDArray[np.int64]]:
    """Confusion counts per block, score histogram, and labelled pixels inside each outline.

    The last is `(outline, 2)`: labelled unchanged, labelled changed.
    """
    score = str(folder / "score.tif")
    blocks, histogram = [], ScoreHistogram()
    inside = np.zeros((len(outlines) + 1, 2), np.int64)
    for row0, predicted, labelled in _masks(folder, grid, label):
        window = PixelWindow(row0, row0 + len(labelled), 0, grid.width)
        blocks.append(block_counts(predicted, labelled))
        histogram.add(read_window(score, (1,), window)[0], labelled)
        numbers = burn_numbers(outlines, grid, window)
        for value in (0, 1):
            found = numbers[labelled == value]
            inside[:, value] += np.bincount(found, minlength=len(inside))
    return np.concatenate(blocks), histogram, inside[1:]


def judge_planted(folder: Path, truth: gpd.GeoDataFrame, construction_like: list[str]) -> Judged:
    """Judge the comparison in `folder` by planted changes, as `patches.planted` defines it.

    Sizes are those of construction; of the other kinds, what is found lies under patches of any
    kind. No histogram of pixels: crops change where nothing was planted.
    """
    patches = read_layer(folder / "patches.gpkg", PATCHES)
    likely = patches[patches["change_kind"].isin(construction_like)]
    shown = truth[truth["is_observable"]]
    likely_outlines, built_outlines, all_outlines, shown_outlines = (
        np.asarray(table.geometry.to_numpy(), dtype=object)
        for table in (likely, truth[truth["is_construction"]], patches, shown)
    )
    by_likely = covered_share(shown_outlines, likely_outlines)
    is_built = shown["is_construction"].to_numpy(np.bool_)
    share = np.where(is_built, by_likely, covered_share(shown_outlines, all_outlines))
    is_found = share >= FOUND_SHARE
    on_built = covered_share(likely_outlines, built_outlines)
    is_correct = on_built >= FOUND_SHARE
    is_missed = is_built & ~is_found
    return Judged(
        _planted_pixels(folder, likely_outlines, built_outlines),
        None,
        PatchScores(),
        _outcomes(shown, is_found, is_built, "kind"),
        _outcomes(likely, is_correct),
        _probabilities(likely),
        tuple(
            Item("", folder, str(r.truth_id), r.geometry, str(r.kind), float(r.area_m2), s, None)
            for r, s in zip(
                shown[is_missed].itertuples(), by_likely[is_missed].tolist(), strict=True
            )
        ),
        _false_alarms("", folder, likely[~is_correct], on_built[~is_correct]),
        _outcomes(shown, is_found, kind="kind"),
        planted_scores(truth, likely),
    )


def _planted_pixels(
    folder: Path, likely: NDArray[np.object_], built: NDArray[np.object_]
) -> NDArray[np.int64]:
    """Confusion counts per block of construction-like patches and planted construction."""
    change = str(folder / "change.tif")
    grid = read_grid(folder / "change.tif")
    blocks = []
    for window in _strips(grid):
        predicted = burn_mask(likely, grid, window)
        predicted[read_window(change, (1,), window)[0] == NOT_LABELLED] = NOT_LABELLED
        blocks.append(block_counts(predicted, burn_mask(built, grid, window)))
    return np.concatenate(blocks)


def _strips(grid: Grid) -> Iterator[PixelWindow]:
    for row0 in range(0, grid.height, BLOCK_PX):
        yield PixelWindow(row0, min(row0 + BLOCK_PX, grid.height), 0, grid.width)


def _areas_m2(agreement: PatchAgreement, grid: Grid) -> NDArray[np.float64]:
    """Areas of labelled patches; in degrees by the ellipsoidal area of the central pixel."""
    n_pixels = agreement.truth.n_pixels
    if not grid.is_geographic or grid.crs is None:
        return planar_area_m2(n_pixels, grid)
    row, col = grid.height // 2, grid.width // 2
    rows = np.array([row, row, row + 1, row + 1], np.float64)
    x, y = grid.xy(rows, np.array([col, col + 1, col + 1, col], np.float64))
    pixel = np.array([shapely.Polygon(np.column_stack([x, y]))], dtype=object)
    return n_pixels.astype(np.float64) * float(ellipsoidal_area_m2(pixel, grid.crs)[0])


def _outcomes(
    table: gpd.GeoDataFrame,
    is_good: NDArray[np.bool_],
    chosen: NDArray[np.bool_] | None = None,
    kind: str = "change_kind",
) -> Outcomes:
    taken = np.ones(len(table), np.bool_) if chosen is None else chosen
    return Outcomes(
        table["area_m2"].to_numpy(np.float64)[taken],
        table[kind].to_numpy(object)[taken],
        is_good[taken],
    )


def _probabilities(patches: gpd.GeoDataFrame) -> NDArray[np.float64]:
    values: NDArray[np.float64] = patches["probability"].to_numpy(np.float64)
    return values


def _label_misses(
    name: str, folder: Path, grid: Grid, agreement: PatchAgreement, truth: Outcomes
) -> tuple[Item, ...]:
    is_missed = ~agreement.is_found
    outlines = trace_outlines(agreement.truth.select(is_missed), grid, map)
    share = agreement.predicted_px / np.maximum(agreement.truth.n_pixels, 1)
    rows = zip(outlines, truth.area_m2[is_missed], share[is_missed], strict=True)
    return tuple(
        Item(name, folder, "", outline, None, float(area), float(part), None)
        for outline, area, part in rows
    )


def _false_alarms(
    name: str, folder: Path, patches: gpd.GeoDataFrame, share: NDArray[np.float64]
) -> tuple[Item, ...]:
    return tuple(
        Item(
            name,
            folder,
            str(row.patch_id),
            row.geometry,
            str(row.change_kind),
            float(row.area_m2),
            part,
            float(row.probability),
        )
        for row, part in zip(patches.itertuples(), share.tolist(), strict=True)
    )
