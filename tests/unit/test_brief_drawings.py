"""The map and the chart of the brief."""

from __future__ import annotations

from decimal import Decimal
from xml.etree import ElementTree

import pytest
import shapely

from pipeline.delivery.brief import draw
from pipeline.delivery.brief_books import Books
from pipeline.delivery.brief_charts import Bars, draw_bars
from pipeline.delivery.brief_map import (
    HEIGHT,
    SHADES,
    WIDTH,
    TownshipOnMap,
    class_limits,
    draw_county_map,
    shade_of,
)
from tests.brief_factory import NAMES, Plan, make_outlines, make_tables

SVG = "{http://www.w3.org/2000/svg}"


def township(name: str, x: float, area: str | None, seen: str | None = "100") -> TownshipOnMap:
    outline = shapely.box(x, 0, x + 3000, 3000)
    mu = None if area is None else Decimal(area)
    return TownshipOnMap(name, outline, mu, None if seen is None else Decimal(seen))


def drawn(svg: str) -> dict[str, list[str]]:
    """Fills of each township's paths, in order, by its title."""
    fills: dict[str, list[str]] = {}
    name = ""
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        title = path.find(f"{SVG}title")
        name = str(title.text) if title is not None else name
        if path.get("fill-rule"):
            fills.setdefault(name, []).append(str(path.get("fill")))
    return fills


def words(svg: str) -> list[str]:
    return [str(text.text) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("highest", "limits"),
    [("0", ()), ("0.4", (1, 2, 3)), ("4", (1, 2, 3)), ("4.01", (2, 4, 6)), ("71", (20, 40, 60))],
)
def test_classes_are_round_and_hold_the_highest(highest: str, limits: tuple[int, ...]) -> None:
    found = class_limits([Decimal(0), None, Decimal(highest)])
    assert found == tuple(Decimal(limit) for limit in limits)


def test_an_area_on_a_limit_belongs_above() -> None:
    limits = class_limits([Decimal(40)])
    assert limits == (10, 20, 30)
    shades = [shade_of(Decimal(a), limits) for a in ("0", "0.01", "9.99", "10", "29.99", "30")]
    assert shades == [0, 1, 1, 2, 3, 4]


def test_unseen_is_hatched_and_has_no_shade() -> None:
    svg = draw_county_map(
        [
            township("甲镇", 0, "12.5"),
            township("乙镇", 3000, "0", "0"),
            township("丙镇", 6000, "0", "80"),
            township("丁镇", 9000, "1", None),
        ]
    )
    fills = drawn(svg)
    assert fills["甲镇"] == [SHADES[3]]
    assert fills["乙镇"] == ["#ffffff", "url(#unseen)"]
    assert fills["丙镇"] == [SHADES[0], "url(#partly)"]
    assert fills["丁镇"] == [SHADES[1], "url(#partly)"]
    assert "未观测" in words(svg)
    assert "12.50 亩" in words(svg)


def test_a_zone_inside_a_township_is_drawn_over_it() -> None:
    inner = TownshipOnMap("乙区", shapely.box(500, 500, 900, 900), Decimal(1), Decimal(100))
    for order in ([inner, township("丙镇", 0, "3")], [township("丙镇", 0, "3"), inner]):
        assert list(drawn(draw_county_map(order))) == ["丙镇", "乙区"]


def test_labels_of_many_townships_do_not_cover_each_other() -> None:
    plan = Plan(townships=30, unobserved=(3,))
    svg = draw(Books(make_tables(plan)), make_outlines(plan)).county_map
    places = []
    for text in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        if text.text in NAMES:
            x, y, size = (float(str(text.get(key))) for key in ("x", "y", "font-size"))
            half = size * len(str(text.text)) / 2
            places.append(shapely.box(x - half, y - size, x + half, y))
    assert len(places) >= 25
    assert not any(a.intersects(b) for k, a in enumerate(places) for b in places[:k])
    assert all(shapely.box(0, 0, WIDTH, HEIGHT).contains(place) for place in places)


def test_map_without_townships_and_with_odd_names() -> None:
    assert "没有乡镇范围" in words(draw_county_map([]))
    svg = draw_county_map([township('<甲&"镇', 0, None)])
    assert '<甲&"镇' in words(svg)
    assert "面积不详" in words(svg)


def test_bars_are_as_long_as_their_areas() -> None:
    svg = draw_bars(
        [Bars("甲镇", Decimal("80"), Decimal("20")), Bars("乙镇", Decimal("0.01"), None)],
        ("整改前", "整改后"),
    )
    widths = [
        float(str(rect.get("width"))) for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect")
    ][2:]
    assert widths[1] / widths[0] == pytest.approx(0.25, abs=0.001)
    assert widths[2] == 1.0
    assert len(widths) == 3
    assert {"80.00", "20.00", "0.01", "—"} <= set(words(svg))
    assert "没有可以比较的面积" in words(draw_bars([], ("整改前", "整改后")))


def test_chart_shows_only_townships_with_an_area() -> None:
    tables = make_tables(Plan(townships=30))
    svg = draw(Books(tables), {}).chart
    rows = [r for r in tables["T04"]["rows"] if r["source_group"] == "下发" and r["area_mu"]]
    top = sorted(rows, key=lambda row: -row["area_mu"])[:8]
    assert [word for word in words(svg) if word in NAMES] == [row["unit_name"] for row in top]
