"""Stage 1 on images with one fault each, and on a faultless pair."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from numpy.typing import NDArray

from pipeline.config.models import ImageInput, LayerSource
from pipeline.imagery import quality
from pipeline.io.scenes import open_scene
from pipeline.io.vectors import read_layer
from pipeline.schema.layers import FINDING_AREAS, FINDINGS
from pipeline.stages.intake_survey import survey_image
from tests.factories import CGCS2000_GK_114E, ROLES, dispatching, texture, write_raster
from tests.reference_files import (
    AFTER,
    BEFORE,
    LEFT,
    SIDE_M,
    TOP,
    TOWN_FIELDS,
    run_config,
    square,
    town_source,
    towns,
    write,
)
from tests.run.test_intake import findings, refused, take_in

SHAPE = (512, 512)
PIXEL_M = SIDE_M / SHAPE[0]
TRANSFORM = Affine(PIXEL_M, 0.0, LEFT, 0.0, -PIXEL_M, TOP)


@cache
def _bands() -> NDArray[np.float64]:
    soil, plants = texture(SHAPE, 1, 3)[0], texture(SHAPE, 1, 53)[0]
    return np.stack([soil, 0.9 * soil + 0.05, 1.1 * soil - 0.1 * plants, 0.6 * plants + 0.2])


def land(noise: int) -> NDArray[np.uint16]:
    """The county's land in 11 bits; visible bands go together, the near infrared does not."""
    bands = _bands()
    noisy = bands + np.random.default_rng(noise).normal(0, 0.03, bands.shape)
    return np.clip(np.round(noisy * 1500), 1, 2000).astype(np.uint16)


def image(
    folder: Path, pixels: NDArray[Any], name: str = "after.tif", **options: Any
) -> ImageInput:
    given: dict[str, Any] = {
        "crs": CGCS2000_GK_114E,
        "transform": TRANSFORM,
        "descriptions": ROLES[: len(pixels)],
    }
    path = write_raster(folder / name, pixels, **(given | options))
    return ImageInput(path=str(path), date=BEFORE if name.startswith("before") else AFTER)


def pair(folder: Path, after: NDArray[Any], **options: Any) -> dict[str, ImageInput]:
    """A faultless before image and this after image."""
    return {
        "before": image(folder, land(1), "before.tif"),
        "after": image(folder, after, **options),
    }


def found(
    folder: Path, images: dict[str, ImageInput], layers: dict[str, LayerSource] | None = None
) -> dict[str, dict[str, str]]:
    """Findings beside absent layers, by code."""
    given = {"townships": town_source(folder)} | (layers or {})
    _, paths = take_in(run_config(folder, given, **images), folder)
    rows = [r for r in findings(paths.intake_findings_csv) if r["问题代码"] != "N-LAYER-ABSENT"]
    assert len({row["问题代码"] for row in rows}) == len(rows)
    return {row["问题代码"]: row for row in rows}


def areas(folder: Path) -> gpd.GeoDataFrame:
    return read_layer(folder / "runs" / "test" / "intake" / "findings.gpkg", FINDING_AREAS)


def test_a_faultless_pair_has_no_finding_and_a_full_table(tmp_path: Path) -> None:
    images = pair(tmp_path, land(2))
    images["before"] = images["before"].model_copy(update={"sensor": "GF-2 PMS1"})
    assert found(tmp_path, images) == {}
    assert len(areas(tmp_path)) == 0
    page = (tmp_path / "runs" / "test" / "intake" / "report.html").read_text(encoding="utf-8")
    for text in (
        "影像一览",
        "GF-2 PMS1",
        "用到 11 位",
        "4 个（蓝、绿、红、近红外）",
        "0.7812 米",
        "0.00%（没有声明）",
        "未见（最多的一块",
        "100.00%",
        "两期影像都盖住的占乡镇面积的 100.0%",
    ):
        assert text in page, text


