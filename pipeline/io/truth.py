"""Reading the truth of a demo county: what was planted and what should come of it.

Only `stages/evaluate` reads it; no stage of a run may know it is there (checked by import-linter's
layers and by the test that no other module imports this one).
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pyogrio

from pipeline.errors import Finding, InputError
from pipeline.io.rasters import require_local_file

TRUTH_FILE = "truth.gpkg"
CHANGES_LAYER = "changes"
CHANGE_COLUMNS = (
    "truth_id",
    "case_id",
    "kind",
    "is_construction",
    "is_observable",
    "expected_class",
    "area_m2",
    "contrast_sigma",
    "is_issued",
)


def read_truth(path: Path) -> gpd.GeoDataFrame:
    """The planted changes, one polygon each, in the file's own CRS.

    Areas in m²; `contrast_sigma` is the contrast to what was there in standard deviations of all
    change of the land. Raises `InputError` if the file is not a truth file.
    """
    require_local_file(path)
    try:
        table = pyogrio.read_dataframe(path, layer=CHANGES_LAYER)
    except (pyogrio.errors.DataLayerError, pyogrio.errors.DataSourceError) as problem:
        raise _unfit(path, str(problem)) from problem
    missing = [name for name in CHANGE_COLUMNS if name not in table.columns]
    if missing:
        raise _unfit(path, "缺少字段 " + "、".join(missing))
    for name in ("is_construction", "is_observable", "is_issued"):
        table[name] = table[name].astype(bool)
    return table


def _unfit(path: Path, value: str) -> InputError:
    return InputError(
        Finding(
            "E-FILE-UNREADABLE",
            "真值文件不能用于评价。",
            where=str(path),
            value=value,
            allowed=f"图层 {CHANGES_LAYER}，字段 " + "、".join(CHANGE_COLUMNS),
            advice="用 make demo 重新生成示范数据。",
        )
    )
