"""Construction candidates with their truth, from the product's own comparisons.

What `train_verdict` learns from: demo counties, also with larger pixels, and every two dates, in
both directions, of a real place on which nothing was built, as they are and with the implant
script's roofs and yards. Counties under 100 and implant seeds under 100 never occur here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from unittest import mock

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.features
from accepting.naip import dated_images
from numpy.typing import NDArray
from rasterio.enums import Resampling
from training_counties import training_seeds

from pipeline.change.construction import BUILT
from pipeline.cli.running import tiled_context
from pipeline.config.models import RunConfig
from pipeline.grid import Grid, PixelWindow
from pipeline.io.rasters import read_grid, read_window
from pipeline.io.runs import RunPaths
from pipeline.io.scenes import read_meta
from pipeline.patches.components import Components
from pipeline.stages import catalogue, construction
from pipeline.stages.candidates import measured_figures
from pipeline.stages.context import StageContext
from pipeline.stages.objects import find_candidates
from pipeline.stages.requests import described_images, with_detector
from pipeline.stages.runner import run_stages

SCRIPTS = Path(__file__).parent
NAIP_BANDS = "red,green,blue,nir"
FIRST_IMPLANT_SEED = 101
COUNTY_PX, TILE_PX = 2048, 1024
COARSER = (1.0, 1.5, 2.5)
"""Pixel sizes of the counties, in units of their own 2 m."""
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


def counties(seeds: str, work: Path) -> Iterator[Case]:
    """The counties as they are and with larger pixels."""
    for seed in training_seeds(seeds):
        folder = work / f"county{seed}_data"
        raw = folder / "raw" / "demo"
        if not (raw / "truth.gpkg").exists():
            words = ["make_demo.py", "--data", folder, "--seed", seed, "--size", COUNTY_PX]
            _script(words)
        for factor in COARSER:
            images = raw if factor == 1 else work / f"county{seed}_x{factor:g}_data"
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


def real_pairs(backgrounds: Path, dates: Sequence[int], work: Path) -> Iterator[Case]:
    """Every two of the dates (from 1) in both directions, as they are and with roofs and yards."""
    images = dated_images(backgrounds, dates)
    numbered = ((date - 1, image) for date, image in zip(dates, images, strict=True))
    for (i, before), (j, after) in permutations(numbered, 2):
        name = f"pair{i}{j}"
        yield Case(name, before, after, None, "", NAIP_BANDS)
        folder = work / f"{name}_implants"
        words = ["implants.py", before, after, "--out", folder]
        _script([*words, "--seed", FIRST_IMPLANT_SEED + i, "--bands", NAIP_BANDS])
        truth = folder / "truth.gpkg"
        yield Case(f"{name}_built", before, folder / "after.tif", truth, "implants", NAIP_BANDS)


def _script(words: list[object]) -> None:
    first, *others = map(str, words)
    subprocess.run(
        [sys.executable, SCRIPTS / first, *others], check=True, stdout=subprocess.DEVNULL
    )


@contextmanager
def using(network: Path) -> Iterator[None]:
    """Within it the product's construction network is another one."""
    with ExitStack() as changed:
        for module in (construction, catalogue):
            changed.enter_context(mock.patch.object(module, "CONSTRUCTION_NETWORK", network))
        yield


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
