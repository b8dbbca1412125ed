"""What is known of an image before its pixels are read, and which images make a pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.enums import ColorInterp

from pipeline.errors import InputError
from pipeline.grid import Grid
from pipeline.imagery.alignment import require_comparable, working_grid
from pipeline.io.scenes import open_scene, read_meta
from pipeline.scene import Scene, match_bands
from tests.factories import write_raster

NORTH_UP = Affine(2.0, 0, 500_000.0, 0, -2.0, 4_000_000.0)
PIXELS = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)


def code_of(problem: pytest.ExceptionInfo[InputError]) -> str:
    [finding] = problem.value.findings
    return finding.code


def test_a_scene_says_what_the_file_says(tmp_path: Path) -> None:
    path = write_raster(
        tmp_path / "a.tif",
        PIXELS,
        transform=NORTH_UP,
        nodata=7,
        descriptions=("Red", "green ", "nir"),
    )
    scene = open_scene(path, date="2026-03-31").scene
    assert (scene.grid.width, scene.grid.height) == (30, 20)
    assert scene.grid.transform == (2.0, 0, 500_000.0, 0, -2.0, 4_000_000.0)
    assert scene.grid.crs == CRS.from_epsg(32650)
    assert scene.roles == ("red", "green", "nir")
    assert (scene.dtype, scene.nodata, scene.date) == ("uint16", 7.0, "2026-03-31")


def test_波段角色_命令行优先于文件_文件优先于说明(tmp_path: Path) -> None:
    described = write_raster(
        tmp_path / "described.tif", PIXELS, transform=NORTH_UP, descriptions=("red", "green", "nir")
    )
    plain = write_raster(tmp_path / "plain.tif", PIXELS, transform=NORTH_UP)
    assert open_scene(plain).scene.roles == ("", "", "")
    (tmp_path / "meta.yaml").write_text("bands: [blue, green, red]\n", encoding="utf-8")
    assert open_scene(plain).scene.roles == ("blue", "green", "red")
    assert open_scene(described).scene.roles == ("red", "green", "nir")
    given = ("green", "red", "nir")
    assert open_scene(described, bands=given).scene.roles == given


BGRN = ("blue", "green", "red", "nir")


def byte_image(path: Path, **options: Any) -> Path:
    """Four 8-bit bands as GDAL writes them by default: the fourth is tagged alpha."""
    pixels = np.arange(4 * 20 * 30).reshape(4, 20, 30).astype(np.uint8)
    write_raster(path, pixels, transform=NORTH_UP, **options)
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp[3] == ColorInterp.alpha
    return path


def test_a_band_tagged_alpha_is_what_it_is_named(tmp_path: Path) -> None:
    """On the command line, in the file's own descriptions, or in a meta file."""
    plain = byte_image(tmp_path / "plain.tif")
    described = byte_image(tmp_path / "described.tif", descriptions=BGRN)
    found = [open_scene(plain, bands=BGRN), open_scene(described)]
    (tmp_path / "meta.yaml").write_text("bands: [blue, green, red, nir]\n", encoding="utf-8")
    found.append(open_scene(plain))
    for file in found:
        assert file.scene.roles == BGRN
        assert file.scene.band_numbers == (1, 2, 3, 4)
        assert file.scene.mask_bands == ()
        assert not file.is_copyable  # whoever reads the copy would take the tag for true


def test_a_band_tagged_alpha_is_alpha_if_it_is_not_named(tmp_path: Path) -> None:
    path = byte_image(tmp_path / "a.tif")
    for bands in (None, ("blue", "green", "red")):
        scene = open_scene(path, bands=bands).scene
        assert scene.band_numbers == (1, 2, 3)
        assert scene.mask_bands == (4,)
    with pytest.raises(InputError, match="第 4 波段标为透明度 alpha") as problem:
        open_scene(path, bands=("blue", "green"))
    assert code_of(problem) == "E-RASTER-BANDS"
    assert "3 个波段" in str(problem.value)
    assert "写全 4 个" in str(problem.value)


