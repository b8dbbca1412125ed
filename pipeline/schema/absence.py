"""What stays unknown when an optional reference layer is not supplied (未提供)."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.errors import Severity
from pipeline.schema.problems import Problem
from pipeline.schema.reference import REFERENCE_LAYERS, REQUIRED_LAYERS

EFFECTS_ZH: dict[str, str] = {
    "villages": "图斑没有所在村的代码和名称",
    "land_use": "耕地、其他农用地、未利用地、建设用地面积都为空，不能判断是否占用耕地",
    "permanent_basic_farmland": "占用永久基本农田面积为空",
    "ecological_redline": "占用生态保护红线面积为空",
    "nature_reserve": "占用自然保护地面积为空",
    "urban_boundary": "不能区分城镇开发边界内外",
    "settlements": "不能区分村庄范围内外",
    "planning_zones": "符合规划、不符合规划面积为空",
    "approvals": "批文面积为空，任何图斑都不会因批文而排除",
    "supply": "供地面积为空，已供未供列为缺少的证据",
    "registration": "登记面积为空，任何图斑都不会因登记而排除",
    "facility_land": "设施农用地面积为空，不判断疑似设施农用地",
    "temporary_land": "临时用地面积为空，不判断疑似临时用地",
    "permits": "规划许可为空，不判断有没有取得规划许可",
    "other_uses": "紧急用地、宅基地等已认定的其他用地不能核对",
    "applications": "不判断边报边用",
    "buildings": "两亩以下的出入口不能按主体建筑核对",
    "mining_rights": "采矿权为空，挖损图斑都按采矿权以外处理",
    "patrol_areas": "巡查区、巡查等级和责任人为空",
    "patrol_zones": "按巡查责任制口径推定等级时，只能从其他图层得到的区域参与",
    "roads": "不判断疑似农村道路",
    "previous_patches": "没有以往图斑的判定可以承接",
    "issued_patches": "没有下发图斑，各表下发口径为空",
    "before_seams": "图斑的前时相一律按前时相影像的日期计",
    "after_seams": "图斑的后时相一律按后时相影像的日期计",
    "patrol_records": "没有巡查台账，不能比对巡查是否先发现",
    "patrol_tracks": "没有巡查轨迹，不能核对巡查是否到过",
    "leads": "没有线索台账，不能比对线索是否先发现",
}
"""Optional layer → what its absence means for the results."""


def absent_layers(supplied: Collection[str]) -> list[Problem]:
    """One notice per optional layer that is not supplied; required ones stop the work."""
    problems = []
    for name, spec in REFERENCE_LAYERS.items():
        if name in supplied:
            continue
        if name in REQUIRED_LAYERS:
            what = f"没有提供必需的图层：{spec.label_zh}（{name}）。"
            advice = f"在县配置的 layers 里写上 {name} 的文件和字段。"
            problems.append(Problem("E-COUNTY-MISSING", what, name, advice=advice))
            continue
        what = f"未提供{spec.label_zh}：{EFFECTS_ZH[name]}。"
        advice = "有此数据时写进县配置后重新运行；没有也可以继续。"
        problems.append(
            Problem("N-LAYER-ABSENT", what, name, advice=advice, severity=Severity.NOTICE)
        )
    return problems
