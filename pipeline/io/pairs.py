"""Opening two images as a pair on one working grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.grid import Grid, PixelWindow, tiles
from pipeline.imagery.alignment import is_placed_by_pixels, require_comparable, working_grid
from pipeline.imagery.resample import GridMapping
from pipeline.imagery.validity import (
    Collar,
    CollarBounds,
    CollarScan,
    NodataRule,
    collar_candidates,
    scan_collar,
)
from pipeline.io.rasters import read_window
from pipeline.io.scenes import SceneFile, open_scene
from pipeline.io.tiles import Dispatcher, Source, TileJob, merge_partials, run_tiles
from pipeline.scene import PIXEL_TYPES, BandMatch, DateName, match_bands, other_date

SCAN_TILE_PX = 1024


@dataclass(frozen=True)
class ImageRequest:
    """An image as the user named it."""

    path: Path
    bands: tuple[str, ...] | None = None
    date: str | None = None
    mask: Path | None = None
    """Supplied validity mask, if any."""


@dataclass(frozen=True)
class ImagePair:
    """Two opened images, their common bands and the grid they are compared on."""

    before: SceneFile
    after: SceneFile
    bands: BandMatch
    grid: Grid
    is_pixelwise: bool
    """True if the images have no reference system and were laid on each other corner to corner."""

    @property
    def files(self) -> dict[str, SceneFile]:
        """Both images by the name of their date."""
        return {"before": self.before, "after": self.after}

    def is_taken_over(self, name: str, mapping: GridMapping) -> bool:
        """Whether an image can be used as it lies: same grid, all bands, fast blocks."""
        file = self.files[name]
        numbers = self.bands.before if name == "before" else self.bands.after
        scene = file.scene
        return (
            file.is_copyable
            and scene.dtype in PIXEL_TYPES
            and numbers == scene.band_numbers
            and scene.grid.same_pixels(self.grid)
            and mapping.offset == (0.0, 0.0)
        )


def open_pair(
    before: ImageRequest,
    after: ImageRequest,
    gsd_m: float | None,
    reference: DateName = "before",
) -> ImagePair:
    """Open both images, match their bands and find the working grid: the reference's own.

    Without a reference system no other pixels can be put back onto the before image's: these are
    then used whatever the reference. Raises `InputError`.
    """
    files: dict[DateName, SceneFile] = {
        "before": _opened(before, gsd_m),
        "after": _opened(after, gsd_m),
    }
    owner = reference if files["before"].scene.grid.crs_wkt is not None else "before"
    fixed, moved = files[owner], files[other_date(owner)]
    grid = working_grid(fixed.scene.grid)
    is_pixelwise = is_placed_by_pixels(fixed.scene.grid, moved.scene.grid)
    if is_pixelwise:
        laid = fixed.scene.grid.resized_as(moved.scene.grid)
        moved = replace(moved, scene=replace(moved.scene, grid=laid))
        files[other_date(owner)] = moved
    require_comparable(grid, files["before"].scene.grid, files["after"].scene.grid, owner)
    first, second = files["before"], files["after"]
    return ImagePair(first, second, match_bands(first.scene, second.scene), grid, is_pixelwise)


def _opened(request: ImageRequest, gsd_m: float | None) -> SceneFile:
    return open_scene(
        request.path, bands=request.bands, gsd_m=gsd_m, date=request.date, mask=request.mask
    )


def find_nodata_rule(file: SceneFile, through: Dispatcher) -> NodataRule:
    """How nodata is told in one image: the declared value, else the collars seen from the frame."""
    scene = file.scene
    if scene.nodata is not None or scene.mask_bands:
        return NodataRule(nodata=scene.nodata, mask_bands=scene.mask_bands)
    path, grid, bands = str(file.path), scene.grid, scene.band_numbers
    found = []
    for value in collar_candidates(_frame(path, bands, grid)):
        job = TileJob(
            scan_collar,
            {"image": Source(path, bands)},
            CollarScan(value, grid.height, grid.width),
        )
        bounds = _scanned(job, grid, through)
        if bounds is not None:
            found.append(Collar(value, bounds))
    return NodataRule(collars=tuple(found))


def _scanned(job: TileJob, grid: Grid, through: Dispatcher) -> CollarBounds | None:
    cut = tiles(grid.height, grid.width, SCAN_TILE_PX)
    partials = [
        partial
        for _, output in run_tiles(job, cut, through, lambda done, total: None)
        for partial in output.partials
    ]
    return merge_partials(partials, CollarBounds.merge)


def _frame(path: str, bands: tuple[int, ...], grid: Grid) -> np.ndarray:
    """Pixels of the image's outermost rows and columns, `(band, n)`."""
    sides = [
        PixelWindow(0, 1, 0, grid.width),
        PixelWindow(grid.height - 1, grid.height, 0, grid.width),
        PixelWindow(0, grid.height, 0, 1),
        PixelWindow(0, grid.height, grid.width - 1, grid.width),
    ]
    return np.concatenate(
        [read_window(path, bands, side).reshape(len(bands), -1) for side in sides], axis=1
    )
