"""`verify`: re-read every byte of a run and recompute its sums by another reader."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import Finding, Severity
from pipeline.io.manifest import read_manifest, verify_outputs
from pipeline.io.reports import read_json
from pipeline.io.runs import MANIFEST_NAME, PUBLISHED, WORK_FOLDER, RunPaths
from pipeline.io.vectors import stream_records
from pipeline.schema.layers import DROPPED, GAPS_OVERLAPS, OVERLAID, PARTS, PATCHES
from pipeline.stages.catalogue import STAGES, Stage
from pipeline.stages.runner import verify_stage
from pipeline.stages.verify_books import verify_books
from pipeline.units import mu100_from_m2

SUM_TOLERANCE = 1e-9
"""Relative difference allowed between two orders of adding the same floats."""
PARTS_TOLERANCE_M2 = 1e-6
"""Difference allowed between a patch and the sum of its parts (DESIGN §4)."""

# Written down a second time on purpose: a check that takes the list from the code it checks would
# share its mistakes.
LAND_COLUMNS = (
    "cultivated_m2",
    "other_agricultural_m2",
    "unused_m2",
    "construction_m2",
    "unclassified_m2",
)
PSEUDO_CHANGES = (
    "cloud_edge", "haze", "shift", "shadow", "water_level", "greenhouse", "drying_yard",
    "mulch_film", "ploughing", "crop_cycle", "demolition", "below_kind_min",
)  # fmt: skip
SET_ASIDE = ("low_probability", "not_requested")
DROPS_OF_REGIONS = ("speckle", "weak_change", "below_min_area", *PSEUDO_CHANGES, *SET_ASIDE)
DROPS_WITH_OUTLINE = (
    "weak_change",
    "below_min_area",
    "covered_by_issued",
    *PSEUDO_CHANGES,
    *SET_ASIDE,
)
PART_HITS = {"pbf_m2": "pbf_id", "redline_m2": "redline_id", "reserve_m2": "reserve_id"}
PART_PERMITS = (
    ("approved", "approval_id"),
    ("supplied", "supply_id"),
    ("registered", "registration_id"),
    ("facility", "facility_id"),
    ("temporary", "temporary_id"),
)
PART_SUMS = (
    *LAND_COLUMNS,
    "cultivated_net_m2",
    *PART_HITS,
    *(f"{name}_m2" for name, _ in PART_PERMITS),
    "plan_conform_m2",
    "plan_nonconform_m2",
)


def verify_run(paths: RunPaths, stages: tuple[Stage, ...]) -> list[Finding]:
    """Everything that is not as written: digests first, then the arithmetic of the patch table.

    A stage that is not complete is a notice; if none is, there is nothing to vouch for.
    """
    manifests = {stage: read_manifest(paths.manifest(stage.name)) for stage in stages}
    severity = Severity.NOTICE if any(manifests.values()) else Severity.BLOCK
    findings: list[Finding] = []
    for stage, manifest in manifests.items():
        folder = paths.stage_dir(stage.name)
        if manifest is None:
            findings.append(
                Finding(
                    "N-RUN-INCOMPLETE",
                    f"阶段 {stage.name}（{stage.label_zh}）还没有完成，没有可核对的成果。",
                    where=str(folder),
                    advice=f"先运行阶段 {stage.name}。",
                    severity=severity,
                )
            )
        else:
            findings += verify_stage(stage, paths, manifest)
    is_readable = not any(finding.severity is Severity.BLOCK for finding in findings)
    if is_readable and paths.extract_patches.is_file():
        findings += verify_patch_sums(paths.extract_patches, paths.extract_summary)
    if is_readable and paths.overlay.is_file():
        findings += verify_overlay_sums(paths.overlay, paths.extract_patches)
    if is_readable and paths.tables.is_file():
        findings += verify_books(paths)
    return findings


def verify_comparison(out: Path) -> list[Finding]:
    """The stages of a `compare` output folder and the files published from them."""
    stages = tuple(stage for stage in STAGES if not stage.needs_county)
    findings = verify_run(RunPaths(out / WORK_FOLDER), stages)
    manifest = read_manifest(out / MANIFEST_NAME)
    if manifest is not None:
        findings += [
            finding
            for finding in verify_outputs({"": out}, manifest)
            if Path(finding.where).parent == out and Path(finding.where).name in PUBLISHED
        ]
    return findings


def verify_patch_sums(patches: Path, summary: Path) -> list[Finding]:
    """The patch table, row by row, against itself and the stage's summary."""
    stated = read_json(summary)
    total_m2, total_mu100, total_px, count = 0.0, 0, 0, 0
    findings: list[Finding] = []
    for record in stream_records(patches, PATCHES.name):
        row = record.properties
        count += 1
        total_m2 += row["area_m2"]
        total_mu100 += row["area_mu100"]
        total_px += row["n_pixels"]
        if row["area_mu100"] != mu100_from_m2(row["area_m2"]):
            findings.append(
                _broken(
                    patches, f"图斑 {row['patch_id']} 的亩数与平方米数不符。", row["area_mu100"]
                )
            )
    for what, found, expected in (
        ("图斑个数", count, stated["patches"]),
        ("图斑亩数合计（0.01 亩）", total_mu100, stated["patches_area_mu100"]),
        ("图斑像元合计", total_px, stated["patches_pixels"]),
        *_drop_sums(patches, stated),
    ):
        if found != expected:
            findings.append(
                _broken(patches, f"{what}与小结不一致。", f"{found}，小结为 {expected}")
            )
    if not math.isclose(total_m2, stated["patches_area_m2"], rel_tol=SUM_TOLERANCE, abs_tol=1e-6):
        findings.append(_broken(patches, "图斑面积合计与小结不一致。", total_m2))
    return findings


