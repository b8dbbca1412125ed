"""Components of two classes, drawn: `c` construction-like, `o` other, `.` nothing, `?` unseen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.grid import PixelWindow
from pipeline.patches.classed import ClassedBuilder, ClassedComponents
from pipeline.patches.components import burn

VALUES = {".": 0, "c": 1, "o": 2, "?": 255}


def mask_of(*rows: str) -> NDArray[np.uint8]:
    return np.array([[VALUES[c] for c in row] for row in rows], np.uint8)


def built(mask: NDArray[np.uint8], small_px: int, strip: int = 2) -> ClassedComponents:
    builder = ClassedBuilder(mask.shape[1])
    for row0 in range(0, mask.shape[0], strip):
        builder.add_strip(row0, mask[row0 : row0 + strip])
    return builder.finish(small_px)


def painted(found: ClassedComponents) -> NDArray[np.uint8]:
    """The classes put back on a raster."""
    components = found.components
    out = np.zeros((components.height, components.width), np.uint8)
    window = PixelWindow(0, components.height, 0, components.width)
    for likely, value in ((True, 1), (False, 2)):
        burn(components.select(found.is_likely == likely), window, out, value)
    return out


def test_接壤的两类不并成一个() -> None:
    found = built(mask_of("ooooo", "occco", "occco", "ooooo"), small_px=1)
    assert found.components.n_pixels.tolist() == [14, 6]
    assert found.is_likely.tolist() == [False, True]
    assert found.components.bbox.tolist() == [[0, 4, 0, 5], [1, 3, 1, 4]]


def test_小块并入较大的邻块_孤立的小块不变() -> None:
    mask = mask_of("ooooo..c", "occco...", "ooooo..?")
    found = built(mask, small_px=4)
    assert painted(found).tolist() == mask_of("ooooo..c", "ooooo...", "ooooo...").tolist()
    assert found.components.n_pixels.tolist() == [15, 1]
    # runs are maximal again: three rows, three runs
    assert np.diff(found.components.run_offsets).tolist() == [3, 1]
    assert built(mask, small_px=3).components.n_pixels.tolist() == [12, 1, 3]


def test_two_small_pieces_of_equal_size_become_one() -> None:
    found = built(mask_of("ccoo"), small_px=10)
    assert found.components.n_pixels.tolist() == [4]
    assert found.is_likely.tolist() == [True]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 6))
def test_against_scipy_and_independent_of_strips(seed: int, strip: int, small_px: int) -> None:
    mask = np.random.default_rng(seed).choice([0, 1, 1, 2, 2, 255], (9, 11)).astype(np.uint8)
    found = built(mask, 1, strip)
    sizes = []
    for value in (1, 2):
        labels, _ = ndimage.label(mask == value)
        sizes += np.bincount(labels.ravel())[1:].tolist()
    assert sorted(found.components.n_pixels.tolist()) == sorted(sizes)
    assert (painted(found) == np.where(mask == 255, 0, mask)).all()
    first = found.components.first_row * 11 + found.components.first_col
    assert (np.diff(first) > 0).all()
    joined, whole = built(mask, small_px, strip), built(mask, small_px, 9)
    assert (painted(joined) == painted(whole)).all()
    assert ((painted(joined) > 0) == ((mask == 1) | (mask == 2))).all()


def test_an_empty_mask_has_no_components() -> None:
    found = built(np.zeros((3, 4), np.uint8), 5)
    assert len(found.components) == 0
    assert found.is_likely.size == 0


def test_strips_must_follow_each_other() -> None:
    builder = ClassedBuilder(4)
    with pytest.raises(ValueError, match="follow"):
        builder.add_strip(2, np.zeros((1, 4), np.uint8))
    with pytest.raises(ValueError, match="strip must be"):
        builder.add_strip(0, np.zeros((1, 5), np.uint8))
