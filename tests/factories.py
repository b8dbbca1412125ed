"""Small worlds that know the answer: image pairs with planted changes; ways to run the product."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.cli import main as cli
from pipeline.config.models import Settings
from pipeline.io.rasters import close_handles
from pipeline.io.runs import WORK_FOLDER, RunPaths
from pipeline.io.tiles import ThreadDispatcher
from pipeline.stages.compare import Comparison
from pipeline.stages.compare import compare as compare_stage
from pipeline.stages.context import StageContext
from pipeline.stages.requests import compare_request

ROOT = Path(__file__).resolve().parents[1]
UTM_50N = 32650
CGCS2000_GK_114E = 4547
ORIGIN = {UTM_50N: (500_000.0, 4_000_000.0), CGCS2000_GK_114E: (500_000.0, 3_400_000.0)}
ROLES = ("blue", "green", "red", "nir", "swir1", "swir2", "rededge")

Box = tuple[int, int, int, int]
"""row0, row1, col0, col1 of a planted square, pixels of the before image."""


@dataclass(frozen=True)
class World:
    """A pair on disk and what is true of it."""

    before: Path
    after: Path
    truth: NDArray[np.bool_]
    """Planted change on the before grid."""
    roles: tuple[str, ...]

    @property
    def bands(self) -> str:
        """The value of `--bands`."""
        return ",".join(self.roles)


def texture(shape: tuple[int, int], n_bands: int, seed: int) -> NDArray[np.float64]:
    """Band-mixed smooth noise of several scales, about 0.1 to 0.9, `(band, y, x)`."""
    rng = np.random.default_rng(seed)
    fields = []
    for sigma in (1.5, 3.0, 6.0, 12.0):
        field = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
        fields.append(field / field.std())
    mixing = rng.uniform(0.3, 1.0, (n_bands, len(fields)))
    mixed = np.tensordot(mixing, np.stack(fields), axes=1)
    return 0.5 + 0.1 * mixed / mixed.std(axis=(1, 2), keepdims=True)


def displaced(image: NDArray[np.float64], shift: tuple[float, float]) -> NDArray[np.float64]:
    """Content moved by `shift` = (rows, cols): what was seen at r is now seen at r + shift."""
    if shift == (0.0, 0.0):
        return image
    return np.stack([ndimage.shift(band, shift, order=5, mode="grid-wrap") for band in image])


def as_seen(
    ground: NDArray[np.float64],
    later: NDArray[np.float64],
    truth: NDArray[np.bool_],
    shift: tuple[float, float],
) -> NDArray[np.float64]:
    """The later ground where `truth`, the old one elsewhere, moved by `shift`.

    A sensor averages over its pixel: an edge between them gives a mixed pixel, never the ringing
    that splines draw beside an edge.
    """
    if shift == (0.0, 0.0):
        return later
    share = ndimage.shift(truth.astype(float), shift, order=1, mode="grid-wrap")
    weighted = [ndimage.shift(band * truth, shift, order=1, mode="grid-wrap") for band in later]
    return displaced(ground, shift) * (1.0 - share) + np.stack(weighted)


def to_dtype(image: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    """Reflectance-like 0..1 to digital numbers of a pixel type; integers are never 0."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return image.astype(kind)
    top = {"uint8": 250, "uint16": 10_000, "int16": 10_000}.get(dtype, 10_000)
    return np.clip(np.round(image * top), 1, top).astype(kind)


def write_raster(
    path: Path,
    pixels: NDArray[Any],
    *,
    crs: int | str | None = UTM_50N,
    transform: Affine | None = None,
    nodata: float | None = None,
    tiled: bool = True,
    descriptions: Sequence[str] = (),
    **options: Any,
) -> Path:
    """A GeoTIFF (or what the suffix asks for) with rasterio; pixels `(y, x)` or `(band, y, x)`."""
    if pixels.ndim == 2:
        pixels = pixels[None]
    count, height, width = pixels.shape
    profile: dict[str, Any] = {
        "driver": "PNG" if path.suffix == ".png" else "GTiff",
        "width": width,
        "height": height,
        "count": count,
        "dtype": pixels.dtype.name,
        **options,
    }
    if crs is not None:
        profile["crs"] = f"EPSG:{crs}" if isinstance(crs, int) else crs
    if transform is not None:
        profile["transform"] = transform
    if nodata is not None:
        profile["nodata"] = nodata
    if tiled and profile["driver"] == "GTiff":
        profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(pixels)
        for number, text in enumerate(descriptions, start=1):
            dataset.set_band_description(number, text)
    return path


def read_raster(path: Path, band: int = 1) -> NDArray[Any]:
    with rasterio.open(path) as dataset:
        return dataset.read(band)


def plant(image: NDArray[np.float64], boxes: Sequence[Box], seed: int) -> NDArray[np.float64]:
    """Every box becomes a flat surface of another colour, bright or dark by turns."""
    rng = np.random.default_rng(seed)
    planted = image.copy()
    for number, (row0, row1, col0, col1) in enumerate(boxes):
        colour = np.where(np.arange(len(image)) % 2 == number % 2, 0.97, 0.04)
        flat = colour[:, None, None] + rng.normal(0, 0.004, (1, row1 - row0, col1 - col0))
        planted[:, row0:row1, col0:col1] = np.clip(flat, 0.01, 0.99)
    return planted


