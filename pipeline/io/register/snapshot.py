"""The register as one run may see it, as a file of its own: what the books are made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from pipeline.io.register.tables import state_rows
from pipeline.io.vectors import write_layers
from pipeline.rules.register.payloads import OUTLINE
from pipeline.rules.register.replay import RegisterState
from pipeline.schema.check import GEOMETRY_COLUMN
from pipeline.schema.field import Dtype
from pipeline.schema.layer import LayerSpec

_COLUMN_TYPES: Mapping[Dtype, Any] = {
    "text": object,
    "date": object,
    "json": object,
    "integer": "Int64",
    "real": np.float64,
    "boolean": "boolean",
}


def write_state_layers(
    path: Path, state: RegisterState, runs: Iterable[str], crs_wkt: str | None
) -> None:
    """Write the state of `runs` as layers, rows by key: equal states give equal bytes."""
    wanted = set(runs)
    write_layers(
        path,
        {
            spec: _table(spec, [row for row in rows if row["run"] in wanted], crs_wkt)
            for spec, rows in state_rows(state).items()
        },
        crs_wkt,
    )


def _table(spec: LayerSpec, rows: Sequence[Mapping[str, Any]], crs_wkt: str | None) -> pd.DataFrame:
    columns = {
        field.name: pd.Series(
            [row[field.name] for row in rows], dtype=_COLUMN_TYPES[field.dtype], name=field.name
        )
        for field in spec.field_specs
    }
    if spec.geometry is None:
        return pd.DataFrame(columns)
    outlines = shapely.from_wkb(np.array([row[OUTLINE] for row in rows], dtype=object))
    table: pd.DataFrame = gpd.GeoDataFrame(columns | {GEOMETRY_COLUMN: outlines}, crs=crs_wkt)
    return table
