"""Opening an image as a scene: grid, band roles, pixel type, nodata, date.

Roles come from the command line, else from the file's band descriptions, else from a `meta.yaml`
beside it; they are never guessed from the number of bands (RGB and BGR look alike).
"""

from __future__ import annotations

import codecs
import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationInfo, field_validator
from rasterio.enums import ColorInterp, MaskFlags

from pipeline.errors import Finding, InputError
from pipeline.grid import MAX_GSD_M, Grid
from pipeline.io.encodings import choose_encoding
from pipeline.io.georeference import require_reference
from pipeline.io.rasters import grid_of, open_raster
from pipeline.io.sidecars import require_no_sidecars
from pipeline.scene import BAND_ROLES, FILE_MASK, Scene, require_known_roles
from pipeline.schema.dated_names import find_dates
from pipeline.schema.document import parse_document
from pipeline.schema.model import Frozen, refusal

META_FILE = "meta.yaml"
MASK_TOLERANCE_PX = 0.1


class SceneMeta(Frozen):
    """What a `meta.yaml` beside an image may say."""

    bands: tuple[str, ...] = Field((), description="波段角色，按文件中的顺序")
    gsd_m: float | None = Field(
        None, gt=0, le=MAX_GSD_M, description="地面分辨率，米（只作说明，计算用坐标系或 --gsd）"
    )
    before_date: datetime.date | None = Field(None, description="变化前影像日期")
    after_date: datetime.date | None = Field(None, description="变化后影像日期")
    before_mask: str | None = Field(
        None, min_length=1, description="变化前影像的云掩膜文件，与本文件同一文件夹"
    )
    after_mask: str | None = Field(
        None, min_length=1, description="变化后影像的云掩膜文件，与本文件同一文件夹"
    )
    mask: dict[int, str] = Field({}, description="云掩膜各取值的含义（只作说明）")
    label: dict[int, str] = Field({}, description="标注图像各取值的含义（只作说明）")

    @field_validator("after_date")
    @classmethod
    def _after_is_later(
        cls, after: datetime.date | None, info: ValidationInfo
    ) -> datetime.date | None:
        before = info.data.get("before_date")
        if before is not None and after is not None and after <= before:
            raise refusal(
                "后时相不晚于前时相",
                allowed=f"晚于 {before}",
                advice="核对两期影像的日期，或对调两期影像。",
            )
        return after


@dataclass(frozen=True)
class SceneFile:
    """A scene and the file it lies in."""

    path: Path
    scene: Scene
    is_copyable: bool
    """True if the file is a tiled GeoTIFF whose blocks read fast, so it can be taken over as is."""
    mask: Path | None = None
    """Supplied validity mask on the image's own grid: 0 clear, 1 no data, 2 cloud, 3 shadow."""


def read_meta(folder: Path) -> SceneMeta:
    """The folder's `meta.yaml`, empty if there is none."""
    path = folder / META_FILE
    if not path.is_file():
        return SceneMeta()
    return parse_document(
        _meta_text(path),
        str(path),
        SceneMeta,
        syntax_code="E-CONFIG-SYNTAX",
        value_code="E-CONFIG-VALUE",
        error=InputError,
    )


def _meta_text(path: Path) -> str:
    """The text of a `meta.yaml`: UTF-8 with or without BOM, or GBK as Chinese Windows saves it."""
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    lines = [line for line in content.splitlines() if not line.isascii()]
    encoding = choose_encoding(lines, None, None)
    try:
        return content.decode(encoding.codec)
    except UnicodeDecodeError as foreign:
        raise InputError(
            Finding(
                "E-CONFIG-SYNTAX",
                "说明文件的文字编码无法识别，按 UTF-8 和 GBK 都读不通。",
                where=str(path),
                value=f"第 {foreign.start + 1} 个字节起无法识别",
                allowed="UTF-8 或 GBK/GB18030",
                advice="用记事本另存为 UTF-8。",
            )
        ) from foreign


ACQUIRED = ("DATE_ACQUIRED", "ACQUISITION_DATE", "ACQUISITIONDATETIME", "IMAGING_DATE")
"""Metadata items that tell the day an image was taken; the day a file was written is no such."""


def stated_dates(path: Path) -> tuple[datetime.date, ...]:
    """Days of acquisition in an image's own metadata; usually none."""
    with open_raster(path) as dataset:
        tags = dataset.tags() | dataset.tags(ns="IMAGERY")
    found = {day for key in ACQUIRED if key in tags for day in find_dates(tags[key][:10])}
    return tuple(sorted(found))


