"""A closer look at the images at intake: their pixels, the pair, the ground they cover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.config.models import RunConfig
from pipeline.errors import InputError, Severity
from pipeline.schema.problems import Problem, from_finding
from pipeline.stages.context import StageContext
from pipeline.stages.intake_coverage import Coverage, check_coverage
from pipeline.stages.intake_images import LABELS, CheckedImages
from pipeline.stages.intake_layers import Taken
from pipeline.stages.intake_pair import date_problems, pair_problems
from pipeline.stages.intake_quality import quality_problems
from pipeline.stages.intake_relations import county_outline
from pipeline.stages.intake_seams import check_seams
from pipeline.stages.intake_survey import Surveyed, survey_image
from pipeline.stages.intake_zones import check_county_zone, check_image_crs, check_zones


@dataclass(frozen=True)
class Looked:
    """What the pixels of the images say."""

    images: Mapping[str, Surveyed]
    """`before` and `after`, as far as they could be read."""
    problems: tuple[Problem, ...]


def look_at_images(context: StageContext, checked: CheckedImages, *, needs_place: bool) -> Looked:
    """Read both images once and judge each, then the pair. With `needs_place` for a county."""
    run, frame = context.run, checked.frame
    progress = context.progress("入库：检查影像")
    problems = date_problems(run, checked.scenes)
    if needs_place:
        problems += check_image_crs(checked.scenes)
    images: dict[str, Surveyed] = {}
    for number, (name, file) in enumerate(checked.scenes.items(), start=1):
        try:
            image = survey_image(file, context.local)
        except InputError as refused:  # a file that opens may still have broken blocks
            problems += [from_finding(f, None, file.path.name) for f in refused.findings]
            continue
        finally:
            progress(number, len(checked.scenes))
        if image is None:
            problems.append(_empty(name, file.path.name))
            continue
        images[name] = image
        problems += quality_problems(name, image, run.settings.intake.quality, frame)
    if len(images) == 2:
        problems += pair_problems(run, images, context.local, needs_place=needs_place)
    return Looked(images, tuple(problems))


def _empty(name: str, file: str) -> Problem:
    return Problem(
        "E-RASTER-EMPTY",
        f"{LABELS[name]}：影像没有有效像元，全部是无效值。",
        file=file,
        allowed="有地物的正射影像",
        advice="核对无效值的声明和文件是否损坏；向供方要求重新下发。",
        severity=Severity.BLOCK,
    )


def check_grounds(
    run: RunConfig, checked: CheckedImages, looked: Looked, taken: Mapping[str, Taken]
) -> tuple[Coverage | None, list[Problem]]:
    """Images against the county: coverage of the townships, zones, seam lines."""
    frame = checked.frame
    placed = {
        name: layer.systems for name, layer in taken.items() if layer.is_placed and layer.systems
    }
    problems = check_zones(checked.scenes, placed, frame)
    problems += check_seams(taken, looked.images, run, frame)
    townships = taken.get("townships")
    if townships is None or not townships.is_placed or not len(townships.table):
        return None, problems
    county = county_outline(townships, run)
    if county is not None and county.area > 0:
        problems += check_county_zone(county, checked.scenes, frame)
    coverage = check_coverage(townships, looked.images, run, frame)
    return coverage, problems + list(coverage.problems if coverage else ())
