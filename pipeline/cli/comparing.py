"""The commands that compare two images and that measure how well it is done."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import (
    CONFIG_DIR,
    DATA_DIR,
    ConfigOption,
    DataOption,
    DetectorOption,
    GsdOption,
    SchedulerOption,
    TileOption,
    WorkersOption,
)
from pipeline.cli.present import (
    log,
    progress,
    say,
    summarise,
    summarise_comparison,
    summarise_truth,
)
from pipeline.cli.running import Starter, load, tiled_context
from pipeline.errors import Finding, InputError

if TYPE_CHECKING:
    from pipeline.config.models import RunConfig, Settings
    from pipeline.stages.compare import Comparison

UNTIL_SCREENED = ("intake", "align", "detect", "extract", "overlay", "screen")
"""What the truth of a county is compared with."""


def compare_command(
    before: Annotated[Path, typer.Argument(help="变化前影像")],
    after: Annotated[Path, typer.Argument(help="变化后影像")],
    out: Annotated[Path, typer.Option("--out", help="成果文件夹")],
    bands: Annotated[
        str | None, typer.Option("--bands", help="波段角色，逗号分隔，如 blue,green,red,nir")
    ] = None,
    gsd: GsdOption = None,
    detector: DetectorOption = "auto",
    tile: TileOption = 1024,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
) -> None:
    """比较两期影像，给出变化图斑。"""
    from pipeline.io.runs import LOG_NAME, WORK_FOLDER
    from pipeline.stages.requests import compare_request

    run = compare_request(before, after, _split_bands(bands), gsd, detector)
    with tiled_context(workers, scheduler, tile) as start:
        started = time.monotonic()
        result = _compare_into(run, out, start)
    seconds = time.monotonic() - started
    summarise_comparison(result, out, seconds)
    log(out / WORK_FOLDER / LOG_NAME, list(result.outcomes), seconds)


def evaluate_command(
    data: Annotated[Path, typer.Argument(help="带标注的数据文件夹")],
    out: Annotated[Path | None, typer.Option("--out", help="成果文件夹")] = None,
    gsd: GsdOption = None,
    detector: DetectorOption = "auto",
    tile: TileOption = 1024,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """用带标注的影像对或示例县的真值评价精度；最后一行是 JSON。"""
    import json

    from pipeline.stages.evaluate import evaluate, find_pairs, has_truth
    from pipeline.stages.requests import with_detector

    folder = data.resolve()
    if has_truth(folder):
        settings = with_detector(detector)
        _evaluate_county(folder, out, settings, (tile, workers, scheduler), config_dir)
        return
    target = out or data_dir / "runs" / f"evaluate_{folder.name}"
    pairs = find_pairs(folder, with_detector(detector), gsd)
    quiet = len(pairs) > 1

    def compare_pair(run: RunConfig, place: Path) -> Comparison:
        started = time.monotonic()
        comparison = _compare_into(run, place, start)
        if not quiet:
            summarise_comparison(comparison, place, time.monotonic() - started)
        return comparison

    with tiled_context(workers, scheduler, tile, quiet=quiet) as start:
        result = evaluate(pairs, target, compare_pair, progress("评价", enabled=quiet))
    say(f"评价完成：{len(pairs)} 对影像，成果在 {target}，报告 {target / 'evaluate.json'}")
    print(json.dumps(result.as_json(), ensure_ascii=False))


def _evaluate_county(
    folder: Path,
    out: Path | None,
    settings: Settings,
    tiling: tuple[int, int | None, str | None],
    config_dir: Path,
) -> None:
    """Detection without issued patches, and the class of every case after screening.

    A county's truth lies in `<data>/raw/<run>/`, beside the images of that run.
    """
    import json

    from pipeline.stages.evaluate import evaluate_truth
    from pipeline.stages.runner import run_stages

    data_dir = folder.parent.parent
    config, paths = load(folder.name, data_dir, config_dir)
    target = out or data_dir / "runs" / f"evaluate_{folder.name}"
    tile, workers, scheduler = tiling

    with tiled_context(workers, scheduler, tile) as start:
        summarise(run_stages(UNTIL_SCREENED, start(config, paths)))
        result = evaluate_truth(
            folder,
            target,
            lambda run, place: _compare_into(run, place, start),
            settings,
            paths.screened,
        )
    summarise_truth(result)
    say(f"评价完成：成果在 {target}，报告 {target / 'evaluate.json'}")
    print(json.dumps(result.as_json(), ensure_ascii=False))


def _compare_into(run: RunConfig, out: Path, start: Starter) -> Comparison:
    from pipeline.io.runs import WORK_FOLDER, RunPaths
    from pipeline.stages.compare import compare

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(
            Finding(
                "E-FILE-WRITE",
                "成果文件夹无法建立。",
                where=str(out),
                value=problem.strerror or str(problem),
                allowed="一个不存在的或可写的文件夹",
                advice="换一个 --out，或检查磁盘和权限。",
            )
        ) from problem
    return compare(start(run, RunPaths(out / WORK_FOLDER)), out)


def _split_bands(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(part.strip().lower() for part in text.replace("，", ",").split(","))
