"""What the ground of every changed object looked like at both dates, for the pseudo-change filters.

Each figure answers a question that an interpreter asks before sending anyone out: was it a field, a
wood, water, bare before; did colour change or brightness alone; is it as bright in near infrared as
dry plant matter; is the edge new, sharp, or the rim of a cloud; does it touch older water. Bands
are told in steps of the bare ground of their own date (`SurfaceRule`), so that no calibration and
no other date is needed. All sums are whole numbers per component, so neither tiles nor their order
can change them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.change.cover import BARE, PLANTS, WATER, CoverRule, KindBands, cover_of
from pipeline.change.objects import RunTable, objects_in
from pipeline.grid import RasterWindow, Tile, TileOutput

STEPS = 64
"""Stored steps of a band that is as bright as bare ground."""
MAX_STEPS = 8 * STEPS
SPAN_PX = 3
"""A soft edge is not yet over this far on either side of the outline."""
CLOUD, SHADOW = 2, 3
"""Codes of `valid.tif`."""
N_BANDS = 3
GREY = N_BANDS * STEPS
"""Grey, the sum of the bands, of bare ground."""
PER_MILLE = 1000
SMOOTH_LIMIT = 25
"""Per mille of the brightness: below this the ground is as even as concrete."""
DARKER, BRIGHTER = (5, 8), (8, 5)
"""All bands below five eighths of what they were, or above eight fifths: a shadow that came or
went."""
SUM_NAMES = (
    "n", "green_before", "red_before", "nir_before", "green_after", "red_after", "nir_after",
    "grey2_before", "grey2_after", "grey_both", "rough_before", "rough_after", "by_cloud",
    "darker", "brighter", "sides", "by_water", "by_plants", "n_edges", "edge_before", "edge_after",
    "step", "span", "n_spans", "n_inner", "inner_rough", "smooth",
    "cover_00", "cover_01", "cover_02", "cover_10", "cover_11", "cover_12", "cover_20", "cover_21",
    "cover_22",
)  # fmt: skip
"""`cover_ba`: pixels of cover b before and a after (0 bare, 1 plants, 2 water)."""
_AT = {name: k for k, name in enumerate(SUM_NAMES)}
N_SUMS = len(SUM_NAMES)
(
    N, GREEN_B, _RED_B, _NIR_B, GREEN_A, _RED_A, _NIR_A, GREY2_B, GREY2_A, GREY_BOTH, ROUGH_B,
    ROUGH_A, BY_CLOUD, DARK, BRIGHT, SIDES, BY_WATER, BY_PLANTS, N_EDGES, EDGE_B, EDGE_A, STEP,
    SPAN, N_SPANS, N_INNER, INNER_ROUGH, SMOOTH, COVERS,
) = range(28)  # fmt: skip


@dataclass(frozen=True)
class SurfaceRule:
    """How one date's bands are told: cover rule, and green, red, nir of its bare ground."""

    cover: CoverRule
    bare: tuple[float, float, float]
    """Median over the dark values; of all land where there is hardly any bare ground."""


@dataclass(frozen=True, eq=False)
class SurfaceJob:
    """Parameters of `measure_surfaces`."""

    runs: RunTable
    bands: KindBands
    rules: Mapping[str, SurfaceRule]
    """By date, `before` and `after`."""
    cloud_reach_px: int
    kind_values: tuple[int, ...] = ()
    """Values of the source `kind` that are counted; none without that source."""


def fit_surface(
    pixels: NDArray[Any], bands: KindBands, rule: CoverRule, min_pixels: int = 64
) -> SurfaceRule:
    """The rule of one date from sample pixels `(band, n)`."""
    cover = cover_of(pixels, bands, rule)
    chosen = cover == BARE
    if np.count_nonzero(chosen) < min_pixels:
        chosen = cover != WATER
    if not chosen.any():
        chosen = np.ones(cover.shape, np.bool_)
    level = [
        max(float(np.median(pixels[band][chosen])) - dark, 1e-6)
        for band, dark in zip((bands.green, bands.red, bands.nir), rule.dark, strict=True)
    ]
    return SurfaceRule(rule, (level[0], level[1], level[2]))


def surface_halo_px(cloud_reach_px: int) -> int:
    """Pixels around a tile that its sums depend on."""
    return max(cloud_reach_px, SPAN_PX + 2)


