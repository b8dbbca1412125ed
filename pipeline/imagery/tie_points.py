"""Tie points between two images by phase correlation on a grid of small windows.

Phase correlation stays usable when season, sun and sensor change the contrast, but it locks onto
anything when the content itself changed (false shifts of 75-295 px occur in real pairs). Hence a
limit of plausibility on the peak, a signal-to-noise bound, and a consensus among the points.

Kuglin and Hines 1975. The cross spectrum is weighted by a Gaussian so that the correlation peak is
a Gaussian of known width, whose sub-pixel position three samples per axis give in closed form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from pydantic import Field

from pipeline.grid import Grid, PixelWindow, RasterWindow, Tile, TileOutput
from pipeline.imagery.resample import GridMapping, resample
from pipeline.imagery.validity import NodataRule, covered_mask, working_pixels
from pipeline.schema.model import Frozen

MAX_REPEATED = 25
"""Points measured again once the common shift is known; they only refine it."""


class TiePointParams(Frozen):
    """Settings of the registration (配准)."""

    max_shift_m: float = Field(
        20.0,
        gt=0,
        description="可信的最大平移，米；超过的相关峰视为假锁定",
    )
    min_search_px: float = Field(4.0, gt=0, description="搜索范围不小于的像元数（粗分辨率影像）")
    points_per_side: int = Field(7, ge=2, le=64, description="每个方向的同名点数")
    min_clear_share: float = Field(0.6, gt=0, le=1, description="匹配窗口内有效像元的最低比例")
    min_snr: float = Field(6.0, gt=1, description="相关峰与背景标准差之比的下限")
    min_points: int = Field(4, ge=3, description="建立配准关系所需的最少一致点数")
    min_agreement: float = Field(0.5, gt=0, le=1, description="一致点占可用点的最低比例")
    negligible_shift_px: float = Field(
        0.1, ge=0, description="小于此值的平移不做重采样：插值的损失大于所得"
    )


@dataclass(frozen=True)
class TiePoint:
    """One measured displacement of the after image against the before image."""

    point_id: int
    row: float
    """Centre of the window on the target grid, pixels."""
    col: float
    shift_row_px: float
    shift_col_px: float
    quality: float
    """Signal-to-noise ratio of the correlation peak; 0 if the window could not be used."""
    window_px: int
    is_used: bool = False


@dataclass(frozen=True)
class Registration:
    """The displacement the points agree on."""

    shift_row_px: float
    shift_col_px: float
    residual_px: float | None
    """Median distance of the used points from the common shift; None if none was established."""
    n_points: int
    n_used: int

    @property
    def is_established(self) -> bool:
        """False if the points did not agree: the images are then left where they lie."""
        return self.n_used > 0

    def is_below(self, limit_px: float) -> bool:
        """Whether the shift is shorter than `limit_px`."""
        return bool(np.hypot(self.shift_row_px, self.shift_col_px) < limit_px)

    def without_negligible(self, limit_px: float) -> Registration:
        """The same fit with a shift below `limit_px` set to zero: it is not worth resampling."""
        if not self.is_below(limit_px):
            return self
        return replace(self, shift_row_px=0.0, shift_col_px=0.0)


@dataclass(frozen=True, eq=False)
class TieJob:
    """Parameters of `measure_tie_point`."""

    before: GridMapping
    after: GridMapping
    before_rule: NodataRule
    after_rule: NodataRule
    search_px: float
    min_clear_share: float


def search_limit_px(params: TiePointParams, pixel_size_m: float) -> float:
    """Largest plausible shift in pixels."""
    return max(params.min_search_px, params.max_shift_m / pixel_size_m)


def tie_windows(grid: Grid, params: TiePointParams) -> list[Tile]:
    """Windows to be matched, on a regular lattice; empty if the image is too small.

    In large images a window lies inside one 512-px file block, so that one block is decoded for it.
    """
    side = min(grid.height, grid.width)
    window_px = 256 if side >= 768 else 128 if side >= 256 else 64
    if side < window_px:
        return []
    rows = _centres(grid.height, window_px, params.points_per_side)
    cols = _centres(grid.width, window_px, params.points_per_side)
    half = window_px // 2
    windows = [PixelWindow(r - half, r + half, c - half, c + half) for r in rows for c in cols]
    return [Tile(number, window, window) for number, window in enumerate(windows)]


def windows_to_repeat(windows: list[Tile], points: Sequence[TiePoint]) -> list[Tile]:
    """Windows of the used points, thinned to `MAX_REPEATED`, for the second measurement."""
    used = {point.point_id for point in points if point.is_used}
    chosen = [window for window in windows if window.index in used]
    return chosen[:: max(1, -(-len(chosen) // MAX_REPEATED))]


def _centres(length: int, window_px: int, count: int) -> list[int]:
    if length >= 512 * count:
        block_count = length // 512
        return [512 * (i * block_count // count) + 256 for i in range(count)]
    first, last = window_px // 2, length - window_px // 2
    count = min(count, 1 + (last - first) // (window_px // 2))
    return sorted({round(p) for p in np.linspace(first, last, max(count, 1))})


def measure_tie_point(
    tile: Tile, sources: Mapping[str, RasterWindow], params: TieJob
) -> TileOutput:
    """Tile function: displacement in one window; sources `before`, `after` with one band each."""
    images, masks = [], []
    for name, mapping, rule in (
        ("before", params.before, params.before_rule),
        ("after", params.after, params.after_rule),
    ):
        source = sources[name]
        covered = covered_mask(source, rule)
        pixels, mask = resample(
            tile.core,
            working_pixels(source, covered),
            (source.row0, source.col0),
            covered,
            mapping,
        )
        images.append(pixels[0].astype(np.float32))
        masks.append(mask)
    centre = (tile.core.row0 + tile.core.row1) / 2, (tile.core.col0 + tile.core.col1) / 2
    both = masks[0] & masks[1]
    shift_row, shift_col, snr = 0.0, 0.0, 0.0
    if both.mean() >= params.min_clear_share:
        shift_row, shift_col, snr = phase_shift(images[0], images[1], both, params.search_px)
    point = TiePoint(
        tile.index, centre[0], centre[1], shift_row, shift_col, snr, tile.core.shape[0]
    )
    return TileOutput(partials=((tile.index, point),))


def phase_shift(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    valid: NDArray[np.uint8],
    search_px: float,
) -> tuple[float, float, float]:
    """`(row, col)` displacement of `after` against `before`, and the peak's signal-to-noise ratio.

    Square windows `(y, x)`. Only peaks within `search_px` are considered. A flat window gives a
    ratio of 0.
    """
    size = before.shape[0]
    taper = _hann(size)
    spectra = []
    for image in (before, after):
        filled = np.where(valid == 1, image, image[valid == 1].mean(dtype=np.float64))
        filled = (filled - filled.mean(dtype=np.float64)) * taper
        if not filled.any():
            return 0.0, 0.0, 0.0
        spectra.append(scipy.fft.rfft2(filled.astype(np.float32)))
    cross = spectra[1] * np.conj(spectra[0])
    magnitude = np.abs(cross)
    cross = np.where(magnitude > 0, cross / np.where(magnitude > 0, magnitude, 1), 0)
    correlation = scipy.fft.irfft2(cross * _gaussian_weights(size), s=(size, size))
    reach = min(int(search_px), size // 2 - 2)
    centred = np.roll(correlation, (reach + 1, reach + 1), axis=(0, 1))
    centred = centred[: 2 * reach + 3, : 2 * reach + 3]
    inner = centred[1:-1, 1:-1]
    row, col = np.unravel_index(int(inner.argmax()), inner.shape)
    spread = float(correlation.std(dtype=np.float64))
    peak = float(inner[row, col])
    d_row = _peak_offset(centred[row : row + 3, col + 1])
    d_col = _peak_offset(centred[row + 1, col : col + 3])
    return float(row - reach + d_row), float(col - reach + d_col), peak / spread


def _peak_offset(samples: NDArray[np.floating]) -> float:
    """Sub-pixel position of a Gaussian peak from its three highest samples."""
    if np.min(samples) <= 0:
        return 0.0
    left, middle, right = np.log(samples.astype(np.float64))
    curvature = left - 2 * middle + right
    if curvature >= 0:
        return 0.0
    return float(np.clip(0.5 * (left - right) / curvature, -0.5, 0.5))


def _hann(size: int) -> NDArray[np.float32]:
    line = np.hanning(size + 1)[:-1]
    return np.outer(line, line).astype(np.float32)


def _gaussian_weights(size: int) -> NDArray[np.float32]:
    """Transfer function of a Gaussian of 1 px: the correlation peak takes that width."""
    rows, cols = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    return np.exp(-2.0 * np.pi**2 * (rows**2 + cols**2)).astype(np.float32)


def fit_registration(
    measured: Sequence[TiePoint],
    params: TiePointParams,
    search_px: float,
    applied: Registration,
) -> tuple[Registration, list[TiePoint]]:
    """Robust common shift: median and scaled median deviation, repeated until stable.

    `measured` are displacements left after the shift of `applied`. Returns the total fit and the
    points with total displacements and `is_used` set. Without enough agreement the shift is 0 and
    no point is used.
    """
    points = [
        replace(
            p,
            shift_row_px=p.shift_row_px + applied.shift_row_px,
            shift_col_px=p.shift_col_px + applied.shift_col_px,
        )
        for p in measured
    ]
    usable = [
        p
        for p in points
        if p.quality >= params.min_snr and np.hypot(p.shift_row_px, p.shift_col_px) <= search_px
    ]
    shifts = np.array([(p.shift_row_px, p.shift_col_px) for p in usable]).reshape(-1, 2)
    centre, distance, keep = _consensus(shifts, params.min_points)
    if keep.sum() < max(params.min_points, params.min_agreement * len(usable)):
        return Registration(0.0, 0.0, None, len(points), 0), points
    used = {p.point_id for p, is_kept in zip(usable, keep, strict=True) if is_kept}
    marked = [replace(p, is_used=p.point_id in used) for p in points]
    fit = Registration(
        round(float(centre[0]), 4),
        round(float(centre[1]), 4),
        round(float(np.median(distance[keep])), 4),
        len(points),
        len(used),
    )
    return fit, marked


def _consensus(
    shifts: NDArray[np.float64], min_points: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Median of the shifts `(n, 2)` that agree, every point's distance from it, and which agree."""
    keep = np.ones(len(shifts), bool)
    centre, distance = np.zeros(2), np.zeros(len(shifts))
    for _ in range(20):
        if keep.sum() < min_points:
            break
        centre = np.median(shifts[keep], axis=0)
        distance = np.hypot(*(shifts - centre).T)
        limit = max(0.3, 3 * 1.4826 * float(np.median(distance[keep])))
        again = distance <= min(limit, 2.0)
        if (again == keep).all():
            break
        keep = again
    return centre, distance, keep
