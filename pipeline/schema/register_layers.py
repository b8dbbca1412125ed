"""Layers of the register's snapshot and of the books (`statistics/county.gpkg`)."""

from __future__ import annotations

from pipeline.schema.delivered import FORM_COLUMNS
from pipeline.schema.layer import LayerSpec

SCREENED_COLUMNS = (
    "patch_id",
    "issued_id",
    "source",
    "theme",
    "township_code",
    "township_name",
    "village_code",
    "village_name",
    "responsible_code",
    "before_date",
    "after_date",
    "change_kind",
    "suspected_class",
    "primary_kind",
    "flags",
    "observed_ratio",
    "due_date",
)
"""What the register takes over from the screening as it is."""

PATCH_AREAS = (
    "area_m2",
    "area_mu100",
    "cultivated_m2",
    "cultivated_mu100",
    "construction_m2",
    "construction_mu100",
    "pbf_m2",
    "pbf_mu100",
    "reserve_m2",
    "reserve_mu100",
)

REGISTERED_COLUMNS = (
    "run",
    "lineage_id",
    "parent_id",
    "lineage_relation",
    "check_year",
    "source_group",
    "is_sent",
    *SCREENED_COLUMNS,
    *PATCH_AREAS,
)
"""Payload of a `patch_registered` event, beside the outline."""

JUDGEMENT_COLUMNS = (
    "judgement",
    "judgement_detail",
    "recognised_area_m2",
    "recognised_new_m2",
    "recognised_cultivated_m2",
    "recognised_pbf_m2",
    "recognised_reserve_m2",
    "is_surveyed",
    "judgement_basis",
    "judged_by",
    "reviewed_by",
    "judged_date",
    "remark",
)
"""Payload of a `judgement_signed` event."""

SURVEY_AREAS = tuple(f"survey_{name}" for name in PATCH_AREAS)
SURVEY_COLUMNS = (*SURVEY_AREAS, "surveyed_by", "surveyed_date")
"""Payload of a `survey_accepted` event, beside the outline."""

CASE_COLUMNS = (
    "case_name",
    "found_date",
    "filed_date",
    "decided_date",
    "is_demolition",
    "is_confiscation",
    "fine_due_yuan",
    "fine_paid_yuan",
    "transferred_date",
    "enforcement_date",
    "closed_date",
    "is_filed_otherwise",
    "rectification",
    "accepted_date",
    "is_concealed",
    "remark",
)
"""Payload of a `case_recorded` event, beside the list `patch_ids`."""

INPUT_COLUMNS = (
    "item",
    "unit_code",
    "year",
    "value_mu",
    "doc_no",
    "source_title",
    "source_date",
    "filled_by",
    "checked_by",
)
"""Payload of a `county_input_recorded` event."""

REGISTERED = LayerSpec(
    name="patches",
    label_zh="台账图斑",
    fields=(
        *REGISTERED_COLUMNS,
        "is_withdrawn",
        *FORM_COLUMNS,
        "photo_count",
        *JUDGEMENT_COLUMNS,
        *SURVEY_COLUMNS,
    ),
    geometry="MultiPolygon",
    key=("run", "patch_id"),
)
"""Every patch with the latest of what people said of it."""

SURVEYS = LayerSpec(
    name="surveys",
    label_zh="实测界址",
    fields=("run", "patch_id", *SURVEY_COLUMNS),
    geometry="MultiPolygon",
    key=("run", "patch_id"),
)

CASES = LayerSpec(
    name="cases",
    label_zh="案件台账",
    fields=("run", "case_no", *CASE_COLUMNS),
    geometry=None,
    key=("run", "case_no"),
)

CASE_PATCHES = LayerSpec(
    name="case_patches",
    label_zh="案件与图斑",
    fields=("run", "case_no", "patch_id"),
    geometry=None,
    key=("run", "case_no", "patch_id"),
)

COUNTY_INPUTS = LayerSpec(
    name="county_inputs",
    label_zh="县填报数据",
    fields=("run", *INPUT_COLUMNS),
    geometry=None,
    key=("run", "item", "unit_code", "year", "doc_no"),
)

LINEAGE = LayerSpec(
    name="lineage",
    label_zh="图斑沿革",
    fields=(
        "run",
        "patch_id",
        "earlier_run",
        "earlier_patch_id",
        "lineage_id",
        "lineage_relation",
        "overlap_m2",
        "grown_m2",
    ),
    geometry=None,
    key=("run", "patch_id", "earlier_run", "earlier_patch_id"),
)
"""What the run's patches are the same land as; one that vanished stands on both sides."""

IDENTITY = LayerSpec(
    name="identity",
    label_zh="图斑沿革（本期图斑）",
    fields=(
        "patch_id",
        "lineage_id",
        "parent_id",
        "lineage_relation",
        "is_continuing",
        "is_grown",
        "grown_m2",
        "earlier_state",
        "earlier_patches",
        "adjoining_patches",
        "has_stop_notice",
        "stop_notice_no",
        "stop_notice_date",
        "is_regularising",
    ),
    geometry=None,
    key=("patch_id",),
)
"""Every patch of the run with what earlier runs told of its land."""

LEDGER = LayerSpec(
    name="quota_ledger",
    label_zh="指标账",
    fields=(
        "posting_no",
        "line_no",
        "run",
        "posting_kind",
        "year",
        "account",
        "unit_code",
        "amount_mu100",
        "doc_no",
        "reverses_no",
        "posting_text",
    ),
    geometry=None,
    key=("posting_no", "line_no"),
)

COUNTED_COLUMNS = (
    "counted_basis",
    "is_measured",
    *(
        f"counted_{kind}_{unit}"
        for kind in ("area", "new", "cultivated", "pbf", "reserve")
        for unit in ("m2", "mu100")
    ),
)

CLOSED_PATCHES = LayerSpec(
    name="patches",
    label_zh="图斑（核查、判定、整改）",
    fields=(
        *REGISTERED.fields,
        *COUNTED_COLUMNS,
        "case_nos",
        "is_closed",
        "net_way",
        "is_rectified",
    ),
    geometry="MultiPolygon",
    key=("patch_id",),
)
"""The run's patches in `statistics/county.gpkg`: every figure of the tables adds these up."""

CLOSED_TOWNSHIPS = LayerSpec(
    name="townships",
    label_zh="乡镇（街道、开发区）",
    fields=(
        "township_code",
        "township_name",
        "township_kind",
        "land_m2",
        "observed_ratio",
        "nodata_m2",
        "cloud_m2",
        "shadow_m2",
        "other_unobserved_m2",
    ),
    geometry="MultiPolygon",
    key=("township_code",),
)

REGISTER_LAYERS = (
    REGISTERED,
    SURVEYS,
    CASES,
    CASE_PATCHES,
    COUNTY_INPUTS,
    LINEAGE,
    IDENTITY,
    LEDGER,
    CLOSED_PATCHES,
    CLOSED_TOWNSHIPS,
)
