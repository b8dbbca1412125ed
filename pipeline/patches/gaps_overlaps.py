"""Where a layer leaves a patch uncovered or covers it more than once (空缺与重叠), as rows.

A gap is land in no feature of a layer that should cover the whole county; an overlap is land in
several features, of which the one by `covering.precedence` counts. Rows are made of whole parts, so
their areas, m² and 0.01 亩, are sums of parts' areas and nothing is counted by them a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.patches.covering import NONE, Hits, ReferenceLayer
from pipeline.patches.partition import merge_faces
from pipeline.schema.layers import GAPS_OVERLAPS

COMPLETE_LAYERS = ("townships", "villages", "land_use", "planning_zones")
"""Layers that should leave nothing of the county uncovered (DOMAIN §2)."""


@dataclass(frozen=True, eq=False)
class Stack:
    """What lies on the faces, or parts, in one layer."""

    layer: ReferenceLayer
    top: NDArray[np.int64]
    """The feature that counts, `NONE` where there is none."""
    below: NDArray[np.object_]
    """The others in order of precedence, as a tuple; None where there are none."""

    def of(self, index: NDArray[np.int64]) -> Stack:
        """The same for some of them."""
        return Stack(self.layer, self.top[index], self.below[index])


def stacked(layer: ReferenceLayer, hits: Hits, n_faces: int) -> Stack:
    """Which feature counts on each face and which lie below it; features are in precedence."""
    below = np.full(n_faces, None, dtype=object)
    order = np.lexsort((hits.feature, hits.face))
    face, feature = hits.face[order], hits.feature[order]
    first = np.searchsorted(face, np.arange(n_faces + 1))
    for number in np.flatnonzero(np.diff(first) > 1):
        below[number] = tuple(feature[first[number] + 1 : first[number + 1]].tolist())
    return Stack(layer, hits.winners(n_faces), below)


def gap_overlap_rows(
    parts: gpd.GeoDataFrame, owner: NDArray[np.int64], stacks: Mapping[str, Stack]
) -> gpd.GeoDataFrame:
    """`GAPS_OVERLAPS` rows of parts; `owner` is each part's patch index, `stacks` are of the parts.

    In order of the patches, then of the layers, gaps before overlaps, then of the parts.
    """
    found = [
        (int(owner[rows[0]]), place, row, rows)
        for place, (name, stack) in enumerate(stacks.items())
        for row, rows in _rows_of_layer(name, stack, owner)
    ]
    found.sort(key=lambda one: one[:2])  # stable: the rows of a layer keep their order
    area, mu100 = parts["area_m2"].to_numpy(), parts["area_mu100"].to_numpy()
    shapes = np.asarray(parts.geometry.to_numpy(), dtype=object)
    names = {field: parts[field].to_numpy(dtype=object) for field in ("patch_id", "part_id")}
    rows = [
        row
        | {
            "patch_id": names["patch_id"][index[0]],
            "part_ids": names["part_id"][index].tolist(),
            "area_m2": float(area[index].sum()),
            "area_mu100": int(mu100[index].sum()),
        }
        for _, _, row, index in found
    ]
    table = pd.DataFrame(rows, columns=[*GAPS_OVERLAPS.fields])
    table["cover_no"] = table.groupby("patch_id").cumcount() + 1
    table = table.astype({"area_m2": float, "area_mu100": int, "cover_no": int})
    geometry = [merge_faces(shapes[index]) for _, _, _, index in found]
    return gpd.GeoDataFrame(table, geometry=geometry, crs=parts.crs)


def _rows_of_layer(
    name: str, stack: Stack, owner: NDArray[np.int64]
) -> Iterator[tuple[dict[str, Any], NDArray[np.int64]]]:
    """What one layer leaves open or covers twice, and the parts of which each row is made."""
    open_parts = np.flatnonzero(stack.top == NONE) if name in COMPLETE_LAYERS else np.empty(0, int)
    for index in np.split(open_parts, np.flatnonzero(np.diff(owner[open_parts])) + 1):
        if index.size:
            row = {"layer_name": name, "cover_state": "gap", "counted_feature_id": None}
            yield row | {"other_feature_ids": []}, index
    covered_twice = np.flatnonzero(np.not_equal(stack.below, np.array(None)))
    groups: dict[tuple[Any, ...], list[int]] = {}
    for part in covered_twice.tolist():
        key = (int(owner[part]), int(stack.top[part]), stack.below[part])
        groups.setdefault(key, []).append(part)
    ids = stack.layer.features["feature_id"].to_numpy(dtype=object)
    for (_, top, below), rows in groups.items():
        row = {"layer_name": name, "cover_state": "overlap", "counted_feature_id": ids[top]}
        yield row | {"other_feature_ids": ids[list(below)].tolist()}, np.array(rows)
