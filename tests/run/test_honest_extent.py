"""Patches are as large as the change, and nothing hidden is called seen."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from tests.factories import call_cli, read_raster

SIZE = 200
PROFILE = {
    "driver": "GTiff",
    "width": SIZE,
    "height": SIZE,
    "dtype": "uint16",
    "crs": "EPSG:4547",
    "transform": Affine(30, 0, 500_000, 0, -30, 4_000_000),
}


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    with rasterio.open(path, "w", **{**PROFILE, "count": len(pixels), **options}) as dataset:
        dataset.write(pixels)
    return path


def noise(seed: int, bands: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ground = 1000 + 150 * np.random.default_rng(0).standard_normal((bands, SIZE, SIZE))
    return (ground + 8 * rng.standard_normal((bands, SIZE, SIZE))).astype("uint16")


@pytest.mark.parametrize("side", [1, 2, 3, 10])
def test_a_patch_has_the_size_of_the_change(tmp_path: Path, side: int) -> None:
    after = noise(2)
    after[:, 100 : 100 + side, 60 : 60 + side] += 3000
    first, second = write(tmp_path / "a.tif", noise(1)), write(tmp_path / "b.tif", after)
    assert call_cli("compare", first, second, "--out", tmp_path / "o").code == 0
    change = read_raster(tmp_path / "o" / "change.tif")
    assert (change[95 : 105 + side, 55 : 65 + side] == 1).sum() == side * side
    assert (change[100 : 100 + side, 60 : 60 + side] == 1).all()


def test_transparent_pixels_are_not_observed(tmp_path: Path) -> None:
    alpha = np.full((1, SIZE, SIZE), 65535, "uint16")
    alpha[:, :40] = 0
    options = {"photometric": "RGB", "alpha": "YES"}
    paths = [
        write(tmp_path / f"{n}.tif", np.concatenate([noise(n, 3), alpha]), **options)
        for n in (1, 2)
    ]
    assert call_cli("compare", *paths, "--out", tmp_path / "o").code == 0
    summary = json.loads((tmp_path / "o" / "summary.json").read_text(encoding="utf-8"))
    assert summary["observed_share"] == pytest.approx(0.8)
    assert summary["detector"] == "cva"  # three bands and an alpha, not four bands


def test_a_meta_file_that_appears_later_is_used(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.tif", noise(n)) for n in (1, 2)]
    call_cli("compare", *paths, "--out", tmp_path / "o")
    assert read_raster(tmp_path / "o" / "kind.tif").max() == 0
    (tmp_path / "meta.yaml").write_text("bands: [blue, green, red, nir]\n", encoding="utf-8")
    again = call_cli("compare", *paths, "--out", tmp_path / "o")
    assert "N-BANDS-NOROLE" not in again.text
    assert read_raster(tmp_path / "o" / "kind.tif").max() > 0


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    before = write(tmp_path / "change.tif", noise(1))
    content = before.read_bytes()
    after = write(tmp_path / "b.tif", noise(2))
    refused = call_cli("compare", before, after, "--out", tmp_path)
    assert refused.code == 2
    assert "会覆盖输入影像" in refused.err
    assert before.read_bytes() == content


def test_foreign_files_are_never_overwritten(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.tif", noise(n)) for n in (1, 2)]
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "patches.gpkg").write_bytes(b"mine")
    assert call_cli("compare", *paths, "--out", tmp_path / "o").code == 2
    assert (tmp_path / "o" / "patches.gpkg").read_bytes() == b"mine"


def test_palette_pictures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    write(path, noise(1, 1).astype("uint8"), dtype="uint8", photometric="palette")
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {0: (1, 2, 3, 255), 7: (9, 9, 9, 255)})
    refused = call_cli("compare", path, path, "--out", tmp_path / "o")
    assert refused.code == 3
    assert "E-RASTER-DTYPE" in refused.err


def test_a_damaged_image_is_an_input_error(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.tif", noise(n)) for n in (1, 2)]
    content = paths[1].read_bytes()
    paths[1].write_bytes(content[: len(content) // 2])
    refused = call_cli("compare", *paths, "--out", tmp_path / "o")
    assert refused.code == 3
    assert "Traceback" not in refused.text


def test_degrees_the_told_share_is_that_of_the_rasters(tmp_path: Path) -> None:
    options = {"crs": "EPSG:4326", "transform": Affine(0.0003, 0, 117.0, 0, -0.0003, 36.2)}
    paths = [write(tmp_path / f"{n}.tif", noise(n), **options) for n in (1, 2)]
    assert call_cli("compare", *paths, "--out", tmp_path / "o").code == 0
    summary = json.loads((tmp_path / "o" / "summary.json").read_text(encoding="utf-8"))
    change = read_raster(tmp_path / "o" / "change.tif")
    assert summary["observed_share"] == pytest.approx((change != 255).mean())
    assert summary["observed_share"] > 0.99


def test_verify_vouches_for_nothing_that_is_not_there(tmp_path: Path) -> None:
    assert call_cli("verify", "--out", tmp_path / "nothing").code == 6
    assert call_cli("verify").code == 2
    paths = [write(tmp_path / f"{n}.tif", noise(n)) for n in (1, 2)]
    call_cli("compare", *paths, "--out", tmp_path / "o")
    assert call_cli("verify", "--out", tmp_path / "o").code == 0
    damaged = bytearray((tmp_path / "o" / "change.tif").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "o" / "change.tif").write_bytes(damaged)
    assert call_cli("verify", "--out", tmp_path / "o").code == 6
