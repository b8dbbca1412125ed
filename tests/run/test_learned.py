"""The detector `learned` through the whole product, with a network that knows its answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.io.runs import WORK_FOLDER
from tests.factories import World, call_cli, make_pair, read_raster, write_raster
from tests.network_factory import card, difference_network

BOXES = [(60, 100, 60, 110), (400, 440, 500, 560), (500, 560, 100, 160)]
COMPARED = ("score.tif", "change.tif", "kind.tif")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("pair")
    made = make_pair(
        folder, (640, 1100), n_bands=3, dtype="uint8", boxes=BOXES, gain=1.0, offset=0.0
    )
    write_raster(folder / "label.tif", made.truth.astype(np.uint8))
    return made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "county.onnx"
    path.write_bytes(difference_network(card(thresholds=[0.3])))
    return path


def compare(world: World, model: Path, out: Path, *options: object) -> Path:
    called = call_cli("compare", world.before, world.after, "--model", model, "--out", out,
                      "--bands", world.bands, *options)  # fmt: skip
    assert called.code == 0, called.text
    return out


def test_same_bytes_for_every_cut_and_finds_what_was_planted(
    world: World, model: Path, tmp_path: Path
) -> None:
    whole = compare(world, model, tmp_path / "a", "--tile", 2048, "--workers", 1)
    cut = compare(world, model, tmp_path / "b", "--tile", 512, "--workers", 2)
    for name in COMPARED:
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name
    change = read_raster(whole / "change.tif")
    for row0, row1, col0, col1 in BOXES:
        assert (change[row0 + 5 : row1 - 5, col0 + 5 : col1 - 5] == 1).all()


def test_manifest_holds_the_content_and_not_the_place(
    world: World, model: Path, tmp_path: Path
) -> None:
    out = compare(world, model, tmp_path / "a")
    manifest = (out / WORK_FOLDER / "detect" / "manifest.json").read_text(encoding="utf-8")
    assert str(model) not in manifest
    assert "model" in json.loads(manifest)["inputs"]
    stamp = (out / "score.tif").read_bytes()
    moved = tmp_path / "moved.onnx"
    moved.write_bytes(model.read_bytes())
    called = call_cli("compare", world.before, world.after, "--model", moved, "--out", out,
                      "--bands", world.bands)  # fmt: skip
    assert "detect 变化检测：未变化，跳过" in called.out
    moved.write_bytes(difference_network(card(thresholds=[0.6])))
    compare(world, moved, out)
    assert (out / "score.tif").read_bytes() != stamp


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"roles": ["red", "green", "swir1"]}, "E-MODEL-BANDS"),
        ({"gsd_min_m": 5.0, "gsd_max_m": 9.0}, "E-MODEL-GSD"),
    ],
)
def test_a_network_for_other_images_is_refused(
    world: World, tmp_path: Path, changes: dict[str, object], code: str
) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(difference_network(card(**changes)))
    called = call_cli("compare", world.before, world.after, "--model", path,
                      "--out", tmp_path / "o", "--bands", world.bands)  # fmt: skip
    assert called.code == 3
    assert code in called.err


def test_learned_without_a_model_and_a_model_without_learned(
    world: World, model: Path, tmp_path: Path
) -> None:
    common = ("compare", world.before, world.after, "--out", tmp_path / "o")
    called = call_cli(*common, "--detector", "learned")
    assert called.code == 3
    assert "E-MODEL-FILE" in called.err
    called = call_cli(*common, "--detector", "cva", "--model", model)
    assert called.code == 2


def test_effect_is_told_and_nothing_switched(world: World, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "effect"
    called = call_cli("effect", model, world.before.parent, "--against", "cva", "--out", out)
    assert called.code == 0, called.text
    assert "变化地块 3 个" in called.out
    told = json.loads((out / "effect.json").read_text(encoding="utf-8"))
    assert told["objects"]["objects"] == 3
    assert told["present_detector"] == "cva"
    assert told["pixels"]["model"]["recall"] > 0.9
