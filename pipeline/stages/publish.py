"""The last step of `compare`: results on the before image's own grid, under their public names.

The working grid is another one if that image is in degrees or the after image is the reference.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.change.extraction import UNOBSERVED
from pipeline.change.linear import SCORE_UNOBSERVED
from pipeline.delivery.quicklook import QuicklookContent, draw_quicklook
from pipeline.grid import Grid, tiles
from pipeline.imagery.putting_back import PutBackJob, put_back_tile
from pipeline.imagery.resample import GridMapping, MappedFootprint
from pipeline.io.atomic import staging_folder
from pipeline.io.images import write_png
from pipeline.io.previews import load_preview, preview_step
from pipeline.io.rasters import StripWriter, read_grid, read_strided
from pipeline.io.reports import write_json
from pipeline.io.runs import MANIFEST_NAME, PUBLISHED, WORK_FOLDER, RunPaths
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.io.vectors import read_layer, write_layers
from pipeline.patches.geometry import rings_in_pixels
from pipeline.schema.layers import DROPPED, PATCHES, RAW_OUTLINES
from pipeline.stages.context import StageContext

RASTERS = {
    "score.tif": ("uint16", SCORE_UNOBSERVED),
    "change.tif": ("uint8", UNOBSERVED),
    "kind.tif": ("uint8", 0),
}
"""Published rasters with their type and the value where nothing is known."""
MAX_DRAWN_PATCHES = 20_000


def publish(context: StageContext, out: Path, counts: Mapping[str, Any]) -> dict[str, Any]:
    """Write everything aside, then move it into place; the manifest comes after.

    Returns the counts that differ on the before image's own grid: what is told and what the
    published rasters show must be the same figure.
    """
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
        own_counts: dict[str, Any] = {}
        if working.same_pixels(own):
            # Copies, not second names: QGIS edits a GeoPackage in place.
            for name, source in sources.items():
                shutil.copyfile(source, folder / name)
            shutil.copyfile(paths.extract_patches, folder / "patches.gpkg")
        else:
            hidden = _put_back_rasters(context, sources, folder, own, working)
            _put_back_patches(paths, folder / "patches.gpkg", own)
            n_pixels = own.width * own.height
            own_counts = {
                "pixels": n_pixels,
                "unobserved_pixels": hidden,
                "observed_share": 1.0 - hidden / n_pixels,
            }
        told = {**counts, **own_counts}
        _write_quicklook(context, folder / "quicklook.png", working, told)
        write_json(folder / "summary.json", told)
    for name in PUBLISHED:
        os.replace(out / WORK_FOLDER / "publish" / name, out / name)
    (out / WORK_FOLDER / "publish").rmdir()
    return own_counts


def _put_back_rasters(
    context: StageContext,
    sources: Mapping[str, Path],
    folder: Path,
    own: Grid,
    working: Grid,
) -> int:
    """Write the rasters on the image's own grid; returns its number of unobserved pixels."""
    hidden = 0
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
                pixels = output.rasters["raster"]
                writer.add(tile.core, pixels)
                if name == "change.tif":
                    hidden += int(np.count_nonzero(pixels == fill))
    return hidden


def _put_back_patches(paths: RunPaths, target: Path, own: Grid) -> None:
    """Outlines in the before image's CRS; every measured figure stays as measured."""
    layers = {
        spec: read_layer(paths.extract_patches, spec).to_crs(own.crs)
        for spec in (PATCHES, DROPPED, RAW_OUTLINES)
    }
    write_layers(target, layers, own.crs_wkt)


def _write_quicklook(
    context: StageContext, target: Path, grid: Grid, counts: Mapping[str, Any]
) -> None:
    paths, run = context.paths, context.run
    before, after = load_preview(paths.detect_preview)
    step = preview_step(grid)
    patches = read_layer(paths.extract_patches, PATCHES)
    seen = read_strided(paths.align_valid, step) == 0
    largest = patches.nlargest(MAX_DRAWN_PATCHES, "n_pixels")
    dates = [f"（{d.isoformat()}）" if d else "" for d in (run.before.date, run.after.date)]
    content = QuicklookContent(
        before,
        after,
        rings_in_pixels(largest.geometry.to_numpy(), grid, step),
        seen,
        grid.pixel_size_m * step,
        (f"变化前{dates[0]}", f"变化后{dates[1]}", f"变化图斑 {len(patches)} 个（疑似，待核查）"),
        f"图斑面积合计 {counts['patches_area_m2']:,.0f} 平方米　"
        f"可观测比例 {100 * counts['observed_share']:.2f}%",
    )
    write_png(target, draw_quicklook(content))
