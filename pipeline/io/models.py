"""Reading network files."""

from __future__ import annotations

from pathlib import Path

from pipeline.change.learned.network import Network, parse_network
from pipeline.change.learned.scoring import NetworkParams
from pipeline.errors import Finding, InputError

LARGEST_MB = 512
"""A network for a few classes has some megabytes: more is some other file."""


def read_network(path: Path) -> Network:
    """A checked network. Raises `InputError` E-FILE-MISSING or E-MODEL-… (see `parse_network`)."""
    if not path.is_file():
        raise InputError(
            Finding(
                "E-FILE-MISSING",
                "找不到模型文件。",
                where=str(path),
                advice="检查 detect.learned.model 的路径，或先用 make train 训练。",
            )
        )
    size_mb = path.stat().st_size / 1e6
    if size_mb > LARGEST_MB:
        raise InputError(
            Finding(
                "E-MODEL-FILE",
                "模型文件过大，不像变化检测网络。",
                where=str(path),
                value=f"{size_mb:.0f} MB",
                allowed=f"不超过 {LARGEST_MB} MB",
                advice="核对文件。",
            )
        )
    return parse_network(path.read_bytes(), str(path))


def model_path(params: NetworkParams) -> Path:
    """Where the county's network lies. Raises `InputError` E-MODEL-FILE if none is named."""
    if params.model is None:
        raise InputError(
            Finding(
                "E-MODEL-FILE",
                "选了检测器 learned，但没有指定模型。",
                where="detect.learned.model",
                allowed="一个 .onnx 文件",
                advice="用 --model 或运行配置的 detect.learned.model 给出；没有模型时请用 auto。",
            )
        )
    return Path(params.model)
