"""Patrol grades by a profile's zones: highest wins, gaps, widths by date, validity in time."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from pipeline.config import load as config_load
from pipeline.config.load import PROFILES_DIR, RULES_DIR, load_rules
from pipeline.errors import InputError, RuleError
from pipeline.patches.covering import PatchDates, as_days, prepare_layer
from pipeline.patches.overlay import OVERLAY_LAYERS, overlay_patches
from pipeline.patches.patrol_grades import Grading, cut_outlines
from pipeline.patches.townships import AssignmentParams
from pipeline.rules.patrol import PatrolProfile
from pipeline.schema.document import parse_document
from pipeline.stages.patrol_grades import _rest_zh, _zones
from tests.overlay_factory import CODES, patch_table, reference, square, townships

RULES = load_rules(RULES_DIR)
load_profile = functools.cache(config_load.load_profile)
PATCH = square(0, 0, 100)
EVERYWHERE = square(-5000, -5000, 10_000)
WIDTHS = {
    "patrol.highway_side_width": 100.0,
    "patrol.local_road_side_width": 50.0,
    "patrol.urban_fringe_width": 500.0,
    "patrol.town_fringe_width": 300.0,
    "patrol.village_surround_width": 100.0,
}
"""The widths that the tests expect of configs/rules/patrol, metres."""


def graded(
    profile: str | PatrolProfile,
    layers: Mapping[str, list[dict[str, Any]]],
    widths: Mapping[str, float] = WIDTHS,
    **columns: Any,
) -> Any:
    """The one patch, overlaid and graded, with its periods."""
    found = load_profile(profile) if isinstance(profile, str) else profile
    patches = patch_table([PATCH], **columns)
    tables = {name: reference(name, rows) for name, rows in layers.items()}
    tables.setdefault("townships", townships())
    outlines = patches.geometry.to_numpy()
    around = shapely.box(*shapely.buffer(outlines, 600, cap_style="square")[0].bounds)
    cutting = {
        name: prepare_layer(table, outlines, development_zone_first=True)
        for name, table in tables.items()
        if name in OVERLAY_LAYERS
    }
    near = {
        name: prepare_layer(table, np.array([around]), development_zone_first=True)
        for name, table in tables.items()
    }
    supplied = frozenset(tables)
    beside = {
        source.layer
        for grade in found.grades
        for zone in grade.zones
        for source in zone.sources
        if source.extent == "beside" and source.layer in supplied
    }
    grading = Grading(
        _zones(found, supplied, RULES),
        None if found.rest is None else (found.rest.grade, _rest_zh(found, supplied)),
        near,
        {name: cut_outlines(near[name]) for name in beside},
        {name: np.array([width]) for name, width in widths.items()},
        CODES.land_categories,
        np.asarray(outlines, dtype=object),
    )
    dates = PatchDates(as_days(patches["before_date"]), as_days(patches["after_date"]))
    done = overlay_patches(patches, dates, cutting, CODES, AssignmentParams(), grading)
    row = done.patches.iloc[0].copy()
    row["periods"] = done.responsibility
    return row


def zone(kind: str, shape: Any = EVERYWHERE, **columns: Any) -> dict[str, list[dict[str, Any]]]:
    return {"patrol_zones": [{"geometry": shape, "patrol_zone_kind": kind, **columns}]}


def land(code: str) -> dict[str, list[dict[str, Any]]]:
    return {"land_use": [{"geometry": EVERYWHERE, "land_class_code": code}]}


def road(distance_m: float, road_class: str) -> dict[str, list[dict[str, Any]]]:
    """A straight road so far to the right of the patch's right edge."""
    x, y = square(100 + distance_m, 0, 1).bounds[:2]
    line = shapely.LineString([(x, y - 900), (x, y + 1000)])
    return {"roads": [{"geometry": line, "road_class": road_class}]}


TOWN_ZONE = {"township_kind": "development_zone", "township_code": "379999400"}