def striped() -> NDArray[np.uint16]:
    pixels = land(2)
    pixels[1, :, ::8] += 150
    return pixels


def saturated() -> NDArray[np.uint16]:
    pixels = land(2)
    pixels[:3, :120, :120] = 2047
    return pixels


def swapped() -> NDArray[np.uint16]:
    return land(2)[[3, 1, 2, 0]]


def with_empty_band() -> NDArray[np.uint16]:
    pixels = land(2)
    pixels[3] = 5
    return pixels


def collared() -> NDArray[np.uint16]:
    pixels = land(2)
    pixels[:, :, :64] = 0
    return pixels


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (lambda: land(2) // 16 * 16, "N-IMAGE-DEPTH", ("94%", "空缺不超过 50%", "10–12 位")),
        (lambda: land(2) // 200, "N-IMAGE-DEPTH", ("级", "不少于 16 级")),
        (striped, "N-IMAGE-STRIPES", ("竖向", "绿", "150 DN", "去条带")),
        (saturated, "N-IMAGE-SATURATED", ("5.5%", "红 2047", "换用曝光正常")),
        (with_empty_band, "N-IMAGE-BAND", ("近红外是常数", "5", "补发该波段")),
        (lambda: land(2)[[0, 0, 0, 3]], "N-IMAGE-BAND", ("完全相同", "蓝、绿")),
    ],
    ids=["comb", "coarse", "stripes", "saturated", "constant", "equal"],
)
def test_one_fault_one_finding(
    tmp_path: Path, fault: Any, code: str, words: tuple[str, ...]
) -> None:
    rows = found(tmp_path, pair(tmp_path, fault()))
    assert list(rows) == [code]
    row = rows[code]
    assert (row["严重程度"], row["源文件"]) == ("提示", "after.tif")
    assert row["问题"].startswith("后时相：")
    text = "".join(row.values())
    for word in words:
        assert word in text, (word, text)


def test_saturation_and_stripes_say_where(tmp_path: Path) -> None:
    found(tmp_path, pair(tmp_path, saturated()))
    table = areas(tmp_path)
    assert table["finding_code"].tolist() == ["N-IMAGE-SATURATED"]
    assert table.geometry[0].equals(square(0, 0, SIDE_M, SIDE_M))
    points = read_layer(tmp_path / "runs" / "test" / "intake" / "findings.gpkg", FINDINGS)
    assert points["finding_no"].tolist() == table["finding_no"].tolist()
    assert points.geometry[0].within(table.geometry[0])


def test_a_role_in_the_wrong_place(tmp_path: Path) -> None:
    images = pair(tmp_path, swapped())
    layers = {"townships": town_source(tmp_path)}
    _, paths = take_in(run_config(tmp_path, layers, **images), tmp_path)
    rows = [r for r in findings(paths.intake_findings_csv) if r["问题代码"] == "N-IMAGE-ROLE"]
    assert "蓝却不是" in rows[0]["问题"]
    assert {row["源文件"] for row in rows[1:]} == {"before.tif、after.tif"}
    assert any("蓝和近红外可能写反" in row["问题"] for row in rows)


def test_an_undeclared_collar_and_what_it_hides(tmp_path: Path) -> None:
    rows = found(tmp_path, pair(tmp_path, collared()))
    assert list(rows) == ["N-IMAGE-COLLAR", "N-IMAGE-COVER"]
    assert rows["N-IMAGE-COLLAR"]["现值"] == "占影像的 12.5%"
    assert "东河镇" in rows["N-IMAGE-COVER"]["问题"]
    assert rows["N-IMAGE-COVER"]["现值"] == "缺 2.00 公顷，占该乡镇的 25.00%"
    hidden = areas(tmp_path).geometry
    for shape in hidden:
        assert shape.equals(square(0, 0, 50, SIDE_M))


