import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.patches.learning import (
    ProposalParams,
    ReturnsParams,
    original,
    propose,
    recalibrated,
)

NOW, LIMITS = ReturnsParams(), ProposalParams()


def judged(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Patches whose stored probability is too sure of itself: true odds are its logit × 0.5 − 1."""
    rng = np.random.default_rng(seed)
    stored = rng.uniform(0.05, 0.99, n)
    logit = np.log(stored / (1 - stored))
    return stored, rng.random(n) < 1 / (1 + np.exp(-(0.5 * logit - 1.0)))


def test_the_stretch_of_the_probability_is_found() -> None:
    found = propose(*judged(1, 20_000), NOW, LIMITS)
    assert found is not None
    assert found.proposed.slope == pytest.approx(0.5, abs=0.05)
    assert found.proposed.intercept == pytest.approx(-1.0, abs=0.05)
    assert found.error_after < found.error_before


def test_the_limit_loses_no_more_than_allowed() -> None:
    rng = np.random.default_rng(2)
    real, false = rng.uniform(0.4, 1.0, 300), rng.uniform(0.0, 0.8, 200)
    stored = np.concatenate([real, false])
    is_real = np.arange(500) < 300
    found = propose(stored, is_real, NOW, LIMITS)
    assert found is not None
    kept = recalibrated(stored, found.proposed) >= found.proposed.min_probability
    assert found.real_lost == (~kept[is_real]).sum() <= 3
    assert found.false_removed == (~kept[~is_real]).sum() > 60
    assert found.real_lost / 300 < found.real_lost_upper_ratio < 0.04


def test_with_nothing_to_gain_the_limit_stays() -> None:
    rng = np.random.default_rng(3)
    stored, is_real = rng.uniform(0.3, 0.9, 400), rng.random(400) < 0.5
    found = propose(stored, is_real, NOW, ProposalParams(max_lost_ratio=0.0, min_gain_ratio=0.2))
    assert found is not None
    assert found.proposed.min_probability == 0.0
    assert found.false_removed == found.real_lost == 0


@pytest.mark.parametrize(("n_real", "n_false"), [(49, 30), (50, 29), (0, 0)])
def test_below_the_minimum_sample_nothing_is_proposed(n_real: int, n_false: int) -> None:
    is_real = np.arange(n_real + n_false) < n_real
    stored = np.where(is_real, 0.9, 0.2)
    assert propose(stored, is_real, NOW, LIMITS) is None


def test_a_second_quarter_learns_from_the_original_probability() -> None:
    stored, is_real = judged(4, 20_000)
    first = propose(stored, is_real, NOW, LIMITS)
    assert first is not None
    later = recalibrated(stored, first.proposed)
    np.testing.assert_allclose(original(later, first.proposed), stored, atol=2e-3)
    second = propose(later, is_real, first.proposed, LIMITS)
    assert second is not None
    assert second.proposed.slope == pytest.approx(first.proposed.slope, abs=0.01)
    assert second.proposed.intercept == pytest.approx(first.proposed.intercept, abs=0.01)


def test_probabilities_that_lead_astray_are_not_stretched() -> None:
    stored, is_real = judged(5, 2_000)
    found = propose(1 - stored, is_real, NOW, LIMITS)
    assert found is not None
    assert found.proposed.slope > 0


def test_unknown_stays_unknown_and_defaults_change_nothing() -> None:
    values = np.array([0.0, 0.25, np.nan, 1.0])
    np.testing.assert_array_equal(recalibrated(values, NOW), values)
    assert np.isnan(recalibrated(values, ReturnsParams(slope=2.0))[2])
    with pytest.raises(ValidationError):
        ReturnsParams(slope=0.0)


@pytest.mark.parametrize("shift", [0.0, 0.25])
def test_a_signed_limit_is_not_taken_back(shift: float) -> None:
    """Nothing below it was sent out, so there is next to nothing to gain: no word against it."""
    rng = np.random.default_rng(1)
    current = ReturnsParams(min_probability=0.6)
    stored = np.round(rng.uniform(0.6, 1.0, 600), 6)
    is_real = rng.random(600) < stored - shift
    found = propose(stored, is_real, current, ProposalParams(min_gain_ratio=1.0))
    assert found is not None
    whole = np.round(rng.uniform(0.0, 1.0, 2000), 6)
    before = whole >= current.min_probability
    after = recalibrated(whole, found.proposed) >= found.proposed.min_probability
    np.testing.assert_array_equal(after, before)
    raised = propose(stored, is_real, current, ProposalParams(max_lost_ratio=0.1, min_gain_ratio=0))
    assert raised is not None
    after = recalibrated(whole, raised.proposed) >= raised.proposed.min_probability
    assert not (after & ~before).any()
