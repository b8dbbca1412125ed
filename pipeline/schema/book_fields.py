"""Fields of `statistics/trace.gpkg`: what every figure of the tables is made of."""

from __future__ import annotations

from pipeline.schema.field import FieldSpec

BOOK_FIELDS: tuple[FieldSpec, ...] = (
    FieldSpec("contribution_no", "integer", "序号", "Running number of the contribution."),
    FieldSpec("table_id", "text", "表号", "T01 to T15."),
    FieldSpec("row_key", "text", "行", "Unit, group and further key of the row, joined by |."),
    FieldSpec("column_key", "text", "列", "Key of the column."),
    FieldSpec("subject_kind", "text", "构成种类", "patch, case, posting, input or row (a sum)."),
    FieldSpec("subject_id", "text", "构成编号", "Id of the patch, case, posting, input or row."),
    FieldSpec("amount_text", "text", "计入量", "Exact: m² unrounded, 亩 with two decimals."),
    FieldSpec(
        "amount_m2_text",
        "text",
        "计入㎡",
        "The same area in m² for the column beside; unrounded.",
        nullable=True,
    ),
    FieldSpec("amount_unit", "text", "单位", "Unit of the amount."),
    FieldSpec("rule_ids", "text", "规则编号", "Rules that decided what counts, joined by blanks."),
    FieldSpec("rule_title", "text", "规则名称", "Title of the rule."),
    FieldSpec("rule_value", "text", "取值", "Value in force."),
    FieldSpec("since_date", "date", "自何日起", "First day of the value."),
    FieldSpec("input_name", "text", "输入", "Stage and logical name of an input or of a result."),
    FieldSpec("clock_zh", "text", "时限", "What has to be done."),
    FieldSpec(
        "clock_start_date", "date", "起算日", "Day of the event that started it.", nullable=True
    ),
    FieldSpec("clock_due_date", "date", "到期日", "Last day in time.", nullable=True),
    FieldSpec("clock_done_date", "date", "完成日", "Up to the closing date.", nullable=True),
    FieldSpec("clock_state_zh", "text", "执行情况", "In time, late, open or not known."),
    FieldSpec("content_sha256", "text", "内容摘要", "Digest of the content by the manifests."),
)
