"""What the bureau keeps of a run: the county's file and project, its empty forms, a readme."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import pandas as pd

from pipeline.delivery.bureau_forms import cases, judgements
from pipeline.delivery.closing_forms import county_inputs
from pipeline.delivery.delivered import county_table, parts_table, township_table
from pipeline.delivery.projects import Project, project_text
from pipeline.delivery.readme import TownshipLine, county_readme, hidden_villages
from pipeline.io.packages import write_project, write_text_file
from pipeline.io.vectors import read_layer
from pipeline.io.workbooks import write_workbook
from pipeline.schema.delivered import COUNTY, DELIVERED_PARTS, TOWNSHIPS, reference_spec
from pipeline.schema.layer import LayerSpec
from pipeline.schema.layers import OBSERVED, REASONS, RESPONSIBILITY, TOWNSHIP_SHARES
from pipeline.stages.context import StageContext
from pipeline.stages.delivered_files import (
    image_layers,
    project_layers,
    styles_of,
    write_styled_layers,
)
from pipeline.stages.observed import by_code, villages_of
from pipeline.stages.package_material import Material, heading, stamp_of
from pipeline.stages.visits import Visits, all_visits
from pipeline.units import format_mu100

OVER_TIME_AND_BORDERS = (RESPONSIBILITY, TOWNSHIP_SHARES)
"""Tables of the overlay that only the bureau gets: they name every township."""

TITLE_ZH = "卫片执法核查成果"


def write_delivery(context: StageContext, material: Material, visits: Sequence[Visits]) -> None:
    """Write the bureau's folder; `visits`: the day plans of the townships that got a package."""
    run, folder = context.run, context.paths.delivery
    folder.mkdir(parents=True, exist_ok=True)
    withheld = run.settings.package.withheld_classes
    table = county_table(material.screened, material.vocabulary, run.run, withheld)
    lines = heading(run, "", run.run)
    _write_map(context, material, table, visits)
    is_outside = table["township_code"].isna()
    listed = table[table["is_sent"] | is_outside]
    write_workbook(folder / "judgements.xlsx", judgements(listed, material.vocabulary, lines))
    write_workbook(folder / "cases.xlsx", cases(listed, material.vocabulary, lines))
    units = [(run.county_code, run.county_name), *((t.code, t.name) for t in material.townships)]
    check_year = None if run.after.date is None else run.after.date.year
    write_workbook(
        folder / "county_inputs.xlsx",
        county_inputs(units, material.vocabulary, lines, check_year),
    )
    told = _township_lines(context, material, table)
    write_text_file(folder / "readme.txt", county_readme(lines, told, int(is_outside.sum())))


def _write_map(
    context: StageContext,
    material: Material,
    table: gpd.GeoDataFrame,
    visits: Sequence[Visits],
) -> None:
    folder = context.paths.delivery
    layers: dict[LayerSpec, pd.DataFrame] = {
        COUNTY: table,
        **all_visits(visits, material.crs),
        DELIVERED_PARTS: parts_table(material.screened.parts),
        TOWNSHIPS: township_table(material.townships, material.crs),
        REASONS: material.screened.reasons,
        OBSERVED: material.observed,
        **{spec: read_layer(context.paths.overlay, spec) for spec in OVER_TIME_AND_BORDERS},
        **{
            reference_spec(name): layer
            for name, layer in material.references.items()
            if name != "townships"
        },
    }
    styles = styles_of(tuple(layers), material.drop_downs, is_form=False)
    write_styled_layers(
        folder / "county.gpkg", layers, styles, material.crs.to_wkt(), stamp_of(context.run)
    )
    images = {
        name: Path(os.path.relpath(picture.image.path, folder)).as_posix()
        for name, picture in material.pictures.items()
    }
    xmin, ymin, xmax, ymax = layers[TOWNSHIPS].total_bounds
    project = Project(
        f"{context.run.run}-county",
        f"{context.run.county_name} {TITLE_ZH}",
        material.crs,
        (float(xmin), float(ymin), float(xmax), float(ymax)),
        [
            *project_layers("county.gpkg", layers, styles, hidden=("parts", "stops", "route")),
            ("影像", image_layers(context.run, material, images)),
        ],
    )
    write_project(folder / "county.qgz", project_text(project))


def _township_lines(
    context: StageContext, material: Material, table: pd.DataFrame
) -> list[TownshipLine]:
    observed = by_code(material.observed)
    told = []
    for township in material.townships:
        is_theirs = table["township_code"] == township.code
        own = table[is_theirs & table["is_sent"]]
        told.append(
            TownshipLine(
                township.code,
                township.name,
                len(own),
                int(is_theirs.sum()) - len(own),
                format_mu100(int(own["area_mu100"].sum())),
                float(observed[township.code]["observed_ratio"]),
                hidden_villages(villages_of(township, observed)),
            )
        )
    return told
