"""Figures of construction candidates, by hand and over tiles, and the scorecard over them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.change.candidate_figures import candidate_figures
from pipeline.change.candidates import (
    HALO_PX,
    N_SUMS,
    CandidateJob,
    Tones,
    fit_tones,
    measure_candidates,
)
from pipeline.change.construction import BUILT, N_TRACES
from pipeline.change.learned.infer import InputScaling
from pipeline.change.objects import RunTable
from pipeline.change.verdict import FigureCard, VerdictCard, log_odds_by_card, normal_scores
from pipeline.config.load import CONSTRUCTION_NETWORK, CONSTRUCTION_VERDICT, load_verdict
from pipeline.grid import PixelWindow, RasterWindow, tiles
from pipeline.io.models import read_network
from pipeline.patches.components import Components, find_components

SIZE, GAIN = 48, 0.01
PLANTS, ROOF = (300, 400, 300, 2000), (1500, 1500, 1500, 1500)
SCALING = InputScaling(np.zeros((2, 4), np.float32), np.full((2, 4), GAIN, np.float32), np.inf)
TONES = Tones(SCALING, np.full((2, 4), 100.0), np.full((2, 4), 10.0))
Box = tuple[int, int, int, int]
LOT: Box = (20, 30, 16, 32)


class Site:
    """A pair on even ground with one candidate in `LOT`."""

    def __init__(self, size: int = SIZE) -> None:
        ground = np.array(PLANTS, np.uint16)[:, None, None]
        self.before, self.after = (np.tile(ground, (1, size, size)) for _ in range(2))
        self.traces = np.zeros((N_TRACES, size, size), np.uint8)
        self.valid = np.zeros((1, size, size), np.uint8)
        self.score = np.full((1, size, size), 5000, np.uint16)

    def build(self, box: Box, colour: tuple[int, int, int, int] = ROOF, built: int = 204) -> Site:
        at = slice(box[0], box[1]), slice(box[2], box[3])
        self.after[:, *at] = np.array(colour)[:, None, None]
        self.traces[BUILT, *at] = built
        return self

    @property
    def components(self) -> Components:
        return find_components((self.traces[BUILT] >= 51).astype(np.uint8))

    def sums(self, tile_px: int = 512, level: int = 60) -> NDArray[np.int64]:
        found, size = self.components, self.valid.shape[1]
        index = found.by_row
        job = CandidateJob(
            RunTable(index.row_offsets, index.runs, index.component),
            np.full(len(found), level, np.uint8),
            np.stack([found.first_row, found.first_col], axis=1).astype(np.int64),
            (0, 1, 2, 3),
            TONES,
        )
        sums = np.zeros((len(found), N_SUMS), np.int64)
        for tile in tiles(size, size, tile_px, HALO_PX):
            rows, cols = tile.padded.slices_in(PixelWindow(0, size, 0, size))
            planes = {name: getattr(self, name) for name in ("before", "after", "traces", "valid")}
            windows = {
                name: RasterWindow(plane[:, rows, cols], tile.padded.row0, tile.padded.col0)
                for name, plane in (*planes.items(), ("score", self.score))
            }
            for _, (present, part) in measure_candidates(tile, windows, job).partials:
                sums[present] += part
        return sums

    def figures(self, level: int = 60) -> dict[str, float]:
        told = candidate_figures(self.sums(level=level), TONES, 4.0)
        return {name: float(values[0]) for name, values in told.items()}


def test_a_roof_on_even_ground_by_hand() -> None:
    told = Site().build(LOT).figures()
    assert told["area_m2"] == 160 * 4.0
    assert told["built"] == told["built_full"] == pytest.approx(0.8)
    assert (told["built_spread"], told["built_first"], told["worked"]) == (0.0, 0.0, 0.0)
    assert told["change"] == pytest.approx(0.5)
    assert told["compactness"] == pytest.approx(4 * np.pi * 160 / 52**2)
    assert told["rectangularity"] == pytest.approx(1.0)
    assert told["elongation"] == pytest.approx(np.log(1.6))
    assert told["core_red_after"] == pytest.approx(1500 * GAIN)
    assert told["ring_nir_before"] == pytest.approx(2000 * GAIN)
    assert told["core_nir_red_after"] == pytest.approx(0.0)
    assert told["core_green_red_before"] == pytest.approx(np.log(300 / 200))
    assert told["core_ndvi_before"] == pytest.approx(1700 / 2100, abs=1e-3)
    assert told["contrast_after"] == pytest.approx(12.0), "red and blue differ most"
    assert told["contrast_before"] == 0.0
    assert (told["rim_level"], told["first_level"]) == (1.0, 0.0)
    assert (told["core_spread"], told["ring_spread"], told["pattern_kept"]) == (0.0, 0.0, 0.0)


def test_a_spot_in_an_uneven_field_differs_from_a_roof_by_its_surroundings() -> None:
    site = Site().build(LOT)
    rows, cols = np.indices((SIZE, SIZE))
    uneven = (site.traces[BUILT] == 0) & ((rows // 2 + cols // 2) % 2 == 0)
    site.after[:, uneven] = 900
    assert site.figures()["ring_spread"] > 0.3 > Site().build(LOT).figures()["ring_spread"]


def uneven_field(colour: tuple[int, int, int, int]) -> Site:
    """Bands that go up and down together, by 20 each; a spot of a colour in `LOT`."""
    site = Site()
    light = np.random.default_rng(5).normal(0, 20, (SIZE, SIZE))
    own = np.random.default_rng(6).normal(0, 1, (4, SIZE, SIZE))
    site.after = np.rint(np.array(PLANTS)[:, None, None] + light + own).astype(np.uint16)
    return site.build(LOT, colour)


def test_a_spot_stands_out_by_what_its_surroundings_do_not_explain() -> None:
    paler = uneven_field((340, 440, 340, 2040)).figures()
    other = uneven_field((260, 440, 260, 2040)).figures()
    assert paler["contrast_after"] == pytest.approx(other["contrast_after"], abs=0.15)
    assert paler["apart_after"] < 3 < 3 * paler["apart_after"] < other["apart_after"]
    for told in (paler, other):
        assert told["apart_before"] == 0.0, "even ground, nothing on it"
        assert told["apart_change"] == pytest.approx(told["apart_after"])


def test_the_distance_from_the_ring_by_another_way() -> None:
    site = uneven_field((340, 420, 260, 1900))
    site.before = np.flip(site.after, axis=1).copy()
    told = site.figures()
    ring = []
    for side in range(2, 5):  # the pixels two to four steps out from every side of the rectangle
        ring += [(row, col) for row in (LOT[0] - side, LOT[1] - 1 + side) for col in range(16, 32)]
        ring += [(row, col) for col in (LOT[2] - side, LOT[3] - 1 + side) for row in range(20, 30)]
    at = tuple(np.array(ring).T)
    core = slice(LOT[0] + 1, LOT[1] - 1), slice(LOT[2] + 1, LOT[3] - 1)
    for name, image in {
        "before": site.before.astype(float),
        "after": site.after.astype(float),
        "change": site.after.astype(float) - site.before.astype(float),
    }.items():
        around, inside = image[:, *at] * GAIN, image[:, *core].reshape(4, -1) * GAIN
        gap = inside.mean(axis=1) - around.mean(axis=1)
        spread = np.cov(around, bias=True) + 0.01 * np.eye(4)
        expected = np.sqrt(gap @ np.linalg.inv(spread) @ gap)
        assert told[f"apart_{name}"] == pytest.approx(expected, rel=0.03)
    assert told["first_apart_after"] < 0.4 * told["apart_after"], "it ends where it ends"


def test_a_hollow_that_showed_before_is_told_from_a_new_yard() -> None:
    new = Site().build(LOT).figures()
    assert new["seen_before"] == 0.0
    hollow = Site().build(LOT)
    at = slice(LOT[0], LOT[1]), slice(LOT[2], LOT[3])
    hollow.before[:, *at] = (
        (hollow.before[:, *at].astype(int) * 3 + np.array(ROOF)[:, None, None]) // 4
    ).astype(np.uint16)
    assert hollow.figures()["seen_before"] == pytest.approx(0.25, abs=0.01)


def test_a_candidate_ends_at_its_level() -> None:
    rim = (18, 32, 14, 34)
    site = Site().build(rim, PLANTS, 60).build(LOT)
    told, whole = site.figures(level=100), site.figures(level=60)
    assert (told["area_m2"], whole["area_m2"]) == (640.0, 1120.0)
    assert told["trimmed"] == pytest.approx(160 / 280)
    assert told["built_first"] == pytest.approx(60 / 255), "what was cut off lies around it"
    assert whole["built_first"] == 0.0


def test_neighbours_and_what_was_not_seen_are_not_surroundings() -> None:
    plain = Site().build(LOT).figures()
    beside = Site().build(LOT).build((20, 30, 34, 40))
    assert beside.figures()["ring_red_after"] == pytest.approx(plain["ring_red_after"])
    hidden = Site().build(LOT)
    hidden.after[:, 32:40] = 9000
    hidden.valid[:, 32:40] = 2
    assert hidden.figures()["ring_red_after"] == pytest.approx(plain["ring_red_after"])


def test_tiles_do_not_show_in_the_sums() -> None:
    size = 1100
    rng = np.random.default_rng(3)
    site = Site(size)
    for plane in (site.before, site.after):
        plane += rng.integers(0, 300, plane.shape).astype(np.uint16)
    site.traces[BUILT] = rng.integers(0, 60, (size, size))
    site.valid[0, 300:330] = 3
    for corner in (100, 505, 1019):
        site.traces[BUILT, corner : corner + 12, corner - 3 : corner + 20] = 150
    assert len(site.components) > 1000
    np.testing.assert_array_equal(site.sums(512), site.sums(2048))


def test_dark_values_and_the_least_brightness_come_from_the_sample() -> None:
    sample = np.tile(np.arange(1000.0), (4, 1))
    tones = fit_tones(sample, sample + 50, SCALING, 0.002)
    np.testing.assert_allclose(tones.dark[0], 1.998)
    np.testing.assert_allclose(tones.dark[1] - tones.dark[0], 50.0)
    np.testing.assert_allclose(tones.least[0], (499.5 - 1.998) / 32)


def test_the_card_adds_up() -> None:
    card = VerdictCard(
        network_sha256="0" * 64,
        trained_on="test",
        built_share=0.5,
        intercept=-1.0,
        size_weight=0.5,
        figures=(
            FigureCard(name="a", quantiles=(0.0, 10.0), weight=2.0, size_weight=1.0),
            FigureCard(name="b", quantiles=(0.0, 1.0, 2.0), weight=-1.0, size_weight=0.0),
        ),
    )
    top = normal_scores(2)[1]
    assert top == pytest.approx(0.6744898)
    figures = {"a": np.array([5.0, 10.0, 99.0]), "b": np.array([1.0, 1.0, -9.0])}
    log_odds = np.array([-1.0, -1.0 + 2 * top, -1.0 + 2 * top - normal_scores(3)[0]])
    np.testing.assert_allclose(log_odds_by_card(figures, card, 3.2), log_odds)
    log_odds += np.log2(4 / 3.2) * (0.5 + np.array([0.0, top, top]))
    np.testing.assert_allclose(log_odds_by_card(figures, card, 4.0), log_odds)
    beyond, last = (log_odds_by_card(figures, card, pixel_m) for pixel_m in (6.0, 5.0))
    np.testing.assert_array_equal(beyond, last)


def test_the_shipped_card_belongs_to_the_shipped_network_and_its_figures() -> None:
    card = load_verdict(CONSTRUCTION_VERDICT)
    assert card.network_sha256 == read_network(CONSTRUCTION_NETWORK).digest
    told = candidate_figures(Site().build(LOT).sums(), TONES, 4.0)
    assert [figure.name for figure in card.figures] == list(told)
    assert "demo" in card.trained_on