def test_a_declared_collar_is_told_by_what_it_hides_alone(tmp_path: Path) -> None:
    rows = found(tmp_path, pair(tmp_path, collared(), nodata=0))
    assert list(rows) == ["N-IMAGE-COVER"]


def test_images_that_do_not_reach_over_the_county(tmp_path: Path) -> None:
    """The townships are 400 m wide, the after image begins 100 m further east."""
    moved = TRANSFORM @ Affine.translation(100 / PIXEL_M, 0)
    rows = found(tmp_path, pair(tmp_path, np.roll(land(2), -128, axis=2), transform=moved))
    assert list(rows) == ["N-IMAGE-COVER"]
    assert rows["N-IMAGE-COVER"]["现值"] == "缺 4.00 公顷，占该乡镇的 50.00%"
    assert areas(tmp_path).geometry[0].equals(square(0, 0, 100, SIDE_M))


def test_the_same_image_twice_stops_the_work(tmp_path: Path) -> None:
    layers = {"townships": town_source(tmp_path)}
    codes, text = refused(run_config(tmp_path, layers, **pair(tmp_path, land(1))), tmp_path)
    assert codes == ["E-IMAGE-SAME"]
    assert "另一期的影像" in text


def test_a_stretched_copy_is_told(tmp_path: Path) -> None:
    copy = np.clip(land(1) // 8 * 1, 1, 255).astype(np.uint8)
    rows = found(tmp_path, pair(tmp_path, copy))
    assert list(rows) == ["N-IMAGE-SAME"]


def named(folder: Path, before: str, after: str) -> dict[str, ImageInput]:
    images = pair(folder, land(2))
    for name, file in (("before", before), ("after", after)):
        path = Path(images[name].path).rename(folder / file)
        images[name] = images[name].model_copy(update={"path": str(path)})
    return images


def test_exchanged_dates_stop_the_work(tmp_path: Path) -> None:
    """Declared 2024-05-06 and 2024-10-18; the names say it the other way round."""
    images = named(tmp_path, "GF2_20241018.tif", "GF2_20240506.tif")
    layers = {"townships": town_source(tmp_path)}
    codes, text = refused(run_config(tmp_path, layers, **images), tmp_path)
    assert codes == ["E-IMAGE-SWAPPED"]
    assert "对调 before 和 after" in text


@pytest.mark.parametrize(
    ("before", "after", "n", "word"),
    [
        ("a_20240506.tif", "b_20241018.tif", 0, ""),
        ("a_20240401_20240601.tif", "b.tif", 0, ""),
        ("a_20240507.tif", "b_20241018.tif", 1, "写明 2024-05-06，文件 2024-05-07"),
        ("a_20240506.tif", "b_20240506.tif", 2, "日期相同"),
        ("a_20250506.tif", "b_20240101.tif", 2, "写明"),
    ],
)
def test_dates_in_names(tmp_path: Path, before: str, after: str, n: int, word: str) -> None:
    images = named(tmp_path, before, after)
    layers = {"townships": town_source(tmp_path)}
    _, paths = take_in(run_config(tmp_path, layers, **images), tmp_path)
    rows = [r for r in findings(paths.intake_findings_csv) if r["问题代码"] == "N-IMAGE-DATE"]
    assert len(rows) == n
    assert word in "".join("".join(row.values()) for row in rows)


def test_dates_in_the_metadata(tmp_path: Path) -> None:
    import rasterio

    images = pair(tmp_path, land(2))
    with rasterio.open(images["after"].path, "r+") as dataset:
        dataset.update_tags(DATE_ACQUIRED="2023-10-18", TIFFTAG_DATETIME="2025:01:01 00:00:00")
    rows = found(tmp_path, images)
    assert rows["N-IMAGE-DATE"]["现值"] == "写明 2024-10-18，文件 2023-10-18"


def test_a_pair_of_two_resolutions(tmp_path: Path) -> None:
    coarse = TRANSFORM @ Affine.scale(2)
    rows = found(tmp_path, pair(tmp_path, land(2)[:, ::2, ::2], transform=coarse))
    assert list(rows) == ["N-IMAGE-GSD"]
    assert rows["N-IMAGE-GSD"]["现值"] == "前时相 0.7812 米，后时相 1.562 米"


def test_pixels_too_large_for_the_smallest_patch(tmp_path: Path) -> None:
    """Both images have 8 m pixels: 200 m² are three of them."""
    large = {"transform": Affine(8.0, 0.0, LEFT, 0.0, -8.0, TOP)}
    images = {
        "before": image(tmp_path, land(1), "before.tif", **large),
        "after": image(tmp_path, land(2), "after.tif", **large),
    }
    rows = found(tmp_path, images)
    assert list(rows) == ["N-IMAGE-GSD"]
    assert "3.1 个像元" in rows["N-IMAGE-GSD"]["现值"]
    assert "订购 7.1 米或更细" in rows["N-IMAGE-GSD"]["办法"]


def test_a_layer_of_the_zone_next_door_is_told(tmp_path: Path) -> None:
    table = gpd.GeoDataFrame({"MC": ["保护区"]}, geometry=[square(0, 0)], crs=CGCS2000_GK_114E)
    path = write(table.to_crs(4548), tmp_path / "r.gpkg")
    layers = {"nature_reserve": LayerSource(path=str(path), fields={"feature_name": "MC"})}
    rows = found(tmp_path, pair(tmp_path, land(2)), layers)
    assert list(rows) == ["N-IMAGE-ZONE"]
    assert "117°" in rows["N-IMAGE-ZONE"]["现值"]
    with_prefix = write(table.to_crs(4526), tmp_path / "p.gpkg")
    layers = {"nature_reserve": LayerSource(path=str(with_prefix), fields={"feature_name": "MC"})}
    assert found(tmp_path, pair(tmp_path, land(2)), layers) == {}


def test_a_county_across_the_edge_of_the_zone(tmp_path: Path) -> None:
    """The edge of the zone of 114° at 115.5° cuts the county in two."""
    edge = gpd.GeoSeries([shapely.Point(115.5, 30.7)], crs=4490).to_crs(CGCS2000_GK_114E)[0]
    left, top = edge.x - 100, edge.y + 200
    placed = {"transform": Affine(PIXEL_M, 0.0, left, 0.0, -PIXEL_M, top)}
    images = {
        "before": image(tmp_path, land(1), "before.tif", **placed),
        "after": image(tmp_path, land(2), "after.tif", **placed),
    }
    table = towns()
    table.geometry = table.geometry.translate(left - LEFT, top - TOP)
    source = LayerSource(path=str(write(table, tmp_path / "t.gpkg")), fields=TOWN_FIELDS)
    rows = found(tmp_path, images, {"townships": source})
    assert list(rows) == ["N-IMAGE-ZONE"]
    share = float(rows["N-IMAGE-ZONE"]["现值"].split("占县域的 ")[1].rstrip("%"))
    assert share == pytest.approx(75, abs=1)
    (outside,) = areas(tmp_path).geometry
    assert outside.area == pytest.approx(share / 100 * SIDE_M**2, rel=0.01)


def test_an_image_with_a_zone_number_and_a_system_without(tmp_path: Path) -> None:
    shifted = Affine.translation(38_000_000, 0) @ TRANSFORM
    images = {
        "before": image(tmp_path, land(1), "before.tif", transform=shifted),
        "after": image(tmp_path, land(2), "after.tif", transform=shifted),
    }
    layers = {"townships": town_source(tmp_path)}
    codes, text = refused(run_config(tmp_path, layers, **images), tmp_path)
    assert "E-IMAGE-CRS" in codes
    assert "带有带号（38）" in text
    assert "EPSG:4526" in text


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"transform": Affine(np.nan, 0, LEFT, 0, -1, TOP)}, "E-RASTER-TRANSFORM", "无法使用的数"),
        ({"transform": None}, "E-RASTER-TRANSFORM", "没有地理变换"),
        ({"crs": 4978}, "E-IMAGE-CRS", "也不是投影坐标系"),
        ({"crs": 4490}, "E-IMAGE-CRS", "坐标是米"),
        ({"transform": Affine(1e-5, 0, 114, 0, -1e-5, 31)}, "E-IMAGE-CRS", "EPSG:4490"),
    ],
    ids=["不是数", "没有地理变换", "地心坐标", "米当作度", "度当作米"],
)
def test_images_that_lie_nowhere(
    tmp_path: Path, options: dict[str, Any], code: str, words: str
) -> None:
    layers = {"townships": town_source(tmp_path)}
    images = {
        "before": image(tmp_path, land(1), "before.tif", **options),
        "after": image(tmp_path, land(2), "after.tif", **options),
    }
    codes, text = refused(run_config(tmp_path, layers, **images), tmp_path)
    assert codes.count(code) == 2
    assert "前时相：" in text
    assert "后时相：" in text
    assert words in text


