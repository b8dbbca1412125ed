"""The pixels of one delivered image at intake: nodata, statistics, saturation, covered outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.grid import BLOCK_PX, Grid, PixelWindow, tiles
from pipeline.imagery.alignment import working_grid
from pipeline.imagery.coverage import covered_outline
from pipeline.imagery.quality import (
    CELL_PX,
    ImageStats,
    SaturatedBlock,
    SaturationJob,
    Survey,
    SurveyJob,
    chosen_blocks,
    merge_stats,
    saturation_tile,
    survey_tile,
)
from pipeline.imagery.quality_checks import saturation_level
from pipeline.imagery.validity import NodataRule
from pipeline.io.pairs import find_nodata_rule
from pipeline.io.scenes import SceneFile
from pipeline.io.tiles import Dispatcher, Source, TileJob, run_tiles
from pipeline.patches.layer_crs import to_crs
from pipeline.stages.intake_images import Frame


@dataclass(frozen=True, eq=False)
class Surveyed:
    """What one image's pixels say."""

    file: SceneFile
    rule: NodataRule
    stats: ImageStats
    levels: tuple[float | None, ...]
    """Value at which each band is saturated; None if it is not."""
    saturated: tuple[SaturatedBlock, ...]
    """Every block that was looked at; empty if no band is saturated."""
    covered_ratio: float
    """Share of the image with data."""
    covered: BaseGeometry
    """Outline of what the image shows, pixel coordinates (x = column, y = row)."""
    outline_error_m: float
    """Pieces narrower than this may come from the outline's cells; 0 if it is the whole image."""

    @property
    def sampled_text(self) -> str:
        """A remark where only a lattice of blocks was looked at; else empty."""
        n_blocks = ceil(self.grid.height / BLOCK_PX) * ceil(self.grid.width / BLOCK_PX)
        n_seen = len(self.stats.blocks)
        return "" if n_seen == n_blocks else f"（{n_blocks} 块中抽查了 {n_seen} 块）"

    @property
    def grid(self) -> Grid:
        """The image's own grid."""
        return self.file.scene.grid

    def placed(self, area: BaseGeometry, frame: Frame) -> BaseGeometry | None:
        """An area in pixel coordinates, in the working CRS; None if there is none."""
        grid = self.grid
        if frame.crs is None or grid.crs is None or shapely.is_empty(area):
            return None

        def onto_ground(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack(grid.xy(points[:, 1], points[:, 0]))

        own = np.array([shapely.transform(area, onto_ground)], dtype=object)
        (found,) = to_crs(own, grid.crs, frame.crs)
        placed: BaseGeometry = found
        return placed

    def of_windows(self, windows: Sequence[PixelWindow], frame: Frame) -> BaseGeometry | None:
        """What the image shows of these windows, in the working CRS."""
        boxes = [shapely.box(w.col0, w.row0, w.col1, w.row1) for w in windows]
        return self.placed(shapely.intersection(shapely.union_all(boxes), self.covered), frame)


def survey_image(file: SceneFile, through: Dispatcher) -> Surveyed | None:
    """Read one image; None if it has no pixel with data."""
    rule = find_nodata_rule(file, through)
    grid = file.scene.grid
    chosen = chosen_blocks(grid.height, grid.width)
    blocks = tiles(grid.height, grid.width, BLOCK_PX)
    is_trivial = rule.is_trivial(file.scene.dtype)
    if is_trivial and chosen is not None:
        blocks = [tile for tile in blocks if tile.index in chosen]
    surveys: list[Survey] = _run(file, rule, survey_tile, SurveyJob(rule, chosen), blocks, through)
    stats: ImageStats | None = None
    for survey in surveys:
        if survey.stats is not None:
            stats = survey.stats if stats is None else merge_stats(stats, survey.stats)
    if stats is None or not stats.covered_pixels:
        return None
    whole: BaseGeometry = shapely.box(0, 0, grid.width, grid.height)
    covered, ratio = whole, 1.0
    if not is_trivial:
        cells = _cells(surveys, grid)
        ratio = float(cells.mean())
        covered = whole if cells.all() else covered_outline(cells, grid.height, grid.width)
    levels = tuple(saturation_level(h, stats.first_value) for h in stats.histograms)
    saturated: tuple[SaturatedBlock, ...] = ()
    if any(level is not None for level in levels):
        job = SaturationJob(rule, tuple(np.inf if v is None else v for v in levels))
        seen = blocks if chosen is None else [tile for tile in blocks if tile.index in chosen]
        saturated = tuple(_run(file, rule, saturation_tile, job, seen, through))
    cell_m = 0.0
    placed = working_grid(grid)
    if covered is not whole and (placed.crs is not None or placed.gsd_m is not None):
        cell_m = CELL_PX * placed.pixel_size_m
    return Surveyed(file, rule, stats, levels, saturated, ratio, covered, cell_m)


def _run(
    file: SceneFile,
    rule: NodataRule,
    function: Any,
    job: Any,
    blocks: Sequence[Any],
    through: Dispatcher,
) -> list[Any]:
    """What a tile function finds in these blocks, in their order."""
    source = Source(str(file.path), file.scene.band_numbers, None, rule.mask_bands)
    outputs = run_tiles(
        TileJob(function, {"image": source}, job), blocks, through, lambda done, total: None
    )
    return [partial for _, output in outputs for _, partial in output.partials]


def _cells(surveys: Sequence[Survey], grid: Grid) -> NDArray[np.bool_]:
    """The cells of all blocks put together."""
    per_block = BLOCK_PX // CELL_PX
    shape = (
        ceil((grid.height - CELL_PX // 2) / CELL_PX),
        ceil((grid.width - CELL_PX // 2) / CELL_PX),
    )
    cells = np.zeros((max(shape[0], 1), max(shape[1], 1)), np.bool_)
    for survey in surveys:
        row = survey.window.row0 // BLOCK_PX * per_block
        col = survey.window.col0 // BLOCK_PX * per_block
        rows, cols = survey.cells.shape
        cells[row : row + rows, col : col + cols] = survey.cells
    return cells
