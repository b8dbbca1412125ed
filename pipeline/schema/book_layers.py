"""Layers of the books beside the register's: the year's patches, and the trace of every figure."""

from __future__ import annotations

from pipeline.schema.layer import LayerSpec
from pipeline.schema.register_layers import COUNTED_COLUMNS

YEAR_PATCHES = LayerSpec(
    name="year_patches",
    label_zh="本检查年度图斑（同一沿革计一次）",
    fields=(
        "lineage_id",
        "run",
        "patch_id",
        "check_year",
        "source_group",
        "township_code",
        "judgement",
        *COUNTED_COLUMNS,
        "net_way",
        "is_rectified",
    ),
    geometry=None,
    key=("lineage_id",),
)
"""Signed violations of all runs of the check year; one piece of land counts once, latest run."""

CONTRIBUTIONS = LayerSpec(
    name="contributions",
    label_zh="数字构成",
    fields=(
        "contribution_no",
        "table_id",
        "row_key",
        "column_key",
        "subject_kind",
        "subject_id",
        "amount_text",
        "amount_unit",
        "amount_m2_text",
        "rule_ids",
    ),
    geometry=None,
    key=("contribution_no",),
)

RULES_USED = LayerSpec(
    name="rules_used",
    label_zh="所用规则",
    fields=(
        "rule_id",
        "rule_title",
        "rule_value",
        "since_date",
        "reference_zh",
        "doc_no",
        "is_assumption",
    ),
    geometry=None,
    key=("rule_id",),
)

INPUTS = LayerSpec(
    name="inputs",
    label_zh="所用输入",
    fields=("input_name", "content_sha256"),
    geometry=None,
    key=("input_name",),
)

BOOK_LAYERS = (YEAR_PATCHES, CONTRIBUTIONS, RULES_USED, INPUTS)
