"""What people verified in closed runs, as labels: judged change, judged 伪变化, and nothing else.

Land that nobody judged is not labelled. Only where someone signs that a run missed nothing
(`no other change`) does the rest of the pieces around judged patches count as unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipeline.change.learned.samples import NOT_LABELLED, SPLIT_BLOCK_PX, LabelledScene, thinned
from pipeline.config.models import RunConfig
from pipeline.errors import Finding, InputError
from pipeline.grid import Grid, PixelWindow
from pipeline.io.burning import burn_numbers
from pipeline.io.digests import content_digest
from pipeline.io.rasters import read_grid, read_window
from pipeline.io.reports import read_json
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import read_layer
from pipeline.schema.register_layers import CLOSED_PATCHES
from pipeline.stages.train_data import LabelledData

BUILT_JUDGEMENTS = ("new_lawful", "new_violation")
BUILT_DETAILS = ("facility", "temporary", "rural_road")
"""Not construction land by law, but built: an image shows no permits."""
FALSE_DETAILS = ("unchanged", "false_change")
GROUP_BLOCKS = 2
"""Pieces are set aside in squares of this many, so that neighbours stay together."""


def verdicts(patches: pd.DataFrame) -> NDArray[np.uint8]:
    """What the bureau signed of every patch: 1 really built, 0 no change, 255 neither or open."""
    judgement, detail = patches["judgement"], patches["judgement_detail"]
    found = np.full(len(patches), NOT_LABELLED, np.uint8)
    is_built = judgement.isin(BUILT_JUDGEMENTS) | detail.isin(BUILT_DETAILS)
    found[is_built.to_numpy()] = 1
    found[detail.isin(FALSE_DETAILS).to_numpy()] = 0
    return found


def read_verified(config: RunConfig, paths: RunPaths, is_complete: bool) -> LabelledData:
    """The judged patches of a closed run with its aligned images, in pieces of 512 px.

    `is_complete`: someone signed that there is no other change. Raises `InputError` E-TRAIN-DATA
    for a run that was not closed or has no signed verdict.
    """
    shapes, values = _judged(config, paths)
    grid = read_grid(paths.align_before, config.gsd_m)
    roles = tuple(read_json(paths.align_fit)["roles"])
    files = {
        "books": paths.books,
        "before": paths.align_before,
        "after": paths.align_after,
        "valid": paths.align_valid,
    }
    bands = tuple(range(1, len(roles) + 1))
    scenes = tuple(
        _piece(config.run, files, bands, window, _labels(grid, window, shapes, values, is_complete))
        for window in _windows(grid, shapes[values != NOT_LABELLED])
    )
    sample = thinned(scenes)
    scenes = tuple(replace(scene, sample=sample) for scene in scenes)
    digests = {f"{config.run}/{name}": content_digest(path) for name, path in files.items()}
    size = grid.pixel_size_m
    return LabelledData(scenes, roles, (size, size), digests, is_directional=True)


def judged_mask(config: RunConfig, paths: RunPaths, grid: Grid) -> NDArray[np.uint8]:
    """1 in patches judged as real change, 0 in those judged as none, 255 elsewhere, `(y, x)`."""
    shapes, values = _judged(config, paths)
    return _labels(grid, grid.window, shapes, values, False)


def _judged(config: RunConfig, paths: RunPaths) -> tuple[NDArray[np.object_], NDArray[np.uint8]]:
    """Outlines of a closed run and what was signed of them, in the order they are drawn."""
    for needed in (paths.books, paths.align_before, paths.align_fit):
        if not needed.is_file():
            raise _not_closed(config.run, str(needed))
    patches = read_layer(paths.books, CLOSED_PATCHES)
    verdict = verdicts(patches)
    if np.all(verdict == NOT_LABELLED):
        raise _not_closed(config.run, "没有局签署的判定")
    # Real change is drawn last: where a false patch overlaps it, the building counts.
    order = np.argsort(np.select([verdict == 1, verdict == 0], [2, 1], 0), kind="stable")
    shapes, values = patches.geometry.to_numpy()[order], verdict[order]
    return shapes, values


def _windows(grid: Grid, shapes: NDArray[np.object_]) -> list[PixelWindow]:
    """The 512-px blocks of the grid that the judged patches touch, row-major."""
    x0, y0, x1, y1 = shapely.bounds(shapes).T
    corners = [grid.rowcol(x, y) for x in (x0, x1) for y in (y0, y1)]
    rows, cols = (np.array([corner[axis] for corner in corners]) for axis in (0, 1))
    last = ((grid.height - 1) // SPLIT_BLOCK_PX, (grid.width - 1) // SPLIT_BLOCK_PX)
    first_row, last_row, first_col, last_col = (
        np.clip(edge // SPLIT_BLOCK_PX, 0, last[axis]).astype(int)
        for axis, edge in ((0, rows.min(0)), (0, rows.max(0)), (1, cols.min(0)), (1, cols.max(0)))
    )
    found = {
        (row, col)
        for n in range(len(shapes))
        for row in range(first_row[n], last_row[n] + 1)
        for col in range(first_col[n], last_col[n] + 1)
    }
    size = SPLIT_BLOCK_PX
    return [
        PixelWindow(row * size, (row + 1) * size, col * size, (col + 1) * size).clip(
            grid.height, grid.width
        )
        for row, col in sorted(found)
    ]


def _labels(
    grid: Grid,
    window: PixelWindow,
    shapes: NDArray[np.object_],
    values: NDArray[np.uint8],
    is_complete: bool,
) -> NDArray[np.uint8]:
    rest = 0 if is_complete else NOT_LABELLED
    by_number = np.concatenate([np.array([rest], np.uint8), values])
    return by_number[burn_numbers(shapes, grid, window)]


def _piece(
    run: str,
    files: Mapping[str, Path],
    bands: tuple[int, ...],
    window: PixelWindow,
    label: NDArray[np.uint8],
) -> LabelledScene:
    before, after, valid = (
        read_window(str(files[name]), numbers, window)
        for name, numbers in (("before", bands), ("after", bands), ("valid", (1,)))
    )
    label[valid[0] != 0] = NOT_LABELLED
    side = GROUP_BLOCKS * SPLIT_BLOCK_PX
    name = f"{run}[{window.row0},{window.col0}]"
    group = f"{run}#{window.row0 // side}_{window.col0 // side}"
    return LabelledScene(name, group, before, after, label)


def _not_closed(run: str, value: str) -> InputError:
    return InputError(
        Finding(
            "E-TRAIN-DATA",
            "这期还没有可用的核查判定，不能用来训练。",
            where=run,
            value=value,
            allowed="已运行 make close、判定已由局签署的运行",
            advice=f"先回收并签署：make close RUN={run}。",
        )
    )
