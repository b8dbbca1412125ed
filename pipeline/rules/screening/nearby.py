"""What lies beside a patch: approvals that were not used, other patches of the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.rules.parameters import RuleInForce
from pipeline.rules.screening.facts import Document, NearbyApproval

MAX_NAMED = 3
"""Only the nearest few are told."""


def nearby_approvals(
    patches: gpd.GeoDataFrame,
    layers: Mapping[str, gpd.GeoDataFrame],
    approvals: Mapping[str, Document],
    is_construction: Mapping[str, bool | None],
    reaches_m: Sequence[float],
) -> list[tuple[NearbyApproval, ...]]:
    """The nearest approvals within reach of each patch that do not touch it, by distance and id.

    What was used of an approval is where patches that may be construction lie.
    """
    table = layers.get("approvals")
    if table is None or table.empty:
        return [()] * len(patches)
    outlines = np.asarray(table.geometry, dtype=object)
    ids = [str(value) for value in table["feature_id"]]
    tree, used = shapely.STRtree(outlines), _Used(patches, is_construction)
    found = []
    for shape, reach_m in zip(patches.geometry, reaches_m, strict=True):
        near = tree.query(shape, predicate="dwithin", distance=reach_m)
        distances = [(float(shapely.distance(shape, outlines[n])), ids[n], n) for n in near]
        nearest = [one for one in sorted(distances) if one[0] > 0.0][:MAX_NAMED]
        found.append(
            tuple(
                NearbyApproval(approvals[name], distance, used.ratio(outlines[n]))
                for distance, name, n in nearest
            )
        )
    return found


class _Used:
    """Where something was built in this run."""

    def __init__(
        self, patches: gpd.GeoDataFrame, is_construction: Mapping[str, bool | None]
    ) -> None:
        built = patches["change_kind"].map(lambda kind: is_construction.get(kind) is not False)
        self.shapes: NDArray[np.object_] = np.asarray(
            patches.geometry[built.to_numpy(dtype=bool)], dtype=object
        )
        self.tree = shapely.STRtree(self.shapes)

    def ratio(self, parcel: shapely.Geometry) -> float:
        """Share of a parcel that patches cover; they may overlap each other."""
        at = np.sort(self.tree.query(parcel, predicate="intersects"))
        covered = shapely.union_all(shapely.intersection(self.shapes[at], parcel))
        return float(shapely.area(covered) / shapely.area(parcel))


def adjoining_pairs(
    patches: gpd.GeoDataFrame, reaches: Sequence[RuleInForce]
) -> list[tuple[int, int]]:
    """Positions of patches that lie within the rule `transfer.group_reach` of each other.

    One rule per patch; of a pair the wider reach counts.
    """
    shapes = np.asarray(patches.geometry, dtype=object)
    farthest = [float(rule.number()) for rule in reaches]
    at, of = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=farthest)
    pairs = sorted({(int(min(p)), int(max(p))) for p in zip(at, of, strict=True) if p[0] != p[1]})
    return [
        (one, other)
        for one, other in pairs
        if any(
            reaches[n].meets(float(shapely.distance(shapes[one], shapes[other])))
            for n in (one, other)
        )
    ]
