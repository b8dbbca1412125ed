"""The images at intake: everything that `align` would refuse is found here already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS, Transformer

from pipeline.config.models import ImageInput, RunConfig
from pipeline.errors import InputError
from pipeline.grid import Grid
from pipeline.imagery.alignment import working_grid
from pipeline.io.scenes import SceneFile, open_scene
from pipeline.patches.layer_crs import Bounds
from pipeline.schema.problems import Problem, from_finding
from pipeline.stages.inputs import open_run_pair

LABELS = {"before": "前时相", "after": "后时相"}


@dataclass(frozen=True)
class Frame:
    """Where the run works."""

    crs: CRS | None
    """Working CRS, projected; None if the images have none or can not be opened."""
    footprint: shapely.Polygon | None
    """Outline of the before image in the working CRS."""

    @property
    def bounds(self) -> Bounds | None:
        """Bounds of the footprint."""
        if self.footprint is None:
            return None
        left, bottom, right, top = self.footprint.bounds
        return left, bottom, right, top

    @property
    def lon_lat(self) -> tuple[float, float] | None:
        """Longitude and latitude of its middle, degrees."""
        if self.crs is None or self.footprint is None:
            return None
        geodetic = self.crs.geodetic_crs
        middle = self.footprint.centroid
        lon, lat = Transformer.from_crs(self.crs, geodetic, always_xy=True).transform(
            middle.x, middle.y
        )
        return float(lon), float(lat)


@dataclass(frozen=True)
class CheckedImages:
    """What is known of the images after intake."""

    frame: Frame
    scenes: Mapping[str, SceneFile]
    """`before` and `after`, as far as they could be opened."""
    problems: tuple[Problem, ...]


def check_images(run: RunConfig, *, needs_place: bool) -> CheckedImages:
    """Open both images as `align` does. With `needs_place` they need a CRS and dates."""
    problems: list[Problem] = []
    scenes: dict[str, SceneFile] = {}
    inputs = {"before": run.before, "after": run.after}
    for name, image in inputs.items():
        try:
            scenes[name] = open_scene(Path(image.path), bands=image.bands, gsd_m=run.gsd_m)
            if image.mask is not None:
                open_scene(Path(image.path), gsd_m=run.gsd_m, mask=Path(image.mask))
        except InputError as refused:
            problems += [_of_image(p, name) for p in _problems(refused)]
    if len(scenes) == len(inputs):
        try:
            open_run_pair(_without_masks(run))
        except InputError as refused:
            problems += _problems(refused)
    frame = _frame(next(iter(scenes.values())).scene.grid) if scenes else Frame(None, None)
    if needs_place:
        problems += _missing_dates(inputs)
        if scenes and frame.crs is None:
            problems.append(_unplaced(scenes))
    return CheckedImages(frame, scenes, tuple(problems))


def _problems(refused: InputError) -> list[Problem]:
    """The refusal with the names of the files; their folders are not repeated."""
    return [from_finding(f, None, _file_name(f.where)) for f in refused.findings]


def _file_name(where: str) -> str | None:
    """The file of a place such as `/a/b.tif`, `--bands（/a/b.tif）` or `/a/meta.yaml（b.tif）`."""
    name = Path(where).name
    return (name if name.count("（") == name.count("）") else name.rstrip("）")) or None


def _of_image(problem: Problem, name: str) -> Problem:
    return replace(problem, what=f"{LABELS[name]}：{problem.what}")


def _without_masks(run: RunConfig) -> RunConfig:
    """The masks have been looked at; a bad one must not hide what is wrong with the pair."""
    images = {"before": run.before, "after": run.after}
    bare = {name: image.model_copy(update={"mask": None}) for name, image in images.items()}
    return run.model_copy(update=bare)


def _frame(grid: Grid) -> Frame:
    placed = working_grid(grid)
    rows = np.array([0.0, 0.0, 1.0, 1.0]) * placed.height
    cols = np.array([0.0, 1.0, 1.0, 0.0]) * placed.width
    outline = shapely.Polygon(np.column_stack(placed.xy(rows, cols)))
    return Frame(placed.crs, outline if placed.crs is not None else None)


def _missing_dates(inputs: dict[str, ImageInput]) -> list[Problem]:
    return [
        Problem(
            "E-CONFIG-VALUE",
            f"没有写明{LABELS[name]}影像的日期，无法判断手续和责任的先后。",
            file=Path(image.path).name,
            allowed="YYYY-MM-DD",
            advice=f"在运行配置的 {name}: 下写 date: 影像日期。",
        )
        for name, image in inputs.items()
        if image.date is None
    ]


def _unplaced(scenes: dict[str, SceneFile]) -> Problem:
    return Problem(
        "E-RASTER-NOCRS",
        "影像没有坐标系，参考图层和下发图斑无法与它套合。",
        file="、".join(scene.path.name for scene in scenes.values()),
        allowed="带坐标系的正射影像（如 CGCS2000 3 度带）",
        advice="向提供单位索取带坐标系的影像；只比较两期影像时，去掉县配置和图层。",
    )
