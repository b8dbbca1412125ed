"""`evaluate`: the product's own `compare` on labelled pairs, against their labels.

A labelled pair is a folder with `before.tif`, `after.tif`, `label.tif` (0 unchanged, 1 changed, 255
not labelled) and optionally `meta.yaml`; a chip set has the folders `A`, `B` and `label` with equal
file names. Labels are read after the comparison is finished and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.load import CHANGE_KIND_CODES, load_codes
from pipeline.config.models import ImageInput, RunConfig, Settings
from pipeline.errors import Finding, InputError
from pipeline.io.atomic import replace_text
from pipeline.io.rasters import open_raster, read_all, read_grid
from pipeline.io.reports import json_text
from pipeline.io.scenes import read_meta
from pipeline.io.truth import TRUTH_FILE, rasterise, read_truth
from pipeline.io.vectors import read_layer
from pipeline.patches.accuracy import PatchScores, PixelCounts, patch_scores, pixel_scores
from pipeline.patches.planted import (
    FOUND_SHARE,
    LOW_CONTRAST_SIGMA,
    MIN_AREA_M2,
    CaseResult,
    PlantedScores,
    Share,
    case_results,
    planted_scores,
)
from pipeline.schema.layers import PATCHES, SCREENED
from pipeline.stages.compare import Comparison
from pipeline.stages.requests import described_images

REPORT_NAME = "evaluate.json"
DEMO_MASKS = ("before_mask.tif", "after_mask.tif")
"""Names of the supplied validity masks in a demo county's folder."""
CHIP_SUFFIXES = (".png", ".tif", ".tiff", ".jpg")
CHIP_CHANGED = 255
NOT_LABELLED = 255
TRUTH_DEFINITIONS = {
    "likely": "变化类别为建设类（is_construction=1）或未知的图斑",
    "recall": f"可观测、面积不小于 {MIN_AREA_M2:g} 平方米的真实建设中，"
    f"被上述图斑合并覆盖不低于 {FOUND_SHARE:.0%} 的比例",
    "precision": f"面积不小于 {MIN_AREA_M2:g} 平方米的上述图斑中，"
    f"不低于 {FOUND_SHARE:.0%} 的面积落在真实建设（不论大小）内的比例",
    "low_contrast": f"真值 contrast_sigma 低于 {LOW_CONTRAST_SIGMA:g} 的真实建设",
}
"""What the figures mean, kept beside them in the report."""
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
        before, after = described_images(data / "before.tif", data / "after.tif", meta)
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


@dataclass(frozen=True)
class TruthEvaluation:
    """Figures of a demo county against what was planted there."""

    pixels: PixelCounts
    """Construction-like against planted construction, on observed land."""
    planted: PlantedScores
    cases: Sequence[CaseResult] | None
    """Outcome per planted case; None if no screened patches were given."""

    def as_json(self) -> dict[str, Any]:
        """The keys outside tests rely on (DESIGN §10), and what only a truth file can tell."""
        pixels, planted = self.pixels, self.planted
        told: dict[str, Any] = {
            "kappa": _rounded(pixels.kappa),
            "f1": _rounded(pixels.f1),
            "precision": _rounded(pixels.precision),
            "recall": _rounded(pixels.recall),
            "n": pixels.n,
            "unobserved": pixels.unobserved,
            "patch": {
                "recall": _rounded(planted.recall.ratio),
                "precision": _rounded(planted.precision.ratio),
                "f1": _rounded(planted.f1),
                "n_truth": planted.recall.whole,
                "n_found": planted.recall.part,
                "n_predicted": planted.precision.whole,
                "n_correct": planted.precision.part,
                "min_area_m2": MIN_AREA_M2,
                "low_contrast": {
                    "below_sigma": LOW_CONTRAST_SIGMA,
                    "n_truth": planted.low_contrast_recall.whole,
                    "share": _rounded(
                        Share(planted.low_contrast_recall.whole, planted.recall.whole).ratio
                    ),
                    "recall": _rounded(planted.low_contrast_recall.ratio),
                },
                "missed": list(planted.missed),
                "definitions": TRUTH_DEFINITIONS,
            },
        }
        if self.cases is not None:
            told["cases"] = {
                "hits": sum(case.is_hit for case in self.cases),
                "total": len(self.cases),
                "issued_hits": sum(case.is_hit for case in self.cases if case.is_issued),
                "issued_total": sum(case.is_issued for case in self.cases),
                "kinds": len({case.case_id for case in self.cases}),
                "kinds_hit": len({case.case_id for case in self.cases if case.is_hit}),
                "rows": [asdict(case) | {"is_hit": case.is_hit} for case in self.cases],
            }
        return told


def has_truth(data: Path) -> bool:
    """Whether a folder is a demo county with planted changes rather than a labelled pair."""
    return (data / TRUTH_FILE).is_file()


def evaluate_truth(
    data: Path,
    out: Path,
    compare_pair: Callable[[RunConfig, Path], Comparison],
    settings: Settings,
    screened: Path | None = None,
) -> TruthEvaluation:
    """Compare the pair of a demo folder into `out`, without issued patches, and judge the patches
    reported as construction (or of unknown kind) by `truth.gpkg`; writes `evaluate.json`.

    `screened` is the `screened.gpkg` of a run of the same county, for the outcome per case. Truth
    is read after the comparison is finished. Raises `InputError` for a truth file in another CRS.
    """
    meta = read_meta(data)
    masks = [path if path.is_file() else None for path in (data / name for name in DEMO_MASKS)]
    before, after = described_images(
        data / "before.tif", data / "after.tif", meta, masks=(masks[0], masks[1])
    )
    compare_pair(_run_config("truth", before, after, settings, meta.gsd_m), out)
    truth = read_truth(data / TRUTH_FILE)
    patches = read_layer(out / "patches.gpkg", PATCHES)
    likely = patches[patches["change_kind"].isin(_construction_like())]
    if truth.crs != likely.crs:
        raise _other_crs(data / TRUTH_FILE, truth.crs, likely.crs)
    grid = read_grid(out / "change.tif")
    predicted = rasterise(likely.geometry.to_numpy(), grid)
    predicted[read_all(out / "change.tif") == NOT_LABELLED] = NOT_LABELLED
    label = rasterise(truth.geometry[truth["is_construction"]].to_numpy(), grid)
    cases = None if screened is None else case_results(truth, read_layer(screened, SCREENED))
    result = TruthEvaluation(pixel_scores(predicted, label), planted_scores(truth, likely), cases)
    replace_text(out / REPORT_NAME, json_text(result.as_json()))
    return result


def _construction_like() -> list[str]:
    """Codes of change kinds that are construction, or of which that is not known."""
    table = load_codes(CHANGE_KIND_CODES)
    return [code for code, told in table.attributes.items() if told["is_construction"] in ("1", "")]


def _other_crs(path: Path, found: Any, expected: Any) -> InputError:
    return InputError(
        Finding(
            "E-LABEL-GRID",
            "真值与影像的坐标系不同。",
            where=str(path),
            value=str(found and found.name),
            allowed=str(expected and expected.name),
            advice="真值必须与变化前影像同一坐标系。",
        )
    )


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
