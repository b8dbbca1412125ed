"""What people find on site and what the bureau signs, by planted case."""

from __future__ import annotations

import datetime
from typing import Any

from .county import Patch, Plant, pick, roll

ISSUED_ON = datetime.date(2024, 11, 1)
DUE_ON = datetime.date(2024, 11, 11)
Values = dict[str, Any]
"""By field name: codes, ISO dates, numbers, True and False; None left blank."""

LABELS = {
    "site_state": {"built": "建成", "under_construction": "在建", "earthwork": "推填土",
                   "unchanged": "未变化", "demolished": "已拆"},
    "stop_effect": {"stopped": "已停止", "partly_stopped": "部分停止", "not_stopped": "未停止",
                    "not_issued": "未下达文书"},
    "judgement": {"new_lawful": "合法新增建设用地", "new_violation": "违法用地",
                  "other_use": "其他用地"},
    "judgement_detail": {"approved": "批文", "supplied": "供地", "registered": "不动产登记",
                         "industry": "工矿商服", "public_welfare": "民生公益",
                         "enclosed": "圈占堆放等", "facility": "设施农用地",
                         "temporary": "临时用地", "rural_road": "农村道路", "sliver": "边角细缝",
                         "false_change": "伪变化", "other": "其他"},
    "rectification": {"demolished_restored": "拆除复耕", "regularised": "补办手续",
                      "both": "拆补组合", "not_rectified": "未整改"},
}  # fmt: skip
"""Words of the drop-downs."""

LAWFUL = {"approved": "approved", "devzone_approved": "supplied", "registered": "registered"}
OTHER_USE = {
    "rural_road": "rural_road", "sliver": "sliver", "existing": "other",
    "mining_in_right": "other", "water": "other", "temporary_valid": "temporary",
    "facility_real": "facility", "earthwork": "other", "crop": "false_change",
}  # fmt: skip
"""Case → detail. Every other case is one without the papers it needed."""

UNTOUCHED = ("crop", "water")
"""Nothing was built or dug."""
USES = {
    "building": ("生产厂房", "仓储用房", "养殖看护房", "村民住房"),
    "hardened": ("材料堆场", "硬化晾晒场", "停车场地"),
    "road": ("田间道路",),
    "facility": ("种植大棚", "育苗大棚"),
    "photovoltaic": ("光伏发电",),
    "excavation": ("取土场", "采石场"),
    "waste": ("建筑垃圾堆放",),
    "earthwork": ("平整场地",),
    "crop": ("农田耕作",),
    "water": ("水库蓄水淹没",),
}
OWNERS = (
    "示例县兴达建材有限公司", "示例县丰源农业合作社", "示例县宏基物流有限公司", "村民甲某",
    "村民乙某", "示例县绿野养殖场", "示例县盛泰机械厂", "村民委员会",
)  # fmt: skip
PEOPLE = ("周文", "吴海", "郑岚", "王朔", "冯静")
CHECKERS = ("陈默", "褚宁", "卫平", "蒋涛", "沈华")


def verdict(plant: Plant | None) -> tuple[str, str]:
    """Judgement and its detail."""
    if plant is None:
        return "other_use", "false_change"
    if plant.case_id in LAWFUL:
        return "new_lawful", LAWFUL[plant.case_id]
    if plant.case_id in OTHER_USE:
        return "other_use", OTHER_USE[plant.case_id]
    if plant.case_id == "approved_between":
        approved, started = plant.day_of("approved") or "", plant.day_of("works_started") or ""
        if approved and approved <= started:
            return "new_lawful", "approved"
    if plant.kind in ("waste", "hardened", "earthwork"):
        return "new_violation", "enclosed"
    return "new_violation", "public_welfare" if plant.case_id == "V7" else "industry"


def is_violation(patch: Patch) -> bool:
    """Whether the bureau will judge it 违法用地."""
    return verdict(patch.plant)[0] == "new_violation"


def finding(patch: Patch, *, is_late: bool) -> Values:
    """All 17 fields of the township's form."""
    plant, key = patch.plant, patch.patch_id
    filled = ISSUED_ON + datetime.timedelta(days=(17 if is_late else 3) + int(roll(key, "d") * 7))
    values: Values = {
        "site_state": _state(patch), "occupant_name": None, "site_project_name": None,
        "start_date": None, "actual_use": "农用地，未见建设", "measured_area_m2": None,
        "stop_notice_no": None, "stop_notice_date": None, "stop_effect": None,
        "is_found_by_patrol": None, "patrol_record_no": None, "is_notified": None,
        "handling_opinion": "实地未变化，建议销号",
        "photo_note": pick(("四向及内部照片齐全", "四向照片", None), key, "photo"),
        "filled_by": pick(PEOPLE, patch.township_code, "fill", patch.village_name),
        "checked_by": pick(CHECKERS, patch.township_code, "check"),
        "filled_date": filled.isoformat(),
    }  # fmt: skip
    if plant is None:
        return values
    values["actual_use"] = pick(USES.get(plant.kind, ("其他用途",)), plant.truth_id, "use")
    if plant.case_id in UNTOUCHED:
        return values | {"handling_opinion": "不是建设，建议销号"}
    owner = pick(OWNERS, plant.truth_id, "owner")
    values |= {
        "occupant_name": owner,
        "site_project_name": f"{patch.village_name}{values['actual_use']}",
        "start_date": plant.day_of("works_started"),
        "measured_area_m2": round(plant.area_m2, 1) if roll(key, "measure") < 0.3 else None,
        "handling_opinion": _papers(plant) or "手续待县局核实",
    }
    return values | _stopping(patch, plant, filled) if is_violation(patch) else values


