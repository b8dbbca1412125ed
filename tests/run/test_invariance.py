"""Tiles, threads and processes must not show in a result."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.io.digests import file_sha256, geopackage_digest
from pipeline.io.tiles import ClusterDispatcher
from tests.factories import World, compare, make_pair, read_raster

RASTERS = ("score.tif", "kind.tif", "change.tif")
FAST = [(512, 2), (2048, 4)]
SLOW = [(tile, workers) for tile in (512, 1024, 2048) for workers in (1, 2, 4)]


def digests(out: Path) -> dict[str, str]:
    found = {name: file_sha256(out / name) for name in RASTERS}
    found["patches.gpkg"] = geopackage_digest(out / "patches.gpkg")
    found["tie_points.gpkg"] = geopackage_digest(out / "work" / "align" / "tie_points.gpkg")
    found["valid.tif"] = file_sha256(out / "work" / "align" / "valid.tif")
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Larger than two tiles each way, moved by a fraction of a pixel, with collar and nodata."""
    return make_pair(
        tmp_path_factory.mktemp("pair"),
        (1100, 1300),
        shift=(1.35, -0.6),
        collar=24,
        nodata=0,
        boxes=[
            (490, 540, 500, 530),
            (1000, 1060, 1010, 1040),
            (100, 140, 1000, 1100),
            (700, 705, 60, 64),
        ],
    )


@pytest.fixture(scope="module")
def expected(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One thread, tiles of 1024."""
    out = tmp_path_factory.mktemp("reference")
    done = compare(world, out, tile=1024, workers=1)
    # the case says something: it was moved, parts are unseen, patches lie across tile borders
    assert done.counts["shift_row_px"] == pytest.approx(1.35, abs=0.1)
    assert 0 < done.counts["unobserved_pixels"] < 0.2 * 1100 * 1300
    assert done.counts["patches"] >= 3
    assert (read_raster(out / "change.tif")[500:530, 505:525] == 1).all()
    return digests(out)


@pytest.mark.parametrize(("tile", "workers"), FAST)
def test_瓦片大小和线程数不影响任何一个字节(
    world: World, expected: dict[str, str], tmp_path: Path, tile: int, workers: int
) -> None:
    compare(world, tmp_path, tile=tile, workers=workers)
    assert digests(tmp_path) == expected


def test_neither_in_what_the_construction_network_and_the_filters_say(
    world: World, tmp_path: Path
) -> None:
    found = []
    for tile, workers in ((1024, 1), (512, 2)):
        out = tmp_path / str(tile)
        compare(world, out, tile=tile, workers=workers, judged=True)
        traces = out / "work" / "detect" / "traces.tif"
        assert read_raster(traces).any()
        found.append(digests(out) | {"traces": file_sha256(traces)})
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize(("tile", "workers"), SLOW)
def test_every_combination_of_tiles_and_threads(
    world: World, expected: dict[str, str], tmp_path: Path, tile: int, workers: int
) -> None:
    compare(world, tmp_path, tile=tile, workers=workers)
    assert digests(tmp_path) == expected


@pytest.fixture
def cluster() -> Iterator[ClusterDispatcher]:
    """Two worker processes. distributed's own warnings are none of ours."""
    distributed = pytest.importorskip("distributed", reason="可选依赖 cluster 没有安装")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as running:
            dispatcher = ClusterDispatcher(running.scheduler_address)
            try:
                yield dispatcher
            finally:
                dispatcher.close()


@pytest.mark.filterwarnings("ignore")
def test_两个进程的集群与单线程逐字节相同(
    world: World, expected: dict[str, str], tmp_path: Path, cluster: ClusterDispatcher
) -> None:
    assert cluster.workers == 2
    compare(world, tmp_path, tile=512, tiled=cluster)
    assert digests(tmp_path) == expected
