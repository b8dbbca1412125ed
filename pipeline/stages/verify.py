"""`verify`: re-read every byte of a run and recompute its sums by another reader."""

from __future__ import annotations

import math
from pathlib import Path

from pipeline.errors import Finding, Severity
from pipeline.io.manifest import read_manifest, verify_outputs
from pipeline.io.reports import read_json
from pipeline.io.runs import MANIFEST_NAME, PUBLISHED, WORK_FOLDER, RunPaths
from pipeline.io.vectors import stream_records
from pipeline.schema.layers import DROPPED, PATCHES
from pipeline.stages.catalogue import STAGES, Stage
from pipeline.stages.runner import verify_stage
from pipeline.units import mu100_from_m2

SUM_TOLERANCE = 1e-9
"""Relative difference allowed between two orders of adding the same floats."""


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
    dropped = sum(1 for _ in stream_records(patches, DROPPED.name))
    for what, found, expected in (
        ("图斑个数", count, stated["patches"]),
        ("图斑亩数合计（0.01 亩）", total_mu100, stated["patches_area_mu100"]),
        ("图斑像元合计", total_px, stated["patches_pixels"]),
        ("剔除对象个数", dropped, stated["dropped_below_min_area"]),
        (
            "连通区域个数",
            stated["patches"] + stated["dropped_below_min_area"] + stated["dropped_speckle"],
            stated["components"],
        ),
    ):
        if found != expected:
            findings.append(
                _broken(patches, f"{what}与小结不一致。", f"{found}，小结为 {expected}")
            )
    if not math.isclose(total_m2, stated["patches_area_m2"], rel_tol=SUM_TOLERANCE, abs_tol=1e-6):
        findings.append(_broken(patches, "图斑面积合计与小结不一致。", total_m2))
    return findings


def _broken(where: Path, what: str, value: object) -> Finding:
    return Finding(
        "E-VERIFY-SUM",
        what,
        where=str(where),
        value=str(value),
        advice="成果被改动或损坏：删除该阶段文件夹后重新运行。",
    )
