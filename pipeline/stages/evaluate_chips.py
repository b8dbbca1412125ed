"""Pictures of the worst misses and false alarms, cut from the aligned pair of a comparison."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.change.detectors import preview_bands
from pipeline.delivery.accuracy_chips import ChipDate, Outline, draw_chip
from pipeline.delivery.accuracy_page import Chip
from pipeline.grid import Grid, PixelWindow
from pipeline.io.previews import load_preview
from pipeline.io.rasters import read_grid, read_window
from pipeline.io.reports import read_json
from pipeline.io.runs import WORK_FOLDER, RunPaths
from pipeline.io.vectors import read_layer
from pipeline.schema.layers import DROPPED, PATCHES
from pipeline.stages.evaluate_judging import Item

MIN_SIDE_PX, MAX_SIDE_PX = 48, 640
"""Pixels of the image a chip shows; of larger ground every n-th pixel is shown."""
CONTEXT = 2.0
"""Side of the chip relative to the longer side of the outline."""
STRETCH_PERCENT = (2.0, 98.0)
MIN_OVERLAP = 0.1
"""An object explains a miss if it covers at least so much of it."""


@dataclass(frozen=True)
class Described:
    """One item for the report and for the page."""

    told: dict[str, Any]
    chip: Chip


@dataclass(frozen=True)
class _Comparison:
    """What is needed again and again of one comparison's folder."""

    own: Grid
    working: Grid
    paths: RunPaths
    bands: tuple[int, ...]
    stretch: NDArray[np.float64]
    """Black and white per date and band shown, `(date, 2, band)`."""
    patches: gpd.GeoDataFrame
    dropped: gpd.GeoDataFrame


def described(items: Sequence[Item]) -> list[Described]:
    """Every item with its place, its drop reason and its pictures; order kept."""
    opened = lru_cache(maxsize=4)(_open)
    return [_described(item, opened(item.folder)) for item in items]


def _open(folder: Path) -> _Comparison:
    paths = RunPaths(folder / WORK_FOLDER)
    roles = tuple(read_json(paths.align_fit)["roles"])
    # Without a CRS any scale will do: only pixels are counted here.
    own, working = (read_grid(p, 1.0) for p in (folder / "change.tif", paths.align_before))
    preview = load_preview(paths.detect_preview)
    stretch = [
        np.percentile(date.reshape(len(date), -1).astype(np.float64), STRETCH_PERCENT, axis=1)
        for date in preview
    ]
    layers = [read_layer(folder / "patches.gpkg", spec) for spec in (PATCHES, DROPPED)]
    bands = tuple(band + 1 for band in preview_bands(roles))
    return _Comparison(own, working, paths, bands, np.stack(stretch), layers[0], layers[1])


def _described(item: Item, comparison: _Comparison) -> Described:
    is_miss = item.probability is None
    reason, found_kind, probability = None, None, item.probability
    if is_miss:
        dropped = _covering(item.geometry, comparison.dropped)
        patch = _covering(item.geometry, comparison.patches)
        reason = None if dropped is None else str(dropped["reason"])
        probability = None if dropped is None else float(dropped["probability"])
        found_kind = None if patch is None else str(patch["change_kind"])
    place = shapely.point_on_surface(item.geometry)
    told = {
        "pair": item.pair or None,
        "name": item.name or None,
        "kind": item.kind,
        "area_m2": round(item.area_m2, 1),
        "share": round(item.share, 4),
        "probability": None if probability is None else round(probability, 4),
        "dropped_reason": reason,
        "found_kind": found_kind,
        "x": round(place.x, 6 if comparison.own.is_geographic else 1),
        "y": round(place.y, 6 if comparison.own.is_geographic else 1),
    }
    before, after, side_px = _pictures(item, comparison, is_miss=is_miss)
    return Described(told, Chip(told, before, after, side_px))


def _covering(outline: BaseGeometry, table: gpd.GeoDataFrame) -> pd.Series | None:
    """The row of the object that covers most of a miss; None if none covers enough to explain."""
    near = np.sort(table.sindex.query(outline, predicate="intersects"))
    if not near.size or not outline.area:
        return None
    shared = shapely.area(shapely.intersection(table.geometry.to_numpy()[near], outline))
    best = int(shared.argmax())
    return None if shared[best] < MIN_OVERLAP * outline.area else table.iloc[int(near[best])]


