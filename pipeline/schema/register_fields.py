"""Fields of the register (图斑台账) and of the books: judgements, surveys, cases, quota ledger."""

from __future__ import annotations

from pipeline.schema.field import FieldSpec


def _text(name: str, label_zh: str, description: str) -> FieldSpec:
    return FieldSpec(name, "text", label_zh, description, nullable=True)


def _date(name: str, label_zh: str, description: str) -> FieldSpec:
    return FieldSpec(name, "date", label_zh, description, nullable=True)


def _flag(name: str, label_zh: str, description: str) -> FieldSpec:
    return FieldSpec(name, "boolean", label_zh, description, nullable=True)


def _m2(name: str, label_zh: str, description: str) -> FieldSpec:
    return FieldSpec(name, "real", label_zh, description, unit="m2", nullable=True)


def _mu100(name: str, label_zh: str, description: str) -> FieldSpec:
    return FieldSpec(name, "integer", label_zh, description, unit="mu100", nullable=True)


def _areas(prefix: str, label_zh: str, description: str) -> tuple[FieldSpec, ...]:
    """Total and of-which areas: m² as truth, hundredths of a 亩 as what is printed and summed."""
    kinds = (
        ("area", "面积"),
        ("new", "新增建设用地面积"),
        ("cultivated", "耕地面积"),
        ("pbf", "永久基本农田面积"),
        ("reserve", "自然保护地面积"),
    )
    return tuple(
        spec
        for kind, noun in kinds
        for spec in (
            _m2(f"{prefix}_{kind}_m2", f"{label_zh}{noun}", description),
            _mu100(f"{prefix}_{kind}_mu100", f"{label_zh}{noun}（0.01亩）", description),
        )
    )


_PATCH = (
    FieldSpec("run", "text", "运行编号", "Run that the patch belongs to."),
    FieldSpec("lineage_id", "text", "沿革编号", "Same for one piece of land through all periods."),
    _text("parent_id", "母图斑编号", "Patch it was split from."),
    _text("lineage_relation", "沿革关系", "Code of configs/codes/lineage_relation.csv."),
    _text("earlier_run", "前期运行编号", "Earlier run whose patch it is compared with."),
    _text("earlier_patch_id", "前期图斑编号", "Patch of that run."),
    FieldSpec(
        "grown_m2",
        "real",
        "较前期扩大面积",
        "Beyond all that was told of the land, in the plane; NULL without an earlier patch.",
        unit="m2",
        nullable=True,
    ),
    FieldSpec(
        "is_continuing", "boolean", "是否续前期", "Still open in an earlier run; no new patch."
    ),
    FieldSpec("is_grown", "boolean", "是否扩大", "Whether it grew by the area that counts."),
    _text("earlier_state", "前期状态", "Code of configs/codes/earlier_state.csv."),
    FieldSpec("earlier_patches", "json", "前期图斑", "Run and id of the patches of the same land."),
    FieldSpec("adjoining_patches", "json", "毗连的前期图斑", "Run and id of open ones it touches."),
    FieldSpec("has_stop_notice", "boolean", "是否已下达制止文书", "Whether works were to stop."),
    FieldSpec(
        "is_regularising", "boolean", "是否补办中", "A case is being regularised, not accepted."
    ),
    FieldSpec("check_year", "integer", "检查年度", "Year of the after image."),
    FieldSpec("is_withdrawn", "boolean", "是否已撤回", "No longer among the run's patches."),
    FieldSpec("source_group", "text", "来源分组", "issued (下发) or detected (自主提取)."),
    _mu100("cultivated_mu100", "耕地面积（0.01亩）", "Sum of the parts' hundredths."),
    _mu100("construction_mu100", "建设用地面积（0.01亩）", "Sum of the parts' hundredths."),
    _mu100("pbf_mu100", "永久基本农田面积（0.01亩）", "Sum of the parts' hundredths."),
    _mu100("reserve_mu100", "自然保护地面积（0.01亩）", "Sum of the parts' hundredths."),
    FieldSpec("photo_count", "integer", "照片数", "Photos accepted for the patch."),
)

_JUDGED = (
    _text("judgement", "合法性判定", "Code of configs/codes/judgement.csv; signed by the bureau."),
    _text("judgement_detail", "二级类", "Code of judgement_detail.csv, or the bureau's own words."),
    _m2("recognised_area_m2", "认定面积", "Signed by the bureau; NULL not stated."),
    _m2("recognised_new_m2", "认定新增建设用地面积", "Signed: without land that was built on."),
    _m2("recognised_cultivated_m2", "认定耕地面积", "Signed by the bureau."),
    _m2("recognised_pbf_m2", "认定永久基本农田面积", "Signed by the bureau."),
    _m2("recognised_reserve_m2", "认定自然保护地面积", "Signed by the bureau."),
    _flag("is_surveyed", "是否实测", "Whether the recognised areas were surveyed."),
    _text("judgement_basis", "判定依据", "What the judgement rests on."),
    _text("judged_by", "判定人", "Who judged."),
    _text("reviewed_by", "判定审核人", "Who reviewed the judgement."),
    _date("judged_date", "判定日期", "Day of the signature."),
    _text("remark", "备注", "Free text."),
)

