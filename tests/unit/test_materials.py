"""Evidence of built material: learnt from the pair, blind to gain and offset, same every time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from pipeline.change.cover import BARE, PLANTS
from pipeline.change.materials import (
    EVIDENCE_ZERO,
    LEAST_EVIDENCE,
    MaterialParams,
    Materials,
    built_after,
    built_before,
    fit_materials,
)
from pipeline.change.mixtures import fit_mixture, log_ratio, mixture_of
from pipeline.change.sample import PairSample

SOIL, CROP, ROOF = (500, 600, 700, 900), (300, 450, 350, 1600), (900, 880, 860, 800)
N = 2000


def pixels(colour: tuple[int, ...], n: int, seed: int, spread: float = 0.06) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.array(colour)[:, None] * rng.normal(1.0, spread, (4, n))


def world(
    gain: float = 1.0, offset: float = 0.0
) -> tuple[PairSample, dict[str, NDArray[np.uint8]]]:
    """Fields sown, fields harvested, fallow, old roofs, and a few new roofs on crop."""
    before = [SOIL, CROP, SOIL, ROOF, CROP]
    after = [CROP, SOIL, SOIL, ROOF, ROOF]
    counts = [N, N, N, N, N // 50]
    stacks = [
        np.concatenate(
            [
                pixels(c, n, 10 * k + date)
                for k, (c, n) in enumerate(zip(colours, counts, strict=True))
            ],
            axis=1,
        )
        for date, colours in enumerate((before, after))
    ]
    sample = PairSample(*(np.round(s * gain + offset).astype(np.float32) for s in stacks))
    covers = {
        name: np.concatenate(
            [
                np.full(n, PLANTS if c is CROP else BARE, np.uint8)
                for c, n in zip(cs, counts, strict=True)
            ]
        )
        for name, cs in (("before", before), ("after", after))
    }
    return sample, covers


def fitted(sample: PairSample, covers: dict[str, NDArray[np.uint8]]) -> Materials:
    ratio = np.where(covers["before"] == covers["after"], 0.1, 3.0)
    found = fit_materials(sample, covers, ratio, MaterialParams())
    assert found is not None
    return found


def test_new_roofs_are_built_and_harvested_fields_are_not() -> None:
    sample, covers = world()
    materials = fitted(sample, covers)
    assert materials.is_reliable
    built, no_soil = built_after(sample.after, covers["after"], materials)
    assert (built[-N // 50 :] > EVIDENCE_ZERO).mean() > 0.95
    assert (built[N : 3 * N] < EVIDENCE_ZERO).mean() > 0.95
    assert (no_soil[-N // 50 :] > EVIDENCE_ZERO).mean() > 0.95
    assert (built[:N] == LEAST_EVIDENCE).all(), "plants rule out built material"
    before = built_before(sample.before, covers["before"], materials)
    assert (before[3 * N : 4 * N] > EVIDENCE_ZERO).mean() > 0.95
    assert (before[:N] < EVIDENCE_ZERO).mean() > 0.95


def test_gain_and_offset_do_not_move_the_evidence() -> None:
    one, other = (
        built_after(sample.after, covers["after"], fitted(sample, covers))[0].astype(int)
        for sample, covers in (world(), world(8.0, 400.0))
    )
    # rounding to whole numbers and its noise floor is all that differs
    assert np.abs(one - other).max() <= 3


def test_without_crops_or_hard_ground_nothing_is_told() -> None:
    sample, covers = world()
    ratio = np.full(covers["before"].size, 3.0)
    assert fit_materials(sample, covers, ratio, MaterialParams()) is None
    nothing = {name: np.full_like(cover, BARE) for name, cover in covers.items()}
    assert fit_materials(sample, nothing, ratio * 0, MaterialParams()) is None


def test_crossing_the_limit_of_vegetation_by_noise_tells_nothing_of_soil() -> None:
    sample, covers = world()
    assert (
        fit_materials(sample, covers, np.full(covers["before"].size, 0.2), MaterialParams()) is None
    )


def test_log_density_against_scipy() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, (3, 50)).astype(np.float32)
    spreads = np.stack([np.diag([1.0, 2.0, 3.0]), np.eye(3) + 0.5])
    centres = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, -1.0]])
    one = mixture_of(np.ones(1), centres[:1], spreads[:1])
    other = mixture_of(np.array([0.25]), centres[1:], spreads[1:])
    expected = [
        multivariate_normal(centres[0], spreads[0]).logpdf(p)
        - multivariate_normal(centres[1], spreads[1]).logpdf(p)
        - np.log(0.25)
        for p in x.T.astype(float)
    ]
    np.testing.assert_allclose(log_ratio(x, one, other), expected, atol=1e-4)


def test_a_mixture_finds_two_heaps_and_repeats_itself() -> None:
    x = np.concatenate([pixels(SOIL, N, 1, 0.02), pixels(ROOF, N, 2, 0.02)], axis=1)
    one, again = (fit_mixture(x, 2, np.eye(4) * 1e-6) for _ in range(2))
    assert sorted(np.round(one.centres[:, 0], -1).tolist()) == pytest.approx([500, 900], abs=10)
    for name in ("offsets", "centres", "forms"):
        assert (getattr(one, name) == getattr(again, name)).all()
