"""Own cloud rules on painted ground: clouds are found, new roofs never are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.grid import PixelWindow, RasterWindow, Tile, tiles
from pipeline.imagery.cloud_blocks import (
    BlockPlan,
    BlockView,
    HideJob,
    block_side_px,
    edge_reach_px,
    hide_tile,
    largest_value,
    reduce_tile,
    spread,
)
from pipeline.imagery.clouds import (
    BlockSize,
    CloudParams,
    DateClouds,
    find_clouds,
    visible_bands,
)
from pipeline.imagery.validity import CLOUD, NODATA, SATURATED, SHADOW, UNREGISTERED

ROLES = ("blue", "green", "red", "nir")
SIDE, GSD_M = 768, 2.0
LIGHT = np.array([900.0, 850.0, 800.0, 1200.0])
"""Digital numbers of the brightest lasting ground."""
LARGEST = 4095.0


@dataclass
class Scene:
    before: NDArray[np.float64]
    after: NDArray[np.float64]

    def views(
        self, tile_px: int = 1024, roles: tuple[str, ...] = ROLES
    ) -> tuple[BlockView, BlockView]:
        plan = BlockPlan(
            block_side_px(GSD_M), edge_reach_px(GSD_M), visible_bands(roles),
            {"before": LARGEST, "after": LARGEST},
        )  # fmt: skip
        bands = len(roles)
        images = {
            name: np.clip(np.rint(image[:bands]), 1, LARGEST).astype(np.uint16)
            for name, image in (("before", self.before), ("after", self.after))
        }
        views = [BlockView.blank(bands, plan.shape(SIDE, SIDE)) for _ in range(2)]
        for tile in tiles(SIDE, SIDE, tile_px, plan.reach_px):
            part = reduce_tile(tile, windows(tile, images), plan).partials[0][1]
            for view, name in zip(views, ("before", "after"), strict=True):
                view.put(part.views[name], part.row, part.col)
        return views[0], views[1]

    def found(
        self, params: CloudParams | None = None, roles: tuple[str, ...] = ROLES
    ) -> tuple[DateClouds, DateClouds]:
        size = BlockSize(block_side_px(GSD_M) * GSD_M, GSD_M)
        return find_clouds(self.views(roles=roles), roles, size, params or CloudParams())


def windows(tile: Tile, images: Mapping[str, NDArray[np.uint16]]) -> dict[str, RasterWindow]:
    rows = slice(tile.padded.row0, tile.padded.row1)
    cols = slice(tile.padded.col0, tile.padded.col1)
    shape = tile.padded.shape
    found = {}
    for name, image in images.items():
        found[name] = RasterWindow(image[:, rows, cols], tile.padded.row0, tile.padded.col0)
        clear = np.zeros((1, *shape), np.uint8)
        found[f"valid_{name}"] = RasterWindow(clear, tile.padded.row0, tile.padded.col0)
    return found


def ground(seed: int = 1) -> Scene:
    """Fields and lasting bright roofs; the after date has other light and some changed fields."""
    rng = np.random.default_rng(seed)
    cells = rng.uniform(0.1, 0.45, (24, 24))
    fields = np.kron(cells, np.ones((32, 32)))
    later = np.kron(
        np.where(rng.random((24, 24)) < 0.3, rng.uniform(0.1, 0.6, (24, 24)), cells),
        np.ones((32, 32)),
    )
    for _ in range(60):
        row, col = rng.integers(0, SIDE - 30, 2)
        fields[row : row + 12, col : col + 18] = later[row : row + 12, col : col + 18] = 1.0

    def taken(cover: NDArray[np.float64], gain: float) -> NDArray[np.float64]:
        image = gain * cover[None] * LIGHT[:, None, None] + 120
        smooth = np.stack([ndimage.gaussian_filter(band, 0.7) for band in image])
        return np.asarray(smooth + rng.normal(0, 8, smooth.shape))

    return Scene(taken(fields, 1.0), taken(later, 0.85))


def opacity(row: float, col: float, radius_px: float) -> NDArray[np.float64]:
    """A round cloud that fades over a third of its radius."""
    rows, cols = np.mgrid[:SIDE, :SIDE]
    return np.clip((1.0 - np.hypot(rows - row, cols - col) / radius_px) / 0.33, 0, 1)


def cloud_over(image: NDArray[np.float64], cover: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(image * (1 - cover) + cover * 2.4 * LIGHT[:, None, None])


def roof_over(
    image: NDArray[np.float64], area_m2: float, place: tuple[int, int], look: tuple[float, float]
) -> NDArray[np.bool_]:
    """Paint a rectangular roof at an angle; returns where. `look`: brightness, degrees."""
    brightness, angle = look
    height = np.sqrt(area_m2 / 1.7) / GSD_M
    box = cv2.boxPoints(((place[1], place[0]), (1.7 * height, height), angle))
    fine = np.zeros((SIDE * 4, SIDE * 4), np.uint8)
    cv2.fillPoly(fine, [np.rint(box * 4).astype(np.int32)], 1)
    cover = ndimage.gaussian_filter(fine.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3)), 0.7)
    roof = np.minimum(brightness * LIGHT, LARGEST)[:, None, None]
    image[:] = image * (1 - cover) + cover * roof
    return np.asarray(cover > 0.5)


def full(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return spread(codes, PixelWindow(0, SIDE, 0, SIDE), block_side_px(GSD_M))


def test_a_cloud_and_its_shadow_are_found_in_the_date_that_has_them() -> None:
    scene = ground()
    cover, shade = opacity(250, 300, 90), opacity(390, 420, 90)
    scene.after *= 1 - 0.5 * shade
    scene.after = cloud_over(scene.after, cover)
    before, after = scene.found()
    assert not before.codes.any()
    codes = full(after.codes)
    assert (codes[cover > 0.2] == CLOUD).all()
    assert (codes[shade > 0.6] > 0).mean() > 0.97
    assert (codes[(shade > 0.6) & (cover == 0)] == SHADOW).mean() > 0.9
    hidden = (cover > 0) | (shade > 0)
    near = ndimage.binary_dilation(hidden, np.ones((3, 3)), iterations=56)
    assert not codes[~near].any()


def test_clouds_whose_shadows_are_supplied_get_no_other_ones() -> None:
    scene = ground(6)
    # Land darkened by other causes, where the cloud's shape could lie.
    scene.after *= 1 - 0.4 * opacity(420, 200, 90)
    views = scene.views()
    rows, cols = np.mgrid[: views[1].state.shape[0], : views[1].state.shape[1]]

    def disc(row: int, col: int) -> NDArray[np.bool_]:
        side = block_side_px(GSD_M)
        return np.asarray(np.hypot(rows - row / side, cols - col / side) <= 90 / side)

    def shadow_blocks(is_told: bool) -> int:
        views[1].state[:] = 0
        views[1].state[disc(250, 300)] = CLOUD
        if is_told:
            views[1].state[disc(600, 600)] = SHADOW
        found = find_clouds(
            views, ROLES, BlockSize(block_side_px(GSD_M) * GSD_M, GSD_M), CloudParams()
        )
        return int((found[1].codes == SHADOW).sum())

    assert shadow_blocks(is_told=False) > 100
    assert shadow_blocks(is_told=True) == 0


def test_swapping_the_dates_swaps_the_answer() -> None:
    scene = ground(2)
    scene.before = cloud_over(scene.before, opacity(200, 500, 70))
    before, after = scene.found()
    assert (before.codes == CLOUD).any()
    assert not after.codes.any()


@pytest.mark.parametrize("brightness", [1.9, 2.6, 9.0])
@pytest.mark.parametrize("roles", [ROLES, ROLES[:3]])
def test_a_new_bright_roof_is_no_cloud(brightness: float, roles: tuple[str, ...]) -> None:
    scene, painted = ground(3), np.zeros((SIDE, SIDE), bool)
    sizes = (400, 1500, 5000, 12_000, 30_000)
    for number, area in enumerate(sizes):
        place = (120 + 130 * number, 140 + 110 * number)
        painted |= roof_over(scene.after, area, place, (brightness, 23.0 * number))
    _, after = scene.found(roles=roles)
    assert len(after.candidates) >= 2  # they are bright enough to have been looked at
    assert not any(one.is_cloud for one in after.candidates)
    assert not full(after.codes)[painted].any()


def test_a_roof_with_a_dark_field_beside_it_is_no_cloud_either() -> None:
    scene = ground(4)
    roof = roof_over(scene.after, 20_000, (300, 300), (2.4, 30.0))
    scene.after[:, 400:560, 380:560] *= 0.5
    _, after = scene.found()
    assert not full(after.codes)[roof].any()


def test_blue_roofs_and_small_white_things_are_no_candidates() -> None:
    scene = ground(5)
    roof_over(scene.after, 20_000, (300, 300), (2.4, 0.0))
    scene.after[2, 200:400, 200:400] *= 0.45  # red is missing: blue
    scene.after = cloud_over(scene.after, opacity(600, 600, 14))
    _, after = scene.found()
    assert after.candidates == ()


def test_the_overview_does_not_depend_on_tiles() -> None:
    scene = ground(6)
    scene.after = cloud_over(scene.after, opacity(500, 512, 80))
    whole, cut = scene.views(1024), scene.views(512)
    for one, other in zip(whole, cut, strict=True):
        for name in ("mean", "state", "seen", "edge", "saturated"):
            assert (getattr(one, name) == getattr(other, name)).all()


def test_only_large_saturated_land_is_hidden() -> None:
    scene = ground(7)
    for image in (scene.before, scene.after):
        image[:, 100:300, 100:300] = 9000.0  # 400 m square in both dates: snow
        image[:, 500:540, 500:540] = 9000.0  # 80 m: a roof
    _, after = scene.found()
    codes = full(after.codes)
    assert (codes[112:288, 112:288] == SATURATED).all()
    assert not codes[480:560, 480:560].any()


def test_coarse_pixels_need_a_shadow() -> None:
    scene = ground(8)
    cover, shade = opacity(250, 300, 90), opacity(390, 420, 90)
    scene.after = cloud_over(scene.after, cover)
    fine_only = CloudParams(resolved_gsd_m=1.0)
    assert not scene.found(fine_only)[1].codes.any()
    scene.after *= 1 - 0.5 * shade * (1 - cover)
    assert (full(scene.found(fine_only)[1].codes)[cover > 0.2] == CLOUD).mean() > 0.98


def test_the_worst_code_of_each_date_is_written_and_apart_land_stays_apart() -> None:
    tile = tiles(4, 4, 512)[0]
    before, after = np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 4), np.uint8)
    valid = np.full((1, 4, 4), UNREGISTERED, np.uint8)
    before[0, 0], after[0, :, 0] = NODATA, SHADOW
    sources = {
        "valid": RasterWindow(valid, 0, 0),
        "valid_before": RasterWindow(before, 0, 0),
        "valid_after": RasterWindow(after, 0, 0),
    }
    blocks = {
        "before": np.zeros((2, 2), np.uint8),
        "after": np.array([[CLOUD, 0], [0, 0]], np.uint8),
    }
    output = hide_tile(tile, sources, HideJob(blocks, 2))
    assert output.rasters["valid_after"].tolist() == [
        [CLOUD, CLOUD, 0, 0], [CLOUD, CLOUD, 0, 0], [SHADOW, 0, 0, 0], [SHADOW, 0, 0, 0]
    ]  # fmt: skip
    assert output.rasters["valid"].tolist() == [
        [1, 1, 1, 1], [2, 2, 5, 5], [3, 5, 5, 5], [3, 5, 5, 5]
    ]  # fmt: skip
    assert output.partials[0][1]["valid"].tolist() == [0, 4, 2, 2, 0, 8]


def test_the_cut_off_value_follows_the_sensor_not_the_file() -> None:
    assert largest_value("uint8", 200) == 255
    assert largest_value("uint16", 4095) == 4095
    assert largest_value("uint16", 1900) == 2047
    assert largest_value("uint16", 40_000) == 65_535
    assert largest_value("float32", 3.0) == float("inf")
