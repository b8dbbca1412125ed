"""Side files that tell what the image lacks are named and refused; all others are left alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from pipeline.errors import Finding, InputError
from pipeline.io.scenes import open_scene
from tests.factories import write_raster

NORTH_UP = Affine(2.0, 0, 500_000.0, 0, -2.0, 4_000_000.0)
PIXELS = np.full((3, 20, 30), 7, np.uint8)
WORLD = "2\n0\n0\n-2\n500001\n3999999\n"


def findings(path: Path, gsd_m: float | None = None) -> Sequence[Finding]:
    with pytest.raises(InputError) as problem:
        open_scene(path, gsd_m=gsd_m)
    found = problem.value.findings
    assert {finding.code for finding in found} == {"E-RASTER-SIDECAR"}
    assert {finding.where for finding in found} == {str(path)}
    return found


def pam(body: str) -> str:
    return f"<PAMDataset>\n  {body}\n</PAMDataset>\n"


@pytest.mark.parametrize(
    ("image", "side"),
    [
        ("a.tif", "a.tfw"),
        ("a.tif", "a.TFW"),
        ("A.TIF", "A.Tifw"),
        ("a.tiff", "a.tfw"),
        ("a.tif", "a.wld"),
        ("县 影像.tif", "县 影像.tfw"),
        ("a.png", "a.pgw"),
        ("a.png", "a.pngw"),
    ],
)
@pytest.mark.parametrize("crs", [None, 32650])
def test_a_world_file_is_refused(tmp_path: Path, image: str, side: str, crs: int | None) -> None:
    path = write_raster(tmp_path / image, PIXELS, crs=None if image.endswith("png") else crs)
    (tmp_path / side).write_text(WORLD)
    (found,) = findings(path, 2.0)
    assert found.value == side
    assert "位置" in found.what
    assert "gdal_translate" in found.advice


def test_a_world_file_of_jpeg(tmp_path: Path) -> None:
    for image, side in (("a.jpg", "a.jgw"), ("b.jpg", "b.jpgw"), ("c.jpeg", "c.JGW")):
        path = tmp_path / image
        options = {"width": 30, "height": 20, "count": 3, "dtype": "uint8"}
        with rasterio.open(path, "w", driver="JPEG", **options) as dataset:
            dataset.write(PIXELS)
        open_scene(path, gsd_m=2.0)
        (tmp_path / side).write_text(WORLD)
        assert findings(path, 2.0)[0].value == side


def test_what_the_image_says_itself_needs_no_side_file(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", PIXELS, transform=NORTH_UP, nodata=0)
    (tmp_path / "a.tfw").write_text(WORLD)
    body = "<SRS>x</SRS><GeoTransform>1,2</GeoTransform><NoDataValue>9</NoDataValue>"
    (tmp_path / "a.tif.aux.xml").write_text(pam(body))
    assert open_scene(path).scene.nodata == 0


def test_a_mask_inside_the_image_counts_before_one_beside_it(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", PIXELS, transform=NORTH_UP)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.ones((20, 30), bool))
    (tmp_path / "a.tif.msk").write_bytes(b"")
    assert open_scene(path).scene.mask_bands == (0,)


def test_files_of_other_images_are_not_its_own(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", PIXELS, crs=None)
    for name in ("b.tfw", "a.pgw", "b.tif.msk", "a.msk", "b.tif.aux.xml", "a.tif.ovr"):
        (tmp_path / name).write_text(pam("<NoDataValue>0</NoDataValue>"))
    open_scene(path, gsd_m=2.0)


@pytest.mark.parametrize("side", ["a.tif.msk", "a.tif.MSK"])
def test_a_mask_beside_the_image_is_refused(tmp_path: Path, side: str) -> None:
    path = write_raster(tmp_path / "a.tif", PIXELS, transform=NORTH_UP, nodata=0)
    write_raster(tmp_path / "msk.tif", PIXELS[:1]).rename(tmp_path / side)
    (found,) = findings(path)
    assert found.value == side
    assert "掩膜" in found.what
    assert "GDAL_TIFF_INTERNAL_MASK" in found.advice


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<PAMRasterBand band='1'><NoDataValue>777</NoDataValue></PAMRasterBand>", "无效值"),
        ("<SRS dataAxisToSRSAxisMapping='2,1'>PROJCS[]</SRS>", "坐标系"),
        ("<GeoTransform>500000,2,0,3500000,0,-2</GeoTransform>", "地理变换"),
        ("<NoDataValue\n>1</NoDataValue><SRS>x</SRS>", "坐标系、无效值"),
    ],
)
def test_what_an_aux_file_adds_is_refused(tmp_path: Path, body: str, told: str) -> None:
    path = write_raster(tmp_path / "a.tif", PIXELS, crs=None)
    (tmp_path / "a.tif.AUX.xml").write_text(pam(body))
    (found,) = findings(path, 2.0)
    assert found.value == "a.tif.AUX.xml"
    assert told in found.what


def test_an_aux_file_with_statistics_only_is_left_alone(tmp_path: Path) -> None:
    """As QGIS leaves one beside every image it has opened."""
    path = write_raster(tmp_path / "a.tif", PIXELS, transform=NORTH_UP)
    body = "<PAMRasterBand band='1'><Metadata><MDI key='STATISTICS_MEAN'>7</MDI></Metadata>"
    (tmp_path / "a.tif.aux.xml").write_text(pam(f"{body}<NoDataValue/></PAMRasterBand>"))
    open_scene(path)


def test_an_aux_file_is_never_parsed(tmp_path: Path) -> None:
    """Entities that would blow up, bytes that are no text, and a folder of that name."""
    path = write_raster(tmp_path / "a.tif", PIXELS, transform=NORTH_UP)
    side = tmp_path / "a.tif.aux.xml"
    side.write_bytes(b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\xff\xfe<x>&b;</x>')
    open_scene(path)
    side.unlink()
    side.mkdir()
    open_scene(path)


def test_all_side_files_are_told_at_once(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", PIXELS)
    (tmp_path / "a.tfw").write_text(WORLD)
    (tmp_path / "a.tif.msk").write_bytes(b"")
    (tmp_path / "a.tif.aux.xml").write_text(pam("<NoDataValue>0</NoDataValue>"))
    assert [f.value for f in findings(path)] == ["a.tfw", "a.tif.msk", "a.tif.aux.xml"]
