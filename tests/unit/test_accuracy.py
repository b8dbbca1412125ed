"""Scores of small masks, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.patches.accuracy import PatchScores, PixelCounts, patch_scores, pixel_scores


def mask_of(*rows: str) -> NDArray[np.uint8]:
    values = {"#": 1, ".": 0, "?": 255}
    return np.array([[values[c] for c in row] for row in rows], dtype=np.uint8)


def test_every_pair_of_values_is_counted_once() -> None:
    predicted = mask_of("#####", "...??", "?....")
    label = mask_of("###..", "#..#.", "?????")
    assert pixel_scores(predicted, label) == PixelCounts(tp=3, fp=2, fn=1, tn=2, unobserved=2)


def test_measures_of_a_textbook_table() -> None:
    # Agreement 35 of 50, by chance 0.5 · 0.6 + 0.5 · 0.4 = 0.5: kappa = (0.7 - 0.5) / 0.5.
    counts = PixelCounts(tp=20, fp=5, fn=10, tn=15, unobserved=99)
    assert counts.n == 50
    assert counts.kappa == pytest.approx(0.4)
    assert counts.precision == pytest.approx(20 / 25)
    assert counts.recall == pytest.approx(20 / 30)
    assert counts.f1 == pytest.approx(2 * 0.8 * (2 / 3) / (0.8 + 2 / 3))


def test_kappa_does_not_overflow_on_large_images() -> None:
    big = PixelCounts(tp=20 * 10**9, fp=5 * 10**9, fn=10 * 10**9, tn=15 * 10**9)
    assert big.kappa == pytest.approx(0.4)


def test_measures_without_cases_are_undefined() -> None:
    nothing, quiet = PixelCounts(), PixelCounts(tn=7)
    assert (nothing.kappa, nothing.f1, nothing.precision, nothing.recall) == (None,) * 4
    assert (quiet.kappa, quiet.f1, quiet.precision, quiet.recall) == (None,) * 4
    missed = PixelCounts(fn=3, tn=7)
    assert (missed.kappa, missed.f1, missed.precision, missed.recall) == (0.0, 0.0, None, 0.0)


def test_counts_of_tiles_add_up_to_those_of_the_whole() -> None:
    rng = np.random.default_rng(2)
    predicted, label = rng.choice(np.array([0, 1, 255], np.uint8), (2, 30, 40))
    parts = pixel_scores(predicted[:, :13], label[:, :13])
    parts += pixel_scores(predicted[:, 13:], label[:, 13:])
    assert parts == pixel_scores(predicted, label)


def test_other_nodata_values() -> None:
    predicted, label = np.array([[1, 9, 0]], np.uint8), np.array([[1, 1, 7]], np.uint8)
    counts = pixel_scores(predicted, label, label_nodata=7, predicted_nodata=9)
    assert counts == PixelCounts(tp=1, unobserved=1)


def test_masks_with_unknown_values_or_other_shapes_are_refused() -> None:
    good = mask_of("#.?")
    with pytest.raises(ValueError, match=r"label has values \[2\]"):
        pixel_scores(good, np.array([[0, 1, 2]], np.uint8))
    with pytest.raises(ValueError, match=r"predicted has values \[128\]"):
        pixel_scores(np.array([[0, 1, 128]], np.uint8), good)
    with pytest.raises(ValueError, match="shape"):
        pixel_scores(good, good.T)


def test_patches_found_and_correct_at_one_half() -> None:
    label = mask_of("##..##..", "........", "####....")
    predicted = mask_of("#...##..", "........", "#....###")
    scores = patch_scores(predicted, label)
    # Of the labelled, 1 of 2, 2 of 2 and 1 of 4 pixels are predicted.
    # Of the predicted, 1 of 1, 2 of 2, 1 of 1 and 0 of 3 pixels are labelled.
    assert scores == PatchScores(n_truth=3, n_found=2, n_predicted=4, n_correct=3)
    assert scores.recall == pytest.approx(2 / 3)
    assert scores.precision == pytest.approx(3 / 4)
    assert scores.f1 == pytest.approx(2 * (2 / 3) * (3 / 4) / (2 / 3 + 3 / 4))


def test_half_of_the_labelled_pixels_make_a_prediction_correct() -> None:
    assert patch_scores(mask_of("####."), mask_of("#.??.")).n_correct == 1


def test_just_under_one_half_is_not_enough() -> None:
    assert patch_scores(mask_of("##..."), mask_of("#####")).n_found == 0
    assert patch_scores(mask_of("#####"), mask_of("##...")).n_correct == 0


def test_predictions_where_nothing_is_labelled_are_not_judged() -> None:
    scores = patch_scores(mask_of("##.##.#"), mask_of("??.#?.."))
    # ?? is not judged; #? is judged by its one labelled pixel; the last one is wrong.
    assert scores == PatchScores(n_truth=1, n_found=1, n_predicted=3, n_not_judged=1, n_correct=1)
    assert scores.precision == pytest.approx(1 / 2)


def test_an_unseen_labelled_patch_is_not_found() -> None:
    scores = patch_scores(mask_of("??."), mask_of("##."))
    assert (scores.n_truth, scores.n_found) == (1, 0)


def test_undefined_patch_measures() -> None:
    nothing = patch_scores(mask_of("..."), mask_of("..."))
    assert (nothing.recall, nothing.precision, nothing.f1) == (None, None, None)
    wrong = patch_scores(mask_of("#.."), mask_of("..#"))
    assert (wrong.recall, wrong.precision, wrong.f1) == (0.0, 0.0, 0.0)


def test_patch_scores_of_scenes_add_up() -> None:
    one = patch_scores(mask_of("#.#"), mask_of("#.?"))
    two = patch_scores(mask_of("#.#"), mask_of("..#"))
    assert one + two == PatchScores(
        n_truth=2, n_found=2, n_predicted=4, n_not_judged=1, n_correct=2
    )
