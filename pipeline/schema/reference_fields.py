"""Fields of the county's reference layers (参考图层) after intake, and of intake's findings."""

from __future__ import annotations

from pipeline.schema.field import FieldSpec

REFERENCE_FIELDS: tuple[FieldSpec, ...] = (
    FieldSpec("feature_id", "text", "要素编号", "Id of a feature inside its layer."),
    FieldSpec(
        "vintage_date", "date", "数据时点", "Date the layer describes; NULL unknown.", nullable=True
    ),
    FieldSpec(
        "valid_from_date", "date", "起始日期", "First day of validity; NULL unknown.", nullable=True
    ),
    FieldSpec(
        "valid_to_date", "date", "截止日期", "Last day of validity; NULL open.", nullable=True
    ),
    FieldSpec("township_kind", "text", "乡镇类型", "Code of configs/codes/township_kind.csv."),
    FieldSpec(
        "land_class_code",
        "text",
        "地类编码",
        "Land class of the land survey; NULL where no survey patch lies.",
        code="DLBM",
        nullable=True,
    ),
    FieldSpec(
        "land_class_name",
        "text",
        "地类名称",
        "Name of the land class as delivered.",
        code="DLMC",
        nullable=True,
    ),
    FieldSpec(
        "bund_ratio",
        "real",
        "扣除地类系数",
        "Share of field bunds (田坎) inside a cultivated patch, 0–1; NULL unknown.",
        code="KCXS",
        nullable=True,
    ),
    FieldSpec("feature_name", "text", "名称", "Name as delivered.", nullable=True),
    FieldSpec("zone_code", "text", "规划分区代码", "Planning zone code.", code="GHFQDM"),
    FieldSpec(
        "zone_name", "text", "规划分区名称", "Planning zone name.", code="GHFQMC", nullable=True
    ),
    FieldSpec("document_no", "text", "文号", "Number of the document or right.", nullable=True),
    FieldSpec("project_name", "text", "项目名称", "Project as documented.", nullable=True),
    FieldSpec("holder_name", "text", "用地单位", "Holder of the right.", nullable=True),
    FieldSpec("approved_date", "date", "批准日期", "Day of approval or filing.", nullable=True),
    FieldSpec("supply_date", "date", "供地日期", "Day of the supply of land.", nullable=True),
    FieldSpec("registered_date", "date", "登记日期", "Day of registration.", nullable=True),
    FieldSpec("permitted_date", "date", "许可日期", "Day of the permit.", nullable=True),
    FieldSpec("permit_kind", "text", "许可类型", "urban 建设工程 or rural 乡村 planning permit."),
    FieldSpec("approved_use", "text", "批准用途", "Use as approved or filed.", nullable=True),
    FieldSpec("use_kind", "text", "其他用地类别", "Code of configs/codes/other_use.csv."),
    FieldSpec("applied_date", "date", "报批日期", "Day of the application.", nullable=True),
    FieldSpec("mineral_name", "text", "矿种", "Mineral of a mining right.", nullable=True),
    FieldSpec("road_name", "text", "道路名称", "Name of the road.", nullable=True),
    FieldSpec("road_class", "text", "道路等级", "national, provincial, county or rural."),
    FieldSpec("prior_result", "text", "以往判定", "Result of an earlier round.", nullable=True),
    FieldSpec(
        "tblx", "text", "下发图斑类型", "Kind as issued from above, their code.", nullable=True
    ),
    FieldSpec(
        "stated_area_m2",
        "real",
        "下发面积",
        "Area as stated by the issuer, never used for our own figures.",
        unit="m2",
        nullable=True,
    ),
    FieldSpec("issued_theme", "text", "下发业务类型", "land 土地 or mineral 矿产.", nullable=True),
    FieldSpec("batch_no", "text", "下发批次", "Batch of the issue.", nullable=True),
    FieldSpec(
        "patrol_zone_kind",
        "text",
        "分级范围类型",
        "Code of configs/codes/patrol_zone_kind.csv: what a patrol document calls the place.",
    ),
    FieldSpec("patrol_date", "date", "巡查日期", "Day of the patrol.", nullable=True),
    FieldSpec("person_name", "text", "巡查人员", "Who patrolled.", nullable=True),
    FieldSpec("finding_text", "text", "发现情况", "What the patrol saw.", nullable=True),
    FieldSpec("lead_date", "date", "线索日期", "Day of the lead.", nullable=True),
    FieldSpec("lead_text", "text", "线索内容", "What was reported.", nullable=True),
    FieldSpec(
        "scene_id", "text", "景号", "Scene that a piece of a mosaic was cut from.", nullable=True
    ),
    FieldSpec(
        "scene_date",
        "date",
        "影像时相",
        "Day the scene was taken; NULL unknown.",
        nullable=True,
    ),
    FieldSpec("sensor_name", "text", "卫星传感器", "Satellite and sensor.", nullable=True),
    FieldSpec(
        "scene_ratio", "real", "该景占图斑的比例", "Share of a patch's area on a scene, 0–1."
    ),
    FieldSpec("finding_no", "integer", "序号", "Running number of a finding."),
    FieldSpec("finding_code", "text", "问题代码", "Stable code of the finding."),
    FieldSpec("severity", "text", "严重程度", "阻断 or 提示."),
    FieldSpec("layer_name", "text", "图层", "Core name of the layer concerned.", nullable=True),
    FieldSpec("source_file", "text", "源文件", "Delivered file, name only.", nullable=True),
    FieldSpec("source_row", "integer", "源行号", "Row in the file, from 1.", nullable=True),
    FieldSpec("what_zh", "text", "问题", "What is wrong."),
    FieldSpec("value_text", "text", "现值", "The value as found.", nullable=True),
    FieldSpec("allowed_text", "text", "允许", "What would be accepted.", nullable=True),
    FieldSpec("advice_zh", "text", "办法", "What to do.", nullable=True),
)
