"""The commands that train a county's own detector and show what it would change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import (
    CONFIG_DIR,
    DATA_DIR,
    ConfigOption,
    DataOption,
    GsdOption,
    OutOption,
)
from pipeline.cli.present import progress, say
from pipeline.cli.running import load, tiled_context
from pipeline.errors import Finding, UsageError

if TYPE_CHECKING:
    from pipeline.change.learned.params import TrainParams
    from pipeline.stages.train_data import LabelledData

TILE_PX = 1024


def train_command(
    out: Annotated[Path, typer.Option("--out", help="模型文件（.onnx）；旁边另写同名 .json")],
    data: Annotated[
        list[Path] | None, typer.Argument(help="带标注的数据文件夹，可以有几个")
    ] = None,
    from_run: Annotated[
        list[str] | None, typer.Option("--from-run", help="已收口的运行编号，取其签署的判定")
    ] = None,
    no_other_change_by: Annotated[
        str, typer.Option("--no-other-change-by", help="签字确认图斑以外没有变化的人")
    ] = "",
    hold_out: Annotated[
        str, typer.Option("--hold-out", help="留作检验：share:0.2、groups:名字,名字、south:0.333")
    ] = "share:0.2",
    group_by: Annotated[
        str, typer.Option("--group-by", help="index.csv 里的列；同组样本不拆开")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="模型名称；缺省用文件名")] = "",
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="训练代数")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="种子")] = 1,
    gsd: GsdOption = None,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """用带标注的影像对或已签署的核查结果训练本县的变化检测模型；只写模型，不切换检测器。"""
    from pipeline.io.backbone import require_train_extra
    from pipeline.stages.train import TrainRequest, train
    from pipeline.stages.train_data import joined, read_labelled

    require_train_extra()
    if not data and not from_run:
        raise UsageError(
            Finding("E-USAGE", "没有训练数据。", advice="给出数据文件夹，或 --from-run 运行编号。")
        )
    if out.suffix != ".onnx":
        what = "模型文件的扩展名应为 .onnx。"
        raise UsageError(Finding("E-USAGE", what, where="--out", value=str(out)))
    verified, params = _from_runs(from_run or [], bool(no_other_change_by), data_dir, config_dir)
    folders = [read_labelled(folder.resolve(), gsd, group_by) for folder in data or []]
    if epochs is not None:
        params = params.model_copy(update={"epochs": epochs})
    request = TrainRequest(out, name or out.stem, hold_out, seed, params, no_other_change_by)
    result = train(
        joined([*folders, *verified]), request, lambda label: progress(label, enabled=True)
    )
    _summarise(result.held_out)
    say(f"模型 {result.model}，说明和全部数字 {result.report}")
    say(f"切换之前请看效果：python -m pipeline effect {result.model} 数据文件夹")


def effect_command(
    model: Annotated[Path, typer.Argument(help="模型文件（.onnx）")],
    data: Annotated[Path | None, typer.Argument(help="带标注的数据文件夹")] = None,
    from_run: Annotated[
        str | None, typer.Option("--from-run", help="已收口的运行编号：按其签署的判定比较")
    ] = None,
    out: OutOption = None,
    against: Annotated[str, typer.Option("--against", help="现用的检测器")] = "auto",
    gsd: GsdOption = None,
    data_dir: DataOption = DATA_DIR,
    config_dir: ConfigOption = CONFIG_DIR,
) -> None:
    """改用一个模型会怎样：与现用检测器在同一批标注上逐个地块比较；不切换任何东西。"""
    from pipeline.cli.comparing import compare_into
    from pipeline.io.models import read_network
    from pipeline.stages.effect import described, effect_on_labels, effect_on_run
    from pipeline.stages.requests import using_model, with_detector

    if (data is None) == (from_run is None):
        what = "数据文件夹和 --from-run 给出且只给出一个。"
        raise UsageError(Finding("E-USAGE", what, advice="如：effect 模型.onnx 数据文件夹。"))
    read_network(model)
    with tiled_context(None, None, TILE_PX, quiet=True) as start:

        def compare_pair(run: Any, place: Path) -> Any:
            return compare_into(run, place, start)

        if from_run is not None:
            config, paths = load(from_run, data_dir, config_dir)
            target = out or data_dir / "runs" / f"effect_{from_run}"
            report = effect_on_run(config, paths, model, target, compare_pair)
        else:
            folder = Path(str(data)).resolve()
            target = out or data_dir / "runs" / f"effect_{folder.name}"
            detectors = {
                "present": with_detector(against),
                "model": using_model(with_detector("learned"), model),
            }
            report = effect_on_labels(folder, detectors, gsd, target, compare_pair)
    for line in described(report):
        say(line)
    say(f"逐对影像的成果在 {target}")


def _from_runs(
    runs: list[str], is_complete: bool, data_dir: Path, config_dir: Path
) -> tuple[list[LabelledData], TrainParams]:
    """What closed runs have to teach, and the settings of the last of them."""
    from pipeline.config.models import Settings
    from pipeline.stages.train_runs import read_runs

    loaded = [load(run, data_dir, config_dir) for run in runs]
    settings = loaded[-1][0].settings if loaded else Settings()
    return read_runs(loaded, is_complete), settings.train


def _summarise(held_out: dict[str, Any]) -> None:
    say("—— 留出样本上的检验（训练中没有用过） ——")
    for key, label in (("f1", "F1"), ("precision", "像元精确率"), ("recall", "像元召回率")):
        value, interval = held_out[key], held_out["interval_95"][key]
        told = "—" if value is None else f"{100 * value:.1f}%"
        if interval is not None:
            told += f"（95% 区间 {100 * interval[0]:.1f}%–{100 * interval[1]:.1f}%）"
        say(f"{label}：{told}")
    patch = held_out["patch"]
    say(
        f"变化地块 {patch['n_truth']} 个，检出比例 {patch['recall']}；"
        f"判定阈值 {held_out['threshold']}"
    )
