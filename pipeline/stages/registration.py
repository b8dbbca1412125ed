"""Registration of a pair: measuring the tie points and agreeing on a shift (配准)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.grid import Tile
from pipeline.imagery.resample import GridMapping, MappedFootprint
from pipeline.imagery.tie_points import (
    Registration,
    TieJob,
    TiePoint,
    fit_registration,
    measure_tie_point,
    search_limit_px,
    tie_windows,
    windows_to_repeat,
)
from pipeline.imagery.validity import NodataRule
from pipeline.io.pairs import ImagePair
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.stages.context import StageContext

NAMES = ("before", "after")


def mappings_of(pair: ImagePair, registration: Registration) -> dict[str, GridMapping]:
    """Where the working grid's pixels lie in each image, the shift applied to the after image."""
    return {
        "before": GridMapping(pair.grid, pair.before.scene.grid),
        "after": GridMapping(
            pair.grid,
            pair.after.scene.grid,
            registration.shift_row_px,
            registration.shift_col_px,
        ),
    }


def register(
    context: StageContext, pair: ImagePair, rules: Mapping[str, NodataRule]
) -> tuple[Registration, list[TiePoint]]:
    """Measure twice: the second time on windows moved by the first result, for sub-pixel truth."""
    params = context.run.settings.align.tie_points
    search_px = search_limit_px(params, pair.grid.pixel_size_m)
    windows = tie_windows(pair.grid, params)
    at_rest = Registration(0.0, 0.0, None, len(windows), 0)
    measured = _measure(context, pair, rules, windows, at_rest, "配准：同名点")
    first, points = fit_registration(measured, params, search_px, at_rest)
    if not first.is_established or first.is_below(params.negligible_shift_px):
        return first.without_negligible(params.negligible_shift_px), points
    again = windows_to_repeat(windows, points)
    measured = _measure(context, pair, rules, again, first, "配准：复测")
    second, repeated = fit_registration(measured, params, search_px, first)
    better = {point.point_id: point for point in repeated}
    points = [better.get(point.point_id, point) for point in points]
    n_used = sum(point.is_used for point in points) if second.is_established else 0
    final = replace(second, n_points=first.n_points, n_used=n_used)
    return final.without_negligible(params.negligible_shift_px), points


def _measure(
    context: StageContext,
    pair: ImagePair,
    rules: Mapping[str, NodataRule],
    windows: list[Tile],
    applied: Registration,
    label_zh: str,
) -> list[TiePoint]:
    params = context.run.settings.align.tie_points
    mappings = mappings_of(pair, applied)
    files, numbers = (pair.before, pair.after), matching_band(pair)
    job = TileJob(
        measure_tie_point,
        {
            name: Source(
                str(file.path), (number,), MappedFootprint(mappings[name]), rules[name].has_mask
            )
            for name, file, number in zip(NAMES, files, numbers, strict=True)
        },
        TieJob(
            mappings["before"],
            mappings["after"],
            rules["before"],
            rules["after"],
            search_limit_px(params, pair.grid.pixel_size_m),
            params.min_clear_share,
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
