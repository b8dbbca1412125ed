"""Rasters written by strips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rasterio.enums import ColorInterp

from pipeline.grid import Grid, PixelWindow
from pipeline.io.rasters import StripWriter, open_raster

GRID = Grid(20, 10, (2.0, 0.0, 500_000.0, 0.0, -2.0, 4_000_000.0), None, 2.0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_fourth_of_four_bands_is_no_alpha_band(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "four.tif"
    pixels = np.zeros((4, 10, 20), dtype)
    with StripWriter(path, GRID, dtype, count=4) as writer:
        writer.add(PixelWindow(0, 10, 0, 20), pixels)
    with open_raster(path) as dataset:
        assert ColorInterp.alpha not in dataset.colorinterp
        assert (dataset.dataset_mask() == 255).all()
