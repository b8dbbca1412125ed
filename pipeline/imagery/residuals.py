"""What misregistration is left at a place, and the gate that flags or stops (配准残差)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.errors import Finding, InputError, Severity
from pipeline.grid import Grid, PixelWindow
from pipeline.imagery.registration import Registration
from pipeline.imagery.tie_points import TiePoint
from pipeline.schema.model import Frozen, refusal

NEIGHBOURS = 5
"""A place's residual is the median of that many nearest points: two false ones do not show."""
CELL_PX = 64
"""Cells in which a place counts as unregistered."""
SUPPORT = 1.75
"""A cell is judged if points lie around it, within so many mean distances of the points.

Points half a window from the image's edge are 1.6 distances from its outermost cells, which their
windows cover."""


class RegistrationGateParams(Frozen):
    """When a residual is flagged, and when it stops the run (配准闸门).

    Orthoimages of two dates are usually accepted at 1 px in plains and 2 px in hills.
    """

    flag_median_px: float = Field(1.0, gt=0, description="检查点残差中位数超过此值（像元）即提示")
    flag_p95_px: float = Field(
        2.0,
        gt=0,
        description="检查点残差 95% 分位超过此值（像元）即提示；超过此值的局部按未观测处理",
    )
    stop_median_px: float = Field(2.0, gt=0, description="检查点残差中位数超过此值（像元）即停止")

    min_check_points: int = Field(
        8, ge=2, description="检查点少于此数时残差不可靠：不提示也不停止（小块影像）"
    )

    @model_validator(mode="after")
    def _in_order(self) -> RegistrationGateParams:
        if self.stop_median_px < self.flag_median_px:
            raise refusal(
                "停止的限值小于提示的限值。",
                at=("stop_median_px",),
                allowed="不小于 flag_median_px",
            )
        return self


@dataclass(frozen=True, eq=False)
class UnregisteredCells:
    """Cells of `CELL_PX` from the grid origin whose residual is above the limit."""

    cells: NDArray[np.uint8]
    """`(cell row, cell column)`, 1 where the images do not fit."""

    def mask(self, window: PixelWindow) -> NDArray[np.bool_]:
        """Whether pixels of a window lie in such a cell, `(y, x)`."""
        rows = np.arange(window.row0, window.row1) // CELL_PX
        cols = np.arange(window.col0, window.col1) // CELL_PX
        return np.asarray(self.cells[np.ix_(rows, cols)] == 1)


def residual_points(points: Sequence[TiePoint]) -> NDArray[np.float64]:
    """Row, column and residual of the points that agree, pixels, `(n, 3)`."""
    rows = [
        (p.row, p.col, p.residual_px) for p in points if p.is_used and p.residual_px is not None
    ]
    return np.array(rows, np.float64).reshape(-1, 3)


def local_residual(
    measured: NDArray[np.float64], places: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Residual at places `(n, 2)` (row, column), pixels, `(n,)`: the median of the nearest points.

    `measured` `(m, 3)` as from `residual_points`. NaN everywhere if there are none.
    """
    if not len(measured):
        return np.full(len(places), np.nan)
    result = np.empty(len(places))
    for start in range(0, len(places), 4096):
        part = places[start : start + 4096]
        nearest, _ = _nearest(measured, part)
        result[start : start + 4096] = np.median(measured[nearest, 2], axis=1)
    return np.round(result, 4)


def _nearest(
    measured: NDArray[np.float64], places: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    square = ((places[:, None, :] - measured[None, :, :2]) ** 2).sum(axis=2)
    nearest = np.argsort(square, axis=1, kind="stable")[:, :NEIGHBOURS]
    return nearest, np.sqrt(np.take_along_axis(square, nearest, axis=1))


def unregistered_cells(
    measured: NDArray[np.float64], grid: Grid, params: RegistrationGateParams
) -> UnregisteredCells | None:
    """Where the residual exceeds `flag_p95_px`, as far as points support it; None if nowhere."""
    if len(measured) < NEIGHBOURS:
        return None
    shape = -(-grid.height // CELL_PX), -(-grid.width // CELL_PX)
    rows, cols = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    places = (np.column_stack([rows.ravel(), cols.ravel()]).astype(np.float64) + 0.5) * CELL_PX
    cells = np.zeros(len(places), np.uint8)
    apart = float(np.median(_nearest(measured, measured[:, :2])[1][:, 1]))
    for start in range(0, len(places), 4096):
        part = slice(start, start + 4096)
        nearest, distance = _nearest(measured, places[part])
        residual = np.median(measured[nearest, 2], axis=1)
        is_supported = distance[:, min(2, distance.shape[1] - 1)] <= SUPPORT * apart
        cells[part] = is_supported & (residual > params.flag_p95_px)
    return UnregisteredCells(cells.reshape(shape)) if cells.any() else None


def is_flagged(found: Registration, params: RegistrationGateParams) -> bool:
    """Whether what is left at the check points is above a limit."""
    if found.residual_px is None or found.residual_p95_px is None:
        return False
    if found.n_check < params.min_check_points:
        return False
    return found.residual_px > params.flag_median_px or found.residual_p95_px > params.flag_p95_px


def require_registered(found: Registration, params: RegistrationGateParams, where: str) -> None:
    """Stop if enough check points show a median residual above the limit. Raises `InputError`."""
    if found.residual_px is None or found.residual_px <= params.stop_median_px:
        return
    if found.n_check < params.min_check_points:
        return
    raise InputError(
        Finding(
            "E-REGISTRATION-RESIDUAL",
            "两期影像配准后残差过大，比对没有意义。",
            where=where,
            value=_figures(found),
            allowed=f"检查点残差中位数不超过 {params.stop_median_px:g} 像元",
            advice="核对两期影像是否同一正射底图、同一坐标系；重新做正射纠正或配准后再运行。",
        )
    )


def residual_notice(
    found: Registration, params: RegistrationGateParams, where: str, unregistered_pixels: int
) -> Finding:
    """What to tell of a residual above the flag limit."""
    return Finding(
        "N-REGISTRATION-RESIDUAL",
        "两期影像配准后残差超过限值：细窄图斑可能由错位造成。",
        where=where,
        value=f"{_figures(found)}；局部超限、按未观测处理的像元 {unregistered_pixels} 个",
        allowed=f"中位数不超过 {params.flag_median_px:g} 像元，95% 分位不超过 "
        f"{params.flag_p95_px:g} 像元",
        advice="在 QGIS 中按 tie_points.gpkg 查看残差大的地方；必要时向供方要求重做正射纠正。",
        severity=Severity.NOTICE,
    )


def _figures(found: Registration) -> str:
    return (
        f"检查点 {found.n_check} 个，残差中位数 {found.residual_px:.2f} 像元，"
        f"95% 分位 {found.residual_p95_px:.2f} 像元"
    )
