"""How a construction candidate stands out from its surroundings, pixel by pixel around its outline.

The network says where something looks like construction. Whether it is, an interpreter tells from
what is around: a roof or a yard is one thing with one border, in ground that goes on as it was; a
drowned hollow, a bare knoll or a gap in the crop fades into a field that is uneven itself. So five
zones are measured at both dates in all bands: the core, the rim inside the outline, the first and
the second pixel beyond it, and the ring of the second to fourth; over the ring also how the bands
and dates vary together. All sums are whole numbers per candidate, so neither tiles nor their order
can change them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.change.construction import BUILT, WORKED
from pipeline.change.learned.infer import InputScaling, scaled
from pipeline.change.objects import RunTable, objects_in
from pipeline.grid import RasterWindow, Tile, TileOutput

STEPS = 32
"""Stored steps of one robust standard deviation of a band."""
MOST_SPREADS = 30.0
PER_MILLE = 1000
RING_PX = 4
HALO_PX = RING_PX + 1
N_BANDS = 4
N_DATES = 2
N_PLANES = N_DATES * N_BANDS
DARKEST = 32
"""A pixel is taken for at least this part of the median's brightness, or ratios run wild."""

ZONES = ("core", "rim", "first", "second", "ring")
_CORE, _RIM, _FIRST, _SECOND, _RING = range(len(ZONES))
ZONE_SUMS = 1 + 2 * N_PLANES + 2 * N_DATES
"""Count, sums and squares of the planes, sums and squares of the greenness."""
OWN_NAMES = (
    "n_full", "built_full", "n", "built", "built2", "worked", "score", "sides", "built_rim",
    "built_first", "y", "x", "yy", "xx", "yx", "grey_b", "grey_a", "grey_bb", "grey_aa", "grey_ba",
)  # fmt: skip
(
    _N_FULL, _BUILT_FULL, _N, _BUILT, _BUILT2, _WORKED, _SCORE, _SIDES, _BUILT_RIM, _BUILT_FIRST,
    _Y, _X, _YY, _XX, _YX, _GREY_B, _GREY_A, _GREY_BB, _GREY_AA, _GREY_BA,
) = range(len(OWN_NAMES))  # fmt: skip
N_OWN = len(OWN_NAMES)
_CROSS = N_OWN + len(ZONES) * ZONE_SUMS
N_CROSS = N_PLANES * (N_PLANES - 1) // 2
"""Products of two different planes, summed over the ring: (0, 1), (0, 2) … (6, 7)."""
N_SUMS = _CROSS + N_CROSS


@dataclass(frozen=True, eq=False)
class CandidateJob:
    """Parameters of `measure_candidates`."""

    runs: RunTable
    levels: NDArray[np.uint8]
    """`(candidate,)`: stored probability at which each one ends."""
    origins: NDArray[np.int64]
    """`(candidate, 2)`: row and column that its pixels are counted from."""
    positions: tuple[int, ...]
    """Of blue, green, red, near infrared among the pair's bands."""
    tones: Tones


@dataclass(frozen=True, eq=False)
class Tones:
    """How the pair's bands are told, `(date, band)` each: blue, green, red, near infrared."""

    scaling: InputScaling
    dark: NDArray[np.float64]
    """What a band shows of black ground."""
    least: NDArray[np.float64]
    """Smallest brightness above it that is told from nothing."""


def fit_tones(before: NDArray[Any], after: NDArray[Any], scaling: InputScaling, q: float) -> Tones:
    """The tones of a pair from its sample `(band, n)`; dark values are the quantile `q`."""
    dark = np.array([np.quantile(pixels, q, axis=1) for pixels in (before, after)])
    middle = np.array([np.median(pixels, axis=1) for pixels in (before, after)])
    within = replace(scaling, clip=MOST_SPREADS)
    return Tones(within, dark, np.maximum((middle - dark) / DARKEST, 1e-6))


def measure_candidates(
    tile: Tile, sources: Mapping[str, RasterWindow], params: CandidateJob
) -> TileOutput:
    """Tile function: `before`, `after`, `valid`, `traces`, `score` of the padded window → sums.

    The partial is (candidate numbers, sums `(candidate, N_SUMS)`) of those with pixels in the core.
    """
    valid, traces = sources["valid"].array[0], sources["traces"].array
    ids, present, local = objects_in(tile, params.runs)
    rows, cols = tile.core_slices
    sums = np.zeros((present.size, N_SUMS), np.int64)
    if present.size:
        chosen = list(params.positions)
        pair = [sources[name].array[chosen] for name in ("before", "after")]
        planes = np.concatenate([_steps(i, params.tones.scaling, k) for k, i in enumerate(pair)])
        green = np.stack([_greenness(i, params.tones, k) for k, i in enumerate(pair)])
        core = np.array([rows.start, rows.stop, cols.start, cols.stop], np.int64)
        corner = np.array([tile.padded.row0, tile.padded.col0], np.int64)
        _accumulate(
            (ids, local, params.levels, params.origins),
            (planes, green, traces[BUILT], traces[WORKED], sources["score"].array[0], valid),
            (core, corner),
            sums,
        )
    return TileOutput(partials=((tile.index, (present, sums)),))


