"""Legal cases with geometry: cut by the overlay, gathered, screened and grouped as the stage does.

`tests/legal/places.yaml`; rectangles are metres from the tests' corner.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely
from ruamel.yaml import YAML

from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.evidence_tables import Evidence, Reach, gather_facts
from pipeline.rules.screening.groups import REACH_RULE, group_transfers
from pipeline.rules.screening.nearby import adjoining_pairs
from pipeline.rules.screening.screen import Screening, screen_patch
from pipeline.stages.screen import REACH_RULES
from tests.legal_cases import CODES, check, code_of
from tests.overlay_factory import X0, Y0, overlay, patch_table, reference, square

ON = datetime.date(2024, 10, 18)
DATE_OF = {"批文": "approved_date", "供地": "supply_date", "报批": "applied_date"}
LAYERS = {"批文": "approvals", "供地": "supply", "报批": "applications", "其他用地": "other_uses"}
FIELDS = {"日期", "单位", "类别", "矩形"}
CASE_KEYS = {"名称", "图斑", "国道", "永农", "地类", "建筑", "预期", *LAYERS}
NOT_CUTTING = {"roads", "applications", "other_uses", "buildings"}
EVERYWHERE = square(-5000, -5000, 10_000)


def load_places() -> list[dict[str, Any]]:
    path = Path(__file__).parent / "legal" / "places.yaml"
    cases: list[dict[str, Any]] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    for case in cases:
        assert not case.keys() - CASE_KEYS, case
    return cases


def documents(name: str, rows: list[dict[str, Any]]) -> gpd.GeoDataFrame:
    made = []
    for row in rows:
        assert not row.keys() - FIELDS, row
        values = {"geometry": square(*row["矩形"]), "holder_name": row.get("单位")}
        values[DATE_OF.get(name, "approved_date")] = row["日期"].isoformat()
        if name == "其他用地":
            values["use_kind"] = row["类别"]
        made.append(values)
    return reference(LAYERS[name], made)


def layers_of(case: dict[str, Any]) -> dict[str, gpd.GeoDataFrame]:
    land = [{"geometry": EVERYWHERE, "land_class_code": case.get("地类", "0101")}]
    pbf = [{"geometry": square(*rectangle)} for rectangle in case.get("永农", [])]
    empty = ("approvals", "supply", "registration", "facility_land", "temporary_land", "permits")
    layers = {
        "land_use": reference("land_use", land),
        "permanent_basic_farmland": reference("permanent_basic_farmland", pbf),
        **{name: reference(name, []) for name in empty},
        **{LAYERS[name]: documents(name, case[name]) for name in LAYERS if name in case},
    }
    lines = [
        {
            "geometry": shapely.LineString([(X0 + x0, Y0 + y0), (X0 + x1, Y0 + y1)]),
            "road_class": "national",
        }
        for x0, y0, x1, y1 in case.get("国道", [])
    ]
    layers["roads"] = reference("roads", lines)
    if "建筑" in case:
        outlines = [{"geometry": square(*rectangle)} for rectangle in case["建筑"]]
        layers["buildings"] = reference("buildings", outlines)
    return layers


class Place:
    """One case, cut once: the overlay knows no rule."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        kinds = [code_of("change_kind", p.get("变化类型", "建（构）筑物")) for p in case["图斑"]]
        patches = patch_table([square(*p["矩形"]) for p in case["图斑"]], change_kind=kinds)
        layers = layers_of(case)
        cutting = {name: table for name, table in layers.items() if name not in NOT_CUTTING}
        overlaid = overlay(patches, cutting)
        is_construction = {
            code: {"1": True, "0": False}.get(columns["is_construction"])
            for code, columns in CODES["change_kind"].attributes.items()
        }
        self.evidence = Evidence(overlaid.patches, overlaid.parts, layers, is_construction)

    def screen(self, rules: RuleSet) -> list[Screening]:
        patches = self.evidence.patches
        reach = Reach(*(float(rules.at(name, ON).number()) for name in REACH_RULES))
        facts = gather_facts(self.evidence, [reach] * len(patches))
        screened = [screen_patch(one, rules, ON, CODES) for one in facts]
        pairs = adjoining_pairs(patches, [rules.at(REACH_RULE, ON)] * len(patches))
        return group_transfers(screened, pairs, rules, [ON] * len(patches), CODES)

    def check(self, rules: RuleSet) -> None:
        found = self.screen(rules)
        assert len(found) == len(self.case["预期"])
        for one, expected in zip(found, self.case["预期"], strict=True):
            group = {"无": None, 1: found[0].patch_id}.get(expected.get("同组"), one.group_id)
            assert one.group_id == group, one.sentences
            check(one, {key: value for key, value in expected.items() if key != "同组"})