def open_scene(
    path: Path,
    *,
    bands: tuple[str, ...] | None = None,
    gsd_m: float | None = None,
    date: str | None = None,
    mask: Path | None = None,
) -> SceneFile:
    """Read what is known of an image; pixels stay in the file.

    Raises `InputError` if it can not be opened, has no CRS and `gsd_m` is not given, can not lie
    where it says (E-RASTER-TRANSFORM, E-IMAGE-CRS), leaves it to a file beside it to say so
    (E-RASTER-SIDECAR), or if the supplied validity mask is not on its own grid (E-MASK-GRID).
    """
    with open_raster(path) as dataset:
        grid = grid_of(dataset, gsd_m)
        tagged = frozenset(
            n for n, c in enumerate(dataset.colorinterp, start=1) if c == ColorInterp.alpha
        )
        descriptions = tuple((text or "").strip().lower() for text in dataset.descriptions)
        has_own_mask = _has_own_mask(dataset.mask_flag_enums[0])
        is_palette = dataset.colorinterp[0] == ColorInterp.palette
        dtype, nodata = dataset.dtypes[0], dataset.nodata
        is_copyable = (
            dataset.driver == "GTiff"
            and dataset.block_shapes[0][0] == dataset.block_shapes[0][1]
            and 128 <= dataset.block_shapes[0][0] <= 1024
            and dataset.interleaving is not None
            and dataset.interleaving.value == "PIXEL"
        )
    _require_intensities(path, dtype, is_palette=is_palette)
    require_no_sidecars(
        path,
        has_transform=grid.is_placed,
        has_crs=grid.crs_wkt is not None,
        has_nodata=nodata is not None,
        has_mask=has_own_mask,
    )
    require_reference(path, grid)
    if mask is not None:
        _require_mask_grid(mask, grid)
    roles = _roles(path, bands, descriptions, tagged)
    # GDAL tags the fourth of four 8-bit bands alpha unasked: whoever names it knows better.
    alpha = tagged if len(roles) < len(descriptions) else frozenset()
    mask_bands = ((FILE_MASK,) if has_own_mask else ()) + tuple(sorted(alpha))
    scene = Scene(grid, roles, dtype, nodata, date, mask_bands, alpha)
    return SceneFile(path, scene, is_copyable and not tagged, mask)


def _has_own_mask(flags: Iterable[MaskFlags]) -> bool:
    """Whether a mask lies in the file beside its bands.

    In files of two or four bands without nodata GDAL shows an alpha band as if it were one; alpha
    bands are read themselves, everywhere.
    """
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def _require_mask_grid(mask: Path, grid: Grid) -> None:
    """A mask covers its image pixel for pixel; one without any reference needs its size only."""
    with open_raster(mask) as dataset:
        own, n_bands, dtype = grid_of(dataset), dataset.count, dataset.dtypes[0]
    same_place = own.crs_wkt is None or (own.crs == grid.crs and _is_congruent(own, grid))
    same_size = (own.width, own.height) == (grid.width, grid.height)
    if same_place and same_size and n_bands == 1 and dtype == "uint8":
        return
    raise InputError(
        Finding(
            "E-MASK-GRID",
            "云掩膜与影像对不上。",
            where=str(mask),
            value=f"{own.width} × {own.height}，{n_bands} 个波段，{dtype}"
            + ("" if same_place else "，位置、像元大小或坐标系不同"),
            allowed=f"{grid.width} × {grid.height}，单波段 uint8，与影像同一格网",
            advice="让提供单位给出与影像逐像元对应的掩膜，或先在 QGIS 中对齐栅格。",
        )
    )


def _is_congruent(mask: Grid, image: Grid) -> bool:
    """Whether all corners agree to a tenth of a pixel: headers are rounded now and then."""
    return bool(np.abs(image.corners_apart_px(mask)).max() <= MASK_TOLERANCE_PX)


def _require_intensities(path: Path, dtype: str, *, is_palette: bool) -> None:
    if not is_palette and not dtype.startswith("complex"):
        return
    raise InputError(
        Finding(
            "E-RASTER-DTYPE",
            "影像的像元值不是亮度，不能用于变化检测。",
            where=str(path),
            value="调色板索引" if is_palette else dtype,
            allowed="整数或浮点数像元的光学影像",
            advice="带调色板的图片请先导出为 RGB 影像；雷达复数数据请先转换为强度影像。",
        )
    )


def _roles(
    path: Path,
    given: tuple[str, ...] | None,
    descriptions: tuple[str, ...],
    tagged: frozenset[int],
) -> tuple[str, ...]:
    """Role of every band that is not tagged alpha; of all bands where a role is told for each."""
    plain = tuple(text for n, text in enumerate(descriptions, start=1) if n not in tagged)
    if given is not None:
        return _checked(given, len(plain), tagged, f"--bands（{path}）")
    for told in (descriptions, plain):
        if all(text in BAND_ROLES for text in told) and len(set(told)) == len(told):
            return told
    stated = read_meta(path.parent).bands
    if not stated:
        return ("",) * len(plain)
    return _checked(stated, len(plain), tagged, f"{path.parent / META_FILE}（{path.name}）")


def _checked(
    roles: tuple[str, ...], n_plain: int, tagged: frozenset[int], where: str
) -> tuple[str, ...]:
    require_known_roles(roles, where)
    if len(roles) in (n_plain, n_plain + len(tagged)):
        return roles
    besides, or_all = "", ""
    if tagged:
        numbers = "、".join(str(n) for n in sorted(tagged))
        besides = f"（第 {numbers} 波段标为透明度 alpha，没有计入）"
        or_all = f"；标为透明度的其实是影像波段时，写全 {n_plain + len(tagged)} 个"
    raise InputError(
        Finding(
            "E-RASTER-BANDS",
            f"波段角色与影像的 {n_plain} 个波段{besides}对不上。",
            where=where,
            value="、".join(roles),
            allowed=f"{n_plain} 个互不相同的角色，取自 {'、'.join(BAND_ROLES)}{or_all}",
            advice="按文件中的波段顺序逐个写出角色。",
        )
    )
