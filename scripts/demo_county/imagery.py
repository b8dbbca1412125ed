"""The two images, the supplied masks and the label, written chunk by chunk."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import Affine

from .materials import BANDS
from .noise import Frame
from .painting import FINE_M, Painter
from .place import EPSG, ORIGIN_M
from .plants import Plant
from .sensor import GSD_M, expose
from .shapes import AFTER, BEFORE, Shape
from .siting import Ground

CHUNK_PX = 512
HALO_PX = 24
STEMS = {BEFORE: "before", AFTER: "after"}
UNSEEN = 255

Window = tuple[slice, slice]


def write_imagery(
    folder: Path, ground: Ground, plants: list[Plant], over: list[Shape]
) -> NDArray[np.uint8]:
    """Write the images, masks and label; return the water mask on the county's pixels.

    `over` is drawn last: nothing else looks different for it, each shape's tone hanging on its
    place in the list.
    """
    county, sensors = ground.county, ground.sensors
    cv2.setNumThreads(1)
    size = round(county.side_m / GSD_M)
    painter = Painter(
        county, [*ground.scenery.shapes, *(s for plant in plants for s in plant.shapes), *over]
    )
    suns = {sensor.date: sensor.sun for sensor in sensors}
    for sensor in sensors:
        painter.store.hulls_for(sensor.sun)
    water = np.zeros((size, size), np.uint8)
    files = {s.date: _open(folder, STEMS[s.date], size, s.margin_px) for s in sensors}

    def chunk(corner: tuple[int, int]) -> tuple[tuple[int, int], dict[int, tuple[object, object]]]:
        row, col = corner
        x0, y0 = (col - HALO_PX) * GSD_M, (row - HALO_PX) * GSD_M
        count = CHUNK_PX + 2 * HALO_PX
        fine = Frame(x0, y0, FINE_M, round(count * GSD_M / FINE_M))
        lit, wet = painter.paint(fine, suns)
        own = wet[1::2, 1::2][HALO_PX:-HALO_PX, HALO_PX:-HALO_PX]
        part = water[row : row + CHUNK_PX, col : col + CHUNK_PX]
        part[:] = own[: part.shape[0], : part.shape[1]]
        coarse = Frame(x0, y0, GSD_M, count)
        taken = {
            s.date: expose(lit.pop(s.date), s, coarse, county.seed, county.side_m) for s in sensors
        }
        return corner, taken

    corners = [(r, c) for r in range(0, size, CHUNK_PX) for c in range(0, size, CHUNK_PX)]
    workers = min(2, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, len(corners), 2 * workers):
            for corner, taken in pool.map(chunk, corners[first : first + 2 * workers]):
                for sensor in sensors:
                    _put(files[sensor.date], corner, taken[sensor.date], size, sensor.margin_px)
    for pair in files.values():
        for file in pair:
            file.close()
    _write_label(folder, size, plants)
    return water


def _profile(size: int, margin_px: int, count: int, dtype: str) -> dict[str, object]:
    corner = (ORIGIN_M[0] - margin_px * GSD_M, ORIGIN_M[1] + margin_px * GSD_M)
    return {
        "driver": "GTiff", "count": count, "height": size + 2 * margin_px,
        "width": size + 2 * margin_px, "dtype": dtype, "crs": rasterio.crs.CRS.from_epsg(EPSG),
        "transform": Affine(GSD_M, 0, corner[0], 0, -GSD_M, corner[1]), "tiled": True,
        "blockxsize": 256, "blockysize": 256, "interleave": "pixel",
        "compress": "deflate", "predictor": 2, "zlevel": 3, "bigtiff": "if_safer",
    }  # fmt: skip


def _open(folder: Path, stem: str, size: int, margin_px: int) -> tuple[object, object]:
    image = rasterio.open(
        folder / f"{stem}.tif", "w", nodata=0, **_profile(size, margin_px, len(BANDS), "uint16")
    )
    for number, name in enumerate(BANDS, start=1):
        image.set_band_description(number, name)
    mask = rasterio.open(folder / f"{stem}_mask.tif", "w", **_profile(size, margin_px, 1, "uint8"))
    mask.set_band_description(1, "mask")
    return image, mask


def _put(
    files: tuple[object, object], corner: tuple[int, int], taken: tuple[object, object],
    size: int, margin_px: int,
) -> None:  # fmt: skip
    """The chunk's own pixels; chunks at the edge also bring the margin."""
    inner, outer = [], []
    for start in corner:
        first = start - margin_px if start == 0 else start
        last = min(start + CHUNK_PX, size)
        last += margin_px if last == size else 0
        inner.append(slice(first - start + HALO_PX, last - start + HALO_PX))
        outer.append((first + margin_px, last + margin_px))
    image, mask = files
    numbers, hidden = taken
    window = tuple(outer)
    image.write(numbers[:, inner[0], inner[1]], window=window)
    mask.write(hidden[inner[0], inner[1]][None], window=window)


