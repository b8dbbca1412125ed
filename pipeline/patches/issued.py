"""Patches issued from above (下发图斑): which detected patches they are, and what remains of those.

An issued outline is the official object (DESIGN §1): it is never dropped and keeps its own
geometry. A detected patch that shares enough with it is the same change seen twice and counts once;
what the detection found beyond the outline stays a patch of our own if it is large enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import Field
from pyproj import CRS

from pipeline.grid import Grid, PixelWindow
from pipeline.patches.area import (
    area_mu100,
    ellipsoidal_area_m2,
    metres_per_unit,
    perimeter_m,
)
from pipeline.patches.components import ComponentBuilder, Components, burn
from pipeline.patches.measures import DropReason, width_m
from pipeline.patches.pixel_sets import (
    OutlinePixels,
    Shared,
    join_sets,
    rasterise_outlines,
    reordered,
    sets_of_runs,
    shared_runs,
)
from pipeline.patches.shares import summed
from pipeline.schema.model import Frozen

STRIP_ROWS = 512
"""Rows worked on at once; bounds the memory, results do not depend on it."""


class IssuedParams(Frozen):
    """When a detected patch and an issued one are the same."""

    min_overlap_ratio: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="自主提取图斑与下发图斑的重叠达到较小者面积的此比例，视为同一图斑（示例口径）",
    )
    rim_px: int = Field(
        default=1,
        ge=0,
        description="下发图斑以外的剩余部分，收缩此像元数后消失的窄边视为边界误差，不单独成图斑",
    )


@dataclass(frozen=True, eq=False)
class Detected:
    """What the detection found, as sets of pixels with what becomes of them, `(object,)`."""

    components: Components
    reasons: NDArray[np.str_]
    """`DropReason`; empty for patches."""
    is_likely: NDArray[np.bool_]
    """True for construction-like change. Objects touch each other only where this differs."""

    def select(self, keep: NDArray[np.bool_]) -> Detected:
        """Some of the objects, in the same order."""
        return Detected(self.components.select(keep), self.reasons[keep], self.is_likely[keep])


@dataclass(frozen=True, eq=False)
class Matching:
    """How issued outlines and detected objects go together."""

    pixels: OutlinePixels
    """Of the issued outlines, `(outline,)`."""
    seen: Components
    """Pixels of each outline that belong to an object matched with it; empty if none does."""
    matched_pixels: NDArray[np.int64]
    """`(outline,)`: all pixels of the objects matched with it, also those beyond the outline."""
    is_seen_likely: NDArray[np.bool_]
    """`(outline,)`: whether most of the pixels seen are construction-like."""
    detected: Detected
    """What is left of the detection: objects that match nothing, remainders, leftovers."""
    n_absorbed: int
    """Objects matched with at least one outline: no patches of their own any more."""
    absorbed_pixels: int
    """Their pixels under the outlines they are matched with."""
    n_remainders: int
    """Patches among `detected` that are remainders of absorbed objects."""

    @property
    def is_seen(self) -> NDArray[np.bool_]:
        """`(outline,)`: whether the detection found something there."""
        found: NDArray[np.bool_] = self.seen.n_pixels > 0
        return found


def match_issued(
    outlines: NDArray[np.object_],
    detected: Detected,
    grid: Grid,
    min_pixels: int,
    params: IssuedParams,
) -> Matching:
    """Match issued outlines in the CRS of `grid` with the objects that would be patches.

    They match if they share at least `min_overlap_ratio` of the smaller one, in pixels. One outline
    may match several objects and one object several outlines. Of an absorbed object, what lies
    beyond its outlines stays a patch from `min_pixels` on and if it is more than a rim; the rest of
    it is dropped as `covered_by_issued`.
    """
    pixels = rasterise_outlines(outlines, grid)
    is_patch = detected.reasons == DropReason.KEPT
    patches, dropped = detected.select(is_patch), detected.select(~is_patch)
    shared = shared_runs(pixels.inside, patches.components)
    matched = shared.where(_is_match(shared, pixels, patches.components, params))
    is_absorbed = np.isin(np.arange(len(patches.components)), matched.second)
    seen = sets_of_runs(matched.first, matched.runs, outlines.size, (grid.height, grid.width))
    likely = summed(
        (matched.runs[2] - matched.runs[1]) * patches.is_likely[matched.second].astype(np.float64),
        matched.first,
        outlines.size,
    )
    absorbed = patches.select(is_absorbed)
    pieces = [
        _split_remainder(absorbed, seen, is_likely, min_pixels, params.rim_px)
        for is_likely in (True, False)
    ]
    n_beyond = sum(int(piece.components.n_pixels.sum()) for piece in pieces)
    return Matching(
        pixels,
        seen,
        _matched_pixels(matched, patches.components, outlines.size),
        2.0 * likely > seen.n_pixels,
        _joined([patches.select(~is_absorbed), dropped, *pieces]),
        int(is_absorbed.sum()),
        int(absorbed.components.n_pixels.sum()) - n_beyond,
        sum(int((piece.reasons == DropReason.KEPT).sum()) for piece in pieces),
    )


def _is_match(
    shared: Shared, pixels: OutlinePixels, components: Components, params: IssuedParams
) -> NDArray[np.bool_]:
    """Which of the shared runs belong to a pair that matches, `(run,)`."""
    n_components = max(1, len(components))
    pairs, number = np.unique(shared.first * n_components + shared.second, return_inverse=True)
    lengths = (shared.runs[2] - shared.runs[1]).astype(np.float64)
    outline, component = np.divmod(pairs, n_components)
    smaller = np.minimum(pixels.n_pixels[outline], components.n_pixels[component])
    is_match = summed(lengths, number, pairs.size) >= params.min_overlap_ratio * smaller
    return np.asarray(is_match[number], dtype=np.bool_)


def _matched_pixels(matched: Shared, components: Components, n_outlines: int) -> NDArray[np.int64]:
    n_components = max(1, len(components))
    pairs = np.unique(matched.first * n_components + matched.second)
    outline, component = np.divmod(pairs, n_components)
    sizes = components.n_pixels[component].astype(np.float64)
    return summed(sizes, outline, n_outlines).astype(np.int64)


def _joined(families: list[Detected]) -> Detected:
    """Objects of several families in order of their first pixel."""
    joined = Detected(
        join_sets([family.components for family in families]),
        np.concatenate([family.reasons.astype(str) for family in families]),
        np.concatenate([family.is_likely for family in families]),
    )
    components = joined.components
    order = np.lexsort((components.first_col, components.first_row))
    return Detected(reordered(components, order), joined.reasons[order], joined.is_likely[order])


def _split_remainder(
    absorbed: Detected, seen: Components, is_likely: bool, min_pixels: int, rim_px: int
) -> Detected:
    """What absorbed objects of one class have beyond the outlines: patches and the rest.

    Opening by `rim_px` finds what is more than a rim; growing back by twice as much, inside what is
    there, keeps its corners but no rim. Objects of one class never touch, so pieces of different
    objects stay apart.
    """
    objects = absorbed.select(absorbed.is_likely == is_likely).components

    def beyond(window: PixelWindow) -> NDArray[np.uint8]:
        mask = np.zeros(window.shape, np.uint8)
        burn(objects, window, mask, 1)
        burn(seen, window, mask, 0)
        return mask

    lobes, halo = ComponentBuilder(objects.width), 3 * rim_px
    for core in _strips(objects):
        padded = PixelWindow(core.row0 - halo, core.row1 + halo, core.col0, core.col1)
        padded = padded.clip(objects.height, objects.width)
        rows, cols = core.slices_in(padded)
        lobes.add_strip(core.row0, _without_rims(beyond(padded), rim_px)[rows, cols])
    found = lobes.finish()
    remainders = found.select(found.n_pixels >= min_pixels)
    rest = ComponentBuilder(objects.width)
    for core in _strips(objects):
        mask = beyond(core)
        burn(remainders, core, mask, 0)
        rest.add_strip(core.row0, mask)
    pieces = join_sets([remainders, rest.finish()])
    reasons = np.full(len(pieces), DropReason.COVERED_BY_ISSUED.value)
    reasons[: len(remainders)] = DropReason.KEPT
    return Detected(pieces, reasons, np.full(len(pieces), is_likely))


def _strips(components: Components) -> list[PixelWindow]:
    return [
        PixelWindow(row0, min(row0 + STRIP_ROWS, components.height), 0, components.width)
        for row0 in range(0, components.height, STRIP_ROWS)
    ]


def _without_rims(mask: NDArray[np.uint8], rim_px: int) -> NDArray[np.uint8]:
    if rim_px == 0 or not mask.any():
        return mask
    inner = cv2.erode(mask, _block(rim_px))
    grown = np.minimum(cv2.dilate(inner, _block(2 * rim_px)), mask)
    return grown.astype(np.uint8)


def _block(radius: int) -> NDArray[np.uint8]:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def measure_outlines(
    outlines: NDArray[np.object_], pixels: OutlinePixels, crs: CRS
) -> gpd.GeoDataFrame:
    """Measured columns of issued outlines in their projected CRS, `(outline,)`.

    `n_pixels` counts the pixel centres inside the outline, also beyond the image.
    """
    area = ellipsoidal_area_m2(outlines, crs)
    perimeter = perimeter_m(outlines, crs)
    return gpd.GeoDataFrame(
        {
            "area_m2": area,
            "area_mu100": area_mu100(area),
            "area_planar_m2": shapely.area(outlines) * metres_per_unit(crs) ** 2,
            "perimeter_m": perimeter,
            "width_m": width_m(area, perimeter),
            "n_pixels": pixels.n_pixels,
            "first_row": pixels.first_row,
            "first_col": pixels.first_col,
        },
        geometry=outlines,
        crs=crs,
    )
