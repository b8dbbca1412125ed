"""Stage 2, `align` 配准归一: two images → one grid, one validity, one radiometric relation.

Writes `before.tif`, `after.tif` (pixels as delivered, on one grid), `valid.tif` with
`valid_before.tif` and `valid_after.tif`, `tie_points.gpkg`, `fit.json` (registration, nodata rules,
radiometric lines and how well they hold, clouds) and `report.html` for people. Digital numbers are
not changed: the radiometric lines are applied where they are needed.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.change.sample import SampleParams
from pipeline.errors import Finding, InputError, Severity
from pipeline.grid import tiles
from pipeline.imagery.alignment import AlignJob, DateJob, align_tile
from pipeline.imagery.radiometry import assess_fit, fit_radiometry
from pipeline.imagery.registration import Registration
from pipeline.imagery.resample import GridMapping, MappedFootprint
from pipeline.imagery.residuals import (
    UnregisteredCells,
    is_flagged,
    require_registered,
    residual_notice,
    residual_points,
    unregistered_cells,
)
from pipeline.imagery.validity import (
    CLOUD,
    SATURATED,
    SHADOW,
    UNREGISTERED,
    VALID,
    VALIDITIES,
    NodataRule,
)
from pipeline.io.pairs import ImagePair, find_nodata_rule
from pipeline.io.rasters import StripWriter
from pipeline.io.reports import write_json
from pipeline.io.scenes import SceneFile
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.scene import DATE_NAMES, working_dtype
from pipeline.stages.align_report import write_align_report
from pipeline.stages.content import check_content
from pipeline.stages.context import Number, StageContext, StageReport
from pipeline.stages.hidden import (
    Counts,
    hide_clouds,
    poor_radiometry,
    shares_of,
    validity_paths,
)
from pipeline.stages.inputs import open_run_pair, read_sample
from pipeline.stages.registration import mappings_of, register

RADIOMETRY_SAMPLE = SampleParams(blocks_per_side=4, target_pixels=500_000)
MAPPED_TILE_PX = 2048
"""Smallest tile for reading through a mapping: a shifted 1024-px window touches nine file blocks
instead of four, a shifted 2048-px one twenty-five instead of sixteen. Results do not depend on
it."""


def run(context: StageContext) -> StageReport:
    """Align the run's pair."""
    pair = open_run_pair(context.run)
    with ThreadPoolExecutor(2) as both:
        found = both.map(
            lambda file: find_nodata_rule(file, context.local), (pair.before, pair.after)
        )
        rules: dict[str, NodataRule] = dict(zip(DATE_NAMES, found, strict=True))
    told = check_content(context, pair, rules)
    gate = context.run.settings.align.gate
    registration, points = register(context, pair, rules)
    moved = str(pair.files[registration.moved].path)
    require_registered(registration, gate, moved)
    cells = None
    if is_flagged(registration, gate):
        cells = unregistered_cells(residual_points(points), pair.grid, gate)
    mappings = mappings_of(pair, registration)
    hidden, clouds = hide_clouds(
        context, pair, _write_aligned(context, pair, rules, mappings, cells)
    )
    apart = int(hidden["valid"][UNREGISTERED])
    sample = read_sample(context, pair.grid, len(pair.bands.roles), RADIOMETRY_SAMPLE)
    params = context.run.settings.align.radiometry
    radiometry = fit_radiometry(sample.before, sample.after, params)
    quality = assess_fit(sample.before, sample.after, radiometry, params)
    # Writing tables needs pandas, most of a second to import: only now, not to delay the start.
    from pipeline.io.tie_points import write_tie_points

    write_tie_points(context.paths.align_tie_points, points, pair.grid)
    fit: dict[str, Any] = {
        "registration": registration.as_json()
        | {
            "limits_px": gate.model_dump(mode="json"),
            "is_flagged": is_flagged(registration, gate),
            "residual_points": residual_points(points).tolist(),
        },
        "radiometry": asdict(radiometry),
        "radiometry_quality": asdict(quality),
        "validity": {name: shares_of(counts) for name, counts in hidden.items()},
        "clouds": clouds,
        "nodata": {
            name: {"declared": rule.nodata, "collars": [collar.value for collar in rule.collars]}
            for name, rule in rules.items()
        },
        "roles": list(pair.bands.roles),
        "before_date": pair.before.scene.date,
        "after_date": pair.after.scene.date,
    }
    write_json(context.paths.align_fit, fit)
    counts: dict[str, Number] = {
        "pixels": pair.grid.width * pair.grid.height,
        "unobserved_pixels": int(hidden["valid"][VALID + 1 :].sum()),
        "cloud_pixels": int(hidden["valid"][CLOUD]),
        "shadow_pixels": int(hidden["valid"][SHADOW]),
        "saturated_pixels": int(hidden["valid"][SATURATED]),
        "tie_points": registration.n_points,
        "tie_points_used": registration.n_used,
        "shift_row_px": registration.shift_row_px,
        "shift_col_px": registration.shift_col_px,
        "residual_px": registration.residual_px,
        "residual_p95_px": registration.residual_p95_px,
        "check_points": registration.n_check,
        "unregistered_pixels": apart,
    }
    notices = told + _notices(registration, pair)
    if quality.is_poor(params):
        notices += (poor_radiometry(quality, params),)
    if is_flagged(registration, gate):
        notices += (residual_notice(registration, gate, moved, apart),)
    write_align_report(context, pair, fit, notices)
    return StageReport(counts, notices)


