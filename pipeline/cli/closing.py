"""The commands of a closed quarter: the register, sealing, walking a figure back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import (
    CONFIG_DIR,
    DATA_DIR,
    ConfigOption,
    DataOption,
    RunOption,
    named_folder,
)
from pipeline.cli.present import say
from pipeline.cli.running import load, tiled_context
from pipeline.errors import Severity, VerifyError

TILE_PX = 1024

ByOption = Annotated[str, typer.Option("--by", help="经办人姓名，记入台账")]
WhyOption = Annotated[str, typer.Option("--why", help="理由，记入台账")]

register_app = typer.Typer(
    help="图斑台账：查一个图斑的来龙去脉、核对历史、导出。", no_args_is_help=True
)


def trace_command(
    table: Annotated[str, typer.Argument(help="表号，如 T05")],
    unit: Annotated[str, typer.Argument(help="乡镇代码或名称；全县写 合计")],
    run: RunOption,
    column: Annotated[
        str | None, typer.Option("--column", help="列名（字段名或表头）；不写则整行")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="来源分组：下发 或 自主提取；不写则都列")
    ] = None,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """把表里的一个数字追溯到图斑、规则和输入文件，并另行重算核对。"""
    from pipeline.stages.trace import trace

    _, paths = load(run, data_dir, config_dir)
    for line in trace(paths, table, unit, column, group):
        print(line)


def freeze_command(
    run: RunOption,
    by: ByOption,
    why: WhyOption,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """封存一期：核对全部成果和台账后锁定，此后不再接收这一期的填报。"""
    from pipeline.stages.freeze import freeze

    config, paths = load(run, data_dir, config_dir)
    with tiled_context(1, None, TILE_PX) as start:
        freeze(start(config, paths), by, why)
    say(f"已封存：{config.run}。台账 {paths.register(config.county_code)}")


def reopen_command(
    run: RunOption,
    by: ByOption,
    why: WhyOption,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """解封一期：写明经办人和理由后，可以再接收更正。"""
    from pipeline.stages.freeze import reopen

    config, paths = load(run, data_dir, config_dir)
    with tiled_context(1, None, TILE_PX) as start:
        reopen(start(config, paths), by, why)
    say(f"已解封：{config.run}。更正作为新的记录登记，原记录保留。")


@register_app.command("log")
def register_log_command(
    subject: Annotated[str, typer.Argument(help="图斑编号、下发图斑编号或案号")],
    run: RunOption,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """一个图斑（或案件）的全部记录：谁、何时、做了什么、依据哪份文件。"""
    from pipeline.stages.register import log

    config, paths = load(run, data_dir, config_dir)
    for line in log(paths, config.county_code, subject):
        print(line)


@register_app.command("verify")
def register_verify_command(
    run: RunOption, data_dir: DataOption = DATA_DIR, config_dir: ConfigOption = CONFIG_DIR
) -> None:
    """核对台账：历史没有被改动，现状与历史重放一致，指标账借贷相平。"""
    from pipeline.stages.register import verify

    config, paths = load(run, data_dir, config_dir)
    place = paths.register(config.county_code)
    findings = verify(place)
    for finding in findings:
        if finding.severity is Severity.NOTICE:
            print(finding.render())
    blocking = [finding for finding in findings if finding.severity is Severity.BLOCK]
    if blocking:
        raise VerifyError(blocking)
    print(f"台账核对通过：{place}")


@register_app.command("export")
def register_export_command(
    run: RunOption,
    out: Annotated[
        Path,
        typer.Option("--out", parser=named_folder, metavar="PATH", help="导出到哪个文件夹"),
    ],
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """导出台账：全部历史（CSV、JSON 行）和现状各表（CSV）。"""
    from pipeline.stages.register import export

    config, paths = load(run, data_dir, config_dir)
    for line in export(paths.register(config.county_code), out):
        print(line)
