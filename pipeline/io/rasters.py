"""Reading and writing rasters: the only module that opens them.

Readers accept an explicit list of drivers and refuse VRT, /vsi paths and URLs (DESIGN §9). One
dataset handle per thread, because GDAL handles are not shared between threads.
"""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.windows import Window

from pipeline.errors import Finding, InputError
from pipeline.grid import BLOCK_PX, Grid, PixelWindow
from pipeline.scene import FILE_MASK

SIGNATURES = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),
    (b"MM\0+", "GTiff"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\0\0\0\x0cjP", "JP2OpenJPEG"),
    (b"\xffO\xffQ", "JP2OpenJPEG"),
    (b"EHFA_HEADER_TAG", "HFA"),
)
"""First bytes of the formats we accept, and the one driver each is opened with."""
FORMATS_ZH = "GeoTIFF、PNG、JPEG、JPEG 2000、ERDAS IMG"
GDAL_OPTIONS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
BLOCK_CACHE_MB = 96
"""GDAL's block cache. Its default, 5 % of the memory, would dwarf everything we hold ourselves;
a small one also reads aligned tiles faster (PERFORMANCE §10)."""

# GDAL reads this once, before the first block: no later call can change it for the process.
os.environ.setdefault("GDAL_CACHEMAX", str(BLOCK_CACHE_MB))

# Images without a georeference are no news here: open_scene says so in its own words.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

_handles = threading.local()
_open_lock = threading.Lock()
_open_datasets: list[Any] = []
_generation = 0


def require_local_file(path: Path | str) -> Path:
    """Refuse URLs, virtual file systems and missing files before GDAL sees them."""
    text = str(path)
    # One slash is enough: Path("https://host/x") has already lost the other. A drive letter is one.
    is_url = re.match(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]", text) is not None
    if is_url or text.startswith("/vsi") or text.lower().endswith(".vrt"):
        raise InputError(
            Finding(
                "E-FILE-REFUSED",
                "只接受本机上的影像文件。",
                where=text,
                allowed=FORMATS_ZH,
                advice="把影像复制到本机后再给出它的路径；虚拟数据源（VRT、/vsi、网址）不接受。",
            )
        )
    result = Path(path)
    if not result.is_file():
        raise InputError(
            Finding(
                "E-FILE-MISSING",
                "找不到影像文件。",
                where=text,
                advice="检查路径和文件名（含大小写与盘符）。",
            )
        )
    return result


def _driver_of(path: Path | str) -> str:
    """The driver for a file, by its first bytes: GDAL is never left to guess (DESIGN §9)."""
    with require_local_file(path).open("rb") as stream:
        head = stream.read(16)
    for signature, driver in SIGNATURES:
        if head.startswith(signature):
            return driver
    raise _unreadable(path, head[:8].hex(" "))


def _unreadable(path: Path | str, value: str) -> InputError:
    return InputError(
        Finding(
            "E-FILE-UNREADABLE",
            "影像无法打开，文件可能已损坏或不是影像。",
            where=str(path),
            value=value,
            allowed=FORMATS_ZH,
            advice="用 QGIS 打开核对；损坏的请重新拷贝。",
        )
    )


@contextmanager
def open_raster(path: Path | str) -> Iterator[Any]:
    """Open for reading; `InputError` E-FILE-UNREADABLE if no accepted driver can."""
    driver = _driver_of(path)
    with rasterio.Env(**GDAL_OPTIONS):
        try:
            dataset = rasterio.open(path, driver=driver)
        except RasterioIOError as problem:
            raise _unreadable(path, str(problem)[:200]) from problem
        with dataset:
            yield dataset


def grid_of(dataset: Any, gsd_m: float | None = None) -> Grid:
    """The grid of an open dataset. `gsd_m` is kept only where there is no CRS."""
    affine = dataset.transform
    crs_wkt = dataset.crs.to_wkt() if dataset.crs else None
    return Grid(
        dataset.width,
        dataset.height,
        (affine.a, affine.b, affine.c, affine.d, affine.e, affine.f),
        crs_wkt,
        None if crs_wkt else gsd_m,
    )


def read_window(path: str, bands: tuple[int, ...], window: PixelWindow) -> NDArray[Any]:
    """Pixels `(band, y, x)` of a window through this thread's own handle."""
    dataset = _thread_handle(path)
    with _blocks_of(path):
        result: NDArray[Any] = dataset.read(list(bands), window=_gdal_window(window))
    return result


def read_mask(path: str, mask_bands: tuple[int, ...], window: PixelWindow) -> NDArray[np.uint8]:
    """What the file's own mask and alpha bands say of a window `(y, x)`: 1 data, 0 none.

    A pixel has data where all of them say so. `mask_bands` are those of `Scene`, at least one.
    """
    dataset, frame = _thread_handle(path), _gdal_window(window)
    with _blocks_of(path):
        masks = [
            dataset.read_masks(1, window=frame)
            if band == FILE_MASK
            else dataset.read(band, window=frame)
            for band in mask_bands
        ]
    result: NDArray[np.uint8] = np.all([mask != 0 for mask in masks], axis=0).astype(np.uint8)
    return result