def _pictures(item: Item, comparison: _Comparison, *, is_miss: bool) -> tuple[str, str, int]:
    """Both dates as data URIs, and the side of the ground shown in pixels."""
    working = comparison.working
    outline = _in_working(item.geometry, comparison)
    window = _window(outline, working)
    inside = window.clip(working.height, working.width)
    step = ceil(window.shape[0] / MAX_SIDE_PX)
    drawn = [Outline(_rings(outline, window, working, step), "truth" if is_miss else "patch")]
    drawn += _others(item, comparison, window, step, is_miss=is_miss)
    valid = read_window(str(comparison.paths.align_valid), (1,), inside)[0]
    uris = []
    for number, path in enumerate((comparison.paths.align_before, comparison.paths.align_after)):
        pixels = read_window(str(path), comparison.bands, inside)
        date = ChipDate(
            _padded(pixels, inside, window)[:, ::step, ::step],
            _padded((valid != 0)[None], inside, window, fill=1)[0, ::step, ::step],
            comparison.stretch[number],
        )
        uris.append(_uri(draw_chip(date, drawn)))
    return uris[0], uris[1], window.shape[0]


def _in_working(outline: BaseGeometry, comparison: _Comparison) -> BaseGeometry:
    """The outline in the CRS of the aligned pair (another one only for images in degrees)."""
    own, working = comparison.own.crs, comparison.working.crs
    if own == working:
        return outline
    moved: BaseGeometry = gpd.GeoSeries([outline], crs=own).to_crs(working).iloc[0]
    return moved


def _window(outline: BaseGeometry, grid: Grid) -> PixelWindow:
    """A square around the outline, which may reach beyond the image."""
    xmin, ymin, xmax, ymax = outline.bounds
    rows, cols = grid.rowcol(np.array([xmin, xmax, xmin, xmax]), np.array([ymin, ymax, ymax, ymin]))
    height, width = np.ptp(rows), np.ptp(cols)
    side = max(MIN_SIDE_PX, ceil(CONTEXT * max(height, width)))
    row0, col0 = (round((v.min() + v.max()) / 2 - side / 2) for v in (rows, cols))
    return PixelWindow(row0, row0 + side, col0, col0 + side)


def _rings(
    outline: BaseGeometry, window: PixelWindow, grid: Grid, step: int
) -> list[NDArray[np.float64]]:
    """Rings in shown pixels of the chip, `(corner, x and y)` each."""
    rings = []
    for part in shapely.get_parts(outline):
        if part.geom_type != "Polygon":
            continue
        for ring in (part.exterior, *part.interiors):
            xy = shapely.get_coordinates(ring)
            rows, cols = grid.rowcol(xy[:, 0], xy[:, 1])
            rings.append(np.column_stack([cols - window.col0, rows - window.row0]) / step)
    return rings


def _others(
    item: Item, comparison: _Comparison, window: PixelWindow, step: int, *, is_miss: bool
) -> list[Outline]:
    """What else lies there: patches and dropped objects that touch the item."""
    told = []
    tables = (("patch", comparison.patches), ("dropped", comparison.dropped))
    for name, table in tables if is_miss else tables[1:]:
        near = np.sort(table.sindex.query(item.geometry, predicate="intersects"))
        for outline in table.geometry.to_numpy()[near]:
            moved = _in_working(outline, comparison)
            told.append(Outline(_rings(moved, window, comparison.working, step), name))
    return told


def _padded(
    pixels: NDArray[Any], inside: PixelWindow, window: PixelWindow, fill: int = 0
) -> NDArray[Any]:
    """Pixels `(band, y, x)` of the part inside the image, on the whole chip."""
    whole = np.full((len(pixels), *window.shape), fill, pixels.dtype)
    rows, cols = inside.slices_in(window)
    whole[:, rows, cols] = pixels
    return whole


def _uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
