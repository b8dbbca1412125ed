"""What `train` learns from and is examined on: labelled folders, read and parted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.change.learned.samples import (
    NOT_LABELLED,
    LabelledScene,
    cut_blocks,
    set_aside,
    thinned,
)
from pipeline.config.models import ImageInput, Settings
from pipeline.errors import Finding, InputError, UsageError
from pipeline.grid import PixelWindow
from pipeline.io.chip_index import INDEX_FILE, read_groups
from pipeline.io.digests import file_sha256
from pipeline.io.rasters import read_window
from pipeline.io.scenes import SceneFile, open_scene
from pipeline.stages.labelled_pairs import LabelledPair, find_pairs, read_label

DEFAULT_HOLD_OUT = "share:0.2"
SIDES = ("north", "south", "west", "east")


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Labelled scenes that share bands and pixel size, and where they come from."""

    scenes: tuple[LabelledScene, ...]
    roles: tuple[str, ...]
    gsd_m: tuple[float, float]
    """Finest and coarsest pixel size."""
    digests: dict[str, str]
    """Files read, by folder name and path inside it."""
    is_directional: bool = False
    """Whether labels mean change from the first date to the second, and not the reverse."""


def read_labelled(folder: Path, gsd_m: float | None, group_by: str) -> LabelledData:
    """Every pair of a folder in memory. Raises `InputError` E-TRAIN-DATA if the dates of a pair are
    not on one grid or bands differ between pairs; E-LABEL-GRID if a label has another size,
    E-LABEL-VALUE if it has values without meaning."""
    groups = read_groups(folder, group_by)
    parts = []
    for pair in find_pairs(folder, Settings(), gsd_m):
        files = _open(pair)
        scene = _read_scene(pair, files, f"{folder.name}/{pair.name}")
        if (group := groups.get(pair.label.name)) is not None:
            scene = replace(scene, group=group, is_divisible=False)
        size = pair.run.gsd_m or files[0].scene.grid.pixel_size_m
        digests = _digests(folder, [*(file.path for file in files), pair.label])
        parts.append(LabelledData((scene,), files[0].scene.roles, (size, size), digests))
    return joined(parts)


def joined(parts: Sequence[LabelledData]) -> LabelledData:
    """Several data as one. Raises `InputError` E-TRAIN-DATA if their bands differ."""
    roles = {one.roles for one in parts}
    if len(roles) > 1:
        raise _unusable(
            "各影像对的波段不同，不能一起训练。",
            "；".join("、".join(r or "未知" for r in one) for one in sorted(roles)),
            "波段角色和顺序都相同",
            "分开训练，或在 meta.yaml 里写明 bands。",
        )
    sizes = [size for one in parts for size in one.gsd_m]
    return LabelledData(
        tuple(scene for one in parts for scene in one.scenes),
        roles.pop(),
        (min(sizes), max(sizes)),
        {name: digest for one in parts for name, digest in one.digests.items()},
        any(one.is_directional for one in parts),
    )


def part(
    scenes: Sequence[LabelledScene], hold_out: str, seed: int
) -> tuple[list[LabelledScene], list[LabelledScene]]:
    """Scenes to train on and scenes held out for the examination; no pixel is in both.

    `hold_out`: `share:0.2` (groups drawn by seed), `groups:NAME,NAME` (these groups), or
    `south:0.333` (north, west, east: that part of every scene).
    """
    kind, _, value = hold_out.partition(":")
    if kind == "groups":
        return _by_groups(scenes, value)
    share = _share(hold_out, value) if kind in ("share", *SIDES) else None
    if share is None:
        raise _not_understood(hold_out)
    if kind == "share":
        pieces = [piece for scene in scenes for piece in cut_blocks(scene)]
        return set_aside(pieces, share, seed)
    cut = [_cut(scene, kind, share) for scene in scenes]
    return [kept for kept, _ in cut], [held for _, held in cut]


