"""Two scenes onto one grid: the target grid and the tile function that fills it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, floor, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from pipeline.errors import Finding, InputError
from pipeline.grid import Grid, RasterWindow, Tile, TileOutput
from pipeline.imagery.resample import GridMapping, resample, sample_nearest
from pipeline.imagery.residuals import UnregisteredCells
from pipeline.imagery.validity import (
    MASK_VALUES,
    NODATA,
    UNREGISTERED,
    VALID,
    VALIDITIES,
    NodataRule,
    count_codes,
    covered_mask,
    working_pixels,
    worst_of,
)
from pipeline.scene import DATE_NAMES, DateName

MAX_GSD_RATIO = 4.0
"""Cubic convolution of a much finer source would alias; a much coarser one invents detail."""


def working_grid(reference: Grid) -> Grid:
    """The grid a pair is compared on: the reference image's own, or local UTM if it is in degrees.

    The UTM grid has square pixels of the reference pixel's area at the image centre, its origin on
    whole multiples of the pixel size.
    """
    if not reference.is_geographic:
        return reference
    assert reference.crs is not None
    middle = np.array([reference.height / 2]), np.array([reference.width / 2])
    centre_x, centre_y = reference.xy(*middle)
    to_degrees = Transformer.from_crs(reference.crs, 4326, always_xy=True)
    lon, lat = (float(v[0]) for v in to_degrees.transform(centre_x, centre_y))
    zone = min(60, max(1, floor((lon + 180) / 6) + 1))
    utm = CRS.from_epsg((32600 if lat >= 0 else 32700) + zone)
    to_utm = Transformer.from_crs(reference.crs, utm, always_xy=True)
    size = _centre_pixel_m(reference, to_utm)
    edge = np.linspace(0.0, 1.0, 65)
    rows = np.concatenate([edge * 0, edge * 0 + 1, edge, edge]) * reference.height
    cols = np.concatenate([edge, edge, edge * 0, edge * 0 + 1]) * reference.width
    x, y = to_utm.transform(*reference.xy(rows, cols))
    left, top = floor(np.min(x) / size) * size, ceil(np.max(y) / size) * size
    width, height = ceil((np.max(x) - left) / size), ceil((top - np.min(y)) / size)
    return Grid(width, height, (size, 0.0, left, 0.0, -size, top), utm.to_wkt())


def _centre_pixel_m(grid: Grid, to_metres: Transformer) -> float:
    row, col = grid.height / 2, grid.width / 2
    x, y = to_metres.transform(
        *grid.xy(np.array([row, row, row + 1]), np.array([col, col + 1, col]))
    )
    return sqrt(abs((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])))


def is_placed_by_pixels(before: Grid, after: Grid) -> bool:
    """Whether two images without CRS must be laid corner to corner.

    Offsets in files without a CRS are often those of crops from a sensor's frame: if they do not
    make the images meet, they say nothing about the ground.
    """
    if before.crs_wkt is not None or after.crs_wkt is not None:
        return False
    return GridMapping(before, after).footprint(before.window).is_empty


def require_comparable(
    target: Grid, before: Grid, after: Grid, reference: DateName = "before"
) -> None:
    """Refuse pairs that do not overlap, or whose pixel sizes are too far apart.

    `target` is the working grid, made from the image whose positions stand (`reference`).
    """
    if (before.crs_wkt is None) != (after.crs_wkt is None):
        raise InputError(
            Finding(
                "E-RASTER-NOCRS",
                "两期影像只有一期带坐标系，无法对到一起。",
                value=f"变化{'前' if before.crs_wkt is None else '后'}影像没有坐标系",
                advice="为缺少坐标系的影像补上坐标系后再比对。",
            )
        )
    mapping = GridMapping(target, after if reference == "before" else before)
    if mapping.footprint(target.window).is_empty:
        raise InputError(
            Finding(
                "E-RASTER-OVERLAP",
                "两期影像没有重叠范围。",
                value=f"变化前 {_extent(before)}；变化后 {_extent(after)}",
                advice="核对是否拿错了景号、坐标系或带号（如东坐标带与不带带号前缀）。",
            )
        )
    middle = target.height / 2, target.width / 2
    rows, cols = mapping.positions(
        np.array([middle[0], middle[0] + 1, middle[0]]),
        np.array([middle[1], middle[1], middle[1] + 1]),
    )
    area = abs(
        (rows[1] - rows[0]) * (cols[2] - cols[0]) - (rows[2] - rows[0]) * (cols[1] - cols[0])
    )
    if not 1 / MAX_GSD_RATIO <= sqrt(area) <= MAX_GSD_RATIO:
        fixed_zh, moved_zh = "前后" if reference == "before" else "后前"
        raise InputError(
            Finding(
                "E-RASTER-GSD",
                "两期影像的分辨率相差过大。",
                value=f"变化{moved_zh}影像的像元是变化{fixed_zh}的 1/{sqrt(area):.2f}",
                allowed=f"相差不超过 {MAX_GSD_RATIO:g} 倍",
                advice="先把较细的一期重采样到相近的分辨率。",
            )
        )


def _extent(grid: Grid) -> str:
    x, y = grid.xy(
        np.array([0.0, 0.0, grid.height, grid.height]), np.array([0.0, grid.width, 0.0, grid.width])
    )
    name = grid.crs.name if grid.crs is not None else "无坐标系"
    return f"x {np.min(x):.6g}–{np.max(x):.6g}，y {np.min(y):.6g}–{np.max(y):.6g}（{name}）"


@dataclass(frozen=True)
class DateJob:
    """How one date's pixels get onto the target grid."""

    mapping: GridMapping
    rule: NodataRule
    is_written: bool
    """False if the file was taken over unchanged and only its validity is needed here."""


