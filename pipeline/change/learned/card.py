"""What a network says of itself: the JSON text kept inside its ONNX file.

A file of weights alone can be fed anything and answers something. So every network carries, under
the key `weipian` of the ONNX `metadata_props`, what it expects and what it was trained on; a file
without it is refused.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.errors import InputError
from pipeline.scene import BAND_ROLES
from pipeline.schema.document import parse_document
from pipeline.schema.model import Frozen, refusal

METADATA_KEY = "weipian"


class Normalisation(Frozen):
    """How pixel values become the network's input, per date and band.

    `median_mad`: (value − median) / (1.4826 · median absolute deviation), both found on the sample
    of the very pair, so that light, season and bit depth of a date drop out. `fixed`:
    (value / full_scale − mean) / std. The result is clipped to ±`clip`.
    """

    kind: Literal["median_mad", "fixed"] = Field(description="归一方式")
    clip: float = Field(default=6.0, gt=0, description="归一后绝对值的上限")
    full_scale: float | None = Field(
        default=None, gt=0, description="fixed：相当于 1 的像元值，如 8 位影像为 255"
    )
    mean: tuple[float, ...] = Field(default=(), description="fixed：每个波段的均值")
    std: tuple[float, ...] = Field(default=(), description="fixed：每个波段的标准差")

    @model_validator(mode="after")
    def _fixed_is_whole(self) -> Self:
        given = (self.full_scale is not None, bool(self.mean), bool(self.std))
        if self.kind == "fixed" and not (all(given) and min(self.std) > 0):
            allowed = "full_scale、mean、std，std 都大于 0"
            raise refusal("fixed 归一的数值没有写全", allowed=allowed)
        if self.kind == "median_mad" and any(given):
            raise refusal("median_mad 归一不用 full_scale、mean、std", advice="删去这几项。")
        return self


class NetworkCard(Frozen):
    """What a network expects, gives, and was trained on."""

    format: Literal[1] = Field(description="说明的格式版本")
    name: str = Field(min_length=1, max_length=80, description="模型名称")
    classes: tuple[str, ...] = Field(
        min_length=1, description="输出的类别；第一类是变化，检测器按它计分"
    )
    thresholds: tuple[float, ...] = Field(
        min_length=1, description="各类别判为“是”的概率下限，由验证样本定出"
    )
    roles: tuple[str, ...] = Field(
        min_length=1, max_length=16, description="各输入通道的波段角色；全部未知时按顺序对应"
    )
    gsd_min_m: float = Field(gt=0, description="适用的最细地面分辨率，米")
    gsd_max_m: float = Field(gt=0, description="适用的最粗地面分辨率，米")
    normalisation: Normalisation = Field(description="像元值的归一方式")
    core_px: Literal[64, 128, 256, 512] = Field(description="每次推理采用的中心范围，像元")
    halo_px: int = Field(ge=0, le=256, description="中心范围外每边多读的宽度，像元")
    licence: str = Field(min_length=1, description="许可")
    training: str = Field(min_length=1, description="训练数据与方法的说明")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if len(self.thresholds) != len(self.classes) or len(set(self.classes)) < len(self.classes):
            raise refusal("类别与阈值对不上", allowed="类别不重复，每个类别一个阈值")
        if not all(0 < threshold < 1 for threshold in self.thresholds):
            raise refusal("阈值不在 0 与 1 之间", allowed="大于 0，小于 1")
        named = [role for role in self.roles if role]
        is_known = set(named) <= set(BAND_ROLES) and len(set(named)) == len(named)
        if not is_known or len(named) not in (0, len(self.roles)):
            allowed = "、".join(BAND_ROLES) + '，每个只写一次；或全部写 ""'
            raise refusal("波段角色不对", allowed=allowed)
        if self.gsd_max_m < self.gsd_min_m:
            raise refusal("分辨率范围颠倒", allowed="gsd_min_m 不大于 gsd_max_m")
        fixed = self.normalisation
        if fixed.kind == "fixed" and {len(fixed.mean), len(fixed.std)} != {len(self.roles)}:
            raise refusal("归一数值的个数与波段数不同", allowed=f"{len(self.roles)} 个")
        return self

    @property
    def window_px(self) -> int:
        """Side of the input of one inference."""
        return self.core_px + 2 * self.halo_px


def parse_card(text: str, where: str) -> NetworkCard:
    """The card in a model file's metadata. Raises `InputError` E-MODEL-META with every finding."""
    return parse_document(
        text,
        f"{where}（{METADATA_KEY}）",
        NetworkCard,
        syntax_code="E-MODEL-META",
        value_code="E-MODEL-META",
        error=InputError,
    )
