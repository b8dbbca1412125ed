"""Registration of a pair: measuring the tie points, fitting, measuring again (配准)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pipeline.grid import Tile
from pipeline.imagery.registration import (
    Registration,
    at_rest,
    fit_registration,
    mark_agreeing,
    remeasured,
    with_residuals,
)
from pipeline.imagery.resample import GridMapping, MappedFootprint
from pipeline.imagery.tie_points import (
    TieJob,
    TiePoint,
    check_numbers,
    measure_tie_point,
    search_limit_px,
    tie_windows,
)
from pipeline.imagery.validity import NodataRule
from pipeline.io.pairs import ImagePair
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.scene import DATE_NAMES, DateName, other_date
from pipeline.stages.context import StageContext

FAR_PX = 8.0
"""A shift so long leaves too little common content in a window: measured again after moving."""


def mappings_of(pair: ImagePair, registration: Registration) -> dict[str, GridMapping]:
    """Where the working grid's pixels lie in each image, the moved one corrected."""
    mappings = {name: GridMapping(pair.grid, file.scene.grid) for name, file in pair.files.items()}
    row, col = registration.constant_px
    mappings[registration.moved] = replace(
        mappings[registration.moved],
        shift_row_px=row,
        shift_col_px=col,
        field=registration.field,
    )
    return mappings


def register(
    context: StageContext, pair: ImagePair, rules: Mapping[str, NodataRule]
) -> tuple[Registration, list[TiePoint]]:
    """Measure all points, fit, and measure the check points again on the corrected image.

    Nothing but `align.reference` says which image is corrected: with it on the same image, a pair
    whose dates are swapped gives the same numbers to the last bit.
    """
    params = context.run.settings.align.tie_points
    moved = other_date(context.run.settings.align.reference)
    search_px = search_limit_px(params, pair.grid.pixel_size_m)
    windows = tie_windows(pair.grid, params)
    checks = check_numbers(windows)
    rest = at_rest(len(windows), moved)
    points = _measure(context, pair, rules, windows, rest, "配准：同名点")
    far = _far_shift(mark_agreeing(points, params, search_px), rest)
    if far.kind == "shift":
        again = _measure(context, pair, rules, windows, far, "配准：复测")
        points = [_added(point, far) for point in again]
    points = [replace(point, is_check=point.point_id in checks) for point in points]
    found, points = fit_registration(points, params, search_px, pair.grid, moved)
    if found.kind == "none":
        return found, points
    seen = {p.point_id for p in points if p.is_used and (p.is_check or not found.n_check)}
    windows = [window for window in windows if window.index in seen]
    left = _measure(context, pair, rules, windows, found, "配准：检查点")
    points = remeasured(points, {point.point_id: point for point in left}, params)
    return with_residuals(found, points), points


def _far_shift(points: list[TiePoint], rest: Registration) -> Registration:
    """The median shift of the agreeing points in whole pixels if it is long, else no shift."""
    shifts = np.array([(p.shift_row_px, p.shift_col_px) for p in points if p.is_used])
    if not len(shifts):
        return rest
    row, col = np.round(np.median(shifts, axis=0))
    if np.hypot(row, col) < FAR_PX:
        return rest
    return replace(rest, kind="shift", shift_row_px=float(row), shift_col_px=float(col))


def _added(point: TiePoint, far: Registration) -> TiePoint:
    return replace(
        point,
        shift_row_px=point.shift_row_px + far.shift_row_px,
        shift_col_px=point.shift_col_px + far.shift_col_px,
    )


def _measure(
    context: StageContext,
    pair: ImagePair,
    rules: Mapping[str, NodataRule],
    windows: list[Tile],
    applied: Registration,
    label_zh: str,
) -> list[TiePoint]:
    """Displacements left after a correction, one point per window."""
    params = context.run.settings.align.tie_points
    mappings = mappings_of(pair, applied)
    files, bands = pair.files, dict(zip(DATE_NAMES, matching_band(pair), strict=True))
    parts: dict[str, DateName] = {"fixed": other_date(applied.moved), "moved": applied.moved}
    job = TileJob(
        measure_tie_point,
        {
            part: Source(
                str(files[name].path),
                (bands[name],),
                MappedFootprint(mappings[name]),
                rules[name].mask_bands,
            )
            for part, name in parts.items()
        },
        TieJob(
            mappings[parts["fixed"]],
            mappings[parts["moved"]],
            rules[parts["fixed"]],
            rules[parts["moved"]],
            search_limit_px(params, pair.grid.pixel_size_m),
            params.min_clear_share,
            is_repeated=applied.field is None,
        ),
    )
    outputs = run_tiles(job, windows, context.tiled, context.progress(label_zh))
    return [point for _, output in outputs for _, point in output.partials]


def matching_band(pair: ImagePair) -> tuple[int, int]:
    """Band numbers used for matching: red, else green, else the first common band."""
    for role in ("red", "green", "pan"):
        index = pair.bands.index(role)
        if index >= 0:
            return pair.bands.before[index], pair.bands.after[index]
    return pair.bands.before[0], pair.bands.after[0]
