"""How much of the county the images really show, per township, and where they show nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.config.models import RunConfig
from pipeline.errors import Severity
from pipeline.patches.area import ellipsoidal_area_m2
from pipeline.patches.layer_gaps import MIN_GAP_WIDTH_M, wide_parts
from pipeline.schema.problems import Problem
from pipeline.stages.intake_codes import valid_on_after_date
from pipeline.stages.intake_images import LABELS, Frame
from pipeline.stages.intake_layers import Taken
from pipeline.stages.intake_survey import Surveyed


@dataclass(frozen=True)
class Coverage:
    """What the images show of the townships."""

    shown: Mapping[str, float]
    """Share of the townships' area by image (`before`, `after`)."""
    both: float | None
    """Share that both images show; None with one image."""
    problems: tuple[Problem, ...]


def check_coverage(
    townships: Taken, images: Mapping[str, Surveyed], run: RunConfig, frame: Frame
) -> Coverage | None:
    """Townships against the images without collar; None if there is nothing to compare."""
    chosen = valid_on_after_date(townships, run)
    grounds = {name: image.placed(image.covered, frame) for name, image in images.items()}
    covered = {name: ground for name, ground in grounds.items() if ground is not None}
    if frame.crs is None or not chosen.any() or not covered:
        return None
    shapes = townships.table.geometry.to_numpy()[chosen]
    names = townships.table["township_name"].fillna("（无名）").to_numpy(dtype=object)[chosen]
    county = shapely.union_all(shapes)
    whole = _area_m2(county, frame)
    problems = []
    for name, ground in covered.items():
        shapely.prepare(ground)
        for township, shape in sorted(zip(names, shapes, strict=True), key=lambda pair: pair[0]):
            limit = max(MIN_GAP_WIDTH_M, images[name].outline_error_m)
            hidden = shapely.union_all(wide_parts(shapely.difference(shape, ground), limit))
            area = _area_m2(hidden, frame)
            if area > run.settings.extract.patches.min_area_m2:
                share = area / _area_m2(shape, frame)
                problems.append(_uncovered(name, images[name], township, hidden, area, share))
    shown = {
        name: _area_m2(shapely.intersection(county, ground), frame) / whole
        for name, ground in covered.items()
    }
    both = None
    if len(covered) == 2:
        together = shapely.intersection(covered["before"], covered["after"])
        both = _area_m2(shapely.intersection(county, together), frame) / whole
    return Coverage(shown, both, tuple(problems))


def _area_m2(shape: BaseGeometry, frame: Frame) -> float:
    """Area on the ellipsoid of the polygons in a geometry."""
    assert frame.crs is not None  # nothing is measured without
    parts = shapely.get_parts(shape)
    parts = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    return float(ellipsoidal_area_m2(parts, frame.crs).sum()) if len(parts) else 0.0


def _uncovered(
    name: str, image: Surveyed, township: str, hidden: BaseGeometry, area: float, share: float
) -> Problem:
    return Problem(
        "N-IMAGE-COVER",
        f"{LABELS[name]}：没有盖满{township}，盖不到的地方查不出变化，按未观测统计。",
        file=image.file.path.name,
        value=f"缺 {area / 10_000:.2f} 公顷，占该乡镇的 {100 * share:.2f}%"
        if share >= 5e-5
        else f"缺 {area:.0f} m²，占该乡镇的 0.01% 以下",
        allowed="盖满全县，四周留有余地",
        advice="向供方要求补发盖住这一片的影像（范围见 findings.gpkg 的 areas 图层）；"
        "补不到的，报表里会写明可观测比例。",
        severity=Severity.NOTICE,
        area=hidden,
    )