def make_pair(
    folder: Path,
    size: tuple[int, int] = (256, 256),
    *,
    seed: int = 1,
    n_bands: int = 4,
    dtype: str = "uint16",
    shift: tuple[float, float] = (0.0, 0.0),
    collar: int = 0,
    nodata: float | None = None,
    crs: int | None = UTM_50N,
    gsd: float = 2.0,
    origin: tuple[float, float] | None = None,
    boxes: Sequence[Box] = (),
    noise: float = 0.004,
    gain: float = 1.2,
    offset: float = -0.08,
    tiled: bool = True,
    suffix: str = ".tif",
    with_roles: bool = True,
) -> World:
    """Two dates of one place: same texture, other gain and offset, noise, planted boxes.

    `shift` moves the after image's content against its georeference, `collar` puts a frame of zeros
    around its left and top, `nodata` declares that value and cuts a wedge of it into the before
    image. Sizes are `(rows, cols)`; the grid is north up.
    """
    rows, cols = size
    ground = texture(size, n_bands, seed)
    later = plant(ground, boxes, seed + 1)
    truth = np.zeros(size, bool)
    for row0, row1, col0, col1 in boxes:
        truth[row0:row1, col0:col1] = True
    seen = as_seen(ground * gain + offset, later * gain + offset, truth, shift)
    rng = np.random.default_rng(seed + 2)
    after = seen + rng.normal(0, noise, ground.shape)
    before = ground + rng.normal(0, noise, ground.shape)
    first, second = to_dtype(before, dtype), to_dtype(after, dtype)
    if collar:
        second[:, :collar, :] = 0
        second[:, :, : collar // 2] = 0
    if nodata is not None:
        wedge = np.add.outer(np.arange(rows), np.arange(cols)) < min(rows, cols) // 6
        first[:, wedge] = nodata
    left, top = origin or ORIGIN.get(crs or 0, (0.0, 0.0))
    transform = None if crs is None else Affine(gsd, 0.0, left, 0.0, -gsd, top)
    roles = ROLES[:n_bands] if with_roles else ()
    paths = [
        write_raster(
            folder / f"{name}{suffix}",
            pixels,
            crs=crs,
            transform=transform,
            nodata=nodata,
            tiled=tiled,
            descriptions=roles if suffix == ".tif" else (),
        )
        for name, pixels in (("before", first), ("after", second))
    ]
    return World(paths[0], paths[1], truth, ROLES[:n_bands])


def coordinate_image(rows: int, cols: int) -> NDArray[np.float32]:
    """Two float bands that hold the row and the column of their pixel (odc-geo's habit)."""
    return np.stack(np.mgrid[0:rows, 0:cols]).astype(np.float32)


def run_cli(
    args: Sequence[object], cwd: Path, *, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """`python -m pipeline …` as a process of its own."""
    return subprocess.run(
        cli_command(args),
        cwd=cwd,
        env=cli_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


def cli_command(args: Sequence[object]) -> list[str]:
    return [sys.executable, "-m", "pipeline", *map(str, args)]


def cli_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error::RuntimeWarning"}


@dataclass(frozen=True)
class Called:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def call_cli(*args: object) -> Called:
    """The same command line inside this process: quicker, and warnings are errors."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["pipeline", *map(str, args)]),
    ):
        try:
            cli.main()
        except SystemExit as done:
            code = int(done.code or 0)
    close_handles()
    return Called(code, out.getvalue(), err.getvalue())


def _silent(label_zh: str) -> Callable[[int, int], None]:
    return lambda done, total: None


@contextlib.contextmanager
def dispatching(workers: int) -> Iterator[ThreadDispatcher]:
    through = ThreadDispatcher(workers)
    try:
        yield through
    finally:
        through.close()
        close_handles()


def unjudged(settings: Settings) -> Settings:
    """Settings with the construction network and every pseudo-change filter switched off."""
    filters = settings.extract.filters
    off = {name: False for name, value in filters if value is True}
    extract = settings.extract.model_copy(update={"filters": filters.model_copy(update=off)})
    construction = settings.detect.construction.model_copy(update={"use_network": False})
    detect = settings.detect.model_copy(update={"construction": construction})
    return settings.model_copy(update={"extract": extract, "detect": detect})


def compare(
    world: World,
    out: Path,
    *,
    detector: str = "auto",
    bands: tuple[str, ...] | None = None,
    gsd: float | None = None,
    tile: int = 1024,
    workers: int = 2,
    tiled: Any = None,
    judged: bool = False,
    own_clouds: bool = True,
) -> Comparison:
    """`compare BEFORE AFTER --out OUT` in this process; `tiled` replaces the tile dispatcher.

    The worlds are textures with boxes, no landscapes. So unless they are to be `judged`, what
    changed is reported as it is: without the construction network and without filters. Without
    `own_clouds`, supplied masks alone say where clouds are.
    """
    run = compare_request(world.before, world.after, bands, gsd, detector)
    if not own_clouds:
        clouds = run.settings.align.clouds.model_copy(update={"enabled": False})
        align = run.settings.align.model_copy(update={"clouds": clouds})
        settings = run.settings.model_copy(update={"align": align})
        run = run.model_copy(update={"settings": settings})
    if not judged:
        run = run.model_copy(update={"settings": unjudged(run.settings)})
    out.mkdir(parents=True, exist_ok=True)
    with dispatching(workers) as local:
        context = StageContext(
            run, RunPaths(out / WORK_FOLDER), tiled or local, local, tile, _silent
        )
        return compare_stage(context, out)
