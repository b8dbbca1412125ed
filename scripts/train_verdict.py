"""Fits the scorecard over construction candidates: `configs/models/construction_verdict.json`.

    PYTHONPATH=. python scripts/train_verdict.py --work FOLDER --backgrounds NAIP
        [--counties 171-180]

Run it whenever the construction network has changed: a card belongs to one network. Candidates are
taken from the product's own comparisons of demo counties, also with larger pixels, and of every two
dates, in both directions, of the real place that the network learned from, as they are and with the
implant script's roofs and yards. Those mostly inside something built are construction; those hardly
touching anything are not; the others are left out. Counties under 100 and implant seeds under 100
never occur here. The same inputs give the same card; finished comparisons in `--work` are kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.features
from numpy.typing import NDArray
from rasterio.enums import Resampling
from scipy.optimize import minimize
from scipy.special import expit
from training_counties import training_seeds

from pipeline.change.construction import BUILT
from pipeline.change.learned.network import parse_network
from pipeline.change.verdict import FigureCard, VerdictCard, scored, size_term
from pipeline.cli.running import tiled_context
from pipeline.config.load import CONSTRUCTION_NETWORK, CONSTRUCTION_VERDICT
from pipeline.config.models import RunConfig
from pipeline.grid import Grid, PixelWindow
from pipeline.io.rasters import read_grid, read_window
from pipeline.io.runs import RunPaths
from pipeline.io.scenes import read_meta
from pipeline.patches.components import Components
from pipeline.stages.candidates import measured_figures
from pipeline.stages.context import StageContext
from pipeline.stages.objects import find_candidates
from pipeline.stages.requests import described_images, with_detector
from pipeline.stages.runner import run_stages

SCRIPTS = Path(__file__).parent
NAIP_BANDS = "red,green,blue,nir"
DATES = 6
"""Those that the construction network learned from."""
FIRST_IMPLANT_SEED = 101
COUNTY_PX, TILE_PX = 2048, 1024
COARSER = (1.0, 1.5, 2.5)
"""Pixel sizes of the counties, in units of their own 2 m."""
LEAST_BUILT, MOST_UNBUILT = 0.5, 0.1
"""Share of a candidate inside something built: from here on it is construction, below it is not."""
N_QUANTILES = 20
PENALTY, SIZE_PENALTY = 3.0, 10.0
"""Of a squared weight, and of one that goes with the pixel size, in units of log-likelihood / 2."""
REAL_WEIGHT = 3.0
"""Candidates on real ground count so many times: the counties have ten times as many, nearly all of
them built."""
DIGITS = 5
Table = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Case:
    """One comparison with its truth."""

    name: str
    before: Path
    after: Path
    truth: Path | None
    layer: str
    bands: str | None


def main() -> None:
    """Compare, measure, fit, write."""
    given = _arguments()
    given.work.mkdir(parents=True, exist_ok=True)
    tables, sizes, truths, weights = [], [], [], []
    for case in (*_counties(given), *_real_pairs(given)):
        figures, pixel_m, share = measure(case, given.work / case.name)
        tables.append(figures)
        sizes.append(np.full(share.size, size_term(pixel_m)))
        truths.append(share)
        weights.append(np.full(share.size, REAL_WEIGHT if case.bands else 1.0))
        print(f"{case.name}: {share.size} candidates, {np.sum(share >= LEAST_BUILT)} built")
    known = (np.concatenate(parts) for parts in (sizes, truths, weights))
    card = fit(tables, *known, _trained_on(given))
    text = json.dumps(card.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n"
    given.out.write_text(text, encoding="utf-8", newline="\n")


def _counties(given: argparse.Namespace) -> Iterator[Case]:
    for seed in training_seeds(given.counties):
        folder = given.work / f"county{seed}_data"
        raw = folder / "raw" / "demo"
        if not (raw / "truth.gpkg").exists():
            words = ["make_demo.py", "--data", folder, "--seed", seed, "--size", COUNTY_PX]
            _script(words)
        for factor in COARSER:
            images = raw if factor == 1 else given.work / f"county{seed}_x{factor:g}_data"
            if factor > 1:
                _with_larger_pixels(raw, images, factor)
            pair = images / "before.tif", images / "after.tif"
            yield Case(f"county{seed}_x{factor:g}", *pair, raw / "truth.gpkg", "changes", None)


def _with_larger_pixels(raw: Path, folder: Path, factor: float) -> None:
    """The county's images and masks on pixels `factor` times as large."""
    if (folder / "meta.yaml").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("before", "after", "before_mask", "after_mask"):
        how = Resampling.mode if name.endswith("mask") else Resampling.average
        with rasterio.open(raw / f"{name}.tif") as source:
            height, width = (round(side / factor) for side in source.shape)
            pixels = source.read(out_shape=(source.count, height, width), resampling=how)
            to_old = source.transform.scale(source.width / width, source.height / height)
            profile = source.profile | {"height": height, "width": width}
            profile["transform"] = source.transform * to_old
            roles = source.descriptions
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as target:
            target.write(pixels)
            target.descriptions = roles
    shutil.copyfile(raw / "meta.yaml", folder / "meta.yaml")


def _real_pairs(given: argparse.Namespace) -> Iterator[Case]:
    """Every two dates in both directions, as they are and with roofs and yards."""
    images = sorted(given.backgrounds.glob("*.tif"))[:DATES]
    for i, j in permutations(range(len(images)), 2):
        before, after = images[i], images[j]
        name = f"pair{i}{j}"
        yield Case(name, before, after, None, "", NAIP_BANDS)
        folder = given.work / f"{name}_implants"
        words = ["implants.py", before, after, "--out", folder]
        _script([*words, "--seed", FIRST_IMPLANT_SEED + i, "--bands", NAIP_BANDS])
        truth = folder / "truth.gpkg"
        yield Case(f"{name}_built", before, folder / "after.tif", truth, "implants", NAIP_BANDS)


