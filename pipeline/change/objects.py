"""What is measured of every construction-like object, and the tile function that measures it.

Each figure answers a question an interpreter would ask (object-based image analysis, Blaschke 2010,
ISPRS J. 65(1)): is the material built, was it built before, how strong is the change, is the ground
before one quiet field, does the outline follow an edge that was there before (a parcel that changed
as a whole) or one that is new, is the shape compact. All sums are whole numbers per component over
stored values, so neither tiles nor their order can change them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.change.cleaning import UNIT, magnitudes
from pipeline.change.likely import EVIDENCE_RANGE
from pipeline.change.linear import SCORE_MAX, SCORE_UNOBSERVED
from pipeline.change.materials import EVIDENCE_UNIT, EVIDENCE_ZERO, LEAST_EVIDENCE
from pipeline.change.traces import (
    BUILT_AFTER,
    BUILT_BEFORE,
    GREY_AFTER,
    GREY_BEFORE,
    GREY_STEPS,
    NO_SOIL_AFTER,
)
from pipeline.grid import RasterWindow, Tile, TileOutput

OBJECT_HALO_PX = 3
"""The outline's contrast is taken between one pixel inside it and three pixels outward of that."""
INSIDE_PX, OUTSIDE_PX = 1, 3
MAX_CHANGE_RATIO = 3.0
RULED_OUT = 72
"""Evidence counted where vegetation or water rules out that the ground was built before."""
N_SUMS = 21
(
    N_PIXELS, AFTER, BEFORE, CHANGE, OVER, PLANTED, GREY_B, GREY2_B, GREY_A, GREY2_A,
    ROUGH_B, ROUGH_A, EDGE_B, EDGE_A, N_EDGES, SIDES, NO_SOIL, AFTER2, CLEARLY, EDGE_E, RISE_A,
) = range(N_SUMS)  # fmt: skip


class RunTable(NamedTuple):
    """Runs of components in row order (`Components.by_row`)."""

    row_offsets: NDArray[np.int64]
    runs: NDArray[np.int32]
    component: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class ObjectJob:
    """Parameters of `measure_objects`."""

    runs: RunTable


def measure_objects(
    tile: Tile, sources: Mapping[str, RasterWindow], params: ObjectJob
) -> TileOutput:
    """Tile function: `score` and `traces` of the padded window → sums per component.

    The partial is (component numbers, sums `(component, N_SUMS)`) of the components in the core.
    """
    score, traces = sources["score"].array[0], sources["traces"].array
    padded = tile.padded
    ids = np.full(score.shape, -1, np.int32)
    _burn_ids(params.runs, (padded.row0, padded.col0), ids)
    rows, cols = tile.core_slices
    present = np.unique(ids[rows, cols])
    present = present[present >= 0]
    sums = np.zeros((present.size, N_SUMS), np.int64)
    if present.size:
        local = np.full(int(present[-1]) + 1, -1, np.int64)
        local[present] = np.arange(present.size)
        core = np.array([rows.start, rows.stop, cols.start, cols.stop], np.int64)
        _accumulate(ids, (score, traces), core, (local, magnitudes(MAX_CHANGE_RATIO, 0.5)), sums)
    return TileOutput(partials=((tile.index, (present, sums)),))


def object_figures(sums: NDArray[np.int64], pixel_area_m2: float) -> dict[str, NDArray[np.float64]]:
    """Figures `(component,)` by name, from sums `(component, N_SUMS)`."""
    s = sums.astype(np.float64)
    n, edges = np.maximum(s[:, N_PIXELS], 1.0), np.maximum(s[:, N_EDGES], 1.0)
    nats = 1.0 / EVIDENCE_UNIT
    edge_before, edge_after = (s[:, k] / edges / GREY_STEPS for k in (EDGE_B, EDGE_A))
    spread = [
        np.sqrt(np.maximum(s[:, square] / n - (s[:, plain] / n) ** 2, 0.0)) / GREY_STEPS
        for plain, square in ((GREY_B, GREY2_B), (GREY_A, GREY2_A))
    ]
    return {
        "log_area": np.log(n * pixel_area_m2),
        "built_after": (s[:, AFTER] / n - EVIDENCE_ZERO) * nats,
        "no_soil_after": (s[:, NO_SOIL] / n - EVIDENCE_ZERO) * nats,
        "clearly_built": s[:, CLEARLY] / n,
        "evidence_spread": np.sqrt(np.maximum(s[:, AFTER2] / n - (s[:, AFTER] / n) ** 2, 0.0))
        * nats,
        "evidence_edge": s[:, EDGE_E] / edges * nats,
        "rise": s[:, RISE_A] / edges / GREY_STEPS,
        "built_before": (s[:, BEFORE] / n - EVIDENCE_ZERO) * nats,
        "change": s[:, CHANGE] / n / UNIT,
        "over_threshold": s[:, OVER] / n,
        "planted_before": s[:, PLANTED] / n,
        "roughness_before": s[:, ROUGH_B] / n / (4 * GREY_STEPS),
        "roughness_after": s[:, ROUGH_A] / n / (4 * GREY_STEPS),
        "spread_before": spread[0],
        "spread_after": spread[1],
        "edge_before": edge_before,
        "edge_after": edge_after,
        "old_edge": edge_before / np.maximum(edge_after, 1.0 / GREY_STEPS),
        "raggedness": s[:, SIDES] / np.sqrt(n),
    }


