"""The sample on images whose pixels say where they lie."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.change.sample import (
    PairSample,
    SampleParams,
    join_samples,
    sample_plan,
    take_sample,
)
from pipeline.grid import RasterWindow


def sampled(
    height: int, width: int, params: SampleParams, invalid: NDArray[np.bool_] | None = None
) -> list[tuple[int, int]]:
    """Rows and columns of all sampled pixels, via coordinate-in-pixel images."""
    rows, cols = np.mgrid[0:height, 0:width].astype(np.int32)
    blocks, step = sample_plan(height, width, params)
    parts: list[PairSample] = []
    for tile in blocks:
        core = tile.core
        place = (slice(core.row0, core.row1), slice(core.col0, core.col1))
        valid = np.zeros(core.shape, np.uint8) if invalid is None else invalid[place]
        output = take_sample(
            tile,
            {
                "before": RasterWindow(rows[place][None], core.row0, core.col0),
                "after": RasterWindow(cols[place][None], core.row0, core.col0),
                "valid": RasterWindow(valid.astype(np.uint8)[None], core.row0, core.col0),
            },
            step,
        )
        parts += [part for _, part in output.partials]
    joined = join_samples(parts)
    return list(zip(joined.before[0].tolist(), joined.after[0].tolist(), strict=True))


def test_a_small_image_is_taken_whole() -> None:
    found = sampled(30, 40, SampleParams())
    assert sorted(found) == [(r, c) for r in range(30) for c in range(40)]


def test_抽到的像元都在绝对坐标的格点上() -> None:
    params = SampleParams(blocks_per_side=2, target_pixels=10_000)
    found = sampled(1500, 1300, params)
    assert len(set(found)) == len(found)
    # 3 × 3 blocks, every second one: at most 4 blocks of 512², step about √(n / 10,000)
    rows, cols = (np.array(values) for values in zip(*found, strict=True))
    blocks = set(zip((rows // 512).tolist(), (cols // 512).tolist(), strict=True))
    first = min(blocks)
    assert blocks == {(r, c) for r in range(first[0] % 2, 3, 2) for c in range(first[1] % 2, 3, 2)}
    steps = set(np.diff(np.unique(rows[rows < (min(rows) // 512 + 1) * 512])).tolist())
    assert len(steps) == 1
    [step] = steps
    assert step > 1
    # one residue for all blocks: the lattice is anchored at the grid's origin, not at the block's
    assert len(set((rows % step).tolist())) == 1
    assert len(set((cols % step).tolist())) == 1


def test_the_lattice_runs_on_across_all_blocks() -> None:
    """3 × 3 blocks with a step that does not divide 512: every n-th pixel of the whole grid."""
    found = sampled(1500, 1300, SampleParams(target_pixels=10_000))
    rows, cols = (np.unique(values) for values in zip(*found, strict=True))
    assert 512 % (rows[1] - rows[0]) != 0
    assert set(np.diff(rows).tolist()) == set(np.diff(cols).tolist()) == {int(rows[1] - rows[0])}
    assert len(found) == rows.size * cols.size


def test_the_sample_is_about_as_large_as_asked_for() -> None:
    for target in (10_000, 60_000):
        n = len(sampled(1500, 1300, SampleParams(blocks_per_side=8, target_pixels=target)))
        # a whole step s stands for anything from s − ½ to s + ½
        assert 0.6 * target < n < 2.3 * target


def test_种子决定格点() -> None:
    def with_seed(seed: int) -> list[tuple[int, int]]:
        return sampled(1500, 1300, SampleParams(blocks_per_side=2, target_pixels=10_000, seed=seed))

    assert with_seed(1) == with_seed(1)
    assert any(with_seed(seed) != with_seed(1) for seed in (2, 3))


def test_unseen_pixels_are_not_sampled() -> None:
    invalid = np.zeros((60, 60), bool)
    invalid[:, 20:] = True
    found = sampled(60, 60, SampleParams(), invalid)
    assert sorted(found) == [(r, c) for r in range(60) for c in range(20)]


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_every_seed_gives_a_sample_whatever_the_size(seed: int) -> None:
    for height, width in ((1, 1), (513, 10), (5000, 600)):
        blocks, _ = sample_plan(height, width, SampleParams(blocks_per_side=1, seed=seed))
        assert blocks
