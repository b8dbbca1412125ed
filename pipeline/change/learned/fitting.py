"""Fitting the Siamese network and writing it as ONNX. Needs the extra `train`."""

from __future__ import annotations

import copy
import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pipeline.change.learned.card import METADATA_KEY, NetworkCard
from pipeline.change.learned.infer import InputScaling
from pipeline.change.learned.params import TrainParams
from pipeline.change.learned.samples import (
    NOT_LABELLED,
    Crop,
    LabelledScene,
    Place,
    augmented,
    jittered,
    places,
    read_crop,
    scaling_of,
)
from pipeline.change.learned.siamese import Siamese, WithProbability, siamese_from
from pipeline.change.learned.skill import BINS, Skill, best_skill, probability_counts

OPSET = 17
WARM_UP_SHARE = 0.1
LARGEST_GRADIENT = 5.0
EMA_DECAY = 0.99


@dataclass(frozen=True, eq=False)
class FitTask:
    """What to learn from and how."""

    train: Sequence[LabelledScene]
    validation: Sequence[LabelledScene]
    card: NetworkCard
    """Bands, classes and normalisation; its thresholds are found here."""
    params: TrainParams
    seed: int
    weights: Mapping[str, Any]
    """ImageNet weights of the backbone."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """The network after its best epoch."""

    network: Siamese
    epoch: int
    skill: Skill
    """On the validation samples, at the threshold that was best there."""
    history: list[dict[str, float]]


def fit_network(task: FitTask, progress: Callable[[int, int], None]) -> Fitted:
    """Train and keep the epoch of the highest validation F1. The same seed on the same machine
    gives the same network on a CPU."""
    torch.manual_seed(task.seed)
    rng = np.random.default_rng(task.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = siamese_from(
        task.weights, task.card.roles, 1, is_symmetric=bool(task.params.is_symmetric)
    )
    network.to(device, memory_format=torch.channels_last)
    optimiser = _optimiser(network, task.params)
    average = _average(network)
    rates = [group["lr"] for group in optimiser.param_groups]
    scalings = [scaling_of(task.card, scene) for scene in task.train]
    best: Fitted | None = None
    history: list[dict[str, float]] = []
    n_epochs = _epochs(task)
    for epoch in range(n_epochs):
        crops = _epoch_places(task, rng)
        loss = 0.0
        batches = [
            crops[n : n + task.params.batch_size]
            for n in range(0, len(crops), task.params.batch_size)
        ]
        _set_training(network)
        for number, batch in enumerate(batches):
            done = (epoch + number / len(batches)) / n_epochs
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * _schedule(done)
            loss += _step(network, optimiser, _samples(task, scalings, batch, rng), device)
            average.update_parameters(network)
        told = {"epoch": epoch + 1, "loss": loss / len(batches)}
        # While the rate is high no epoch is the last word; looking at each would cost time.
        if 2 * (epoch + 1) >= n_epochs:
            skill = best_skill(validation_counts(average.module, task, device))
            told["validation_f1"] = skill.f1 or 0.0
            # A small validation set prefers one epoch by chance: of equals the later one is kept.
            if best is None or (skill.f1 or 0.0) >= (best.skill.f1 or 0.0):
                best = Fitted(copy.deepcopy(average.module).cpu(), epoch + 1, skill, history)
        history.append(told)
        progress(epoch + 1, n_epochs)
    assert best is not None  # at least one epoch
    return best


def validation_counts(network: Siamese, task: FitTask, device: torch.device) -> NDArray[np.int64]:
    """Probability by label over the validation scenes, `(2, BINS)`."""
    network.eval()
    counts = np.zeros((2, BINS), np.int64)
    size = task.params.crop_px
    with torch.inference_mode():
        for place in places(task.validation, size):
            scene = task.validation[place.scene]
            start = (place.row0, place.col0)
            crop = read_crop(scene, scaling_of(task.card, scene), start, size)
            before, after, _ = _tensors([crop], device)
            with _half_precision(device):
                logits = network(before, after)
            found = torch.sigmoid(logits.float())[0, 0].cpu().numpy()
            counts += probability_counts(found, crop.label)
    return counts


def as_onnx(network: Siamese, card: NetworkCard) -> bytes:
    """The network with its card, in windows of the card's size."""
    module = WithProbability(network).eval()
    size = (1, len(card.roles), card.window_px, card.window_px)
    blank = torch.zeros(size)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The older exporter needs `onnx` alone. It warns of being older, and of constants it could
        # not fold; the check of the finished file is what counts.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (blank, blank),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=["before", "after"],
            output_names=["probability"],
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, {METADATA_KEY: card.model_dump_json()})
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _optimiser(network: Siamese, params: TrainParams) -> torch.optim.Optimizer:
    backbone = network.backbone
    if params.frozen_blocks >= 0:
        backbone._conv_stem.requires_grad_(False)
        backbone._bn0.requires_grad_(False)
        for block in backbone._blocks[: params.frozen_blocks]:
            block.requires_grad_(False)
    slow = [p for p in backbone.parameters() if p.requires_grad]
    inside = {id(p) for p in backbone.parameters()}
    fast = [p for p in network.parameters() if id(p) not in inside]
    rate = params.learning_rate
    return torch.optim.AdamW(
        [{"params": fast, "lr": rate}, {"params": slow, "lr": rate * params.backbone_rate}],
        weight_decay=params.weight_decay,
    )


