"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import Finding, UsageError

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


def named_folder(text: str) -> Path:
    """The folder of `--out`. An empty one, as an unset variable of a script gives it, would be the
    current folder, which nobody asked to be written into."""
    if text.strip():
        return Path(text)
    raise UsageError(
        Finding(
            "E-USAGE",
            "成果文件夹的名称是空的。",
            where="--out",
            allowed="一个文件夹；当前文件夹写作 .",
            advice="检查给出它的变量是否为空。",
        )
    )


OutOption = Annotated[
    Path | None,
    typer.Option("--out", parser=named_folder, metavar="PATH", help="成果文件夹"),
]


def _checked_gsd(gsd_m: float | None) -> float | None:
    """Refuse a pixel size that is none, even where a CRS makes it unneeded: it was a slip."""
    from pipeline.grid import MAX_GSD_M

    if gsd_m is None or 0 < gsd_m <= MAX_GSD_M:
        return gsd_m
    raise UsageError(
        Finding(
            "E-USAGE",
            "地面分辨率不在合理范围。",
            where="--gsd",
            value=f"{gsd_m:g}",
            allowed=f"大于 0，不超过 {MAX_GSD_M:,.0f} 米",
            advice="以米为单位给出，如 0.5。",
        )
    )


GsdOption = Annotated[
    float | None,
    typer.Option("--gsd", callback=_checked_gsd, help="地面分辨率，米；仅用于没有坐标系的影像"),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="只说明将运行什么、为什么")]
DataOption = Annotated[
    Path, typer.Option("--data-dir", "--data", help="数据文件夹；配置里的相对路径从这里算起")
]
ConfigOption = Annotated[Path, typer.Option("--config-dir", help="配置目录")]

DATA_DIR = Path("data")
CONFIG_DIR = Path("configs")
