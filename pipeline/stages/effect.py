"""`effect`: what a network would change, before anyone switches to it.

On labelled pairs, or on the patches that were judged in a closed run: both detectors go through the
whole product, and every object is told by who finds it. Nothing is switched here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.change.learned.effect import Effect, effect_of
from pipeline.config.models import RunConfig, Settings
from pipeline.io.atomic import replace_text
from pipeline.io.rasters import read_all, read_grid
from pipeline.io.reports import json_text
from pipeline.io.runs import RunPaths
from pipeline.patches.accuracy import PixelCounts, pixel_scores
from pipeline.stages.labelled_pairs import find_pairs, read_label
from pipeline.stages.requests import using_model
from pipeline.stages.train_runs import judged_mask

REPORT_NAME = "effect.json"
ComparePair = Callable[[RunConfig, Path], Any]
"""Brings one comparison in a folder up to date."""


@dataclass(frozen=True)
class EffectReport:
    """Both detectors on the same labels."""

    present_name: str
    effect: Effect
    present: PixelCounts
    other: PixelCounts

    def as_json(self) -> dict[str, Any]:
        """The figures for `effect.json`."""
        return {
            "present_detector": self.present_name,
            "objects": dict(vars(self.effect)),
            "pixels": {
                name: {
                    "f1": _rounded(counts.f1),
                    "precision": _rounded(counts.precision),
                    "recall": _rounded(counts.recall),
                }
                for name, counts in (("present", self.present), ("model", self.other))
            },
        }


def effect_on_labels(
    folder: Path, detectors: Mapping[str, Settings], gsd_m: float | None, out: Path,
    compare_pair: ComparePair,
) -> EffectReport:  # fmt: skip
    """Both detectors on a labelled folder; `detectors` are the settings of `present` and `model`.
    Comparisons lie below `out`, with `effect.json`."""
    total = EffectReport(
        detectors["present"].detect.detector, Effect(), PixelCounts(), PixelCounts()
    )
    pairs = {name: find_pairs(folder, settings, gsd_m) for name, settings in detectors.items()}
    for present, other in zip(pairs["present"], pairs["model"], strict=True):
        masks = []
        for name, pair in (("present", present), ("model", other)):
            place = out / name / pair.name
            compare_pair(pair.run, place)
            masks.append(read_all(place / "change.tif"))
        label = read_label(present, (masks[0].shape[0], masks[0].shape[1]))
        total = EffectReport(
            total.present_name,
            total.effect + effect_of(label, masks[0], masks[1]),
            total.present + pixel_scores(masks[0], label),
            total.other + pixel_scores(masks[1], label),
        )
    replace_text(out / REPORT_NAME, json_text(total.as_json()))
    return total


def effect_on_run(
    config: RunConfig, paths: RunPaths, model: Path, out: Path, compare_pair: ComparePair
) -> EffectReport:
    """Both detectors on the images of a closed run, against what was judged there.

    Both compare the images alone, without issued patches. Only what somebody judged has a label,
    and most of that was found by the present detector: its recall here flatters it. Raises
    `InputError` E-TRAIN-DATA for a run that was not closed.
    """
    label = judged_mask(config, paths, read_grid(paths.align_before, config.gsd_m))
    detect = config.settings.detect.model_copy(update={"detector": "learned"})
    learned = using_model(config.settings.model_copy(update={"detect": detect}), model)
    masks = []
    for name, settings in (("present", config.settings), ("model", learned)):
        alone: dict[str, Any] = {"settings": settings, "county": None, "layers": {}}
        compare_pair(config.model_copy(update=alone), out / name)
        masks.append(read_all(out / name / "change.tif"))
    present, other = masks
    report = EffectReport(
        config.settings.detect.detector,
        effect_of(label, present, other),
        pixel_scores(present, label),
        pixel_scores(other, label),
    )
    changed = {
        name: int(np.count_nonzero(mask == 1))
        for name, mask in (("present", present), ("model", other))
    }
    replace_text(out / REPORT_NAME, json_text(report.as_json() | {"changed_pixels": changed}))
    return report


def described(report: EffectReport) -> list[str]:
    """The table of an effect, in Chinese."""
    told, effect = report.as_json()["pixels"], report.effect
    return [
        f"{'':12}{'现用 ' + report.present_name:>16}{'新模型':>12}",
        *(
            f"{label:12}{_percent(told['present'][key]):>16}{_percent(told['model'][key]):>12}"
            for key, label in (("f1", "F1"), ("precision", "像元精确率"), ("recall", "像元召回率"))
        ),
        f"变化地块 {effect.objects} 个：两者都检出 {effect.found_by_both}，"
        f"只有现用的检出 {effect.only_present}（改用会丢），"
        f"只有新模型检出 {effect.only_other}（改用会多）",
        f"误报地块：现用 {effect.false_present} 个，新模型 {effect.false_other} 个",
        "这里不切换检测器；要改用，在运行配置里写 detect.detector: learned "
        "和 detect.learned.model。",
    ]


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f}%"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
