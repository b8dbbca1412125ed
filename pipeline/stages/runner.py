"""Decides by hash what to run, runs it, and writes the manifest last.

A stage writes into a temporary folder that is renamed when complete. Killed at any moment, a rerun
finds either the old finished stage, or none, and gives the undisturbed result.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.config.models import RunConfig
from pipeline.errors import Finding, InputError, Severity
from pipeline.io.atomic import staging_folder
from pipeline.io.code_digest import code_digest
from pipeline.io.digests import DigestCache, FileDigest, digest_tree
from pipeline.io.kept import keep_edits
from pipeline.io.manifest import (
    InputRecord,
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
from pipeline.stages.catalogue import Stage, stage_by_name
from pipeline.stages.context import StageContext

TABLES_MODULE = "pipeline.io.vectors"


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


def plan_stage(stage: Stage, run: RunConfig, paths: RunPaths, cache: DigestCache) -> Plan:
    """Compare a stage with its manifest. Inputs that do not exist yet count as a reason."""
    manifest = read_manifest(paths.manifest(stage.name))
    if manifest is None:
        return Plan(stage, ("尚未完成。",))
    inputs = stage.inputs(run, paths)
    missing = [name for name, path in inputs.items() if not path.is_file()]
    if missing:
        return Plan(stage, tuple(f"输入 {name} 尚不存在。" for name in missing), manifest)
    reasons = differences(_head(stage, run, paths, cache), manifest)
    broken = [
        f"{finding.what}（{Path(finding.where).name}）"
        for finding in verify_stage(stage, paths, manifest, cache)
        if finding.severity is Severity.BLOCK
    ]
    return Plan(stage, (*reasons, *broken, *stage.also_stale(run, paths)), manifest)


def run_stage(stage: Stage, context: StageContext, cache: DigestCache) -> Outcome:
    """Bring one stage up to date."""
    paths = context.paths
    plan = plan_stage(stage, context.run, paths, cache)
    if plan.is_current and plan.manifest is not None:
        cache.save()
        return Outcome(stage, False, plan.manifest.counts, plan.manifest.notices)
    if stage.is_sealed and paths.seal.is_file():
        raise _is_sealed(stage, plan)
    # pandas takes most of a second to import; the kernels leave Python idle meanwhile.
    threading.Thread(target=importlib.import_module, args=(TABLES_MODULE,), daemon=True).start()
    close_handles()
    kept: tuple[Finding, ...] = ()
    if stage.keeps_edits and plan.manifest is not None:
        kept = _keep_edits(stage, paths, plan.manifest.outputs, cache)
    with ThreadPoolExecutor(1) as beside, ExitStack() as staging:
        folders = {
            name: staging.enter_context(staging_folder(paths.stage_dir(name)))
            for name in (*stage.also_writes, stage.name)
        }
        # Hashing hundreds of megabytes goes on beside the stage's own start.
        head = beside.submit(_head, stage, context.run, paths, cache)
        report = importlib.import_module(stage.module).run(
            replace(context, paths=paths.writing(folders))
        )
        close_handles()
        if stage.keeps_edits and plan.manifest is None:
            # Killed before its manifest: nothing tells which of the old files people changed.
            written = digest_tree(_folders(stage, paths.writing(folders)))
            kept = _keep_edits(stage, paths, written, cache)
    outputs = digest_tree(_folders(stage, paths), cache)
    finished = StageManifest(head.result(), report.counts, outputs, report.notices)
    write_manifest(paths.manifest(stage.name), finished)
    cache.save()
    return Outcome(stage, True, report.counts, (*report.notices, *kept))


def _is_sealed(stage: Stage, plan: Plan) -> InputError:
    return InputError(
        Finding(
            "E-REGISTER-FROZEN",
            f"本期已封存，{stage.label_zh}不再重算，封存的成果没有改动。",
            where=f"阶段 {stage.name}",
            value=" ".join(plan.reasons),
            advice="要更正的，先用 make reopen 写明经办人和理由解封；不更正的不用处理。",
        )
    )


def verify_stage(
    stage: Stage, paths: RunPaths, manifest: StageManifest, cache: DigestCache | None = None
) -> list[Finding]:
    """Compare all folders of a stage with its manifest."""
    return verify_outputs(_folders(stage, paths), manifest, cache)


def _keep_edits(
    stage: Stage, paths: RunPaths, written: Mapping[str, FileDigest], cache: DigestCache
) -> tuple[Finding, ...]:
    return keep_edits(paths.kept(stage.name), _folders(stage, paths), written, cache)


def _folders(stage: Stage, paths: RunPaths) -> dict[str, Path]:
    """The folders a stage owns by the prefix of their files' names in the manifest."""
    own = paths.stage_dir(stage.name)
    return {"": own} | {f"../{name}/": paths.stage_dir(name) for name in stage.also_writes}


def run_stages(names: tuple[str, ...], context: StageContext) -> list[Outcome]:
    """Bring several stages up to date, in order."""
    cache = DigestCache(context.paths.digest_cache)
    return [run_stage(stage_by_name(name), context, cache) for name in names]


def _head(stage: Stage, run: RunConfig, paths: RunPaths, cache: DigestCache) -> ManifestHead:
    views = {name: InputRecord(seen, 0) for name, seen in stage.views(run, paths).items()}
    return ManifestHead(
        stage=stage.name,
        inputs=record_inputs(stage.inputs(run, paths), cache) | views,
        settings=stage.settings(run),
        rules=load_rules(RULES_DIR).digest() if stage.uses_rules else None,
        code=code_digest(stage.module),
    )