@contextmanager
def _blocks_of(path: str) -> Iterator[None]:
    """Blocks that can not be read are the file's fault, in its pixels and in its masks."""
    try:
        yield
    except RasterioIOError as problem:
        raise _unreadable(path, str(problem.__cause__ or problem)[:200]) from problem


def _gdal_window(window: PixelWindow) -> Window:
    rows, cols = window.shape
    return Window(window.col0, window.row0, cols, rows)


def read_grid(path: Path | str, gsd_m: float | None = None) -> Grid:
    """The grid of a raster file."""
    with open_raster(path) as dataset:
        return grid_of(dataset, gsd_m)


def read_all(path: Path | str, band: int = 1) -> NDArray[Any]:
    """One whole band `(y, x)`; for images known to be small (labels, quicklooks)."""
    with open_raster(path) as dataset:
        result: NDArray[Any] = dataset.read(band)
    return result


def read_strided(path: Path | str, step: int) -> NDArray[Any]:
    """Every `step`-th pixel of the first band `(y, x)`, counted from the origin, strip by strip."""
    rows = []
    with open_raster(path) as dataset:
        for row0 in range(0, dataset.height, BLOCK_PX):
            count = min(BLOCK_PX, dataset.height - row0)
            strip = dataset.read(1, window=Window(0, row0, dataset.width, count))
            rows.append(strip[-row0 % step :: step, ::step])
    return np.concatenate(rows)


def _thread_handle(path: str) -> Any:
    """This thread's dataset for `path`, opened again if the file is another one by now.

    Workers of a cluster outlive stages and whole runs, so a path alone does not name a file.
    """
    if getattr(_handles, "generation", None) != _generation:
        _handles.datasets, _handles.generation = {}, _generation
    state = os.stat(path)
    stamp = (state.st_ino, state.st_size, state.st_mtime_ns)
    datasets: dict[str, tuple[tuple[int, int, int], Any]] = _handles.datasets
    if path in datasets and datasets[path][0] != stamp:
        datasets.pop(path)[1].close()
    if path not in datasets:
        with rasterio.Env(**GDAL_OPTIONS):
            dataset = rasterio.open(path, driver=_driver_of(path))
        datasets[path] = (stamp, dataset)
        with _open_lock:
            _open_datasets.append(dataset)
    return datasets[path][1]


def close_handles() -> None:
    """Close every thread's files; called between stages, when no tile is being read.

    Windows can not rename a folder that holds an open file.
    """
    global _generation
    with _open_lock:
        _generation += 1
        for dataset in _open_datasets:
            dataset.close()
        _open_datasets.clear()


def profile_for(grid: Grid, dtype: str, count: int, nodata: float | None) -> dict[str, Any]:
    """Creation options of every raster we write: tiled 512, ZSTD level 1, horizontal predictor.

    ZSTD 1 with predictor is the fastest to write and read of all tried (PERFORMANCE §2).
    """
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "count": count,
        "dtype": dtype,
        "tiled": True,
        "blockxsize": BLOCK_PX,
        "blockysize": BLOCK_PX,
        "compress": "zstd",
        "zstd_level": 1,
        "predictor": 3 if np.dtype(dtype).kind == "f" else 2,
        "interleave": "pixel",
        "BIGTIFF": "IF_SAFER",
        "num_threads": 2,
    }
    if count > 1:
        # Left to itself GDAL declares the fourth of four bands an alpha band: QGIS would draw near
        # infrared as transparency, and our own reader would leave the band out.
        profile["alpha"] = "NO"
    if nodata is not None:
        profile["nodata"] = nodata
    if grid.is_placed:
        profile["transform"] = grid.affine
    if grid.crs_wkt is not None:
        profile["crs"] = rasterio.crs.CRS.from_wkt(grid.crs_wkt)
    return profile


class StripWriter:
    """Writes a raster from tiles that arrive in row-major order.

    Tiles of one row are put together and written as one full-width strip, so the blocks reach the
    file in the same order whatever the tile size: the file's bytes do not depend on it.
    """

    def __init__(
        self,
        path: Path,
        grid: Grid,
        dtype: str,
        *,
        count: int = 1,
        nodata: float | None = None,
        descriptions: tuple[str, ...] = (),
    ) -> None:
        self._grid, self._count = grid, count
        self._dtype = np.dtype(dtype)
        with rasterio.Env(**GDAL_OPTIONS):
            self._dataset = rasterio.open(path, "w", **profile_for(grid, dtype, count, nodata))
        for number, text in enumerate(descriptions, start=1):
            if text:
                self._dataset.set_band_description(number, text)
        self._strip: NDArray[Any] | None = None
        self._row0 = 0

    def __enter__(self) -> StripWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._dataset.close()

    def add(self, core: PixelWindow, pixels: NDArray[Any]) -> None:
        """Take one tile core, `(y, x)` or `(band, y, x)`."""
        rows, _ = core.shape
        if core.col0 == 0:
            self._row0 = core.row0
            self._strip = np.empty((self._count, rows, self._grid.width), self._dtype)
        assert self._strip is not None  # tiles are row-major: a row begins at column 0
        self._strip[:, :, core.col0 : core.col1] = pixels
        if core.col1 == self._grid.width:
            window = Window(0, self._row0, self._grid.width, rows)
            self._dataset.write(self._strip, window=window)
            self._strip = None