def _write_aligned(
    context: StageContext,
    pair: ImagePair,
    rules: Mapping[str, NodataRule],
    mappings: Mapping[str, GridMapping],
    unregistered: UnregisteredCells | None,
) -> Counts:
    """Write `before.tif`, `after.tif` and the validities; returns the validities' counts."""
    files = pair.files
    numbers = {"before": pair.bands.before, "after": pair.bands.after}
    dates: dict[str, DateJob] = {}
    sources, masks = _mask_sources(files, mappings)
    for name, target in _targets(context).items():
        taken_over = pair.is_taken_over(name, mappings[name])
        if taken_over:
            shutil.copyfile(files[name].path, target)
        if taken_over and rules[name].is_trivial(files[name].scene.dtype):
            continue
        dates[name] = DateJob(mappings[name], rules[name], not taken_over)
        sources[name] = Source(
            str(files[name].path),
            numbers[name],
            MappedFootprint(mappings[name]),
            rules[name].mask_bands,
        )
    cut = tiles(pair.grid.height, pair.grid.width, max(context.tile_px, MAPPED_TILE_PX))
    job = TileJob(align_tile, sources, AlignJob(dates, masks, unregistered))
    totals = {name: np.zeros(UNREGISTERED + 1, np.int64) for name in VALIDITIES}
    unknown: dict[str, set[int]] = {name: set() for name in masks}
    with ExitStack() as stack:
        writers = _open_writers(context, pair, dates, stack)
        progress = context.progress("配准：重采样")
        for tile, output in run_tiles(job, cut, context.tiled, progress):
            for name, pixels in output.rasters.items():
                writers[name].add(tile.core, pixels)
            for _, partial in output.partials:
                for name, counts in partial.counts.items():
                    totals[name] += counts
                for name, values in partial.unknown_mask_values.items():
                    unknown[name].update(values)
    for name, values in unknown.items():
        _require_mask_values(sources[name].path, values)
    return totals


def _mask_sources(
    files: Mapping[str, SceneFile], mappings: Mapping[str, GridMapping]
) -> tuple[dict[str, Source], dict[str, GridMapping]]:
    """Supplied validity masks as tile sources, with the mapping that carries their image."""
    masked = {f"{name}_mask": (file.mask, name) for name, file in files.items() if file.mask}
    sources = {
        source: Source(str(path), (1,), MappedFootprint(mappings[name]))
        for source, (path, name) in masked.items()
    }
    return sources, {source: mappings[name] for source, (_, name) in masked.items()}


def _require_mask_values(path: str, unknown: set[int]) -> None:
    """Refuse a mask with values of no meaning: taking them for clear would invent sight."""
    if not unknown:
        return
    raise InputError(
        Finding(
            "E-MASK-GRID",
            "云掩膜里有不认识的取值。",
            where=path,
            value="、".join(str(value) for value in sorted(unknown)),
            allowed="0 清晰，1 无数据，2 云，3 云影",
            advice="按供方说明把掩膜重新编码为上述取值。",
        )
    )


def _targets(context: StageContext) -> dict[str, Path]:
    return {"before": context.paths.align_before, "after": context.paths.align_after}


def _open_writers(
    context: StageContext, pair: ImagePair, dates: Mapping[str, DateJob], stack: ExitStack
) -> dict[str, StripWriter]:
    """A writer for the validity and for every image that is not taken over as it lies."""
    dtypes = {name: file.scene.dtype for name, file in pair.files.items()}
    writers = {
        name: StripWriter(path, pair.grid, "uint8")
        for name, path in validity_paths(context.paths).items()
    }
    for name, date in dates.items():
        if date.is_written:
            writers[name] = StripWriter(
                _targets(context)[name],
                pair.grid,
                working_dtype(dtypes[name]).name,
                count=len(pair.bands.roles),
                descriptions=pair.bands.roles,
            )
    for writer in writers.values():
        stack.enter_context(writer)
    return writers


def _notices(registration: Registration, pair: ImagePair) -> tuple[Finding, ...]:
    notices = []
    if not registration.is_established:
        notices.append(
            Finding(
                "N-REGISTRATION-NONE",
                "两期影像的同名点不足或互相矛盾，按各自的地理参考直接比对，未做平移改正。",
                value=f"同名点 {registration.n_points} 个，一致的 {registration.n_used} 个",
                advice="在 QGIS 中叠看两期影像；有明显错位时先做配准，再运行。",
                severity=Severity.NOTICE,
            )
        )
    if pair.is_pixelwise:
        notices.append(
            Finding(
                "N-RASTER-PIXELWISE",
                "两期影像没有坐标系，自带的位置又互不相交，已按左上角对齐、逐像元比对。",
                where=pair.after.path.name,
                advice="确认两期影像裁自同一范围；否则请使用带坐标系的正射影像。",
                severity=Severity.NOTICE,
            )
        )
    if not all(pair.bands.roles):
        notices.append(
            Finding(
                "N-BANDS-NOROLE",
                "波段角色未知：不区分变化类别，依赖波段角色的过滤不启用。",
                where=pair.before.path.name,
                advice="用 --bands 或影像旁的 meta.yaml 写明各波段的角色。",
                severity=Severity.NOTICE,
            )
        )
    return tuple(notices)
