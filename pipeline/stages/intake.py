"""Stage 1, `intake` 入库检查: delivered images and layers → one checked set in core names.

Writes `layers.gpkg` (every supplied reference layer as registered, in the working CRS),
`findings.gpkg` and `findings.csv` (every problem, with its place) and `report.html`. Everything is
looked at before anything is refused: with a blocking problem the table and the page still reach the
analyst, in `intake_failed/` of the run, and nothing else is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from pipeline.config.load import CONFIG_DIR, load_codes
from pipeline.config.models import RunConfig
from pipeline.delivery.intake_facts import IntakeContent, LayerFacts, Overview
from pipeline.delivery.intake_report import render_intake
from pipeline.errors import Finding, InputError, Severity
from pipeline.io.intake_files import discard_failed, write_failed, write_report
from pipeline.io.point_table import write_table
from pipeline.io.vectors import write_layers
from pipeline.patches.layer_crs import crs_label
from pipeline.schema.absence import absent_layers
from pipeline.schema.layer import LayerSpec
from pipeline.schema.layers import FINDING_AREAS, FINDINGS, FINDINGS_UNPLACED
from pipeline.schema.problems import (
    HEADER_ZH,
    Problem,
    areas_table,
    findings_rows,
    findings_table,
    merged_findings,
    ordered,
    summarised,
    unplaced_table,
)
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.schema.source_mapping import Codes, kinds_by_tblx
from pipeline.stages.context import Number, StageContext, StageReport
from pipeline.stages.intake_coverage import Coverage
from pipeline.stages.intake_image_facts import image_facts
from pipeline.stages.intake_images import LABELS, CheckedImages, Frame, check_images
from pipeline.stages.intake_layers import Taken, take_layer
from pipeline.stages.intake_look import Looked, check_grounds, look_at_images
from pipeline.stages.intake_relations import check_relations

CODE_TABLES = {
    "land_class_code": "land_class",
    "zone_code": "planning_zone",
    "township_kind": "township_kind",
    "road_class": "road_class",
    "permit_kind": "permit_kind",
    "use_kind": "other_use",
    "issued_theme": "theme",
    "patrol_grade": "patrol_grade",
    "patrol_zone_kind": "patrol_zone_kind",
    "change_kind": "change_kind",
}
"""Field → code table in `configs/codes` that its values come from."""

OUTLINE_STEPS = 600
"""Corners on the overview map are thinned to about one in this part of its width."""


@dataclass(frozen=True)
class _Intake:
    """Everything that intake found out."""

    images: CheckedImages
    looked: Looked
    taken: Mapping[str, Taken]
    facts: Mapping[str, LayerFacts]
    problems: Sequence[Problem]
    coverage: Coverage | None = None


def run(context: StageContext) -> StageReport:
    """Check and take over everything the run's county and configuration name."""
    has_county = context.run.county is not None or bool(context.run.layers)
    images = check_images(context.run, needs_place=has_county)
    looked = look_at_images(context, images, needs_place=has_county)
    found = _Intake(images, looked, {}, {}, ())
    if has_county:
        found = _take_layers(context, images, looked)
    problems = ordered([*images.problems, *looked.problems, *found.problems])
    content = _content(context.run, replace(found, problems=problems))
    page = render_intake(content)
    paths = context.paths
    crs_wkt = None if images.frame.crs is None else images.frame.crs.to_wkt()
    placed = {
        FINDINGS: findings_table(problems, crs_wkt),
        FINDING_AREAS: areas_table(problems, crs_wkt),
        FINDINGS_UNPLACED: unplaced_table(problems),
    }
    if blocking := [p for p in problems if p.is_blocking]:
        folder = write_failed(paths, HEADER_ZH, findings_rows(problems), page)
        write_layers(folder / paths.intake_findings.name, placed, crs_wkt)
        raise InputError(_with_place(merged_findings(blocking), folder.as_posix()))
    write_layers(paths.intake_layers, _tables(found.taken, images), crs_wkt)
    write_layers(paths.intake_findings, placed, crs_wkt)
    write_table(paths.intake_findings_csv, HEADER_ZH, findings_rows(problems))
    write_report(paths.intake_report, page)
    discard_failed(paths)
    return StageReport(_counts(found, problems), _notices(problems, has_county=has_county))


def _take_layers(context: StageContext, images: CheckedImages, looked: Looked) -> _Intake:
    """Every supplied layer, then what layers and images must agree on."""
    progress = context.progress("入库：读取图层")
    taken, facts, problems = take_layers(context.run, images.frame, progress)
    coverage, found = check_grounds(context.run, images, looked, taken)
    return _Intake(images, looked, taken, facts, [*problems, *found], coverage)


