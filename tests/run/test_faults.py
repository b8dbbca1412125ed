"""Killed at any moment, run again: the result of an undisturbed run."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.io.digests import file_sha256, geopackage_digest, tree_files
from pipeline.io.runs import RunPaths
from tests.factories import World, cli_command, cli_environment, make_pair, run_cli
from tests.package_factory import bring_up_to_date, write_county

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
    for _ in range(kills):
        seconds = rng.uniform(0.4, 1.0) * usual_seconds
        # How long it takes depends on what else the machine does: one that was quicker starts over.
        while not kill_after(world, out, seconds):
            shutil.rmtree(out)
            seconds *= 0.7
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


PACKAGE_STAGE = (
    "import sys; from pathlib import Path; from tests.package_factory import bring_up_to_date;"
    " bring_up_to_date(Path(sys.argv[1]))"
)


def package_process(folder: Path) -> subprocess.Popen[bytes]:
    """The stage `package` of a written county, in a process that can be killed."""
    return subprocess.Popen(
        [sys.executable, "-c", PACKAGE_STAGE, str(folder)],
        env=cli_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def delivered(folder: Path) -> dict[str, str]:
    """Bytes of all that packages and delivery hold."""
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for name in ("packages", "delivery")
        for path in tree_files(folder / name)
    }


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], float]:
    """A written county, its packages undisturbed, and how long they take."""
    root = tmp_path_factory.mktemp("packaged")
    write_county(RunPaths(root / "county"))
    shutil.copytree(root / "county", root / "undisturbed")
    started = time.monotonic()
    assert package_process(root / "undisturbed").wait() == 0
    return root / "county", delivered(root / "undisturbed"), time.monotonic() - started


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(1, 13))
def test_核查包写到一半被杀_再跑结果相同(
    packaged: tuple[Path, dict[str, str], float], tmp_path: Path, seed: int
) -> None:
    """Two folders are replaced by one stage: killed at any moment both come out whole."""
    county, expected, usual_seconds = packaged
    folder = tmp_path / "run"
    shutil.copytree(county, folder)
    rng = random.Random(seed)
    for _ in range(2):
        process = package_process(folder)
        try:
            process.wait(rng.uniform(0.4, 1.0) * usual_seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    bring_up_to_date(folder)
    assert delivered(folder) == expected
    assert not [path for path in folder.iterdir() if path.name.startswith((".packages", ".del"))]
    assert not (folder / "kept").exists()


def test_没有清单的成果里填过的表不会丢(
    packaged: tuple[Path, dict[str, str], float], tmp_path: Path
) -> None:
    """Killed between the folders and their manifest; somebody fills in a form; run again."""
    county, expected, _ = packaged
    folder = tmp_path / "run"
    shutil.copytree(county, folder)
    bring_up_to_date(folder)
    form = folder / "delivery" / "judgements.xlsx"
    (folder / "packages" / "manifest.json").unlink()
    form.write_bytes(b"filled in by the bureau")
    (notice,) = [n for n in bring_up_to_date(folder).notices if n.code == "N-KEPT-ASIDE"]
    assert notice.value == "../delivery/judgements.xlsx"
    kept = [path for path in tree_files(folder / "kept") if path.is_file()]
    assert [path.name for path in kept] == ["judgements.xlsx"]
    assert kept[0].read_bytes() == b"filled in by the bureau"
    assert delivered(folder) == expected
