"""Fields of the first screening (合规初判): what the program suspects, and why."""

from __future__ import annotations

from pipeline.schema.field import FieldSpec

SCREENING_FIELDS: tuple[FieldSpec, ...] = (
    FieldSpec("suspected_class", "text", "程序初判", "Code of configs/codes/suspected_class.csv."),
    FieldSpec("violation_kinds", "json", "疑似情形", "Codes of configs/codes/violation_kind.csv."),
    FieldSpec("primary_kind", "text", "主要疑似情形", "The one that counts first.", nullable=True),
    FieldSpec("flags", "json", "提示标记", "Codes of configs/codes/flag.csv."),
    FieldSpec("reasons", "json", "初判理由", "Chinese sentences naming rule and document."),
    FieldSpec("missing_evidence", "json", "待补证据", "Codes of configs/codes/evidence.csv."),
    FieldSpec("handling_route", "text", "处理建议", "Code of configs/codes/handling_route.csv."),
    FieldSpec(
        "handover_department",
        "text",
        "移交部门",
        "Code of configs/codes/department.csv; NULL if the proposal is not to hand over.",
        nullable=True,
    ),
    FieldSpec(
        "group_id",
        "text",
        "同组图斑",
        "Smallest patch id of the group that is summed for 移送; NULL by itself.",
        nullable=True,
    ),
    FieldSpec("rule_set", "text", "规则集", "SHA-256 of the rule set used."),
    FieldSpec("priority", "integer", "核查优先级", "Sum of the parts; higher goes first."),
    FieldSpec("priority_parts", "json", "优先级构成", "One {code, label, points} per addend."),
    FieldSpec("due_date", "date", "反馈截止", "Last day for the answer.", nullable=True),
    FieldSpec("reason_no", "integer", "理由序号", "Running number inside the patch."),
    FieldSpec("step", "text", "判定步骤", "Code of the step that gave the reason."),
    FieldSpec("rule_id", "text", "规则编号", "Rule that was applied.", nullable=True),
    FieldSpec("text_zh", "text", "理由", "One Chinese sentence."),
    FieldSpec("reference_zh", "text", "依据", "Document, number, article.", nullable=True),
    FieldSpec("is_assumption", "boolean", "是否示例口径", "Whether the rule is an assumption."),
)
