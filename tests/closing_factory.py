"""A small county at the end of its quarter: the register's snapshot, drawn and judged by hand.

The county of `package_factory`; C 北岭镇 is under cloud as a whole. Every patch is half cultivated
farmland (all of it 永久基本农田), half construction, so that figures can be worked out by head.

patch  town  source    m²    0.01亩  judged                        case
1      A     issued    3600  540     violation, recognised 3500    K1 demolished, accepted
2      A     detected  6000  900     violation                     K2 filed otherwise
3      A     issued    3200  480     lawful
4      B     detected  6400  960     violation                     none
5      B     issued    900   135     violation, surveyed 1000 m²   K1, K3 open
6      D     detected  2000  300     (not signed)
7      none  issued    361   54      other use
8      A     detected  withdrawn
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from pipeline.config.models import RunConfig
from pipeline.io.manifest import InputRecord, ManifestHead, StageManifest, write_manifest
from pipeline.io.rasters import close_handles
from pipeline.io.reports import write_json
from pipeline.io.runs import RunPaths
from pipeline.io.tiles import ThreadDispatcher
from pipeline.io.vectors import write_layers
from pipeline.schema.register_layers import (
    CASE_PATCHES,
    CASES,
    COUNTY_INPUTS,
    LEDGER,
    LINEAGE,
    REGISTERED,
    SURVEYS,
)
from pipeline.stages.catalogue import TRACED_STAGES
from pipeline.stages.context import StageContext, StageReport
from pipeline.units import mu100_from_m2
from tests.factories import write_raster
from tests.package_factory import (
    GSD_M,
    NAMES,
    PATCHES,
    SIDE_M,
    WORKING,
    X0,
    Y0,
    A,
    B,
    box,
    county_run,
    patch_id,
    table,
    write_county,
)

RUN = "T1"
COUNTY = "379999"
SIGNED = {"judged_by": "张三", "reviewed_by": "李四", "judged_date": "2024-11-25"}
JUDGEMENTS: dict[int, dict[str, Any]] = {
    1: {
        "judgement": "new_violation",
        "judgement_detail": "industry",
        "recognised_area_m2": 3500.0,
        "recognised_new_m2": 3000.0,
        "recognised_cultivated_m2": 1700.0,
        "recognised_pbf_m2": 1000.0,
        "is_surveyed": False,
        **SIGNED,
    },
    2: {"judgement": "new_violation", **SIGNED},
    3: {"judgement": "new_lawful", **SIGNED},
    4: {"judgement": "new_violation", **SIGNED},
    5: {"judgement": "new_violation", **SIGNED},
    6: {"judgement": "new_violation", "judged_by": "张三"},
    7: {"judgement": "other_use", **SIGNED},
}
SURVEYED = 5
SURVEY_SHAPE = box(1000, 500, 1040, 525)
"""1000 m², on land that the land-use layer calls construction."""
ANSWERED = (1, 2, 3, 4)
NOT_SENT = (4, 7)

CASE_ROWS: tuple[dict[str, Any], ...] = (
    {
        "case_no": "K1",
        "filed_date": "2024-12-01",
        "closed_date": "2024-12-10",
        "rectification": "demolished_restored",
        "accepted_date": "2024-12-20",
        "is_filed_otherwise": False,
        "is_concealed": True,
    },
    {"case_no": "K2", "is_filed_otherwise": True, "rectification": "not_rectified"},
    {"case_no": "K3", "filed_date": "2024-12-26", "is_filed_otherwise": False},
)
LINKS = (("K1", 1), ("K1", 5), ("K2", 2), ("K3", 5))
INPUTS: tuple[tuple[str, str, int, float, str], ...] = (
    ("denominator_cultivated", COUNTY, 2024, 30.0, ""),
    ("denominator_cultivated", A, 2024, 17.0, ""),
    ("denominator_new_construction", COUNTY, 2024, 60.0, ""),
    ("quota_opening", A, 2025, 5.0, ""),
    ("quota_allotted", COUNTY, 2025, 50.0, "示政发〔2025〕1号"),
    ("quota_deducted", COUNTY, 2025, 2.7, "示政发〔2025〕9号"),
)
POSTINGS: tuple[tuple[str, str | None, tuple[tuple[str, str, int], ...]], ...] = (
    ("opening", None, (("quota", A, 500), ("opening", A, -500))),
    ("allotted", "示政发〔2025〕1号", (("quota", COUNTY, 5000), ("superior", COUNTY, -5000))),
    (
        "deducted",
        "示政发〔2025〕9号",
        (
            ("quota", A, -200),
            ("deduction", A, 200),
            ("quota", B, -70),
            ("deduction", B, 70),
        ),
    ),
)
SUMMARY = {"received": 12, "accepted": 10, "rejected": 2, "by_code": {"E-RETURN-CONFLICT": 1}}


def closing_run(**changes: Any) -> RunConfig:
    """The run's settings, closed at the end of the year."""
    given = {"closes_on": datetime.date(2024, 12, 31), **changes}
    return county_run().model_copy(update=given)


