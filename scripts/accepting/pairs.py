"""The same pair the other way round."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import shapely
from scipy import ndimage
from shapely.geometry import shape

from accepting.product import compare, say, write_report

CHANGED = 5000
"""Stored score of probability one half: the threshold."""
UNOBSERVED = 65535
SAME_IOU, MIN_SHARE = 0.9, 0.95


def add_swap_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--bands", help="as for compare")
    parser.add_argument("--gsd", help="as for compare")
    parser.add_argument(
        "--frame",
        choices=("before", "held"),
        default="before",
        help="whose positions stand: each run's own before image, or the same image both times",
    )
    parser.add_argument("--min-area", type=float, default=400.0, help="of raw patches, m2")


def run_swap(given: argparse.Namespace) -> int:
    """Both ways, scores and raw patches compared; writes `swap.json`."""
    options = ["--workers", str(given.workers), "--detector", given.detector]
    options += ["--bands", given.bands] if given.bands else []
    options += ["--gsd", given.gsd] if given.gsd else []
    # What a meta.yaml says of before.tif and after.tif (masks, dates) would hold one way only.
    one, two = (given.out / name for name in ("one.tif", "two.tif"))
    shutil.copyfile(given.before, one)
    shutil.copyfile(given.after, two)
    ways = {"forth": (one, two), "back": (two, one)}
    for name, pair in ways.items():
        is_held = name == "back" and given.frame == "held"
        way = [*options, "--reference", "after"] if is_held else options
        say(f"{name}: {compare(*pair, given.out / name, way):.0f} s")
    forth, back = (_score(given.out / name / "work" / "detect" / "score.tif") for name in ways)
    report: dict[str, Any] = {"is_one_grid": forth[1:] == back[1:]}
    if report["is_one_grid"]:
        report |= _differences(forth[0], back[0])
    raw = [_raw_patches(*one, given.min_area) for one in (forth, back)]
    if given.frame == "before":
        raw[1] = _moved_back(raw[1], given.out / "forth", forth[1])
    report |= {"n_forth": len(raw[0]), "n_back": len(raw[1])}
    shares = [_matched(raw[0], raw[1]), _matched(raw[1], raw[0])]
    report["matched"] = [round(share, 4) for share in shares]
    is_same = report.get("score_max_difference") == 0
    report["holds"] = is_same or min(shares) >= MIN_SHARE
    write_report(given.out / "swap.json", report)
    for key, value in report.items():
        print(f"{key}: {value}")
    return 0 if report["holds"] else 1


def _score(path: Path) -> tuple[np.ndarray, tuple[float, ...], tuple[int, ...]]:
    with rasterio.open(path) as dataset:
        return dataset.read(1), tuple(dataset.transform)[:6], dataset.shape


def _moved_back(outlines: np.ndarray, forth: Path, transform: tuple[float, ...]) -> np.ndarray:
    """Outlines on the other image's pixels, moved to where the first image shows the same."""
    fit = json.loads((forth / "work" / "align" / "fit.json").read_text(encoding="utf-8"))
    found = fit["registration"]
    step = -found["shift_col_px"] * transform[0], -found["shift_row_px"] * transform[4]
    return shapely.transform(outlines, lambda points: points + np.array(step))


def _differences(forth: np.ndarray, back: np.ndarray) -> dict[str, Any]:
    seen = (forth != UNOBSERVED) & (back != UNOBSERVED)
    apart = np.abs(forth.astype(int) - back.astype(int))[seen]
    return {
        "observed_differently": int(((forth != UNOBSERVED) != (back != UNOBSERVED)).sum()),
        "score_equal_share": float((apart == 0).mean()),
        "score_max_difference": int(apart.max()),
        "crossing_threshold": int(((forth >= CHANGED) != (back >= CHANGED))[seen].sum()),
    }


def _raw_patches(
    score: np.ndarray, transform: tuple[float, ...], _shape: tuple[int, ...], min_area_m2: float
) -> np.ndarray:
    """Outlines of 4-connected pixels at or above the threshold, before any filter."""
    labels, n = ndimage.label((score >= CHANGED) & (score != UNOBSERVED))
    pixel_m2 = abs(transform[0] * transform[4])
    counts = np.bincount(labels.ravel(), minlength=n + 1) * pixel_m2
    labels[(counts < min_area_m2)[labels]] = 0
    affine = rasterio.Affine(*transform)
    return np.array(
        [
            shape(outline)
            for outline, _ in rasterio.features.shapes(
                labels.astype(np.int32), labels > 0, 4, affine
            )
        ],
        dtype=object,
    )


def _matched(ones: np.ndarray, others: np.ndarray) -> float:
    """Share of outlines that have a partner at the required intersection over union."""
    if not len(ones):
        return 1.0
    tree = shapely.STRtree(others)
    n = 0
    for outline in ones:
        near = others[tree.query(outline, predicate="intersects")]
        if near.size:
            inside = shapely.area(shapely.intersection(near, outline))
            n += bool((inside / (shapely.area(near) + outline.area - inside)).max() >= SAME_IOU)
    return n / len(ones)
