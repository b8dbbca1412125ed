"""`compare`: two images in, patches out, in one command.

Runs `align`, `detect` and `extract` under `OUT/work/` and publishes their results on the before
image's own grid: `score.tif`, `change.tif`, `kind.tif`, `patches.gpkg`, `quicklook.png`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import Finding
from pipeline.io.code_digest import code_digest
from pipeline.io.digests import DigestCache, digest_files
from pipeline.io.manifest import (
    InputRecord,
    ManifestHead,
    StageManifest,
    differences,
    read_manifest,
    write_manifest,
)
from pipeline.io.runs import MANIFEST_NAME, PUBLISHED
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
    outcomes = tuple(run_stages(CHAIN, context))
    counts = {key: value for outcome in outcomes for key, value in outcome.counts.items()}
    notices = tuple(notice for outcome in outcomes for notice in outcome.notices)
    cache = DigestCache(context.paths.digest_cache)
    head = _head(context, cache)
    found = read_manifest(out / MANIFEST_NAME)
    is_current = found is not None and not differences(head, found) and _is_whole(out, found, cache)
    if not is_current:
        # Publishing reads tables and draws; a comparison that is up to date needs none of it.
        from pipeline.stages.publish import publish

        publish(context, out, counts)
        outputs = digest_files({name: out / name for name in PUBLISHED}, cache)
        write_manifest(out / MANIFEST_NAME, StageManifest(head, counts, outputs))
        cache.save()
    return Comparison(outcomes, not is_current, counts, notices)


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
    }
    return ManifestHead(
        stage="compare",
        inputs={n: InputRecord(d.digest, d.size) for n, d in digest_files(inputs, cache).items()},
        settings={"gsd_m": context.run.gsd_m},
        rules=None,
        code=code_digest(__name__),
    )
