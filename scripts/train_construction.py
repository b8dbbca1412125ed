"""Trains the construction network and writes `configs/models/construction.onnx`.

    PYTHONPATH=. python scripts/train_construction.py --work FOLDER --backgrounds NAIP
        [--steps 14000]

Needs the extra `train`. It learns from demo counties as the product itself aligns them
(`--aligned`), from varied ones (`training_counties`), and, if `--backgrounds` is given, from real
ground on which nothing was built (`real_backgrounds`), as it is and in years made up from it with
roofs and yards of the implant script's painter (`invented_years`). Demo seeds under 100 are never
used: 1-5 and 11-15 are for acceptance, 61-68 for choosing the thresholds. The same seeds and steps
on the same machine and torch give the same weights; made counties stay in `--work`.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from accepting.naip import dated_images, span
from construction_network import (
    CLIP,
    GONE,
    GSD_FACTORS,
    IGNORED,
    RIM_PX,
    ConstructionNetwork,
    Scene,
    disturb,
    draw_window,
    scene_of,
)
from invented_years import invented_scenes
from numpy.typing import NDArray
from real_backgrounds import Piece, background_scenes, cut_out, set_in
from torch import Tensor, nn
from torch.nn import functional
from training_counties import CLASSES, aligned_county, make_training_county, training_seeds

N_BUILT = 5
"""Classes after `none` that are construction."""
SIDE_PX, BATCH = 128, 16
REAL_SHARE, SET_IN_SHARE, MOST_PIECES = 0.13, 0.85, 10
"""Of the windows, those of real ground; of these, those into which constructions are set."""
INVENTED_SHARE, INVENTED_AIMED, INVENTED_CLASSES = 0.27, 0.6, (1, 2)
"""Of the windows, those of invented years; of these, those around an implant."""
STRONG = 0.4, 1.0
"""How strongly what is not as delivered is disturbed."""
ALIGNED_SHARE, AIMED_SHARE, GONE_SHARE, SAME_DATE_SHARE = 0.68, 0.55, 0.2, 0.06
HARD_SHARE, LEAST_HARD, MOST_HARD = 0.25, 200, 800
AIMS = (0.26, 0.26, 0.08, 0.07, 0.10, 0.09, 0.07, 0.07)
BUILT_WEIGHT = 1.2
PEAK_RATE, LEAST_RATE, WARM_UP = 2.5e-3, 1e-5, 100
AVERAGING = 0.995
KEPT_EVERY = 500
CORE_PX, HALO_PX = 512, 32
GSD_RANGE_M = (1.5, 6.0)


def main() -> None:
    """Make the counties, train, write the network."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    given.work.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(given.seed)
    aligned = [_scenes(given.work, "aligned", seed, rng) for seed in training_seeds(given.aligned)]
    varied = [_scenes(given.work, "varied", seed, rng) for seed in training_seeds(given.varied)]
    network = ConstructionNetwork(len(CLASSES)).to(memory_format=torch.channels_last)
    if given.start:
        network.load_state_dict(torch.load(given.start))
    images = dated_images(given.backgrounds, span(given.dates)) if given.backgrounds else []
    real = background_scenes(images, given.work, rng)
    invented = invented_scenes(images, given.work, rng)
    kept = given.work / "construction.pt"
    network = train(network, Ground(aligned, varied, real, invented), given.steps, rng, kept)
    write_network(network, given.out, _training(given, images))


def _training(given: argparse.Namespace, images: list[Path]) -> str:
    """What was learned from, for the card."""
    seeds = f"种子 {given.aligned}、{given.varied}"
    told = f"demo 示例县的生成程序（scripts/train_construction.py，{seeds}）"
    if not images:
        return f"{told}；没有用任何真实影像"
    names = "、".join(path.stem for path in images)
    ground = f"真实底图（公有领域，其间没有建设，只作反例和衬底，也按地块混编成虚拟年份）：{names}"
    return f"{told}；{ground}；植入的屋顶、场院由 scripts/implanting 绘制（不用植入种子 1–3）"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="训练建设判别网络（只用示例县生成器）。")
    parser.add_argument("--work", type=Path, required=True, help="存放示例县的文件夹")
    parser.add_argument("--out", type=Path, default=Path("configs/models/construction.onnx"))
    parser.add_argument("--steps", type=int, default=12_000, help="训练步数")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--aligned", default="100-120", help="经产品配准的示例县的种子")
    parser.add_argument("--varied", default="201-232", help="变化了材质、地块和相机的示例县的种子")
    parser.add_argument("--backgrounds", type=Path, help="同一地点、其间没有建设的公有影像的文件夹")
    parser.add_argument("--dates", default="1-6", help="其中用来训练的几期，从 1 数起")
    parser.add_argument("--start", type=Path, help="从这个权重文件（.pt）接着训练")
    return parser.parse_args()


