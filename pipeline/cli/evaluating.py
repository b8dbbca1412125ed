"""The command that measures how well changes are found."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.comparing import chosen_detector, compare_into
from pipeline.cli.options import (
    CONFIG_DIR,
    DATA_DIR,
    ConfigOption,
    DataOption,
    DetectorOption,
    GsdOption,
    ModelOption,
    OutOption,
    SchedulerOption,
    TileOption,
    WorkersOption,
)
from pipeline.cli.present import (
    progress,
    say,
    summarise,
    summarise_comparison,
    summarise_detectors,
    summarise_truth,
)
from pipeline.cli.running import Starter, load, tiled_context
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.config.models import RunConfig, Settings
    from pipeline.stages.compare import Comparison

UNTIL_SCREENED = ("intake", "align", "detect", "extract", "overlay", "screen")
"""What the truth of a county is compared with."""
ALL = "all"
"""Stands for every detector side by side; the figures at the end are those of `auto`."""
DETECTORS_FOLDER = "detectors"

Evaluate = Callable[["Settings", Path, dict[str, Any]], dict[str, Any]]
"""Settings, output folder, figures of other detectors → figures."""


def evaluate_command(
    data: Annotated[Path, typer.Argument(help="带标注的数据文件夹")],
    out: OutOption = None,
    gsd: GsdOption = None,
    detector: DetectorOption = "auto",
    model: ModelOption = None,
    tile: TileOption = 1024,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """用带标注的影像对或示例县的真值评价精度；--detector all 并列各检测器；最后一行是 JSON。"""
    from pipeline.stages.evaluate import has_truth

    folder = data.resolve()
    is_county = has_truth(folder)
    home = folder.parent.parent if is_county else data_dir
    target = out or home / "runs" / f"evaluate_{folder.name}"
    quiet = not is_county and (folder / "label").is_dir()  # hundreds of chips, one line
    with tiled_context(workers, scheduler, tile, quiet=quiet) as start:
        county = (folder, start, config_dir)
        measure = _county(*county) if is_county else _labelled(folder, start, gsd)
        told = _measured(measure, target, detector, model)
    if is_county:
        summarise_truth(told)
    summarise_detectors(told)
    say(f"评价完成：成果在 {target}，报告 {target / 'evaluate.html'}")
    print(json.dumps(told, ensure_ascii=False))


def _measured(measure: Evaluate, target: Path, detector: str, model: Path | None) -> dict[str, Any]:
    """The figures of one detector, or of all: each in its own folder, then the default one."""
    from pipeline.change.detectors import DETECTORS
    from pipeline.stages.requests import using_model, with_detector

    if detector != ALL:
        settings = using_model(with_detector(chosen_detector(detector, model)), model)
        return measure(settings, target, {})
    beside: dict[str, Any] = {}
    for name in DETECTORS:
        settings = with_detector(name)
        if name == "learned":
            settings = using_model(settings, model)
        try:
            beside[name] = measure(settings, target / DETECTORS_FOLDER / name, {})
        except PipelineError as refused:
            say(f"检测器 {name} 不能用于这份数据：{refused.findings[0].what}")
    return measure(with_detector("auto"), target, beside)


def _labelled(folder: Path, start: Starter, gsd: float | None) -> Evaluate:
    from pipeline.stages.evaluate import evaluate
    from pipeline.stages.labelled_pairs import find_pairs

    def measure(settings: Settings, target: Path, beside: dict[str, Any]) -> dict[str, Any]:
        pairs = find_pairs(folder, settings, gsd)
        is_single = len(pairs) == 1

        def compare_pair(run: RunConfig, place: Path) -> Comparison:
            started = time.monotonic()
            comparison = compare_into(run, place, start)
            if is_single:
                summarise_comparison(comparison, place, time.monotonic() - started)
            return comparison

        show = progress(f"评价 {settings.detect.detector}", enabled=not is_single)
        return evaluate(pairs, target, compare_pair, show, beside)

    return measure


def _county(folder: Path, start: Starter, config_dir: Path) -> Evaluate:
    """Detection without issued patches, and the class of every case after screening.

    A county's truth lies in `<data>/raw/<run>/`, beside the images of that run.
    """
    from pipeline.stages.evaluate import FinishedRun, evaluate_truth
    from pipeline.stages.runner import run_stages

    config, paths = load(folder.name, folder.parent.parent, config_dir)
    summarise(run_stages(UNTIL_SCREENED, start(config, paths)))
    finished = FinishedRun(paths.screened, paths.extract_patches)

    def measure(settings: Settings, target: Path, beside: dict[str, Any]) -> dict[str, Any]:
        def compare_pair(run: RunConfig, place: Path) -> Comparison:
            return compare_into(run, place, start)

        return evaluate_truth(folder, target, compare_pair, settings, finished, beside)

    return measure
