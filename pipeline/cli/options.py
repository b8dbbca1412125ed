"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunOption = Annotated[str, typer.Option("--run", help="运行编号，对应 configs/runs/<编号>.yaml")]
TileOption = Annotated[int, typer.Option("--tile", help="瓦片边长，像元，512 的倍数；不影响结果")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="并行线程数；缺省为处理器核数；不影响结果")
]
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", help="dask.distributed 调度器地址，如 tcp://127.0.0.1:8786"),
]
DetectorOption = Annotated[
    str, typer.Option("--detector", help="检测器：auto、irmad、cva、learned 等，见手册")
]
ModelOption = Annotated[
    Path | None, typer.Option("--model", help="模型文件（.onnx）；给出即用检测器 learned")
]
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