def plant_mask(plants: list[Plant], frame: Frame) -> NDArray[np.int32]:
    """Number (from 1) of the plant that holds at least half of each 2 m pixel; 0 elsewhere."""
    made = np.zeros((frame.count, frame.count), np.int32)
    share = np.zeros((frame.count, frame.count), np.float32)
    for number, plant in enumerate(plants, start=1):
        x0, y0, x1, y1 = plant.footprint.bounds
        span = frame.count * frame.step
        if x1 < frame.x0 or y1 < frame.y0 or x0 > frame.x0 + span or y0 > frame.y0 + span:
            continue
        ring = np.asarray(plant.footprint.exterior.coords)[:-1]
        low = np.maximum(((np.array([x0, y0]) - [frame.x0, frame.y0]) // frame.step).astype(int), 0)
        high = np.minimum(
            ((np.array([x1, y1]) - [frame.x0, frame.y0]) // frame.step).astype(int) + 1, frame.count
        )
        if (high <= low).any():
            continue
        side = int((high - low).max())
        corner = np.array([frame.x0, frame.y0]) + low * frame.step
        patch = np.zeros((side * 4, side * 4), np.uint8)
        points = np.rint(((ring - corner) / (FINE_M / 2) - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(patch, [points], 1, shift=4)
        cover = patch.reshape(side, 4, side, 4).mean((1, 3), dtype=np.float32)
        rows, cols = slice(low[1], high[1]), slice(low[0], high[0])
        cover = cover[: high[1] - low[1], : high[0] - low[0]]
        better = (cover >= 0.5) & (cover > share[rows, cols])
        made[rows, cols][better] = number
        share[rows, cols][better] = cover[better]
    return made


def _write_label(folder: Path, size: int, plants: list[Plant]) -> None:
    """1 where something was built, 255 where a date does not show the ground, else 0."""
    with (
        rasterio.open(folder / "label.tif", "w", **_profile(size, 0, 1, "uint8")) as label,
        rasterio.open(folder / "before_mask.tif") as first,
        rasterio.open(folder / "after_mask.tif") as second,
    ):
        label.set_band_description(1, "label")
        margin = (second.width - size) // 2
        built = np.array([0, *(plant.is_construction for plant in plants)], np.uint8)
        for row in range(0, size, 2048):
            for col in range(0, size, 2048):
                count = min(2048, size - min(row, col))
                rows, cols = min(2048, size - row), min(2048, size - col)
                frame = Frame(col * GSD_M, row * GSD_M, GSD_M, count)
                values = built[plant_mask(plants, frame)[:rows, :cols]]
                window = ((row, row + rows), (col, col + cols))
                moved = tuple((a + margin, b + margin) for a, b in window)
                hidden = (first.read(1, window=window) > 0) | (second.read(1, window=moved) > 0)
                values[hidden] = UNSEEN
                label.write(values[None], window=window)
