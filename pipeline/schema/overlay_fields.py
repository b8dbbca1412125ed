"""Fields that the overlay with the reference layers (套合分析) adds."""

from __future__ import annotations

from pipeline.schema.field import FieldSpec


def _area(name: str, label_zh: str, description: str, code: str | None = None) -> FieldSpec:
    """An area on the ellipsoid; NULL where the layer was not supplied."""
    return FieldSpec(name, "real", label_zh, description, unit="m2", code=code, nullable=True)


def _hit(name: str, label_zh: str, description: str) -> FieldSpec:
    """Id of the feature of a layer that covers a part; NULL if none does."""
    return FieldSpec(name, "text", label_zh, description, nullable=True)


_ADDENDS = (
    _area("cultivated_m2", "耕地面积", "Addend: cultivated land, gross.", "GDMJ"),
    _area("other_agricultural_m2", "其他农用地面积", "Addend: other agricultural land."),
    _area("unused_m2", "未利用地面积", "Addend: unused land."),
    _area("construction_m2", "建设用地面积", "Addend: existing construction land."),
    _area("unclassified_m2", "地类未覆盖面积", "Addend: not covered by the land survey."),
)

_OF_WHICH = (
    _area("cultivated_net_m2", "耕地净面积", "Cultivated land net of field bunds (田坎)."),
    _area("pbf_m2", "永久基本农田面积", "Of which permanent basic farmland."),
    _area("redline_m2", "生态保护红线面积", "Of which inside the ecological redline."),
    _area("reserve_m2", "自然保护地面积", "Of which nature reserve."),
    _area("approved_m2", "批文覆盖面积", "Covered by an approval."),
    _area("supplied_m2", "供地覆盖面积", "Covered by supply only, net of approvals."),
    _area("registered_m2", "登记覆盖面积", "Covered by registration, net of the above."),
    _area("facility_m2", "设施农用地备案面积", "Covered by a filing, net of the above."),
    _area("temporary_m2", "临时用地面积", "Covered by temporary use, net of the above."),
    _area("plan_conform_m2", "符合规划面积", "Inside zones where construction conforms."),
    _area("plan_nonconform_m2", "不符合规划面积", "Inside zones where it does not."),
)

_HITS = (
    _hit("land_use_id", "地类图斑编号", "Survey patch that decides the land class."),
    _hit("pbf_id", "永久基本农田编号", "Permanent basic farmland patch."),
    _hit("redline_id", "生态保护红线编号", "Redline feature."),
    _hit("reserve_id", "自然保护地编号", "Nature reserve."),
    _hit("urban_boundary_id", "城镇开发边界编号", "Urban development boundary."),
    _hit("settlement_id", "村庄范围编号", "Village settlement (203)."),
    _hit("plan_zone_id", "规划分区编号", "Planning zone."),
    _hit("plan_zone_code", "所在规划分区代码", "Code of the planning zone."),
    _hit("approval_id", "批文要素编号", "Approval."),
    _hit("supply_id", "供地要素编号", "Supply."),
    _hit("registration_id", "登记要素编号", "Registration."),
    _hit("facility_id", "设施农用地要素编号", "Facility land filing."),
    _hit("temporary_id", "临时用地要素编号", "Temporary land."),
    _hit("planning_permit_id", "规划许可要素编号", "Planning permit."),
    _hit("mining_right_id", "采矿权要素编号", "Mining right."),
)

