"""`compare` from end to end: what it writes, read back as a user would."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Geod
from rasterio.features import rasterize
from scipy.ndimage import binary_dilation

from pipeline.schema.layers import DROPPED, PATCHES, RAW_OUTLINES
from tests.factories import (
    CGCS2000_GK_114E,
    World,
    call_cli,
    compare,
    make_pair,
    read_raster,
    write_raster,
)

BOXES = ((40, 60, 50, 80), (150, 171, 200, 233), (5, 25, 280, 300))
TINY = (120, 124, 100, 105)
"""20 px of 4 m² are below the 200 m² minimum at 2 m."""
PUBLISHED = ("score.tif", "change.tif", "kind.tif", "patches.gpkg", "quicklook.png", "summary.json")


def projected(folder: Path) -> tuple[World, float | None]:
    # noise above what resampling overshoots beside an edge, or every box would have a true rim
    return make_pair(
        folder,
        (256, 320),
        boxes=(*BOXES, TINY),
        crs=CGCS2000_GK_114E,
        shift=(0.4, -0.7),
        nodata=0,
        noise=0.01,
    ), None


def degrees(folder: Path) -> tuple[World, float | None]:
    # about 2 m at 36° N
    return make_pair(
        folder, (256, 320), boxes=BOXES, crs=4326, gsd=2e-5, origin=(117.0, 36.0), nodata=0
    ), None


def without_crs(folder: Path) -> tuple[World, float | None]:
    return make_pair(
        folder, (256, 320), n_bands=3, dtype="uint8", crs=None, suffix=".png", boxes=BOXES
    ), 2.0


CASES = {"投影": projected, "经纬度": degrees, "无坐标系": without_crs}


@pytest.fixture(scope="module", params=list(CASES))
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[World, Path, dict[str, Any], str]:
    """A finished comparison of each kind of grid: world, output folder, summary, name."""
    folder = tmp_path_factory.mktemp("case")
    world, gsd = CASES[request.param](folder)
    compare(world, folder / "out", gsd=gsd)
    summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    return world, folder / "out", summary, request.param


def layer(out: Path, name: str) -> gpd.GeoDataFrame:
    return pyogrio.read_dataframe(out / "patches.gpkg", layer=name)


def test_outputs_lie_exactly_on_the_before_grid(case: tuple[World, Path, Any, str]) -> None:
    world, out, _, _ = case
    assert all((out / name).is_file() for name in PUBLISHED)
    types = {
        "score.tif": ("uint16", 65535),
        "change.tif": ("uint8", 255),
        "kind.tif": ("uint8", None),
    }
    with rasterio.open(world.before) as before:
        for name, (dtype, nodata) in types.items():
            with rasterio.open(out / name) as found:
                assert (found.width, found.height) == (before.width, before.height)
                assert found.transform == before.transform
                assert found.crs == before.crs
                assert (found.count, found.dtypes[0], found.nodata) == (1, dtype, nodata)


def test_change_is_1_inside_kept_patches_and_255_where_unseen(
    case: tuple[World, Path, Any, str],
) -> None:
    _, out, _, name = case
    change, score = read_raster(out / "change.tif"), read_raster(out / "score.tif")
    assert set(np.unique(change)) <= {0, 1, 255}
    np.testing.assert_array_equal(change == 255, score == 65535)
    assert score[score != 65535].max() <= 10_000
    with rasterio.open(out / "change.tif") as dataset:
        transform = dataset.transform
    burnt = rasterize(
        list(layer(out, "raw_outlines").geometry), out_shape=change.shape, transform=transform
    )
    if name == "经纬度":
        # outlines of another grid's pixels: centres near an edge may fall on either side
        assert ((burnt == 1) != (change == 1)).sum() < 0.05 * (change == 1).sum()
    else:
        np.testing.assert_array_equal(burnt == 1, change == 1)
    kind = read_raster(out / "kind.tif")
    assert not kind[change == 255].any()
    if name == "无坐标系":
        assert not kind.any()  # three bands without roles: no kind is guessed


def test_simplified_outlines_stay_within_a_pixel_of_the_pixels(
    case: tuple[World, Path, Any, str],
) -> None:
    _, out, _, _ = case
    work = out / "work" / "extract"  # in the CRS in which the outlines were simplified
    patches, raw = (layer(work, kind).set_index("patch_id") for kind in ("patches", "raw_outlines"))
    assert raw["is_simplified"].any()
    assert list(patches.index) == list(raw.index)
    smooth, stairs = patches.geometry.to_numpy(), raw.geometry.to_numpy()
    with rasterio.open(out / "work" / "detect" / "score.tif") as dataset:
        pixel = abs(dataset.transform.a)
    assert shapely.hausdorff_distance(smooth, stairs, densify=0.1).max() <= 1.001 * pixel
    assert shapely.area(smooth) == pytest.approx(shapely.area(stairs), rel=1e-6)
    assert patches["area_m2"].to_numpy() == pytest.approx(raw["raw_area_m2"], rel=1e-6)
    assert raw["n_pixels"].tolist() == patches["n_pixels"].tolist()


def test_埋设的变化都找到_没有多余的图斑(case: tuple[World, Path, Any, str]) -> None:
    _, out, _, name = case
    change = read_raster(out / "change.tif")
    truth = np.zeros(change.shape, bool)
    for row0, row1, col0, col1 in BOXES:
        box = np.s_[row0:row1, col0:col1]
        truth[box] = True
        hit = (change[box] == 1).sum()
        around = np.s_[max(0, row0 - 4) : row1 + 4, max(0, col0 - 4) : col1 + 4]
        union = ((change[around] == 1) | truth[around]).sum()
        assert hit / union > 0.75, (name, row0, col0)
    patches = layer(out, "patches")
    assert len(patches) == len(BOXES)
    # registration and smoothing may grow an outline by about a pixel, not more
    assert not ((change == 1) & ~binary_dilation(truth, iterations=3)).any()


def test_layers_have_exactly_the_registered_columns(case: tuple[World, Path, Any, str]) -> None:
    _, out, _, _ = case
    names = {name for name, _ in pyogrio.list_layers(out / "patches.gpkg")}
    assert names == {"patches", "dropped", "raw_outlines"}
    for spec in (PATCHES, DROPPED, RAW_OUTLINES):
        table = layer(out, spec.name)
        assert tuple(table.columns) == (*spec.fields, "geometry")
        assert not table.duplicated(list(spec.key)).any()
        assert set(table.geometry.geom_type) <= {"MultiPolygon"}
        assert table.geometry.is_valid.all()
    patches = layer(out, "patches")
    assert set(patches["source"]) == {"detected"}
    assert patches["patch_id"].str.fullmatch(r"\d{6}ZJ\d{8}").all()
    assert patches["probability"].between(0.3, 1).all()
    first = list(zip(patches["first_row"], patches["first_col"], strict=True))
    assert first == sorted(first)  # numbered by first pixel in row-major order


def test_areas_add_up(case: tuple[World, Path, Any, str]) -> None:
    _, out, summary, name = case
    patches = layer(out, "patches")
    change = read_raster(out / "change.tif")
    if name == "经纬度":
        work = layer(out / "work" / "extract", "patches")
        side = abs(rasterio.open(out / "work" / "detect" / "score.tif").transform.a)
        pixel = side * side
        assert work["n_pixels"].tolist() == patches["n_pixels"].tolist()
    else:
        pixel = 4.0
        assert patches["n_pixels"].sum() == (change == 1).sum()
    assert patches["area_planar_m2"].to_numpy() == pytest.approx(patches["n_pixels"] * pixel)
    assert summary["patches_pixels"] == patches["n_pixels"].sum()
    assert summary["patches_area_m2"] == pytest.approx(patches["area_m2"].sum())
    # 0.01 亩 HALF_UP of m² · 3/2000, by hand
    mu100 = np.floor(patches["area_m2"] * 3 / 2000 * 100 + 0.5).astype(int)
    assert patches["area_mu100"].tolist() == mu100.tolist()
    assert summary["patches_area_mu100"] == mu100.sum()
    if name == "无坐标系":
        assert patches["area_m2"].tolist() == patches["area_planar_m2"].tolist()


def test_椭球面积与_pyproj_的测地面积一致(case: tuple[World, Path, Any, str]) -> None:
    _, out, _, name = case
    if name == "无坐标系":
        pytest.skip("没有坐标系，没有椭球面积")
    # the work file holds the outlines in the projected CRS in which their edges are straight
    patches = layer(out / "work" / "extract", "patches")
    geod = Geod(ellps="WGS84") if name == "经纬度" else Geod(a=6378137.0, rf=298.257222101)
    for area, shape in zip(patches["area_m2"], patches.geometry, strict=True):
        dense = gpd.GeoSeries([part.segmentize(1.0) for part in shape.geoms], crs=patches.crs)
        # to the geographic CRS of the same datum: no datum shift may enter
        lonlat = dense.to_crs(patches.crs.geodetic_crs)
        expected = sum(abs(geod.geometry_area_perimeter(part)[0]) for part in lonlat)
        assert area == pytest.approx(expected, rel=1e-6)


def test_每个连通区域都有下落(case: tuple[World, Path, Any, str]) -> None:
    _, out, summary, name = case
    kept, dropped = layer(out, "patches"), layer(out, "dropped")
    by_reason = {
        key: n for key, n in summary.items() if key in ("dropped_speckle", "dropped_below_min_area")
    }
    assert summary["components"] == len(kept) + sum(by_reason.values())
    assert summary["dropped_below_min_area"] == len(dropped)
    assert summary["dropped_below_min_area_pixels"] == dropped["n_pixels"].sum()
    assert summary["patches"] == len(kept)
    if name == "投影":
        assert len(dropped) == 1  # the planted 4 × 5 px
        assert dropped["reason"].tolist() == ["below_min_area"]
        assert abs(dropped["first_row"][0] - TINY[0]) <= 1
    unseen = (read_raster(out / "score.tif") == 65535).mean()
    if name != "经纬度":
        assert summary["observed_share"] == pytest.approx(1 - unseen)


def test_测得的平移就是造数据时的平移(case: tuple[World, Path, Any, str]) -> None:
    _, _, summary, name = case
    expected = (0.4, -0.7) if name == "投影" else (0.0, 0.0)
    assert (summary["shift_row_px"], summary["shift_col_px"]) == pytest.approx(expected, abs=0.1)


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("detector", ["irmad", "cva"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_两期相同则没有图斑(tmp_path: Path, detector: str, dtype: str) -> None:
    world = make_pair(tmp_path, (200, 220), dtype=dtype)
    same = replace(world, after=world.before)
    done = compare(same, tmp_path / "out", detector=detector)
    assert done.counts["components"] == 0
    assert not (read_raster(tmp_path / "out" / "change.tif")).any()
    assert len(layer(tmp_path / "out", "patches")) == 0


def test_dates_swapped_give_the_same_patches(tmp_path: Path) -> None:
    world = make_pair(tmp_path, (256, 320), boxes=BOXES)
    compare(world, tmp_path / "there")
    compare(replace(world, before=world.after, after=world.before), tmp_path / "back")
    scores = [tmp_path / name / "score.tif" for name in ("there", "back")]
    assert scores[0].read_bytes() == scores[1].read_bytes()
    there, back = (read_raster(tmp_path / name / "change.tif") == 1 for name in ("there", "back"))
    assert (there & back).sum() / (there | back).sum() > 0.97


def test_整像元平移原点_面积一平方毫米不差(tmp_path: Path) -> None:
    """The same pixels relabelled: 7 columns and 1,000 rows elsewhere in the same zone."""
    world = make_pair(tmp_path / "here", (256, 320), boxes=BOXES, crs=CGCS2000_GK_114E)
    for path in (world.before, world.after):
        with rasterio.open(path) as dataset:
            moved = dataset.transform @ Affine.translation(-7, 1000)
            write_raster(
                tmp_path / "there" / path.name,
                dataset.read(),
                crs=CGCS2000_GK_114E,
                transform=moved,
                descriptions=dataset.descriptions,
            )
    there = World(
        tmp_path / "there" / "before.tif",
        tmp_path / "there" / "after.tif",
        world.truth,
        world.roles,
    )
    compare(world, tmp_path / "o1")
    compare(there, tmp_path / "o2")
    one, other = layer(tmp_path / "o1", "patches"), layer(tmp_path / "o2", "patches")
    assert len(one) == len(BOXES)
    assert one["area_planar_m2"].tolist() == other["area_planar_m2"].tolist()
    for name in ("score.tif", "kind.tif", "change.tif"):
        np.testing.assert_array_equal(
            read_raster(tmp_path / "o1" / name), read_raster(tmp_path / "o2" / name)
        )


def test_striped_and_tiled_files_give_the_same_result(tmp_path: Path) -> None:
    kinds = {"tiled": True, "striped": False}
    for name, tiled in kinds.items():
        compare(
            make_pair(tmp_path / name, (200, 220), boxes=BOXES[:1], tiled=tiled),
            tmp_path / f"o_{name}",
        )
    for name in ("score.tif", "kind.tif", "change.tif"):
        one, other = (tmp_path / f"o_{kind}" / name for kind in kinds)
        assert one.read_bytes() == other.read_bytes()


def test_after_on_another_grid_and_pixel_size(tmp_path: Path) -> None:
    """The after image as delivered by another sensor: 1 m instead of 2 m, other extent."""
    world = make_pair(tmp_path, (256, 320), boxes=BOXES, noise=0.002)
    with rasterio.open(world.after) as dataset:
        fine = np.kron(dataset.read()[:, 10:, 20:], np.ones((1, 2, 2), np.uint16))
        origin = dataset.transform @ (20, 10)
    after = write_raster(
        tmp_path / "fine.tif",
        fine,
        transform=Affine(1.0, 0, origin[0], 0, -1.0, origin[1]),
        descriptions=world.roles,
    )
    compare(replace(world, after=after), tmp_path / "out")
    change = read_raster(tmp_path / "out" / "change.tif")
    assert change.shape == (256, 320)
    assert (change[:10] == 255).all()
    assert (change[:, :20] == 255).all()
    assert (change[12:, 22:] != 255).all()
    for row0, row1, col0, col1 in BOXES[:2]:
        assert (change[row0:row1, col0:col1] == 1).mean() > 0.9


# --- up to date ----------------------------------------------------------------------------------


def state(out: Path) -> dict[str, tuple[bytes, int]]:
    """Every file but run.log, which is the one place for times."""
    return {
        path.relative_to(out).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "run.log"
    }


def test_再跑一次什么都不重算_文件一个字节不动(tmp_path: Path) -> None:
    world = make_pair(tmp_path, (128, 160), boxes=[(40, 60, 50, 80)])
    args = ("compare", world.before, world.after, "--out", tmp_path / "out")
    first = call_cli(*args)
    assert first.code == 0, first.text
    assert first.out.count("已运行") == 3
    before = state(tmp_path / "out")
    second = call_cli(*args)
    assert second.code == 0, second.text
    assert second.out.count("未变化，跳过") == 3
    assert state(tmp_path / "out") == before

    # the summary says the same figures again
    def figures(text: str) -> list[str]:
        return [
            line for line in text.splitlines() if line.startswith(("变化图斑", "可观测", "剔除"))
        ]

    assert figures(first.out) == figures(second.out) != []


def test_notices_are_repeated_when_nothing_is_recomputed(tmp_path: Path) -> None:
    """波段角色未知 must be said in every summary (DESIGN §10), not only in the first."""
    world = make_pair(tmp_path, (128, 160), with_roles=False)
    args = ("compare", world.before, world.after, "--out", tmp_path / "out")
    assert "N-BANDS-NOROLE" in call_cli(*args).out
    assert "N-BANDS-NOROLE" in call_cli(*args).out


@pytest.mark.parametrize("crs", [32650, 4326])
def test_a_damaged_result_is_restored(tmp_path: Path, crs: int) -> None:
    size = {32650: 2.0, 4326: 2e-5}[crs]
    world = make_pair(tmp_path, (128, 160), crs=crs, gsd=size, origin=(117.0, 36.0))
    compare(world, tmp_path / "out")
    target = tmp_path / "out" / "change.tif"
    good = target.read_bytes()
    damaged = bytearray(good)
    damaged[-20] ^= 0xFF
    target.write_bytes(bytes(damaged))
    compare(world, tmp_path / "out")
    assert target.read_bytes() == good


def test_a_changed_image_is_noticed(tmp_path: Path) -> None:
    world = make_pair(tmp_path, (128, 160))
    compare(world, tmp_path / "out")
    make_pair(tmp_path, (128, 160), boxes=[(40, 60, 50, 80)])  # the same files, other content
    done = compare(world, tmp_path / "out")
    assert [outcome.was_run for outcome in done.outcomes] == [True, True, True]
    assert done.counts["patches"] == 1


def test_command_line_summary_and_bands_option(tmp_path: Path) -> None:
    world = make_pair(tmp_path, (256, 320), boxes=BOXES, with_roles=False)
    done = call_cli(
        "compare", world.before, world.after, "--out", tmp_path / "out", "--bands", world.bands
    )
    assert done.code == 0, done.text
    kept = len(gpd.read_file(tmp_path / "out" / "patches.gpkg", layer="patches"))
    assert 1 <= kept <= len(BOXES)  # a dark flat box may pass for a shadow
    assert f"变化图斑（疑似，待核查）：{kept} 个" in done.out
    assert "可观测比例：" in done.out
    assert "违法" not in done.out
    assert "N-BANDS-NOROLE" not in done.out
    assert read_raster(tmp_path / "out" / "kind.tif").any()
