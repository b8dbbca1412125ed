"""What the two delivered images say of each other: dates, sameness, band order, resolution."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config.models import ImageInput, RunConfig
from pipeline.errors import InputError, Severity
from pipeline.grid import Grid
from pipeline.imagery.alignment import working_grid
from pipeline.imagery.likeness import (
    Likeness,
    PairJob,
    PairWindow,
    likeness_windows,
    measure_likeness,
    sample_window,
)
from pipeline.imagery.quality import QualityParams
from pipeline.imagery.resample import GridMapping, MappedFootprint
from pipeline.io.scenes import SceneFile, stated_dates
from pipeline.io.tiles import Dispatcher, Source, TileJob, run_tiles
from pipeline.patches.measures import minimum_pixels
from pipeline.scene import BandMatch, match_bands
from pipeline.schema.dated_names import find_dates
from pipeline.schema.problems import Problem
from pipeline.stages.intake_images import LABELS
from pipeline.stages.intake_quality import band_name
from pipeline.stages.intake_survey import Surveyed

_NOTICE = Severity.NOTICE
BOTH = "两期影像"


@dataclass(frozen=True)
class _Stated:
    """Dates of one image, as declared and as its name and metadata tell."""

    file: str
    declared: datetime.date | None
    named: tuple[datetime.date, ...]

    @property
    def agrees(self) -> bool:
        """Whether the declared day lies within the dates of the name or the metadata."""
        if self.declared is None or not self.named:
            return False
        return self.named[0] <= self.declared <= self.named[-1]

    @property
    def contradicts(self) -> bool:
        """Whether there are dates in the name or the metadata and the declared day is outside."""
        return self.declared is not None and bool(self.named) and not self.agrees


def date_problems(run: RunConfig, scenes: Mapping[str, SceneFile]) -> list[Problem]:
    """Dates in file names and metadata against the declared ones, and against each other."""
    before, after = (
        _stated(image, scenes.get(name))
        for name, image in (("before", run.before), ("after", run.after))
    )
    if _are_exchanged(before, after):
        return [
            Problem(
                "E-IMAGE-SWAPPED",
                f"{BOTH}的文件名（或元数据）的日期正好与写明的日期对调，新建会被当成拆除。",
                file=f"{before.file}、{after.file}",
                value=f"前时相写明 {before.declared}，文件是 {_listed(before.named)}；"
                f"后时相写明 {after.declared}，文件是 {_listed(after.named)}",
                allowed="前时相的影像早于后时相的影像",
                advice="在运行配置里对调 before 和 after 的 path（或改正 date）。",
            )
        ]
    problems = [
        Problem(
            "N-IMAGE-DATE",
            f"{LABELS[name]}：写明的日期与文件名（或元数据）里的日期不同。",
            file=stated.file,
            value=f"写明 {stated.declared}，文件 {_listed(stated.named)}",
            allowed="写明的日期是影像获取日期，在文件所示日期之内",
            advice="向供方核实影像获取日期；镶嵌影像请索取带各景日期的镶嵌线图层。",
            severity=_NOTICE,
        )
        for name, stated in (("before", before), ("after", after))
        if stated.contradicts
    ]
    if before.named and before.named == after.named:
        problems.append(
            Problem(
                "N-IMAGE-DATE",
                f"{BOTH}的文件名（或元数据）日期相同，可能是同一期影像。",
                file=f"{before.file}、{after.file}",
                value=_listed(before.named),
                allowed="两个不同的日期",
                advice="核对是否拿错了一期；向供方要另一期的影像。",
                severity=_NOTICE,
            )
        )
    return problems


def _stated(image: ImageInput, scene: SceneFile | None) -> _Stated:
    path = Path(image.path)
    named = stated_dates(path) if scene is not None else ()
    return _Stated(path.name, image.date, find_dates(path.stem) or named)


def _are_exchanged(before: _Stated, after: _Stated) -> bool:
    if not (before.contradicts and after.contradicts):
        return False
    return replace(before, named=after.named).agrees and replace(after, named=before.named).agrees


def _listed(dates: tuple[datetime.date, ...]) -> str:
    return "、".join(date.isoformat() for date in dates)


def pair_problems(
    run: RunConfig, images: Mapping[str, Surveyed], through: Dispatcher, *, needs_place: bool
) -> list[Problem]:
    """Findings that need the pixels or grids of both images; nothing if they do not match."""
    before, after = images["before"], images["after"]
    params = run.settings.intake.quality
    problems = _resolution(run, before.file, after.file, params)
    try:
        bands = match_bands(before.file.scene, after.file.scene)
    except InputError:
        return problems  # told where the pair is opened
    likeness = _likeness(before, after, bands, params, through)
    if likeness is None:
        return problems
    problems += _sameness(before, after, likeness, params, needs_place=needs_place)
    if likeness.swapped:
        # One pair in the wrong place turns the differences of others too: the clearest is told.
        worst = min(likeness.swapped, key=lambda pair: pair[2])
        problems.append(_exchanged_bands(before, after, bands, worst))
    return problems


def _likeness(
    before: Surveyed, after: Surveyed, bands: BandMatch, params: QualityParams, through: Dispatcher
) -> Likeness | None:
    grid = before.grid
    if (grid.crs_wkt is None) != (after.grid.crs_wkt is None):
        return None
    mapping = GridMapping(grid, after.grid)
    windows = [tile for tile in likeness_windows(grid) if not mapping.footprint(tile.core).is_empty]
    sources = {
        "before": Source(str(before.file.path), bands.before, None, before.rule.mask_bands),
        "after": Source(
            str(after.file.path), bands.after, MappedFootprint(mapping), after.rule.mask_bands
        ),
    }
    job = TileJob(sample_window, sources, PairJob(mapping, before.rule, after.rule))
    outputs = run_tiles(job, windows, through, lambda done, total: None)
    found: list[PairWindow] = [part for _, output in outputs for _, part in output.partials]
    return measure_likeness(found, params.swapped_correlation) if found else None


def _sameness(
    before: Surveyed,
    after: Surveyed,
    likeness: Likeness,
    params: QualityParams,
    *,
    needs_place: bool,
) -> list[Problem]:
    files = f"{before.file.path.name}、{after.file.path.name}"
    advice = "核对是否把同一期给了两次；向供方要另一期的影像。"
    if likeness.is_identical:
        return [
            Problem(
                "E-IMAGE-SAME",
                f"{BOTH}的像元完全相同，是同一幅影像，什么变化也查不出来。",
                file=files,
                value=f"抽查 {likeness.pixels} 个像元，全部相同",
                allowed="两个不同日期的影像",
                advice=advice,
                severity=Severity.BLOCK if needs_place else _NOTICE,
            )
        ]
    if not likeness.detail_correlation > params.same_correlation:
        return []
    return [
        Problem(
            "N-IMAGE-SAME",
            f"{BOTH}的细部几乎相同，可能是同一幅影像经过拉伸或降位深。",
            file=files,
            value=f"相邻像元之差的相关系数 {likeness.detail_correlation:.3f}",
            allowed=f"不超过 {params.same_correlation:g}（两次成像的噪声和光照总有不同）",
            advice=advice,
            severity=_NOTICE,
        )
    ]


def _exchanged_bands(
    before: Surveyed, after: Surveyed, bands: BandMatch, pair: tuple[int, int, float]
) -> Problem:
    low, high, correlation = pair
    first, second = band_name(bands.roles, low), band_name(bands.roles, high)
    return Problem(
        "N-IMAGE-ROLE",
        f"{BOTH}中有一期的{first}和{second}可能写反：两个波段之差在两期里正好相反。",
        file=f"{before.file.path.name}、{after.file.path.name}",
        value=f"“{first}减{second}”在两期之间的相关系数 {correlation:.2f}",
        allowed="不变的地物颜色相近，相关系数为正",
        advice="分别用真彩色打开两期核对；向供方要波段顺序说明，改正配置里的 bands:。",
        severity=_NOTICE,
    )


def _resolution(
    run: RunConfig, before: SceneFile, after: SceneFile, params: QualityParams
) -> list[Problem]:
    grids = {name: working_grid(f.scene.grid) for name, f in (("before", before), ("after", after))}
    if any(grid.crs is None and grid.gsd_m is None for grid in grids.values()):
        return []
    sizes = {name: grid.pixel_size_m for name, grid in grids.items()}
    ratio = max(sizes.values()) / min(sizes.values())
    fine = f"{min(sizes.values()):.4g} 米"
    files = f"{before.path.name}、{after.path.name}"
    problems = []
    if ratio > params.max_gsd_ratio:
        problems.append(
            Problem(
                "N-IMAGE-GSD",
                f"{BOTH}的分辨率不同，变化按前时相的格网比对，较粗的一期看不出的细节会成为假变化。",
                file=files,
                value=f"前时相 {sizes['before']:.4g} 米，后时相 {sizes['after']:.4g} 米",
                allowed=f"相差不超过 {params.max_gsd_ratio:g} 倍",
                advice=f"向供方要求两期都用 {fine}左右、同类传感器的正射影像。",
                severity=_NOTICE,
            )
        )
    return problems + _patch_size(run, {"before": before, "after": after}, grids)


def _patch_size(
    run: RunConfig, files: Mapping[str, SceneFile], grids: Mapping[str, Grid]
) -> list[Problem]:
    """The coarser image against what the smallest patch needs."""
    patches = run.settings.extract.patches
    coarse = max(grids, key=lambda name: grids[name].pixel_size_m)
    size = grids[coarse].pixel_size_m
    needed = patches.min_area_m2 / patches.speckle_px
    if size**2 <= needed:
        return []
    smallest = minimum_pixels(patches, grids[coarse]) * size**2
    too_coarse = [name for name, grid in grids.items() if grid.pixel_size_m**2 > needed]
    label = f"{LABELS[coarse]}：" if len(too_coarse) == 1 else BOTH
    return [
        Problem(
            "N-IMAGE-GSD",
            f"{label}分辨率太粗，查不全最小上图面积 {patches.min_area_m2:g} m²。",
            file="、".join(files[name].path.name for name in too_coarse),
            value=f"{size:.4g} 米，{patches.min_area_m2:g} m² 只有 "
            f"{patches.min_area_m2 / size**2:.2g} 个像元；"
            f"这一分辨率的最小图斑是 {smallest:.0f} m²",
            allowed=f"{needed**0.5:.3g} 米或更细（最小图斑不少于 {patches.speckle_px} 个像元）",
            advice=f"订购 {needed**0.5:.1f} 米或更细的影像（如 2 米）；"
            "只查大图斑的，把 extract.patches.min_area_m2 改大。",
            severity=_NOTICE,
        )
    ]
