"""From tie points to a correction: nothing, a shift, a plane or a smooth field.

A more complex correction is taken only where it lowers the error at points that had no part in any
fit (the check points): by a given step and by twice the standard error of the gain. The figures of
what is left come from the same points, measured again after the correction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.grid import Grid
from pipeline.imagery.consensus import agreeing
from pipeline.imagery.displacement import (
    DisplacementField,
    SmoothShift,
    fit_affine,
    fit_bending,
)
from pipeline.imagery.tie_points import RegistrationKind, TiePoint, TiePointParams
from pipeline.scene import DateName

KINDS: tuple[RegistrationKind, ...] = get_args(RegistrationKind)
MIN_CHECKS = 5
"""With fewer agreeing check points nothing more complex than a shift can be judged."""
MIN_FITTED = {"affine": 6, "field": 10}
GAIN_IN_ERRORS = 2.0
"""A gain counts if it is this many of its own standard errors."""


@dataclass(frozen=True)
class Registration:
    """The correction of one image, and what is left of the misregistration."""

    kind: RegistrationKind
    shift_row_px: float
    """Of kind `shift` the correction, else the median displacement, for information."""
    shift_col_px: float
    field: DisplacementField | None
    """The correction of kinds `affine` and `field`."""
    residual_px: float | None
    """Median distance left at the check points; None if no agreement was found."""
    residual_p95_px: float | None
    n_points: int
    n_used: int
    """Points that agree, check points among them."""
    n_check: int
    """Check points that agree."""
    moved: DateName = "after"
    """The image that is corrected; the other one's positions stand."""

    @property
    def is_established(self) -> bool:
        """False if the points did not agree: the images are then left where they lie."""
        return self.n_used > 0

    @property
    def constant_px(self) -> tuple[float, float]:
        """The constant part of the correction, `(row, col)`."""
        return (self.shift_row_px, self.shift_col_px) if self.kind == "shift" else (0.0, 0.0)

    def as_json(self) -> dict[str, Any]:
        """The fit report; a field by its nodes, so that it can be applied by another program."""
        field = self.field
        nodes = None
        if field is not None:
            nodes = {
                "spacing_px": field.spacing_px,
                "rows_px": np.round(field.rows_px, 4).tolist(),
                "cols_px": np.round(field.cols_px, 4).tolist(),
            }
        return {
            "kind": self.kind,
            "moved": self.moved,
            "shift_row_px": self.shift_row_px,
            "shift_col_px": self.shift_col_px,
            "residual_px": self.residual_px,
            "residual_p95_px": self.residual_p95_px,
            "n_points": self.n_points,
            "n_used": self.n_used,
            "n_tie": self.n_used - self.n_check,
            "n_check": self.n_check,
            "field": nodes,
        }


def at_rest(n_points: int, moved: DateName = "after") -> Registration:
    """No correction."""
    return Registration("none", 0.0, 0.0, None, None, None, n_points, 0, 0, moved)


@dataclass(frozen=True, eq=False)
class _Candidate:
    kind: RegistrationKind
    smooth: SmoothShift | None
    left: NDArray[np.float64]
    """What it leaves at the fitted points, leave-one-out, `(n, 2)`."""
    checked: NDArray[np.float64]
    """What it leaves at the check points, `(n, 2)`."""


def fit_registration(
    points: Sequence[TiePoint],
    params: TiePointParams,
    search_px: float,
    grid: Grid,
    moved: DateName = "after",
) -> tuple[Registration, list[TiePoint]]:
    """The correction that the check points justify, and the points with `is_used` and residual.

    Points carry total displacements. Without enough agreement there is no correction and no point
    is used.
    """
    marked = mark_agreeing(points, params, search_px)
    used = [p for p in marked if p.is_used]
    if not used:
        return at_rest(len(points), moved), marked
    fitted, checks = [p for p in used if not p.is_check], [p for p in used if p.is_check]
    if len(fitted) < params.min_points:  # a handful of points: none can be spared
        fitted, checks = used, used
    best = _choose(fitted, checks, params, float(max(grid.height, grid.width)))
    left = {p.point_id: v for p, v in zip(checks, best.checked, strict=True)}
    left |= {p.point_id: v for p, v in zip(fitted, best.left, strict=True)}
    marked = [
        replace(p, residual_px=round(float(np.hypot(*left[p.point_id])), 4)) if p.is_used else p
        for p in marked
    ]
    median = np.median(_shifts(fitted), axis=0)
    is_moved = best.kind != "none"
    found = Registration(
        best.kind,
        round(float(median[0]), 4) if is_moved else 0.0,
        round(float(median[1]), 4) if is_moved else 0.0,
        None if best.smooth is None else best.smooth.field(grid.height, grid.width),
        None,
        None,
        len(points),
        len(used),
        sum(p.is_check for p in used),
        moved,
    )
    return with_residuals(found, marked), marked


