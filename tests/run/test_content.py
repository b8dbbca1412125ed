"""Images without content and one image given twice: said before anything is concluded from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from tests.factories import World, call_cli, make_pair, write_raster
from tests.run.test_errors import assert_refused

NORTH_UP = Affine(2.0, 0, 500_000.0, 0, -2.0, 4_000_000.0)
SHAPE = (4, 128, 160)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_pair(tmp_path_factory.mktemp("good"), SHAPE[1:], with_roles=False)


@pytest.mark.parametrize("date", ["变化前", "变化后"])
def test_没有内容的影像点名拒收(world: World, tmp_path: Path, date: str) -> None:
    pixels = np.full(SHAPE, 500, "uint16")
    flat = write_raster(tmp_path / "flat.tif", pixels, transform=NORTH_UP)
    pair = (flat, world.after) if date == "变化前" else (world.before, flat)
    done = call_cli("compare", *pair, "--out", tmp_path / "out")
    assert_refused(done, 3, "E-IMAGE-BAND", f"{date}影像", "flat.tif", "500、500、500、500")


def test_无效值之外只有一个值也是没有内容(world: World, tmp_path: Path) -> None:
    flat = np.full(SHAPE, 500, "uint16")
    flat[:, :, :60] = 7
    path = write_raster(tmp_path / "flat.tif", flat, transform=NORTH_UP, nodata=7)
    done = call_cli("compare", path, world.after, "--out", tmp_path / "out")
    assert_refused(done, 3, "E-IMAGE-BAND", "变化前影像", "500")


@pytest.mark.parametrize("is_copy", [False, True])
def test_同一幅影像给了两次只提示(world: World, tmp_path: Path, is_copy: bool) -> None:
    second = world.before
    if is_copy:
        second = tmp_path / "copy.tif"
        shutil.copyfile(world.before, second)
    done = call_cli("compare", world.before, second, "--out", tmp_path / "out")
    assert done.code == 0, done.text
    assert "N-IMAGE-SAME" in done.out
    assert ("同一个文件" in done.out) != is_copy
    assert call_cli("compare", world.before, second, "--out", tmp_path / "out").out.count("N-IMAGE")


def test_像元太少_说清共有多少_各因什么看不到(tmp_path: Path) -> None:
    """Undeclared zeros from the frame inwards are a collar: the images are not merely small."""
    paths = []
    for name, hidden in (("before", 345), ("after", 342)):
        pixels = np.random.default_rng(len(name)).integers(50, 200, (4, 20, 20)).astype("uint16")
        pixels.reshape(4, -1)[:, :hidden] = 0
        paths.append(write_raster(tmp_path / f"{name}.tif", pixels, transform=NORTH_UP))
    done = call_cli("compare", *paths, "--out", tmp_path / "out")
    told = ("影像共 400 个像元", "都有数据的 55 个", "变化前无数据 345 个", "变化后无数据 342 个")
    assert_refused(done, 3, "E-RASTER-EMPTY", *told, "至少 256 个", "按无数据处理")


def test_内容不在抽查的窗口里也算有内容(world: World, tmp_path: Path) -> None:
    mostly = np.full((4, 600, 600), 500, "uint16")
    mostly[:, :100, :100] = np.random.default_rng(1).integers(300, 900, (4, 100, 100))
    path = write_raster(tmp_path / "corner.tif", mostly, transform=NORTH_UP)
    done = call_cli("compare", path, world.after, "--out", tmp_path / "out")
    assert "E-IMAGE-BAND" not in done.text
    assert "N-IMAGE-SAME" not in done.text