OVERLAY_FIELDS: tuple[FieldSpec, ...] = (
    FieldSpec(
        "issued_id",
        "text",
        "下发图斑编号",
        "Id given by the issuer; NULL for patches only we found.",
        nullable=True,
    ),
    FieldSpec(
        "township_code",
        "text",
        "乡镇代码",
        "Nine digits, by the boundary valid on the after date; NULL outside every township.",
        code="XZQDM",
        nullable=True,
    ),
    FieldSpec(
        "township_name", "text", "乡镇名称", "Name of the township.", code="XZQMC", nullable=True
    ),
    FieldSpec("village_code", "text", "村代码", "Twelve digits.", nullable=True),
    FieldSpec("village_name", "text", "村名称", "Name of the village.", nullable=True),
    FieldSpec(
        "responsible_code",
        "text",
        "责任单位代码",
        "Township responsible when the change happened; NULL while undecided (责任单位待定).",
        nullable=True,
    ),
    FieldSpec(
        "responsible_candidates",
        "json",
        "责任单位候选",
        "Codes of all units that may be responsible, in the order they were.",
    ),
    FieldSpec(
        "responsible_names",
        "json",
        "责任单位候选名称",
        "Name of every candidate; the code of a unit that is no township.",
    ),
    FieldSpec("patrol_area_id", "text", "巡查区编号", "Patrol area.", nullable=True),
    FieldSpec(
        "patrol_grade",
        "text",
        "巡查等级",
        "Code of configs/codes/patrol_grade.csv, the highest that reaches in; NULL if nothing "
        "says it or if it changed between the images.",
        nullable=True,
    ),
    FieldSpec(
        "patrol_grade_basis",
        "text",
        "定级依据",
        "The supplied layer, or the zones of the patrol profile; NULL where the grade is.",
        nullable=True,
    ),
    FieldSpec("responsible_person", "text", "巡查责任人", "Person assigned then.", nullable=True),
    FieldSpec("straddles", "json", "跨越乡镇", "Codes of the other townships it reaches into."),
    FieldSpec("period_no", "integer", "时段序号", "Running number inside the patch."),
    FieldSpec(
        "from_date",
        "date",
        "时段起",
        "First day of a stretch in which nobody else was responsible; NULL unknown.",
        nullable=True,
    ),
    FieldSpec("to_date", "date", "时段止", "Last day of it.", nullable=True),
    FieldSpec(
        "responsible_name", "text", "责任单位名称", "NULL if it is no township.", nullable=True
    ),
    FieldSpec("share_no", "integer", "份额序号", "Running number inside the patch, lead first."),
    FieldSpec("is_lead", "boolean", "牵头单位", "Whether this unit gets the whole patch."),
    FieldSpec("share_ratio", "real", "面积占比", "Share of the patch's area, 0–1."),
    *_ADDENDS,
    *_OF_WHICH,
    FieldSpec("unit_name", "text", "单位名称", "Name of the township or village."),
    FieldSpec("unit_level", "text", "单位层级", "township or village."),
    FieldSpec("observed_m2", "real", "可观测面积", "Seen on both dates, of the land.", unit="m2"),
    FieldSpec("cover_no", "integer", "空缺重叠序号", "Running number inside the patch."),
    FieldSpec("cover_state", "text", "覆盖情况", "gap or overlap."),
    _hit("counted_feature_id", "计入的要素", "The feature that counts where several overlap."),
    FieldSpec(
        "other_feature_ids",
        "json",
        "不计的要素",
        "Ids of the features below the one that counts, in order of precedence.",
    ),
    FieldSpec("outline_state", "text", "界址对照", "common, survey_only or image_only."),
    FieldSpec("part_ids", "json", "所含分块", "Parts of which the row is made."),
    FieldSpec("part_id", "text", "分块编号", "Patch id and running number of the piece."),
    *_HITS,
    FieldSpec(
        "land_category",
        "text",
        "三大类",
        "cultivated, other_agricultural, unused or construction; NULL unclassified.",
        nullable=True,
    ),
    FieldSpec("land_use_date", "date", "地类数据时点", "Vintage of the land class.", nullable=True),
    FieldSpec(
        "is_plan_conforming",
        "boolean",
        "是否符合规划",
        "Whether construction conforms in the planning zone; NULL unknown.",
        nullable=True,
    ),
    FieldSpec(
        "permit_class",
        "text",
        "用地手续",
        "approved, supplied, registered, facility or temporary: the first that covers the part.",
        nullable=True,
    ),
)