def _script(words: list[object]) -> None:
    first, *others = map(str, words)
    subprocess.run(
        [sys.executable, SCRIPTS / first, *others], check=True, stdout=subprocess.DEVNULL
    )


def measure(case: Case, work: Path) -> tuple[Table, float, NDArray[np.float64]]:
    """Figures of the candidates of one comparison, its pixel size in metres, and the share of each
    candidate that was built."""
    bands = tuple(case.bands.split(",")) if case.bands else None
    images = described_images(case.before, case.after, read_meta(case.before.parent), bands)
    before, after = images
    run = RunConfig(run="training", before=before, after=after, settings=with_detector("auto"))
    with tiled_context(2, None, TILE_PX, quiet=True) as start:
        context = start(run, RunPaths(work))
        run_stages(("align", "detect"), context)
        grid = read_grid(context.paths.detect_score, run.gsd_m)
        candidates, levels = find_candidates(context, grid)
        figures = measured_figures(context, grid, candidates, levels)
    share = _built_share(context, grid, candidates, levels, case)
    return figures, grid.pixel_size_m, share


def _built_share(
    context: StageContext,
    grid: Grid,
    candidates: Components,
    levels: NDArray[np.uint8],
    case: Case,
) -> NDArray[np.float64]:
    """Share `(candidate,)` of each candidate, as it will be drawn, inside something built."""
    if case.truth is None:
        return np.zeros(len(candidates))
    truth = gpd.read_file(case.truth, layer=case.layer)
    if "is_construction" in truth:
        truth = truth[truth["is_construction"].astype(bool)]
    shape = grid.height, grid.width
    built = rasterio.features.rasterize(truth.geometry, shape, transform=grid.affine, dtype="uint8")
    whole = PixelWindow(0, grid.height, 0, grid.width)
    plane = read_window(str(context.paths.detect_traces), (BUILT + 1,), whole)[0]
    ids = np.zeros(shape, np.int32)
    for number in range(len(candidates)):
        one = slice(*candidates.run_offsets[number : number + 2])
        for row, col0, col1 in candidates.runs[:, one].T:
            ids[row, col0:col1] = number + 1
    drawn = np.where(plane >= np.append(0, levels)[ids], ids, 0)
    n = np.bincount(drawn.ravel(), minlength=len(candidates) + 1)[1:]
    n_built = np.bincount(drawn[built == 1], minlength=len(candidates) + 1)[1:]
    shares: NDArray[np.float64] = n_built / np.maximum(n, 1)
    return shares


def fit(
    tables: list[Table],
    size: NDArray[np.float64],
    share: NDArray[np.float64],
    counts: NDArray[np.float64],
    trained_on: str,
) -> VerdictCard:
    """The card by penalised logistic regression on normal scores (no draw of lots anywhere); every
    candidate counts as many times as `counts` says."""
    names = list(tables[0])
    values = np.column_stack([np.concatenate([table[name] for table in tables]) for name in names])
    is_clear = (share >= LEAST_BUILT) | (share < MOST_UNBUILT)
    values, built, size = values[is_clear], share[is_clear] >= LEAST_BUILT, size[is_clear]
    counts = counts[is_clear]
    middles = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    quantiles = np.quantile(values, middles, axis=0)
    quantiles = np.array([[float(f"{q:.{DIGITS}g}") for q in row] for row in quantiles])
    columns = zip(values.T, quantiles.T, strict=True)
    scores = np.column_stack([scored(*column) for column in columns])
    terms = np.column_stack([size, scores, scores * size[:, np.newaxis]])
    penalty = np.full(terms.shape[1], SIZE_PENALTY)
    penalty[: len(names) + 1] = PENALTY

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_odds = weights[0] + terms @ weights[1:]
        wrong = counts * (expit(log_odds) - built)
        fall = np.concatenate([[wrong.sum()], terms.T @ wrong + penalty * weights[1:]])
        missed = counts @ np.logaddexp(0, np.where(built, -log_odds, log_odds))
        return float(missed + np.sum(penalty * weights[1:] ** 2) / 2), fall

    start = np.zeros(terms.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    weights, n = [round(float(weight), DIGITS) for weight in found], len(names)
    print(f"{built.sum()} built, {np.sum(~built)} not; loss {loss(found)[0]:.1f}")
    network = parse_network(CONSTRUCTION_NETWORK.read_bytes(), str(CONSTRUCTION_NETWORK))
    return VerdictCard(
        network_sha256=network.digest,
        trained_on=trained_on,
        intercept=weights[0],
        size_weight=weights[1],
        figures=tuple(
            FigureCard(name=name, quantiles=tuple(column), weight=weight, size_weight=by_size)
            for name, column, weight, by_size in zip(
                names, quantiles.T.tolist(), weights[2:][:n], weights[2:][n:], strict=True
            )
        ),
    )


def _trained_on(given: argparse.Namespace) -> str:
    images = sorted(given.backgrounds.glob("*.tif"))[:DATES]
    names = "、".join(path.stem for path in images)
    told = f"demo 示例县（种子 {given.counties}，2、3、5 米像元）的疑似建设对象"
    return f"{told}；NAIP 影像 {names} 两两比对的疑似建设对象，照原样的和嵌入房屋、场地的"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--backgrounds", type=Path, required=True, help="dated images of one place")
    parser.add_argument("--counties", default="171-180")
    parser.add_argument("--out", type=Path, default=CONSTRUCTION_VERDICT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
