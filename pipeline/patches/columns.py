"""The area columns of overlaid patches: sums over their parts, m² (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.patches.shares import summed

T = TypeVar("T")

LAND_CATEGORIES = ("cultivated", "other_agricultural", "unused", "construction")
UNCLASSIFIED = "unclassified"
"""No survey patch there, or one whose code is not in the code table."""

PERMIT_ORDER = {
    "approved": ("approvals", "approval_id"),
    "supplied": ("supply", "supply_id"),
    "registered": ("registration", "registration_id"),
    "facility": ("facility_land", "facility_id"),
    "temporary": ("temporary_land", "temporary_id"),
}
"""Permit class → layer and id column of a part. The first that covers a part counts, whatever its
dates (DESIGN §4, DOMAIN §10): whether it was in time is the screening's matter."""

OF_WHICH = {
    "pbf_m2": ("permanent_basic_farmland", "pbf_id"),
    "redline_m2": ("ecological_redline", "redline_id"),
    "reserve_m2": ("nature_reserve", "reserve_id"),
}
"""Area column → layer and id column of a part, for layers that are no addends (其中)."""


def longest_prefix(code: str | None, table: Mapping[str, T]) -> T | None:
    """The entry of the longest code that `code` begins with; None if there is none."""
    if code is None:
        return None
    prefixes = (code[:length] for length in range(len(code), 0, -1))
    return next((table[prefix] for prefix in prefixes if prefix in table), None)


def looked_up(codes: NDArray[np.object_], table: Mapping[str, T]) -> NDArray[np.object_]:
    """`longest_prefix` of every code `(row,)`."""
    known = {code: longest_prefix(code, table) for code in set(codes.tolist())}
    result = np.empty(codes.size, dtype=object)
    result[:] = [known[code] for code in codes.tolist()]
    return result


def permit_classes(parts: pd.DataFrame) -> NDArray[np.object_]:
    """The first permit that covers each part, None if none does, `(part,)`."""
    result = np.full(len(parts), None, dtype=object)
    for name, (_, column) in reversed(PERMIT_ORDER.items()):
        result[parts[column].notna().to_numpy(dtype=bool)] = name
    return result


def area_columns(
    parts: pd.DataFrame, owner: NDArray[np.int64], n_patches: int, supplied: Collection[str]
) -> dict[str, NDArray[np.float64]]:
    """Area columns of patches from their parts `(patch,)`; NaN where the layer is not `supplied`.

    `owner` is the index of each part's patch. A layer that is there but covers nothing gives 0.
    Cultivated land net of field bunds takes a part without a known ratio in full.
    """
    area = parts["area_m2"].to_numpy(dtype=np.float64)

    def total(layer: str, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        if layer not in supplied:
            return np.full(n_patches, np.nan)
        return summed(area[chosen], owner[chosen], n_patches)

    category = parts["land_category"].fillna(UNCLASSIFIED).to_numpy(dtype=object)
    columns = {
        f"{name}_m2": total("land_use", category == name)
        for name in (*LAND_CATEGORIES, UNCLASSIFIED)
    }
    net = area * (1.0 - parts["bund_ratio"].fillna(0.0).to_numpy(dtype=np.float64))
    is_cultivated = category == "cultivated"
    columns["cultivated_net_m2"] = np.where(
        np.isnan(columns["cultivated_m2"]),
        np.nan,
        summed(net[is_cultivated], owner[is_cultivated], n_patches),
    )
    for column, (layer, id_column) in OF_WHICH.items():
        columns[column] = total(layer, parts[id_column].notna().to_numpy(dtype=bool))
    permit = parts["permit_class"].to_numpy(dtype=object)
    for name, (layer, _) in PERMIT_ORDER.items():
        columns[f"{name}_m2"] = total(layer, permit == name)
    conforms = parts["is_plan_conforming"].to_numpy(dtype=object)
    columns["plan_conform_m2"] = total("planning_zones", np.equal(conforms, True))
    columns["plan_nonconform_m2"] = total("planning_zones", np.equal(conforms, False))
    return columns
