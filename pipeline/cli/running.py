"""Bringing stages of a run up to date, and saying what would be done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.demo import is_demo, play_townships
from pipeline.cli.present import (
    log,
    progress,
    say,
    summarise,
    summarise_close,
    summarise_quarter,
)
from pipeline.errors import Finding, InputError, UsageError

if TYPE_CHECKING:
    from pipeline.config.models import RunConfig
    from pipeline.stages.context import StageContext

CLOSING = ("collect", "statistics", "report")
"""Stages after people have answered."""


def recorded_now() -> str:
    """The moment of the command, for the register's events."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def run_named(
    chosen: tuple[str, ...] | None,
    run: str,
    tiling: tuple[int, int | None, str | None],
    dry_run: bool,
    data_dir: Path,
    config_dir: Path,
) -> None:
    """Bring the chosen stages of a run (None: all that apply) up to date and sum up."""
    config, paths = load(run, data_dir, config_dir)
    names = applicable(chosen, config)
    if dry_run:
        print_plans(names, config, paths)
        return
    from pipeline.stages.runner import run_stages

    tile, workers, scheduler = tiling
    started = time.monotonic()
    with tiled_context(workers, scheduler, tile) as start:
        context = start(config, paths)
        outcomes = run_stages(tuple(name for name in names if name not in CLOSING), context)
        summarise(outcomes)
        if chosen is None and is_demo(run, data_dir):
            say(play_townships(data_dir))
        closed = run_stages(tuple(name for name in names if name in CLOSING), context)
        summarise(closed)
    outcomes += closed
    summarise_quarter(outcomes, paths)
    summarise_close(outcomes, paths)
    log(paths.log, outcomes, time.monotonic() - started)
    say(f"完成，用时 {time.monotonic() - started:.1f} 秒。成果在 {paths.root}")


def applicable(chosen: tuple[str, ...] | None, config: RunConfig) -> tuple[str, ...]:
    """The chosen stages (None: all) that a run can have; refuses a single one that it can not."""
    from pipeline.stages.catalogue import stages_of

    possible = tuple(stage.name for stage in stages_of(config))
    names = tuple(name for name in chosen or possible if name in possible)
    if not names:
        raise InputError(
            Finding(
                "E-COUNTY-MISSING",
                "这个运行没有县配置，不能做这个阶段。",
                where=f"configs/runs/{config.run}.yaml",
                value="、".join(chosen or ()),
                allowed="、".join(possible),
                advice="在运行配置里写 county: <名字>，并照 configs/county/demo.yaml 写县配置。",
            )
        )
    return names


def print_plans(names: tuple[str, ...], config: RunConfig, paths: Any) -> None:
    """Say which stages would run, and why."""
    upstream = False
    for plan in plans(config, paths):
        if plan.stage.name not in names:
            continue
        if plan.is_current and not upstream:
            print(f"{plan.stage.name}：不运行，没有变化。")
        else:
            reasons = plan.reasons or ("上游阶段将重算，届时按其结果决定。",)
            print(f"{plan.stage.name}：将运行。{' '.join(reasons)}")
            upstream = True


def plans(config: RunConfig, paths: Any) -> list[Any]:
    """What would happen to every stage of a run now."""
    from pipeline.io.digests import DigestCache
    from pipeline.stages.catalogue import stages_of
    from pipeline.stages.runner import plan_stage

    cache = DigestCache(paths.digest_cache)
    return [plan_stage(stage, config, paths, cache) for stage in stages_of(config)]


def load(run: str, data_dir: Path, config_dir: Path) -> tuple[RunConfig, Any]:
    """A run's settings and the places of its files."""
    from pipeline.config.load import load_run
    from pipeline.io.runs import RunPaths

    config = load_run(config_dir / "runs" / f"{run}.yaml", data_dir)
    return config, RunPaths.for_run(data_dir, config.run)


Starter = Callable[["RunConfig", Any], "StageContext"]


def _available_cores() -> int:
    """Cores this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def tiled_context(
    workers: int | None, scheduler: str | None, tile_px: int, *, quiet: bool = False
) -> Iterator[Starter]:
    """Dispatchers for one command; gives a function that makes a stage's context."""
    from pipeline.grid import BLOCK_PX
    from pipeline.io.tiles import ThreadDispatcher, dispatcher
    from pipeline.stages.context import StageContext

    if tile_px <= 0 or tile_px % BLOCK_PX:
        raise UsageError(
            Finding(
                "E-USAGE",
                "瓦片边长不合适。",
                where="--tile",
                value=str(tile_px),
                allowed=f"{BLOCK_PX} 的正整数倍",
                advice=f"改为 {BLOCK_PX}、{2 * BLOCK_PX} 或 {4 * BLOCK_PX}。",
            )
        )
    count = workers or _available_cores()
    with dispatcher(count, scheduler) as tiled:
        local = tiled if scheduler is None else ThreadDispatcher(count)
        try:
            yield lambda config, paths: StageContext(
                config,
                paths,
                tiled,
                local,
                tile_px,
                lambda label: progress(label, enabled=not quiet),
                recorded_now(),
            )
        finally:
            local.close()