CASES = [
    # 第三篇第八条
    ("xiangfan", {"permanent_basic_farmland": [{"geometry": EVERYWHERE}]}, "1", "基本农田保护区"),
    ("xiangfan", {"planning_zones": [{"geometry": EVERYWHERE, "zone_code": "300"}]}, "1", "基本"),
    ("xiangfan", {"urban_boundary": [{"geometry": EVERYWHERE}]}, "1", "城市规划区（含开发区）"),
    ("xiangfan", {"townships": [{"geometry": EVERYWHERE, **TOWN_ZONE}]}, "1", "城市规划区"),
    ("xiangfan", zone("city_planning"), "1", "城市规划区"),
    ("xiangfan", zone("industrial_park"), "1", "城市规划区"),
    ("xiangfan", zone("urban_fringe"), "1", "城郊结合部"),
    ("xiangfan", zone("national_mining"), "1", "国家规划矿区"),
    ("xiangfan", zone("key_mining"), "1", "对国民经济具有重要价值的矿区"),
    ("xiangfan", zone("town_planning"), "2", "镇政府和已撤乡镇所在地规划区"),
    ("xiangfan", land("0101"), "2", "基本农田以外的一般耕地、农用地"),
    ("xiangfan", land("0301"), "2", "基本农田以外的一般耕地、农用地"),
    ("xiangfan", zone("town_fringe"), "2", "镇村结合部"),
    ("xiangfan", zone("mining_cluster"), "2", "矿山较集中的地区"),
    ("xiangfan", {"settlements": [{"geometry": EVERYWHERE}]}, "3", "村庄规划范围内"),
    ("xiangfan", {"planning_zones": [{"geometry": EVERYWHERE, "zone_code": "510"}]}, "3", "村庄"),
    ("xiangfan", zone("village_planning"), "3", "村庄规划范围内"),
    ("xiangfan", land("0702"), "3", "农民建房用地"),
    ("xiangfan", {"mining_rights": [{"geometry": EVERYWHERE}]}, "3", "零散分布的矿产资源所在地"),
    ("xiangfan", zone("scattered_mining"), "3", "零散分布的矿产资源所在地"),
    ("xiangfan", land("0404"), "ungraded", "不在口径所列"),
    ("xiangfan", zone("restricted_mining"), "ungraded", "不在口径所列"),
    ("xiangfan", zone("industrial_town"), "ungraded", "不在口径所列"),
    ("xiangfan", {"approvals": [{"geometry": EVERYWHERE}]}, "ungraded", "不在口径所列"),
    ("xiangfan", {}, "ungraded", "不在口径所列"),
    # 第四篇第三条
    ("xuzhou", {"townships": [{"geometry": EVERYWHERE, **TOWN_ZONE}]}, "1", "规划开发区"),
    ("xuzhou", zone("industrial_park"), "1", "规划开发区、工业园区、工业集中区"),
    ("xuzhou", zone("industrial_town"), "1", "优化发展、鼓励发展工业镇"),
    ("xuzhou", {"permanent_basic_farmland": [{"geometry": EVERYWHERE}]}, "1", "基本农田保护区"),
    ("xuzhou", {"planning_zones": [{"geometry": EVERYWHERE, "zone_code": "300"}]}, "1", "基本"),
    ("xuzhou", zone("urban_fringe"), "1", "城乡结合部"),
    ("xuzhou", zone("restricted_mining"), "1", "矿产限制开采区"),
    ("xuzhou", zone("town_planning"), "2", "乡镇（办事处）政府所在地规划区"),
    ("xuzhou", land("0103"), "2", "基本农田以外的农用地"),
    ("xuzhou", land("1006"), "2", "基本农田以外的农用地"),
    ("xuzhou", zone("town_fringe"), "2", "乡村结合部"),
    ("xuzhou", {"approvals": [{"geometry": EVERYWHERE}]}, "2", "已经依法审批过的"),
    ("xuzhou", {"supply": [{"geometry": EVERYWHERE}]}, "2", "已经依法审批过的"),
    ("xuzhou", {"mining_rights": [{"geometry": EVERYWHERE}]}, "2", "已经依法审批过的"),
    ("xuzhou", zone("approved_user"), "2", "已经依法审批过的"),
    ("xuzhou", {"urban_boundary": [{"geometry": EVERYWHERE}]}, "3", "其他区域"),  # 城区内不列一级
    ("xuzhou", {"settlements": [{"geometry": EVERYWHERE}]}, "3", "其他区域"),
    ("xuzhou", zone("national_mining"), "3", "其他区域"),
    ("xuzhou", zone("city_planning"), "3", "其他区域"),
    ("xuzhou", zone("village_planning"), "3", "其他区域"),
    ("xuzhou", zone("mining_cluster"), "3", "其他区域"),
    ("xuzhou", land("0702"), "3", "其他区域"),
    ("xuzhou", {}, "3", "其他区域"),
]


