"""`--out`: nothing that `compare` did not write itself is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.io.runs import WORK_MARK
from pipeline.stages import compare as compare_module
from tests.factories import World, call_cli, compare, make_pair
from tests.run.test_errors import assert_refused

MINE = "mine"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_pair(tmp_path_factory.mktemp("good"), (80, 96))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["work/", "patches.gpkg"], "patches.gpkg"),
        (["work/align/notes.txt"], "work"),
        (["work/align/manifest.json"], "work"),
        (["work"], "work"),
        (["manifest.json"], "manifest.json"),
        (["work/.compare", "manifest.json/"], "manifest.json/"),
        (["patches.gpkg/"], "patches.gpkg/"),
    ],
)
def test_别人的文件不覆盖(world: World, tmp_path: Path, names: list[str], told: str) -> None:
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text(MINE, encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    done = call_cli("compare", world.before, world.after, "--out", tmp_path)
    assert_refused(done, 2, "E-USAGE", told, "--out")
    assert sorted(tmp_path.rglob("*")) == before
    assert all(path.read_text(encoding="utf-8") == MINE for path in before if path.is_file())


def test_自己写的接着用_中断的_没有标记的旧文件夹(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(compare_module, "run_stages", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compare(world, out)
    (out / "work" / "align").mkdir()
    assert compare(world, out).was_published
    (out / "work" / WORK_MARK).unlink()
    assert not compare(world, out).was_published


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "before.tif", "after.tif"],
        ["evaluate", "chips"],
        ["effect", "model.onnx", "chips"],
    ],
)
@pytest.mark.parametrize("out", ["", " "])
def test_成果文件夹没有名称(command: list[str], out: str) -> None:
    assert_refused(call_cli(*command, "--out", out), 2, "E-USAGE", "--out", "空的")
