"""The county's reference layers (参考图层) in core names: what intake makes of delivered files."""

from __future__ import annotations

from pipeline.schema.layer import GeometryType, LayerSpec


def _layer(
    name: str, label_zh: str, fields: tuple[str, ...] = (), geometry: GeometryType = "MultiPolygon"
) -> LayerSpec:
    return LayerSpec(
        name, label_zh, ("feature_id", "vintage_date", *fields), geometry, ("feature_id",)
    )


_VALID = ("valid_from_date", "valid_to_date")
_SCENE = ("scene_id", "scene_date", "sensor_name")

REFERENCE_LAYERS: dict[str, LayerSpec] = {
    spec.name: spec
    for spec in (
        _layer(
            "townships",
            "乡镇（街道、开发区）",
            ("township_code", "township_name", "township_kind", *_VALID),
        ),
        _layer("villages", "村", ("village_code", "village_name", *_VALID)),
        _layer("land_use", "地类图斑", ("land_class_code", "land_class_name", "bund_ratio")),
        _layer("permanent_basic_farmland", "永久基本农田", ("feature_name",)),
        _layer("ecological_redline", "生态保护红线", ("feature_name",)),
        _layer("nature_reserve", "自然保护地", ("feature_name",)),
        _layer("urban_boundary", "城镇开发边界", ("feature_name",)),
        _layer("settlements", "村庄范围", ("feature_name",)),
        _layer("planning_zones", "规划分区", ("zone_code", "zone_name")),
        _layer(
            "approvals",
            "建设用地批文",
            ("document_no", "project_name", "approved_date", "approved_use", "holder_name"),
        ),
        _layer(
            "supply",
            "供地",
            ("document_no", "project_name", "supply_date", "approved_use", "holder_name"),
        ),
        _layer("registration", "不动产登记", ("document_no", "registered_date", "holder_name")),
        _layer(
            "facility_land",
            "设施农用地",
            (
                "document_no",
                "project_name",
                "approved_date",
                *_VALID,
                "approved_use",
                "holder_name",
            ),
        ),
        _layer(
            "temporary_land",
            "临时用地",
            ("document_no", "project_name", "approved_date", *_VALID, "holder_name"),
        ),
        _layer(
            "permits",
            "规划许可",
            ("document_no", "permit_kind", "permitted_date", "holder_name"),
        ),
        _layer(
            "other_uses",
            "其他用地（认定）",
            (
                "document_no",
                "project_name",
                "use_kind",
                "approved_date",
                *_VALID,
                "holder_name",
            ),
        ),
        _layer(
            "applications",
            "在报用地（未批）",
            ("document_no", "project_name", "applied_date", "holder_name"),
        ),
        _layer("buildings", "建筑轮廓", ("feature_name",)),
        _layer("mining_rights", "采矿权", ("document_no", "mineral_name", *_VALID, "holder_name")),
        _layer(
            "patrol_areas",
            "巡查区",
            ("patrol_area_id", "patrol_grade", "responsible_code", "responsible_person", *_VALID),
        ),
        _layer("patrol_zones", "巡查分级范围", ("patrol_zone_kind", "feature_name", *_VALID)),
        _layer("roads", "道路", ("road_name", "road_class"), "MultiLineString"),
        _layer("previous_patches", "以往图斑", ("issued_id", "prior_result")),
        _layer(
            "issued_patches",
            "下发图斑",
            (
                "issued_id",
                "before_date",
                "after_date",
                "change_kind",
                "tblx",
                "stated_area_m2",
                "batch_no",
                "issued_theme",
            ),
        ),
        _layer("before_seams", "前时相镶嵌线", _SCENE),
        _layer("after_seams", "后时相镶嵌线", _SCENE),
        _layer(
            "patrol_records",
            "巡查台账",
            ("patrol_date", "patrol_area_id", "person_name", "finding_text"),
            "Point",
        ),
        _layer("patrol_tracks", "巡查轨迹", ("patrol_date", "patrol_area_id"), "MultiLineString"),
        _layer("leads", "线索", ("lead_date", "lead_text"), "Point"),
    )
}
"""Every reference layer by its core name, in the order of the report."""

REQUIRED_LAYERS = frozenset({"townships"})
"""Layers without which a county can not be worked; all others may be left out."""

REQUIRED_VALUES: dict[str, frozenset[str]] = {
    "townships": frozenset({"township_code", "township_name", "township_kind"}),
    "villages": frozenset({"village_code"}),
    "land_use": frozenset({"land_class_code"}),
    "planning_zones": frozenset({"zone_code"}),
    "permits": frozenset({"permit_kind"}),
    "other_uses": frozenset({"use_kind"}),
    "patrol_areas": frozenset({"patrol_area_id"}),
    "patrol_zones": frozenset({"patrol_zone_kind"}),
    "roads": frozenset({"road_class"}),
    "issued_patches": frozenset({"issued_id"}),
}
"""Fields that must be mapped and filled although the register lets them be NULL elsewhere."""

EXPECTED_VALUES: dict[str, frozenset[str]] = {"villages": frozenset({"village_name"})}
"""Fields whose NULL is told, and does not stop the work: only a name is missing in print."""

AREA_FIELD = "stated_area_m2"
"""Area as the source states it; any polygon layer may map it, to be compared with the outline."""
