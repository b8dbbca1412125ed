"""Every untrained detector through the whole of `compare`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.io.digests import file_sha256
from tests.factories import World, compare, make_pair, read_raster

RASTERS = ("score.tif", "kind.tif", "change.tif")
UNTRAINED = ("irmad", "cva", "sfa", "texture", "ensemble")
CUTS = [(tile, workers) for tile in (512, 1024, 2048) for workers in (1, 2, 4)]
UNOBSERVED = 65_535


def bands_for(detector: str) -> int:
    return 4 if detector in ("irmad", "sfa") else 3


@pytest.fixture(scope="module", params=UNTRAINED)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A pair with nodata and boxes across the borders of tiles, and its scores in one thread."""
    detector = request.param
    folder = tmp_path_factory.mktemp(detector)
    world = make_pair(
        folder,
        (540, 700),
        n_bands=bands_for(detector),
        collar=16,
        nodata=0,
        boxes=[(490, 530, 480, 540), (200, 260, 600, 660), (300, 330, 200, 240)],
    )
    compare(world, folder / "reference", detector=detector, tile=1024, workers=1)
    score = read_raster(folder / "reference" / "score.tif")
    assert 0 < (score == UNOBSERVED).mean() < 0.2
    assert len(np.unique(score)) > 50  # the case says something
    return detector, world, folder / "reference"


def digests(out: Path) -> dict[str, str]:
    return {name: file_sha256(out / name) for name in RASTERS}


def test_一种瓦片大小和线程数(case: tuple, tmp_path: Path) -> None:
    detector, world, reference = case
    compare(world, tmp_path, detector=detector, tile=512, workers=2)
    assert digests(tmp_path) == digests(reference)


@pytest.mark.slow
@pytest.mark.parametrize(("tile", "workers"), CUTS)
def test_every_combination_of_tiles_and_threads(
    case: tuple, tmp_path: Path, tile: int, workers: int
) -> None:
    detector, world, reference = case
    compare(world, tmp_path, detector=detector, tile=tile, workers=workers)
    assert digests(tmp_path) == digests(reference)


def test_对调时相得到同样的分数(case: tuple, tmp_path: Path) -> None:
    detector, world, reference = case
    swapped = World(world.after, world.before, world.truth, world.roles)
    compare(swapped, tmp_path, detector=detector)
    one, other = (read_raster(out / "score.tif").astype(int) for out in (reference, tmp_path))
    np.testing.assert_array_equal(one == UNOBSERVED, other == UNOBSERVED)
    seen = one != UNOBSERVED
    assert np.abs(one - other)[seen].max() <= 2


def test_两期相同则没有变化(case: tuple, tmp_path: Path) -> None:
    detector, world, _ = case
    same = World(world.before, world.before, world.truth, world.roles)
    compare(same, tmp_path, detector=detector)
    change = read_raster(tmp_path / "change.tif")
    assert not (change == 1).any()
