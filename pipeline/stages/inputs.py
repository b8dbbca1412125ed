"""What more than one stage reads: the run's pair, and a sample of the aligned pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.change.sample import (
    LatticeStep,
    PairSample,
    SampleParams,
    count_sampled,
    join_samples,
    sample_plan,
    take_sample,
)
from pipeline.config.models import ImageInput, RunConfig
from pipeline.errors import Finding, InputError
from pipeline.grid import Grid, Tile
from pipeline.imagery.validity import CLOUD, NODATA, SATURATED, SHADOW, UNREGISTERED, VALID
from pipeline.io.pairs import ImagePair, ImageRequest, open_pair
from pipeline.io.runs import RunPaths
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.stages.context import StageContext

MIN_SAMPLE_PIXELS = 256
"""Fewer common pixels than this carry no statistics."""
DATE_CODES = {NODATA: "无数据", CLOUD: "云", SHADOW: "云影", SATURATED: "过饱和"}
"""What hides a pixel of one date, in the words of the findings."""
PAIR_CODES = {UNREGISTERED: "对不上"}
BOTH = "两期"


def open_run_pair(run: RunConfig) -> ImagePair:
    """The two images of a run."""
    reference = run.settings.align.reference
    return open_pair(_request(run.before), _request(run.after), run.gsd_m, reference)


def _request(image: ImageInput) -> ImageRequest:
    date = None if image.date is None else image.date.isoformat()
    mask = None if image.mask is None else Path(image.mask)
    return ImageRequest(Path(image.path), image.bands, date, mask)


def aligned_sources(paths: RunPaths, n_bands: int) -> dict[str, Source]:
    """The aligned pair and its validity as tile sources."""
    bands = tuple(range(1, n_bands + 1))
    return {
        "before": Source(str(paths.align_before), bands),
        "after": Source(str(paths.align_after), bands),
        "valid": Source(str(paths.align_valid), (1,)),
    }


def read_sample(
    context: StageContext, grid: Grid, n_bands: int, params: SampleParams
) -> PairSample:
    """The seeded sample of an aligned pair. Raises `InputError` if too small."""
    blocks, step = sample_plan(grid.height, grid.width, params)
    job = TileJob(take_sample, aligned_sources(context.paths, n_bands), step)
    progress = context.progress("抽取统计样本")
    parts = [
        part
        for _, output in run_tiles(job, blocks, context.tiled, progress)
        for _, part in output.partials
    ]
    sample = join_samples(parts)
    if sample.before.shape[1] < MIN_SAMPLE_PIXELS:
        raise _too_few(context, grid, blocks, step)
    return sample


def _too_few(
    context: StageContext, grid: Grid, blocks: list[Tile], step: LatticeStep
) -> InputError:
    """What hid the pixels: mostly it is not what people think their images lack."""
    paths = context.paths
    files = {BOTH: paths.align_valid, "变化前": paths.align_valid_before}
    files["变化后"] = paths.align_valid_after
    sources = {label: Source(str(path), (1,)) for label, path in files.items() if path.is_file()}
    job = TileJob(count_sampled, sources, step)
    outputs = run_tiles(job, blocks, context.local, lambda done, total: None)
    parts = [part for _, output in outputs for _, part in output.partials]
    counts = {label: np.sum([part[label] for part in parts], axis=0) for label in sources}
    looked_at, seen = int(counts[BOTH].sum()), int(counts[BOTH][VALID])
    whole = "影像共" if looked_at == grid.width * grid.height else "抽查"
    told = [f"{whole} {looked_at} 个像元，两期都有数据的 {seen} 个"]
    for label, found in counts.items():
        codes = PAIR_CODES if label == BOTH else DATE_CODES
        told += [f"{label}{codes[code]} {found[code]} 个" for code in codes if found[code]]
    return InputError(
        Finding(
            "E-RASTER-EMPTY",
            "两期影像都有数据的像元太少，无法统计。",
            value="；".join(told),
            allowed=f"两期都有数据的至少 {MIN_SAMPLE_PIXELS} 个",
            advice="核对两期影像是否真的覆盖同一地方，以及无效值、云掩膜和配准残差；"
            "没有声明无效值时，从影像边缘起的 0（8 位影像还有 255）按无数据处理。",
        )
    )
