"""The command that compares two images."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import (
    DetectorOption,
    GsdOption,
    ModelOption,
    SchedulerOption,
    TileOption,
    WorkersOption,
    named_folder,
)
from pipeline.cli.present import (
    log,
    summarise_comparison,
)
from pipeline.cli.running import Starter, tiled_context
from pipeline.errors import Finding, InputError, UsageError

if TYPE_CHECKING:
    from pipeline.config.models import RunConfig
    from pipeline.stages.compare import Comparison


def compare_command(
    before: Annotated[Path, typer.Argument(help="变化前影像")],
    after: Annotated[Path, typer.Argument(help="变化后影像")],
    out: Annotated[
        Path, typer.Option("--out", parser=named_folder, metavar="PATH", help="成果文件夹")
    ],
    bands: Annotated[
        str | None, typer.Option("--bands", help="波段角色，逗号分隔，如 blue,green,red,nir")
    ] = None,
    gsd: GsdOption = None,
    reference: Annotated[
        str, typer.Option("--reference", help="位置以哪一期为准：before 或 after")
    ] = "before",
    detector: DetectorOption = "auto",
    model: ModelOption = None,
    tile: TileOption = 1024,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
) -> None:
    """比较两期影像，给出变化图斑。"""
    from pipeline.io.runs import LOG_NAME, WORK_FOLDER
    from pipeline.stages.requests import compare_request, positioned_by, using_model

    detector = chosen_detector(detector, model)
    run = compare_request(before, after, _split_bands(bands), gsd, detector)
    settings = positioned_by(using_model(run.settings, model), reference)
    run = run.model_copy(update={"settings": settings})
    with tiled_context(workers, scheduler, tile) as start:
        started = time.monotonic()
        result = compare_into(run, out, start)
    seconds = time.monotonic() - started
    summarise_comparison(result, out, seconds)
    log(out / WORK_FOLDER / LOG_NAME, list(result.outcomes), seconds)


def compare_into(run: RunConfig, out: Path, start: Starter) -> Comparison:
    """Bring the comparison in a folder up to date."""
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


def chosen_detector(name: str, model: Path | None) -> str:
    """A named model is there to be used; an untrained detector beside it is a contradiction."""
    if model is None or name == "learned":
        return name
    if name != "auto":
        what = f"给出了模型，却要用不需要模型的检测器“{name}”。"
        advice = "去掉 --model，或用 --detector learned。"
        raise UsageError(Finding("E-USAGE", what, where="--model", advice=advice))
    return "learned"


def _split_bands(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(part.strip().lower() for part in text.replace("，", ",").split(","))
