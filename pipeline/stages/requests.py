"""Turning a command line into a run configuration."""

from __future__ import annotations

import math
from pathlib import Path

from pydantic import ValidationError

from pipeline.change.detectors import DETECTORS
from pipeline.config.models import DetectSettings, ImageInput, RunConfig, Settings
from pipeline.errors import Finding, UsageError
from pipeline.io.rasters import require_local_file
from pipeline.io.scenes import read_meta
from pipeline.scene import require_known_roles


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


def compare_request(
    before: Path,
    after: Path,
    bands: tuple[str, ...] | None,
    gsd_m: float | None,
    detector: str,
) -> RunConfig:
    """The run behind `compare BEFORE AFTER`. Dates come from a `meta.yaml` beside the images."""
    for path in (before, after):
        require_local_file(path)
    if bands is not None:
        require_known_roles(bands, "--bands")
    if gsd_m is not None and not 0 < gsd_m < math.inf:
        raise UsageError(
            Finding(
                "E-USAGE",
                "地面分辨率必须大于 0。",
                where="--gsd",
                value=str(gsd_m),
                advice="以米为单位给出，如 0.5。",
            )
        )
    settings = with_detector(detector)
    # The dates in a meta.yaml are those of before.* and after.*, not of any two files beside it.
    is_named_pair = (before.stem, after.stem) == ("before", "after")
    meta = read_meta(before.parent) if is_named_pair and before.parent == after.parent else None
    return RunConfig(
        run="compare",
        before=ImageInput(path=str(before), bands=bands, date=meta.before_date if meta else None),
        after=ImageInput(path=str(after), bands=bands, date=meta.after_date if meta else None),
        gsd_m=gsd_m,
        settings=settings,
    )
