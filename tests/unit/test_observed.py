"""Observed shares of townships and villages against polygon arithmetic; nothing says none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.readme import (
    PackageSeen,
    TownshipLine,
    county_readme,
    hidden_villages,
    package_readme,
)
from pipeline.grid import Grid
from pipeline.io.cogs import code_cover
from pipeline.io.rasters import StripWriter
from pipeline.patches.observed import ObservedLand, Unit, observed_land

HEADING = {
    "county": "示例县",
    "township": "清溪镇",
    "secrecy": "内部",
    "period": "一季度",
    "package_id": "X",
    "due": "",
}
SIZE, GSD_M = 600, 2.0
GRID = Grid(SIZE, SIZE, (GSD_M, 0.0, 1000.0, 0.0, -GSD_M, 3000.0), None, GSD_M)
"""East 1000–2200, north 1800–3000."""


def write_valid(path: Path, clouded: BaseGeometry | None, code: int = 2) -> Path:
    """A validity in which the pixels of a rectangle on pixel edges carry a code."""
    codes = np.zeros((SIZE, SIZE), np.uint8)
    if clouded is not None:
        xmin, ymin, xmax, ymax = clouded.bounds
        rows = slice(round((3000 - ymax) / GSD_M), round((3000 - ymin) / GSD_M))
        codes[rows, round((xmin - 1000) / GSD_M) : round((xmax - 1000) / GSD_M)] = code
    with StripWriter(path, GRID, "uint8") as writer:
        writer.add(GRID.window, codes)
    return path


def measure(valid: Path, outline: BaseGeometry, name: str = "甲") -> ObservedLand:
    unit = Unit("379999001", name, "township", outline.area)
    return observed_land(unit, code_cover(valid, GRID, outline), outline.area / GSD_M**2)


def test_thirty_per_cent_of_a_township_under_cloud(tmp_path: Path) -> None:
    # Slanted boundaries through pixels; the cloud hides exactly 30 % of this outline.
    township = shapely.Polygon(
        [(1010.7, 1811.3), (2011.1, 1903.9), (1951.9, 2907.3), (1101.3, 2871.7)]
    )
    tops = np.arange(1800.0, 3000.0, GSD_M)
    hidden = [
        shapely.area(shapely.intersection(township, shapely.box(1000, 1800, 2200, t))) for t in tops
    ]
    top = float(tops[int(np.argmin(np.abs(np.array(hidden) / township.area - 0.30)))])
    cloud = shapely.box(1000, 1800, 2200, top)
    exact = 1 - shapely.area(shapely.intersection(township, cloud)) / township.area
    assert exact == pytest.approx(0.70, abs=0.001)
    found = measure(write_valid(tmp_path / "valid.tif", cloud), township)
    assert found.observed_ratio == pytest.approx(exact, abs=1e-9)
    assert found.cloud_m2 == pytest.approx(township.area * (1 - exact), rel=1e-9)
    assert found.nodata_m2 == found.shadow_m2 == found.other_unobserved_m2 == 0.0


def test_small_villages_are_right_to_a_tenth_of_a_per_cent(tmp_path: Path) -> None:
    cloud = shapely.box(1400, 2200, 1800, 2600)
    valid = write_valid(tmp_path / "valid.tif", cloud)
    rng = np.random.default_rng(7)
    for _ in range(20):
        x, y = rng.uniform(1380, 1440), rng.uniform(2180, 2240)
        village = shapely.affinity.rotate(shapely.box(x, y, x + 61, y + 47), rng.uniform(0, 90))
        exact = 1 - shapely.area(shapely.intersection(village, cloud)) / village.area
        assert measure(valid, village).observed_ratio == pytest.approx(exact, abs=1e-6)


def test_the_reasons_add_up_to_the_land_and_land_beyond_the_image_is_not_seen(
    tmp_path: Path,
) -> None:
    valid = write_valid(tmp_path / "valid.tif", shapely.box(1000, 1800, 1200, 3000), code=3)
    unit = Unit("379999001", "甲", "township", 1_003_000.0)
    outline = shapely.box(900, 2000, 1400, 2400)
    found = observed_land(unit, code_cover(valid, GRID, outline), outline.area / 4)
    assert found.observed_m2 == pytest.approx(1_003_000 * 200 / 500)
    assert found.shadow_m2 == pytest.approx(1_003_000 * 200 / 500)
    assert found.nodata_m2 == pytest.approx(1_003_000 * 100 / 500)
    parts = found.observed_m2 + found.nodata_m2 + found.cloud_m2 + found.shadow_m2
    assert parts + found.other_unobserved_m2 == pytest.approx(1_003_000)
    beside = shapely.box(0, 0, 10, 10)
    away = observed_land(unit, code_cover(valid, GRID, beside), 25.0)
    assert away.is_unseen
    assert away.nodata_m2 == 1_003_000


def test_a_hidden_village_is_said_to_be_unseen_never_empty(tmp_path: Path) -> None:
    valid = write_valid(tmp_path / "valid.tif", shapely.box(1000, 1800, 1600, 3000))
    outlines = {
        "石桥村": shapely.box(1101.3, 1900.7, 1300.1, 2100.9),
        "柳林村": shapely.box(1500, 1900, 1700, 2100),
        "高岗村": shapely.box(1700, 1900, 1900, 2100),
    }
    rows = [
        {**measure(valid, outline, name).row, "unit_level": "village"}
        for name, outline in outlines.items()
    ]
    assert [row["observed_ratio"] for row in rows] == pytest.approx([0.0, 0.5, 1.0])
    told = hidden_villages(rows)
    assert told == ("石桥村（379999001）未观测", "柳林村（379999001）50.0%")
    text = package_readme(HEADING, 0, 200, PackageSeen(0.7, told), ["第1天　2 个：7 → 3"])
    assert "  第1天　2 个：7 → 3" in text
    assert "图斑：0 个" in text
    assert "70.0%（占本乡镇土地面积）" in text
    assert "没有看全的村：石桥村（379999001）未观测、柳林村（379999001）50.0%" in text
    assert "不是没有变化" in text


def test_a_township_that_nobody_saw_has_no_zero(tmp_path: Path) -> None:
    unseen = TownshipLine("379999002", "垟头街道", 0, 0, "0.00", 0.0, ("甲村（1）未观测",))
    seen = TownshipLine("379999001", "清溪镇", 0, 0, "0.00", 1.0)
    text = county_readme(HEADING, [unseen, seen], 0)
    mine = [line for line in text.splitlines() if "垟头街道" in line]
    assert mine[0].endswith("下发核查：未观测，无法判定；两期均可观测 未观测")
    assert "无法判定" in mine[1]
    assert not any("0 个" in line for line in mine)
    assert mine[2] == "  垟头街道：甲村（1）未观测"
    theirs = [line for line in text.splitlines() if "清溪镇" in line and "379999001" in line]
    assert "下发核查 0 个" in theirs[0]
    assert "100.0%" in theirs[0]
    assert "不等于没有变化" in theirs[1]


def test_a_trace_of_sight_is_not_called_nothing() -> None:
    told = hidden_villages([{"unit_name": "甲村", "unit_code": "1", "observed_ratio": 0.0001}])
    assert told == ("甲村（1）不足0.1%",)
