"""What to do with a screened patch (处理建议), with rule and reason: a proposal, no decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.rules.screening.facts import Piece, area_of, is_general_cultivated, is_on_pbf
from pipeline.rules.screening.reasoning import Outcome, Walk
from pipeline.rules.screening.wording import area_zh, number_zh

STEP = "route"
PATROL_PLAN = "《2024年自然资源执法监察动态巡查工作方案》"
PLANNING_KINDS = frozenset({"6", "7"})

PLAIN_ROUTES: Mapping[str, tuple[str, str]] = {
    "approved": ("none", "手续齐全，存档；下发图斑仍须答复"),
    "not_construction": ("none", "不是建设，存档；下发图斑仍须答复"),
    "existing_construction": ("collect_evidence", "补充变化以前已是建设用地的证明"),
    "facility": ("field_check", "实地核实是否按设施农业使用"),
    "temporary": ("field_check", "实地核实是否按临时用地使用"),
    "rural_road": ("collect_evidence", "补充能看出宽度的照片"),
    "other": ("collect_evidence", "补充其他用地的证明"),
    "unobserved": ("reimage", "影像看不清，补影像或实地查看"),
}
"""Class → route and why, where nothing else decides."""

CITY_RULES = (
    ("permanent_basic_farmland", "route.city_pbf_area", "永久基本农田"),
    ("land_use", "route.city_cultivated_area", "一般耕地"),
)


@dataclass(frozen=True)
class Route:
    """Code of configs/codes/handling_route.csv and, if handed over, of department.csv."""

    code: str
    department: str | None = None


def route(walk: Walk, outcome: Outcome, subject: Sequence[Piece], kinds: Sequence[str]) -> Route:
    """The proposal for a patch; writes down why. `subject` is what no document clears."""
    match outcome.suspected_class:
        case "uncertain" if "use_changed" in walk.flags:
            return _told(walk, "field_check", "实地核实实际用途")
        case "uncertain" if outcome.is_timing_open:
            return _told(walk, "ask_start_date", "手续在两期影像之间，先核实动工时间")
        case "uncertain":
            return _told(walk, "collect_evidence", "补充缺少的文件、日期或照片")
        case "early_warning":
            if _may_be_on_farmland(walk):
                return _told(walk, "field_check", "在农田上或不能断定不在，实地核实")
            return _told(walk, "watch", "尚未形成建设，下期继续观察")
        case "suspected_violation":
            return _suspected(walk, subject, kinds)
        case "part_approved" | "built_before_approval" | "used_before_supply":
            return _city(walk, subject) or _told(
                walk, "bureau_case", "有手续而不相符，由县局核对文件", f"{PATROL_PLAN}三（四）"
            )
        case "approved" if walk.missing & {"supply", "site_photo"}:
            return _told(walk, "collect_evidence", "可排除，但须补充供地文件或边角照片")
        case settled:
            return _told(walk, *PLAIN_ROUTES[settled])


def _told(walk: Walk, code: str, why: str, reference: str = "") -> Route:
    label = walk.label("handling_route", code)
    walk.cite(STEP, f"建议{label}：{why}。", reference)
    return Route(code)


def _by_rule(walk: Walk, code: str, why: str, rule_id: str) -> Route:
    walk.say(STEP, f"建议{walk.label('handling_route', code)}：{why}。", rule_id)
    return Route(code)


def _may_be_on_farmland(walk: Walk) -> bool:
    """Whether it lies on farmland, or nobody can say that it does not."""
    facts = walk.facts
    unclassified = area_of(facts.pieces, lambda piece: piece.land_category is None)
    has_layers = facts.has("land_use") and facts.has("permanent_basic_farmland")
    areas = (facts.cultivated_m2, facts.pbf_m2, unclassified)
    return not has_layers or not all(map(walk.is_noise, areas))


def _suspected(walk: Walk, subject: Sequence[Piece], kinds: Sequence[str]) -> Route:
    """By kind and size: the city, the bureau, another department, or the township first."""
    if walk.facts.change_kind == "unknown" and not walk.facts.is_mining:
        return _told(walk, "field_check", "变化类型未定，先实地核实")
    other = _homestead(walk) or _city(walk, subject)
    if other:
        return other
    rule_id = "screening.township_handled_area"
    pbf, area = area_of(subject, is_on_pbf), area_of(subject)
    if not walk.is_noise(pbf):
        why = f"没有手续的部分压占永久基本农田 {area_zh(pbf)}"
        return _by_rule(walk, "bureau_case", why, "screening.noise_area")
    if "5" in kinds:
        why = "疑似无证采挖，须核对采矿许可和储量"
        return _told(walk, "bureau_case", why, f"{PATROL_PLAN}三（四）")
    if kinds and PLANNING_KINDS.issuperset(kinds):
        why = "只涉及乡（镇）规划、村庄规划，由乡镇制止"
        return _told(walk, "township_stop", why, f"{PATROL_PLAN}三（六）")
    is_small = walk.meets_area(rule_id, area)
    walk.near("threshold", area, rule_id, "没有手续的部分")
    limit = number_zh(walk.number(rule_id))
    if is_small:
        why = f"没有手续的部分 {area_zh(area)}，小于 {limit} 亩，规模较小"
        return _by_rule(walk, "township_stop", why, rule_id)
    why = f"没有手续的部分 {area_zh(area)}，不小于 {limit} 亩"
    return _by_rule(walk, "bureau_case", why, rule_id)


def _homestead(walk: Walk) -> Route | None:
    """Homes of villagers are another department's since the law of 2019."""
    if "homestead" not in walk.flags:
        return None
    rule_id = "homestead.department"
    department = walk.rule(rule_id).text()
    if department == "natural_resources":
        return None
    who = walk.label("department", department)
    why = f"可能是农村宅基地，移交{who}并做好记录"
    return Route(_by_rule(walk, "hand_over", why, rule_id).code, department)


def _city(walk: Walk, subject: Sequence[Piece]) -> Route | None:
    """Large: to the city's bureau."""
    areas = (area_of(subject, is_on_pbf), area_of(subject, is_general_cultivated))
    for (layer, rule_id, what_zh), area in zip(CITY_RULES, areas, strict=True):
        if walk.facts.has(layer) and walk.meets_area(rule_id, area):
            limit = number_zh(walk.number(rule_id))
            why = f"占用{what_zh} {area_zh(area)}，达到 {limit} 亩，案情可能较复杂"
            return _by_rule(walk, "city_report", why, rule_id)
    return None
