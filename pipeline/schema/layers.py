"""The register of layers: which fields, which geometry, which key."""

from __future__ import annotations

from pipeline.schema.book_layers import BOOK_LAYERS
from pipeline.schema.delivered import DELIVERED_LAYERS
from pipeline.schema.layer import LayerSpec
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.schema.register_layers import REGISTER_LAYERS

_MEASURES = (
    "before_date",
    "after_date",
    "change_kind",
    "probability",
    "residual_shift_px",
    "observed_ratio",
    "area_m2",
    "area_planar_m2",
    "perimeter_m",
    "width_m",
    "n_pixels",
    "first_row",
    "first_col",
)

PATCHES = LayerSpec(
    name="patches",
    label_zh="变化图斑",
    fields=("patch_id", "issued_id", "source", "theme", *_MEASURES, "area_mu100"),
    geometry="MultiPolygon",
    key=("patch_id",),
)

DROPPED = LayerSpec(
    name="dropped",
    label_zh="剔除对象",
    # Ids are reserved for patches that go out, so a dropped object is named by its first pixel.
    fields=("reason", *_MEASURES),
    geometry="MultiPolygon",
    key=("first_row", "first_col"),
)

RAW_OUTLINES = LayerSpec(
    name="raw_outlines",
    label_zh="图斑像元边界",
    fields=("patch_id", "n_pixels", "raw_area_m2", "area_change_ratio", "is_simplified"),
    geometry="MultiPolygon",
    key=("patch_id",),
)

ISSUED_MATCHES = LayerSpec(
    name="issued_matches",
    label_zh="下发与自主提取比对",
    fields=(
        "match_no",
        "match_state",
        "issued_id",
        "patch_id",
        "issued_m2",
        "detected_m2",
        "overlap_m2",
        "area_difference_m2",
        "before_days_later",
        "after_days_later",
        "dropped_reason",
        "explanation_zh",
    ),
    geometry=None,
    key=("match_no",),
)

TIE_POINTS = LayerSpec(
    name="tie_points",
    label_zh="配准同名点",
    fields=(
        "point_id",
        "shift_row_px",
        "shift_col_px",
        "quality",
        "is_used",
        "is_check",
        "residual_px",
        "window_px",
    ),
    geometry="Point",
    key=("point_id",),
)

OVERLAID = LayerSpec(
    name="patches",
    label_zh="变化图斑（套合）",
    fields=(
        *PATCHES.fields,
        "township_code",
        "township_name",
        "village_code",
        "village_name",
        "responsible_code",
        "responsible_candidates",
        "responsible_names",
        "straddles",
        "patrol_area_id",
        "patrol_grade",
        "patrol_grade_basis",
        "responsible_person",
        "cultivated_m2",
        "other_agricultural_m2",
        "unused_m2",
        "construction_m2",
        "unclassified_m2",
        "cultivated_net_m2",
        "pbf_m2",
        "redline_m2",
        "reserve_m2",
        "approved_m2",
        "supplied_m2",
        "registered_m2",
        "facility_m2",
        "temporary_m2",
        "plan_conform_m2",
        "plan_nonconform_m2",
    ),
    geometry="MultiPolygon",
    key=("patch_id",),
)

PARTS = LayerSpec(
    name="parts",
    label_zh="套合分块",
    fields=(
        "part_id",
        "patch_id",
        "township_code",
        "village_code",
        "land_use_id",
        "land_class_code",
        "land_category",
        "land_use_date",
        "bund_ratio",
        "pbf_id",
        "redline_id",
        "reserve_id",
        "urban_boundary_id",
        "settlement_id",
        "plan_zone_id",
        "plan_zone_code",
        "is_plan_conforming",
        "approval_id",
        "supply_id",
        "registration_id",
        "facility_id",
        "temporary_id",
        "permit_class",
        "planning_permit_id",
        "mining_right_id",
        "patrol_area_id",
        "area_m2",
        "area_mu100",
    ),
    geometry="MultiPolygon",
    key=("part_id",),
)

RESPONSIBILITY = LayerSpec(
    name="responsibility",
    label_zh="责任时段",
    fields=(
        "patch_id",
        "period_no",
        "from_date",
        "to_date",
        "responsible_code",
        "responsible_name",
        "patrol_area_id",
        "patrol_grade",
        "patrol_grade_basis",
        "responsible_person",
    ),
    geometry=None,
    key=("patch_id", "period_no"),
)
"""Who answered for each patch in which stretch between its images: once it is known when the works
began (动工时间), the row of that day tells."""

