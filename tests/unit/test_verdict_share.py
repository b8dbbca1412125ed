"""The share of construction among one pair's candidates, and what it makes of the verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit

from pipeline.change.verdict import MOST_LOG_ODDS, SHARE_COUNTS, in_own_share, own_share

USUAL = 0.75


def candidates(n: int, share: float, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Log-odds that are right where `USUAL` of the candidates are built, and the truth.

    One normal figure, a unit apart on either side of 0: its log-likelihood ratio is twice it.
    """
    rng = np.random.default_rng(seed)
    built = rng.random(n) < share
    figure = rng.normal(0, 1, n) + np.where(built, 1.0, -1.0)
    return 2 * figure + logit(USUAL), built


@pytest.mark.parametrize("share", [0.02, 0.3, 0.75, 0.98])
def test_the_share_is_found_without_labels(share: float) -> None:
    log_odds, built = candidates(4000, share, 3)
    told, found = in_own_share(log_odds, USUAL)
    assert found == pytest.approx(built.mean(), abs=0.03)
    for low, high in ((0.1, 0.4), (0.4, 0.7), (0.7, 0.95)):
        chosen = (told >= low) & (told < high)
        if chosen.sum() >= 100:
            assert built[chosen].mean() == pytest.approx(told[chosen].mean(), abs=0.1)


def test_where_nothing_was_built_fewer_are_taken_for_construction() -> None:
    log_odds, _ = candidates(200, 0.0, 4)
    told, _ = in_own_share(log_odds, USUAL)
    assert np.sum(told >= 0.7) < np.sum(expit(log_odds) >= 0.7) / 5


def test_the_share_is_the_fixed_point_of_expectation_maximisation() -> None:
    log_odds, _ = candidates(60, 0.2, 5)
    share = USUAL
    for _ in range(5000):
        told = expit(log_odds + logit(share) - logit(USUAL))
        share = (told.sum() + SHARE_COUNTS * USUAL) / (told.size + SHARE_COUNTS)
    ours, found = in_own_share(log_odds, USUAL)
    assert found == pytest.approx(share, abs=1e-7)
    np.testing.assert_allclose(ours, told, atol=1e-6)


def test_one_candidate_hardly_moves_the_share() -> None:
    assert own_share(np.array([logit(1e-6)]), USUAL) == pytest.approx(
        USUAL * SHARE_COUNTS / (SHARE_COUNTS + 1), abs=1e-3
    )
    certain, _ = in_own_share(np.array([logit(0.99)]), USUAL)
    assert certain[0] == pytest.approx(0.99, abs=2e-3)


@given(st.lists(st.floats(-MOST_LOG_ODDS, MOST_LOG_ODDS), min_size=1, max_size=40))
def test_any_log_odds_keep_their_order(values: list[float]) -> None:
    log_odds = np.array(values)
    told, share = in_own_share(log_odds, USUAL)
    assert 0 < share < 1
    assert np.all((told >= 0) & (told <= 1))
    order = np.argsort(log_odds, kind="stable")
    assert np.all(np.diff(told[order]) >= 0)


def test_the_order_of_the_candidates_does_not_matter_to_the_digit_written() -> None:
    log_odds, _ = candidates(500, 0.4, 6)
    forward, share = in_own_share(log_odds, USUAL)
    backward, again = in_own_share(log_odds[::-1], USUAL)
    assert round(share, 9) == round(again, 9)
    np.testing.assert_allclose(forward, backward[::-1], rtol=1e-9)
