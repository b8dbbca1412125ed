"""One township's verification package: everything it may see and nothing of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.delivered import (
    Screened,
    parts_table,
    township_table,
)
from pipeline.delivery.forms import SCHEMA_VERSION, register
from pipeline.delivery.isolation import (
    PACKAGED_ELSEWHERE,
    Township,
    clip_reference,
    visible_area,
)
from pipeline.delivery.kml import kml_text
from pipeline.delivery.projects import Project, project_text
from pipeline.delivery.readme import PackageSeen, hidden_villages, package_readme
from pipeline.delivery.route import csv_rows, plan_lines, plan_notes, plan_sheet
from pipeline.errors import Finding
from pipeline.io.atomic import replace_bytes, replace_text
from pipeline.io.cogs import window_of, write_clip
from pipeline.io.packages import (
    PackageHead,
    write_manifest,
    write_project,
    write_text_file,
    zip_folder,
)
from pipeline.io.point_table import write_table
from pipeline.io.workbooks import write_workbook
from pipeline.schema.delivered import (
    DELIVERED_PARTS,
    ROUTE,
    STOPS,
    TOWNSHIP,
    VERIFY,
    reference_spec,
)
from pipeline.schema.layer import LayerSpec
from pipeline.stages.card_pages import CardJob, press_cards
from pipeline.stages.card_press import CardPress, Pressed
from pipeline.stages.context import StageContext
from pipeline.stages.delivered_files import (
    image_layers,
    project_layers,
    styles_of,
    write_styled_layers,
)
from pipeline.stages.observed import by_code, villages_of
from pipeline.stages.package_material import Material, heading, stamp_of
from pipeline.stages.visits import Visits

TITLE_ZH = "卫片执法核查包"


@dataclass(frozen=True)
class Order:
    """One package to be made."""

    township: Township
    screened: Screened
    """The patches it receives."""
    identity: str
    """Package id."""
    folder: Path
    table: gpd.GeoDataFrame
    """Its VERIFY layer."""
    visits: Visits
    """In which order it visits them."""


@dataclass(frozen=True)
class Begun:
    """A package whose cards are still being typeset."""

    order: Order
    cards: Pressed
    counts: Mapping[str, int]


def begin_package(
    context: StageContext, material: Material, order: Order, press: CardPress
) -> Begun:
    """Write everything but cards and manifest."""
    settings, folder, township = context.run.settings.package, order.folder, order.township
    folder.mkdir(parents=True, exist_ok=True)
    lines = heading(context.run, township.name, order.identity)
    lines["due"] = _common_due(order.screened.patches)
    table, plan = order.table, order.visits.plan
    visible = visible_area(township, table.geometry.to_numpy(), settings.buffer_m)
    references = _references(material, township, table.geometry.to_numpy(), visible)
    job = CardJob(township, order.screened, references, visible, plan)
    cards = press_cards(context, material, job, press)
    title = f"{lines['county']}{township.name} {TITLE_ZH}"
    _write_map(context, material, order, references, title)
    buffer_m = settings.buffer_m
    sheet = plan_sheet(plan, table, material.vocabulary, f"{township.name}核查路线")
    workbook = register(table, material.vocabulary, lines, buffer_m)
    write_workbook(folder / "register.xlsx", replace(workbook, lists=[*workbook.lists, sheet]))
    write_table(folder / "route.csv", *csv_rows(sheet))
    labels = material.vocabulary.labels("suspected_class")
    kml = kml_text(table, labels, title, outlines=settings.kml_outlines)
    replace_text(folder / "patches.kml", kml)
    observed = by_code(material.observed)
    seen = PackageSeen(
        float(observed[township.code]["observed_ratio"]),
        hidden_villages(villages_of(township, observed)),
    )
    routed = [*plan_notes(plan), *plan_lines(plan)]
    text = package_readme(lines, len(table), buffer_m, seen, routed)
    write_text_file(folder / "readme.txt", text)
    return Begun(order, cards, {"patches": len(table), "parts": len(order.screened.parts)})


def finish_package(context: StageContext, begun: Begun) -> tuple[Path, tuple[Finding, ...]]:
    """Wait for the cards, list the files, zip the folder; returns the archive and notices."""
    run, order = context.run, begun.order
    replace_bytes(order.folder / "cards.pdf", begun.cards.result())
    notices = begun.cards.notices(f"{order.folder.name}/cards.pdf")
    head = PackageHead(
        order.identity,
        order.township.code,
        order.township.name,
        run.county_code,
        run.run,
        SCHEMA_VERSION,
        begun.counts,
    )
    write_manifest(order.folder, head)
    return zip_folder(order.folder), notices


def _write_map(
    context: StageContext,
    material: Material,
    order: Order,
    references: Mapping[str, gpd.GeoDataFrame],
    title: str,
) -> None:
    """Layers, images and the project that shows them."""
    township, folder, table = order.township, order.folder, order.table
    layers: dict[LayerSpec, gpd.GeoDataFrame] = {
        VERIFY: table,
        STOPS: order.visits.stops,
        ROUTE: order.visits.route,
        DELIVERED_PARTS: parts_table(order.screened.parts, township),
        TOWNSHIP: township_table((township,), material.crs),
        **{reference_spec(name): layer for name, layer in references.items()},
    }
    styles = styles_of(tuple(layers), material.drop_downs, is_form=True)
    crs_wkt, stamp = material.crs.to_wkt(), stamp_of(context.run)
    write_styled_layers(folder / "verify.gpkg", layers, styles, crs_wkt, stamp)
    buffer_m = context.run.settings.package.buffer_m
    visible = visible_area(township, table.geometry.to_numpy(), buffer_m)
    images = _write_images(material, folder, visible)
    groups = [
        *project_layers("verify.gpkg", layers, styles),
        ("影像", image_layers(context.run, material, images)),
    ]
    project = Project(order.identity, title, material.crs, _bounds(table), groups)
    write_project(folder / "verify.qgz", project_text(project))


def _references(
    material: Material, township: Township, patches: list[BaseGeometry], visible: BaseGeometry
) -> dict[str, gpd.GeoDataFrame]:
    own = shapely.union_all([township.territory, *patches])
    return {
        name: clip_reference(name, table, township, own, visible)
        for name, table in material.references.items()
        if name not in PACKAGED_ELSEWHERE
    }


def _write_images(material: Material, folder: Path, visible: BaseGeometry) -> Mapping[str, str]:
    """Cut both images; returns their file names. Outside the imagery there are none."""
    window = window_of(material.grid, visible)
    if window.is_empty:
        return {}
    for name, picture in material.pictures.items():
        write_clip(picture.image, folder / f"{name}.tif", visible, window)
    return {name: f"{name}.tif" for name in material.pictures}


def _bounds(table: gpd.GeoDataFrame) -> tuple[float, float, float, float]:
    xmin, ymin, xmax, ymax = (float(value) for value in table.total_bounds)
    margin = 0.06 * max(xmax - xmin, ymax - ymin, 200.0)
    return xmin - margin, ymin - margin, xmax + margin, ymax + margin


def _common_due(patches: gpd.GeoDataFrame) -> str:
    """The day by which everything is due, if it is one day."""
    days = patches["due_date"].dropna().unique()
    return str(days[0]) if len(days) == 1 and patches["due_date"].notna().all() else ""
