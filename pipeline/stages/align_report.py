"""`align/report.html` from what `align` measured."""

from __future__ import annotations

from typing import Any

from pipeline.delivery.align_report import AlignFacts, BandLine, render_alignment
from pipeline.errors import Finding
from pipeline.io.atomic import replace_text
from pipeline.io.pairs import ImagePair
from pipeline.stages.context import StageContext

UNKNOWN_ZH = "日期不详"


def write_align_report(
    context: StageContext, pair: ImagePair, fit: dict[str, Any], notices: tuple[Finding, ...]
) -> None:
    """Write the page; `fit` as written to `fit.json`."""
    registration, quality = fit["registration"], fit["radiometry_quality"]
    objects = fit["clouds"].get("objects", {})
    facts = AlignFacts(
        dates=(fit["before_date"] or UNKNOWN_ZH, fit["after_date"] or UNKNOWN_ZH),
        size_px=(pair.grid.height, pair.grid.width),
        pixel_m=pair.grid.pixel_size_m,
        registration=registration,
        limits_px=registration["limits_px"],
        points=[(row, col, left) for row, col, left in registration["residual_points"]],
        bands=tuple(
            BandLine(role, **band)
            for role, band in zip(fit["roles"], quality["bands"], strict=True)
        ),
        n_sample=quality["n_sample"],
        n_invariant=quality["n_invariant"],
        validity=fit["validity"],
        n_clouds={name: sum(one["is_cloud"] for one in found) for name, found in objects.items()},
        notices=tuple(notice.what for notice in notices),
    )
    replace_text(context.paths.align_report, render_alignment(facts))
