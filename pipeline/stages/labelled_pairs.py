"""Labelled pairs: images of two dates with what is known to have changed.

A labelled pair is a folder with `before.tif`, `after.tif`, `label.tif` (0 unchanged, 1 changed, 255
not labelled) and optionally `meta.yaml`; a chip set has the folders `A`, `B` and `label` with equal
file names, and may have 255 for changed if it knows only 0 and 255. What a label file declares as
nodata is not labelled either. Any other value is refused: nobody can tell what it means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.change.learned.samples import NOT_LABELLED
from pipeline.config.models import ImageInput, RunConfig, Settings
from pipeline.errors import Finding, InputError
from pipeline.grid import Grid, PixelWindow
from pipeline.io.rasters import open_raster, read_all, read_grid, read_window
from pipeline.io.scenes import read_meta
from pipeline.stages.requests import described_images

CHIP_SUFFIXES = (".png", ".tif", ".tiff", ".jpg")
CHIP_CHANGED = 255
MOST_TOLD = 10
"""Unknown label values named in the error."""
PLACE_TOLERANCE_PX = 0.01
"""Headers are rounded; anything more is another grid."""
UNIT_GSD_M = 1.0
"""Stands for the unknown pixel size of chips without CRS; only sizes of patches need it."""
ReadMask = Callable[[PixelWindow], NDArray[np.uint8]]
"""Values 0, 1 and 255 of a window `(y, x)`."""


@dataclass(frozen=True)
class LabelledPair:
    """One pair with its label."""

    name: str
    run: RunConfig
    label: Path
    changed_value: int
    """Label value of changed pixels: 1, or 255 in chip sets that know only 0 and 255."""


def find_pairs(data: Path, settings: Settings, gsd_m: float | None) -> list[LabelledPair]:
    """The labelled pairs in a folder. Raises `InputError` if there are none."""
    meta = read_meta(data)
    stated_gsd_m = meta.gsd_m if gsd_m is None else gsd_m
    if (data / "label.tif").is_file():
        before, after = described_images(data / "before.tif", data / "after.tif", meta)
        run = run_config(data.name, before, after, settings, stated_gsd_m)
        return [LabelledPair(data.name, run, data / "label.tif", 1)]
    labels = [
        path for path in sorted((data / "label").glob("*")) if path.suffix.lower() in CHIP_SUFFIXES
    ]
    if not labels:
        raise InputError(
            Finding(
                "E-FILE-MISSING",
                "这个文件夹里没有可评价的数据。",
                where=str(data),
                allowed="before.tif、after.tif、label.tif，或 A/、B/、label/ 三个同名影像文件夹",
                advice="检查 DATA= 给出的路径。",
            )
        )
    changed_value = CHIP_CHANGED if _is_two_valued(labels) else 1
    pairs = []
    for label in labels:
        before, after = (ImageInput(path=str(data / date / label.name)) for date in ("A", "B"))
        run = run_config(label.stem, before, after, settings, stated_gsd_m or UNIT_GSD_M)
        pairs.append(LabelledPair(label.stem, run, label, changed_value))
    return pairs


def run_config(
    name: str, before: ImageInput, after: ImageInput, settings: Settings, gsd_m: float | None
) -> RunConfig:
    """A run for one pair; a stated pixel size counts only where there is no CRS to give one."""
    run = "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-")[:40]
    with open_raster(before.path) as dataset:
        needed = None if dataset.crs else gsd_m
    return RunConfig(
        run=run or "evaluate", before=before, after=after, settings=settings, gsd_m=needed
    )


def _is_two_valued(labels: list[Path]) -> bool:
    """Whether a whole set of labels knows only 0 and 255, and 255 is not declared nodata."""
    for path in labels:
        with open_raster(path) as dataset:
            if dataset.nodata == CHIP_CHANGED:
                return False
        if np.setdiff1d(read_all(path), (0, CHIP_CHANGED)).size:
            return False
    return True


def label_reader(pair: LabelledPair, shape: tuple[int, int]) -> ReadMask:
    """Reads label values 0, 1, 255 (not labelled) of a pair whose images are `shape` `(y, x)`.

    Raises `InputError` E-LABEL-GRID on another size or, where label and before image both say where
    they lie, another place; what it returns raises E-LABEL-VALUE on values without meaning.
    """
    own = read_grid(pair.label)
    if own.window.shape != shape:
        raise InputError(
            Finding(
                "E-LABEL-GRID",
                "标注的行列数与变化前影像不同。",
                where=str(pair.label),
                value=f"{own.height} × {own.width}",
                allowed=f"{shape[0]} × {shape[1]}",
                advice="标注必须与变化前影像逐像元对应。",
            )
        )
    _require_same_place(pair, own)
    with open_raster(pair.label) as dataset:
        nodata = dataset.nodata

    def read(window: PixelWindow) -> NDArray[np.uint8]:
        stored = read_window(str(pair.label), (1,), window)[0]
        values: NDArray[np.uint8] = np.full(stored.shape, NOT_LABELLED, np.uint8)
        values[stored == 0] = 0
        values[stored == pair.changed_value] = 1
        is_open = (stored == NOT_LABELLED) | (stored == nodata)
        if nodata is not None and np.isnan(nodata):
            is_open |= np.isnan(stored)
        if np.any(unknown := (values == NOT_LABELLED) & ~is_open):
            raise _meaningless(pair, np.unique(stored[unknown]))
        return values

    return read


def read_label(pair: LabelledPair, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The whole label of a pair; as `label_reader`."""
    return label_reader(pair, shape)(PixelWindow(0, shape[0], 0, shape[1]))


def _require_same_place(pair: LabelledPair, label: Grid) -> None:
    """A label without CRS or transform says nothing of its place and is taken pixel by pixel."""
    image = read_grid(pair.run.before.path)
    if label.crs is not None and image.crs is not None and label.crs != image.crs:
        raise _misplaced(pair, "坐标系", label.crs.name, image.crs.name)
    if not (label.is_placed and image.is_placed):
        return
    apart = float(np.hypot(*image.corners_apart_px(label)).max())
    if not apart <= PLACE_TOLERANCE_PX:
        raise _misplaced(
            pair,
            "位置或像元大小",
            f"与影像最多错开 {apart:.4g} 个像元",
            f"错开不超过 {PLACE_TOLERANCE_PX:g} 个像元",
        )


def _misplaced(pair: LabelledPair, aspect: str, value: str, allowed: str) -> InputError:
    return InputError(
        Finding(
            "E-LABEL-GRID",
            f"标注的{aspect}与变化前影像不同。",
            where=str(pair.label),
            value=value,
            allowed=allowed,
            advice="在 QGIS 中叠看标注与影像，按影像的格网重新导出标注；确认逐像元对应的，"
            "可以去掉标注自带的坐标系和位置。",
        )
    )


def _meaningless(pair: LabelledPair, found: NDArray[Any]) -> InputError:
    told = "、".join(f"{value:g}" for value in found[:MOST_TOLD])
    return InputError(
        Finding(
            "E-LABEL-VALUE",
            "标注里有说不清含义的值。",
            where=str(pair.label),
            value=told + ("……" if found.size > MOST_TOLD else ""),
            allowed=f"0 未变化、{pair.changed_value} 变化"
            + ("、255 未标注" if pair.changed_value != CHIP_CHANGED else "")
            + "，以及文件声明的无效值",
            advice="改正标注：多类的先并成变化与未变化；JPEG 会改动像元值，要存成 PNG 或 TIFF。",
        )
    )