@dataclass(frozen=True)
class AlignJob:
    """Parameters of `align_tile`, by source name (`before`, `after`)."""

    dates: Mapping[str, DateJob]
    masks: Mapping[str, GridMapping] = field(default_factory=dict)
    """Supplied validity masks by source name, each with its image's mapping."""
    unregistered: UnregisteredCells | None = None
    """Where the images do not fit; None if nowhere."""


@dataclass(frozen=True)
class AlignPartial:
    """What a tile gives back beside its rasters."""

    unknown_mask_values: Mapping[str, tuple[int, ...]]
    """Values of supplied masks that mean nothing, by source name."""
    counts: Mapping[str, NDArray[np.int64]]
    """Pixels by validity code, of `valid` and of every date."""


def align_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: AlignJob) -> TileOutput:
    """Tile function: sources on their own grids → `before`, `after` (as asked) and validities.

    `valid_before` and `valid_after` say what each date hides, `valid` the worst of both.
    """
    states: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in DATE_NAMES}
    rasters: dict[str, NDArray[Any]] = {}
    for name, job in params.dates.items():
        source = sources[name]
        mask = covered_mask(source, job.rule)
        pixels, mask = resample(
            tile.core, working_pixels(source, mask), (source.row0, source.col0), mask, job.mapping
        )
        states[name].append(np.where(mask == 1, 0, NODATA).astype(np.uint8))
        if job.is_written:
            rasters[name] = pixels
    unknown: dict[str, tuple[int, ...]] = {}
    for name, mapping in params.masks.items():
        source = sources[name]
        origin = source.row0, source.col0
        state = sample_nearest(tile.core, source.array[0], origin, mapping, NODATA)
        unknown[name] = tuple(np.setdiff1d(state, MASK_VALUES).tolist())
        states[name.removesuffix("_mask")].append(state.astype(np.uint8))
    by_date = {name: worst_of(found, tile.core.shape) for name, found in states.items()}
    valid = worst_of(tuple(by_date.values()), tile.core.shape)
    if params.unregistered is not None:
        is_apart = params.unregistered.mask(tile.core) & (valid == VALID)
        valid[is_apart] = UNREGISTERED
    rasters |= {"valid": valid, **{f"valid_{name}": codes for name, codes in by_date.items()}}
    counts = {name: count_codes(rasters[name]) for name in VALIDITIES}
    partial = AlignPartial(unknown, counts)
    return TileOutput(rasters, ((tile.index, partial),))
