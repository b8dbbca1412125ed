"""The script that fits the scorecard over construction candidates."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pipeline.change.verdict import log_odds_by_card, size_term
from pipeline.config.load import CONSTRUCTION_NETWORK as NETWORK

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def imported(name: str) -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return imported("train_verdict")


def test_the_fit_finds_what_tells_at_every_pixel_size(script: ModuleType) -> None:
    rng = np.random.default_rng(8)
    n = 1500
    tables, sizes, shares = [], [], []
    for pixel_m in (2.0, 5.0):
        share = rng.choice([0.0, 0.3, 0.9], n)
        sign = 1.0 if pixel_m == 2.0 else -1.0
        tables.append(
            {
                "always": share + rng.normal(0, 0.4, n),
                "by_size": sign * share + rng.normal(0, 0.4, n),
                "never": rng.normal(0, 1, n),
            }
        )
        sizes.append(np.full(n, size_term(pixel_m)))
        shares.append(share)
    size, share = np.concatenate(sizes), np.concatenate(shares)
    once = np.ones(size.size)
    card = script.fit(tables, size, share, once, "test", NETWORK)
    always, by_size, never = card.figures
    assert always.weight > 1.0 > 5 * abs(never.weight)
    assert by_size.size_weight < -0.5
    right = 0
    for pixel_m, table, truth in zip((2.0, 5.0), tables, shares, strict=True):
        built = log_odds_by_card(table, card, pixel_m) >= 0
        is_clear = truth != 0.3
        right += int(np.sum(built[is_clear] == (truth[is_clear] > 0.5)))
    assert right >= 0.93 * np.sum(share != 0.3)
    assert card == script.fit(tables, size, share, once, "test", NETWORK)
    only_small = script.fit(tables, size, share, (size < 0) * 1.0, "test", NETWORK)
    assert only_small.figures[1].weight > 0.5 > abs(by_size.weight), "unheard at 0"


def test_the_card_says_how_many_of_its_candidates_were_built(script: ModuleType) -> None:
    share = np.repeat([0.9, 0.3, 0.0], [30, 50, 70])
    table = {"any": np.arange(150.0)}
    counts = np.where(share > 0.5, 2.0, 1.0)
    card = script.fit([table], np.zeros(150), share, counts, "test", NETWORK)
    assert card.built_share == pytest.approx(60 / 130, abs=1e-5)


def test_seeds_kept_for_acceptance_are_refused() -> None:
    cases = imported("training_counties")
    assert list(cases.training_seeds("171-173")) == [171, 172, 173]
    with pytest.raises(SystemExit, match="acceptance"):
        cases.training_seeds("11-15")
