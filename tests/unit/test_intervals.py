"""Intervals against textbook values and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.patches.intervals import MEASURES, block_bootstrap, wilson


def test_wilson_of_textbook_shares() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for part, whole, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(part, whole) == pytest.approx((low, high), abs=5e-5)
    assert wilson(20, 20) == pytest.approx((1 - 0.1611, 1.0), abs=5e-5)
    assert wilson(0, 0) is None


def blocks_of(rng: np.random.Generator, n: int) -> np.ndarray:
    """Blocks whose recall differs from one to the next: the pixels in one err together."""
    changed = rng.integers(200, 400, n)
    tp = np.round(changed * rng.beta(8, 2, n)).astype(int)
    fp = rng.integers(0, 60, n)
    return np.column_stack([tp, fp, changed - tp, 5000 - changed - fp, rng.integers(0, 9, n)])


def test_bootstrap_covers_the_true_recall_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for trial in range(200):
        low, high = block_bootstrap(blocks_of(rng, 60), 300, trial, 8)["recall"] or (0, 0)
        hits += low <= 0.8 <= high
    assert 0.90 <= hits / 200 <= 0.985


def test_bootstrap_is_wider_than_if_pixels_were_independent() -> None:
    blocks = blocks_of(np.random.default_rng(1), 40)
    low, high = block_bootstrap(blocks, 1000, 1, 8)["recall"] or (0, 0)
    naive = wilson(int(blocks[:, 0].sum()), int(blocks[:, [0, 2]].sum())) or (0, 0)
    assert high - low > 2 * (naive[1] - naive[0])


def test_bootstrap_surrounds_the_measures_and_repeats_itself() -> None:
    blocks = blocks_of(np.random.default_rng(2), 30)
    found = block_bootstrap(blocks, 500, 7, 8)
    assert found == block_bootstrap(blocks, 500, 7, 8)
    assert found != block_bootstrap(blocks, 500, 8, 8)
    for name, measure in MEASURES.items():
        value = float(measure(blocks.sum(axis=0, keepdims=True).astype(float))[0])
        low, high = found[name] or (0, 0)
        assert low < value < high, name


def test_too_few_blocks_or_undefined_measures_give_no_interval() -> None:
    blocks = blocks_of(np.random.default_rng(3), 7)
    assert set(block_bootstrap(blocks, 200, 1, 8).values()) == {None}
    unseen = np.concatenate([blocks, [[0, 0, 0, 0, 50]] * 9])
    assert set(block_bootstrap(unseen, 200, 1, 8).values()) == {None}
    quiet = np.tile([0, 0, 0, 100, 0], (20, 1))
    assert set(block_bootstrap(quiet, 200, 1, 8).values()) == {None}
    once = quiet.copy()
    once[0] = (50, 0, 50, 0, 0)
    assert block_bootstrap(once, 200, 1, 8)["recall"] is None  # absent in a third of the draws