def measure_surfaces(
    tile: Tile, sources: Mapping[str, RasterWindow], params: SurfaceJob
) -> TileOutput:
    """Tile function: `before`, `after`, `valid`, `kind` of the padded window → sums per component.

    The partial is (component numbers, sums `(component, N_SUMS)`, pixels of each counted kind
    `(component, kind value)`) of the components in the core.
    """
    valid = sources["valid"].array[0]
    ids, present, local = objects_in(tile, params.runs)
    rows, cols = tile.core_slices
    sums = np.zeros((present.size, N_SUMS), np.int64)
    counts = np.zeros((present.size, len(params.kind_values)), np.int64)
    if present.size:
        core = np.array([rows.start, rows.stop, cols.start, cols.stop], np.int64)
        covers, steps = [], []
        for name, rule in params.rules.items():
            image = sources[name].array
            covers.append(cover_of(image, params.bands, rule.cover))
            steps.append(_steps(image, params.bands, rule))
        cloudy = ((valid == CLOUD) | (valid == SHADOW)).astype(np.uint8)
        side = 2 * params.cloud_reach_px + 1
        near = cv2.dilate(cloudy, np.ones((side, side), np.uint8)) if cloudy.any() else cloudy
        _accumulate((ids, local), (np.stack(covers), np.stack(steps)), (valid, near), core, sums)
        if params.kind_values:
            inside = ids[rows, cols]
            kinds = sources["kind"].array[0][rows, cols][inside >= 0]
            _count_kinds(local[inside[inside >= 0]], kinds, params.kind_values, counts)
    return TileOutput(partials=((tile.index, (present, sums, counts)),))


def _count_kinds(
    objects: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    values: tuple[int, ...],
    counts: NDArray[np.int64],
) -> None:
    for column, value in enumerate(values):
        counts[:, column] += np.bincount(objects[kinds == value], minlength=len(counts))


def _steps(image: NDArray[Any], bands: KindBands, rule: SurfaceRule) -> NDArray[np.int16]:
    """Green, red, nir `(3, y, x)` in steps of bare ground."""
    out = np.empty((N_BANDS, *image.shape[1:]), np.int16)
    for k, band in enumerate((bands.green, bands.red, bands.nir)):
        scale = np.float32(STEPS / rule.bare[k])
        value = (image[band].astype(np.float32) - np.float32(rule.cover.dark[k])) * scale
        out[k] = np.clip(np.nan_to_num(value), 0, MAX_STEPS).astype(np.int16)
    return out


def surface_figures(
    sums: NDArray[np.int64], pixel_area_m2: float
) -> dict[str, NDArray[np.float64]]:
    """Figures `(component,)` by name, from sums `(component, N_SUMS)`; shares are 0–1."""
    s = {name: sums[:, k].astype(np.float64) for name, k in _AT.items()}
    n, edges = np.maximum(s["n"], 1.0), np.maximum(s["n_edges"], 1.0)
    told: dict[str, NDArray[np.float64]] = {"area_m2": n * pixel_area_m2}
    for date in ("before", "after"):
        for band in ("green", "red", "nir"):
            told[f"{band}_{date}"] = s[f"{band}_{date}"] / n / STEPS
        # Sums of grey are over three bands.
        mean = sum(s[f"{band}_{date}"] for band in ("green", "red", "nir")) / n
        told[f"bright_{date}"] = mean / GREY
        told[f"variance_{date}"] = np.maximum(s[f"grey2_{date}"] / n - mean**2, 0.0) / GREY**2
        told[f"rough_{date}"] = s[f"rough_{date}"] / n / (4 * GREY)
        told[f"edge_{date}"] = s[f"edge_{date}"] / edges / STEPS
        told[f"_mean_{date}"] = mean
    product = s["grey_both"] / n - told.pop("_mean_before") * told.pop("_mean_after")
    spread = np.sqrt(told["variance_before"] * told["variance_after"])
    told["pattern_kept"] = product / GREY**2 / np.maximum(spread, 1e-6)
    for name in ("by_cloud", "darker", "brighter"):
        told[name] = s[name] / n
    sides = np.maximum(s["sides"], 1.0)
    told["sides"], told["open_sides"] = s["sides"], s["n_edges"] / sides
    told["by_water"], told["by_plants"] = s["by_water"] / sides, s["by_plants"] / sides
    told["sharpness"] = s["step"] / np.maximum(s["span"], 1.0)
    inner = np.maximum(s["n_inner"], 1.0)
    told["inner_rough"] = s["inner_rough"] / inner / PER_MILLE
    told["smooth"] = np.where(s["n_inner"] > 0, s["smooth"] / inner, 0.0)
    told["span"] = s["span"] / np.maximum(s["n_spans"], 1.0) / STEPS
    covers = ("bare", "plants", "water")
    for b, before in enumerate(covers):
        for a, after in enumerate(covers):
            told[f"{before}_to_{after}"] = s[f"cover_{b}{a}"] / n
    return told


@njit(nogil=True, cache=True)
def _grey(steps, date, i, j):  # type: ignore[no-untyped-def]
    return (
        np.int64(steps[date, 0, i, j])
        + np.int64(steps[date, 1, i, j])
        + np.int64(steps[date, 2, i, j])
    )


@njit(nogil=True, cache=True)
def _roughness(steps, date, i, j):  # type: ignore[no-untyped-def]
    """|4 · centre − the four neighbours|; at the image's edge a pixel is its own neighbour."""
    rows, cols = steps.shape[2], steps.shape[3]
    around = _grey(steps, date, max(i - 1, 0), j) + _grey(steps, date, min(i + 1, rows - 1), j)
    around += _grey(steps, date, i, max(j - 1, 0)) + _grey(steps, date, i, min(j + 1, cols - 1))
    return abs(4 * _grey(steps, date, i, j) - around)


