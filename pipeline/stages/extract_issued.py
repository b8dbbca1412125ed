"""Issued patches (下发图斑) in the stage `extract`: read from intake, put beside detected ones."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.change.linear import SCORE_MAX, SCORE_UNOBSERVED
from pipeline.errors import Finding, InputError
from pipeline.grid import Grid
from pipeline.io.vectors import read_layer
from pipeline.patches.components import ComponentSums
from pipeline.patches.issued import Detected, Matching, measure_outlines
from pipeline.patches.kinds import CODED_KINDS, CONSTRUCTION, CROP, patch_kinds
from pipeline.patches.measures import DropReason
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.context import Number, StageContext
from pipeline.stages.layers import supplied_layers

ISSUED = "issued_patches"
UNKNOWN_KIND = "unknown"
"""Code of a kind that nobody could tell; as issued it is as good as none."""


def read_issued(context: StageContext, grid: Grid) -> gpd.GeoDataFrame | None:
    """The run's issued patches in order of their id; None if the run has no such layer."""
    path = context.paths.intake_layers
    if context.run.county is None or ISSUED not in supplied_layers(path):
        return None
    issued = read_layer(path, REFERENCE_LAYERS[ISSUED])
    if grid.crs is None or grid.is_geographic or issued.crs != grid.crs:
        raise InputError(
            Finding(
                "E-LAYER-CRS",
                "下发图斑与影像的坐标系不同。",
                where=f"{path} 图层 {ISSUED}",
                value="无坐标系" if issued.crs is None else issued.crs.name,
                allowed="影像的投影坐标系" if grid.crs is None else grid.crs.name,
                advice="重新运行入库检查；影像须有投影坐标系。",
            )
        )
    return issued.sort_values(["issued_id", "feature_id"], ignore_index=True)


class IssuedSums:
    """Sums of the rasters under issued outlines and under what was seen of them."""

    def __init__(self, matching: Matching, kinds: tuple[int, ...]) -> None:
        self.score = ComponentSums(matching.pixels.inside, (SCORE_UNOBSERVED,))
        self.seen_score = ComponentSums(matching.seen)
        self.seen_kind = ComponentSums(matching.seen, kinds)
        self._matching = matching

    @property
    def observed_pixels(self) -> NDArray[np.int64]:
        """Pixels seen on both dates, `(outline,)`."""
        observed: NDArray[np.int64] = (
            self._matching.pixels.inside.n_pixels - self.score.counts[:, 0]
        )
        return observed

    @property
    def probability(self) -> NDArray[np.float64]:
        """Mean score of what was seen, else of all observed pixels; NaN if nothing is observed."""
        is_seen = self._matching.is_seen
        observed_total = self.score.totals - SCORE_UNOBSERVED * self.score.counts[:, 0]
        total = np.where(is_seen, self.seen_score.totals, observed_total)
        n_pixels = np.where(is_seen, self._matching.seen.n_pixels, self.observed_pixels)
        mean = np.full(total.size, np.nan)
        np.divide(total, n_pixels * float(SCORE_MAX), out=mean, where=n_pixels > 0)
        return mean


def issued_rows(
    issued: gpd.GeoDataFrame,
    matching: Matching,
    sums: IssuedSums,
    kinds: dict[int, str],
    *,
    by_network: bool,
) -> gpd.GeoDataFrame:
    """`PATCHES` rows of the issued patches, without ids; dates may be missing.

    `by_network` says whether detection told construction from bare fields.
    """
    outlines = np.asarray(issued.geometry.to_numpy(), dtype=object)
    found = patch_kinds(sums.seen_kind, matching.is_seen_likely, by_network=by_network)
    # Our rough kinds may support an issued patch, but must not clear it as a change of crops.
    found = np.where(found == CROP, 0, found)
    detected = np.array([kinds[value] for value in found.tolist()], dtype=object)
    stated = issued["change_kind"].astype(object)
    # An issuer who says "other" has seen that it is none of the kinds with a code of their own.
    is_other = (stated == UNKNOWN_KIND).to_numpy(dtype=bool)
    detected[is_other & np.isin(found, CODED_KINDS)] = kinds[CONSTRUCTION]
    is_stated = (stated.notna() & (stated != UNKNOWN_KIND)).to_numpy(dtype=bool)
    return measure_outlines(outlines, matching.pixels, issued.crs).assign(
        issued_id=issued["issued_id"].to_numpy(dtype=object),
        source=np.where(matching.is_seen, "both", "issued"),
        theme=issued["issued_theme"].where(issued["issued_theme"].notna(), "land").to_numpy(),
        before_date=issued["before_date"].to_numpy(dtype=object),
        after_date=issued["after_date"].to_numpy(dtype=object),
        change_kind=np.where(is_stated, stated.to_numpy(dtype=object), detected),
        probability=sums.probability,
        observed_ratio=sums.observed_pixels / matching.pixels.n_pixels,
    )


def filled(rows: gpd.GeoDataFrame, of_run: dict[str, Any]) -> gpd.GeoDataFrame:
    """Issued rows with the run's columns where there is none or the issuer gave no value."""
    stated = {name: rows[name] for name in of_run if name in rows.columns}
    return rows.assign(
        **of_run
        | {name: values.where(values.notna(), of_run[name]) for name, values in stated.items()}
    )


def in_order(detected: gpd.GeoDataFrame, issued: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """All patches by their first pixel; where two have the same, the detected one, then by id."""
    together = pd.concat([detected, issued], ignore_index=True)
    keys = together.assign(by_id=together["issued_id"].fillna(""))
    order = keys.sort_values(["first_row", "first_col", "by_id"], kind="stable").index
    return gpd.GeoDataFrame(together.loc[order].reset_index(drop=True), crs=issued.crs)


def issued_counts(found: Detected, matching: Matching, rows: gpd.GeoDataFrame) -> dict[str, Number]:
    """How many issued patches there are, and where the pixels of the detected ones went."""
    left = matching.detected
    is_patch = found.reasons == DropReason.KEPT
    is_left_over = left.reasons == DropReason.COVERED_BY_ISSUED
    return {
        "issued": len(rows),
        "issued_detected": int(matching.is_seen.sum()),
        "issued_unobserved": int((rows["observed_ratio"] == 0.0).sum()),
        "detected_pixels": int(found.components.n_pixels[is_patch].sum()),
        "absorbed": matching.n_absorbed,
        "absorbed_pixels": matching.absorbed_pixels,
        "remainders": matching.n_remainders,
        "dropped_covered_by_issued": int(is_left_over.sum()),
        "dropped_covered_by_issued_pixels": int(left.components.n_pixels[is_left_over].sum()),
    }
