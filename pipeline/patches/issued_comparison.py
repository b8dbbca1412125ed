"""Issued patches against our own detection (下发与自主提取比对): what agrees, and why not.

Every issued patch has one row: matched, missed by us, or not observed; every patch of our own that
no issued one covers has one, extra. Differences of area and date are stated with what the run knows
about them; nothing is guessed about the issuer.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipeline.patches.issued import Matching
from pipeline.units import format_mu100, mu100_from_m2

MATCHED, MISSED, UNOBSERVED, EXTRA = "matched", "missed", "unobserved", "extra"
ALIKE_RATIO = 0.1
"""Share of the issued area below which a difference of area needs no explanation."""
HIDDEN_RATIO = 0.5
"""Share of an outline that must have been hidden for that to be named as a reason."""


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """What one run found, to be laid beside what was issued."""

    kept: gpd.GeoDataFrame
    """`PATCHES` rows, issued ones and ours."""
    dropped: gpd.GeoDataFrame
    """`DROPPED` rows."""
    reason_labels: Mapping[str, str]
    """Drop reason → Chinese label."""


def compare_issued(run: ComparedRun, issued_ids: Sequence[str], matching: Matching) -> pd.DataFrame:
    """`ISSUED_MATCHES` rows: the issued patches in the order of `matching`, then the extra ones."""
    by_id = run.kept[run.kept["issued_id"].notna()].set_index("issued_id")
    official = by_id.loc[list(issued_ids)]
    rows = _issued_rows(run, official, matching)
    ours = run.kept[run.kept["source"] == "detected"]
    least_m2 = float(official["area_m2"].min()) if len(official) else None
    rows += [_extra_row(row, least_m2) for row in ours.to_dict("records")]
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    days = dict.fromkeys(("before_days_later", "after_days_later"), "Int64")
    return table.astype(days).assign(match_no=np.arange(1, len(table) + 1))


_COLUMNS = (
    "patch_id",
    "issued_id",
    "match_state",
    "issued_m2",
    "detected_m2",
    "overlap_m2",
    "area_difference_m2",
    "before_days_later",
    "after_days_later",
    "dropped_reason",
    "explanation_zh",
)


def _issued_rows(
    run: ComparedRun, official: gpd.GeoDataFrame, matching: Matching
) -> list[dict[str, Any]]:
    reasons = _reasons_inside(official, run.dropped)
    dates = _run_dates(run.kept)
    rows = []
    for at, (issued_id, patch) in enumerate(official.iterrows()):
        # Pixels are turned into area by the ratio of this very outline, so that both compare.
        per_pixel = float(patch["area_m2"]) / int(matching.pixels.n_pixels[at])
        is_seen = bool(matching.is_seen[at])
        state = MATCHED if is_seen else UNOBSERVED if patch["observed_ratio"] == 0.0 else MISSED
        row: dict[str, Any] = dict.fromkeys(_COLUMNS) | {
            "patch_id": patch["patch_id"],
            "issued_id": issued_id,
            "match_state": state,
            "issued_m2": float(patch["area_m2"]),
            "before_days_later": _days(dates[0], patch["before_date"]),
            "after_days_later": _days(dates[1], patch["after_date"]),
        }
        if is_seen:
            detected = float(matching.matched_pixels[at]) * per_pixel
            row["detected_m2"] = detected
            row["overlap_m2"] = float(matching.seen.n_pixels[at]) * per_pixel
            row["area_difference_m2"] = detected - row["issued_m2"]
        elif state == MISSED:
            row["dropped_reason"] = reasons[at]
        row["explanation_zh"] = _explained(row, patch, run.reason_labels)
        rows.append(row)
    return rows


def _extra_row(patch: Mapping[str, Any], least_m2: float | None) -> dict[str, Any]:
    text = "下发图斑中没有这一处。"
    if least_m2 is not None and patch["area_m2"] < least_m2:
        text += f"面积小于本期最小的下发图斑（{_mu(least_m2)} 亩）。"
    return dict.fromkeys(_COLUMNS) | {
        "patch_id": patch["patch_id"],
        "match_state": EXTRA,
        "detected_m2": float(patch["area_m2"]),
        "explanation_zh": text,
    }


def _run_dates(kept: gpd.GeoDataFrame) -> tuple[object, object]:
    """The run's own dates, from our own patches; None where they are unknown or not one."""
    ours = kept[kept["source"] == "detected"]
    found = (ours[name].dropna().unique() for name in ("before_date", "after_date"))
    before, after = (values[0] if len(values) == 1 else None for values in found)
    return before, after


