"""Part of the omission audit: what the run knows of every cell, and its stratum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.change.linear import SCORE_MAX, SCORE_UNOBSERVED
from pipeline.config.load import construction_like_kinds
from pipeline.grid import Grid, PixelWindow
from pipeline.io.burning import burn_mask
from pipeline.io.rasters import read_grid, read_window
from pipeline.io.vectors import read_layer
from pipeline.patches.omission_audit import CHANGED, FAINT, QUIET, REPORTED, AuditParams
from pipeline.schema.layers import PATCHES
from pipeline.stages.context import StageContext

LEAST_M2 = 100.0
"""Area of new construction, or of a reported patch, from which it counts in a cell."""
CLEAR_SCORE, FAINT_SCORE = SCORE_MAX // 2, SCORE_MAX // 5


@dataclass(frozen=True, eq=False)
class Cells:
    """The square cells of a run's grid, row by row."""

    grid: Grid
    side_px: int
    across: int
    stratum: NDArray[np.int64]
    """`(cell,)`: number of the stratum, −1 for cells that are not seen or cut by the edge."""

    def outline(self, cell: int) -> shapely.Polygon:
        """The cell in the coordinates of the grid."""
        row, col = (part * self.side_px for part in divmod(cell, self.across))
        rows = np.array([row, row, row + self.side_px, row + self.side_px], np.float64)
        cols = np.array([col, col + self.side_px, col + self.side_px, col], np.float64)
        return shapely.Polygon(np.column_stack(self.grid.xy(rows, cols)))


def find_cells(context: StageContext, params: AuditParams) -> Cells:
    """Cut the run's grid into cells, anchored at its origin, and find the stratum of each."""
    paths = context.paths
    grid = read_grid(paths.detect_score, context.run.gsd_m)
    side = max(4, round(params.cell_m / grid.pixel_size_m))
    down, across = grid.height // side, grid.width // side
    outlines = _own_outlines(context)
    observed, clear, faint, reported = np.zeros((4, down * across), np.int64)
    for row in range(down):
        window = PixelWindow(row * side, (row + 1) * side, 0, across * side)
        score = read_window(str(paths.detect_score), (1,), window)[0]
        change = read_window(str(paths.extract_change), (1,), window)[0]
        own = (change == 1) & (burn_mask(outlines, grid, window) == 1)
        is_seen = score != SCORE_UNOBSERVED
        at = slice(row * across, (row + 1) * across)
        observed[at] = _per_cell(is_seen, side)
        clear[at] = _per_cell(is_seen & (score >= CLEAR_SCORE), side)
        faint[at] = _per_cell(is_seen & (score >= FAINT_SCORE), side)
        reported[at] = _per_cell(own, side)
    least_px = max(1, round(LEAST_M2 / grid.pixel_area_m2))
    stratum = np.full(down * across, QUIET, np.int64)
    for number, pixels in ((FAINT, faint), (CHANGED, clear), (REPORTED, reported)):
        stratum[pixels >= least_px] = number
    stratum[observed < params.min_observed * side * side] = -1
    return Cells(grid, side, across, stratum)


def _per_cell(mask: NDArray[np.bool_], side: int) -> NDArray[np.int64]:
    """How many pixels of each cell of one row of cells are True."""
    cells = mask.reshape(side, -1, side)
    return np.asarray(cells.sum(axis=(0, 2)), np.int64)


def _own_outlines(context: StageContext) -> NDArray[np.object_]:
    """Outlines of the construction-like patches that the run found itself.

    Of a patch that was also issued it is the issued outline, most of which the run may not have
    found: only what was detected inside it counts as reported.
    """
    patches = read_layer(context.paths.extract_patches, PATCHES)
    like = construction_like_kinds()
    is_own = patches["source"].isin(["detected", "both"]) & patches["change_kind"].isin(like)
    return np.asarray(patches.geometry[is_own].to_numpy(), dtype=object)
