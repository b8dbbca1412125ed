"""Runs the legal cases that a clerk can read and add: `tests/legal/*.yaml`, a list per file.

Keys and values are Chinese, as the code tables label them; what is left out has the default of
`CASE_DEFAULTS`. Areas are written `2000 m²` or `5 亩`; 亩 become the smallest float of m² that is
not below them, so that “正好 5 亩” is not below 5 亩.
"""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.config.load import CODES_DIR, RULES_DIR, load_codes, load_rules
from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.facts import (
    Document,
    NearbyApproval,
    PatchFacts,
    Piece,
    PriorResult,
)
from pipeline.rules.screening.screen import Screening, screen_patch
from tests.books_factory import m2

HERE = Path(__file__).parent / "legal"
OTHER_RUNNERS = {"groups", "places", "dates"}
"""Files of cases that are no single patch."""
RULES = load_rules(RULES_DIR)
CODES = {path.stem: load_codes(path) for path in sorted(CODES_DIR.glob("*.csv"))}

CASE_DEFAULTS: dict[str, Any] = {
    "来源": "下发",
    "前时相": datetime.date(2024, 5, 6),
    "后时相": datetime.date(2024, 10, 18),
    "变化类型": "建（构）筑物",
    "可观测比例": 1,
    "公路两侧占比": 0,
    "外缘相接占比": 0,
    "未提供": [],
    "文件": {},
    "以往判定": [],
    "责任单位候选": ["379999101"],
    "跨越乡镇": [],
    "主题": "土地",
    "附近批文": [],
}
OPTIONAL = {"名称", "地块", "周长", "宽度", "巡查等级", "预期"}
NEAR_KEYS = {"文件", "距离", "已用"}
NOT_BY_DEFAULT = {"other_uses", "applications", "buildings"}
"""Layers that few counties have: supplied only where a case uses them or says so."""

DOCUMENT_KEYS = {
    "批文": "approvals",
    "供地": "supply",
    "登记": "registration",
    "设施备案": "facility_land",
    "临时用地": "temporary_land",
    "规划许可": "permits",
    "采矿权": "mining_rights",
    "其他用地": "other_uses",
    "报批": "applications",
    "建筑": "buildings",
}
LAYER_KEYS = DOCUMENT_KEYS | {
    "地类": "land_use",
    "永农": "permanent_basic_farmland",
    "红线": "ecological_redline",
    "保护地": "nature_reserve",
    "城镇开发边界": "urban_boundary",
    "规划分区": "planning_zones",
    "村庄": "settlements",
    "道路": "roads",
}
PLACE_KEYS = {
    "永农": "is_pbf",
    "红线": "is_redline",
    "保护地": "is_reserve",
    "城镇开发边界": "is_urban",
    "村庄": "is_settlement",
}
PLAIN_KEYS = {"面积", "地类", "地类晚于前时相", "规划分区", "符合规划"}
PIECE_KEYS = PLAIN_KEYS | DOCUMENT_KEYS.keys() | PLACE_KEYS.keys()
CATEGORIES = {label: code for code, label in CODES["land_category"].labels.items()}
DOCUMENT_FIELDS = {"文号", "日期", "起", "止", "许可", "单位", "用途", "类别"}
EXPECTED_KEYS = {
    "类别",
    "情形",
    "主要情形",
    "标记",
    "待补",
    "建议",
    "规则",
    "依据",
    "理由含",
    "理由不含",
    "步骤",
    "优先级",
    "移交",
}


def load_cases() -> list[tuple[str, dict[str, Any]]]:
    yaml = YAML(typ="safe")
    cases = []
    for path in sorted(HERE.glob("*.yaml")):
        if path.stem in OTHER_RUNNERS:
            continue
        for case in yaml.load(path.read_text(encoding="utf-8")):
            cases.append((f"{path.stem}：{case['名称']}", case))
    return cases


CASES = load_cases()


def code_of(table: str, label: str) -> str:
    by_label = {text: code for code, text in CODES[table].labels.items()}
    assert label in by_label or label in CODES[table].labels, f"{table} 没有“{label}”"
    return by_label.get(label, label)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def date_or_none(value: Any) -> datetime.date | None:
    return None if value == "不详" else value


