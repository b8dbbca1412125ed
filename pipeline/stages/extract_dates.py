"""Dates of the pixels under each patch: by the seam lines of the mosaics, else by the images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import Finding, Severity
from pipeline.io.vectors import read_layer
from pipeline.patches.scene_dates import (
    SceneDateParams,
    SceneShares,
    Seams,
    dates_under,
    scene_shares,
    without_inversion,
)
from pipeline.schema.columns import object_values
from pipeline.schema.layers import PATCH_SCENES
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.context import Number, StageContext
from pipeline.stages.layers import supplied_layers

SEAM_LAYERS = {"before_date": "before_seams", "after_date": "after_seams"}
MAX_NAMED = 20
"""Patch ids written out in a notice."""


@dataclass(frozen=True, eq=False)
class SceneDates:
    """The days of a run's images, and the seam lines of those that are mosaics."""

    of_image: Mapping[str, str | None]
    """`before_date` and `after_date` of the images as a whole."""
    seams: Mapping[str, Seams]
    """By date column; empty where no seam layer is supplied."""
    tables: Mapping[str, gpd.GeoDataFrame]
    """The same as layers."""
    params: SceneDateParams

    def columns(self, outlines: NDArray[np.object_]) -> dict[str, Any]:
        """`before_date` and `after_date` of objects: one value for all, or `(object,)`."""
        if not self.seams:
            return dict(self.of_image)
        found = {}
        for column, day in self.of_image.items():
            found[column] = np.full(len(outlines), day, dtype=object)
            if column in self.seams:
                found[column] = self._under(column, outlines)[0]
        before, after, _ = without_inversion(found["before_date"], found["after_date"])
        return {"before_date": before, "after_date": after}

    def _under(
        self, column: str, outlines: NDArray[np.object_]
    ) -> tuple[NDArray[np.object_], NDArray[np.bool_], SceneShares]:
        seams = self.seams[column]
        shares = scene_shares(outlines, seams)
        is_after = column == "after_date"
        under = dates_under(len(outlines), shares, seams, self.params, latest=is_after)
        return under.dates, under.is_mixed, shares

    def described(
        self, patches: gpd.GeoDataFrame
    ) -> tuple[pd.DataFrame, dict[str, Number], tuple[Finding, ...]]:
        """Table PATCH_SCENES of finished patches, counts, and what must be told of them."""
        outlines = np.asarray(patches.geometry.to_numpy(), dtype=object)
        ids = patches["patch_id"].to_numpy(dtype=object)
        is_mixed = np.zeros(len(patches), np.bool_)
        rows = []
        for column in self.seams:
            _, mixed, shares = self._under(column, outlines)
            is_mixed |= mixed
            rows.append(_scene_rows(SEAM_LAYERS[column], self.tables[column], shares, ids))
        table = pd.concat(rows, ignore_index=True)[list(PATCH_SCENES.fields)]
        has_days = all(self.of_image.values())
        is_unknown = patches["before_date"].isna().to_numpy(bool) & has_days
        counts: dict[str, Number] = {
            "patches_on_scenes_of_several_dates": int(is_mixed.sum()),
            "patches_with_inverted_dates": int(is_unknown.sum()),
        }
        return table, counts, _notices(ids[is_mixed], ids[is_unknown])


def _scene_rows(
    layer: str, table: gpd.GeoDataFrame, shares: SceneShares, ids: NDArray[np.object_]
) -> pd.DataFrame:
    scenes = table.iloc[shares.scene].reset_index(drop=True)
    own = {"patch_id": ids[shares.patch], "layer_name": layer, "scene_ratio": shares.ratio}
    names = ["feature_id", "scene_id", "scene_date", "sensor_name"]
    return pd.DataFrame({name: scenes[name] for name in names} | own)


def _notices(mixed: NDArray[np.object_], inverted: NDArray[np.object_]) -> tuple[Finding, ...]:
    notices = []
    for ids, code, what, advice in (
        (
            mixed,
            "N-SEAM-PATCH",
            "个图斑跨几景不同日期的影像：前时相取最早的一景，后时相取最晚的一景。",
            "逐景日期和比例见 extract/patches.gpkg 的 patch_scenes 表。",
        ),
        (
            inverted,
            "N-SEAM-ORDER",
            "个图斑所在处前时相的影像不早于后时相的影像，前后时相记为不详，将列为存疑。",
            "按入库检查报告里给出的范围，向供方要求换用本期影像。",
        ),
    ):
        if len(ids):
            more = f" 等 {len(ids)} 个" if len(ids) > MAX_NAMED else ""
            notices.append(
                Finding(
                    code,
                    f"{len(ids)} {what}",
                    value="、".join(ids[:MAX_NAMED]) + more,
                    advice=advice,
                    severity=Severity.NOTICE,
                )
            )
    return tuple(notices)


def read_scene_dates(
    context: StageContext, fit: Mapping[str, Any], params: SceneDateParams
) -> SceneDates:
    """The images' days from the fit report, and the seam layers that intake made ready."""
    of_image = {column: fit[column] for column in SEAM_LAYERS}
    path = context.paths.intake_layers
    present = supplied_layers(path) if context.run.county is not None else frozenset()
    tables = {
        column: read_layer(path, REFERENCE_LAYERS[name])
        for column, name in SEAM_LAYERS.items()
        if name in present
    }
    tables = {column: table for column, table in tables.items() if len(table)}
    seams = {
        column: Seams(
            np.asarray(table.geometry.to_numpy(), dtype=object),
            object_values(table["scene_date"]),
            of_image[column],
        )
        for column, table in tables.items()
    }
    return SceneDates(of_image, seams, tables, params)
