"""Decides by hash what to run, runs it, and writes the manifest last.

A stage writes into a temporary folder that is renamed when complete. Killed at any moment, a rerun
finds either the old finished stage, or none, and gives the undisturbed result.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config.load import CHANGE_KIND_CODES
from pipeline.config.models import RunConfig
from pipeline.errors import Finding, Severity
from pipeline.io.atomic import staging_folder
from pipeline.io.code_digest import code_digest
from pipeline.io.digests import DigestCache, digest_tree
from pipeline.io.manifest import (
    ManifestHead,
    StageManifest,
    differences,
    read_manifest,
    record_inputs,
    verify_outputs,
    write_manifest,
)
from pipeline.io.rasters import close_handles
from pipeline.io.runs import RunPaths
from pipeline.io.scenes import META_FILE
from pipeline.stages.context import StageContext

TABLES_MODULE = "pipeline.io.vectors"


@dataclass(frozen=True)
class Stage:
    """One Make target: what it reads, which settings decide its result, where its code is."""

    name: str
    label_zh: str
    inputs: Callable[[RunConfig, RunPaths], dict[str, Path]]
    settings: Callable[[RunConfig], dict[str, Any]]

    @property
    def module(self) -> str:
        """The stage's module; imported only when it runs."""
        return f"pipeline.stages.{self.name}"


STAGES: tuple[Stage, ...] = (
    Stage(
        "align",
        "配准归一",
        lambda run, paths: _images_with_meta(run),
        lambda run: {
            "align": run.settings.align.model_dump(mode="json"),
            "gsd_m": run.gsd_m,
            "bands": {"before": run.before.bands, "after": run.after.bands},
            "dates": {"before": _iso(run.before.date), "after": _iso(run.after.date)},
        },
    ),
    Stage(
        "detect",
        "变化检测",
        lambda run, paths: {
            "before": paths.align_before,
            "after": paths.align_after,
            "valid": paths.align_valid,
            "fit": paths.align_fit,
        },
        lambda run: {"detect": run.settings.detect.model_dump(mode="json"), "gsd_m": run.gsd_m},
    ),
    Stage(
        "extract",
        "图斑提取",
        lambda run, paths: {
            "score": paths.detect_score,
            "kind": paths.detect_kind,
            "fit": paths.align_fit,
            "change_kind_codes": CHANGE_KIND_CODES,
        },
        lambda run: {
            "extract": run.settings.extract.model_dump(mode="json"),
            "county_code": run.county_code,
            "dates": {"before": _iso(run.before.date), "after": _iso(run.after.date)},
            "gsd_m": run.gsd_m,
        },
    ),
)
"""The stages in order. Every one depends on files of earlier ones only."""


@dataclass(frozen=True)
class Plan:
    """What would happen to a stage now."""

    stage: Stage
    reasons: tuple[str, ...]
    """Why it must run, in Chinese; empty if it is up to date."""
    manifest: StageManifest | None = None
    """The finished stage as it stands, up to date or not; None if it is not finished."""

    @property
    def is_current(self) -> bool:
        """True if there is nothing to do."""
        return not self.reasons


@dataclass(frozen=True)
class Outcome:
    """What happened to a stage."""

    stage: Stage
    was_run: bool
    counts: Mapping[str, Any]
    notices: tuple[Finding, ...] = ()


def stage_by_name(name: str) -> Stage:
    """The stage called `name`; KeyError if there is none."""
    return next(stage for stage in STAGES if stage.name == name)


def plan_stage(stage: Stage, run: RunConfig, paths: RunPaths, cache: DigestCache) -> Plan:
    """Compare a stage with its manifest. Inputs that do not exist yet count as a reason."""
    manifest = read_manifest(paths.manifest(stage.name))
    if manifest is None:
        return Plan(stage, ("尚未完成。",))
    inputs = stage.inputs(run, paths)
    missing = [name for name, path in inputs.items() if not path.is_file()]
    if missing:
        return Plan(stage, tuple(f"输入 {name} 尚不存在。" for name in missing), manifest)
    reasons = differences(_head(stage, run, inputs, cache), manifest)
    broken = [
        f"{finding.what}（{Path(finding.where).name}）"
        for finding in verify_outputs(paths.stage_dir(stage.name), manifest, cache)
        if finding.severity is Severity.BLOCK
    ]
    return Plan(stage, tuple(reasons + broken), manifest)


def run_stage(stage: Stage, context: StageContext, cache: DigestCache) -> Outcome:
    """Bring one stage up to date."""
    paths = context.paths
    plan = plan_stage(stage, context.run, paths, cache)
    if plan.is_current and plan.manifest is not None:
        cache.save()
        return Outcome(stage, False, plan.manifest.counts, plan.manifest.notices)
    # pandas takes most of a second to import; the kernels leave Python idle meanwhile.
    threading.Thread(target=importlib.import_module, args=(TABLES_MODULE,), daemon=True).start()
    close_handles()
    inputs = stage.inputs(context.run, paths)
    with ThreadPoolExecutor(1) as beside, staging_folder(paths.stage_dir(stage.name)) as folder:
        # Hashing hundreds of megabytes goes on beside the stage's own start.
        head = beside.submit(_head, stage, context.run, inputs, cache)
        staged = replace(context, paths=paths.writing(stage.name, folder))
        report = importlib.import_module(stage.module).run(staged)
        close_handles()
    outputs = digest_tree(paths.stage_dir(stage.name), cache)
    finished = StageManifest(head.result(), report.counts, outputs, report.notices)
    write_manifest(paths.manifest(stage.name), finished)
    cache.save()
    return Outcome(stage, True, report.counts, report.notices)


def run_stages(names: tuple[str, ...], context: StageContext) -> list[Outcome]:
    """Bring several stages up to date, in order."""
    cache = DigestCache(context.paths.digest_cache)
    return [run_stage(stage_by_name(name), context, cache) for name in names]


def _head(
    stage: Stage, run: RunConfig, inputs: Mapping[str, Path], cache: DigestCache
) -> ManifestHead:
    return ManifestHead(
        stage=stage.name,
        inputs=record_inputs(inputs, cache),
        settings=stage.settings(run),
        rules=None,
        code=code_digest(stage.module),
    )


def _images_with_meta(run: RunConfig) -> dict[str, Path]:
    """The two images, and the `meta.yaml` beside them that may name their bands."""
    images = {"before": Path(run.before.path), "after": Path(run.after.path)}
    meta = {f"{name}_meta": path.parent / META_FILE for name, path in images.items()}
    return images | {name: path for name, path in meta.items() if path.is_file()}


def _iso(date: Any) -> str | None:
    return None if date is None else date.isoformat()