def mark_agreeing(
    points: Sequence[TiePoint], params: TiePointParams, search_px: float
) -> list[TiePoint]:
    """The points with `is_used` set where they agree; none if too few do."""
    usable = [
        p
        for p in points
        if p.quality >= params.min_snr and np.hypot(p.shift_row_px, p.shift_col_px) <= search_px
    ]
    keep = agreeing(_places(usable), _shifts(usable), params.min_points)
    if keep.sum() < max(params.min_points, params.min_agreement * len(usable)):
        return [replace(p, is_used=False) for p in points]
    used = {p.point_id for p, is_kept in zip(usable, keep, strict=True) if is_kept}
    return [replace(p, is_used=p.point_id in used) for p in points]


def with_residuals(found: Registration, points: Sequence[TiePoint]) -> Registration:
    """The registration with the figures of its check points; of all points if there are none."""
    used = [p for p in points if p.is_used and p.residual_px is not None]
    checks = [p for p in used if p.is_check] or used
    if not checks:
        return replace(found, residual_px=None, residual_p95_px=None)
    lengths = np.array([p.residual_px for p in checks], np.float64)
    return replace(
        found,
        residual_px=round(float(np.median(lengths)), 4),
        residual_p95_px=round(float(np.percentile(lengths, 95)), 4),
    )


def remeasured(
    points: Sequence[TiePoint], again: Mapping[int, TiePoint], params: TiePointParams
) -> list[TiePoint]:
    """The points with residuals as measured on the corrected image.

    A point whose second measurement fails keeps what the fit says of it.
    """
    result = []
    for point in points:
        second = again.get(point.point_id)
        if second is not None and second.quality >= params.min_snr:
            length = float(np.hypot(second.shift_row_px, second.shift_col_px))
            point = replace(point, residual_px=round(length, 4))
        result.append(point)
    return result


def _choose(
    fitted: Sequence[TiePoint], checks: Sequence[TiePoint], params: TiePointParams, unit_px: float
) -> _Candidate:
    places, shifts = _places(fitted), _shifts(fitted)
    at_checks, wanted = _places(checks), _shifts(checks)
    nothing = _Candidate("none", None, shifts, wanted)
    median = np.round(np.median(shifts, axis=0), 4)
    shift = _Candidate("shift", None, shifts - median, wanted - median)
    allowed = KINDS[: KINDS.index(params.most_complex_model) + 1]
    is_worth = float(np.hypot(*median)) >= params.negligible_shift_px
    best = shift if is_worth and "shift" in allowed else nothing
    if len(checks) < MIN_CHECKS:
        return best
    kind: RegistrationKind
    for kind, fit in (("affine", fit_affine), ("field", fit_bending)):
        if kind not in allowed or len(fitted) < MIN_FITTED[kind]:
            continue
        smooth, left = fit(places, shifts, unit_px)
        candidate = _Candidate(kind, smooth, left, wanted - smooth.at(at_checks))
        if _is_better(candidate, best, params):
            best = candidate
    return best


def _is_better(candidate: _Candidate, best: _Candidate, params: TiePointParams) -> bool:
    gains = np.hypot(*best.checked.T) - np.hypot(*candidate.checked.T)
    error = float(gains.std(ddof=1)) / len(gains) ** 0.5
    least = params.negligible_shift_px if best.kind == "none" else params.min_gain_px
    return bool(gains.mean() >= max(least, GAIN_IN_ERRORS * error))


def _places(points: Sequence[TiePoint]) -> NDArray[np.float64]:
    """Pixel numbers of the windows' centres, `(n, 2)`: whole numbers are pixel centres."""
    return np.array([(p.row - 0.5, p.col - 0.5) for p in points], np.float64).reshape(-1, 2)


def _shifts(points: Sequence[TiePoint]) -> NDArray[np.float64]:
    return np.array([(p.shift_row_px, p.shift_col_px) for p in points], np.float64).reshape(-1, 2)
