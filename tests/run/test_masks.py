"""Supplied validity masks: carried with their image, refused where they do not fit it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from pipeline.errors import InputError
from pipeline.imagery.validity import worst_of
from pipeline.io.scenes import open_scene
from tests.factories import (
    ORIGIN,
    UTM_50N,
    World,
    call_cli,
    compare,
    make_pair,
    read_raster,
    write_raster,
)

SIZE = (256, 320)
NORTH_UP = Affine(2.0, 0, ORIGIN[UTM_50N][0], 0, -2.0, ORIGIN[UTM_50N][1])


def with_masks(folder: Path, world: World, **masks: np.ndarray) -> Path:
    lines = []
    for name, mask in masks.items():
        write_raster(folder / f"{name}_mask.tif", mask, transform=NORTH_UP)
        lines.append(f"{name}_mask: {name}_mask.tif")
    (folder / "meta.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_云和云影不算看见_两期取较重的一种(tmp_path: Path) -> None:
    data, out = tmp_path / "pair", tmp_path / "out"
    world = make_pair(data, SIZE, boxes=[(40, 60, 50, 80)])
    before, after = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    before[100:140, 100:140], after[120:160, 120:160] = 3, 2
    after[10:20, 10:20] = 1
    with_masks(data, world, before=before, after=after)
    compare(world, out, own_clouds=False)
    valid = read_raster(out / "work" / "align" / "valid.tif")
    expected = np.maximum(np.where(before == 3, 3, 0), 0)
    expected[after == 2] = 2
    expected[after == 1] = 1
    np.testing.assert_array_equal(valid, expected)
    score = read_raster(out / "score.tif")
    np.testing.assert_array_equal(score == 65_535, expected != 0)
    # a changed mask is another comparison
    with_masks(data, world, before=before * 0, after=after * 0)
    compare(world, out, own_clouds=False)
    assert not (read_raster(out / "score.tif") == 65_535).any()


def test_a_supplied_cloud_is_taken_as_it_is_given(tmp_path: Path) -> None:
    data, out = tmp_path / "pair", tmp_path / "out"
    world = make_pair(data, SIZE)
    after = np.zeros(SIZE, np.uint8)
    after[96:136, 120:160] = 2  # on the 8 px blocks of the cloud rules
    after[150:157, 203:218] = 2
    after[200:208, 40:48] = 3
    after[10:20, 10:20] = 1
    with_masks(data, world, after=after)
    done = call_cli("compare", world.before, world.after, "--out", out)
    assert done.code == 0, done.text
    np.testing.assert_array_equal(read_raster(out / "work" / "align" / "valid.tif"), after)


def test_掩膜随影像一起平移(tmp_path: Path) -> None:
    data, out = tmp_path / "pair", tmp_path / "out"
    world = make_pair(data, (512, 512), shift=(3.0, -2.0))
    mask = np.zeros((512, 512), np.uint8)
    mask[203:243, 298:348] = 2  # where the after image shows it, 3 px lower and 2 px further left
    with_masks(data, world, after=mask)
    compare(world, out, own_clouds=False)
    valid = read_raster(out / "work" / "align" / "valid.tif")
    assert (valid[200:240, 300:350] == 2).mean() > 0.95
    assert (valid == 2).sum() == 40 * 50


@pytest.mark.parametrize("wrong", ["size", "place", "bands"])
def test_掩膜与影像不同格网_报E_MASK_GRID(tmp_path: Path, wrong: str) -> None:
    world = make_pair(tmp_path, SIZE)
    shape = (256, 321) if wrong == "size" else SIZE
    transform = NORTH_UP @ Affine.translation(1.0, 0.0) if wrong == "place" else NORTH_UP
    mask = np.zeros((2, *shape) if wrong == "bands" else shape, np.uint8)
    path = write_raster(tmp_path / "mask.tif", mask, transform=transform)
    with pytest.raises(InputError) as problem:
        open_scene(world.before, mask=path)
    assert [finding.code for finding in problem.value.findings] == ["E-MASK-GRID"]
    good = write_raster(tmp_path / "good.tif", np.zeros(SIZE, np.uint8), crs=None)
    assert open_scene(world.before, mask=good).mask == good


def test_不认识的掩膜取值被拒绝(tmp_path: Path) -> None:
    data = tmp_path / "pair"
    world = make_pair(data, SIZE)
    with_masks(data, world, before=np.full(SIZE, 7, np.uint8))
    refused = call_cli("compare", world.before, world.after, "--out", tmp_path / "out")
    assert refused.code == 3
    assert "E-MASK-GRID" in refused.err
    assert "7" in refused.err


def test_worst_of_states() -> None:
    states = [np.array([[0, 1, 2, 3, 0, 3]], np.uint8), np.array([[0, 2, 3, 1, 3, 0]], np.uint8)]
    assert worst_of(states, (1, 6)).tolist() == [[0, 1, 2, 1, 3, 3]]