def _drop_sums(patches: Path, stated: dict[str, Any]) -> list[tuple[str, int, int]]:
    """What became of the connected regions: name, as counted again, as stated.

    With issued patches a region may also be one with them; its pixels are then under issued
    outlines, in a patch that remains, or among the dropped.
    """
    n_dropped: Counter[str] = Counter()
    px_dropped: Counter[str] = Counter()
    for record in stream_records(patches, DROPPED.name):
        n_dropped[record.properties["reason"]] += 1
        px_dropped[record.properties["reason"]] += record.properties["n_pixels"]
    sums = [
        (f"剔除对象个数（{reason}）", n_dropped[reason], stated.get(f"dropped_{reason}", 0))
        for reason in DROPS_WITH_OUTLINE
    ]
    n_drops = sum(stated.get(f"dropped_{reason}", 0) for reason in DROPS_OF_REGIONS)
    regions = stated["patches"] + n_drops
    if "issued" in stated:
        regions += stated["absorbed"] - stated["issued"] - stated["remainders"]
        by_source: Counter[str] = Counter()
        px_detected = stated["absorbed_pixels"] + sum(
            px_dropped[reason] for reason in ("covered_by_issued", *SET_ASIDE)
        )
        for record in stream_records(patches, PATCHES.name):
            by_source[record.properties["source"]] += 1
            if record.properties["source"] == "detected":
                px_detected += record.properties["n_pixels"]
        sums += [
            ("下发图斑个数", by_source["issued"] + by_source["both"], stated["issued"]),
            ("下发且自主提取个数", by_source["both"], stated["issued_detected"]),
            ("自主提取像元合计", px_detected, stated["detected_pixels"]),
        ]
    return [*sums, ("连通区域个数", regions, stated["components"])]


