"""`evaluate`: the product's own `compare` on labelled pairs, against their labels.

A labelled pair is a folder with `before.tif`, `after.tif`, `label.tif` (0 unchanged, 1 changed, 255
not labelled) and optionally `meta.yaml`; a chip set has the folders `A`, `B` and `label` with equal
file names. Labels are read after the comparison is finished and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.models import ImageInput, RunConfig, Settings
from pipeline.errors import Finding, InputError
from pipeline.io.atomic import replace_text
from pipeline.io.rasters import open_raster, read_all
from pipeline.io.reports import json_text
from pipeline.io.scenes import read_meta
from pipeline.patches.accuracy import PatchScores, PixelCounts, patch_scores, pixel_scores
from pipeline.stages.compare import Comparison

REPORT_NAME = "evaluate.json"
CHIP_SUFFIXES = (".png", ".tif", ".tiff", ".jpg")
CHIP_CHANGED = 255
NOT_LABELLED = 255
UNIT_GSD_M = 1.0
"""Stands for the unknown pixel size of chips without CRS; only the minimum patch size needs it."""


@dataclass(frozen=True)
class LabelledPair:
    """One pair with its label."""

    name: str
    run: RunConfig
    label: Path
    changed_value: int
    """Label value of changed pixels: 1, or 255 in chip sets that know only 0 and 255."""


@dataclass(frozen=True)
class Evaluation:
    """Figures over all pairs of a data set."""

    pixels: PixelCounts
    patches: PatchScores

    def as_json(self) -> dict[str, Any]:
        """The keys outside tests rely on (DESIGN §10)."""
        pixels, patches = self.pixels, self.patches
        return {
            "kappa": _rounded(pixels.kappa),
            "f1": _rounded(pixels.f1),
            "precision": _rounded(pixels.precision),
            "recall": _rounded(pixels.recall),
            "n": pixels.n,
            "unobserved": pixels.unobserved,
            "patch": {
                "recall": _rounded(patches.recall),
                "precision": _rounded(patches.precision),
                "f1": _rounded(patches.f1),
                "n_truth": patches.n_truth,
                "n_predicted": patches.n_predicted,
                "n_not_judged": patches.n_not_judged,
            },
        }


def find_pairs(data: Path, settings: Settings, gsd_m: float | None) -> list[LabelledPair]:
    """The labelled pairs in a folder. Raises `InputError` if there are none."""
    meta = read_meta(data)
    stated_gsd_m = gsd_m or meta.gsd_m
    if (data / "label.tif").is_file():
        before = ImageInput(path=str(data / "before.tif"), date=meta.before_date)
        after = ImageInput(path=str(data / "after.tif"), date=meta.after_date)
        run = _run_config(data.name, before, after, settings, stated_gsd_m)
        return [LabelledPair(data.name, run, data / "label.tif", 1)]
    labels = [
        path for path in sorted((data / "label").glob("*")) if path.suffix.lower() in CHIP_SUFFIXES
    ]
    if not labels:
        raise InputError(
            Finding(
                "E-FILE-MISSING",
                "这个文件夹里没有可评价的数据。",
                where=str(data),
                allowed="before.tif、after.tif、label.tif，或 A/、B/、label/ 三个同名影像文件夹",
                advice="检查 DATA= 给出的路径。",
            )
        )
    changed_value = CHIP_CHANGED if _is_two_valued(labels) else 1
    pairs = []
    for label in labels:
        before, after = (ImageInput(path=str(data / date / label.name)) for date in ("A", "B"))
        run = _run_config(label.stem, before, after, settings, stated_gsd_m or UNIT_GSD_M)
        pairs.append(LabelledPair(label.stem, run, label, changed_value))
    return pairs


def evaluate(
    pairs: list[LabelledPair],
    out: Path,
    compare_pair: Callable[[RunConfig, Path], Comparison],
    progress: Callable[[int, int], None],
) -> Evaluation:
    """Compare every pair below `out` and add up the figures; writes `evaluate.json`."""
    total = Evaluation(PixelCounts(), PatchScores())
    for done, pair in enumerate(pairs, start=1):
        folder = out if len(pairs) == 1 else out / pair.name
        compare_pair(pair.run, folder)
        predicted = read_all(folder / "change.tif")
        label = _read_label(pair.label, predicted.shape, pair.changed_value)
        total = Evaluation(
            total.pixels + pixel_scores(predicted, label),
            total.patches + patch_scores(predicted, label),
        )
        progress(done, len(pairs))
    replace_text(out / REPORT_NAME, json_text(total.as_json()))
    return total


def _run_config(
    name: str, before: ImageInput, after: ImageInput, settings: Settings, gsd_m: float | None
) -> RunConfig:
    """A run for one pair; a stated pixel size counts only where there is no CRS to give one."""
    run = "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-")[:40]
    with open_raster(before.path) as dataset:
        needed = None if dataset.crs else gsd_m
    return RunConfig(
        run=run or "evaluate", before=before, after=after, settings=settings, gsd_m=needed
    )


def _is_two_valued(labels: list[Path]) -> bool:
    """Whether a whole set of labels knows only 0 and 255, and 255 is not declared nodata."""
    for path in labels:
        with open_raster(path) as dataset:
            if dataset.nodata == CHIP_CHANGED:
                return False
        if np.setdiff1d(read_all(path), (0, CHIP_CHANGED)).size:
            return False
    return True


def _read_label(path: Path, shape: tuple[int, ...], changed_value: int) -> NDArray[np.uint8]:
    """Label values 0, 1, 255 (not labelled). Raises `InputError` E-LABEL-GRID on another size."""
    label = read_all(path)
    if label.shape != shape:
        raise InputError(
            Finding(
                "E-LABEL-GRID",
                "标注的行列数与变化前影像不同。",
                where=str(path),
                value=f"{label.shape[0]} × {label.shape[1]}",
                allowed=f"{shape[0]} × {shape[1]}",
                advice="标注必须与变化前影像逐像元对应。",
            )
        )
    values: NDArray[np.uint8] = (label == changed_value).astype(np.uint8)
    if changed_value != NOT_LABELLED:
        values[label == NOT_LABELLED] = NOT_LABELLED
    return values


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
