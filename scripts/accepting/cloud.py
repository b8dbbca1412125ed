"""A township with a stated share of its land under cloud: is its observed share told right?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.features
from shapely.geometry import box

from accepting.product import ROOT, run_command, say, write_report

STAGES = ("intake", "align", "detect", "extract", "overlay")
CLOUD = 2
MAX_ERROR = 0.001
CODE_FIELD, END_FIELD = "XZQDM", "SXRQ"
"""Of the township layer that the demo county's generator writes; the end is empty of what is in
force."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--share", type=float, default=0.3)


def run(given: argparse.Namespace) -> int:
    """The county as delivered, then with more cloud in one date's supplied mask."""
    raw = given.out / "data" / "raw" / "demo"
    words = [ROOT / "scripts" / "make_demo.py", "--data", given.out / "data"]
    run_command([*words, "--seed", str(given.seed), "--size", str(given.size)], given.out / "m.log")
    mask, kept = raw / "before_mask.tif", given.out / "before_mask_as_delivered.tif"
    if kept.is_file():
        mask.write_bytes(kept.read_bytes())
    kept.write_bytes(mask.read_bytes())
    overlay, valid = _run(given)
    seen = _read(valid)[0] == 0
    plain = _ratios(overlay)
    code, township = _township(given.out / "data" / "reference" / "demo" / "xzq.gpkg")
    pixels, transform = _read(mask)
    hidden = _hide(pixels, transform, township, given.share)
    mask_profile = rasterio.open(kept).profile
    with rasterio.open(mask, "w", **mask_profile) as dataset:
        dataset.write(np.where(hidden & (pixels == 0), CLOUD, pixels), 1)
    overlay, valid = _run(given)
    told = _ratios(overlay)
    with rasterio.open(valid) as dataset:
        grid = dataset.transform
    inside = _inside(seen.shape, grid, township)
    frame = box(*rasterio.transform.array_bounds(*seen.shape, grid))
    covered = township.intersection(frame).area / township.area
    expected = covered * (seen & ~hidden)[inside].mean()
    mask.write_bytes(kept.read_bytes())
    others = [abs(told[unit] - plain[unit]) for unit in plain if not unit.startswith(code)]
    report: dict[str, Any] = {
        "township": code,
        "hidden_share": float(hidden[inside].mean()),
        "observed_as_delivered": float(plain[code]),
        "observed_told": float(told[code]),
        "observed_expected": float(expected),
        "error": float(abs(told[code] - expected)),
        "largest_change_elsewhere": float(max(others, default=0.0)),
    }
    report["holds"] = report["error"] <= MAX_ERROR
    write_report(given.out / "cloud30.json", report)
    for key, value in report.items():
        print(f"{key}: {value}")
    return 0 if report["holds"] else 1


def _run(given: argparse.Namespace) -> tuple[Path, Path]:
    options = ["--run", "demo", "--data-dir", given.out / "data", "--config-dir", ROOT / "configs"]
    for stage in STAGES:
        words = ["-m", "pipeline", stage, *options, "--workers", str(given.workers)]
        say(f"{stage}: {run_command(words, given.out / f'{stage}.log'):.0f} s")
    folder = given.out / "data" / "runs" / "demo"
    return folder / "overlay" / "overlay.gpkg", folder / "align" / "valid.tif"


def _ratios(overlay: Path) -> dict[str, float]:
    table = gpd.read_file(overlay, layer="observed")
    return dict(zip(table["unit_code"].astype(str), table["observed_ratio"], strict=True))


def _read(path: Path) -> tuple[np.ndarray, Any]:
    with rasterio.open(path) as dataset:
        return dataset.read(1), dataset.transform


def _township(path: Path) -> tuple[str, Any]:
    """Code and outline of the largest township that no other one overlaps."""
    table = gpd.read_file(path)
    table = table[table[END_FIELD].isna()]
    outlines = list(table.geometry)
    alone = [
        (one.area, str(code), one)
        for k, (one, code) in enumerate(zip(outlines, table[CODE_FIELD], strict=True))
        if all(one.intersection(other).area < 1.0 for j, other in enumerate(outlines) if j != k)
    ]
    _, code, outline = max(alone, key=lambda entry: entry[0])
    return code, outline


def _inside(shape: tuple[int, int], transform: Any, outline: Any) -> np.ndarray:
    return rasterio.features.geometry_mask([outline], shape, transform, invert=True)


def _hide(pixels: np.ndarray, transform: Any, outline: Any, share: float) -> np.ndarray:
    """The stated share of the township's pixels, cut off by a slanting line."""
    inside = _inside(pixels.shape, transform, outline)
    rows, cols = np.nonzero(inside)
    order = np.argsort(2 * rows + cols, kind="stable")[: round(share * rows.size)]
    hidden = np.zeros(pixels.shape, bool)
    hidden[rows[order], cols[order]] = True
    return hidden
