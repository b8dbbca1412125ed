"""A smooth field of displacements on a coarse grid of nodes, and its fit to tie points.

Thin-plate smoothing spline: Duchon 1977; Wahba 1990, Spline Models for Observational Data. How
smooth it is follows from the leave-one-out error of the points, never from the data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pipeline.imagery.cubic import LATTICE_PX

MAX_NODES = 65
"""Nodes per side: the field is far smoother than this."""
SMOOTHINGS = tuple(float(v) for v in 10.0 ** np.arange(-6.0, 2.0))
"""Candidates for the weight of the bending energy; coordinates run from 0 to 1."""
NODE_STEP_PX = 1e-4
"""Displacements are rounded to this."""
BEYOND_POINTS_PX = 0.25
BEYOND_POINTS_SHARE = 0.3
"""How far a displacement may leave the range of those measured: pixels, and share of the range."""


@dataclass(frozen=True, eq=False)
class DisplacementField:
    """Displacement `(row, col)` at nodes `spacing_px` apart, the first at pixel (0, 0).

    Bilinear in between and constant beyond. `spacing_px` is a multiple of `LATTICE_PX`.
    """

    spacing_px: int
    rows_px: NDArray[np.float64]
    """`(node row, node column)`."""
    cols_px: NDArray[np.float64]

    def at(
        self, rows: NDArray[np.float64], cols: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Displacement at pixel numbers (whole numbers are pixel centres)."""
        last_r, last_c = self.rows_px.shape[0] - 1, self.rows_px.shape[1] - 1
        at_r = np.clip(np.asarray(rows, np.float64) / self.spacing_px, 0, last_r)
        at_c = np.clip(np.asarray(cols, np.float64) / self.spacing_px, 0, last_c)
        r = np.minimum(at_r.astype(np.int64), max(last_r - 1, 0))
        c = np.minimum(at_c.astype(np.int64), max(last_c - 1, 0))
        below, right = np.minimum(r + 1, last_r), np.minimum(c + 1, last_c)
        fr, fc = at_r - r, at_c - c

        def between(nodes: NDArray[np.float64]) -> NDArray[np.float64]:
            upper = nodes[r, c] + (nodes[r, right] - nodes[r, c]) * fc
            lower = nodes[below, c] + (nodes[below, right] - nodes[below, c]) * fc
            return np.asarray(upper + (lower - upper) * fr)

        return between(self.rows_px), between(self.cols_px)


@dataclass(frozen=True, eq=False)
class SmoothShift:
    """A displacement as a function of place: an affine part and a bending part."""

    points: NDArray[np.float64]
    """Centres of the bending part, pixels divided by `unit_px`, `(n, 2)`; none: affine."""
    weights: NDArray[np.float64]
    """`(n, 2)`."""
    plane: NDArray[np.float64]
    """Constant, slope along rows, slope along columns, `(3, 2)`."""
    unit_px: float
    reach: NDArray[np.float64]
    """Lowest and highest displacement allowed, `(2, 2)`."""

    def at(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Displacement `(n, 2)` at places `(n, 2)`, both `(row, col)` in pixels."""
        x = places / self.unit_px
        moved = _plane_basis(x) @ self.plane
        if len(self.points):
            moved = moved + _bending_basis(x, self.points) @ self.weights
        return np.clip(moved, self.reach[0], self.reach[1])

    def field(self, height: int, width: int) -> DisplacementField:
        """The displacement at the nodes that cover an image."""
        spacing = LATTICE_PX * ceil(max(height, width) / (LATTICE_PX * (MAX_NODES - 1)))
        n_rows, n_cols = ceil(height / spacing) + 1, ceil(width / spacing) + 1
        rows, cols = np.meshgrid(
            np.arange(n_rows) * float(spacing), np.arange(n_cols) * float(spacing), indexing="ij"
        )
        moved = self.at(np.column_stack([rows.ravel(), cols.ravel()]))
        moved = np.round(moved / NODE_STEP_PX) * NODE_STEP_PX
        rows_px, cols_px = (moved[:, axis].reshape(n_rows, n_cols) for axis in (0, 1))
        return DisplacementField(spacing, rows_px, cols_px)


def fit_affine(
    places: NDArray[np.float64], shifts: NDArray[np.float64], unit_px: float
) -> tuple[SmoothShift, NDArray[np.float64]]:
    """Least squares plane through shifts `(n, 2)`, and each point's leave-one-out residual."""
    basis = _plane_basis(places / unit_px)
    inverse = np.linalg.pinv(basis)
    plane = inverse @ shifts
    own_share = np.minimum((basis * inverse.T).sum(axis=1), 0.9)
    left = (shifts - basis @ plane) / (1.0 - own_share)[:, None]
    none = np.empty((0, 2))
    return SmoothShift(none, none, plane, unit_px, _reach(shifts)), left


def fit_bending(
    places: NDArray[np.float64], shifts: NDArray[np.float64], unit_px: float
) -> tuple[SmoothShift, NDArray[np.float64]]:
    """Thin plate through shifts `(n, 2)`, as stiff as the leave-one-out error wants it.

    Needs more than three points that do not lie on one line and no place twice. With the bordered
    matrix M = [[K + λI, P], [Pᵀ, 0]] the leave-one-out residual of point i is cᵢ / (M⁻¹)ᵢᵢ.
    """
    x = places / unit_px
    n = len(x)
    bending, plane = _bending_basis(x, x), _plane_basis(x)
    border = np.zeros((n + 3, n + 3))
    border[:n, n:], border[n:, :n] = plane, plane.T
    target = np.zeros((n + 3, 2))
    target[:n] = shifts
    best: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
    for smoothing in SMOOTHINGS:
        border[:n, :n] = bending + smoothing * np.eye(n)
        inverse = np.linalg.inv(border)
        solved = inverse @ target
        left = solved[:n] / np.diagonal(inverse)[:n, None]
        error = round(float(np.hypot(*left.T).mean()), 6)
        if best is None or error <= best[0]:  # of equals the stiffer
            best = error, solved, left
    assert best is not None
    _, solved, left = best
    return SmoothShift(x, solved[:n], solved[n:], unit_px, _reach(shifts)), left


def _plane_basis(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.ones(len(x)), x])


def _bending_basis(x: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """r² log r, `(place, centre)`."""
    square = ((x[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return np.where(square > 0, 0.5 * square * np.log(np.where(square > 0, square, 1.0)), 0.0)


def _reach(shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = shifts.min(axis=0), shifts.max(axis=0)
    beyond = BEYOND_POINTS_PX + BEYOND_POINTS_SHARE * (high - low)
    return np.stack([low - beyond, high + beyond])
