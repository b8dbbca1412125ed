"""What more than one stage reads: the run's pair, and a sample of the aligned pair."""

from __future__ import annotations

from pathlib import Path

from pipeline.change.sample import PairSample, SampleParams, join_samples, sample_plan, take_sample
from pipeline.config.models import ImageInput, RunConfig
from pipeline.errors import Finding, InputError
from pipeline.grid import Grid
from pipeline.io.pairs import ImagePair, ImageRequest, open_pair
from pipeline.io.runs import RunPaths
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.stages.context import StageContext

MIN_SAMPLE_PIXELS = 256
"""Fewer common pixels than this carry no statistics."""


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
        raise InputError(
            Finding(
                "E-RASTER-EMPTY",
                "两期影像都有数据的像元太少，无法统计。",
                value=f"抽到 {sample.before.shape[1]} 个像元",
                allowed=f"至少 {MIN_SAMPLE_PIXELS} 个",
                advice="核对两期影像是否真的覆盖同一地方，以及无效值、云掩膜和配准残差。",
            )
        )
    return sample