def test_what_only_side_files_say_is_refused(tmp_path: Path) -> None:
    images = pair(tmp_path, land(2))
    (tmp_path / "after.tif.msk").write_bytes(b"")
    text = "<PAMDataset><PAMRasterBand band='1'><NoDataValue>0</NoDataValue></PAMRasterBand>"
    (tmp_path / "before.tif.aux.xml").write_text(text, encoding="ascii")
    layers = {"townships": town_source(tmp_path)}
    codes, text = refused(run_config(tmp_path, layers, **images), tmp_path)
    assert set(codes) == {"E-RASTER-SIDECAR"}
    assert "前时相：影像旁的文件写有无效值" in text
    assert "后时相：影像旁的文件写有掩膜" in text
    assert "after.tif.msk" in text


def test_images_without_content(tmp_path: Path) -> None:
    layers = {"townships": town_source(tmp_path)}
    flat = np.full((4, *SHAPE), 9, np.uint16)
    codes, _ = refused(run_config(tmp_path, layers, **pair(tmp_path, flat)), tmp_path)
    assert codes == ["E-IMAGE-BAND"]
    codes, _ = refused(run_config(tmp_path, layers, **pair(tmp_path, flat, nodata=9)), tmp_path)
    assert codes == ["E-RASTER-EMPTY"]


