"""All detectors on all given pairs: one protocol, one table.

    python scripts/detector_table.py --out OUT DATA… [--detectors irmad,cva,…]

DATA is a folder of a labelled pair or chip set as for `evaluate` (kappa, F1, precision and recall
of `change.tif`, AUC of the stored score without any threshold), or two images `BEFORE,AFTER`
without labels: then what can be said without them: the changed share, and by how much the map
differs from that of the swapped pair (share of pixels changed in one of the two only, relative to
those changed in either). Defaults of the product throughout; a detector that does not apply is
left out with its reason. Writes `detectors.csv` and prints it as a table.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

COLUMNS = (
    "data", "detector", "kappa", "f1", "precision", "recall", "auc", "calibration_error",
    "changed_share", "swap_difference", "seconds", "why_not",
)  # fmt: skip
UNTRAINED = "irmad,cva,sfa,texture,ensemble"


def main() -> None:
    parser = argparse.ArgumentParser(description="各检测器在各数据上的同口径对照表")
    parser.add_argument("data", nargs="+", help="带标注的文件夹，或“前时相,后时相”两个影像文件")
    parser.add_argument("--detectors", default=UNTRAINED)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bands", help="无标注影像的波段角色，同 compare")
    parser.add_argument("--workers", default="2")
    given = parser.parse_args()
    rows = []
    for number, data in enumerate(given.data):
        for detector in given.detectors.split(","):
            folder = given.out / f"{number:02d}_{detector}"
            started = time.monotonic()
            row = measured(data, detector, folder, given)
            row["seconds"] = f"{time.monotonic() - started:.1f}"
            rows.append(row)
            print("  ".join(f"{key}={row[key]}" for key in COLUMNS if row.get(key)), flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "detectors.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def measured(data: str, detector: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """One row of the table."""
    common = ["--detector", detector, "--workers", given.workers]
    images = data.split(",")
    if len(images) == 1:
        row: dict[str, Any] = {"data": Path(data).name, "detector": detector}
        failed = product("evaluate", data, "--out", str(folder), *common)
        return row | (failed or labelled_figures(folder))
    before, after = images
    row = {"data": f"{Path(before).stem}→{Path(after).stem}", "detector": detector}
    bands = ["--bands", given.bands] if given.bands else []
    for name, pair in (("forth", (before, after)), ("back", (after, before))):
        failed = product("compare", *pair, "--out", str(folder / name), *bands, *common)
        if failed:
            return row | failed
    return row | unlabelled_figures(folder)


def product(*arguments: str) -> dict[str, str] | None:
    """Run the product; None, or why it refused."""
    command = [sys.executable, "-m", "pipeline", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.startswith("[")]
    return {"why_not": (lines or [f"exit {done.returncode}"])[0]}


def labelled_figures(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "evaluate.json").read_text(encoding="utf-8"))
    row = {key: rounded(found.get(key)) for key in ("kappa", "f1", "precision", "recall", "auc")}
    curve = found.get("reliability") or {}
    return row | {"calibration_error": rounded(curve.get("expected_error"))}


def unlabelled_figures(folder: Path) -> dict[str, Any]:
    """Needs both directions on one grid: pairs whose images lie on other grids have no swap."""
    forth, back = (read(folder / name / "change.tif") for name in ("forth", "back"))
    row: dict[str, Any] = {
        "changed_share": rounded(float((forth == 1).sum() / (forth != 255).sum()))
    }
    if forth.shape == back.shape:
        seen = (forth != 255) & (back != 255)
        either = ((forth == 1) | (back == 1)) & seen
        differs = ((forth == 1) != (back == 1)) & seen
        row["swap_difference"] = rounded(float(differs.sum() / max(either.sum(), 1)))
    return row


def read(path: Path) -> np.ndarray[Any, Any]:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
