"""Components of small masks drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.grid import PixelWindow
from pipeline.patches.components import (
    ComponentBuilder,
    Components,
    ComponentSums,
    burn,
    burn_from,
    find_components,
)


def mask_of(*rows: str) -> NDArray[np.uint8]:
    """A mask from text: `#` foreground, `.` background, `?` unobserved (255)."""
    values = {"#": 1, ".": 0, "?": 255}
    return np.array([[values[c] for c in row] for row in rows], dtype=np.uint8)


def pixels(components: Components) -> list[set[tuple[int, int]]]:
    """The pixels of each component."""
    result = []
    for begin, end in zip(components.run_offsets[:-1], components.run_offsets[1:], strict=True):
        runs = components.runs[:, begin:end].T.tolist()
        result.append({(row, col) for row, col0, col1 in runs for col in range(col0, col1)})
    return result


THREE = mask_of("##.#", "...#", "#.##")


def test_components_are_numbered_by_first_pixel_in_row_major_order() -> None:
    found = find_components(THREE)
    assert pixels(found) == [
        {(0, 0), (0, 1)},
        {(0, 3), (1, 3), (2, 2), (2, 3)},
        {(2, 0)},
    ]
    assert found.first_row.tolist() == [0, 0, 2]
    assert found.first_col.tolist() == [0, 3, 0]
    assert found.n_pixels.tolist() == [2, 4, 1]
    assert found.bbox.tolist() == [[0, 1, 0, 2], [0, 3, 2, 4], [2, 3, 0, 1]]


def test_arms_that_meet_further_down_are_one_component() -> None:
    found = find_components(mask_of("#.#.#", "#.#.#", "#.###", "###.."))
    assert found.n_pixels.tolist() == [13]
    assert found.bbox.tolist() == [[0, 4, 0, 5]]
    assert (found.first_row[0], found.first_col[0]) == (0, 0)


def test_pixels_that_touch_at_a_corner_are_apart() -> None:
    assert find_components(mask_of("#.", ".#")).n_pixels.tolist() == [1, 1]
    assert find_components(mask_of(".#", "#.")).n_pixels.tolist() == [1, 1]


def test_unobserved_pixels_are_background() -> None:
    assert pixels(find_components(mask_of("#?#", "???"))) == [{(0, 0)}, {(0, 2)}]


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (3, 5)])
def test_a_mask_without_foreground_has_no_components(shape: tuple[int, int]) -> None:
    found = find_components(np.zeros(shape, np.uint8))
    assert len(found) == 0
    assert found.bbox.shape == (0, 4)
    assert (found.height, found.width) == shape


def test_strips_must_follow_each_other_and_have_the_width_of_the_mask() -> None:
    builder = ComponentBuilder(4)
    builder.add_strip(0, THREE[:1])
    with pytest.raises(ValueError, match="row 1, got 2"):
        builder.add_strip(2, THREE[2:])
    with pytest.raises(ValueError, match=r"\(rows, 4\)"):
        builder.add_strip(1, THREE[1:, :3])


def test_selected_components_are_renumbered_in_the_same_order() -> None:
    chosen = find_components(THREE).select(np.array([True, False, True]))
    assert pixels(chosen) == [{(0, 0), (0, 1)}, {(2, 0)}]
    assert chosen.n_pixels.tolist() == [2, 1]
    assert chosen.bbox.tolist() == [[0, 1, 0, 2], [2, 3, 0, 1]]
    assert chosen.first_row.tolist() == [0, 2]


def test_each_component_ends_at_its_own_level() -> None:
    found = find_components(THREE)
    plane = np.array([[9, 5, 9, 5], [9, 9, 9, 4], [5, 9, 5, 5]], np.uint8)
    out = np.full((3, 4), 7, np.uint8)
    least = np.array([6, 5, 5], np.uint8)
    burn_from(found, PixelWindow(0, 3, 0, 4), out, plane, least, (1, 0))
    # first: 9 stays, 5 is below 6; second: 5 stays, 4 does not; what lies in none is as it was
    assert out.tolist() == [[1, 0, 7, 1], [7, 7, 7, 0], [1, 7, 1, 1]]


def test_burning_into_a_window_changes_only_pixels_of_components() -> None:
    out = np.full((2, 2), 9, np.uint8)
    burn(find_components(THREE), PixelWindow(1, 3, 1, 3), out, 7)
    assert out.tolist() == [[9, 9], [9, 7]]


def test_windows_outside_the_mask_and_wrong_shapes_are_refused() -> None:
    found = find_components(THREE)
    with pytest.raises(ValueError, match="not inside"):
        burn(found, PixelWindow(2, 4, 0, 4), np.zeros((2, 4), np.uint8), 1)
    with pytest.raises(ValueError, match="does not cover"):
        burn(found, PixelWindow(0, 3, 0, 4), np.zeros((3, 3), np.uint8), 1)


def test_sums_and_counts_per_component() -> None:
    values = np.array([[1, 65535, 9, 4], [9, 9, 9, 4], [8, 9, 5, 0]], np.uint16)
    sums = ComponentSums(find_components(THREE), counted_values=(5, 4))
    sums.add_window(PixelWindow(0, 3, 0, 4), values)
    assert sums.totals.tolist() == [1 + 65535, 4 + 4 + 5 + 0, 8]
    assert sums.counts.tolist() == [[0, 0], [1, 2], [0, 0]]
    assert sums.majority(default=77).tolist() == [77, 4, 77]


def test_a_tied_majority_goes_to_the_value_named_first() -> None:
    kinds = np.array([[3, 2, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0]], np.uint8)
    sums = ComponentSums(find_components(THREE), counted_values=(3, 2))
    sums.add_window(PixelWindow(0, 3, 0, 4), kinds)
    assert sums.majority(default=0).tolist() == [3, 0, 2]


def test_without_counted_values_every_majority_is_the_default() -> None:
    assert ComponentSums(find_components(THREE)).majority(default=5).tolist() == [5, 5, 5]


def test_sums_do_not_depend_on_windows_or_on_how_they_are_merged() -> None:
    rng = np.random.default_rng(4)
    mask = (rng.random((40, 30)) < 0.5).astype(np.uint8)
    values = rng.integers(0, 4, mask.shape).astype(np.uint8)
    found = find_components(mask)
    whole = ComponentSums(found, (1, 2))
    whole.add_window(PixelWindow(0, 40, 0, 30), values)
    one, two = ComponentSums(found, (1, 2)), ComponentSums(found, (1, 2))
    one.add_window(PixelWindow(7, 40, 11, 30), values[7:, 11:])
    two.add_window(PixelWindow(7, 40, 0, 11), values[7:, :11])
    two.add_window(PixelWindow(0, 7, 0, 30), values[:7])
    one.merge(two)
    assert whole.totals.sum() == int(values[mask == 1].sum())
    np.testing.assert_array_equal(one.totals, whole.totals)
    np.testing.assert_array_equal(one.counts, whole.counts)
