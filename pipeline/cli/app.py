"""The commands. Heavy imports happen inside them, so that `--help` and `status` answer at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.auditing import audit_app
from pipeline.cli.closing import freeze_command, register_app, reopen_command, trace_command
from pipeline.cli.comparing import compare_command
from pipeline.cli.evaluating import evaluate_command
from pipeline.cli.learning import learn_app
from pipeline.cli.options import (
    CONFIG_DIR,
    DATA_DIR,
    ConfigOption,
    DataOption,
    DryRunOption,
    RunOption,
    SchedulerOption,
    TileOption,
    WorkersOption,
)
from pipeline.cli.present import status_line
from pipeline.cli.running import load, plans, run_named
from pipeline.cli.training import effect_command, train_command
from pipeline.errors import Finding, Severity, UsageError, VerifyError

app = typer.Typer(
    name="pipeline",
    help="县级卫片执法：两期影像 → 变化图斑 → 核查 → 统计。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("compare")(compare_command)
app.command("evaluate")(evaluate_command)
app.command("train")(train_command)
app.command("effect")(effect_command)


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
        run_named(stages, run, (tile, workers, scheduler), dry_run, data_dir, config_dir)


STAGE_LABELS = {
    "intake": "入库检查",
    "align": "配准归一",
    "detect": "变化检测",
    "extract": "图斑提取",
    "overlay": "套合分析",
    "screen": "合规初判",
    "package": "核查包",
    "collect": "回收核查",
    "statistics": "统计挂钩",
    "report": "领导简报",
}
"""Stages with a command of their own; a test holds them against the catalogue of stages."""
QUARTER = tuple(STAGE_LABELS)[:7]
CLOSE = tuple(STAGE_LABELS)[7:]

for _name, _label in STAGE_LABELS.items():
    _add_run_command(_name, f"{_label}（阶段 {_name}）。", (_name,))
_add_run_command("quarter", "一个季度：从入库检查到核查包（阶段 1–7）。", QUARTER)
_add_run_command("close", "收口一个季度：回收、统计、简报（阶段 8–10），可反复运行。", CLOSE)
_add_run_command("run", "依次运行全部阶段；没有变化的不重算。", None)
app.command("trace")(trace_command)
app.command("freeze")(freeze_command)
app.command("reopen")(reopen_command)
app.add_typer(register_app, name="register")
app.add_typer(audit_app, name="audit")
app.add_typer(learn_app, name="learn")


@app.command("status")
def status_command(
    run: RunOption, data_dir: DataOption = DATA_DIR, config_dir: ConfigOption = CONFIG_DIR
) -> None:
    """一次运行的概况：各阶段是否完成、是否过期、主要数字。"""
    config, paths = load(run, data_dir, config_dir)
    for plan in plans(config, paths):
        state = "已完成" if plan.is_current else "待运行"
        print(f"{plan.stage.name:<10} {plan.stage.label_zh}  {state}")
        for reason in plan.reasons:
            print(f"           {reason}")
        if plan.manifest is not None and plan.is_current:
            print(f"           {status_line(plan.manifest.counts)}")


@app.command("why")
def why_command(
    stage: Annotated[str, typer.Argument(help="阶段名")],
    run: RunOption,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """说明一个阶段为什么需要重算：哪个输入、设置或代码变了。"""
    config, paths = load(run, data_dir, config_dir)
    by_name = {plan.stage.name: plan for plan in plans(config, paths)}
    if stage not in by_name:
        raise UsageError(
            Finding(
                "E-USAGE",
                f"没有阶段“{stage}”。",
                allowed="、".join(by_name),
                advice="写上面列出的阶段名。",
            )
        )
    plan = by_name[stage]
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
        from pipeline.io.register.store import verify_register
        from pipeline.stages.catalogue import stages_of
        from pipeline.stages.freeze import check_seal

        config, paths = load(str(run), data_dir, config_dir)
        findings, place = verify_run(paths, stages_of(config)), paths.root
        if config.county is not None and paths.register(config.county_code).is_file():
            findings += verify_register(paths.register(config.county_code))
            findings += check_seal(config, paths)
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
