"""Ranking and calibration of probabilities on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.patches.reliability import ScoreHistogram, reliability_of

SCORES = np.array([[1000, 4000, 4000, 9000, 65535, 9000]], np.uint16)
LABELS = np.array([[0, 0, 1, 1, 1, 255]], np.uint8)


def histogram() -> ScoreHistogram:
    made = ScoreHistogram()
    made.add(SCORES, LABELS)
    return made


def test_auc_shares_ties_and_leaves_out_unseen_and_unlabelled() -> None:
    # Changed 0.4, 0.9 against unchanged 0.1, 0.4: three pairs won, one tied.
    assert histogram().auc == pytest.approx(3.5 / 4)
    assert int(histogram().counts.sum()) == 4


def test_auc_equals_the_share_of_ordered_pairs() -> None:
    rng = np.random.default_rng(0)
    label = (rng.random((20, 30)) < 0.3).astype(np.uint8)
    score = np.clip(3000 + 2000.0 * label + rng.normal(0, 1800, label.shape), 0, 10000)
    score = (score // 500 * 500).astype(np.uint16)
    parts = [ScoreHistogram(), ScoreHistogram()]
    parts[0].add(score[:7], label[:7])
    parts[1].add(score[7:], label[7:])
    parts[0].merge(parts[1])
    ones, zeros = score[label == 1].astype(int), score[label == 0].astype(int)
    difference = ones[:, None] - zeros[None, :]
    expected = ((difference > 0) + 0.5 * (difference == 0)).mean()
    assert parts[0].auc == pytest.approx(expected)


def test_auc_without_one_of_the_kinds_is_unknown() -> None:
    made = ScoreHistogram()
    made.add(SCORES, np.zeros_like(LABELS))
    assert made.auc is None
    assert ScoreHistogram().reliability(10).expected_error is None
    assert ScoreHistogram().reliability(10).brier is None


def test_reliability_curve_by_hand() -> None:
    curve = histogram().reliability(5)
    assert [one.n for one in curve.bins] == [1, 0, 2, 0, 1]
    assert curve.bins[2].mean_probability == pytest.approx(0.4)
    assert curve.bins[2].changed_share == pytest.approx(0.5)
    assert curve.bins[1].mean_probability is None
    assert curve.bins[1].changed_share is None
    # |0.1 - 0| · 1 + |0.4 - 0.5| · 2 + |0.9 - 1| · 1, of 4 cases.
    assert curve.expected_error == pytest.approx(0.4 / 4)
    assert curve.brier == pytest.approx((0.01 + 0.16 + 0.36 + 0.01) / 4)


def test_probability_one_belongs_to_the_last_bin_and_honest_ones_are_reliable() -> None:
    rng = np.random.default_rng(4)
    probability = np.append(rng.random(20_000), 1.0)
    outcome = rng.random(probability.size) < probability
    curve = reliability_of(probability, outcome, 10)
    assert curve.n == 20_001
    assert (curve.expected_error or 1) < 0.02
    inside = sum(
        low <= (one.mean_probability or 0) <= high
        for one in curve.bins
        for low, high in [one.interval or (1, 0)]
    )
    assert inside >= 8
    boastful = reliability_of(np.sqrt(probability), outcome, 10)
    assert (boastful.expected_error or 0) > 0.1
