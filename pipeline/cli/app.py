"""The commands. Heavy imports happen inside them, so that `--help` and `status` answer at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.present import (
    figure,
    log,
    progress,
    say,
    summarise,
    summarise_comparison,
    summarise_quarter,
    summarise_truth,
)
from pipeline.errors import Finding, InputError, Severity, UsageError, VerifyError

if TYPE_CHECKING:
    from pipeline.config.models import RunConfig, Settings
    from pipeline.stages.compare import Comparison
    from pipeline.stages.context import StageContext

app = typer.Typer(
    name="pipeline",
    help="县级卫片执法：两期影像 → 变化图斑 → 核查 → 统计。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RunOption = Annotated[str, typer.Option("--run", help="运行编号，对应 configs/runs/<编号>.yaml")]
TileOption = Annotated[int, typer.Option("--tile", help="瓦片边长，像元，512 的倍数；不影响结果")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="并行线程数；缺省为处理器核数；不影响结果")
]
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", help="dask.distributed 调度器地址，如 tcp://127.0.0.1:8786"),
]
DetectorOption = Annotated[str, typer.Option("--detector", help="检测器：auto、irmad 或 cva")]
GsdOption = Annotated[
    float | None, typer.Option("--gsd", help="地面分辨率，米；仅用于没有坐标系的影像")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="只说明将运行什么、为什么")]
DataOption = Annotated[
    Path, typer.Option("--data-dir", "--data", help="数据文件夹；配置里的相对路径从这里算起")
]
ConfigOption = Annotated[Path, typer.Option("--config-dir", help="配置目录")]

DATA_DIR = Path("data")
CONFIG_DIR = Path("configs")


@app.command("compare")
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
    with _tiled(workers, scheduler, tile) as start:
        started = time.monotonic()
        result = _compare_into(run, out, start)
    seconds = time.monotonic() - started
    summarise_comparison(result, out, seconds)
    log(out / WORK_FOLDER / LOG_NAME, list(result.outcomes), seconds)


@app.command("evaluate")
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

    with _tiled(workers, scheduler, tile, quiet=quiet) as start:
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
    config, paths = _load(folder.name, data_dir, config_dir)
    target = out or data_dir / "runs" / f"evaluate_{folder.name}"
    tile, workers, scheduler = tiling

    with _tiled(workers, scheduler, tile) as start:
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


def _add_run_command(name: str, help_zh: str, stages: tuple[str, ...] | None) -> None:
    """A command that brings stages of a run up to date; None stands for all of them."""

    @app.command(name, help=help_zh)
    def command(
        run: RunOption,
        tile: TileOption = 1024,
        workers: WorkersOption = None,
        scheduler: SchedulerOption = None,
        dry_run: DryRunOption = False,
        data_dir: DataOption = DATA_DIR,
        config_dir: ConfigOption = CONFIG_DIR,
    ) -> None:
        _run_named(stages, run, (tile, workers, scheduler), dry_run, data_dir, config_dir)


STAGE_LABELS = {
    "intake": "入库检查",
    "align": "配准归一",
    "detect": "变化检测",
    "extract": "图斑提取",
    "overlay": "套合分析",
    "screen": "合规初判",
    "package": "核查包",
}
"""Stages with a command of their own; a test holds them against the catalogue of stages."""
QUARTER = tuple(STAGE_LABELS)
UNTIL_SCREENED = QUARTER[: QUARTER.index("screen") + 1]

for _name, _label in STAGE_LABELS.items():
    _add_run_command(_name, f"{_label}（阶段 {_name}）。", (_name,))
_add_run_command("quarter", "一个季度：从入库检查到核查包（阶段 1–7）。", QUARTER)
_add_run_command("run", "依次运行全部阶段；没有变化的不重算。", None)


@app.command("status")
def status_command(
    run: RunOption, data_dir: DataOption = DATA_DIR, config_dir: ConfigOption = CONFIG_DIR
) -> None:
    """一次运行的概况：各阶段是否完成、是否过期、主要数字。"""
    config, paths = _load(run, data_dir, config_dir)
    for plan in _plans(config, paths):
        state = "已完成" if plan.is_current else "待运行"
        print(f"{plan.stage.name:<8} {plan.stage.label_zh}  {state}")
        for reason in plan.reasons:
            print(f"         {reason}")
        if plan.manifest is not None and plan.is_current:
            figures = "，".join(f"{key}={figure(v)}" for key, v in plan.manifest.counts.items())
            print(f"         {figures}")


@app.command("why")
def why_command(
    stage: Annotated[str, typer.Argument(help="阶段名")],
    run: RunOption,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """说明一个阶段为什么需要重算：哪个输入、设置或代码变了。"""
    config, paths = _load(run, data_dir, config_dir)
    plans = {plan.stage.name: plan for plan in _plans(config, paths)}
    if stage not in plans:
        raise UsageError(
            Finding(
                "E-USAGE",
                f"没有阶段“{stage}”。",
                allowed="、".join(plans),
                advice="写上面列出的阶段名。",
            )
        )
    plan = plans[stage]
    if plan.is_current:
        print(f"{stage} 不需要重算：输入、设置、规则和代码都没有变。")
    for reason in plan.reasons:
        print(f"{stage}：{reason}")


@app.command("verify")
def verify_command(
    run: Annotated[str | None, typer.Option("--run", help="运行编号")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="compare 的成果文件夹")] = None,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """重新核对一次运行（或一次 compare）的全部成果：与清单一致，图斑表的数字闭合。"""
    from pipeline.stages.verify import verify_comparison, verify_run

    if (run is None) == (out is None):
        what = "核对什么要说清楚：--run 和 --out 给出且只给出一个。"
        advice = "如 --run demo，或 --out data/runs/compare。"
        raise UsageError(Finding("E-USAGE", what, advice=advice))
    if out is not None:
        findings, place = verify_comparison(out), out
    else:
        from pipeline.stages.catalogue import stages_of

        config, paths = _load(str(run), data_dir, config_dir)
        findings, place = verify_run(paths, stages_of(config)), paths.root
    for finding in findings:
        if finding.severity is Severity.NOTICE:
            print(finding.render())
    blocking = [finding for finding in findings if finding.severity is Severity.BLOCK]
    if blocking:
        raise VerifyError(blocking)
    print(f"核对通过：{place}")


@app.command("config")
def config_command(
    check: Annotated[bool, typer.Option("--check", help="只检查生成的文件是否最新")] = False,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """由程序的参数定义生成 default.yaml 和 schema.json。"""
    from pipeline.config.generate import drift, write

    if not check:
        write(config_dir)
        print(f"已生成 {config_dir / 'default.yaml'} 和 {config_dir / 'schema.json'}")
        return
    differences = drift(config_dir)
    for difference in differences:
        print(difference)
    if differences:
        raise VerifyError(
            Finding(
                "E-VERIFY-CONTENT",
                "生成的配置文件与程序不一致。",
                where=str(config_dir),
                advice="运行 make config 重新生成并提交。",
            )
        )


def _run_named(
    chosen: tuple[str, ...] | None,
    run: str,
    tiling: tuple[int, int | None, str | None],
    dry_run: bool,
    data_dir: Path,
    config_dir: Path,
) -> None:
    config, paths = _load(run, data_dir, config_dir)
    names = _applicable(chosen, config)
    if dry_run:
        _print_plans(names, config, paths)
        return
    from pipeline.stages.runner import run_stages

    tile, workers, scheduler = tiling
    started = time.monotonic()
    with _tiled(workers, scheduler, tile) as start:
        outcomes = run_stages(names, start(config, paths))
    summarise(outcomes)
    summarise_quarter(outcomes, paths)
    log(paths.log, outcomes, time.monotonic() - started)
    say(f"完成，用时 {time.monotonic() - started:.1f} 秒。成果在 {paths.root}")


def _applicable(chosen: tuple[str, ...] | None, config: RunConfig) -> tuple[str, ...]:
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


def _print_plans(names: tuple[str, ...], config: RunConfig, paths: Any) -> None:
    upstream = False
    for plan in _plans(config, paths):
        if plan.stage.name not in names:
            continue
        if plan.is_current and not upstream:
            print(f"{plan.stage.name}：不运行，没有变化。")
        else:
            reasons = plan.reasons or ("上游阶段将重算，届时按其结果决定。",)
            print(f"{plan.stage.name}：将运行。{' '.join(reasons)}")
            upstream = True


def _plans(config: RunConfig, paths: Any) -> list[Any]:
    from pipeline.io.digests import DigestCache
    from pipeline.stages.catalogue import stages_of
    from pipeline.stages.runner import plan_stage

    cache = DigestCache(paths.digest_cache)
    return [plan_stage(stage, config, paths, cache) for stage in stages_of(config)]


def _load(run: str, data_dir: Path, config_dir: Path) -> tuple[RunConfig, Any]:
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
def _tiled(
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
            )
        finally:
            local.close()


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