def _average(network: Siamese) -> Any:
    """A copy that follows the weights as a running mean (Polyak & Juditsky 1992): steadier than
    any single step, which counts when samples are few."""
    mean = torch.optim.swa_utils.get_ema_multi_avg_fn(EMA_DECAY)
    return torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=mean, use_buffers=True)


def _set_training(network: Siamese) -> None:
    """Training mode, but the backbone keeps its ImageNet batch statistics: a county's samples are
    too few for new ones."""
    network.train()
    network.backbone.eval()


def _schedule(done: float) -> float:
    """Linear warm-up, then half a cosine to zero (Loshchilov & Hutter 2017)."""
    if done < WARM_UP_SHARE:
        return (done + 0.01) / (WARM_UP_SHARE + 0.01)
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)))


def _epochs(task: FitTask) -> int:
    """How many times all changed crops are seen: as told, or for the wanted number of steps."""
    if task.params.epochs is not None:
        return task.params.epochs
    crops = len(_epoch_places(task, np.random.default_rng(task.seed)))
    return math.ceil(task.params.steps / math.ceil(crops / task.params.batch_size))


def _epoch_places(task: FitTask, rng: np.random.Generator) -> list[Place]:
    """This epoch's crops, in random order: all with change, and some without."""
    size = task.params.crop_px
    changed: list[Place] = []
    unchanged: list[Place] = []
    for place in places(task.train, size):
        label = task.train[place.scene].label
        window = label[place.row0 : place.row0 + size, place.col0 : place.col0 + size]
        if np.any(window != NOT_LABELLED):
            (changed if np.any(window == 1) else unchanged).append(place)
    wanted = min(len(unchanged), math.ceil(task.params.unchanged_share * len(changed)))
    picked = [unchanged[n] for n in rng.permutation(len(unchanged))[:wanted]]
    chosen = changed + picked
    ordered = [chosen[n] for n in rng.permutation(len(chosen))]
    return [jittered(place, task.train[place.scene], size, rng) for place in ordered]


def _samples(
    task: FitTask, scalings: list[InputScaling], batch: list[Place], rng: np.random.Generator
) -> list[Crop]:
    size = task.params.crop_px
    return [
        augmented(
            read_crop(task.train[at.scene], scalings[at.scene], (at.row0, at.col0), size),
            task.params,
            rng,
        )
        for at in batch
    ]


def _tensors(
    crops: list[Crop], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    before, after, label = (torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True))
    last = torch.channels_last
    return (
        before.to(device, memory_format=last),
        after.to(device, memory_format=last),
        label.to(device),
    )


def _step(
    network: Siamese, optimiser: torch.optim.Optimizer, crops: list[Crop], device: torch.device
) -> float:
    before, after, label = _tensors(crops, device)
    with _half_precision(device):
        logits = network(before, after)
    loss = _loss(logits.float()[:, 0], label)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
    optimiser.step()
    return float(loss.detach())


def _loss(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Cross-entropy plus Dice (Milletari et al. 2016) over the labelled pixels `(n, y, x)`."""
    known = (label != NOT_LABELLED).float()
    target = (label == 1).float()
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    chance = torch.sigmoid(logits) * known
    dice = 1 - (2 * (chance * target).sum() + 1) / (chance.sum() + target.sum() + 1)
    return (entropy * known).sum() / known.sum().clamp(min=1) + dice


def _half_precision(device: torch.device) -> Any:
    """bfloat16 where the processor multiplies matrices in it, which is several times faster."""
    is_fast = device.type == "cuda" or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_fast)