_SURVEYED = (
    _m2("survey_area_m2", "实测界址面积", "Of the survey boundary, on the ellipsoid."),
    _mu100("survey_area_mu100", "实测界址面积（0.01亩）", "HALF_UP of the m²."),
    *(
        spec
        for kind, noun in (
            ("cultivated", "耕地"),
            ("construction", "建设用地"),
            ("pbf", "永久基本农田"),
            ("reserve", "自然保护地"),
        )
        for spec in (
            _m2(f"survey_{kind}_m2", f"实测{noun}面积", "Of the survey boundary's partition."),
            _mu100(f"survey_{kind}_mu100", f"实测{noun}面积（0.01亩）", "Balanced to the whole."),
        )
    ),
    _text("surveyed_by", "测量单位", "Who surveyed."),
    _date("surveyed_date", "测量日期", "Day of the survey."),
)

_CASE = (
    FieldSpec("case_no", "text", "案号", "Number of the case; text."),
    _text("case_name", "案件名称", "Name of the case."),
    _date("found_date", "发现日期", "Day the violation was found."),
    _date("filed_date", "立案日期", "Day the case was filed."),
    _date("decided_date", "处罚决定日期", "Day of the decision."),
    _flag("is_demolition", "是否拆除", "Whether demolition was ordered."),
    _flag("is_confiscation", "是否没收", "Whether buildings were confiscated."),
    FieldSpec("fine_due_yuan", "real", "罚款应收", "Fine imposed.", unit="yuan", nullable=True),
    FieldSpec("fine_paid_yuan", "real", "罚款实收", "Fine paid.", unit="yuan", nullable=True),
    _date("transferred_date", "移送日期", "Day of transfer to another authority."),
    _date("enforcement_date", "申请强制执行日期", "Day enforcement was applied for."),
    _date("closed_date", "结案日期", "Day the case was closed."),
    _flag("is_filed_otherwise", "是否非立案处理", "Whether dealt with without filing a case."),
    _text("rectification", "整改方式", "Code of configs/codes/case_outcome.csv."),
    _date("accepted_date", "整改验收日期", "Day the rectification was accepted on site."),
    _flag("is_concealed", "验收是否发现瞒报", "弄虚作假、瞒案不报、压案不查 found at acceptance."),
)

_INPUT = (
    FieldSpec("item", "text", "项目", "Code of configs/codes/county_input.csv."),
    FieldSpec("unit_code", "text", "单位代码", "County (6 digits) or township (9 digits)."),
    FieldSpec("year", "integer", "年度", "Check year of a denominator, target year of a quota."),
    FieldSpec("value_mu", "real", "数值", "As stated.", unit="mu"),
    _text("doc_no", "文号", "Number of the document."),
    _text("source_title", "来源", "Title of the document or of the source."),
    _date("source_date", "来源日期", "Day of the document."),
)

_LEDGER = (
    FieldSpec("posting_no", "integer", "凭证号", "Running number of the posting."),
    FieldSpec("line_no", "integer", "分录号", "Running number inside the posting."),
    FieldSpec("posting_kind", "text", "业务", "Code of configs/codes/posting_kind.csv."),
    FieldSpec("account", "text", "科目", "quota, deduction, superior, opening or carry."),
    FieldSpec("amount_mu100", "integer", "金额（0.01亩）", "Signed.", unit="mu100"),
    FieldSpec("reverses_no", "integer", "冲销凭证号", "Posting it takes back.", nullable=True),
    _text("posting_text", "摘要", "What the posting is for."),
)

_CLOSED = (
    _text("counted_basis", "计量依据", "signed, survey or patch (未实测)."),
    _flag("is_measured", "是否实测面积", "Whether the counted areas were surveyed."),
    *_areas("counted", "计入", "What counts in the books: signed, else surveyed, else the patch."),
    FieldSpec("case_nos", "json", "案号", "Cases that hold the patch."),
    _flag("is_closed", "是否结案", "Whether all its cases are closed; NULL without a case."),
    _text("net_way", "核减方式", "demolished_restored, regularised or both, once accepted."),
    _flag("is_rectified", "是否整改到位", "Rectified and accepted; NULL if not a violation."),
)

_TOWNSHIP = (
    _m2("land_m2", "辖区面积", "Of the territory, on the ellipsoid."),
    _m2("nodata_m2", "无影像面积", "Not covered by an image, of the land."),
    _m2("cloud_m2", "云遮面积", "Under cloud, of the land."),
    _m2("shadow_m2", "阴影面积", "Under cloud shadow, of the land."),
    _m2("other_unobserved_m2", "其他不可观测面积", "Saturated or not registered, of the land."),
)

REGISTER_FIELDS: tuple[FieldSpec, ...] = (
    *_PATCH,
    *_JUDGED,
    *_SURVEYED,
    *_CASE,
    *_INPUT,
    *_LEDGER,
    *_CLOSED,
    *_TOWNSHIP,
)
