"""A delivered layer as it was read: every value as text, nothing interpreted yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RawColumn:
    """One attribute column."""

    values: NDArray[np.object_]
    """`str` or None per feature; numbers as the shortest text that means them."""
    is_numeric: bool = False
    """Whether the file stores numbers here: a code may have lost its leading zeros."""


@dataclass(frozen=True)
class RawLayer:
    """One layer of one delivered file."""

    file: str
    """File name without its folder."""
    columns: Mapping[str, RawColumn]
    geometry: NDArray[np.object_]
    """Shapely geometries in the file's coordinates, x then y; None where there is none."""
    rows: NDArray[np.int64]
    """Row of every feature in the file, from 1."""
    crs: Any = None
    """`pyproj.CRS` as the file states it, or None."""
    encoding: str = ""
    """Text encoding that was used, as shown to people."""
    encoding_note: str = ""
    """Why the encoding had to be guessed; empty if it was stated and fits."""
    n_left_out: int = 0
    """Rows of the file that could not become features and are told in findings."""

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, chosen: NDArray[np.bool_]) -> RawLayer:
        """The layer with some of its features."""
        columns = {
            name: RawColumn(column.values[chosen], column.is_numeric)
            for name, column in self.columns.items()
        }
        return replace(
            self, columns=columns, geometry=self.geometry[chosen], rows=self.rows[chosen]
        )
