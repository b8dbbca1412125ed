"""`compare`: two images in, patches out, in one command.

Runs `align`, `detect` and `extract` under `OUT/work/` and publishes their results on the before
image's own grid: `score.tif`, `change.tif`, `kind.tif`, `patches.gpkg`, `quicklook.png`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.delivery.quicklook import QuicklookContent, draw_quicklook
from pipeline.errors import Finding
from pipeline.grid import Grid, tiles
from pipeline.imagery.resample import GridMapping, MappedFootprint
from pipeline.imagery.putting_back import PutBackJob, put_back_tile
from pipeline.io.atomic import staging_folder
from pipeline.io.code_digest import code_digest
from pipeline.io.digests import DigestCache, digest_files
from pipeline.io.images import write_png
from pipeline.io.manifest import (
    InputRecord,
    ManifestHead,
    StageManifest,
    differences,
    read_manifest,
    write_manifest,
)
from pipeline.io.previews import load_preview, preview_step
from pipeline.io.rasters import StripWriter, read_grid, read_strided
from pipeline.io.reports import write_json
from pipeline.io.runs import MANIFEST_NAME, RunPaths
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.io.vectors import read_layer, write_layers
from pipeline.patches.geometry import rings_in_pixels
from pipeline.schema.layers import DROPPED, PATCHES
from pipeline.stages.context import StageContext
from pipeline.stages.runner import Outcome, run_stages

WORK_FOLDER = "work"
CHAIN = ("align", "detect", "extract")
RASTERS = {
    "score.tif": ("uint16", 65535),
    "change.tif": ("uint8", 255),
    "kind.tif": ("uint8", 0),
}
"""Published rasters with their type and the value where nothing is known."""
PUBLISHED = (*RASTERS, "patches.gpkg", "quicklook.png", "summary.json")
MAX_DRAWN_PATCHES = 20_000


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
    is_current = (
        found is not None
        and not differences(head, found)
        and all((out / name).is_file() for name in PUBLISHED)
    )
    if not is_current:
        _publish(context, out, counts)
        outputs = digest_files({name: out / name for name in PUBLISHED}, cache)
        write_manifest(out / MANIFEST_NAME, StageManifest(head, counts, outputs))
        cache.save()
    return Comparison(outcomes, not is_current, counts, notices)


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


def _publish(context: StageContext, out: Path, counts: Mapping[str, Any]) -> None:
    """Write everything aside, then move it into place; the manifest comes after."""
    paths = context.paths
    own = read_grid(context.run.before.path, context.run.gsd_m)
    working = read_grid(paths.detect_score, context.run.gsd_m)
    (out / MANIFEST_NAME).unlink(missing_ok=True)
    with staging_folder(out / WORK_FOLDER / "publish") as folder:
        sources = {
            "score.tif": paths.detect_score,
            "change.tif": paths.extract_change,
            "kind.tif": paths.detect_kind,
        }
        if working.same_pixels(own):
            for name, source in sources.items():
                _link(source, folder / name)
            _link(paths.extract_patches, folder / "patches.gpkg")
        else:
            _put_back_rasters(context, sources, folder, own, working)
            _put_back_patches(paths, folder / "patches.gpkg", own)
        _write_quicklook(context, folder / "quicklook.png", working)
        write_json(folder / "summary.json", dict(counts))
    for name in PUBLISHED:
        os.replace(out / WORK_FOLDER / "publish" / name, out / name)
    (out / WORK_FOLDER / "publish").rmdir()


def _link(source: Path, target: Path) -> None:
    """A second name for a finished file where the file system can, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _put_back_rasters(
    context: StageContext,
    sources: Mapping[str, Path],
    folder: Path,
    own: Grid,
    working: Grid,
) -> None:
    mapping = GridMapping(own, working)
    cut = tiles(own.height, own.width, context.tile_px)
    for name, source in sources.items():
        dtype, fill = RASTERS[name]
        job = TileJob(
            put_back_tile,
            {"raster": Source(str(source), (1,), MappedFootprint(mapping))},
            PutBackJob(mapping, fill),
        )
        with StripWriter(
            folder / name, own, dtype, nodata=None if name == "kind.tif" else fill
        ) as writer:
            progress = context.progress(f"写回原影像格网：{name}")
            for tile, output in run_tiles(job, cut, context.tiled, progress):
                writer.add(tile.core, output.rasters["raster"])


def _put_back_patches(paths: RunPaths, target: Path, own: Grid) -> None:
    """Outlines in the before image's CRS; every measured figure stays as measured."""
    layers = {
        spec: read_layer(paths.extract_patches, spec).to_crs(own.crs)
        for spec in (PATCHES, DROPPED)
    }
    write_layers(target, layers, own.crs_wkt)


def _write_quicklook(context: StageContext, target: Path, grid: Grid) -> None:
    paths, run = context.paths, context.run
    before, after = load_preview(paths.detect_preview)
    step = preview_step(grid)
    patches = read_layer(paths.extract_patches, PATCHES)
    seen = read_strided(paths.align_valid, step) == 0
    largest = patches.nlargest(MAX_DRAWN_PATCHES, "n_pixels")
    dates = [f"（{d.isoformat()}）" if d else "" for d in (run.before.date, run.after.date)]
    area_m2 = float(patches["area_m2"].sum())
    content = QuicklookContent(
        before,
        after,
        rings_in_pixels(largest.geometry.to_numpy(), grid, step),
        seen,
        grid.pixel_size_m * step,
        (f"变化前{dates[0]}", f"变化后{dates[1]}", f"变化图斑 {len(patches)} 个（疑似，待核查）"),
        f"图斑面积合计 {area_m2:,.0f} 平方米　可观测比例 {100 * float(seen.mean()):.1f}%",
    )
    write_png(target, draw_quicklook(content))