def verify_overlay_sums(overlay: Path, patches: Path) -> list[Finding]:
    """Patches against their parts and those extracted, added up again by another reader."""
    extracted = {
        record.properties["patch_id"]: record.properties["area_m2"]
        for record in stream_records(patches, PATCHES.name)
    }
    parts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    area_of_part: dict[str, float] = {}
    uncovered: defaultdict[str, float] = defaultdict(float)
    for record in stream_records(overlay, PARTS.name):
        row = record.properties
        area_of_part[row["part_id"]] = row["area_m2"]
        if row["land_use_id"] is None:
            uncovered[row["patch_id"]] += row["area_m2"]
        sums = parts[row["patch_id"]]
        sums["area_mu100"] += row["area_mu100"]
        for column in ("area_m2", *_columns_of(row)):
            sums[column] += row["area_m2"]
        if row["land_category"] == "cultivated":
            sums["cultivated_net_m2"] += row["area_m2"] * (1.0 - (row["bund_ratio"] or 0.0))
    findings: list[Finding] = []
    for record in stream_records(overlay, OVERLAID.name):
        row = record.properties
        if extracted.pop(row["patch_id"], None) != row["area_m2"]:
            what = f"图斑 {row['patch_id']} 与提取的图斑不是同一个，或面积不同。"
            findings.append(_broken(overlay, what, row["area_m2"]))
        findings += _verify_patch(overlay, row, parts.pop(row["patch_id"], Counter()))
        if row["unclassified_m2"] is None:  # no land-use layer: no gap of it is said
            uncovered.pop(row["patch_id"], None)
    findings += _verify_gaps_overlaps(overlay, area_of_part, uncovered)
    for patch_id in parts:
        findings.append(_broken(overlay, f"分块所属的图斑 {patch_id} 不存在。", patch_id))
    for patch_id in extracted:
        findings.append(_broken(overlay, f"提取的图斑 {patch_id} 没有套合结果。", patch_id))
    return findings


def _verify_patch(overlay: Path, row: Mapping[str, Any], sums: Counter[str]) -> list[Finding]:
    """One patch against the sums of its parts."""
    findings: list[Finding] = []
    for column in ("area_m2", *PART_SUMS, "area_mu100"):
        if row[column] is not None and abs(row[column] - sums[column]) > PARTS_TOLERANCE_M2:
            what = f"图斑 {row['patch_id']} 的 {column} 与分块之和不符。"
            findings.append(_broken(overlay, what, f"{row[column]}，分块之和 {sums[column]}"))
    addends = [row[column] for column in LAND_COLUMNS]
    if None not in addends and abs(sum(addends) - row["area_m2"]) > PARTS_TOLERANCE_M2:
        what = f"图斑 {row['patch_id']} 的五类地类面积之和与图斑面积不符。"
        findings.append(_broken(overlay, what, sum(addends)))
    return findings


def _verify_gaps_overlaps(
    overlay: Path, area_of_part: Mapping[str, float], uncovered: Mapping[str, float]
) -> list[Finding]:
    """Rows of gaps and overlaps against the parts they name; `uncovered` land use by patch."""
    findings: list[Finding] = []
    gaps: defaultdict[str, float] = defaultdict(float)
    for record in stream_records(overlay, GAPS_OVERLAPS.name):
        row = record.properties
        where = f"图斑 {row['patch_id']} 第 {row['cover_no']} 处空缺或重叠"
        total = sum(area_of_part.get(part, 0.0) for part in json.loads(row["part_ids"]))
        if abs(total - row["area_m2"]) > PARTS_TOLERANCE_M2:
            value = f"{row['area_m2']}，分块之和 {total}"
            findings.append(_broken(overlay, f"{where}的面积与所含分块之和不符。", value))
        if row["layer_name"] == "land_use" and row["cover_state"] == "gap":
            gaps[row["patch_id"]] += row["area_m2"]
    for patch_id, area in uncovered.items():
        if abs(gaps[patch_id] - area) > PARTS_TOLERANCE_M2:
            value = f"{gaps[patch_id]}，未覆盖的分块之和 {area}"
            findings.append(_broken(overlay, f"图斑 {patch_id} 的地类空缺与分块不符。", value))
    return findings


def _columns_of(part: Mapping[str, Any]) -> list[str]:
    """The area columns to which a part counts."""
    columns = [f"{part['land_category'] or 'unclassified'}_m2"]
    columns += [column for column, name in PART_HITS.items() if part[name] is not None]
    permits = [name for name, hit in PART_PERMITS if part[hit] is not None]
    columns += [f"{name}_m2" for name in permits[:1]]
    if part["is_plan_conforming"] is not None:
        columns.append("plan_conform_m2" if part["is_plan_conforming"] else "plan_nonconform_m2")
    return columns


def _broken(where: Path, what: str, value: object) -> Finding:
    return Finding(
        "E-VERIFY-SUM",
        what,
        where=str(where),
        value=str(value),
        advice="成果被改动或损坏：删除该阶段文件夹后重新运行。",
    )