@pytest.mark.parametrize(("profile", "layers", "grade", "basis"), CASES)
def test_every_zone_of_both_documents(
    profile: str, layers: dict[str, Any], grade: str, basis: str
) -> None:
    row = graded(profile, layers)
    assert row["patrol_grade"] == grade
    assert row["patrol_grade_basis"].startswith(basis)


def test_every_zone_of_the_profiles_has_a_case_above_or_below() -> None:
    named = {basis for _, _, _, basis in CASES} | {basis for *_, basis in BESIDE}
    for profile in ("xiangfan", "xuzhou"):
        for grade in load_profile(profile).grades:
            for one in grade.zones:
                assert any(one.zone_zh.startswith(basis) for basis in named), one.zone_zh


BESIDE = [
    # profile, layer and class, width rule, grade inside, grade beyond, zone
    ("xiangfan", "national", "patrol.highway_side_width", "1", "ungraded", "国道、省道两侧"),
    ("xiangfan", "provincial", "patrol.highway_side_width", "1", "ungraded", "国道、省道两侧"),
    ("xiangfan", "county", "patrol.local_road_side_width", "2", "ungraded", "县道路两侧"),
    ("xiangfan", "urban", "patrol.urban_fringe_width", "1", "ungraded", "城郊结合部"),
    ("xiangfan", "town", "patrol.town_fringe_width", "2", "ungraded", "镇村结合部"),
    ("xiangfan", "village", "patrol.village_surround_width", "3", "ungraded", "村庄周围"),
    ("xuzhou", "national", "patrol.highway_side_width", "1", "3", "国道省道两侧"),
    ("xuzhou", "provincial", "patrol.highway_side_width", "1", "3", "国道省道两侧"),
    ("xuzhou", "county", "patrol.local_road_side_width", "2", "3", "县乡道路两侧"),
    ("xuzhou", "township", "patrol.local_road_side_width", "2", "3", "县乡道路两侧"),
    ("xuzhou", "urban", "patrol.urban_fringe_width", "1", "3", "城乡结合部"),
    ("xuzhou", "town", "patrol.town_fringe_width", "2", "3", "乡村结合部"),
]


def beside(what: str, distance_m: float) -> dict[str, Any]:
    area = [{"geometry": square(100 + distance_m, -900, 400, 1900)}]
    if what == "urban":
        return {"urban_boundary": area}
    if what == "village":
        return {"settlements": area}
    if what == "town":
        return zone("town_planning", area[0]["geometry"])
    return road(distance_m, what)


@pytest.mark.parametrize(("profile", "what", "rule", "inside", "beyond", "zone_zh"), BESIDE)
def test_widths_just_reached_and_just_not(
    profile: str, what: str, rule: str, inside: str, beyond: str, zone_zh: str
) -> None:
    # The band has the width of the committed rule; 100 m long, half a square metre is 5 mm deep.
    in_force = RULES.at(rule, on_day("2024-10-18"))
    width = float(in_force.number())
    assert width == WIDTHS[rule]
    widths = {**WIDTHS, rule: width}
    row = graded(profile, beside(what, width - 0.0051), widths)
    assert row["patrol_grade"] == inside
    assert row["patrol_grade_basis"] == f"{zone_zh}（示例口径，待上级文件确认）"
    assert graded(profile, beside(what, width - 0.0049), widths)["patrol_grade"] == beyond
    assert graded(profile, beside(what, width + 1.0), widths)["patrol_grade"] == beyond