def registered_row(number: int, run: str = RUN, **changes: Any) -> dict[str, Any]:
    """A row of the register for a patch of the county; patch 8 is the withdrawn one."""
    withdrawn = (8, A, box(20, 20, 40, 40), "facility")
    _, code, shape, suspected = next(p for p in (*PATCHES, withdrawn) if p[0] == number)
    mu100 = mu100_from_m2(shape.area)
    half = mu100 // 2
    issued = number % 2 == 1
    row: dict[str, Any] = {
        "run": run,
        "lineage_id": f"2024Q3-{number:04d}" if issued else f"{run}:{patch_id(number)}",
        "check_year": 2024,
        "source_group": "issued" if issued else "detected",
        "is_sent": number not in NOT_SENT,
        "patch_id": patch_id(number),
        "issued_id": f"2024Q3-{number:04d}" if issued else None,
        "source": "both" if issued else "detected",
        "theme": "land",
        "township_code": code,
        "township_name": NAMES.get(code or ""),
        "before_date": "2024-05-06",
        "after_date": "2024-10-18",
        "change_kind": "building",
        "suspected_class": suspected,
        "primary_kind": {"suspected_violation": "4", "early_warning": "3"}.get(suspected),
        "flags": ["transfer_pbf"] if number == 4 else [],
        "observed_ratio": 0.98,
        "due_date": "2024-11-20",
        "area_m2": shape.area,
        "area_mu100": mu100,
        "is_withdrawn": number == 8,
        "photo_count": 0,
        "geometry": shape,
    }
    # Halves as the parts of the package factory have them.
    for kind, hundredths in (("cultivated", half), ("pbf", half), ("construction", mu100 - half)):
        row |= {f"{kind}_m2": _half_m2(number), f"{kind}_mu100": hundredths}
    if number in ANSWERED:
        row |= {"site_state": "built", "filled_by": "王五", "checked_by": "赵六"}
        row |= {"filled_date": "2024-11-10" if number < 3 else "2024-11-21"}
    if number == SURVEYED:
        row |= survey_columns()
    return {**row, **JUDGEMENTS.get(number, {}), **changes}


def _half_m2(number: int) -> float:
    shape = next((p[2] for p in PATCHES if p[0] == number), box(20, 20, 40, 40))
    return float(shape.area) / 2


def survey_columns() -> dict[str, Any]:
    """Of the survey of patch 5: nothing of it is cultivated."""
    areas = {"area": 1000.0, "cultivated": 0.0, "construction": 400.0, "pbf": 0.0}
    columns: dict[str, Any] = {"surveyed_by": "测绘队", "surveyed_date": "2024-11-18"}
    for kind, area in areas.items():
        columns |= {f"survey_{kind}_m2": area, f"survey_{kind}_mu100": mu100_from_m2(area)}
    return columns


