"""Fields of delivered files: readable texts, areas in 亩, and the township's form (核查表)."""

from __future__ import annotations

from pipeline.schema.field import FieldSpec


def _mu(name: str, label_zh: str) -> FieldSpec:
    """A delivered area: hundredths of a 亩 summed over the parts, so that totals add up."""
    description = "Sum of the parts' area_mu100 / 100; NULL where the layer was not supplied."
    return FieldSpec(name, "real", label_zh, description, unit="mu", nullable=True)


def _text(name: str, label_zh: str, description: str) -> FieldSpec:
    return FieldSpec(name, "text", label_zh, description, nullable=True)


MU_FIELDS: tuple[FieldSpec, ...] = (
    _mu("area_mu", "图斑面积"),
    _mu("cultivated_mu", "耕地面积"),
    _mu("other_agricultural_mu", "其他农用地面积"),
    _mu("unused_mu", "未利用地面积"),
    _mu("construction_mu", "建设用地面积"),
    _mu("unclassified_mu", "地类未覆盖面积"),
    _mu("pbf_mu", "永久基本农田面积"),
    _mu("redline_mu", "生态保护红线面积"),
    _mu("reserve_mu", "自然保护地面积"),
    _mu("approved_mu", "批文覆盖面积"),
    _mu("supplied_mu", "供地覆盖面积"),
    _mu("registered_mu", "登记覆盖面积"),
    _mu("facility_mu", "设施农用地备案面积"),
    _mu("temporary_mu", "临时用地面积"),
    _mu("plan_conform_mu", "符合规划面积"),
    _mu("plan_nonconform_mu", "不符合规划面积"),
)

DELIVERY_FIELDS: tuple[FieldSpec, ...] = (
    *MU_FIELDS,
    FieldSpec("package_id", "text", "核查包编号", "Id of the package: run, township, digest."),
    FieldSpec("serial_no", "integer", "序号", "Running number in the package, urgent ones first."),
    FieldSpec("center_lon", "real", "中心经度", "Longitude of a point inside, CGCS2000 degrees."),
    FieldSpec("center_lat", "real", "中心纬度", "Latitude of a point inside, CGCS2000 degrees."),
    FieldSpec("is_straddling", "boolean", "是否跨界", "Whether it reaches into another township."),
    FieldSpec("is_sent", "boolean", "是否下发乡镇", "Whether a township got it to verify."),
    _text("responsible_zh", "责任单位", "This township, 待定, or another unit the bureau knows."),
    _text("violation_kinds_zh", "疑似情形", "Labels of violation_kinds, one line."),
    _text("flags_zh", "提示", "Labels of flags, one line."),
    _text("reasons_zh", "初判理由", "The reasons as numbered lines."),
    _text("missing_evidence_zh", "需补充的证据", "Labels of missing_evidence, one line."),
    _text("priority_parts_zh", "优先级构成", "The addends of priority and their sum, one line."),
    FieldSpec("visit_day", "integer", "第几天", "Day of the township's plan, from 1."),
    FieldSpec("visit_order", "integer", "当天第几站", "Stop of that day, from 1."),
    FieldSpec("leg_m", "real", "距上一站", "Straight line; the first from the seat.", unit="m"),
    FieldSpec("stop_count", "integer", "图斑数", "Patches to visit on one day."),
    FieldSpec("route_m", "real", "全程", "Round trip of straight lines from the seat.", unit="m"),
)
"""What the program adds to a patch that goes out."""

FORM_FIELDS: tuple[FieldSpec, ...] = (
    _text("site_state", "现状", "Code of configs/codes/site_state.csv."),
    _text("occupant_name", "用地主体", "Who uses the land, as found on site."),
    _text("site_project_name", "现场项目名称", "Project as found on site."),
    FieldSpec("start_date", "date", "动工时间", "Day the works began.", nullable=True),
    _text("actual_use", "实际用途", "Use as found on site."),
    FieldSpec(
        "measured_area_m2", "real", "实测面积", "Area measured on site.", unit="m2", nullable=True
    ),
    _text("stop_notice_no", "制止文书号", "Number of the notice to stop."),
    FieldSpec("stop_notice_date", "date", "制止文书日期", "Day of the notice.", nullable=True),
    _text("stop_effect", "制止效果", "Code of configs/codes/stop_effect.csv."),
    FieldSpec(
        "is_found_by_patrol",
        "boolean",
        "巡查是否已发现",
        "Whether a patrol had found it before; NULL not answered.",
        nullable=True,
    ),
    _text("patrol_record_no", "巡查台账号", "Number in the patrol ledger."),
    FieldSpec(
        "is_notified",
        "boolean",
        "是否已抄告",
        "Whether other departments were given notice; NULL not answered.",
        nullable=True,
    ),
    _text("handling_opinion", "处理意见", "What the township proposes."),
    _text("photo_note", "照片说明", "Photos taken: four directions and inside."),
    _text("filled_by", "填表人", "Who filled in the form."),
    _text("checked_by", "审核人", "Who checked the form."),
    FieldSpec("filled_date", "date", "填表日期", "Day the form was filled in.", nullable=True),
)
"""The township's field finding (核查填报), all NULL when it goes out (DOMAIN §6.7)."""