def seam_layer(
    folder: Path, name: str, shapes: list[Any], days: list[str | None]
) -> dict[str, LayerSource]:
    table = gpd.GeoDataFrame(
        {
            "JH": [f"GF2_{n}" for n in range(len(shapes))],
            "SX": days,
            "WX": ["GF-2 PMS1", "BJ-3A"][: len(shapes)] + ["GF-2 PMS1"] * (len(shapes) - 2),
        },
        geometry=shapes,
        crs=CGCS2000_GK_114E,
    )
    names = {"scene_id": "JH", "scene_date": "SX", "sensor_name": "WX"}
    source = LayerSource(path=str(write(table, folder / f"{name}.gpkg")), fields=names)
    return {name: source}


HALVES = [square(0, 0, 200, 400), square(200, 0, 200, 400)]


def test_seam_lines_without_fault(tmp_path: Path) -> None:
    layers = seam_layer(tmp_path, "after_seams", HALVES, ["2024-10-01", "2024-10-20"])
    assert found(tmp_path, pair(tmp_path, land(2)), layers) == {}
    page = (tmp_path / "runs" / "test" / "intake" / "report.html").read_text(encoding="utf-8")
    assert "2024-10-18（各景 2024-10-01 至 2024-10-20）" in page
    assert "BJ-3A、GF-2 PMS1" in page
    assert "2 景" in page


