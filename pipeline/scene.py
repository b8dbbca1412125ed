"""What is known of one image: its grid, bands, pixel type, nodata and date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import Finding, InputError
from pipeline.grid import Grid

BAND_ROLES = (
    "coastal",
    "blue",
    "green",
    "red",
    "rededge",
    "nir",
    "swir1",
    "swir2",
    "pan",
)
"""Closed list of band roles; a band of unknown role has the empty string."""

ROLES_ZH = {
    "coastal": "海岸蓝",
    "blue": "蓝",
    "green": "绿",
    "red": "红",
    "rededge": "红边",
    "nir": "近红外",
    "swir1": "短波红外1",
    "swir2": "短波红外2",
    "pan": "全色",
}
"""What people call the roles."""

DateName = Literal["before", "after"]
"""Which image of a pair."""
DATE_NAMES: tuple[DateName, DateName] = ("before", "after")

PIXEL_TYPES = ("uint8", "uint16", "int16", "float32")
"""Pixel types the kernels are built for."""

FILE_MASK = 0
"""Stands in `mask_bands` for a mask that the file carries beside its bands."""


def other_date(name: DateName) -> DateName:
    """The pair's other image."""
    return "before" if name == "after" else "after"


@dataclass(frozen=True)
class Scene:
    """One image of one date, without its pixels."""

    grid: Grid
    roles: tuple[str, ...]
    """Role of every band in file order; empty strings where unknown."""
    dtype: str
    nodata: float | None
    """Declared nodata value; a pixel is nodata where *every* band has it."""
    date: str | None = None
    """ISO date of acquisition, if known."""
    mask_bands: tuple[int, ...] = ()
    """What in the file says where there is data: `FILE_MASK`, numbers of alpha bands."""
    alpha_bands: frozenset[int] = frozenset()
    """1-based numbers of alpha bands; they are no part of `roles`."""

    @property
    def band_numbers(self) -> tuple[int, ...]:
        """1-based number in the file of every band in `roles`."""
        numbers = range(1, len(self.roles) + len(self.alpha_bands) + 1)
        return tuple(number for number in numbers if number not in self.alpha_bands)


@dataclass(frozen=True)
class BandMatch:
    """Which bands of two images show the same part of the spectrum (1-based, as in the files)."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    roles: tuple[str, ...]

    def index(self, role: str) -> int:
        """Position of a role among the common bands, −1 if it is not there."""
        return self.roles.index(role) if role in self.roles else -1


def match_bands(before: Scene, after: Scene) -> BandMatch:
    """The bands both images have: by role if roles are known, else by position.

    Raises `InputError` E-RASTER-BANDS if nothing matches: colours are never guessed from counts.
    """
    if any(before.roles) and any(after.roles):
        shared = [role for role in before.roles if role and role in after.roles]
        if shared:
            return BandMatch(
                tuple(before.band_numbers[before.roles.index(r)] for r in shared),
                tuple(after.band_numbers[after.roles.index(r)] for r in shared),
                tuple(shared),
            )
    elif len(before.roles) == len(after.roles):
        known = before.roles if any(before.roles) else after.roles
        return BandMatch(before.band_numbers, after.band_numbers, known)
    raise InputError(
        Finding(
            "E-RASTER-BANDS",
            "两期影像没有可以一一对应的波段。",
            value=f"变化前 {_describe(before.roles)}；变化后 {_describe(after.roles)}",
            allowed="波段角色相同，或波段数相同且顺序一致",
            advice="用 --bands 按文件中的顺序写明角色，"
            "或在影像旁的 meta.yaml 中写 bands: [blue, green, red, nir]。",
        )
    )


def require_known_roles(roles: tuple[str, ...], where: str) -> None:
    """Refuse names outside `BAND_ROLES` and roles given twice; "" stands for an unknown one."""
    wrong = [role for role in roles if role and role not in BAND_ROLES]
    twice = sorted({role for role in roles if role and roles.count(role) > 1})
    if wrong or twice:
        raise InputError(
            Finding(
                "E-RASTER-BANDS",
                "没有这样的波段角色。" if wrong else "波段角色重复。",
                where=where,
                value="、".join(wrong or twice),
                allowed="、".join(BAND_ROLES),
                advice="按文件中的波段顺序逐个写出角色，每个只写一次。",
            )
        )


def _describe(roles: tuple[str, ...]) -> str:
    return f"{len(roles)} 个波段（{'、'.join(role or '未知' for role in roles)}）"


def working_dtype(name: str) -> np.dtype[np.generic]:
    """Pixel type the kernels work with: unsupported but lossless types are widened to float32."""
    return np.dtype(name) if name in PIXEL_TYPES else np.dtype("float32")


def rounding_variance(dtype: np.dtype[np.generic]) -> float:
    """Variance of rounding to whole numbers, 1/12 for integer pixels, 0 for floating ones.

    No difference of integer pixels is known better than this; it keeps statistics of identical or
    collinear bands finite.
    """
    return 0.0 if dtype.kind == "f" else 1.0 / 12.0
