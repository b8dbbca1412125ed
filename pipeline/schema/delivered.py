"""Layers of delivered files: the township's `verify.gpkg` and the bureau's `county.gpkg`."""

from __future__ import annotations

from dataclasses import replace

from pipeline.schema.form_fields import FORM_FIELDS, MU_FIELDS
from pipeline.schema.layer import LayerSpec
from pipeline.schema.reference import REFERENCE_LAYERS

REFERENCE_PREFIX = "ref_"
"""Reference layers are called `ref_<core name>` in delivered files (DESIGN §10)."""

FORM_COLUMNS = tuple(spec.name for spec in FORM_FIELDS)
"""What the township fills in; every other column of VERIFY is locked."""

MU_COLUMNS = tuple(spec.name for spec in MU_FIELDS)
M2_COLUMNS = tuple(f"{name.removesuffix('_mu')}_m2" for name in MU_COLUMNS)
"""The same areas in m², in the same order."""

_IDENTITY = (
    "serial_no",
    "patch_id",
    "issued_id",
    "source",
    "theme",
    "township_code",
    "township_name",
    "village_code",
    "village_name",
    "before_date",
    "after_date",
    "change_kind",
    "observed_ratio",
    "center_lon",
    "center_lat",
    "width_m",
)
_SCREENING = (
    "suspected_class",
    "violation_kinds_zh",
    "flags_zh",
    "reasons_zh",
    "missing_evidence_zh",
    "handling_route",
    "priority",
    "priority_parts_zh",
    "due_date",
    "is_straddling",
    "responsible_zh",
    "patrol_area_id",
    "patrol_grade",
    "responsible_person",
)
_PROGRAM = (*_IDENTITY, *_SCREENING, *MU_COLUMNS, *M2_COLUMNS, "cultivated_net_m2", "area_mu100")

VERIFY = LayerSpec(
    name="patches",
    label_zh="核查图斑",
    fields=(*_PROGRAM, *FORM_COLUMNS, "rule_set", "package_id"),
    geometry="MultiPolygon",
    key=("patch_id",),
)
"""What a township gets and fills in."""

COUNTY = LayerSpec(
    name="patches",
    label_zh="全县图斑",
    fields=(
        *_PROGRAM,
        "is_sent",
        "responsible_code",
        "responsible_candidates",
        "responsible_names",
        "patrol_grade_basis",
        "straddles",
        "primary_kind",
        "violation_kinds",
        "flags",
        "missing_evidence",
        "priority_parts",
        "probability",
        "residual_shift_px",
        "area_planar_m2",
        "perimeter_m",
        "rule_set",
        "package_id",
    ),
    geometry="MultiPolygon",
    key=("patch_id",),
)
"""What the bureau keeps: all patches, also those outside every township."""

DELIVERED_PARTS = LayerSpec(
    name="parts",
    label_zh="套合分块",
    fields=(
        "part_id",
        "patch_id",
        "area_mu",
        "area_m2",
        "land_class_code",
        "land_category",
        "land_use_date",
        "bund_ratio",
        "is_plan_conforming",
        "plan_zone_code",
        "permit_class",
        "township_code",
        "village_code",
        "patrol_area_id",
        "land_use_id",
        "pbf_id",
        "redline_id",
        "reserve_id",
        "urban_boundary_id",
        "settlement_id",
        "plan_zone_id",
        "approval_id",
        "supply_id",
        "registration_id",
        "facility_id",
        "temporary_id",
        "planning_permit_id",
        "mining_right_id",
        "area_mu100",
    ),
    geometry="MultiPolygon",
    key=("part_id",),
)

TOWNSHIP = LayerSpec(
    name="township",
    label_zh="本乡镇范围",
    fields=("township_code", "township_name", "township_kind"),
    geometry="MultiPolygon",
    key=("township_code",),
)
"""The land a township answers for: its boundary without the development zones inside."""

STOPS = LayerSpec(
    name="stops",
    label_zh="核查站点",
    fields=(
        "township_code",
        "visit_day",
        "visit_order",
        "patch_id",
        "serial_no",
        "suspected_class",
        "priority",
        "due_date",
        "leg_m",
        "center_lon",
        "center_lat",
    ),
    geometry="Point",
    key=("patch_id",),
)
"""Every patch that was sent out, once, in the order in which its township visits them."""

ROUTE = LayerSpec(
    name="route",
    label_zh="核查路线（直线示意）",
    fields=("township_code", "visit_day", "stop_count", "route_m"),
    geometry="MultiLineString",
    key=("township_code", "visit_day"),
)
"""One round trip a day from the seat of the township."""

TOWNSHIPS = replace(TOWNSHIP, name="townships", label_zh="乡镇（街道、开发区）")

DELIVERED_LAYERS = (VERIFY, COUNTY, DELIVERED_PARTS, TOWNSHIP, TOWNSHIPS, STOPS, ROUTE)


def reference_spec(name: str) -> LayerSpec:
    """The layer under which a reference layer, by its core name, is delivered."""
    return replace(REFERENCE_LAYERS[name], name=f"{REFERENCE_PREFIX}{name}")
