"""What people verified in closed runs, as labels: judged change, judged 伪变化, and nothing else.

Land that nobody judged is not labelled. Only where someone signs that a run missed nothing
(`no other change`) does the rest of the pieces around judged patches count as unchanged.

The later image of one quarter is the earlier one of the next. So pieces belong to squares of the
ground, the same in every run, and a square is learned from or examined on, never both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipeline.change.learned.samples import NOT_LABELLED, SPLIT_BLOCK_PX, LabelledScene
from pipeline.change.sample import SampleParams, join_samples, sample_plan, take_sample
from pipeline.config.models import RunConfig
from pipeline.errors import Finding, InputError
from pipeline.grid import Grid, PixelWindow
from pipeline.io.burning import burn_numbers
from pipeline.io.digests import content_digest
from pipeline.io.rasters import read_grid, read_window
from pipeline.io.reports import read_json
from pipeline.io.runs import RunPaths
from pipeline.io.tiles import TileJob
from pipeline.io.vectors import read_layer
from pipeline.schema.register_layers import CLOSED_PATCHES
from pipeline.stages.inputs import aligned_sources
from pipeline.stages.train_data import LabelledData

BUILT_JUDGEMENTS = ("new_lawful", "new_violation")
BUILT_DETAILS = ("facility", "temporary", "rural_road")
"""Not construction land by law, but built: an image shows no permits."""
FALSE_DETAILS = ("unchanged", "false_change")
SQUARE_M = 2048
"""Side of the ground squares that are set aside whole, in units of the CRS."""


def verdicts(patches: pd.DataFrame) -> NDArray[np.uint8]:
    """What the bureau signed of every patch: 1 really built, 0 no change, 255 neither or open."""
    judgement, detail = patches["judgement"], patches["judgement_detail"]
    found = np.full(len(patches), NOT_LABELLED, np.uint8)
    is_built = judgement.isin(BUILT_JUDGEMENTS) | detail.isin(BUILT_DETAILS)
    found[is_built.to_numpy()] = 1
    found[detail.isin(FALSE_DETAILS).to_numpy()] = 0
    return found


def read_runs(runs: Sequence[tuple[RunConfig, RunPaths]], is_complete: bool) -> list[LabelledData]:
    """`read_verified` of every run. Raises `InputError` E-TRAIN-DATA if they are in several CRS:
    then the same ground could not be known again."""
    data = [read_verified(config, paths, is_complete) for config, paths in runs]
    grids = [read_grid(paths.align_before, config.gsd_m) for config, paths in runs]
    others = [grid.crs for grid in grids if grid.crs != grids[0].crs]
    if others:
        raise InputError(
            Finding(
                "E-TRAIN-DATA",
                "各期的坐标系不同，认不出同一块地，检验样本会与训练样本重复。",
                where="、".join(config.run for config, _ in runs),
                value="、".join(sorted({grid.crs.name if grid.crs else "无" for grid in grids})),
                allowed="各期同一坐标系",
                advice="分开训练，或把影像转到同一坐标系后重新运行这几期。",
            )
        )
    return data


def read_verified(config: RunConfig, paths: RunPaths, is_complete: bool) -> LabelledData:
    """The judged patches of a closed run with its aligned images, in pieces of up to 512 px.

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
    sample = _detection_sample(paths, grid, len(roles), config.settings.detect.sample)
    scenes = []
    for piece in _pieces(grid, config.run, shapes[values != NOT_LABELLED]):
        label = _labels(grid, piece.window, shapes, values, is_complete)
        scene = _scene(config.run, files, bands, piece, label)
        scenes.append(replace(scene, sample=sample))
    digests = {f"{config.run}/{name}": content_digest(path) for name, path in files.items()}
    size = grid.pixel_size_m
    return LabelledData(tuple(scenes), roles, (size, size), digests, is_directional=True)


def _detection_sample(
    paths: RunPaths, grid: Grid, n_bands: int, params: SampleParams
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The pixels by which detection normalises this run's images."""
    blocks, step = sample_plan(grid.height, grid.width, params)
    job = TileJob(take_sample, aligned_sources(paths, n_bands), step)
    sample = join_samples([part for tile in blocks for _, part in job(tile).partials])
    return sample.before, sample.after


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


class Piece(NamedTuple):
    """A part of a run's grid inside one square of the ground."""

    window: PixelWindow
    group: str
    """Names the square."""


def _pieces(grid: Grid, run: str, shapes: NDArray[np.object_]) -> list[Piece]:
    """The pieces of the grid that the judged patches touch, row-major."""
    row_edges, row_squares = _cuts(grid, axis=0)
    col_edges, col_squares = _cuts(grid, axis=1)
    x0, y0, x1, y1 = shapely.bounds(shapes).T
    corners = [grid.rowcol(x, y) for x in (x0, x1) for y in (y0, y1)]
    rows, cols = (np.array([corner[axis] for corner in corners]) for axis in (0, 1))

    def spans(values: NDArray[np.float64], edges: NDArray[np.int64]) -> NDArray[np.int64]:
        """First and last piece `(2, patch)` that the patches touch along one axis."""
        ends = np.stack([values.min(axis=0), values.max(axis=0)])
        return np.clip(np.searchsorted(edges, ends, "right") - 1, 0, edges.size - 2)

    first_row, last_row = spans(rows, row_edges)
    first_col, last_col = spans(cols, col_edges)
    found = {
        (row, col)
        for n in range(len(shapes))
        for row in range(first_row[n], last_row[n] + 1)
        for col in range(first_col[n], last_col[n] + 1)
    }
    prefix = "" if _is_north_up(grid) else f"{run}#"
    return [
        Piece(
            PixelWindow(*map(int, (*row_edges[row : row + 2], *col_edges[col : col + 2]))),
            f"{prefix}x{col_squares[col] * SQUARE_M}y{row_squares[row] * SQUARE_M}",
        )
        for row, col in sorted(found)
    ]


def _cuts(grid: Grid, axis: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixel edges `(n + 1,)` of the pieces along an axis, and the ground square `(n,)` of each.

    Squares count from the origin of the CRS; on a grid that is not north-up, from its own.
    """
    length = (grid.height, grid.width)[axis]
    centres = np.linspace(0.5, length - 0.5, length, dtype=np.float64)
    zeros = np.zeros(length, np.float64)
    if _is_north_up(grid):
        place = grid.xy(centres, zeros)[1] if axis == 0 else grid.xy(zeros, centres)[0]
    else:
        place = centres * grid.pixel_size_m
    square = np.floor(place / SQUARE_M).astype(np.int64)
    borders = [0, *(np.flatnonzero(np.diff(square)) + 1).tolist(), length]
    edges = [0]
    for first, last in pairwise(borders):
        n_parts = ceil((last - first) / SPLIT_BLOCK_PX)
        edges += [first + (last - first) * k // n_parts for k in range(1, n_parts + 1)]
    return np.array(edges), square[edges[:-1]]


def _is_north_up(grid: Grid) -> bool:
    return grid.transform[1] == grid.transform[3] == 0


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


def _scene(
    run: str,
    files: Mapping[str, Path],
    bands: tuple[int, ...],
    piece: Piece,
    label: NDArray[np.uint8],
) -> LabelledScene:
    window = piece.window
    before, after, valid = (
        read_window(str(files[name]), numbers, window)
        for name, numbers in (("before", bands), ("after", bands), ("valid", (1,)))
    )
    seen = valid[0] == 0
    label[~seen] = NOT_LABELLED
    name = f"{run}[{window.row0},{window.col0}]"
    return LabelledScene(name, piece.group, before, after, label, seen=seen)


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
