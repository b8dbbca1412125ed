"""`statistics/county.gpkg` and its project: the data from which everybody can add up the tables."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from pipeline.delivery.book_styles import book_styles
from pipeline.delivery.delivered import parts_table
from pipeline.delivery.projects import Project, project_text
from pipeline.io.packages import write_project
from pipeline.io.vectors import read_layer
from pipeline.patches.survey import outline_differences
from pipeline.schema.book_layers import CLOCKS_TABLE, SURVEY_DIFFERENCES, YEAR_PATCHES
from pipeline.schema.delivered import DELIVERED_PARTS
from pipeline.schema.fields import FIELDS
from pipeline.schema.layer import LayerSpec
from pipeline.schema.layers import PARTS
from pipeline.schema.register_layers import (
    CASE_PATCHES,
    CASES,
    CLOSED_PATCHES,
    CLOSED_TOWNSHIPS,
    COUNTY_INPUTS,
    LEDGER,
    SURVEYS,
)
from pipeline.stages.collect_surveys import survey_parts
from pipeline.stages.context import StageContext
from pipeline.stages.delivered_files import project_layers, write_styled_layers
from pipeline.stages.package_material import stamp_of
from pipeline.stages.statistics_accountability import clock_rows
from pipeline.stages.statistics_books import Books, Record

TITLE_ZH = "卫片执法统计成果"
_DTYPES: dict[str, Any] = {
    "text": pd.StringDtype(na_value=np.nan),
    "date": pd.StringDtype(na_value=np.nan),
    "integer": "Int64",
    "real": np.float64,
    "boolean": "boolean",
    "json": object,
}


def write_county(context: StageContext, books: Books) -> gpd.GeoDataFrame:
    """Write the file and the project; returns the parts."""
    path = context.paths.books
    path.parent.mkdir(parents=True, exist_ok=True)
    patches = gpd.GeoDataFrame(
        as_table(books.patches, CLOSED_PATCHES), geometry=books.outlines, crs=books.crs
    )
    parts = _parts(context, books, patches)
    layers: dict[LayerSpec, pd.DataFrame] = {
        CLOSED_PATCHES: patches,
        SURVEYS: books.surveys,
        SURVEY_DIFFERENCES: outline_differences(books.surveys, patches),
        DELIVERED_PARTS: parts,
        CLOSED_TOWNSHIPS: books.townships,
        CASES: as_table(books.cases, CASES),
        CASE_PATCHES: as_table(books.case_patches, CASE_PATCHES),
        COUNTY_INPUTS: as_table(books.county_inputs, COUNTY_INPUTS),
        LEDGER: as_table(books.ledger, LEDGER),
        YEAR_PATCHES: as_table(books.year_patches, YEAR_PATCHES),
        CLOCKS_TABLE: as_table(clock_rows(context.run, books), CLOCKS_TABLE),
    }
    styles = book_styles(tuple(layers), books.vocabulary)
    write_styled_layers(path, layers, styles, books.crs.to_wkt(), stamp_of(context.run))
    xmin, ymin, xmax, ymax = (
        books.townships.total_bounds if len(books.townships) else (0.0, 0.0, 1.0, 1.0)
    )
    project = Project(
        f"{context.run.run}-books",
        f"{context.run.county_name} {TITLE_ZH}",
        books.crs,
        (float(xmin), float(ymin), float(xmax), float(ymax)),
        [group for group in project_layers(path.name, layers, styles) if group[1]],
    )
    write_project(path.with_suffix(".qgz"), project_text(project))
    return parts


def as_table(rows: list[Record], spec: LayerSpec) -> pd.DataFrame:
    """Rows as a table in the types of their fields."""
    return pd.DataFrame(
        {
            name: pd.Series([row[name] for row in rows], dtype=_DTYPES[FIELDS[name].dtype])
            for name in spec.fields
        }
    )


def _parts(context: StageContext, books: Books, patches: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Parts of the patches; of surveyed ones, those of the survey's boundary."""
    surveyed = set(books.surveys["patch_id"])
    own = set(patches["patch_id"]) - surveyed
    parts = read_layer(context.paths.overlay, PARTS)
    parts = parts[parts["patch_id"].isin(own)]
    if surveyed:
        cut = survey_parts(context, books.surveys, patches)
        # The whole table decides the types: a survey may leave a column without any value.
        for name in PARTS.fields:
            cut[name] = cut[name].astype(parts[name].dtype)
        parts = gpd.GeoDataFrame(pd.concat([parts, cut], ignore_index=True), crs=parts.crs)
    return parts_table(parts.sort_values("part_id", ignore_index=True))