def _scenes(work: Path, way: str, seed: int, rng: np.random.Generator) -> list[Scene]:
    """One county at 2 m and at two other pixel sizes."""
    path = work / f"{way}_{seed}.npz"
    if not path.is_file():
        if way == "aligned":
            county = aligned_county(seed, 1024, work / f"county_{seed}")
            shutil.rmtree(work / f"county_{seed}")
        else:
            county = make_training_county(seed, 1024)
        valid = county.valid if county.valid is not None else np.zeros_like(county.label)
        pixels = {"before": county.before, "after": county.after}
        np.savez(path, **pixels, label=county.label, valid=valid)
    with np.load(path) as held:
        pair = held["before"], held["after"]
        label, valid = held["label"], held["valid"]
    factors = [1.0, *rng.choice(GSD_FACTORS[1:], 2, replace=False).tolist()]
    return [scene_of(pair, label, valid, factor, rng) for factor in factors]


def train(
    network: ConstructionNetwork,
    ground: Ground,
    steps: int,
    rng: np.random.Generator,
    kept: Path,
) -> ConstructionNetwork:
    """The network with its weights averaged over the last few hundred steps; these are kept in a
    file now and then, and at the end."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=1e-4)
    weight = torch.tensor([1.0] + [BUILT_WEIGHT] * (len(CLASSES) - 1))
    mean = {name: value.clone().float() for name, value in network.state_dict().items()}
    windows = Windows(ground, rng)
    for step in range(steps):
        warm = min(1.0, (step + 1) / WARM_UP)
        for group in optimiser.param_groups:
            cosine = 0.5 + 0.5 * math.cos(math.pi * step / steps)
            group["lr"] = PEAK_RATE * warm * cosine + LEAST_RATE
        pixels, label, strength = windows.draw()
        pixels = disturb(pixels, strength, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = network(pixels[:, :4], pixels[:, 4:])
        inner = (slice(None), slice(RIM_PX, -RIM_PX), slice(RIM_PX, -RIM_PX))
        losses = functional.cross_entropy(
            logits.float()[:, :, inner[1], inner[2]], label[inner], weight,
            ignore_index=IGNORED, reduction="none",
        )  # fmt: skip
        windows.remember(losses.detach().sum((1, 2)))
        loss = losses.sum() / (label[inner] != IGNORED).sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        keeps = AVERAGING if step > 400 else 0.97
        for name, value in network.state_dict().items():
            mean[name].mul_(keeps).add_(value.float(), alpha=1 - keeps)
        if step % 100 == 0:
            print(f"{step}/{steps} {loss.item():.4f}", flush=True)
        if step % KEPT_EVERY == KEPT_EVERY - 1:
            torch.save(_as(network, mean), kept)
    network.load_state_dict(_as(network, mean))
    torch.save(network.state_dict(), kept)
    return network


def _as(network: ConstructionNetwork, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The values in the number types of the network's own."""
    own = network.state_dict()
    return {name: value.to(own[name].dtype) for name, value in values.items()}


