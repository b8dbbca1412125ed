"""Outlines in a returned `verify.gpkg` against those that were sent out: reported, never merged."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from pipeline.errors import Finding, Severity
from pipeline.schema.returned import FormTable
from pipeline.stages.collect_task import Material

SAME_M = 0.05
"""What a round trip through another reference system may move a corner by."""


def altered_outlines(table: FormTable, material: Material) -> dict[str, tuple[Finding, ...]]:
    """Patch id → a notice, for every outline that is no longer what was sent out."""
    sent = material.outlines
    to_run = _transformer(table.crs, material.patches.crs)
    altered: dict[str, tuple[Finding, ...]] = {}
    for patch, outline in sorted(table.outlines.items()):
        if patch in sent and not _is_same(outline, sent[patch], to_run):
            altered[patch] = (_notice(patch),)
    return altered


def _transformer(given: Any, wanted: CRS) -> Transformer | None:
    """None where the outlines are in the run's reference system, or say nothing of theirs."""
    if given is None or given == wanted:
        return None
    try:
        return Transformer.from_crs(given, wanted, always_xy=True)
    except ProjError:
        return None


def _is_same(outline: Any, sent: Any, to_run: Transformer | None) -> bool:
    if outline is None or outline.is_empty:
        return False
    try:
        if to_run is not None:
            outline = shapely.transform(
                outline, lambda xy: np.column_stack(to_run.transform(xy[:, 0], xy[:, 1]))
            )
        return bool(shapely.hausdorff_distance(outline, sent) <= SAME_M)
    except (ProjError, shapely.errors.GEOSException):
        return False


def _notice(patch: str) -> Finding:
    return Finding(
        "N-RETURN-LOCKED",
        "图斑范围被改动，未并入。",
        f"图斑 {patch}",
        advice="范围有出入的，在处理意见中说明并附实测界址。",
        severity=Severity.NOTICE,
    )