def _steps(image: NDArray[Any], scaling: InputScaling, date: int) -> NDArray[np.int16]:
    """Bands `(band, y, x)` of one date in steps of their robust standard deviation."""
    steps: NDArray[np.int16] = np.rint(scaled(image, scaling, date) * STEPS).astype(np.int16)
    return steps


def _greenness(image: NDArray[Any], tones: Tones, date: int) -> NDArray[np.int16]:
    """NDVI `(y, x)` of one date in thousandths, over the dark values."""
    red, nir = (
        np.maximum(
            np.nan_to_num(image[k].astype(np.float64)) - tones.dark[date, k], tones.least[date, k]
        )
        for k in (2, 3)
    )
    ndvi: NDArray[np.int16] = np.rint(PER_MILLE * (nir - red) / (nir + red)).astype(np.int16)
    return ndvi


@njit(nogil=True, cache=True)
def _add_zone(planes, green, row, zone, i, j):  # type: ignore[no-untyped-def]
    """Add one pixel to a zone's sums."""
    at = N_OWN + zone * ZONE_SUMS
    row[at] += 1
    for k in range(N_PLANES):
        value = np.int64(planes[k, i, j])
        row[at + 1 + k] += value
        row[at + 1 + N_PLANES + k] += value * value
    for k in range(N_DATES):
        value = np.int64(green[k, i, j])
        row[at + 1 + 2 * N_PLANES + k] += value
        row[at + 1 + 2 * N_PLANES + N_DATES + k] += value * value


@njit(nogil=True, cache=True)
def _add_products(planes, row, i, j):  # type: ignore[no-untyped-def]
    """Add one pixel to the ring's sums of products."""
    at = _CROSS
    for k in range(N_PLANES):
        for other in range(k + 1, N_PLANES):
            row[at] += np.int64(planes[k, i, j]) * np.int64(planes[other, i, j])
            at += 1


@njit(nogil=True, cache=True)
def _is_member(objects, built, i, j, mine):  # type: ignore[no-untyped-def]
    ids, levels = objects[0], objects[2]
    return ids[i, j] == mine and built[i, j] >= levels[mine]


@njit(nogil=True, cache=True)
def _walk_out(objects, images, place, step, row):  # type: ignore[no-untyped-def]
    """Add the pixels met on the way out over one side of the outline."""
    planes, green, built, _, _, valid = images
    ids = objects[0]
    (i, j), (di, dj) = place, step
    mine = ids[i, j]
    for s in range(1, RING_PX + 1):
        r, c = i + s * di, j + s * dj
        if not (0 <= r < ids.shape[0] and 0 <= c < ids.shape[1]):
            return
        if s > 1 and _is_member(objects, built, r, c, mine):
            return
        if valid[r, c] != 0:
            continue
        if s == 1:
            _add_zone(planes, green, row, _FIRST, r, c)
            row[_BUILT_FIRST] += built[r, c]
            continue
        if s == 2:
            _add_zone(planes, green, row, _SECOND, r, c)
        if ids[r, c] < 0:
            _add_zone(planes, green, row, _RING, r, c)
            _add_products(planes, row, r, c)


@njit(nogil=True, cache=True)
def _add_own(objects, images, place, corner, row):  # type: ignore[no-untyped-def]
    """Add what a member pixel says by itself."""
    planes, _, built, worked, score, _ = images
    i, j = place
    mine = objects[0][i, j]
    row[_N] += 1
    row[_BUILT] += built[i, j]
    row[_BUILT2] += np.int64(built[i, j]) * np.int64(built[i, j])
    row[_WORKED] += worked[i, j]
    row[_SCORE] += score[i, j]
    y, x = corner[0] + i - objects[3][mine, 0], corner[1] + j - objects[3][mine, 1]
    row[_Y] += y
    row[_X] += x
    row[_YY] += y * y
    row[_XX] += x * x
    row[_YX] += y * x
    before, after = np.int64(0), np.int64(0)
    for k in range(N_BANDS):
        before += planes[k, i, j]
        after += planes[N_BANDS + k, i, j]
    row[_GREY_B] += before
    row[_GREY_A] += after
    row[_GREY_BB] += before * before
    row[_GREY_AA] += after * after
    row[_GREY_BA] += before * after


@njit(nogil=True, cache=True)
def _accumulate(objects, images, places, sums):  # type: ignore[no-untyped-def]
    ids, local, _, _ = objects
    planes, green, built = images[0], images[1], images[2]
    core, corner = places
    for i in range(core[0], core[1]):
        for j in range(core[2], core[3]):
            mine = ids[i, j]
            if mine < 0:
                continue
            row = sums[local[mine]]
            row[_N_FULL] += 1
            row[_BUILT_FULL] += built[i, j]
            if not _is_member(objects, built, i, j, mine):
                continue
            _add_own(objects, images, (i, j), corner, row)
            is_rim = False
            for direction in range(4):
                di = (1, -1, 0, 0)[direction]
                dj = (0, 0, 1, -1)[direction]
                r, c = i + di, j + dj
                is_there = 0 <= r < ids.shape[0] and 0 <= c < ids.shape[1]
                if is_there and _is_member(objects, built, r, c, mine):
                    continue
                is_rim = True
                row[_SIDES] += 1
                _walk_out(objects, images, (i, j), (di, dj), row)
            _add_zone(planes, green, row, _RIM if is_rim else _CORE, i, j)
            if is_rim:
                row[_BUILT_RIM] += built[i, j]
