"""What the construction network says, stored by hand-checked rules and the same in every tile."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.change.construction import (
    BUILT,
    FULL,
    KIND,
    WORKED,
    ConstructionModel,
    ConstructionParams,
    is_built,
    is_worked,
    told_kinds,
    trace_tile,
    traces_of,
)
from pipeline.change.learned.infer import InputScaling
from pipeline.change.learned.network import parse_network
from pipeline.config.load import CHANGE_KIND_CODES, CONSTRUCTION_NETWORK, load_codes
from pipeline.grid import PixelWindow, RasterWindow, tiles
from pipeline.io.models import read_network
from pipeline.patches.construction import (
    ConstructionWeightParams,
    is_construction,
    outline_levels,
)
from pipeline.patches.kinds import BUILT_KINDS
from tests.network_factory import card, difference_network

CLASSES = ("construction", "building", "hardened", "earthwork", "waste")
ROLES = ["blue", "green", "red", "nir"]


def model() -> ConstructionModel:
    told = card(
        classes=list(CLASSES), thresholds=[0.5] * 5, roles=ROLES, core_px=64,
        normalisation={"kind": "median_mad"},
    )  # fmt: skip
    scaling = InputScaling(np.zeros((2, 4), np.float32), np.full((2, 4), 1e-4, np.float32), 6.0)
    return ConstructionModel(
        parse_network(difference_network(told), "test"),
        scaling,
        (0, 1, 2, 3),
        (11, 12, 20, 23),
        4,
        (True, True, False, False),
    )


def test_planes_by_hand() -> None:
    #            built        worked       neither
    classes = np.array(
        [
            [0.8, 0.2, 0.1],
            [0.3, 0.1, 0.0],
            [0.5, 0.1, 0.1],
            [0.1, 0.2, 0.1],
            [0.0, 0.5, 0.1],
        ],
        np.float32,
    ).reshape(5, 1, 3)
    traces = traces_of(classes, model())
    assert traces[BUILT, 0].tolist() == [204, 51, 26]
    assert traces[WORKED, 0].tolist() == [26, 178, 51]
    assert traces[KIND, 0].tolist() == [12, 23, 20]
    params = ConstructionParams(min_probability=0.35)
    assert is_built(traces, 0.35)[0].tolist() == [True, False, False]
    assert is_worked(traces, params)[0].tolist() == [False, True, False]
    assert told_kinds(traces, params)[0].tolist() == [12, 23, 0]


def test_the_limit_itself_counts() -> None:
    traces = np.zeros((3, 1, 2), np.uint8)
    traces[BUILT, 0], traces[KIND] = [89, 88], 11  # 0.35 · 255 = 89.25
    assert is_built(traces, 0.35)[0].tolist() == [True, False]


def test_what_was_not_seen_says_nothing_and_tiles_do_not_show() -> None:
    rng = np.random.default_rng(4)
    pair = rng.integers(0, 2000, (2, 4, 700, 600)).astype(np.uint16)
    valid = np.zeros((1, 700, 600), np.uint8)
    valid[0, 100:220, 50:90] = 2
    params, found = model(), []
    for tile_px in (512, 1024):
        whole = np.zeros((3, 700, 600), np.uint8)
        for tile in tiles(700, 600, tile_px, params.network.card.halo_px):
            near = (slice(None), *tile.padded.slices_in(PixelWindow(0, 700, 0, 600)))
            origin = tile.padded.row0, tile.padded.col0
            sources = {
                name: RasterWindow(array[near], *origin)
                for name, array in (("before", pair[0]), ("after", pair[1]), ("valid", valid))
            }
            at = (slice(None), *tile.core.slices_in(PixelWindow(0, 700, 0, 600)))
            whole[at] = trace_tile(tile, sources, params).rasters["traces"]
        found.append(whole)
    np.testing.assert_array_equal(found[0], found[1])
    assert not found[0][:, 100:220, 50:90].any()
    assert np.unique(found[0][BUILT]).size > 20


def test_weight_decides_in_all_and_for_the_size() -> None:
    params = ConstructionWeightParams(min_weight_m2=200.0, min_mean_probability=0.5)
    weight, area = np.array([199.9, 200.0, 5000.0, 5000.0]), np.array([300.0, 400.0, 1e4, 10_001])
    assert is_construction(weight, area, params).tolist() == [False, True, True, False]


def test_a_sure_object_ends_higher_than_a_faint_one() -> None:
    params = ConstructionWeightParams(outline_share=0.75)
    weight, area = np.array([1000.0, 600.0, 0.0]), np.array([1000.0, 1000.0, 100.0])
    levels = np.floor(outline_levels(weight, area, params) * FULL)
    assert levels.tolist() == [191, 114, 0]


def test_the_shipped_network_fits_the_code_table() -> None:
    network = read_network(CONSTRUCTION_NETWORK)
    codes = load_codes(CHANGE_KIND_CODES).attributes
    assert network.card.classes[0] == "construction"
    built = {
        int(codes[name]["value"])
        for name in network.card.classes[1:]
        if codes[name]["is_construction"] == "1"
    }
    assert built == set(BUILT_KINDS)
    assert len(network.onnx) <= 3_000_000
    assert "demo" in network.card.training


@pytest.mark.parametrize("value", [0.0, 2.5, -6.0])
def test_the_shipped_network_finds_nothing_where_nothing_changed(value: float) -> None:
    network = read_network(CONSTRUCTION_NETWORK)
    side = network.card.window_px
    ground = np.full((4, side, side), value, np.float32)
    core = slice(network.card.halo_px, -network.card.halo_px)
    built = network.run(ground, ground)[0, core, core]
    assert built.max() < ConstructionParams().min_probability
