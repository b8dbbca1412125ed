"""The commands of the omission audit (漏检抽查)."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import CONFIG_DIR, DATA_DIR, ConfigOption, DataOption, RunOption
from pipeline.cli.present import say
from pipeline.cli.running import load, tiled_context

TILE_PX = 1024

audit_app = typer.Typer(
    help="漏检抽查：抽样制卡，由两人分别判读，估计漏了多少新增建设。", no_args_is_help=True
)


@audit_app.command("draw")
def audit_draw_command(
    run: RunOption,
    cells: Annotated[int | None, typer.Option("--cells", help="抽查格总数；缺省 300")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="抽样种子；缺省 1")] = None,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """抽样并为两位判读人各制一套卡和判读表，放在本次运行的 audit 文件夹。"""
    from pipeline.stages.audit import audit_params, draw

    config, paths = load(run, data_dir, config_dir)
    params = audit_params(cells, seed)
    with tiled_context(None, None, TILE_PX) as start:
        drawn = draw(start(config, paths), params)
    say(f"已抽 {drawn} 格。请两位判读人分别看 reader_1.html、reader_2.html，各填同名的 xlsx。")
    say(f"成果在 {paths.audit}")


@audit_app.command("result")
def audit_result_command(
    run: RunOption, data_dir: DataOption = DATA_DIR, config_dir: ConfigOption = CONFIG_DIR
) -> None:
    """读判读表，算检出率及其区间；两人不同的格另制裁定表。"""
    from pipeline.stages.audit import describe, result

    config, paths = load(run, data_dir, config_dir)
    with tiled_context(None, None, TILE_PX) as start:
        state = result(start(config, paths))
    for line in describe(state):
        print(line)
