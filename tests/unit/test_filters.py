"""Pseudo-changes against the construction that looks most like them, from painted pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pipeline.change.cover import CoverRule, KindBands
from pipeline.change.objects import RunTable
from pipeline.change.surfaces import (
    CLOUD,
    N_SUMS,
    SurfaceJob,
    SurfaceRule,
    fit_surface,
    measure_surfaces,
    surface_figures,
    surface_halo_px,
)
from pipeline.grid import Grid, PixelWindow, RasterWindow, tiles
from pipeline.patches.components import Components, find_components
from pipeline.patches.filter_params import FILTER_ORDER, FilterLimits, FilterParams
from pipeline.patches.filters import (
    FILTERS,
    Objects,
    filter_reasons,
    is_water_now,
    opened_wood,
)
from pipeline.patches.measures import DropReason, width_of_pixels_m
from pipeline.patches.polygonise import trace_outlines
from pipeline.patches.shapes import shape_figures

ROOT = Path(__file__).resolve().parents[2]
SIZE, REACH_PX, GSD_M = 96, 8, 2.0
GRID = Grid(SIZE, SIZE, (GSD_M, 0.0, 0.0, 0.0, -GSD_M, 0.0), None, GSD_M)
BANDS = KindBands(green=0, red=1, nir=2)
SOIL, PLANTS, WATER = (100, 150, 200), (50, 40, 400), (60, 40, 15)
CONCRETE, WHITE_ROOF, ASPHALT = (160, 200, 225), (320, 360, 340), (70, 95, 120)
GRAIN, STRAW, FILM, HAZED = (120, 200, 320), (165, 240, 300), (210, 240, 290), (170, 215, 300)
WET, SHADE, MUD, CLEARING = (40, 62, 82), (50, 73, 98), (90, 120, 140), (180, 260, 330)
CONCRETE_ROAD, GRAVEL = (175, 215, 215), (130, 185, 250)
RULE = SurfaceRule(CoverRule((0.0, 0.0, 0.0), 0.3, 0.0, 60.0), (100.0, 150.0, 200.0))
"""Bare ground is 100, 150, 200; near infrared under 60 is water if green is above it."""

Box = tuple[int, int, int, int]
FIELD: Box = (36, 60, 36, 60)
FLOOR: Box = (38, 58, 38, 58)
STRIP: Box = (30, 70, 44, 49)
NARROW: Box = (30, 70, 44, 47)


class Pair:
    """Two dates of one piece of land, and the object that is asked about."""

    def __init__(self, land: tuple[int, int, int] = PLANTS, size: int = SIZE) -> None:
        self.dates = {
            name: np.tile(np.array(land, np.uint16)[:, None, None], (1, size, size))
            for name in ("before", "after")
        }
        self.valid = np.zeros((size, size), np.uint8)

    def paint(self, date: str, box: Box, colour: tuple[int, int, int]) -> Pair:
        for name in ("before", "after") if date == "both" else (date,):
            self.dates[name][:, box[0] : box[1], box[2] : box[3]] = np.array(colour)[:, None, None]
        return self

    def figures(self, box: Box = FIELD) -> dict[str, NDArray[np.float64]]:
        mask = np.zeros((SIZE, SIZE), np.uint8)
        mask[box[0] : box[1], box[2] : box[3]] = 1
        components = find_components(mask)
        sums = measure(self, components, 512)
        shapes = shape_figures(trace_outlines(components, GRID))
        figures = surface_figures(sums, GSD_M**2) | shapes
        narrow = width_of_pixels_m(figures["area_m2"], figures["sides"], GSD_M)
        return figures | {"width_m": narrow}

    def reason(
        self,
        box: Box = FIELD,
        *,
        is_likely: bool = True,
        is_spared: bool = False,
        is_told: bool = False,
        off: str = "",
    ) -> str:
        figures = self.figures(box)
        opened = opened_wood(figures, FilterLimits())
        likely = np.array([is_likely])
        objects = Objects(figures, likely, opened | is_spared, likely & is_told)
        params = FilterParams(**({off: False} if off else {}))
        return str(filter_reasons(objects, params, FilterLimits())[0])


def measure(pair: Pair, components: Components, tile_px: int) -> NDArray[np.int64]:
    index = components.by_row
    table = RunTable(index.row_offsets, index.runs, index.component)
    job = SurfaceJob(table, BANDS, {"before": RULE, "after": RULE}, REACH_PX)
    sums = np.zeros((len(components), N_SUMS), np.int64)
    size = pair.valid.shape[0]
    for tile in tiles(size, size, tile_px, surface_halo_px(REACH_PX)):
        rows, cols = tile.padded.slices_in(PixelWindow(0, size, 0, size))
        windows = {
            name: RasterWindow(image[:, rows, cols], tile.padded.row0, tile.padded.col0)
            for name, image in (*pair.dates.items(), ("valid", pair.valid[None]))
        }
        for _, (present, part, _) in measure_surfaces(tile, windows, job).partials:
            sums[present] += part
    return sums


def rough(pair: Pair, box: Box) -> Pair:
    """A canopy: every other pixel in the shade of its neighbour."""
    wood = pair.dates["before"][:, box[0] : box[1], box[2] : box[3]]
    dark = (np.indices(wood.shape[1:]).sum(axis=0) % 2).astype(bool)
    wood[:, dark] = wood[:, dark] * 4 // 5
    return pair


def test_crops_are_dropped_and_construction_on_the_same_field_is_not() -> None:
    pair = Pair().paint("both", FIELD, PLANTS).paint("after", FIELD, SOIL)
    assert pair.reason(is_likely=False) == "crop_cycle"
    assert pair.reason(is_likely=True) == ""
    assert pair.reason(is_likely=False, is_spared=True) == "", "earthwork by a network's votes"
    assert pair.reason(is_likely=False, off="crop_cycle") == ""


def test_water_is_told_from_dark_roofs() -> None:
    def wet(pair: Pair) -> bool:
        return bool(is_water_now(pair.figures(), FilterLimits())[0])

    assert wet(Pair().paint("after", FIELD, WATER))
    assert not wet(Pair().paint("after", FIELD, ASPHALT))
    assert not wet(Pair().paint("after", FIELD, SHADE))
    assert not wet(Pair().paint("before", FIELD, WATER))


def test_an_opening_in_a_wood_is_no_crop() -> None:
    pair = rough(Pair().paint("after", FIELD, CLEARING), (0, SIZE, 0, SIZE))
    assert pair.reason(is_likely=False) == ""
    assert Pair().paint("after", FIELD, CLEARING).reason(is_likely=False) == "crop_cycle"


def test_film_on_a_field_is_dropped_and_a_white_roof_is_not() -> None:
    assert Pair().paint("after", FIELD, FILM).reason(is_likely=False) == "mulch_film"
    assert Pair().paint("before", FIELD, FILM).reason(is_likely=False) == "mulch_film"
    assert Pair().paint("after", FIELD, FILM).reason(is_likely=True) == "", "or a greenhouse"
    assert Pair().paint("after", FIELD, WHITE_ROOF).reason(is_likely=True) == ""


def test_a_strip_of_film_is_dropped_and_a_road_is_not() -> None:
    strip = Pair().paint("after", NARROW, FILM)
    assert strip.reason(NARROW, is_told=True) == "mulch_film"
    road = Pair().paint("after", NARROW, CONCRETE_ROAD)
    assert road.reason(NARROW, is_told=True) == "", "near infrared is low"
    gravel = Pair().paint("after", NARROW, GRAVEL)
    assert gravel.reason(NARROW, is_told=True) == "", "no whiter than soil"
    across = Pair().paint("before", (30, 42, 44, 47), SOIL).paint("after", NARROW, FILM)
    assert across.reason(NARROW, is_told=True) == "", "a path was there in part"


def test_ploughing_is_dropped_and_new_asphalt_is_not() -> None:
    bare = Pair(SOIL).paint("after", FIELD, MUD)
    assert bare.reason(is_likely=False) == "ploughing"
    parcel = Pair().paint("after", (0, SIZE, 0, SIZE), SOIL)
    parcel.paint("before", FIELD, SOIL).paint("after", FIELD, WET)
    assert parcel.reason(is_likely=True) == "ploughing", "wet soil inside an older parcel"
    assert Pair().paint("both", FIELD, SOIL).paint("after", FIELD, ASPHALT).reason() == ""
    inside = Pair(SOIL).paint("after", FIELD, WET)
    assert inside.reason(is_likely=True) == "", "a new dark outline inside a field"


@pytest.mark.parametrize("harvest", [GRAIN, STRAW])
def test_grain_on_a_floor_is_dropped_and_a_roof_on_it_is_not(harvest: tuple[int, int, int]) -> None:
    around = (30, 66, 30, 66)
    floor = Pair().paint("both", around, CONCRETE)
    assert floor.paint("after", FLOOR, harvest).reason(FLOOR) == "drying_yard"
    assert Pair(SOIL).paint("after", FLOOR, harvest).reason(FLOOR) == "drying_yard"
    assert floor.reason(FLOOR, is_told=True) == "", "network and scorecard have looked at it"
    roof = Pair().paint("both", around, CONCRETE).paint("after", FLOOR, WHITE_ROOF)
    assert roof.reason(FLOOR) == ""
    assert Pair().paint("after", FLOOR, harvest).reason(FLOOR) == "", "plants gave way: no floor"
    assert Pair(SOIL).paint("after", FIELD, harvest).reason() == "", "too large for a yard"


def test_a_weathered_yard_is_dropped_and_a_new_one_is_not() -> None:
    darker = (96, 120, 135)
    old = Pair(SOIL).paint("before", FLOOR, CONCRETE).paint("after", FLOOR, darker)
    assert old.reason(FLOOR) == "drying_yard"
    assert old.reason(FLOOR, off="drying_yard") == ""
    new = Pair(SOIL).paint("after", FLOOR, CONCRETE)
    assert new.reason(FLOOR) == "", "another material"


def test_new_film_on_a_greenhouse_is_dropped_and_a_new_greenhouse_is_not() -> None:
    newer = (290, 300, 350)
    old = Pair().paint("before", FIELD, FILM).paint("after", FIELD, newer)
    assert old.reason() == "greenhouse"
    hall = Pair().paint("before", FIELD, CONCRETE).paint("after", FIELD, WHITE_ROOF)
    assert hall.reason() == "", "a roof over a yard is as white"
    assert Pair(SOIL).paint("after", FIELD, (230, 250, 260)).reason() == ""


def test_a_shadow_strip_is_dropped_and_a_dark_road_is_not() -> None:
    assert Pair(SOIL).paint("after", STRIP, SHADE).reason(STRIP) == "shadow"
    assert Pair(SOIL).paint("before", STRIP, SHADE).reason(STRIP) == "shadow"
    assert Pair(SOIL).paint("after", STRIP, ASPHALT).reason(STRIP) == ""


def test_risen_water_is_dropped_and_a_dug_pond_is_not() -> None:
    lake = (36, 60, 0, 48)
    shore = (36, 60, 48, 60)
    risen = Pair().paint("both", lake, WATER).paint("both", shore, MUD).paint("after", shore, WATER)
    assert risen.reason(shore, is_likely=False) == "water_level"
    assert Pair().paint("after", FIELD, WATER).reason(is_likely=False) == "", "a new pond"


def test_fallen_water_is_dropped_and_a_yard_on_a_filled_pond_is_not() -> None:
    bank = (36, 60, 20, 26)
    river = Pair(SOIL).paint("both", (36, 60, 0, 26), WATER).paint("after", bank, CONCRETE)
    assert river.reason(bank) == "water_level"
    dry = Pair(MUD).paint("before", FIELD, WATER).paint("after", FIELD, SOIL)
    assert dry.reason() == "water_level", "its shore was an edge, now there is none"
    filled = Pair(SOIL).paint("before", FIELD, WATER).paint("after", FIELD, WHITE_ROOF)
    assert filled.reason() == ""
    turbid = Pair().paint("before", FIELD, WATER).paint("after", FIELD, (90, 70, 20))
    assert turbid.reason(is_likely=False) == "water_level"


def test_haze_without_an_outline_is_dropped_and_a_pale_yard_is_not() -> None:
    soft = Pair().paint("after", (20, 76, 20, 76), HAZED)
    assert soft.reason() == "haze"
    assert Pair().paint("after", FIELD, CONCRETE).reason() == ""
    assert Pair().paint("after", FIELD, (200, 260, 320)).reason(is_likely=True) != "haze"


def test_the_rim_of_a_cloud_is_dropped_and_a_roof_beside_it_is_not() -> None:
    for colour, expected in ((HAZED, "cloud_edge"), (WHITE_ROOF, "")):
        pair = Pair().paint("after", STRIP, colour)
        pair.valid[:, 50:56] = CLOUD
        assert pair.reason(STRIP) == expected
    far = Pair().paint("after", STRIP, HAZED)
    far.valid[:, 80:] = CLOUD
    assert far.reason(STRIP) != "cloud_edge"


def test_the_first_reason_counts_and_others_may_decide_one() -> None:
    pair = Pair().paint("after", FIELD, SOIL)
    objects = Objects(pair.figures(), *(np.array([False]) for _ in range(3)))
    given = {"shift": np.array([True])}
    assert filter_reasons(objects, FilterParams(), FilterLimits(), given)[0] == "shift"
    off = FilterParams(shift=False)
    assert filter_reasons(objects, off, FilterLimits(), given)[0] == "crop_cycle"


def test_figures_do_not_depend_on_tiles() -> None:
    rng = np.random.default_rng(7)
    pair = Pair(size=560)
    for image in pair.dates.values():
        image[:] = rng.integers(20, 400, image.shape)
    pair.valid[rng.random(pair.valid.shape) < 0.01] = CLOUD
    components = find_components((rng.random(pair.valid.shape) < 0.6).astype(np.uint8))
    whole = measure(pair, components, 1024)
    assert whole.any(axis=0)[: N_SUMS - 9].all(), "every sum is reached"
    assert (measure(pair, components, 512) == whole).all()


def test_bare_ground_is_the_unit_of_brightness() -> None:
    pixels = np.array([SOIL] * 90 + [PLANTS] * 40 + [WATER] * 20, np.uint16).T
    assert fit_surface(pixels, BANDS, RULE.cover).bare == RULE.bare
    figures = Pair(SOIL).paint("after", FIELD, WHITE_ROOF).figures()
    assert figures["green_before"][0] == pytest.approx(1.0)
    assert figures["green_after"][0] == pytest.approx(3.2, abs=1 / 64)
    assert figures["bare_to_bare"][0] == 1.0
    assert figures["edge_before"][0] == 0.0
    assert figures["edge_after"][0] == pytest.approx(2.2, abs=1 / 32)


def test_every_filter_has_a_switch_a_code_and_a_label() -> None:
    labels = pd.read_csv(ROOT / "configs/codes/drop_reason.csv").set_index("code")["label_zh"]
    assert set(FILTER_ORDER) == {*FILTERS, "shift", "demolition"}, "two are decided elsewhere"
    assert set(FILTER_ORDER) <= {reason.value for reason in DropReason}
    assert set(labels.index) == {reason.value for reason in DropReason if reason.value}
