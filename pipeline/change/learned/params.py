"""Settings of training, without anything that needs torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.schema.model import Frozen


class TrainParams(Frozen):
    """Settings of `train` (训练自己的变化检测网络)."""

    min_objects: int = Field(
        default=30, ge=1, description="训练样本中变化地块（连片标注）的最少个数，不足则拒绝训练"
    )
    min_pixels_per_class: int = Field(
        default=5000, ge=1, description="训练样本中变化、未变化各自的最少像元数，不足则拒绝训练"
    )
    min_held_out_objects: int = Field(
        default=10, ge=1, description="检验样本中变化地块的最少个数，不足则拒绝训练"
    )
    validation_share: float = Field(
        default=0.15, gt=0, lt=1, description="训练样本中留作选代次、定阈值的比例"
    )
    steps: int = Field(
        default=900, ge=1, description="训练步数；不写代数时由它定代数，样本少则代数多"
    )
    epochs: int | None = Field(
        default=None, ge=1, le=10_000, description="训练代数；写明时代替训练步数"
    )
    batch_size: int = Field(default=4, ge=2, le=256, description="每批样本数")
    crop_px: Literal[128, 256, 384, 512] = Field(default=256, description="样本边长，像元")
    unchanged_share: float = Field(
        default=0.3, ge=0, description="每代中无变化样本数与有变化样本数之比"
    )
    learning_rate: float = Field(default=0.002, gt=0, description="解码部分的最大学习率")
    backbone_rate: float = Field(
        default=0.15, ge=0, le=1, description="骨干网络学习率与解码部分之比"
    )
    frozen_blocks: int = Field(
        default=3, ge=-1, le=11, description="骨干网络开头不训练的块数；−1 为连首层也训练"
    )
    weight_decay: float = Field(default=0.01, ge=0, description="权重衰减")
    is_symmetric: bool | None = Field(
        default=None,
        description="标注是否与前后顺序无关（新增、消失都算变化）；"
        "不写时影像对的标注为是，核查结果为否",
    )
    max_shift_px: int = Field(
        default=1, ge=0, le=8, description="增广：两期之间随机错位的最大值，像元"
    )
    scale_jitter: float = Field(
        default=0.3, ge=0, le=1, description="增广：缩放幅度（同时任意旋转）"
    )
    colour_jitter: float = Field(default=0.15, ge=0, le=1, description="增广：亮度、反差的变化幅度")
    gsd_ratio: float = Field(
        default=1.5, ge=1, description="模型适用的分辨率与训练影像之比（上下同比）"
    )
    core_px: Literal[128, 256, 512] = Field(default=256, description="推理窗口的中心边长，像元")
    halo_px: Literal[32, 64, 96, 128] = Field(default=64, description="推理窗口每边的外延，像元")
    bootstrap: int = Field(default=1000, ge=100, description="检验精度区间的重抽样次数")
