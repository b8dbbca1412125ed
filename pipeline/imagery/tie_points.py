"""Tie points between two images by phase correlation on a grid of small windows.

Phase correlation stays usable when season, sun and sensor change the contrast, but it locks onto
anything when the content itself changed (false shifts of 75-295 px occur in real pairs). Hence a
limit of plausibility on the peak, a signal-to-noise bound, and a consensus among the points
(`consensus`). A fixed part of the lattice is held out of every fit: the check points.

Kuglin and Hines 1975. The cross spectrum is weighted by a Gaussian so that the correlation peak is
a Gaussian of known width, whose sub-pixel position three samples per axis give in closed form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from pydantic import Field

from pipeline.grid import Grid, PixelWindow, RasterWindow, Tile, TileOutput
from pipeline.imagery.resample import GridMapping, resample
from pipeline.imagery.validity import NodataRule, covered_mask, working_pixels
from pipeline.schema.model import Frozen

RegistrationKind = Literal["none", "shift", "affine", "field"]
"""How the moved image is corrected, from simple to complex."""
CHECK_EVERY = 4
"""One window in so many is a check point."""
PX_PER_EXTRA_POINT = 1024
"""In very large images one more point per side for so many pixels, up to twice the setting."""
REACH_PX = 24
"""Pixels read around a window, so that it can be moved by what was found and measured again."""


class TiePointParams(Frozen):
    """Settings of the registration (配准)."""

    max_shift_m: float = Field(
        20.0,
        gt=0,
        description="可信的最大平移，米；超过的相关峰视为假锁定",
    )
    min_search_px: float = Field(4.0, gt=0, description="搜索范围不小于的像元数（粗分辨率影像）")
    points_per_side: int = Field(
        12, ge=2, le=64, description="每个方向的匹配窗口数（含检查点）；特大影像最多加倍"
    )
    min_clear_share: float = Field(0.6, gt=0, le=1, description="匹配窗口内有效像元的最低比例")
    min_snr: float = Field(6.0, gt=1, description="相关峰与背景标准差之比的下限")
    min_points: int = Field(4, ge=3, description="建立配准关系所需的最少一致点数")
    min_agreement: float = Field(0.5, gt=0, le=1, description="一致点占可用点的最低比例")
    negligible_shift_px: float = Field(
        0.2, ge=0, description="小于此值的平移不做重采样：插值的损失大于所得"
    )
    most_complex_model: RegistrationKind = Field(
        "field",
        description="允许的最复杂改正：none 不改正、shift 平移、affine 仿射、field 平滑位移场",
    )
    min_gain_px: float = Field(
        0.03, ge=0, description="更复杂的改正须使检查点误差平均降低的最小值，像元"
    )


@dataclass(frozen=True)
class TiePoint:
    """One measured displacement of the moved image against the one whose positions stand."""

    point_id: int
    row: float
    """Centre of the window on the target grid, pixels."""
    col: float
    shift_row_px: float
    shift_col_px: float
    quality: float
    """Signal-to-noise ratio of the correlation peak; 0 if the window could not be used."""
    window_px: int
    is_check: bool = False
    """Held out of the fit."""
    is_used: bool = False
    """Agrees with its neighbours; a check point that does is counted, not fitted."""
    residual_px: float | None = None
    """Distance left after the correction: measured again at check points, leave-one-out at the
    others; None where the point is not used."""


@dataclass(frozen=True, eq=False)
class TieJob:
    """Parameters of `measure_tie_point`."""

    fixed: GridMapping
    moved: GridMapping
    fixed_rule: NodataRule
    moved_rule: NodataRule
    search_px: float
    min_clear_share: float
    is_repeated: bool
    """Measure a second time on the window moved by the first result: no bias of fractions."""


def search_limit_px(params: TiePointParams, pixel_size_m: float) -> float:
    """Largest plausible shift in pixels."""
    return max(params.min_search_px, params.max_shift_m / pixel_size_m)


def tie_windows(grid: Grid, params: TiePointParams) -> list[Tile]:
    """Windows to be matched, on a regular lattice; empty if the image is too small.

    In large images a window lies inside one 512-px file block, so that one block is decoded for it.
    """
    side = min(grid.height, grid.width)
    window_px = 256 if side >= 1536 else 128 if side >= 256 else 64
    if side < window_px:
        return []
    rows = _centres(grid.height, window_px, params.points_per_side)
    cols = _centres(grid.width, window_px, params.points_per_side)
    half = window_px // 2
    windows = [PixelWindow(r - half, r + half, c - half, c + half) for r in rows for c in cols]
    return [Tile(number, window, window.pad(REACH_PX)) for number, window in enumerate(windows)]


def check_numbers(windows: Sequence[Tile]) -> frozenset[int]:
    """Numbers of the windows that are held out as check points, evenly over the lattice."""
    rows = sorted({window.core.row0 for window in windows})
    cols = sorted({window.core.col0 for window in windows})
    row_of, col_of = ({at: k for k, at in enumerate(lines)} for lines in (rows, cols))
    return frozenset(
        window.index
        for window in windows
        if (2 * row_of[window.core.row0] + col_of[window.core.col0]) % CHECK_EVERY == 0
    )


def _centres(length: int, window_px: int, per_side: int) -> list[int]:
    count = min(max(per_side, length // PX_PER_EXTRA_POINT), 2 * per_side)
    if length >= 512 * count:
        block_count = length // 512
        return [512 * (i * block_count // count) + 256 for i in range(count)]
    first, last = window_px // 2, length - window_px // 2
    count = min(count, 1 + (last - first) // (window_px // 2))
    return sorted({round(p) for p in np.linspace(first, last, max(count, 1))})


def measure_tie_point(
    tile: Tile, sources: Mapping[str, RasterWindow], params: TieJob
) -> TileOutput:
    """Tile function: displacement in one window; sources `fixed`, `moved` with one band each.

    The displacement is what is left after the mappings.
    """
    centre = (tile.core.row0 + tile.core.row1) / 2, (tile.core.col0 + tile.core.col1) / 2
    fixed = _window_of(tile, sources["fixed"], params.fixed, params.fixed_rule)
    moved = _window_of(tile, sources["moved"], params.moved, params.moved_rule)
    found = _shift_between(fixed, moved, params)
    if params.is_repeated and found[2] > 0 and max(abs(found[0]), abs(found[1])) < REACH_PX - 4:
        mapping = replace(
            params.moved,
            shift_row_px=params.moved.shift_row_px + found[0],
            shift_col_px=params.moved.shift_col_px + found[1],
        )
        moved = _window_of(tile, sources["moved"], mapping, params.moved_rule)
        left = _shift_between(fixed, moved, replace(params, search_px=2.0))
        if left[2] > 0:
            found = found[0] + left[0], found[1] + left[1], left[2]
    point = TiePoint(tile.index, *centre, *found, tile.core.shape[0])
    return TileOutput(partials=((tile.index, point),))


def _window_of(
    tile: Tile, source: RasterWindow, mapping: GridMapping, rule: NodataRule
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Pixels of the window's core and where they have data, both `(y, x)`."""
    covered = covered_mask(source, rule)
    origin = source.row0, source.col0
    pixels, mask = resample(tile.core, working_pixels(source, covered), origin, covered, mapping)
    return pixels[0].astype(np.float32), mask