@njit(nogil=True, cache=True)
def _contrast(steps, date, inner, outer):  # type: ignore[no-untyped-def]
    """Largest difference of a band between two pixels."""
    worst = np.int64(0)
    for k in range(3):
        here = np.int64(steps[date, k, inner[0], inner[1]])
        gap = abs(here - np.int64(steps[date, k, outer[0], outer[1]]))
        worst = max(worst, gap)
    return worst


@njit(nogil=True, cache=True)
def _change(steps, i, j):  # type: ignore[no-untyped-def]
    return _grey(steps, 1, i, j) - _grey(steps, 0, i, j)


@njit(nogil=True, cache=True)
def _add_sides(ids, images, valid, place, row):  # type: ignore[no-untyped-def]
    """Add the outline's sides at one pixel: what lies beyond, how sharp the change begins there."""
    covers, steps = images
    i, j = place
    rows, cols = ids.shape
    mine = ids[i, j]
    for direction in range(4):
        di = (1, -1, 0, 0)[direction]
        dj = (0, 0, 1, -1)[direction]
        if 0 <= i + di < rows and 0 <= j + dj < cols and ids[i + di, j + dj] == mine:
            continue
        row[SIDES] += 1
        r1, c1 = i + 2 * di, j + 2 * dj
        if not (0 <= r1 < rows and 0 <= c1 < cols) or valid[r1, c1] != 0:
            continue
        row[BY_WATER] += covers[0, r1, c1] == WATER and covers[1, r1, c1] == WATER
        row[BY_PLANTS] += covers[0, r1, c1] == PLANTS and covers[1, r1, c1] == PLANTS
        r0, c0 = i - di, j - dj
        if 0 <= r0 < rows and 0 <= c0 < cols and ids[r1, c1] != mine:
            row[N_EDGES] += 1
            row[EDGE_B] += _contrast(steps, 0, (r0, c0), (r1, c1))
            row[EDGE_A] += _contrast(steps, 1, (r0, c0), (r1, c1))
        r0, c0 = i - SPAN_PX * di, j - SPAN_PX * dj
        r3, c3 = i + (SPAN_PX + 1) * di, j + (SPAN_PX + 1) * dj
        if not (0 <= r0 < rows and 0 <= c0 < cols and 0 <= r3 < rows and 0 <= c3 < cols):
            continue
        if ids[r3, c3] == mine or valid[r3, c3] != 0 or valid[r0, c0] != 0:
            continue
        row[N_SPANS] += 1
        row[SPAN] += abs(_change(steps, r0, c0) - _change(steps, r3, c3))
        row[STEP] += abs(_change(steps, i, j) - _change(steps, i + di, j + dj))


@njit(nogil=True, cache=True)
def _is_inner(ids, i, j):  # type: ignore[no-untyped-def]
    """Whether all five by five pixels around belong to the same object."""
    if i < 2 or j < 2 or i + 2 >= ids.shape[0] or j + 2 >= ids.shape[1]:
        return False
    for r in range(i - 2, i + 3):
        for c in range(j - 2, j + 3):
            if ids[r, c] != ids[i, j]:
                return False
    return True


@njit(nogil=True, cache=True)
def _accumulate(objects, images, masks, core, sums):  # type: ignore[no-untyped-def]
    (ids, local), (covers, steps), (valid, near) = objects, images, masks
    for i in range(core[0], core[1]):
        for j in range(core[2], core[3]):
            if ids[i, j] < 0:
                continue
            row = sums[local[ids[i, j]]]
            row[N] += 1
            n_darker, n_brighter = 0, 0
            for k in range(3):
                b, a = np.int64(steps[0, k, i, j]), np.int64(steps[1, k, i, j])
                row[GREEN_B + k] += b
                row[GREEN_A + k] += a
                n_darker += int(DARKER[1] * a <= DARKER[0] * b)
                n_brighter += int(BRIGHTER[1] * a >= BRIGHTER[0] * b)
            row[DARK] += n_darker == N_BANDS
            row[BRIGHT] += n_brighter == N_BANDS
            b, a = _grey(steps, 0, i, j), _grey(steps, 1, i, j)
            row[GREY2_B] += b * b
            row[GREY2_A] += a * a
            row[GREY_BOTH] += b * a
            row[ROUGH_B] += _roughness(steps, 0, i, j)
            row[ROUGH_A] += _roughness(steps, 1, i, j)
            if _is_inner(ids, i, j):
                rough = PER_MILLE * _roughness(steps, 1, i, j) // max(4 * a, 1)
                row[N_INNER] += 1
                row[INNER_ROUGH] += min(rough, PER_MILLE)
                row[SMOOTH] += rough < SMOOTH_LIMIT
            row[BY_CLOUD] += near[i, j] > 0
            row[COVERS + 3 * np.int64(covers[0, i, j]) + np.int64(covers[1, i, j])] += 1
            _add_sides(ids, (covers, steps), valid, (i, j), row)