def test_band_roles_are_never_guessed_from_their_number(tmp_path: Path) -> None:
    partly = write_raster(
        tmp_path / "a.tif", PIXELS, transform=NORTH_UP, descriptions=("red", "", "nir")
    )
    twice = write_raster(
        tmp_path / "b.tif", PIXELS, transform=NORTH_UP, descriptions=("red", "red", "nir")
    )
    for path in (partly, twice):
        assert not any(open_scene(path).scene.roles)


@pytest.mark.parametrize(
    "text", ["bands: [red, green]\n", "bands: [red, green, infrared]\n", "bands: [red, red, nir]\n"]
)
def test_a_meta_file_that_does_not_fit_is_refused(tmp_path: Path, text: str) -> None:
    path = write_raster(tmp_path / "a.tif", PIXELS, transform=NORTH_UP)
    (tmp_path / "meta.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"meta\.yaml") as problem:
        open_scene(path)
    assert code_of(problem) == "E-RASTER-BANDS"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_说明文件存成_GBK_也能读(tmp_path: Path, encoding: str) -> None:
    text = "# 春季影像\nbands: [blue, green, red]\nbefore_mask: 云掩膜.tif\n"
    (tmp_path / "meta.yaml").write_bytes(text.encode(encoding))
    assert read_meta(tmp_path).before_mask == "云掩膜.tif"


@pytest.mark.parametrize("encoding", ["utf-16", "shift_jis"])
def test_认不出编码的说明文件点名拒收(tmp_path: Path, encoding: str) -> None:
    # 0xFF begins no character of UTF-8 or GB18030
    tail = b"" if encoding == "utf-16" else b"# \xff\n"
    (tmp_path / "meta.yaml").write_bytes("# 春の影像\ngsd_m: 2\n".encode(encoding) + tail)
    with pytest.raises(InputError, match=r"meta\.yaml") as problem:
        read_meta(tmp_path)
    assert code_of(problem) == "E-CONFIG-SYNTAX"
    assert "UTF-8" in str(problem.value)


def test_an_image_without_crs_needs_a_gsd(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.png", PIXELS.astype(np.uint8), crs=None)
    with pytest.raises(InputError, match="--gsd") as problem:
        open_scene(path)
    assert code_of(problem) == "E-RASTER-NOCRS"
    assert open_scene(path, gsd_m=0.5).scene.grid.pixel_area_m2 == 0.25


def test_gsd_never_overrules_a_crs(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", PIXELS, transform=NORTH_UP)
    assert open_scene(path, gsd_m=0.5).scene.grid.pixel_area_m2 == 4.0


def test_a_singular_transform_is_refused() -> None:
    """Needs no file: GDAL repairs most of them on writing."""
    grid = Grid(10, 10, (1.0, 2.0, 0, 2.0, 4.0, 0), CRS.from_epsg(32650).to_wkt())
    assert grid.pixel_area_m2 == 0.0


# --- common bands --------------------------------------------------------------------------------

GRID = Grid(10, 10, (2.0, 0, 0, 0, -2.0, 0), CRS.from_epsg(32650).to_wkt())


def scene(*roles: str) -> Scene:
    return Scene(GRID, roles, "uint8", None)


def test_bands_are_matched_by_role_whatever_their_order() -> None:
    match = match_bands(scene("blue", "green", "red", "nir"), scene("nir", "red", "swir1"))
    assert match.roles == ("red", "nir")
    assert (match.before, match.after) == ((3, 4), (2, 1))


def test_without_roles_only_equal_numbers_are_matched_by_position() -> None:
    match = match_bands(scene("", ""), scene("", ""))
    assert (match.before, match.after, match.roles) == ((1, 2), (1, 2), ("", ""))
    named = match_bands(scene("", "", ""), scene("red", "green", "blue"))
    assert named.roles == ("red", "green", "blue")
    assert match.index("red") == -1


@pytest.mark.parametrize(
    ("before", "after"),
    [(("", "", ""), ("", "")), (("red", "green"), ("nir", "swir1")), (("red",), ("", "", ""))],
)
def test_对不上的波段说明两边各有什么(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as problem:
        match_bands(scene(*before), scene(*after))
    assert code_of(problem) == "E-RASTER-BANDS"
    assert f"{len(before)} 个波段" in str(problem.value)
    assert f"{len(after)} 个波段" in str(problem.value)


# --- the working grid ----------------------------------------------------------------------------


def test_projected_images_are_compared_on_their_own_grid() -> None:
    assert working_grid(GRID) is GRID


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"), [(117.1, 36.2, 32650), (-73.9, -4.1, 32718), (179.9, 10.0, 32660)]
)
def test_经纬度影像在当地_UTM_中比对(lon: float, lat: float, epsg: int) -> None:
    step = 0.0001
    degrees = Grid(300, 200, (step, 0, lon, 0, -step, lat), CRS.from_epsg(4326).to_wkt())
    grid = working_grid(degrees)
    assert grid.crs == CRS.from_epsg(epsg)
    # square pixels of the area that 0.0001° × 0.0001° has there (ellipsoid radii by hand)
    e2, a = 0.00669438, 6378137.0
    phi = np.radians(lat - 100 * step)
    w = np.sqrt(1 - e2 * np.sin(phi) ** 2)
    north, east = a * (1 - e2) / w**3, a / w * np.cos(phi)
    ground = np.sqrt(north * east) * np.radians(step)
    assert grid.transform[0] == -grid.transform[4]
    assert grid.pixel_size_m == pytest.approx(ground, rel=2e-3)  # UTM's scale is within 1e-3 of 1
    # every corner of the image lies inside, with less than two pixels to spare at the tightest
    to_utm = Transformer.from_crs(4326, epsg, always_xy=True)
    x, y = to_utm.transform(
        [lon, lon + 300 * step, lon, lon + 300 * step],
        [lat, lat, lat - 200 * step, lat - 200 * step],
    )
    rows, cols = grid.rowcol(np.array(x), np.array(y))
    assert rows.min() >= 0
    assert cols.min() >= 0
    assert rows.max() <= grid.height
    assert cols.max() <= grid.width
    assert min(rows.min(), cols.min()) < 2
    # the origin is a whole multiple of the pixel size
    for origin in (grid.transform[2], grid.transform[5]):
        assert origin / grid.pixel_size_m == pytest.approx(round(origin / grid.pixel_size_m))


@pytest.mark.parametrize(
    ("name", "after", "code"),
    [
        ("相隔很远", Grid(10, 10, (2.0, 0, 9e5, 0, -2.0, 0), GRID.crs_wkt), "E-RASTER-OVERLAP"),
        ("细五倍", Grid(50, 50, (0.4, 0, 0, 0, -0.4, 0), GRID.crs_wkt), "E-RASTER-GSD"),
        ("粗五倍", Grid(10, 10, (10.0, 0, 0, 0, -10.0, 0), GRID.crs_wkt), "E-RASTER-GSD"),
        ("只有一期有坐标系", Grid(10, 10, (2.0, 0, 0, 0, -2.0, 0), None, 2.0), "E-RASTER-NOCRS"),
    ],
)
def test_pairs_that_can_not_be_compared(name: str, after: Grid, code: str) -> None:
    with pytest.raises(InputError) as problem:
        require_comparable(GRID, GRID, after)
    assert code_of(problem) == code, name


@pytest.mark.parametrize("size", [0.5, 8.0])
def test_four_times_finer_or_coarser_is_still_accepted(size: float) -> None:
    side = round(20 / size) or 1
    after = Grid(side, side, (size, 0, 0, 0, -size, 0), GRID.crs_wkt)
    require_comparable(GRID, GRID, after)
