"""Shapes of objects, and what becomes of construction-like objects that weigh too little."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from pipeline.grid import PixelWindow
from pipeline.patches.classed import FAINT, LIKELY, OTHER, ClassedBuilder
from pipeline.patches.components import ComponentSums, find_components
from pipeline.patches.shapes import shape_figures


def test_shapes_of_a_turned_rectangle_and_of_an_l() -> None:
    box = shapely.box(0, 0, 30, 10)
    ell = shapely.union_all([shapely.box(0, 0, 10, 30), shapely.box(0, 0, 30, 10)])
    turned = shapely.affinity.rotate(box, 30)
    found = shape_figures(np.array([box, turned, ell], dtype=object))
    assert found["rectangle_fill"] == pytest.approx([1, 1, 5 / 9])
    assert found["elongation"] == pytest.approx([np.log(3), np.log(3), 0], abs=1e-9)
    assert found["solidity"][2] == pytest.approx(500 / 700)


def test_construction_other_change_and_faint_objects_stay_apart() -> None:
    mask = np.zeros((8, 30), np.uint8)
    mask[2:6, 2:10], mask[2:6, 10:18], mask[2:6, 18:28] = LIKELY, OTHER, FAINT
    builder = ClassedBuilder(30)
    builder.add_strip(0, mask)
    found = builder.finish(4)
    assert found.classes.tolist() == [LIKELY, OTHER, FAINT]
    assert found.is_likely.tolist() == [True, False, False]


def test_majority_among_some_of_the_counted_values() -> None:
    raster = np.array([[11, 12, 12, 40, 40, 40]], np.uint8)
    sums = ComponentSums(find_components(np.ones((1, 6), np.uint8)), (0, 11, 12, 40))
    sums.add_window(PixelWindow(0, 1, 0, 6), raster)
    assert sums.majority(0).tolist() == [40]
    assert sums.majority(10, among=(11, 12)).tolist() == [12]
    assert sums.majority(10, among=(0,)).tolist() == [10]
