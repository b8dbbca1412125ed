"""Files of a package: exact pixels, repeatable bytes, styles in place."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rio_cogeo.cogeo import cog_validate

from pipeline.io.cogs import code_cover, open_image, sample_image, window_of, write_clip
from pipeline.io.digests import geopackage_digest
from pipeline.io.geopackage import open_read_only, user_tables
from pipeline.io.layer_styles import StoredStyle, write_styles
from pipeline.io.packages import (
    PackageHead,
    write_manifest,
    write_project,
    write_text_file,
    zip_folder,
)
from pipeline.io.rasters import close_handles
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import read_layer, write_layers
from pipeline.schema.layers import REASONS
from tests.factories import write_raster
from tests.package_factory import WORKING, table

ROWS, COLS = 1100, 700
TRANSFORM = Affine(2, 0, 500_000, 0, -2, 3_400_000 + 2 * ROWS)


def image(path: Path, dtype: str = "uint16") -> np.ndarray:
    """Row and column in the pixel, never 0: any shift shows."""
    rows, cols = np.mgrid[1 : ROWS + 1, 1 : COLS + 1]
    pixels = np.stack([rows, cols]).astype(dtype)
    write_raster(path, pixels, crs=4547, transform=TRANSFORM, descriptions=("red", ""))
    return pixels


@pytest.fixture(autouse=True)
def _closed() -> Any:
    yield
    close_handles()


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_clip_keeps_pixels_inside_and_blanks_the_rest(tmp_path: Path, dtype: str) -> None:
    """A triangle over three strips; expected mask from the geometry of pixel centres."""
    pixels = image(tmp_path / "a.tif", dtype)
    area = shapely.Polygon(
        [(500_100.4, 3_400_100.3), (501_300.7, 3_400_101.6), (500_101.8, 3_402_100.9)]
    )
    source = open_image(tmp_path / "a.tif", None)
    window = window_of(source.grid, area)
    write_clip(source, tmp_path / "clip.tif", area, window)
    with rasterio.open(tmp_path / "clip.tif") as found:
        clipped = found.read()
        assert found.descriptions == ("red", None)
        assert found.crs == rasterio.crs.CRS.from_epsg(4547)
        x, y = found.xy(0, 0)
        assert np.isnan(found.nodata) if dtype == "float32" else found.nodata == 0
        assert found.overviews(1)
    centres_x = x + 2 * np.arange(clipped.shape[2])
    centres_y = y - 2 * np.arange(clipped.shape[1])
    inside = shapely.contains_xy(area, *np.meshgrid(centres_x, centres_y))
    cut = pixels[:, window.row0 : window.row1, window.col0 : window.col1]
    seen = ~np.isnan(clipped[0]) if dtype == "float32" else clipped[0] != 0
    np.testing.assert_array_equal(clipped[:, inside], cut[:, inside])
    assert not seen[~inside].any()
    assert seen[inside].all()
    is_valid, errors, warnings = cog_validate(str(tmp_path / "clip.tif"), strict=True)
    assert (is_valid, errors, warnings) == (True, [], [])


def test_the_same_clip_gives_the_same_bytes(tmp_path: Path) -> None:
    image(tmp_path / "a.tif")
    area = shapely.box(500_100, 3_400_100, 501_300, 3_402_100)
    source = open_image(tmp_path / "a.tif", None)
    for name in ("b.tif", "c.tif"):
        write_clip(source, tmp_path / name, area, window_of(source.grid, area))
    assert (tmp_path / "b.tif").read_bytes() == (tmp_path / "c.tif").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", "b.tif", "c.tif"}


def test_windows_cover_the_area_and_stop_at_the_image(tmp_path: Path) -> None:
    image(tmp_path / "a.tif")
    grid = open_image(tmp_path / "a.tif", None).grid
    window = window_of(grid, shapely.box(500_001, 3_400_001, 500_009, 3_400_007))
    assert (window.row0, window.row1, window.col0, window.col1) == (ROWS - 4, ROWS, 0, 5)
    assert window_of(grid, shapely.box(0, 0, 10, 10)).is_empty


def test_the_sample_leaves_out_nodata_and_clouds(tmp_path: Path) -> None:
    pixels = image(tmp_path / "a.tif")
    pixels[:, :600] = 0
    write_raster(tmp_path / "b.tif", pixels, crs=4547, transform=TRANSFORM, descriptions=("a", "b"))
    valid = np.zeros((ROWS, COLS), np.uint8)
    valid[:, 350:] = 2
    write_raster(tmp_path / "valid.tif", valid, crs=4547, transform=TRANSFORM)
    sample = sample_image(open_image(tmp_path / "b.tif", None), (1, 2), tmp_path / "valid.tif")
    assert sample.shape[0] == 2
    assert sample.min() > 0
    assert sample[0].min() > 600
    assert sample[1].max() <= 350


def test_code_cover_counts_pixels_by_what_of_them_lies_inside(tmp_path: Path) -> None:
    valid = np.zeros((ROWS, COLS), np.uint8)
    valid[:550] = 2
    write_raster(tmp_path / "valid.tif", valid, crs=4547, transform=TRANSFORM)
    grid = open_image(tmp_path / "valid.tif", None).grid
    middle = 3_400_000 + ROWS  # the border between seen and cloud
    area = shapely.box(500_100.5, middle - 300.5, 500_300, middle + 100)
    cover = code_cover(tmp_path / "valid.tif", grid, area) * grid.pixel_area_m2
    assert cover[0] == pytest.approx(199.5 * 300.5)
    assert cover[2] == pytest.approx(199.5 * 100)
    assert cover.sum() == pytest.approx(area.area)
    assert not code_cover(tmp_path / "valid.tif", grid, shapely.box(0, 0, 9, 9)).any()


def make_folder(folder: Path) -> Path:
    folder.mkdir()
    write_text_file(folder / "readme.txt", "说明\n第二行\n")
    (folder / "b.bin").write_bytes(bytes(range(256)) * 9000)
    write_project(folder / "verify.qgz", "<qgis/>")
    head = PackageHead("T1-1-ab", "379999101", "清溪镇", "379999", "T1", 1, {"patches": 3})
    write_manifest(folder, head)
    return folder


def test_manifest_lists_every_file_with_its_digest(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "379999101_清溪镇")
    document = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert document["files"].keys() == {"readme.txt", "b.bin", "verify.qgz"}
    content = (folder / "b.bin").read_bytes()
    assert document["files"]["b.bin"] == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    assert document["package_id"] == "T1-1-ab"
    assert document["schema_version"] == 1


def test_readme_opens_in_the_editor_of_windows(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "p")
    assert (folder / "readme.txt").read_bytes() == b"\xef\xbb\xbf" + "说明\r\n第二行\r\n".encode()


def test_zips_repeat_and_name_chinese_folders_in_utf8(tmp_path: Path) -> None:
    archives = []
    for parent in ("x", "y"):
        (tmp_path / parent).mkdir()
        archives.append(zip_folder(make_folder(tmp_path / parent / "379999101_清溪镇")))
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with zipfile.ZipFile(archives[0]) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == sorted(names)
        assert "379999101_清溪镇/verify.qgz" in names
        for entry in archive.infolist():
            assert entry.flag_bits & 0x800
            assert entry.date_time == (2000, 1, 1, 0, 0, 0)
            assert entry.create_system == 3
    with zipfile.ZipFile(tmp_path / "x" / "379999101_清溪镇" / "verify.qgz") as project:
        assert project.namelist() == ["verify.qgs"]


def styled(path: Path, qml: str = "<qgis/>") -> Path:
    rows = [{"patch_id": "1", "reason_no": 1, "step": "a", "text_zh": "理由"}]
    write_layers(path, {REASONS: table(REASONS, rows)}, WORKING.to_wkt())
    style = StoredStyle("reasons", "理由表", qml, False, [("text_zh", "理由", "One sentence.")])
    write_styles(path, [style], "2024-10-30T00:00:00.000Z")
    return path


def test_styles_are_listed_and_default(tmp_path: Path) -> None:
    path = styled(tmp_path / "a.gpkg")
    with open_read_only(path) as connection:
        assert user_tables(connection, path) == ["layer_styles", "reasons"]
    with closing(sqlite3.connect(path)) as connection:
        ask = connection.execute
        kinds = ask("SELECT data_type FROM gpkg_contents WHERE table_name='layer_styles'")
        assert kinds.fetchone() == ("attributes",)
        rows = ask("SELECT f_table_name, useAsDefault, styleQML FROM layer_styles").fetchall()
        assert rows == [("reasons", 1, "<qgis/>")]
        titles = ask("SELECT column_name, title FROM gpkg_data_columns").fetchall()
        assert titles == [("text_zh", "理由")]
        assert ask("PRAGMA integrity_check").fetchone() == ("ok",)
        assert ask("PRAGMA user_version").fetchone() == (10300,)
    assert read_layer(path, REASONS)["text_zh"].tolist() == ["理由"]


def test_styles_repeat_in_bytes_and_count_in_the_content_digest(tmp_path: Path) -> None:
    first, second = styled(tmp_path / "a.gpkg"), styled(tmp_path / "b.gpkg")
    assert first.read_bytes() == second.read_bytes()
    other = styled(tmp_path / "c.gpkg", "<qgis labelsEnabled='1'/>")
    assert geopackage_digest(first) == geopackage_digest(second) != geopackage_digest(other)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("清溪镇", "清溪镇"),
        ("../../../../pwn", ".._.._.._.._pwn"),
        ("a\\..\\b", "a_.._b"),
        ("/etc/x", "_etc_x"),
        ("=cmd|' /C calc'!A0", "=cmd_' _C calc'_A0"),
        ('镇:2?*<>"', "镇_2_____"),
        ("镇... ", "镇"),
        ("清\n溪\x00\u202e镇", "清溪镇"),
        ("漷" * 19 + ". 镇", "漷" * 19),
        ("e\u0301" * 30, "\u00e9" * 20),
    ],
)
def test_no_name_of_a_township_leaves_the_folder(tmp_path: Path, name: str, expected: str) -> None:
    paths = RunPaths(tmp_path)
    assert paths.package("379999101", name) == paths.packages / f"379999101_{expected}"