@njit(nogil=True, cache=True)
def _burn_ids(index, origin, out):  # type: ignore[no-untyped-def]
    row0, col0 = origin
    for row in range(out.shape[0]):
        for run in range(index.row_offsets[row0 + row], index.row_offsets[row0 + row + 1]):
            begin = max(index.runs[1, run] - col0, 0)
            for col in range(begin, min(index.runs[2, run] - col0, out.shape[1])):
                out[row, col] = index.component[run]


@njit(nogil=True, cache=True)
def _roughness(grey, i, j):  # type: ignore[no-untyped-def]
    """|4 · centre − the four neighbours|; at the image's edge a pixel is its own neighbour."""
    rows, cols = grey.shape
    around = np.int64(grey[max(i - 1, 0), j]) + np.int64(grey[min(i + 1, rows - 1), j])
    around += np.int64(grey[i, max(j - 1, 0)]) + np.int64(grey[i, min(j + 1, cols - 1)])
    return abs(4 * np.int64(grey[i, j]) - around)


@njit(nogil=True, cache=True)
def _add_edges(ids, score, traces, place, row):  # type: ignore[no-untyped-def]
    """Add the outline's sides at one pixel and the contrast across them."""
    i, j = place
    rows, cols = ids.shape
    mine = ids[i, j]
    for direction in range(4):
        di = (1, -1, 0, 0)[direction]
        dj = (0, 0, 1, -1)[direction]
        beside = -1
        if 0 <= i + di < rows and 0 <= j + dj < cols:
            beside = ids[i + di, j + dj]
        if beside == mine:
            continue
        row[SIDES] += 1
        r0, c0 = i - INSIDE_PX * di, j - INSIDE_PX * dj
        r1, c1 = i + OUTSIDE_PX * di, j + OUTSIDE_PX * dj
        if not (0 <= r0 < rows and 0 <= c0 < cols and 0 <= r1 < rows and 0 <= c1 < cols):
            continue
        if ids[r1, c1] == mine or score[r1, c1] == SCORE_UNOBSERVED:
            continue
        for sum_at, plane in ((EDGE_B, GREY_BEFORE), (EDGE_A, GREY_AFTER)):
            row[sum_at] += abs(np.int64(traces[plane, r0, c0]) - np.int64(traces[plane, r1, c1]))
        row[RISE_A] += np.int64(traces[GREY_AFTER, r0, c0]) - np.int64(traces[GREY_AFTER, r1, c1])
        inner = max(traces[BUILT_AFTER, r0, c0], traces[NO_SOIL_AFTER, r0, c0])
        outer = max(traces[BUILT_AFTER, r1, c1], traces[NO_SOIL_AFTER, r1, c1])
        low, high = np.int64(EVIDENCE_RANGE[0]), np.int64(EVIDENCE_RANGE[1])
        row[EDGE_E] += min(max(np.int64(inner), low), high)
        row[EDGE_E] -= min(max(np.int64(outer), low), high)
        row[N_EDGES] += 1


@njit(nogil=True, cache=True)
def _accumulate(ids, rasters, core, tables, sums):  # type: ignore[no-untyped-def]
    (score, traces), (local, ratios) = rasters, tables
    low, high = np.int64(EVIDENCE_RANGE[0]), np.int64(EVIDENCE_RANGE[1])
    for i in range(core[0], core[1]):
        for j in range(core[2], core[3]):
            if ids[i, j] < 0:
                continue
            row = sums[local[ids[i, j]]]
            before = np.int64(traces[BUILT_BEFORE, i, j])
            is_ruled_out = before <= LEAST_EVIDENCE
            row[N_PIXELS] += 1
            after = min(max(np.int64(traces[BUILT_AFTER, i, j]), low), high)
            row[AFTER] += after
            row[AFTER2] += after * after
            row[CLEARLY] += after >= EVIDENCE_ZERO
            row[NO_SOIL] += min(max(np.int64(traces[NO_SOIL_AFTER, i, j]), low), high)
            row[BEFORE] += RULED_OUT if is_ruled_out else min(max(before, low), high)
            row[PLANTED] += is_ruled_out
            row[CHANGE] += ratios[score[i, j]]
            row[OVER] += 2 * np.int64(score[i, j]) >= SCORE_MAX
            b, a = np.int64(traces[GREY_BEFORE, i, j]), np.int64(traces[GREY_AFTER, i, j])
            row[GREY_B] += b
            row[GREY2_B] += b * b
            row[GREY_A] += a
            row[GREY2_A] += a * a
            row[ROUGH_B] += _roughness(traces[GREY_BEFORE], i, j)
            row[ROUGH_A] += _roughness(traces[GREY_AFTER], i, j)
            _add_edges(ids, score, traces, (i, j), row)
