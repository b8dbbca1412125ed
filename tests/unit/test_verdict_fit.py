"""The script that fits the scorecard over construction candidates."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pipeline.change.verdict import size_term, verdicts

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module("train_verdict")
    finally:
        sys.path.remove(str(SCRIPTS))


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
    card = script.fit(tables, size, share, once, "test")
    always, by_size, never = card.figures
    assert always.weight > 1.0 > 5 * abs(never.weight)
    assert by_size.size_weight < -0.5
    right = 0
    for pixel_m, table, truth in zip((2.0, 5.0), tables, shares, strict=True):
        built = verdicts(table, card, pixel_m) >= 0.5
        is_clear = truth != 0.3
        right += int(np.sum(built[is_clear] == (truth[is_clear] > 0.5)))
    assert right >= 0.93 * np.sum(share != 0.3)
    assert card == script.fit(tables, size, share, once, "test")
    only_small = script.fit(tables, size, share, (size < 0) * 1.0, "test")
    assert only_small.figures[1].weight > 0.5 > abs(by_size.weight), "unheard at 0"


def test_seeds_kept_for_acceptance_are_refused(script: ModuleType) -> None:
    assert list(script.training_seeds("171-173")) == [171, 172, 173]
    with pytest.raises(SystemExit, match="acceptance"):
        script.training_seeds("11-15")
