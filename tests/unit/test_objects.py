"""Figures of objects against plain arithmetic, and the score that adds them up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from pipeline.change.objects import (
    N_SUMS,
    OBJECT_HALO_PX,
    ObjectJob,
    RunTable,
    measure_objects,
    object_figures,
)
from pipeline.change.traces import fit_grey, grey_of
from pipeline.config.load import CONSTRUCTION_TREES
from pipeline.grid import PixelWindow, RasterWindow, Tile
from pipeline.io.reports import read_json
from pipeline.patches.classed import FAINT, LIKELY, OTHER, ClassedBuilder
from pipeline.patches.components import Components, find_components
from pipeline.patches.construction import (
    FIELD,
    WEAK,
    ConstructionParams,
    build_trees,
    points_of,
    verdict_otherwise,
)
from pipeline.patches.opinions import Opinion, by_opinions
from pipeline.patches.scorecard import BASE_POINTS, SCORECARD
from pipeline.patches.shapes import shape_figures


def world(seed: int) -> tuple[Components, NDArray[np.uint16], NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    mask = (rng.random((40, 50)) < 0.55).astype(np.uint8)
    score = rng.integers(0, 10_001, mask.shape).astype(np.uint16)
    score[rng.random(mask.shape) < 0.05] = 65_535
    mask[score == 65_535] = 0
    return find_components(mask), score, rng.integers(1, 256, (5, *mask.shape)).astype(np.uint8)


def summed(
    components: Components,
    score: NDArray[np.uint16],
    traces: NDArray[np.uint8],
    cut: list[PixelWindow],
) -> NDArray[np.int64]:
    index = components.by_row
    job = ObjectJob(RunTable(index.row_offsets, index.runs, index.component))
    sums = np.zeros((len(components), N_SUMS), np.int64)
    for number, core in enumerate(cut):
        padded = core.pad(OBJECT_HALO_PX).clip(*score.shape)
        at = np.s_[:, padded.row0 : padded.row1, padded.col0 : padded.col1]
        sources = {
            name: RasterWindow(np.ascontiguousarray(array[at]), padded.row0, padded.col0)
            for name, array in (("score", score[None]), ("traces", traces))
        }
        [(_, (present, part))] = measure_objects(Tile(number, core, padded), sources, job).partials
        sums[present] += part
    return sums


@pytest.mark.parametrize("seed", range(5))
def test_tiles_do_not_show_in_the_sums(seed: int) -> None:
    components, score, traces = world(seed)
    whole = summed(components, score, traces, [PixelWindow(0, 40, 0, 50)])
    row, col = 7 + 5 * seed, 41 - 6 * seed
    pieces = [
        PixelWindow(r0, r1, c0, c1)
        for r0, r1 in ((0, row), (row, 40))
        for c0, c1 in ((0, col), (col, 50))
    ]
    assert (whole == summed(components, score, traces, pieces)).all()
    assert (whole[:, 0] == components.n_pixels).all()


def test_figures_of_a_square_by_hand() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 1
    score = np.full(mask.shape, 5000, np.uint16)
    traces = np.full((5, 20, 20), 96, np.uint8)
    traces[0], traces[1], traces[2] = 1, 144, 160  # plants before; 2 and 4 nats after
    traces[4, 5:15, 5:15] = 128  # one standard deviation brighter after
    sums = summed(find_components(mask), score, traces, [PixelWindow(0, 20, 0, 20)])
    found = {name: float(value[0]) for name, value in object_figures(sums, 4.0).items()}
    assert found["log_area"] == pytest.approx(np.log(400))
    assert found["built_after"] == 2.0
    assert found["no_soil_after"] == 4.0
    assert found["planted_before"] == 1.0
    assert found["change"] == pytest.approx(1.0)
    assert found["over_threshold"] == 1.0
    assert found["edge_before"] == 0.0
    assert found["edge_after"] == 1.0
    assert found["rise"] == 1.0
    assert found["raggedness"] == 4.0
    assert found["roughness_before"] == 0.0


def test_shapes_of_a_turned_rectangle_and_of_an_l() -> None:
    box = shapely.box(0, 0, 30, 10)
    ell = shapely.union_all([shapely.box(0, 0, 10, 30), shapely.box(0, 0, 30, 10)])
    turned = shapely.affinity.rotate(box, 30)
    found = shape_figures(np.array([box, turned, ell], dtype=object))
    assert found["rectangle_fill"] == pytest.approx([1, 1, 5 / 9])
    assert found["elongation"] == pytest.approx([np.log(3), np.log(3), 0], abs=1e-9)
    assert found["solidity"][2] == pytest.approx(500 / 700)


def walked(tree: Any, row: dict[str, float], names: list[str]) -> float:
    while isinstance(tree, list):
        figure, limit, yes, no = tree
        tree = yes if row[names[figure]] <= limit else no
    return float(tree)


def test_points_are_the_sum_over_the_trees_of_the_file() -> None:
    told = read_json(CONSTRUCTION_TREES)
    trees = build_trees(told)
    rng = np.random.default_rng(3)
    # On both sides of limits the file really has, and exactly on them.
    figures = {}
    for number, name in enumerate(trees.names):
        limits = trees.limit[trees.figure == number]
        figures[name] = rng.choice(limits, 50) + rng.choice([-1e-3, 0.0, 1e-3], 50)
    points, card = points_of(figures, trees)
    of_card = [np.interp(figures[piece.figure], piece.at, piece.points) for piece in SCORECARD]
    assert card == pytest.approx(BASE_POINTS + np.sum(of_card, axis=0), abs=2e-6)
    for k in range(50):
        row = {name: float(values[k]) for name, values in figures.items()}
        own = told["base"] + sum(walked(tree, row, told["figures"]) for tree in told["trees"])
        assert points[k] == pytest.approx(own, abs=2e-6)
    assert np.unique(points).size > 40


def test_every_figure_the_trees_ask_for_is_measured() -> None:
    components, score, traces = world(1)
    sums = summed(components, score, traces, [PixelWindow(0, 40, 0, 50)])
    outline = np.array([shapely.box(0, 0, 3, 1)], dtype=object)
    measured = object_figures(sums, 4.0).keys() | shape_figures(outline).keys()
    assert set(build_trees(read_json(CONSTRUCTION_TREES)).names) <= measured


def test_what_is_not_construction_is_a_field_or_too_weak() -> None:
    found = verdict_otherwise({"over_threshold": np.array([0.6, 0.4])}, ConstructionParams())
    assert found.tolist() == [FIELD, WEAK]


def test_the_mean_of_the_opinions_decides_per_pixel() -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[4:14, 2:22], mask[4:14, 28:38] = 1, 1  # a yard fused with a field; a field apart
    mask[16:18, 0:4] = 2
    builder = ClassedBuilder(40)
    builder.add_strip(0, mask)
    components = builder.finish(1).components
    pieces = np.zeros_like(mask)
    pieces[4:14, 2:12] = 1
    own = components.select(np.array([True, True, False]))
    opinions = (
        Opinion(own.by_row, np.array([[-3.0, -3.5], [0.0, 0.0]])),
        Opinion(find_components(pieces).by_row, np.array([[0.0], [-1.0]])),
    )
    classes = np.array([OTHER, FAINT, OTHER], np.int32)
    found = by_opinions(components, classes, opinions, (-2.0, -1.0), 4)
    assert sorted(found.components.n_pixels.tolist()) == [8, 100, 100, 100]
    first = found.components.bbox[:, 2].tolist()
    of_first = dict(zip(first, found.classes.tolist(), strict=True))
    assert of_first == {2: LIKELY, 12: OTHER, 28: FAINT, 0: OTHER}
    # The control: with the limit above the mean of either judge nothing is construction.
    assert LIKELY not in by_opinions(components, classes, opinions, (-1.4, -1.0), 4).classes
    assert LIKELY not in by_opinions(components, classes, opinions, (-2.0, -0.4), 4).classes


def test_every_piece_of_the_scorecard_is_in_order_and_named_once() -> None:
    assert len({piece.figure for piece in SCORECARD}) == len(SCORECARD)
    for piece in SCORECARD:
        assert len(piece.at) == len(piece.points)
        assert list(piece.at) == sorted(set(piece.at))
        assert min(piece.points) == 0.0
        assert piece.label_zh


def test_grey_is_in_units_of_the_images_own_spread() -> None:
    rng = np.random.default_rng(1)
    image = rng.normal(500, 40, (4, 1, 5000)).astype(np.float32)
    rule = fit_grey(image.reshape(4, -1))
    grey = grey_of(image, rule).astype(float)
    assert grey.mean() == pytest.approx(96, abs=0.5)
    assert grey.std() == pytest.approx(32 / 2, rel=0.05)  # four independent bands halve it
    again = grey_of(image * 3 + 100, fit_grey((image * 3 + 100).reshape(4, -1)))
    assert np.abs(again - grey).max() <= 1