def _by_groups(
    scenes: Sequence[LabelledScene], value: str
) -> tuple[list[LabelledScene], list[LabelledScene]]:
    chosen = {name.strip() for name in value.split(",") if name.strip()}
    known = {scene.group for scene in scenes}
    if not chosen or chosen - known:
        raise UsageError(
            Finding(
                "E-USAGE",
                "没有这样的分组。",
                where="--hold-out",
                value="、".join(sorted(chosen - known)) or value,
                allowed="、".join(sorted(known)[:20]),
                advice=f"分组取自 {INDEX_FILE} 中 --group-by 指定的列，或影像对的名字。",
            )
        )
    kept = [scene for scene in scenes if scene.group not in chosen]
    return kept, [scene for scene in scenes if scene.group in chosen]


def _share(hold_out: str, value: str) -> float:
    if not re.fullmatch(r"0?\.[0-9]+", value) or not 0 < float(value) < 1:
        raise _not_understood(hold_out)
    return float(value)


def _cut(scene: LabelledScene, side: str, share: float) -> tuple[LabelledScene, LabelledScene]:
    height, width = scene.shape
    length = height if side in ("north", "south") else width
    at = round(length * (share if side in ("north", "west") else 1 - share))
    if side in ("north", "south"):
        parts = PixelWindow(0, at, 0, width), PixelWindow(at, height, 0, width)
    else:
        parts = PixelWindow(0, height, 0, at), PixelWindow(0, height, at, width)
    first, last = (scene.cut(window, scene.group) for window in parts)
    return (last, first) if side in ("north", "west") else (first, last)


def _open(pair: LabelledPair) -> tuple[SceneFile, SceneFile]:
    def opened(image: ImageInput) -> SceneFile:
        return open_scene(Path(image.path), bands=image.bands, gsd_m=pair.run.gsd_m)

    before, after = opened(pair.run.before), opened(pair.run.after)
    is_same = before.scene.grid.same_pixels(after.scene.grid)
    if not is_same or before.scene.roles != after.scene.roles:
        raise _unusable(
            "两期影像不在同一格网上，或波段不同，不能直接训练。",
            f"{pair.run.before.path}；{pair.run.after.path}",
            "行列数、位置、波段都相同",
            "先用 compare 配准：成果的 work/align/ 里有对齐的 before.tif、after.tif。",
        )
    return before, after


def _read_scene(pair: LabelledPair, files: tuple[SceneFile, SceneFile], name: str) -> LabelledScene:
    grid = files[0].scene.grid
    before, after = (
        read_window(str(file.path), file.scene.band_numbers, grid.window) for file in files
    )
    label = read_label(pair, (grid.height, grid.width))
    seen = np.ones(label.shape, bool)
    for file, image in zip(files, (before, after), strict=True):
        if file.scene.nodata is not None:
            seen &= ~np.all(image == file.scene.nodata, axis=0)
        if image.dtype.kind == "f":
            seen &= np.all(np.isfinite(image), axis=0)
    label[~seen] = NOT_LABELLED
    scene = LabelledScene(name, name, before, after, label, seen=seen, is_divisible=True)
    return replace(scene, sample=thinned([scene]))


def _digests(folder: Path, paths: Sequence[Path]) -> dict[str, str]:
    return {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": file_sha256(path) for path in paths
    }


def _unusable(what: str, value: str, allowed: str, advice: str) -> InputError:
    return InputError(Finding("E-TRAIN-DATA", what, value=value, allowed=allowed, advice=advice))


def _not_understood(hold_out: str) -> UsageError:
    return UsageError(
        Finding(
            "E-USAGE",
            "看不懂留出的检验样本。",
            where="--hold-out",
            value=hold_out,
            allowed="share:0.2、groups:名字,名字、south:0.333（north、west、east 同样）",
            advice=f"不写时为 {DEFAULT_HOLD_OUT}。",
        )
    )
