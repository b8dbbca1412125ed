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
    key=("run", "patch_id"),
)
"""Signed violations of all runs of the check year; a piece of land counts once, by lineage."""

SURVEY_DIFFERENCES = LayerSpec(
    name="survey_differences",
    label_zh="实测界址与影像图斑对照",
    fields=("patch_id", "outline_state", "area_m2"),
    geometry="MultiPolygon",
    key=("patch_id", "outline_state"),
)
"""What surveyed boundary and outline from the image share, and what only one of them has."""

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

CLOCKS_TABLE = LayerSpec(
    name="clocks",
    label_zh="时限明细",
    fields=(
        "patch_id",
        "township_code",
        "source_group",
        "clock_zh",
        "clock_start_date",
        "clock_due_date",
        "clock_done_date",
        "clock_state_zh",
    ),
    geometry=None,
    key=("patch_id", "clock_zh"),
)
"""Every duty of every patch: what T10 counts."""

BOOK_LAYERS = (CLOCKS_TABLE, YEAR_PATCHES, SURVEY_DIFFERENCES, CONTRIBUTIONS, RULES_USED, INPUTS)
