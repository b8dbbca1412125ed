"""The small picture of a pair that the detect pass leaves behind for the quicklook.

Taken from pixels already in memory: reading a county again only to draw it would cost a full pass.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.grid import Grid, PixelWindow

PREVIEW_PX = 1000
"""Longest side of a preview."""


def preview_step(grid: Grid) -> int:
    """Every n-th pixel of a grid goes into its preview."""
    return -(-max(grid.height, grid.width) // PREVIEW_PX)


class PreviewWriter:
    """Puts the tiles' pixels together; `(date, band, y, x)`."""

    def __init__(self, grid: Grid, step: int, n_bands: int) -> None:
        self._step = step
        self._shape = (2, n_bands, -(-grid.height // step), -(-grid.width // step))
        self._pixels: NDArray[Any] | None = None

    def add(self, core: PixelWindow, pixels: NDArray[Any]) -> None:
        """Take the preview pixels of one tile core."""
        if self._pixels is None:
            self._pixels = np.zeros(self._shape, pixels.dtype)
        row, col = -(-core.row0 // self._step), -(-core.col0 // self._step)
        rows, cols = pixels.shape[2:]
        self._pixels[:, :, row : row + rows, col : col + cols] = pixels

    def save(self, path: Path) -> None:
        """Write as `.npy`."""
        assert self._pixels is not None  # a grid has at least one tile
        np.save(path, self._pixels, allow_pickle=False)


def load_preview(path: Path) -> NDArray[Any]:
    """What `PreviewWriter` saved."""
    pixels: NDArray[Any] = np.load(path, allow_pickle=False)
    return pixels
