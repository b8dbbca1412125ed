"""Turning a command line into a run configuration."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from pipeline.change.detectors import DETECTORS
from pipeline.config.load import with_model
from pipeline.config.models import DetectSettings, ImageInput, RunConfig, Settings
from pipeline.errors import Finding, UsageError
from pipeline.io.rasters import require_local_file
from pipeline.io.scenes import SceneMeta, read_meta
from pipeline.scene import DATE_NAMES, require_known_roles


def with_detector(detector: str) -> Settings:
    """Default settings with a chosen detector. Raises `UsageError` for an unknown one."""
    try:
        return Settings(detect=DetectSettings.model_validate({"detector": detector}))
    except ValidationError as problem:
        raise UsageError(
            Finding(
                "E-USAGE",
                f"没有检测器“{detector}”。",
                where="--detector",
                allowed="、".join(("auto", *DETECTORS)),
                advice="写上面列出的名字之一。",
            )
        ) from problem


def using_model(settings: Settings, model: Path | None) -> Settings:
    """The same settings with the network that the detector `learned` is to use, if one is given."""
    return settings if model is None else with_model(settings, str(model))


def positioned_by(settings: Settings, reference: str) -> Settings:
    """The same settings with the image whose positions stand. Raises `UsageError`."""
    if reference not in DATE_NAMES:
        raise UsageError(
            Finding(
                "E-USAGE",
                f"没有叫“{reference}”的一期影像。",
                where="--reference",
                value=reference,
                allowed="、".join(DATE_NAMES),
                advice="before 以变化前影像的位置为准，after 以变化后影像的位置为准。",
            )
        )
    align = settings.align.model_copy(update={"reference": reference})
    return settings.model_copy(update={"align": align})


def compare_request(
    before: Path,
    after: Path,
    bands: tuple[str, ...] | None,
    gsd_m: float | None,
    detector: str,
    masks: tuple[Path | None, Path | None] = (None, None),
) -> RunConfig:
    """The run behind `compare BEFORE AFTER`.

    `masks` are supplied validity masks of both images. Dates, and masks not given here, come from
    a `meta.yaml` beside the images.
    """
    for path in (before, after):
        require_local_file(path)
    if bands is not None:
        require_known_roles(bands, "--bands")
    settings = with_detector(detector)
    # What a meta.yaml says is said of before.* and after.*, not of any two files beside it.
    is_named_pair = (before.stem, after.stem) == ("before", "after")
    is_described = is_named_pair and before.parent == after.parent
    meta = read_meta(before.parent) if is_described else SceneMeta()
    images = described_images(before, after, meta, bands, masks)
    return RunConfig(
        run="compare", before=images[0], after=images[1], gsd_m=gsd_m, settings=settings
    )


def described_images(
    before: Path,
    after: Path,
    meta: SceneMeta,
    bands: tuple[str, ...] | None = None,
    masks: tuple[Path | None, Path | None] = (None, None),
) -> tuple[ImageInput, ImageInput]:
    """Both images with the dates and masks of their `meta.yaml`; masks given otherwise win."""
    named = (meta.before_mask, meta.after_mask)
    chosen: list[str | None] = []
    for image, given, name in zip((before, after), masks, named, strict=True):
        mask = given if given is not None or name is None else image.parent / name
        chosen.append(None if mask is None else str(require_local_file(mask)))
    return (
        ImageInput(path=str(before), bands=bands, date=meta.before_date, mask=chosen[0]),
        ImageInput(path=str(after), bands=bands, date=meta.after_date, mask=chosen[1]),
    )