@pytest.mark.parametrize(
    ("shapes", "days", "code", "value"),
    [
        (HALVES, ["2024-10-01", None], "N-SEAM-DATE", "空"),
        (HALVES, ["2024-10-01", "2024-07-01"], "N-SEAM-DATE", "2024-07-01，相差 109 天"),
        (
            [square(0, 0, 200, 400), square(180, 0, 220, 400)],
            ["2024-10-01", "2024-10-20"],
            "N-LAYER-OVERLAP",
            "GF2_0 与 GF2_1 重叠 8000 m²",
        ),
        (
            [square(0, 0, 200, 400), square(220, 0, 180, 400)],
            ["2024-10-01", "2024-10-20"],
            "N-LAYER-GAP",
            "1 处，占影像的 5.00%",
        ),
    ],
    ids=["undated", "far", "overlap", "gap"],
)
def test_faults_of_seam_lines(
    tmp_path: Path, shapes: list[Any], days: list[str | None], code: str, value: str
) -> None:
    layers = seam_layer(tmp_path, "after_seams", shapes, days)
    rows = found(tmp_path, pair(tmp_path, land(2)), layers)
    assert list(rows) == [code]
    assert rows[code]["现值"] == value
    assert rows[code]["图层"] == "后时相镶嵌线"
    if code.startswith("N-LAYER"):
        assert (
            areas(tmp_path)
            .geometry[0]
            .equals(square(180 if code == "N-LAYER-OVERLAP" else 200, 0, 20, 400))
        )


def test_seams_in_the_wrong_order_of_time_somewhere(tmp_path: Path) -> None:
    """A quarter of the after mosaic is older than the before image."""
    shapes = [square(0, 0, 300, 400), square(300, 0, 100, 400)]
    layers = seam_layer(tmp_path, "after_seams", shapes, ["2024-10-01", "2024-05-01"])
    rows = found(tmp_path, pair(tmp_path, land(2)), layers)
    assert set(rows) == {"N-SEAM-DATE", "N-SEAM-ORDER"}
    assert rows["N-SEAM-ORDER"]["现值"] == "占两期共同范围的 25.0%"
    (wrong,) = areas(tmp_path).geometry
    assert wrong.equals(shapes[1])


def test_seams_in_the_wrong_order_nearly_everywhere_stop_the_work(tmp_path: Path) -> None:
    shapes = [square(0, 0, 300, 400), square(300, 0, 100, 400)]
    layers = seam_layer(tmp_path, "before_seams", shapes, ["2024-11-01", "2024-05-01"])
    given = {"townships": town_source(tmp_path)} | layers
    codes, text = refused(run_config(tmp_path, given, **pair(tmp_path, land(2))), tmp_path)
    assert codes == ["E-SEAM-ORDER"]
    assert "75.0%" in text


def test_nothing_but_the_block_size_decides(tmp_path: Path) -> None:
    """Findings of an image that is not stored in tiles are the same."""
    rows = found(tmp_path, pair(tmp_path, striped()))
    other = found(tmp_path, pair(tmp_path, striped(), tiled=False))
    assert rows == other


def test_a_large_image_is_sampled_but_covered_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four blocks the last is looked at; the collar of the first is found all the same."""
    monkeypatch.setattr(quality, "MAX_LATTICE_BLOCKS", 1)
    pixels = np.tile(land(1)[:2], (1, 2, 2))
    pixels[:, :512, :256] = 0
    path = write_raster(tmp_path / "a.tif", pixels, crs=CGCS2000_GK_114E, transform=TRANSFORM)
    with dispatching(1) as local:
        found = survey_image(open_scene(path), local)
    assert found is not None
    assert [(block.window.row0, block.window.col0) for block in found.stats.blocks] == [(512, 512)]
    assert found.sampled_text == "（4 块中抽查了 1 块）"
    assert found.covered_ratio == pytest.approx(1 - 1 / 8)
    assert found.covered.area == 1024 * 1024 - 512 * 256