def take_layers(
    run: RunConfig, frame: Frame, progress: Callable[[int, int], None]
) -> tuple[dict[str, Taken], dict[str, LayerFacts], list[Problem]]:
    """The layers that a run names, what is known of each, and every problem of them."""
    codes = _load_codes()
    taken: dict[str, Taken] = {}
    facts: dict[str, LayerFacts] = {}
    supplied = [name for name in REFERENCE_LAYERS if run.layers.get(name)]
    problems = absent_layers(supplied)
    for number, name in enumerate(supplied, start=1):
        layer, facts[name], found = take_layer(
            REFERENCE_LAYERS[name], run.layers[name], frame, codes
        )
        problems += found
        if layer is not None:
            taken[name] = layer
        progress(number, len(supplied))
    return taken, facts, problems + check_relations(taken, run, frame)


def _load_codes() -> Codes:
    tables = {
        field: load_codes(CONFIG_DIR / "codes" / f"{name}.csv")
        for field, name in CODE_TABLES.items()
    }
    return Codes(tables, kinds_by_tblx(tables["change_kind"]))


def _tables(taken: Mapping[str, Taken], images: CheckedImages) -> dict[LayerSpec, pd.DataFrame]:
    """What is written; without any layer an empty one, so that there is a file to read."""
    if taken:
        return {
            layer.spec: layer.table[[*layer.spec.fields, "geometry"]] for layer in taken.values()
        }
    spec = REFERENCE_LAYERS["townships"]
    columns = {name: pd.Series([], dtype=pd.StringDtype(na_value=np.nan)) for name in spec.fields}
    return {spec: gpd.GeoDataFrame(columns, geometry=[], crs=images.frame.crs)}


def _with_place(findings: list[Finding], folder: str) -> list[Finding]:
    """The last finding tells where all of them can be read."""
    last = findings[-1]
    lead = f"{last.advice}\n" if last.advice else ""
    text = (
        f"{lead}    全部问题（含提示）见：{folder}/report.html 和 findings.csv；"
        "位置用 QGIS 打开那里的 findings.gpkg"
    )
    return [*findings[:-1], replace(last, advice=text)]


def _counts(found: _Intake, problems: Sequence[Problem]) -> dict[str, Number]:
    counts: dict[str, Number] = {
        "layers": len(found.taken),
        "features": sum(len(layer.table) for layer in found.taken.values()),
        "left_out": sum(facts.n_left_out for facts in found.facts.values()),
        "findings_blocking": sum(p.count for p in problems if p.is_blocking),
        "findings_notice": sum(p.count for p in problems if not p.is_blocking),
    }
    for name, layer in found.taken.items():
        counts[f"features_{name}"] = len(layer.table)
    return counts


def _notices(problems: Sequence[Problem], *, has_county: bool) -> tuple[Finding, ...]:
    if has_county:
        return summarised(problems)
    nothing = Finding(
        "N-LAYER-ABSENT",
        "没有写明县配置和参考图层：只比较影像，不做套合、初判和核查包。",
        advice="在运行配置里写 county: 县配置的名字。",
        severity=Severity.NOTICE,
    )
    return (nothing, *summarised(problems))


def _content(run: RunConfig, found: _Intake) -> IntakeContent:
    frame = found.images.frame
    county = f"{run.county_name or '（未写明县名）'}（{run.county_code}）"
    overview = None
    townships = found.taken.get("townships")
    if frame.footprint is not None:
        overview = Overview({}, {}, _corners(frame.footprint))
        if townships is not None and townships.is_placed and len(townships.table):
            overview = _overview(townships, overview.footprint)
    return IntakeContent(
        run.run,
        county,
        run.period or "—",
        "—" if frame.crs is None else crs_label(frame.crs),
        _coverage_text(found.coverage),
        image_facts(run, found.images.scenes, found.looked.images, found.taken, found.coverage),
        found.facts,
        found.problems,
        overview,
    )


def _coverage_text(coverage: Coverage | None) -> str:
    if coverage is None:
        return "—"
    if coverage.both is None:
        return "、".join(
            f"{LABELS[name]}影像盖住乡镇面积的 {100 * share:.1f}%"
            for name, share in coverage.shown.items()
        )
    return f"两期影像都盖住的占乡镇面积的 {100 * coverage.both:.1f}%"


def _overview(townships: Taken, footprint: Sequence[tuple[float, float]]) -> Overview:
    """Township outlines for the map, thinned to what can be seen."""
    geometry = townships.table.geometry.to_numpy()
    left, _, right, _ = townships.table.total_bounds
    thin = shapely.simplify(geometry, (right - left) / OUTLINE_STEPS)
    names = townships.table["township_name"].fillna("").tolist()
    outlines: dict[str, list[list[tuple[float, float]]]] = {}
    labels: dict[str, tuple[float, float]] = {}
    for name, shape, whole in zip(names, thin, geometry, strict=True):
        rings = [_corners(part) for part in shapely.get_parts(shape)]
        outlines.setdefault(name, []).extend(ring for ring in rings if ring)
        point = shapely.point_on_surface(whole)
        labels.setdefault(name, (float(point.x), float(point.y)))
    return Overview(outlines, labels, footprint)


def _corners(part: shapely.Polygon) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in shapely.get_coordinates(part.exterior)]