TOWNSHIP_SHARES = LayerSpec(
    name="township_shares",
    label_zh="图斑分乡镇面积",
    fields=(
        "patch_id",
        "share_no",
        "township_code",
        "township_name",
        "is_lead",
        "share_ratio",
        "area_m2",
        "area_mu100",
        "cultivated_m2",
        "cultivated_mu100",
        "pbf_m2",
        "pbf_mu100",
    ),
    geometry=None,
    key=("patch_id", "share_no"),
)
"""Patches are never split: one township takes the lead, and these are everybody's shares of the
parts, by the boundary of the after date. NULL township: outside all."""

GAPS_OVERLAPS = LayerSpec(
    name="gaps_overlaps",
    label_zh="图层空缺与重叠",
    fields=(
        "patch_id",
        "cover_no",
        "layer_name",
        "cover_state",
        "counted_feature_id",
        "other_feature_ids",
        "part_ids",
        "area_m2",
        "area_mu100",
    ),
    geometry="MultiPolygon",
    key=("patch_id", "cover_no"),
)
"""Land of a patch that a layer leaves uncovered or covers more than once, made of whole parts."""

SCREENED = LayerSpec(
    name="patches",
    label_zh="变化图斑（初判）",
    fields=(
        *OVERLAID.fields,
        "suspected_class",
        "violation_kinds",
        "primary_kind",
        "flags",
        "reasons",
        "missing_evidence",
        "handling_route",
        "handover_department",
        "group_id",
        "priority",
        "priority_parts",
        "due_date",
        "rule_set",
    ),
    geometry="MultiPolygon",
    key=("patch_id",),
)

REASONS = LayerSpec(
    name="reasons",
    label_zh="初判理由",
    fields=("patch_id", "reason_no", "step", "rule_id", "text_zh", "reference_zh", "is_assumption"),
    geometry=None,
    key=("patch_id", "reason_no"),
)

OBSERVED = LayerSpec(
    name="observed",
    label_zh="可观测情况",
    fields=(
        "unit_code",
        "unit_name",
        "unit_level",
        "land_m2",
        "observed_m2",
        "observed_ratio",
        "nodata_m2",
        "cloud_m2",
        "shadow_m2",
        "other_unobserved_m2",
    ),
    geometry=None,
    key=("unit_code",),
)
"""Every township and village on the after date: how much of its land both dates show."""

FINDINGS = LayerSpec(
    name="findings",
    label_zh="入库检查问题",
    fields=(
        "finding_no",
        "finding_code",
        "severity",
        "layer_name",
        "source_file",
        "source_row",
        "what_zh",
        "value_text",
        "allowed_text",
        "advice_zh",
    ),
    geometry="Point",
    key=("finding_no",),
)

FINDINGS_UNPLACED = LayerSpec(
    name="unplaced",
    label_zh="入库检查问题（没有位置）",
    fields=FINDINGS.fields,
    geometry=None,
    key=("finding_no",),
)

FINDING_AREAS = LayerSpec(
    name="areas",
    label_zh="入库检查问题范围",
    fields=("finding_no", "finding_code", "severity", "what_zh", "value_text"),
    geometry="MultiPolygon",
    key=("finding_no",),
)

PATCH_SCENES = LayerSpec(
    name="patch_scenes",
    label_zh="图斑下的各景",
    fields=(
        "patch_id",
        "layer_name",
        "feature_id",
        "scene_id",
        "scene_date",
        "sensor_name",
        "scene_ratio",
    ),
    geometry=None,
    key=("patch_id", "layer_name", "feature_id"),
)

LAYERS: tuple[LayerSpec, ...] = (
    PATCHES,
    DROPPED,
    RAW_OUTLINES,
    ISSUED_MATCHES,
    TIE_POINTS,
    OVERLAID,
    PARTS,
    GAPS_OVERLAPS,
    RESPONSIBILITY,
    TOWNSHIP_SHARES,
    OBSERVED,
    SCREENED,
    REASONS,
    FINDINGS,
    FINDINGS_UNPLACED,
    FINDING_AREAS,
    PATCH_SCENES,
    *REFERENCE_LAYERS.values(),
    *DELIVERED_LAYERS,
    *REGISTER_LAYERS,
    *BOOK_LAYERS,
)
"""Every layer of our own files."""