def _state(patch: Patch) -> str:
    plant = patch.plant
    if plant is None or plant.case_id in UNTOUCHED:
        return "unchanged"
    if plant.kind == "earthwork":
        return "earthwork"
    if is_violation(patch) and not plant.case_id.startswith("pbf"):
        return str(pick(("built", "built", "built", "under_construction", "demolished"),
                        patch.patch_id, "state"))  # fmt: skip
    return str(pick(("built", "built", "under_construction"), patch.patch_id, "state"))


def _stopping(patch: Patch, plant: Plant, filled: datetime.date) -> Values:
    """What the township did about it, and whether it knew."""
    found = plant.day_of("patrol_found")
    values: Values = {
        "is_found_by_patrol": found is not None,
        "patrol_record_no": f"巡查{found.replace('-', '')}-{plant.truth_id}" if found else None,
        "is_notified": roll(plant.truth_id, "notified") < 0.5,
        "handling_opinion": "未见用地批准手续，建议立案",
        "stop_effect": "not_issued",
    }
    if found or roll(plant.truth_id, "notice") < 0.6:
        day = datetime.date.fromisoformat(found) + datetime.timedelta(1) if found else filled
        values |= {
            "stop_notice_no": f"示停字〔2024〕{int(plant.truth_id[1:])}号",
            "stop_notice_date": day.isoformat(),
            "stop_effect": pick(
                ("stopped", "stopped", "partly_stopped", "not_stopped"), plant.truth_id, "effect"
            ),
        }
    return values


def _papers(plant: Plant) -> str:
    """The papers that were shown, by their numbers."""
    kinds = ("approved", "supplied", "registered", "temporary_approved", "filed", "permitted")
    return "；".join(plant.text_of(kind) for kind in kinds if kind in plant.events)


def judged_on(patch: Patch) -> datetime.date:
    """Day of the bureau's signature."""
    return datetime.date(2024, 11, 20) + datetime.timedelta(int(roll(patch.patch_id, "j") * 20))


def judgement(patch: Patch, surveyed: frozenset[str]) -> Values:
    """What the bureau signs; areas only where it recognised others than the patch's or a survey's.

    `surveyed`: patches whose boundary was surveyed, which then counts.
    """
    plant = patch.plant
    main, detail = verdict(plant)
    values: Values = dict.fromkeys(
        ("recognised_area_m2", "recognised_new_m2", "recognised_cultivated_m2",
         "recognised_pbf_m2", "recognised_reserve_m2", "is_surveyed", "remark")
    )  # fmt: skip
    values |= {
        "judgement": main,
        "judgement_detail": detail,
        "judgement_basis": _basis(patch, main),
        "judged_by": "韩立",
        "reviewed_by": "秦明",
        "judged_date": judged_on(patch).isoformat(),
    }
    if plant is None or patch.patch_id in surveyed or main != "new_violation":
        if patch.case_id == "earthwork":
            values["remark"] = "早期动土，下季度复核"
        return values
    if plant.case_id == "part_approved" and patch.uncovered.get("area", 0.0) > 0:
        values |= _recognised(**{kind: round(v, 2) for kind, v in patch.uncovered.items()})
        return values | {"is_surveyed": False, "remark": "只计批文以外的部分"}
    if plant.case_id in ("V1", "facility_cover") and roll(patch.patch_id, "signed") < 0.6:
        area = round(plant.area_m2, 2)
        return values | _recognised(area=area, new=area, cultivated=0.0, pbf=0.0) | {
            "is_surveyed": True
        }  # fmt: skip
    return values


def _recognised(*, area: float, new: float, cultivated: float, pbf: float) -> Values:
    new = min(new, area)
    return {
        "recognised_area_m2": area,
        "recognised_new_m2": new,
        "recognised_cultivated_m2": min(cultivated, new),
        "recognised_pbf_m2": min(pbf, area),
        "recognised_reserve_m2": 0.0,
    }


def _basis(patch: Patch, main: str) -> str:
    plant = patch.plant
    if plant is None or plant.case_id in UNTOUCHED:
        return "实地核查，未见建设"
    papers = _papers(plant)
    if main == "new_violation":
        return f"实地核查；已有{papers}，不足以证明" if papers else "实地核查，未取得用地批准手续"
    return papers or "实地核查和影像"