@pytest.mark.parametrize("rule", WIDTHS)
def test_a_width_starts_on_its_day(rule: str) -> None:
    assert float(RULES.at(rule, on_day("2019-05-01")).number()) == WIDTHS[rule]
    with pytest.raises(RuleError):
        RULES.at(rule, on_day("2019-04-30"))


def on_day(text: str) -> Any:
    return np.datetime64(text).astype(object)


@pytest.mark.parametrize("road_class", ["rural"])
@pytest.mark.parametrize("profile", ["xiangfan", "xuzhou"])
def test_farm_tracks_do_not_count(profile: str, road_class: str) -> None:
    row = graded(profile, road(1.0, road_class))
    assert row["patrol_grade"] == ("ungraded" if profile == "xiangfan" else "3")


def test_township_roads_do_not_count_in_the_third_document() -> None:
    assert graded("xiangfan", road(1.0, "township"))["patrol_grade"] == "ungraded"


def test_the_fringe_lies_on_both_sides_of_the_line() -> None:
    inside = {"urban_boundary": [{"geometry": square(-499, -5000, 9000, 10_000)}]}
    assert graded("xuzhou", inside)["patrol_grade"] == "1"
    deep = {"urban_boundary": [{"geometry": square(-501, -5000, 9000, 10_000)}]}
    assert graded("xuzhou", deep)["patrol_grade"] == "3"


def test_the_highest_grade_wins_and_names_every_zone_of_it() -> None:
    layers = {
        **land("0101"),
        **road(10.0, "national"),
        "settlements": [{"geometry": EVERYWHERE}],
        "permanent_basic_farmland": [{"geometry": square(0, 0, 10, 0.06)}],  # 0.6 m²
    }
    row = graded("xiangfan", layers)
    assert row["patrol_grade"] == "1"
    found = row["patrol_grade_basis"]
    assert found == "基本农田保护区、国道、省道两侧（示例口径，待上级文件确认）"
    del layers["roads"]
    layers["permanent_basic_farmland"] = [{"geometry": square(0, 0, 10, 0.04)}]  # 0.4 m²
    assert graded("xiangfan", layers)["patrol_grade"] == "2"


def test_a_grade_that_was_supplied_counts_and_gaps_are_filled_by_the_profile() -> None:
    area = {"geometry": EVERYWHERE, "patrol_area_id": "XC1", "patrol_grade": "2"}
    farmland = {"permanent_basic_farmland": [{"geometry": EVERYWHERE}]}
    row = graded("xiangfan", {**farmland, "patrol_areas": [area]})
    assert (row["patrol_grade"], row["patrol_grade_basis"]) == ("2", "巡查区图层")
    bare = {**area, "patrol_grade": None, "responsible_person": "甲"}
    row = graded("xiangfan", {**farmland, "patrol_areas": [bare]})
    assert row[["patrol_grade", "patrol_area_id", "responsible_person"]].tolist() == [
        "1",
        "XC1",
        "甲",
    ]


def test_grades_are_those_of_the_days_between_the_images() -> None:
    # a mine whose right began between the images: grade 3 before, 2 after
    mine = {"mining_rights": [{"geometry": EVERYWHERE, "valid_from_date": "2024-07-01"}]}
    row = graded("xuzhou", mine)
    assert row["patrol_grade"] is None
    assert row["patrol_grade_basis"] is None
    assert row["responsible_code"] == "379999001"
    told = row["periods"][["from_date", "to_date", "patrol_grade"]].to_numpy().tolist()
    assert told == [["2024-05-06", "2024-06-30", "3"], ["2024-07-01", "2024-10-18", "2"]]
    mine["mining_rights"][0]["valid_from_date"] = "2024-10-19"
    assert graded("xuzhou", mine)["patrol_grade"] == "3"
    mine["mining_rights"][0]["valid_from_date"] = "2024-05-06"
    assert graded("xuzhou", mine)["patrol_grade"] == "2"


