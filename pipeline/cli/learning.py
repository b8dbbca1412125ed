"""The commands that learn from a run's returns (由核查结果改进)."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import CONFIG_DIR, DATA_DIR, ConfigOption, DataOption, RunOption
from pipeline.cli.present import say
from pipeline.cli.running import load, tiled_context

TILE_PX = 1024

learn_app = typer.Typer(
    help="由核查结果改进：按已签署的判定提出参数改动，签署后才生效。", no_args_is_help=True
)


@learn_app.command("propose")
def learn_propose_command(
    run: RunOption, data_dir: DataOption = DATA_DIR, config_dir: ConfigOption = CONFIG_DIR
) -> None:
    """按本期已签署的判定提出参数改动，并说明在本期图斑上的效果；不改动任何东西。"""
    from pipeline.stages.learn import describe, learn, write_proposal

    config, paths = load(run, data_dir, config_dir)
    with tiled_context(None, None, TILE_PX) as start:
        context = start(config, paths)
        lesson = learn(context)
        if lesson.proposal is not None:
            write_proposal(context, lesson)
    for line in describe(lesson):
        print(line)
    if lesson.proposal is not None:
        say(f"逐个图斑的效果在 {paths.learn}")


@learn_app.command("sign")
def learn_sign_command(
    run: RunOption,
    by: Annotated[str, typer.Option("--by", help="经办人姓名")],
    reviewed_by: Annotated[str, typer.Option("--reviewed-by", help="审核人姓名")],
    why: Annotated[str, typer.Option("--why", help="理由")],
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """签署本期的建议：写入县配置旁的文件，以后的运行采用。"""
    from pipeline.stages.learn import sign

    config, paths = load(run, data_dir, config_dir)
    with tiled_context(None, None, TILE_PX) as start:
        place = sign(start(config, paths), config_dir, by, reviewed_by, why)
    say(f"已签署：{place}")
