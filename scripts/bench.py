"""Alternating benchmarks: our whole jobs against others', as whole processes.

    python scripts/bench.py BEFORE AFTER [--truth TRUTH] [--rounds 3] [--work FOLDER]
    python scripts/bench.py overlay GENERATOR [--parcels N] [--patches N] [--rounds 3]

The second form is `overlay_bench`: the overlay against geopandas, GENERATOR being the path of a
script that writes the layers. The first one compares with Orfeo ToolBox's single-pass MAD; it
prints the median wall time, CPU time and peak memory of each command, and their ratios pair by
pair; with a truth raster (1 = changed) also the AUC of the stored score, and of a run whose
statistics are found on all pixels instead of the sample. OTB is skipped if it is not installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import overlay_bench
import rasterio

ROOT = Path(__file__).resolve().parents[1]
RUN_YAML = """\
run: bench
before: {{path: "{before}"}}
after: {{path: "{after}"}}
settings:
  detect:
    sample: {{blocks_per_side: {blocks}, target_pixels: {target}}}
"""


def timed(command: list[str]) -> tuple[float, float, float]:
    """Wall s, CPU s and peak MiB of one process; stops if it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"exit status {status}: {' '.join(command)}")
    wall = time.perf_counter() - started
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def auc(score: Path, truth: Path) -> float:
    """Area under the ROC curve of the stored score over observed pixels, ties shared."""
    with rasterio.open(score) as s, rasterio.open(truth) as t:
        values, labels = s.read(1).ravel(), t.read(1).ravel()
    seen = values != 65535
    changed = np.bincount(values[seen & (labels == 1)], minlength=65536).astype(float)
    unchanged = np.bincount(values[seen & (labels == 0)], minlength=65536).astype(float)
    below = np.cumsum(unchanged) - unchanged
    return float((changed * (below + unchanged / 2)).sum() / (changed.sum() * unchanged.sum()))


def stage_run(work: Path, before: Path, after: Path, blocks: int, target: int) -> list[str]:
    """Write a run configuration; returns the command that runs its stages 2-4."""
    (work / "configs" / "runs").mkdir(parents=True, exist_ok=True)
    text = RUN_YAML.format(before=before, after=after, blocks=blocks, target=target)
    (work / "configs" / "runs" / "bench.yaml").write_text(text, encoding="utf-8")
    options = ["--data-dir", str(work / "data"), "--config-dir", str(work / "configs")]
    return [sys.executable, "-m", "pipeline", "run", "--run", "bench", *options]


def overlay_main(arguments: list[str]) -> None:
    """Options of the overlay's benchmark."""
    parser = argparse.ArgumentParser(description=overlay_bench.__doc__)
    parser.add_argument("generator", type=Path)
    parser.add_argument("--parcels", type=int, default=200_000)
    parser.add_argument("--patches", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("data/runs/bench_overlay"))
    o = parser.parse_args(arguments)
    overlay_bench.compare(o.generator, o.work.resolve(), o.parcels, o.patches, o.rounds)


def main() -> None:
    if sys.argv[1:2] == ["overlay-job"]:
        return overlay_bench.child(sys.argv[2], Path(sys.argv[3]))
    if sys.argv[1:2] == ["overlay"]:
        return overlay_main(sys.argv[2:])
    return raster_main()


def raster_main() -> None:
    """The change detection's benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("data/runs/bench"))
    options = parser.parse_args()
    before, after, work = (p.resolve() for p in (options.before, options.after, options.work))
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run = stage_run(work, before, after, 8, 2_000_000)
    score = work / "data" / "runs" / "bench" / "detect" / "score.tif"
    commands = {"stages 2-4 (align, detect, extract)": run}
    detect = [word if word != "run" else "detect" for word in run]
    commands["stage 3 alone (IR-MAD job on the aligned pair)"] = detect
    otb = shutil.which("otbcli_MultivariateAlterationDetector")
    if otb:
        mad = ["-in1", str(before), "-in2", str(after), "-out", str(work / "mad.tif"), "float"]
        commands["OTB MultivariateAlterationDetector"] = [otb, *mad]
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    timed(run)  # compiles the kernels and fills the page cache
    for _ in range(options.rounds):
        for name, command in commands.items():
            if command is run:
                shutil.rmtree(work / "data", ignore_errors=True)
            elif command is detect:
                shutil.rmtree(score.parent)
            results[name].append(timed(command))
    for name, rows in results.items():
        wall, cpu, peak = (statistics.median(row[k] for row in rows) for k in range(3))
        spread = f"{min(r[0] for r in rows):.2f}-{max(r[0] for r in rows):.2f}"
        print(f"{name:50s} wall {wall:6.2f} s [{spread}]  cpu {cpu:6.2f} s  peak {peak:5.0f} MiB")
    if otb:
        reference = [row[0] for row in results["OTB MultivariateAlterationDetector"]]
        for name in list(commands)[:2]:
            ratios = [row[0] / r for row, r in zip(results[name], reference, strict=True)]
            print(f"ratio of wall times to OTB, {name}: {statistics.median(ratios):.3f}")
    if options.truth:
        sampled = auc(score, options.truth)
        shutil.rmtree(work / "data")
        timed(stage_run(work, before, after, 1024, 10**9))
        full = auc(score, options.truth)
        print(f"AUC sampled {sampled:.5f}, all pixels {full:.5f}, difference {sampled - full:+.5f}")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