def _days(ours: object, issued: object) -> int | None:
    """Days by which our date is later than the issued one; None where one is unknown."""
    if not isinstance(ours, str) or not isinstance(issued, str):
        return None
    difference = datetime.date.fromisoformat(ours) - datetime.date.fromisoformat(issued)
    return difference.days


def _reasons_inside(official: gpd.GeoDataFrame, dropped: gpd.GeoDataFrame) -> NDArray[np.object_]:
    """Reason of the dropped object that covers most of each outline, None if none does."""
    outlines = np.asarray(official.geometry.to_numpy(), dtype=object)
    objects = np.asarray(dropped.geometry.to_numpy(), dtype=object)
    found = np.full(outlines.size, None, dtype=object)
    if not objects.size:
        return found
    at, other = shapely.STRtree(objects).query(outlines, predicate="intersects")
    shared = shapely.area(shapely.intersection(outlines[at], objects[other]))
    reasons = dropped["reason"].to_numpy(dtype=object)
    # The largest share last, so that it is the one that stays; equal ones by the first pixel.
    for number in np.lexsort((-other, shared, at)):
        if shared[number] > 0:
            found[at[number]] = reasons[other[number]]
    return found


def _explained(
    row: Mapping[str, Any], patch: Mapping[str, Any], reason_labels: Mapping[str, str]
) -> str:
    if row["match_state"] == UNOBSERVED:
        return "影像上被云、阴影或无数据遮挡，不能说明有无变化。"
    parts = [
        _found_text(row) if row["match_state"] == MATCHED else _missed_text(row, reason_labels)
    ]
    observed = float(patch["observed_ratio"])
    if observed < HIDDEN_RATIO:
        parts.append(f"范围内只有 {observed:.0%} 可观测。")
    for name, label in (("before_days_later", "前时相"), ("after_days_later", "后时相")):
        days = row[name]
        if days:
            later = "晚" if days > 0 else "早"
            parts.append(f"本次影像{label}比下发图斑{later} {abs(days)} 天。")
    return "".join(parts)


def _found_text(row: Mapping[str, Any]) -> str:
    issued, detected, overlap = row["issued_m2"], row["detected_m2"], row["overlap_m2"]
    if abs(detected - issued) <= ALIKE_RATIO * issued:
        return "面积相近。"
    beyond, unseen = max(detected - overlap, 0.0), max(issued - overlap, 0.0)
    text = f"自主提取比下发{'大' if detected > issued else '小'} {abs(detected / issued - 1):.0%}"
    parts = []
    if beyond > ALIKE_RATIO * issued:
        parts.append(f"下发范围外另有 {_mu(beyond)} 亩变化")
    if unseen > ALIKE_RATIO * issued:
        parts.append(f"下发范围内有 {_mu(unseen)} 亩未检出变化")
    return f"{text}：{'，'.join(parts)}。" if parts else f"{text}。"


def _missed_text(row: Mapping[str, Any], reason_labels: Mapping[str, str]) -> str:
    reason = row["dropped_reason"]
    if reason is None:
        return "范围内没有超过阈值的变化。"
    return f"范围内有变化，但已按“{reason_labels[reason]}”剔除，可恢复。"


def _mu(area_m2: float) -> str:
    return format_mu100(mu100_from_m2(area_m2))
