"""Networks: what a file must say, fixed windows, and the same bytes for every way to cut."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper
from scipy import ndimage

from pipeline.change.learned.infer import (
    InputScaling,
    PairPixels,
    fit_scaling,
    infer,
    median_mad,
    scaled,
)
from pipeline.change.learned.network import Network, band_positions, parse_network, require_gsd
from pipeline.errors import InputError
from pipeline.grid import Tile, tiles
from pipeline.io.models import read_network
from tests.network_factory import CARD, as_model, card, difference_network


def codes(caught: pytest.ExceptionInfo[InputError]) -> list[str]:
    return [finding.code for finding in caught.value.findings]


def pair(height: int, width: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.uint8]]:
    rng = np.random.default_rng(7)
    before = rng.integers(0, 256, (3, height, width), np.uint8)
    after = rng.integers(0, 256, (3, height, width), np.uint8)
    valid = np.zeros((height, width), np.uint8)
    valid[40:70, 30:90] = 2
    return before, after, valid


def over_tiles(
    network: Network, images: tuple[NDArray[Any], NDArray[Any], NDArray[np.uint8]], tile_px: int,
    workers: int = 1,
) -> NDArray[np.float32]:  # fmt: skip
    before, after, valid = images
    out = np.full((len(network.card.classes), *valid.shape), np.nan, np.float32)
    scaling = fit_scaling(network.card, before.reshape(3, -1), after.reshape(3, -1))

    def one(tile: Tile) -> tuple[Tile, NDArray[np.float32]]:
        rows = slice(tile.padded.row0, tile.padded.row1)
        cols = slice(tile.padded.col0, tile.padded.col1)
        pixels = PairPixels(before[:, rows, cols], after[:, rows, cols], valid[rows, cols],
                            tile.padded)  # fmt: skip
        return tile, infer(network, scaling, pixels, tile.core)

    cut = tiles(*valid.shape, tile_px, network.card.halo_px)
    with ThreadPoolExecutor(workers) as pool:
        for tile, result in pool.map(one, cut):
            out[(slice(None), *tile.core.slices_in(tiles(*valid.shape, 10240)[0].core))] = result
    return out


def test_result_does_not_depend_on_tiles_or_workers() -> None:
    network = parse_network(difference_network(), "net.onnx")
    images = pair(1100, 1300)
    whole = over_tiles(network, images, 2048)
    assert not np.isnan(whole).any()
    for tile_px, workers in ((512, 1), (512, 3), (1024, 2)):
        assert over_tiles(network, images, tile_px, workers).tobytes() == whole.tobytes()


def test_every_look_is_put_back_where_it_was() -> None:
    network = parse_network(difference_network(), "net.onnx")
    before, after, valid = pair(300, 420)
    core = tiles(*valid.shape, 512)[0].core
    pixels = PairPixels(before, after, valid, core)
    scaling = fit_scaling(network.card, before.reshape(3, -1), after.reshape(3, -1))
    once = infer(network, scaling, pixels, core)
    for looks in (2, 4, 8):  # this network says the same of a pixel however it is turned
        np.testing.assert_allclose(infer(network, scaling, pixels, core, looks), once, atol=1e-6)


def test_windows_leave_no_seam_and_no_edge() -> None:
    """Against the same arithmetic over the whole, mirrored image at once."""
    network = parse_network(difference_network(), "net.onnx")
    before, after, valid = pair(300, 420)
    valid[:] = 0
    distance = np.abs(after.astype(np.float32) - before).sum(axis=0) / 255
    expected = np.tanh(ndimage.uniform_filter(distance, 9, mode="reflect"))
    found = over_tiles(network, (before, after, valid), 512)[0]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_unobserved_pixels_do_not_matter() -> None:
    network = parse_network(difference_network(), "net.onnx")
    before, after, valid = pair(200, 200)
    other = before.copy()
    other[:, valid != 0] = 17
    same = over_tiles(network, (other, after, valid), 512)
    np.testing.assert_array_equal(same, over_tiles(network, (before, after, valid), 512))
    valid[:] = 1
    assert not over_tiles(network, (before, after, valid), 512).any()


def test_network_travels_pickled() -> None:
    network = parse_network(difference_network(), "net.onnx")
    copy = pickle.loads(pickle.dumps(network))
    assert copy == network
    window = np.ones((3, 160, 160), np.float32)
    np.testing.assert_array_equal(copy.run(window, 0 * window), network.run(window, 0 * window))


def test_robust_scaling_per_date() -> None:
    network = parse_network(
        difference_network(card(normalisation={"kind": "median_mad"})), "net.onnx"
    )
    rng = np.random.default_rng(1)
    before = rng.normal(500, 20, (3, 5000)).astype(np.float32)
    after = (before * 3 + 100).astype(np.float32)
    scaling = fit_scaling(network.card, before, after)
    old, new = (scaled(p[:, None], scaling, date) for date, p in enumerate((before, after)))
    np.testing.assert_allclose(old, new, atol=1e-4)
    assert abs(float(old.std()) - 1) < 0.05


def test_scaling_is_clipped_and_knows_no_nan() -> None:
    scaling = InputScaling(np.zeros((2, 1), np.float32), np.ones((2, 1), np.float32), 6.0)
    values = np.array([[[np.nan, 100.0, -100.0, 2.0]]], np.float32)
    assert scaled(values, scaling, 0).ravel().tolist() == [0.0, 6.0, -6.0, 2.0]


@pytest.mark.parametrize(("dtype", "spread"), [(np.uint8, 1.0), (np.float32, 1.0)])
def test_constant_band_keeps_a_spread(dtype: type, spread: float) -> None:
    centre, found = median_mad(np.full((1, 9), 4, dtype))
    assert (centre[0], found[0]) == (4.0, spread)


def test_not_a_network() -> None:
    with pytest.raises(InputError) as caught:
        parse_network(b"no network at all", "x.onnx")
    assert codes(caught) == ["E-MODEL-FILE"]


def test_without_card() -> None:
    with pytest.raises(InputError) as caught:
        parse_network(difference_network(None), "x.onnx")
    assert codes(caught) == ["E-MODEL-META"]


@pytest.mark.parametrize(
    "change",
    [
        {"roles": ["red", "green", "magenta"]},
        {"roles": ["red", "", "blue"]},
        {"thresholds": [0.5, 0.5]},
        {"thresholds": [1.0]},
        {"gsd_min_m": 4.0},
        {"core_px": 100},
        {"surprise": 1},
        {"normalisation": {"kind": "fixed"}},
        {"normalisation": {"kind": "fixed", "full_scale": 1.0, "mean": [0.0], "std": [1.0]}},
        {"normalisation": {"kind": "median_mad", "full_scale": 1.0}},
    ],
)
def test_wrong_card(change: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        parse_network(difference_network(CARD | change, px=160), "x.onnx")
    assert set(codes(caught)) == {"E-MODEL-META"}


def test_inputs_unlike_the_card() -> None:
    with pytest.raises(InputError) as caught:
        parse_network(difference_network(px=96), "x.onnx")
    assert codes(caught) == ["E-MODEL-INPUTS"]


def test_output_must_be_a_probability() -> None:
    nodes = [
        helper.make_node("Sub", ["before", "after"], ["difference"]),
        helper.make_node("Constant", [], ["two"], value_float=2.0),
        helper.make_node("Add", ["difference", "two"], ["sum"]),
        helper.make_node("Slice", ["sum", "zero", "one", "one"], ["probability"]),
    ]
    constants = [("zero", np.array([0])), ("one", np.array([1]))]
    with pytest.raises(InputError) as caught:
        parse_network(as_model(nodes, (3, 160), (1, 160), constants, CARD), "x.onnx")
    assert codes(caught) == ["E-MODEL-INPUTS"]


def test_bands_are_found_by_role() -> None:
    told = parse_network(difference_network(), "x.onnx").card
    assert band_positions(told, ("blue", "green", "red", "nir")) == (2, 1, 0)
    for roles in (("", "", ""), ("red", "green")):
        with pytest.raises(InputError) as caught:
            band_positions(told, roles)
        assert codes(caught) == ["E-MODEL-BANDS"]


def test_network_without_roles_takes_bands_in_order() -> None:
    told = parse_network(difference_network(card(roles=["", "", ""])), "x.onnx").card
    assert band_positions(told, ("", "", "")) == (0, 1, 2)
    with pytest.raises(InputError):
        band_positions(told, ("", "", "", ""))


def test_pixel_size_must_be_known_to_the_network() -> None:
    told = parse_network(difference_network(), "x.onnx").card
    require_gsd(told, 0.5)
    require_gsd(told, 2.0001)
    with pytest.raises(InputError) as caught:
        require_gsd(told, 10.0)
    assert codes(caught) == ["E-MODEL-GSD"]


def test_reading_a_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(InputError) as caught:
        read_network(path)
    assert codes(caught) == ["E-FILE-MISSING"]
    path.write_bytes(difference_network())
    assert read_network(path).card.name == CARD["name"]