@pytest.mark.parametrize(
    ("day", "grade"), [("2024-05-06", "2"), ("2024-05-07", None), ("2024-10-19", "3"), (None, "2")]
)
def test_an_approval_counts_from_its_day_on(day: str | None, grade: str | None) -> None:
    row = graded("xuzhou", {"approvals": [{"geometry": EVERYWHERE, "approved_date": day}]})
    assert row["patrol_grade"] == grade


def test_a_zone_beside_a_dated_outline_begins_with_it() -> None:
    town = zone("town_planning", square(200, -900, 400, 1900), valid_from_date="2024-08-01")
    row = graded("xiangfan", town)
    assert row["patrol_grade"] is None
    assert row["periods"]["patrol_grade"].tolist() == ["ungraded", "2"]
    assert row["periods"]["from_date"].tolist() == ["2024-05-06", "2024-08-01"]


def test_long_outlines_are_the_same_in_pieces() -> None:
    """A winding road of 500 vertices against its buffer as a whole."""
    x0, y0 = PATCH.bounds[:2]
    y = np.linspace(-900, 1000, 500)
    for shift in (90.0, 110.0, 120.0):
        line = shapely.LineString(np.column_stack([x0 + 100 + shift + 25 * np.sin(y / 7), y0 + y]))
        whole = shapely.intersection(shapely.buffer(line, 100.0), PATCH).area
        layers = {"roads": [{"geometry": line, "road_class": "national"}]}
        expected = "1" if whole >= 0.5 else "3"
        assert graded("xuzhou", layers)["patrol_grade"] == expected, (shift, whole)


def test_profiles_that_define_no_grades() -> None:
    assert load_profile("jiuji").grading == "supplied"
    assert load_profile("city2024").grading == "none"
    with pytest.raises(InputError, match="没有巡查分级口径") as error:
        load_profile("nowhere")
    assert error.value.findings[0].code == "E-PATROL-PROFILE"
    assert "xiangfan" in error.value.findings[0].allowed


def test_every_committed_profile_names_known_rules_and_codes() -> None:
    rules, used = RULES, set()
    for path in sorted(PROFILES_DIR.glob("*.yaml")):
        profile = load_profile(path.stem)
        used |= set(profile.width_rules)
        assert profile.reference.title
    named = {rule.id for rule in rules.parameters if rule.id.startswith("patrol.")}
    assert used == named == set(WIDTHS)
    assert all(rules.parameter(rule).is_assumption for rule in used)


SOURCE = Path(__file__).parents[3] / "shared" / "sources" / "000_f68523c4500daf12.txt"


@pytest.mark.skipif(not SOURCE.is_file(), reason="没有 ../shared/sources 里的原文")
@pytest.mark.parametrize("name", ["xiangfan", "xuzhou"])
def test_the_profiles_quote_the_documents(name: str) -> None:
    plain = re.sub(r"\s", "", SOURCE.read_text(encoding="utf-8"))
    profile = load_profile(name)
    texts = [grade.text_zh for grade in profile.grades]
    texts += [] if profile.rest is None else [profile.rest.text_zh]
    for text in texts:
        quoted = re.sub(r"（按“规划区”理解）|\s|。$", "", text)
        assert quoted in plain, text


BAD = {
    "图层": ("layer: permits_of_gods", "没有参考图层"),
    "字段": ("layer: roads\n        where: {road_klass: [county]}", "没有字段“road_klass”"),
    "宽度": ("layer: roads\n        extent: beside", "width_rule 与 extent 不配"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_profile_is_refused(name: str) -> None:
    source, words = BAD[name]
    text = (
        "id: x\ntitle_zh: 某\ngrading: zones\n"
        "reference: {title: 某, doc_no: null, article: null, checked_on: 2026-01-01}\n"
        f"grades:\n- grade: '1'\n  text_zh: 某\n  zones:\n  - zone_zh: 某\n    sources:\n"
        f"      - {source}\n"
    )
    with pytest.raises(InputError, match=words):
        parse_document(
            text,
            "x.yaml",
            PatrolProfile,
            syntax_code="E-CONFIG-SYNTAX",
            value_code="E-CONFIG-VALUE",
            error=InputError,
        )