@dataclass(frozen=True, eq=False)
class Ground:
    """What windows are drawn from: per county or pair its scenes, the finest first."""

    aligned: list[list[Scene]]
    varied: list[list[Scene]]
    real: list[list[Scene]]
    invented: list[list[Scene]]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Where a window came from, to draw it again."""

    scene: Scene
    first_pixel: tuple[int, int]
    is_true: bool
    """Light, air and place as they are delivered: not to be disturbed much."""
    is_real: bool


class Windows:
    """Batches of windows; the ones learned worst come again (hard examples, Shrivastava 2016)."""

    def __init__(self, ground: Ground, rng: np.random.Generator) -> None:
        self._ground, self._rng = ground, rng
        self._hard: list[Drawn] = []
        self._last: list[Drawn] = []

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Windows `(n, 8, y, x)`, labels `(n, y, x)`, strength of the disturbance `(n,)`."""
        rng, pixels, labels, strengths = self._rng, [], [], []
        self._last = []
        for _ in range(BATCH):
            window, label, drawn = self._one()
            if rng.random() < SAME_DATE_SHARE:
                window, label = _same_date(window, label, rng)
            pixels.append(window)
            labels.append(label)
            strengths.append(
                0.25 if rng.random() < 0.75 * drawn.is_true else float(rng.uniform(*STRONG))
            )
            self._last.append(drawn)
        stacked = torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(labels)).long()
        return *stacked, torch.tensor(strengths)

    def _one(self) -> tuple[NDArray[np.float32], NDArray[np.uint8], Drawn]:
        rng = self._rng
        aim: int | tuple[int, int] | None = None
        if len(self._hard) >= LEAST_HARD and rng.random() < HARD_SHARE:
            again = self._hard[rng.integers(len(self._hard))]
            scene, aim, is_true, is_real = (
                again.scene,
                again.first_pixel,
                again.is_true,
                again.is_real,
            )
        elif self._ground.real and (part := rng.random()) < REAL_SHARE:
            pair = self._ground.real[rng.integers(len(self._ground.real))]
            scene, is_real = pair[rng.integers(len(pair))], True
            is_true = bool(rng.random() < 0.5)
        elif self._ground.real and part < REAL_SHARE + INVENTED_SHARE:
            pair = self._ground.invented[rng.integers(len(self._ground.invented))]
            scene, is_true, is_real = pair[rng.integers(len(pair))], False, False
            if rng.random() < INVENTED_AIMED:
                aim = int(rng.choice(INVENTED_CLASSES)) + GONE * int(rng.random() < GONE_SHARE)
        else:
            is_real, is_true = False, bool(rng.random() < ALIGNED_SHARE)
            scene = self._of_county(is_true, 0.75 if is_true else 0.3)
            if rng.random() < AIMED_SHARE:
                is_gone = not is_true and rng.random() < GONE_SHARE
                aim = int(rng.choice(len(AIMS), p=AIMS)) + 1 + GONE * is_gone
        window, label, first_pixel = draw_window(scene, SIDE_PX, rng, aim)
        if is_real:
            if rng.random() < 0.5:
                window = np.concatenate([window[4:], window[:4]])
            set_in(window, label, self._pieces() if rng.random() < SET_IN_SHARE else [], rng)
        return window, label, Drawn(scene, first_pixel, is_true, is_real)

    def _of_county(self, is_aligned: bool, finest_share: float) -> Scene:
        rng = self._rng
        counties = self._ground.aligned if is_aligned else self._ground.varied
        scenes = counties[rng.integers(len(counties))]
        is_finest = rng.random() < finest_share
        return scenes[0] if is_finest else scenes[1 + rng.integers(len(scenes) - 1)]

    def _pieces(self) -> list[Piece]:
        rng, pieces = self._rng, []
        for _ in range(int(rng.integers(1, MOST_PIECES + 1))):
            scene = self._of_county(bool(rng.random() < 0.5), 0.2)
            piece = cut_out(scene, int(rng.choice(len(AIMS), p=AIMS)) + 1, rng)
            if piece is not None:
                pieces.append(piece)
        return pieces

    def remember(self, losses: Tensor) -> None:
        """Keep the two worst windows of the last batch, `losses` `(n,)`."""
        self._hard += [self._last[k] for k in losses.topk(2).indices.tolist()]
        del self._hard[:-MOST_HARD]


def _same_date(
    window: NDArray[np.float32], label: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """One date twice: whatever stands there, nothing was built."""
    date = window[4:] if rng.random() < 0.5 else window[:4]
    nothing = np.where(label == IGNORED, IGNORED, 0).astype(np.uint8)
    return np.concatenate([date, date]), nothing


class _Shipped(nn.Module):
    """Probability of construction as a whole, then per class."""

    def __init__(self, network: ConstructionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        # Written out: ONNX Runtime's own softmax over channels takes longer than the network.
        odds = self.network(before, after).clamp(-20, 20).exp()
        share = odds / odds.sum(1, keepdim=True)
        built = share[:, 1 : 1 + N_BUILT].sum(1, keepdim=True)
        return torch.cat([built, share[:, 1:]], 1).clamp(0, 1)


def write_network(network: ConstructionNetwork, path: Path, training: str) -> None:
    """The network as ONNX with its card inside (`pipeline.change.learned.card`)."""
    network.eval()
    side = CORE_PX + 2 * HALO_PX
    blank = torch.zeros(1, 4, side, side)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        _Shipped(network), (blank, blank), str(path), input_names=["before", "after"],
        output_names=["probability"], opset_version=17, dynamo=False,
    )  # fmt: skip
    classes = ["construction", *CLASSES[1:]]
    card = {
        "format": 1,
        "name": "建设判别网络",
        "classes": classes,
        "thresholds": [0.5] * len(classes),
        "roles": ["blue", "green", "red", "nir"],
        "gsd_min_m": GSD_RANGE_M[0],
        "gsd_max_m": GSD_RANGE_M[1],
        "normalisation": {"kind": "median_mad", "clip": CLIP},
        "core_px": CORE_PX,
        "halo_px": HALO_PX,
        "licence": "与本程序相同",
        "training": training,
    }
    model = onnx.load(str(path))
    entry = model.metadata_props.add()
    entry.key, entry.value = "weipian", json.dumps(card, ensure_ascii=False)
    onnx.save(model, str(path))


if __name__ == "__main__":
    main()
