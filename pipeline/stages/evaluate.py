"""`evaluate`: the product's own `compare` on labelled pairs, against their labels.

Labels (`labelled_pairs`) are read after the comparison is finished and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipeline.config.load import CHANGE_KIND_CODES, CODES_DIR, construction_like_kinds, load_codes
from pipeline.config.models import RunConfig, Settings
from pipeline.delivery.accuracy_page import AccuracyPage, render_accuracy
from pipeline.errors import Finding, InputError
from pipeline.io.atomic import replace_text
from pipeline.io.rasters import read_grid
from pipeline.io.reports import json_text
from pipeline.io.scenes import read_meta
from pipeline.io.truth import TRUTH_FILE, read_truth
from pipeline.io.vectors import read_layer
from pipeline.patches.planted import case_results
from pipeline.schema.layers import DROPPED, SCREENED
from pipeline.stages.compare import Comparison
from pipeline.stages.evaluate_chips import described
from pipeline.stages.evaluate_figures import case_figures, detector_figures, figures
from pipeline.stages.evaluate_judging import (
    Judged,
    judge_labelled,
    judge_planted,
    nothing_judged,
)
from pipeline.stages.labelled_pairs import LabelledPair, label_reader, run_config
from pipeline.stages.requests import described_images

REPORT_NAME = "evaluate.json"
PAGE_NAME = "evaluate.html"
DEMO_MASKS = ("before_mask.tif", "after_mask.tif")
"""Names of the supplied validity masks in a demo county's folder."""


def evaluate(
    pairs: list[LabelledPair],
    out: Path,
    compare_pair: Callable[[RunConfig, Path], Comparison],
    progress: Callable[[int, int], None],
    beside: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Compare every pair below `out`, add up the figures, write `evaluate.json` and its page.

    `beside`: figures of other detectors, to be told in one table. Returns the figures
    (`evaluate_figures`). Memory is bounded by strips of 512 rows and the runs
    of labelled and predicted patches.
    """
    params = pairs[0].run.settings.evaluate
    total = nothing_judged()
    for done, pair in enumerate(pairs, start=1):
        folder = out if len(pairs) == 1 else out / pair.name
        compare_pair(pair.run, folder)
        grid = read_grid(folder / "change.tif", pair.run.gsd_m)
        read_label = label_reader(pair, grid.window.shape)
        name = "" if len(pairs) == 1 else pair.name
        total += judge_labelled(name, folder, grid, read_label)
        total = total.trimmed(params.worst_count)
        progress(done, len(pairs))
    told = figures(total, params) | detector_figures(beside)
    _write(out, told, total, f"{len(pairs)} 对影像" if len(pairs) > 1 else pairs[0].name)
    return told


def has_truth(data: Path) -> bool:
    """Whether a folder is a demo county with planted changes rather than a labelled pair."""
    return (data / TRUTH_FILE).is_file()


@dataclass(frozen=True)
class FinishedRun:
    """Files of a county's run after screening, for the outcome per planted case."""

    screened: Path
    """`screened.gpkg`."""
    extracted: Path
    """`patches.gpkg` with the layer of dropped objects."""


def evaluate_truth(
    data: Path,
    out: Path,
    compare_pair: Callable[[RunConfig, Path], Comparison],
    settings: Settings,
    finished: FinishedRun | None = None,
    beside: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Compare the pair of a demo folder into `out`, without issued patches, and judge the patches
    reported as construction (or of unknown kind) by `truth.gpkg`; writes `evaluate.json`.

    Truth is read after the comparison is finished. Raises `InputError` for a truth file in another
    CRS.
    """
    meta = read_meta(data)
    masks = [path if path.is_file() else None for path in (data / name for name in DEMO_MASKS)]
    before, after = described_images(
        data / "before.tif", data / "after.tif", meta, masks=(masks[0], masks[1])
    )
    compare_pair(run_config("truth", before, after, settings, meta.gsd_m), out)
    truth = read_truth(data / TRUTH_FILE)
    own = read_grid(out / "change.tif").crs
    if truth.crs != own:
        raise _other_crs(data / TRUTH_FILE, truth.crs, own)
    judged = judge_planted(out, truth, construction_like_kinds()).trimmed(
        settings.evaluate.worst_count
    )
    told = figures(judged, settings.evaluate) | detector_figures(beside)
    if finished is not None:
        dropped = read_layer(finished.extracted, DROPPED)
        cases = case_results(truth, read_layer(finished.screened, SCREENED), dropped)
        told["cases"] = case_figures(cases)
    _write(out, told, judged, data.name)
    return told


def _write(out: Path, told: dict[str, Any], judged: Judged, subject: str) -> None:
    """`evaluate.json` and its page; what is told of the worst items is added to `told`."""
    misses, false_alarms = (described(items) for items in (judged.misses, judged.false_alarms))
    told["worst"] = {
        "misses": [one.told for one in misses],
        "false_alarms": [one.told for one in false_alarms],
    }
    page = AccuracyPage(
        subject=subject,
        figures=told,
        kinds=load_codes(CHANGE_KIND_CODES).labels,
        reasons=load_codes(CODES_DIR / "drop_reason.csv").labels,
        misses=tuple(one.chip for one in misses),
        false_alarms=tuple(one.chip for one in false_alarms),
    )
    replace_text(out / REPORT_NAME, json_text(told))
    replace_text(out / PAGE_NAME, render_accuracy(page))


def _other_crs(path: Path, found: Any, expected: Any) -> InputError:
    return InputError(
        Finding(
            "E-LABEL-GRID",
            "真值与影像的坐标系不同。",
            where=str(path),
            value=str(found and found.name),
            allowed=str(expected and expected.name),
            advice="真值必须与变化前影像同一坐标系。",
        )
    )
