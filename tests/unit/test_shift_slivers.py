"""Slivers that a displacement explains go; narrow things that are new stay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.change.objects import RunTable
from pipeline.change.shift_evidence import (
    COLUMNS,
    HALO_PX,
    Line,
    ShiftEvidenceJob,
    measure_shift_evidence,
)
from pipeline.grid import RasterWindow, tiles
from pipeline.patches.components import ComponentBuilder, Components
from pipeline.patches.shift_slivers import ShiftSliverParams, SliverFigures, shift_slivers

PARAMS = ShiftSliverParams()
SIZE = 600
LINE = Line(0.5, 100.0, 4.0)
"""before = 0.5 · after + 100"""


def ground(shift_px: float = 0.0, road: tuple[int, int] | None = None) -> NDArray[np.uint16]:
    """A bright yard in a dark field, moved to the right; a new pale road besides."""
    image = np.full((SIZE, SIZE), 300.0)
    image[100:300, 100:300] = 500.0
    image = ndimage.shift(image, (0, shift_px), order=1, mode="nearest")
    if road is not None:
        image[400:500, road[0] : road[1]] = 420.0
    rng = np.random.default_rng(round(10 * shift_px) + 5)
    return np.asarray(np.rint(image + rng.normal(0, 2, image.shape)), np.uint16)


def later(image: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The same under the other date's gain."""
    return np.asarray((image.astype(float) - LINE.offset) / LINE.gain, np.uint16)


def objects_of(mask: NDArray[np.bool_]) -> Components:
    builder = ComponentBuilder(SIZE)
    builder.add_strip(0, mask.astype(np.uint8))
    return builder.finish()


def evidence(
    before: NDArray[np.uint16],
    after: NDArray[np.uint16],
    components: Components,
    tile_px: int = 1024,
    line: Line = LINE,
) -> NDArray[np.int64]:
    index = components.by_row
    job = ShiftEvidenceJob(RunTable(index.row_offsets, index.runs, index.component), (line,))
    sums = np.zeros((len(components), len(COLUMNS)), np.int64)
    rasters = {"before": before, "after": after, "valid": np.zeros(before.shape, np.uint8)}
    for tile in tiles(SIZE, SIZE, tile_px, HALO_PX):
        p = tile.padded
        sources = {
            name: RasterWindow(raster[None, p.row0 : p.row1, p.col0 : p.col1], p.row0, p.col0)
            for name, raster in rasters.items()
        }
        for _, (present, part) in measure_shift_evidence(tile, sources, job).partials:
            sums[present] += part
    return sums


def judged(sums: NDArray[np.int64], residual_px: float) -> list[bool]:
    at = {name: sums[:, k] for k, name in enumerate(COLUMNS)}
    figures = SliverFigures(
        np.full(len(sums), residual_px),
        at["n"],
        {1: at["explained_1"], 2: at["explained_2"]},
        {1: at["core_1"], 2: at["core_2"]},
    )
    return shift_slivers(figures, PARAMS).tolist()


@pytest.mark.parametrize(("shift_px", "residual_px"), [(0.7, 0.7), (1.0, 0.9), (1.6, 1.6)])
def test_slivers_along_an_edge_are_explained_and_a_new_road_is_not(
    shift_px: float, residual_px: float
) -> None:
    width = 2 if residual_px > 1 else 1
    road = (450, 450 + width)
    before, after = ground(), later(ground(shift_px, road))
    change = np.abs(before.astype(float) - (LINE.gain * after + LINE.offset)) > 60
    components = objects_of(change)
    sums = evidence(before, after, components)
    large = sums[:, 0] >= 50
    verdict = np.array(judged(sums, residual_px))[large]
    is_road = components.bbox[large, 0] >= 390
    assert is_road.sum() == 1
    assert (~is_road).sum() == 2  # the left and the right side of the yard
    assert verdict[~is_road].all()
    assert not verdict[is_road].any()
    # a registration that is known to be good explains nothing, an unknown one neither
    assert not any(judged(sums, 0.1))
    assert not any(judged(sums, np.nan))


def test_a_wide_object_is_no_sliver_however_it_is_explained() -> None:
    before, after = ground(), later(ground(8.0))
    change = np.abs(before.astype(float) - (LINE.gain * after + LINE.offset)) > 60
    sums = evidence(before, after, objects_of(change))
    assert not any(judged(sums, 2.0))


def test_swapping_the_dates_and_cutting_tiles_changes_nothing() -> None:
    before, after = ground(), later(ground(0.7, (450, 451)))
    change = np.abs(before.astype(float) - (LINE.gain * after + LINE.offset)) > 60
    components = objects_of(change)
    whole = evidence(before, after, components)
    np.testing.assert_array_equal(evidence(before, after, components, 512), whole)
    inverse = Line(1 / LINE.gain, -LINE.offset / LINE.gain, LINE.sigma / LINE.gain)
    np.testing.assert_array_equal(evidence(after, before, components, line=inverse), whole)
