"""`compare`: two images in, patches out, in one command.

Runs `align`, `detect` and `extract` under `OUT/work/` and publishes their results on the before
image's own grid: `score.tif`, `change.tif`, `kind.tif`, `patches.gpkg`, `quicklook.png`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.models import RunConfig
from pipeline.delivery.assets import FONT_PATH
from pipeline.errors import Finding, UsageError
from pipeline.io.atomic import replace_text
from pipeline.io.code_digest import code_digest
from pipeline.io.digests import DigestCache, digest_files
from pipeline.io.manifest import (
    ManifestHead,
    StageManifest,
    differences,
    read_manifest,
    record_inputs,
    write_manifest,
)
from pipeline.io.runs import MANIFEST_NAME, PUBLISHED, WORK_FOLDER, WORK_MARK, RunPaths
from pipeline.stages.context import StageContext
from pipeline.stages.runner import Outcome, run_stages

CHAIN = ("align", "detect", "extract")


@dataclass(frozen=True)
class Comparison:
    """What `compare` did."""

    outcomes: tuple[Outcome, ...]
    was_published: bool
    """False if everything in the output folder was already up to date."""
    counts: Mapping[str, Any]
    notices: tuple[Finding, ...]


def compare(context: StageContext, out: Path) -> Comparison:
    """Bring a comparison in `out` up to date. `context.paths` must lie in `out/work`."""
    _require_free(out, context.run)
    _mark(out)
    outcomes = tuple(run_stages(CHAIN, context))
    counts = {key: value for outcome in outcomes for key, value in outcome.counts.items()}
    notices = tuple(notice for outcome in outcomes for notice in outcome.notices)
    cache = DigestCache(context.paths.digest_cache)
    head = _head(context, cache)
    found = read_manifest(out / MANIFEST_NAME)
    if found is not None and not differences(head, found) and _is_whole(out, found, cache):
        return Comparison(outcomes, False, found.counts, notices)
    # Publishing reads tables and draws; a comparison that is up to date needs none of it.
    from pipeline.stages.publish import publish

    counts |= publish(context, out, counts)
    outputs = digest_files({name: out / name for name in PUBLISHED}, cache)
    write_manifest(out / MANIFEST_NAME, StageManifest(head, counts, outputs))
    cache.save()
    return Comparison(outcomes, True, counts, notices)


def _require_free(out: Path, run: RunConfig) -> None:
    """Refuse an output folder in which publishing would destroy something that is not ours."""
    targets = {(out / name).resolve() for name in PUBLISHED}
    for image in (run.before, run.after):
        path = Path(image.path).resolve()
        if path in targets or (out / WORK_FOLDER).resolve() in path.parents:
            raise UsageError(
                Finding(
                    "E-USAGE",
                    "成果会覆盖输入影像。",
                    where=str(out),
                    value=image.path,
                    advice="换一个 --out 文件夹。",
                )
            )
    foreign = _foreign(out)
    if foreign:
        raise UsageError(
            Finding(
                "E-USAGE",
                "成果文件夹里已有同名的文件或文件夹，不是本程序写出的。",
                where=str(out),
                value="、".join(foreign),
                advice="换一个 --out 文件夹，或先移走它们。",
            )
        )


def _foreign(out: Path) -> list[str]:
    """What lies where results go and was not written by an earlier `compare`."""
    targets = (*PUBLISHED, MANIFEST_NAME)
    blocked = [f"{name}/" for name in targets if (out / name).is_dir()]
    work = out / WORK_FOLDER
    if blocked or _is_ours(work):
        return blocked
    foreign = [name for name in targets if (out / name).exists()]
    if work.is_dir():
        # Hidden names are our own temporary ones: killed that early, a run has left no other.
        is_taken = any(not one.name.startswith(".") for one in work.iterdir())
    else:
        is_taken = work.exists()
    return [*foreign, WORK_FOLDER] if is_taken else foreign


def _is_ours(work: Path) -> bool:
    """Whether `compare` made this work folder; older ones have no mark, but finished stages."""
    if (work / WORK_MARK).is_file():
        return True
    found = {name: read_manifest(RunPaths(work).manifest(name)) for name in CHAIN}
    return any(one is not None and one.head.stage == name for name, one in found.items())


def _mark(out: Path) -> None:
    mark = out / WORK_FOLDER / WORK_MARK
    if not mark.is_file():
        replace_text(mark, "pipeline compare\n")


def _is_whole(out: Path, found: StageManifest, cache: DigestCache) -> bool:
    """Whether every published file is there with the content it was given."""
    if not all((out / name).is_file() for name in PUBLISHED):
        return False
    digests = digest_files({name: out / name for name in PUBLISHED}, cache)
    return all(
        name in found.outputs and digests[name].digest == found.outputs[name].digest
        for name in PUBLISHED
    )


def _head(context: StageContext, cache: DigestCache) -> ManifestHead:
    paths = context.paths
    inputs = {
        "before": Path(context.run.before.path),
        "score": paths.detect_score,
        "kind": paths.detect_kind,
        "change": paths.extract_change,
        "patches": paths.extract_patches,
        "valid": paths.align_valid,
        "preview": paths.detect_preview,
        "font": FONT_PATH,
    }
    return ManifestHead(
        stage="compare",
        inputs=record_inputs(inputs, cache),
        settings={
            "gsd_m": context.run.gsd_m,
            "dates": [str(context.run.before.date), str(context.run.after.date)],
        },
        rules=None,
        code=code_digest(__name__),
    )