def _shift_between(
    fixed: tuple[NDArray[np.float32], NDArray[np.uint8]],
    moved: tuple[NDArray[np.float32], NDArray[np.uint8]],
    params: TieJob,
) -> tuple[float, float, float]:
    """`phase_shift` of two windows; quality 0 if too little of both was seen."""
    both = fixed[1] & moved[1]
    if both.mean() < params.min_clear_share:
        return 0.0, 0.0, 0.0
    return phase_shift(fixed[0], moved[0], both, params.search_px)


def phase_shift(
    fixed: NDArray[np.float32],
    moved: NDArray[np.float32],
    valid: NDArray[np.uint8],
    search_px: float,
) -> tuple[float, float, float]:
    """`(row, col)` displacement of `moved` against `fixed`, and the peak's signal-to-noise ratio.

    Square windows `(y, x)`. Only peaks within `search_px` are considered. A flat window gives a
    ratio of 0.
    """
    size = fixed.shape[0]
    taper = _hann(size)
    spectra = []
    for image in (fixed, moved):
        filled = np.where(valid == 1, image, image[valid == 1].mean(dtype=np.float64))
        filled = (filled - filled.mean(dtype=np.float64)) * taper
        if not filled.any():
            return 0.0, 0.0, 0.0
        spectra.append(scipy.fft.rfft2(filled.astype(np.float32)))
    cross = spectra[1] * np.conj(spectra[0])
    magnitude = np.abs(cross)
    cross = cross / np.where(magnitude > 0, magnitude, 1)  # 0 stays 0
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


@lru_cache(maxsize=4)
def _hann(size: int) -> NDArray[np.float32]:
    line = np.hanning(size + 1)[:-1]
    return np.outer(line, line).astype(np.float32)


@lru_cache(maxsize=4)
def _gaussian_weights(size: int) -> NDArray[np.float32]:
    """Transfer function of a Gaussian of 1 px: the correlation peak takes that width."""
    rows, cols = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    return np.exp(-2.0 * np.pi**2 * (rows**2 + cols**2)).astype(np.float32)
