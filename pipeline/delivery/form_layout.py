"""How the form of `patches` is laid out in QGIS: tabs, groups, columns."""

from __future__ import annotations

from pipeline.schema.delivered import M2_COLUMNS, MU_COLUMNS

TABS: tuple[tuple[str, tuple[tuple[str, int, tuple[str, ...]], ...]], ...] = (
    (
        "核查填报",
        (
            (
                "图斑",
                2,
                ("patch_id", "issued_id", "suspected_class", "area_mu", "due_date", "village_name"),
            ),
            (
                "现场情况（请填写）",
                2,
                (
                    "site_state",
                    "start_date",
                    "occupant_name",
                    "site_project_name",
                    "actual_use",
                    "measured_area_m2",
                ),
            ),
            (
                "制止与巡查（请填写）",
                2,
                (
                    "stop_notice_no",
                    "stop_notice_date",
                    "stop_effect",
                    "is_notified",
                    "is_found_by_patrol",
                    "patrol_record_no",
                ),
            ),
            (
                "意见与签署（请填写）",
                1,
                ("handling_opinion", "photo_note", "filled_by", "checked_by", "filled_date"),
            ),
        ),
    ),
    (
        "线索与理由",
        (
            (
                "图斑情况",
                2,
                (
                    "serial_no",
                    "source",
                    "township_name",
                    "village_code",
                    "before_date",
                    "after_date",
                    "change_kind",
                    "observed_ratio",
                    "center_lon",
                    "center_lat",
                    "width_m",
                    "is_straddling",
                ),
            ),
            (
                "程序初判（线索，待核查）",
                1,
                (
                    "violation_kinds_zh",
                    "flags_zh",
                    "reasons_zh",
                    "missing_evidence_zh",
                    "handling_route",
                    "priority",
                    "priority_parts_zh",
                    "responsible_zh",
                    "patrol_area_id",
                    "patrol_grade",
                    "responsible_person",
                ),
            ),
        ),
    ),
    ("套合面积", (("亩", 2, MU_COLUMNS), ("平方米", 2, (*M2_COLUMNS, "cultivated_net_m2")))),
)
"""Tabs, groups and their columns in the form of `patches`."""
