"""Shares of patches by unit, and the largest one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

AREA_DECIMALS = 2
"""Decimals of m² in which shares are compared: what prints alike is a tie."""


def summed(values: FloatArray, owner: NDArray[np.int64], n_owners: int) -> FloatArray:
    """Sum of the values of each owner, `(owner,)`."""
    return np.bincount(owner, weights=values, minlength=n_owners).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Faces:
    """What is needed of the faces of some patches to add up shares."""

    patch: NDArray[np.int64]
    """Index of the patch each face belongs to."""
    area_m2: NDArray[np.float64]
    n_patches: int


def shares(faces: Faces, unit: NDArray[np.object_]) -> pd.DataFrame:
    """Area of every unit in every patch: columns patch, unit, area_m2, the largest first.

    Faces whose unit is None do not count. Equal areas: the smaller unit first.
    """
    is_named = np.not_equal(unit, np.array(None))
    table = pd.DataFrame(
        {
            "patch": faces.patch[is_named],
            "unit": unit[is_named].astype(str),
            "area_m2": faces.area_m2[is_named],
        }
    )
    sums = table.groupby(["patch", "unit"], as_index=False).sum()
    sums["rank"] = -sums["area_m2"].round(AREA_DECIMALS)
    return sums.sort_values(["patch", "rank", "unit"])[["patch", "unit", "area_m2"]]


def least_m2(faces: Faces, min_touch_m2: float) -> FloatArray:
    """Area from which on something reaches into each patch; of tiny patches a tenth is enough."""
    whole = summed(faces.area_m2, faces.patch, faces.n_patches)
    return np.minimum(min_touch_m2, whole / 10.0)


def reaching(share: pd.DataFrame, faces: Faces, min_touch_m2: float) -> pd.DataFrame:
    """The shares that are more than noise of the overlay (`least_m2`).

    A patch that lies outside a unit and shares its edge does not belong to it.
    """
    least = least_m2(faces, min_touch_m2)
    is_enough = share["area_m2"].to_numpy() >= least[share["patch"].to_numpy(dtype=np.int64)]
    kept: pd.DataFrame = share.loc[is_enough]
    return kept


def largest(share: pd.DataFrame, n_patches: int) -> NDArray[np.object_]:
    """The unit with the largest share of each patch, `(patch,)`; None if there is none."""
    result = np.full(n_patches, None, dtype=object)
    first = share.drop_duplicates("patch")
    result[first["patch"].to_numpy()] = first["unit"].to_numpy(dtype=object)
    return result


def others(
    share: pd.DataFrame, chosen: NDArray[np.object_], min_touch_m2: float
) -> list[list[str]]:
    """Units besides the chosen one with at least `min_touch_m2` of a patch, sorted, `(patch,)`."""
    result: list[list[str]] = [[] for _ in chosen]
    touched = share[share["area_m2"] >= min_touch_m2]
    for patch, unit in zip(touched["patch"].tolist(), touched["unit"].tolist(), strict=True):
        if unit != chosen[patch]:
            result[patch].append(unit)
    return [sorted(units) for units in result]
