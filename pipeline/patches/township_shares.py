"""Everybody's share of patches that lie in more than one township (分乡镇面积).

A patch is never split: one township takes the lead and gets the package. Its area by township is
the sum of its parts, so the shares of a patch add up to it, in m² and in hundredths of a 亩.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.patches.shares import AREA_DECIMALS
from pipeline.schema.layers import TOWNSHIP_SHARES

OF_WHICH = ("cultivated", "pbf")
"""Areas told by township; NULL where the layer was not supplied."""


def township_shares(
    patches: pd.DataFrame, parts: pd.DataFrame, names: Mapping[str, str]
) -> pd.DataFrame:
    """`TOWNSHIP_SHARES` rows of overlaid patches in their order, the lead first, then by area.

    `names`: name of every township by its code.
    """
    chosen = {
        "cultivated": (parts["land_category"] == "cultivated").fillna(False),
        "pbf": parts["pbf_id"].notna(),
    }
    table = pd.DataFrame(
        {
            "patch_id": parts["patch_id"].to_numpy(dtype=object),
            # NULL is a group of its own, after every code.
            "township_code": parts["township_code"].astype(object).fillna("").to_numpy(),
            "area_m2": parts["area_m2"].to_numpy(dtype=np.float64),
            "area_mu100": parts["area_mu100"].to_numpy(dtype=np.int64),
        }
    )
    for name, is_counted in chosen.items():
        counted = is_counted.to_numpy(dtype=bool)
        table[f"{name}_m2"] = np.where(counted, table["area_m2"], 0.0)
        table[f"{name}_mu100"] = np.where(counted, table["area_mu100"], 0)
    sums = table.groupby(["patch_id", "township_code"], as_index=False, sort=True).sum()
    return _described(sums, patches, names)


def _described(sums: pd.DataFrame, patches: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    patch = pd.Series(np.arange(len(patches)), index=patches["patch_id"].to_numpy(dtype=object))
    at = sums["patch_id"].map(patch).to_numpy(dtype=np.int64)
    lead = patches["township_code"].astype(object).fillna("").to_numpy()[at]
    sums["is_lead"] = (sums["township_code"] == lead) & (sums["township_code"] != "")
    sums["share_ratio"] = sums["area_m2"] / patches["area_m2"].to_numpy(dtype=np.float64)[at]
    for name in OF_WHICH:
        is_unknown = patches[f"{name}_m2"].isna().to_numpy(dtype=bool)[at]
        sums.loc[is_unknown, f"{name}_m2"] = np.nan
        sums[f"{name}_mu100"] = sums[f"{name}_mu100"].astype("Int64").mask(is_unknown)
    sums["rank"] = -sums["area_m2"].round(AREA_DECIMALS)
    sums = sums.assign(at=at, is_other=~sums["is_lead"])
    sums = sums.sort_values(["at", "is_other", "rank", "township_code"], ignore_index=True)
    sums["share_no"] = sums.groupby("at").cumcount() + 1
    sums["township_name"] = sums["township_code"].map(names).astype(object)
    code = sums["township_code"].astype(object)
    sums["township_code"] = code.where(code != "", None)
    return sums[[*TOWNSHIP_SHARES.fields]]
