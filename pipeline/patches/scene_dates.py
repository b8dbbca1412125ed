"""Dates of the pixels under a patch, by the seam lines of a mosaic (镶嵌线).

A mosaic of a county is cut from scenes of several days. Which document came first is judged by the
days under the patch, so a patch on several scenes gets the widest interval of them: the earliest
before date and the latest after date. A permit then clears a patch only if it is older than every
before pixel, and none is called late that is older than some after pixel; what lies between stays
undecided (存疑). Scenes with a small share of the patch are left out: seam lines are drawn by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import Field
from shapely.geometry.base import BaseGeometry

from pipeline.schema.model import Frozen

Objects = NDArray[np.object_]


class SceneDateParams(Frozen):
    """How a patch on several scenes of a mosaic is dated."""

    min_scene_ratio: float = Field(
        0.1, gt=0, le=0.5, description="一景占图斑面积达到此比例时，它的日期计入图斑的前后时相"
    )


@dataclass(frozen=True, eq=False)
class Seams:
    """Pieces of one mosaic, `(scene,)`."""

    outlines: Objects
    """Polygons in the working CRS."""
    dates: Objects
    """ISO text; None unknown."""
    otherwise: str | None
    """Day of the image as a whole, where no piece lies or a piece has no date."""


@dataclass(frozen=True, eq=False)
class SceneShares:
    """Which scene has which share of which patch, by patch and then by share, largest first."""

    patch: NDArray[np.int64]
    scene: NDArray[np.int64]
    ratio: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DatesUnder:
    """Days of one image under each patch, `(patch,)`."""

    dates: Objects
    """ISO text; None where the day of a scene is unknown and the image as a whole has none."""
    is_mixed: NDArray[np.bool_]
    """Whether scenes of different days have a say."""


def scene_shares(outlines: Objects, seams: Seams) -> SceneShares:
    """Share of each patch's area on each scene; scenes that only touch are left out."""
    tree = shapely.STRtree(seams.outlines)
    patch, scene = tree.query(outlines, predicate="intersects")
    shared = shapely.area(shapely.intersection(outlines[patch], seams.outlines[scene]))
    whole = shapely.area(outlines)[patch]
    ratio = np.divide(shared, whole, out=np.zeros(len(shared)), where=whole > 0)
    is_real = ratio > 0
    patch, scene, ratio = patch[is_real], scene[is_real], ratio[is_real]
    order = np.lexsort((scene, -ratio, patch))
    return SceneShares(patch[order], scene[order], ratio[order])


def dates_under(
    n_patches: int, shares: SceneShares, seams: Seams, params: SceneDateParams, *, latest: bool
) -> DatesUnder:
    """The earliest (or `latest`) day among the scenes under each patch.

    A scene counts with `min_scene_ratio` of the patch, the largest one always. Where the pieces
    leave as much of a patch uncovered, the image's own day counts too.
    """
    dates = np.full(n_patches, seams.otherwise, dtype=object)
    is_mixed = np.zeros(n_patches, np.bool_)
    first = np.searchsorted(shares.patch, np.arange(n_patches + 1))
    for patch in range(n_patches):
        own = slice(first[patch], first[patch + 1])
        scenes, ratios = shares.scene[own], shares.ratio[own]
        if not scenes.size:
            continue
        counts = ratios >= params.min_scene_ratio
        counts[0] = True
        days = {seams.dates[scene] or seams.otherwise for scene in scenes[counts]}
        if 1.0 - ratios.sum() >= params.min_scene_ratio:
            days.add(seams.otherwise)
        is_mixed[patch] = len(days) > 1
        known = sorted(day for day in days if day is not None)
        is_known = len(known) == len(days)
        dates[patch] = known[-1 if latest else 0] if is_known else None
    return DatesUnder(dates, is_mixed)


def without_inversion(
    before: Objects, after: Objects
) -> tuple[Objects, Objects, NDArray[np.bool_]]:
    """Both dates, unknown where the before pixels are not older than the after pixels.

    What appears and what disappears can not be told there; with unknown dates a patch stays
    undecided. The last array says where.
    """
    is_inverted = np.array(
        [b is not None and a is not None and b >= a for b, a in zip(before, after, strict=True)],
        np.bool_,
    )
    before, after = before.copy(), after.copy()
    before[is_inverted] = None
    after[is_inverted] = None
    return before, after, is_inverted


def inverted_area(before: Seams, after: Seams) -> BaseGeometry:
    """Land where the before piece is not older than the after piece; unknown days say nothing."""
    tree = shapely.STRtree(after.outlines)
    first, second = tree.query(before.outlines, predicate="intersects")
    days = [
        (before.dates[b] or before.otherwise, after.dates[a] or after.otherwise)
        for b, a in zip(first, second, strict=True)
    ]
    is_wrong = np.array([b is not None and a is not None and b >= a for b, a in days], np.bool_)
    shared = shapely.intersection(
        before.outlines[first[is_wrong]], after.outlines[second[is_wrong]]
    )
    parts = shapely.get_parts(shared)
    return shapely.union_all(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
