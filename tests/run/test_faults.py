"""Killed at any moment, run again: the result of an undisturbed run."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.io.digests import file_sha256, geopackage_digest
from tests.factories import World, cli_command, cli_environment, make_pair, run_cli

FILES = ("score.tif", "kind.tif", "change.tif", "quicklook.png", "summary.json")
KILLS, SAMPLED_KILLS = 20, 2


def digests(out: Path) -> dict[str, str]:
    found = {name: file_sha256(out / name) for name in FILES}
    found["patches.gpkg"] = geopackage_digest(out / "patches.gpkg")
    return found


def arguments(world: World, out: Path) -> list[object]:
    return ["compare", world.before, world.after, "--out", out, "--workers", 2]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_pair(
        tmp_path_factory.mktemp("pair"),
        (700, 900),
        boxes=[(100, 140, 100, 160), (500, 560, 600, 640)],
        shift=(0.6, 0.3),
        nodata=0,
    )


@pytest.fixture(scope="module")
def undisturbed(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], float]:
    """Digests of an undisturbed run, and how long one takes here."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert run_cli(arguments(world, out / "first"), out).returncode == 0
    started = time.monotonic()
    done = run_cli(arguments(world, out / "second"), out)
    assert done.returncode == 0, done.stderr
    assert digests(out / "first") == digests(out / "second")
    return digests(out / "first"), time.monotonic() - started


def kill_after(world: World, out: Path, seconds: float) -> bool:
    """Start a comparison and kill it; False if it was quicker."""
    process = subprocess.Popen(
        cli_command(arguments(world, out)),
        env=cli_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def assert_recovers(
    world: World, out: Path, undisturbed: tuple[dict[str, str], float], kills: int, seed: int
) -> None:
    """Kill the same comparison again and again, then let it finish."""
    expected, usual_seconds = undisturbed
    rng = random.Random(seed)
    killed = sum(
        kill_after(world, out, rng.uniform(0.4, 1.0) * usual_seconds) for _ in range(kills)
    )
    assert killed > 0
    done = run_cli(arguments(world, out), out.parent)
    assert done.returncode == 0, done.stderr
    assert digests(out) == expected
    assert not list(out.rglob("*.partial*"))
    assert not list(out.rglob("*.replaced"))
    assert not (out / "work" / "publish").exists()


def test_杀两次_再跑即与不受打扰的结果相同(
    world: World, undisturbed: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    assert_recovers(world, tmp_path / "out", undisturbed, SAMPLED_KILLS, seed=1)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(2, 2 + KILLS))
def test_每次在随机时刻杀一次_再跑(
    world: World, undisturbed: tuple[dict[str, str], float], tmp_path: Path, seed: int
) -> None:
    assert_recovers(world, tmp_path / "out", undisturbed, 1, seed)


@pytest.mark.faults
def test_同一个比对连杀二十次(
    world: World, undisturbed: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    assert_recovers(world, tmp_path / "out", undisturbed, KILLS, seed=99)
