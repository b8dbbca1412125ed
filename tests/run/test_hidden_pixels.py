"""What hides pixels: alpha and masks of the file as GDAL shows them, two undeclared collars."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from tests.factories import (
    World,
    call_cli,
    cli_command,
    cli_environment,
    compare,
    make_pair,
    read_raster,
    write_raster,
)
from tests.run.test_errors import assert_refused

SIZE = (128, 160)
NORTH_UP = Affine(2.0, 0, 500_000.0, 0, -2.0, 4_000_000.0)
HIDDEN = np.zeros(SIZE, bool)
HIDDEN[20:60, 30:90] = True


def pair_of(folder: Path, n_bands: int, dtype: str = "uint16") -> World:
    return make_pair(folder, SIZE, n_bands=n_bands, dtype=dtype, with_roles=False)


def with_alpha(path: Path, pixels: NDArray[Any], hidden: NDArray[np.bool_], **options: Any) -> Path:
    """The image with one more band, tagged alpha: 0 where hidden, opaque elsewhere."""
    opaque = np.iinfo(pixels.dtype).max
    alpha = np.where(hidden, 0, opaque).astype(pixels.dtype)
    all_bands = np.concatenate([pixels, alpha[None]])
    write_raster(path, all_bands, transform=NORTH_UP, photometric="minisblack", **options)
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (
            [ColorInterp.gray] + [ColorInterp.undefined] * (len(pixels) - 1) + [ColorInterp.alpha]
        )
    return path


def seen_by(world: World, out: Path) -> NDArray[np.bool_]:
    compare(world, out)
    seen: NDArray[np.bool_] = read_raster(out / "change.tif") != 255
    return seen


def pixels_of(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as dataset:
        pixels: NDArray[Any] = dataset.read()
    return pixels


@pytest.mark.parametrize("n_bands", [1, 2, 3, 4, 6])
def test_alpha_hides_whatever_the_number_of_bands(tmp_path: Path, n_bands: int) -> None:
    world = pair_of(tmp_path, n_bands)
    with_alpha(world.before, pixels_of(world.before), HIDDEN)
    np.testing.assert_array_equal(seen_by(world, tmp_path / "out"), ~HIDDEN)


def test_declared_nodata_does_not_shadow_alpha(tmp_path: Path) -> None:
    world = pair_of(tmp_path, 3, "uint8")
    pixels = pixels_of(world.before)
    pixels[:, 100:110, 100:110] = 254
    with_alpha(world.before, pixels, HIDDEN, nodata=254)
    expected = ~HIDDEN
    expected[100:110, 100:110] = False
    np.testing.assert_array_equal(seen_by(world, tmp_path / "out"), expected)


def test_alpha_and_a_mask_of_the_file_both_hide(tmp_path: Path) -> None:
    world = pair_of(tmp_path, 4)
    with_alpha(world.before, pixels_of(world.before), HIDDEN)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(world.before, "r+") as dataset,
    ):
        dataset.write_mask(_lower_rows())
    np.testing.assert_array_equal(seen_by(world, tmp_path / "out"), ~HIDDEN & _lower_rows())


def _lower_rows() -> NDArray[np.bool_]:
    return np.repeat(np.arange(SIZE[0]) >= 10, SIZE[1]).reshape(SIZE)


def test_alpha_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    world = pair_of(tmp_path, 4)
    speckled = np.random.default_rng(3).random(SIZE) < 0.5
    options = {"compress": "deflate", "interleave": "band", "tiled": False}
    with_alpha(world.before, pixels_of(world.before), speckled, **options)
    _spoil_band(world.before, 5)
    done = call_cli("compare", world.before, world.after, "--out", tmp_path / "out")
    assert_refused(done, 3, "E-FILE-UNREADABLE", str(world.before))


def _spoil_band(path: Path, band: int) -> None:
    """Overwrite the first block of a band."""
    with rasterio.open(path) as dataset:
        offset, size = (
            int(dataset.get_tag_item(f"BLOCK_{item}_0_0", "TIFF", bidx=band))
            for item in ("OFFSET", "SIZE")
        )
    content = bytearray(path.read_bytes())
    content[offset : offset + size] = bytes(byte ^ 0x3C for byte in content[offset : offset + size])
    path.write_bytes(content)


def test_no_warning_of_a_library_reaches_the_user(tmp_path: Path) -> None:
    """As a process of its own, with every warning shown: in this one warnings are errors."""
    world = pair_of(tmp_path, 3, "uint8")
    with_alpha(world.before, pixels_of(world.before), HIDDEN, nodata=254)
    args = ["compare", world.before, world.after, "--out", tmp_path / "out"]
    done = subprocess.run(
        cli_command(args),
        env={**cli_environment(), "PYTHONWARNINGS": ""},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


def test_a_black_and_a_white_collar(tmp_path: Path) -> None:
    world = pair_of(tmp_path, 3, "uint8")
    pixels = pixels_of(world.before)
    pixels[:, :12], pixels[:, -9:] = 0, 255
    write_raster(world.before, pixels, transform=NORTH_UP)
    expected = np.ones(SIZE, bool)
    expected[:12], expected[-9:] = False, False
    np.testing.assert_array_equal(seen_by(world, tmp_path / "out"), expected)


def test_a_named_band_hides_nothing_though_it_is_tagged_alpha(tmp_path: Path) -> None:
    """Near infrared over water is 0; GDAL tags the fourth of four 8-bit bands alpha unasked."""
    world = pair_of(tmp_path, 4, "uint8")
    for path in (world.before, world.after):
        pixels = pixels_of(path)
        pixels[3][HIDDEN] = 0
        write_raster(path, pixels, transform=NORTH_UP)
    args = ("compare", world.before, world.after, "--out", tmp_path / "out")
    done = call_cli(*args, "--bands", "blue,green,red,nir")
    assert done.code == 0, done.text
    assert (read_raster(tmp_path / "out" / "change.tif") != 255).all()