def build_facts(case: dict[str, Any]) -> PatchFacts:
    case = CASE_DEFAULTS | case
    unknown = case.keys() - CASE_DEFAULTS.keys() - OPTIONAL
    assert not unknown, f"不认识的键：{unknown}"
    pieces = tuple(build_piece(piece) for piece in case["地块"])
    total = math.fsum(piece.area_m2 for piece in pieces)
    documents = {
        (layer, name): build_document(layer, name, case["文件"])
        for piece in pieces
        for layer, names in piece.documents.items()
        for name in names
        if layer != "buildings"
    }
    used = {layer for piece in pieces for layer in piece.documents}
    missing = {LAYER_KEYS[name] for name in case["未提供"]}
    kind = code_of("change_kind", case["变化类型"])
    perimeter = case.get("周长", 4 * math.sqrt(total))
    candidates = tuple(case["责任单位候选"])
    return PatchFacts(
        patch_id="379999ZJ24000001",
        source=code_of("patch_source", case["来源"]),
        before_date=date_or_none(case["前时相"]),
        after_date=date_or_none(case["后时相"]),
        change_kind=kind,
        is_construction={"1": True, "0": False}.get(
            CODES["change_kind"].attributes[kind]["is_construction"]
        ),
        observed_ratio=float(case["可观测比例"]),
        area_m2=total,
        perimeter_m=float(perimeter),
        width_m=float(case.get("宽度", math.sqrt(total))),
        pieces=pieces,
        documents=documents,
        supplied=(frozenset(LAYER_KEYS.values()) - NOT_BY_DEFAULT - missing) | used,
        highway_ratio=None if "道路" in case["未提供"] else float(case["公路两侧占比"]),
        parcel_ratio=float(case["外缘相接占比"]),
        prior_results=tuple(
            PriorResult(prior["编号"], prior["结果"], float(prior["重叠"]))
            for prior in case["以往判定"]
        ),
        nearby_approvals=tuple(build_near(near, case["文件"]) for near in case["附近批文"]),
        theme=code_of("theme", case["主题"]),
        responsible_code=candidates[0] if len(candidates) == 1 else None,
        responsible_candidates=candidates,
        straddles=tuple(case["跨越乡镇"]),
        patrol_grade=case.get("巡查等级"),
    )


def build_piece(piece: dict[str, Any]) -> Piece:
    unknown = piece.keys() - PIECE_KEYS
    assert not unknown, f"地块里不认识的键：{unknown}"
    category = piece.get("地类", "耕地")
    return Piece(
        area_m2=m2(piece["面积"]),
        land_category=None if category == "未覆盖" else CATEGORIES[category],
        is_surveyed_later=piece.get("地类晚于前时相") == "是",
        plan_zone_code=piece.get("规划分区"),
        is_plan_conforming={"是": True, "否": False, None: None}[piece.get("符合规划")],
        documents={
            layer: tuple(listed(piece[key])) for key, layer in DOCUMENT_KEYS.items() if key in piece
        },
        **{name: piece.get(key) == "是" for key, name in PLACE_KEYS.items()},
    )


def build_near(near: dict[str, Any], documents: dict[str, Any]) -> NearbyApproval:
    assert near.keys() == NEAR_KEYS, near
    document = build_document("approvals", near["文件"], documents)
    return NearbyApproval(document, float(near["距离"]), float(near["已用"]))


def build_document(layer: str, name: str, documents: dict[str, Any]) -> Document:
    fields = documents[name]
    unknown = fields.keys() - DOCUMENT_FIELDS
    assert not unknown, f"文件 {name} 里不认识的键：{unknown}"
    kind = fields.get("许可")
    date = fields.get("日期", fields.get("起") if layer == "mining_rights" else None)
    return Document(
        layer=layer,
        feature_id=name,
        document_no=fields.get("文号"),
        decided_date=date,
        valid_from_date=fields.get("起"),
        valid_to_date=fields.get("止"),
        holder_name=fields.get("单位"),
        approved_use=fields.get("用途"),
        use_kind=code_of("other_use", fields["类别"]) if "类别" in fields else None,
        permit_kind=None if kind is None else CODES["permit_kind"].lookup(kind),
    )


def screen(case: dict[str, Any], rules: RuleSet = RULES) -> Screening:
    facts = build_facts(case)
    return screen_patch(facts, rules, facts.after_date or datetime.date(2024, 10, 18), CODES)


def check_case(case: dict[str, Any], rules: RuleSet = RULES) -> None:
    """Screen a case and compare with everything it expects; AssertionError tells the reasons."""
    check(screen(case, rules), case["预期"])


def check(found: Screening, expected: dict[str, Any]) -> None:
    assert not expected.keys() - EXPECTED_KEYS, expected
    told = "\n".join(found.sentences)
    if "类别" in expected:
        assert found.suspected_class == code_of("suspected_class", expected["类别"]), told
    if "情形" in expected:
        assert list(found.violation_kinds) == [str(n) for n in expected["情形"]], told
    if "主要情形" in expected:
        assert found.primary_kind == str(expected["主要情形"]), told
    if "标记" in expected:
        assert set(found.flags) == {code_of("flag", label) for label in expected["标记"]}, told
    if "待补" in expected:
        wanted = {code_of("evidence", label) for label in expected["待补"]}
        assert wanted == set(found.missing_evidence), told
    if "建议" in expected:
        assert found.handling_route == code_of("handling_route", expected["建议"]), told
    if "移交" in expected:
        assert found.handover_department == code_of("department", expected["移交"]), told
    if "优先级" in expected:
        points = {part.label: part.points for part in found.priority_parts}
        assert points == expected["优先级"], told
    check_reasons(found, expected, told)


def check_reasons(found: Screening, expected: dict[str, Any], told: str) -> None:
    named = {reason.rule_id for reason in found.reasons}
    assert set(expected.get("规则", [])) <= named, told
    cited = [reason.reference_zh or "" for reason in found.reasons]
    for reference in listed(expected.get("依据", [])):
        assert any(reference in text for text in cited), told
    for words in listed(expected.get("理由含", [])):
        assert words in told, told
    for words in listed(expected.get("理由不含", [])):
        assert words not in told, told
    if "步骤" in expected:
        decided = code_of("screening_step", expected["步骤"])
        assert any(reason.step == decided for reason in found.reasons), told