def write_snapshot(
    paths: RunPaths, rows: Sequence[Mapping[str, Any]] | None = None, **tables: Any
) -> None:
    """The register's snapshot and the summary of what was collected."""
    given = [registered_row(n) for n in range(1, 9)] if rows is None else rows
    cases = tables.get("cases", [{"run": RUN, **case} for case in CASE_ROWS])
    links = tables.get(
        "links", [{"run": RUN, "case_no": k, "patch_id": patch_id(n)} for k, n in LINKS]
    )
    survey = {"run": RUN, "patch_id": patch_id(SURVEYED), "geometry": SURVEY_SHAPE}
    inputs = [
        {
            "run": RUN,
            "item": item,
            "unit_code": unit,
            "year": year,
            "value_mu": value,
            "doc_no": doc_no,
        }
        for item, unit, year, value, doc_no in tables.get("inputs", INPUTS)
    ]
    layers = {
        REGISTERED: table(REGISTERED, given),
        SURVEYS: table(SURVEYS, [{**survey, **survey_columns()}]),
        CASES: table(CASES, cases),
        CASE_PATCHES: table(CASE_PATCHES, links),
        COUNTY_INPUTS: table(COUNTY_INPUTS, inputs),
        LINEAGE: table(LINEAGE, tables.get("lineage", [])),
        LEDGER: table(LEDGER, tables.get("ledger", ledger_rows())),
    }
    write_layers(paths.snapshot, layers, WORKING.to_wkt())
    paths.collect_summary.parent.mkdir(parents=True, exist_ok=True)
    write_json(paths.collect_summary, tables.get("summary", SUMMARY))


def ledger_rows(postings: Any = POSTINGS) -> list[dict[str, Any]]:
    """Lines of postings, all of 2025."""
    return [
        {
            "posting_no": number,
            "line_no": line,
            "run": RUN,
            "posting_kind": kind,
            "year": 2025,
            "account": account,
            "unit_code": unit,
            "amount_mu100": amount,
            "doc_no": doc_no,
        }
        for number, (kind, doc_no, lines) in enumerate(postings, start=1)
        for line, (account, unit, amount) in enumerate(lines, start=1)
    ]


def write_closing_county(paths: RunPaths) -> None:
    """Everything the stage reads, as the earlier stages would have left it."""
    write_county(paths)
    n = SIDE_M // GSD_M
    valid = np.zeros((n, n), np.uint8)
    valid[:150, :] = 2  # C as a whole
    valid[150:, 300:330] = 3  # a tenth of the county's width, in B
    transform = Affine(GSD_M, 0, X0, 0, -GSD_M, Y0 + SIDE_M)
    write_raster(paths.align_valid, valid, crs=4547, transform=transform)
    write_snapshot(paths)
    write_manifests(paths)


def write_manifests(paths: RunPaths) -> None:
    """What the earlier stages would say of themselves: one input, no outputs."""
    for stage in TRACED_STAGES:
        inputs = {"before": InputRecord("b" * 64, 1), "after": InputRecord("a" * 64, 1)}
        head = ManifestHead(stage, inputs if stage == "align" else {}, {}, None, "")
        paths.manifest(stage).parent.mkdir(parents=True, exist_ok=True)
        write_manifest(paths.manifest(stage), StageManifest(head, {}, {}))


def _silent(label_zh: str) -> Any:
    return lambda done, total: None


def run_statistics(paths: RunPaths, run: RunConfig | None = None) -> StageReport:
    """The stage on what lies there."""
    from pipeline.stages.statistics import run as run_stage

    through = ThreadDispatcher(1)
    try:
        context = StageContext(run or closing_run(), paths, through, through, 512, _silent)
        return run_stage(context)
    finally:
        through.close()
        close_handles()


def close_county(folder: Path, run: RunConfig | None = None) -> tuple[RunPaths, StageReport]:
    """The county written and its books closed under a folder."""
    paths = RunPaths(folder)
    write_closing_county(paths)
    return paths, run_statistics(paths, run)
