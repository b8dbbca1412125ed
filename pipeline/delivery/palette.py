"""Colours of delivered maps: calm land-management colours, patches standing out.

Colours of land follow the custom of Chinese land-use maps: 耕地 yellow, 永久基本农田 yellow-green,
生态保护红线 green, 建设用地 rose. Patches go from red (疑似违法) over orange and purple to grey (no
construction).
"""

from __future__ import annotations

from pipeline.delivery.symbols import Fill

OTHER = "120,120,120"

SUSPECTED_COLORS: dict[str, str] = {
    "suspected_violation": "214,25,40",
    "part_approved": "230,90,20",
    "built_before_approval": "214,70,110",
    "used_before_supply": "240,140,30",
    "uncertain": "150,60,180",
    "early_warning": "205,150,0",
    "facility": "0,140,130",
    "temporary": "20,120,200",
    "rural_road": "90,95,200",
    "other": "110,110,160",
    "existing_construction": "150,100,80",
    "unobserved": "70,70,70",
    "approved": "40,140,60",
    "not_construction": "130,140,140",
}
"""Outline colour `r,g,b` by suspected class."""

QUIET_CLASSES = frozenset({"not_construction"})
"""Drawn with a thin line: in a whole county they outnumber what has to be verified."""

PART_COLORS: dict[str, str] = {
    "cultivated": "250,225,110,150",
    "other_agricultural": "180,210,130,150",
    "unused": "215,205,190,150",
    "construction": "235,160,170,150",
}

TOWNSHIP_SYMBOL = Fill("0,0,0,0", "110,40,110,255", 0.7, "dash dot", has_casing=True)

ROUTE_COLORS = tuple(
    Fill(outline=f"{color},200", width_mm=0.5)
    for color in ("20,90,170", "200,95,0", "0,120,90", "130,50,150", "90,90,20", "170,20,90")
)
"""Lines of the day plan, the first day first."""

STOP_SYMBOL = Fill("255,255,255,255", "20,70,130,255", 0.4)

REFERENCE_SYMBOLS: dict[str, tuple[Fill, str, int]] = {
    "villages": (Fill("0,0,0,0", "140,110,140,200", 0.25, "dash"), '"village_name"', 40_000),
    "land_use": (Fill("0,0,0,0", "150,140,110,130", 0.1), '"land_class_code"', 8_000),
    "permanent_basic_farmland": (
        Fill("238,222,90,40", "176,160,20,220", 0.3, hatch="176,160,20,150"),
        "",
        0,
    ),
    "ecological_redline": (
        Fill("60,160,90,30", "20,120,60,240", 0.5, hatch="20,120,60,130", hatch_angle=135),
        "",
        0,
    ),
    "nature_reserve": (Fill("90,180,120,36", "40,130,80,220", 0.4, "dash"), '"feature_name"', 0),
    "urban_boundary": (Fill("0,0,0,0", "200,60,90,230", 0.5, "dash"), "", 0),
    "settlements": (Fill("235,160,170,40", "200,110,125,180", 0.2), "", 0),
    "planning_zones": (Fill("0,0,0,0", "190,130,160,170", 0.2, "dot"), '"zone_name"', 20_000),
    "approvals": (Fill("80,120,220,36", "50,90,200,230", 0.4), '"document_no"', 10_000),
    "supply": (Fill("90,160,230,30", "40,130,210,220", 0.35, "dash"), '"document_no"', 10_000),
    "registration": (Fill("130,130,230,26", "90,90,200,210", 0.3, "dot"), "", 0),
    "facility_land": (Fill("60,180,170,36", "0,140,130,220", 0.35), '"document_no"', 10_000),
    "temporary_land": (
        Fill("80,180,230,36", "10,120,180,220", 0.35, "dash"),
        '"document_no"',
        10_000,
    ),
    "permits": (Fill("150,110,210,26", "120,80,190,200", 0.3, "dash"), "", 0),
    "other_uses": (Fill("120,160,160,26", "70,120,120,200", 0.3, "dash"), "", 0),
    "applications": (Fill("230,160,60,20", "200,120,20,200", 0.3, "dot"), "", 0),
    "buildings": (Fill("0,0,0,0", "90,90,90,200", 0.2), "", 0),
    "mining_rights": (
        Fill("0,0,0,0", "120,80,40,230", 0.4, hatch="120,80,40,120", hatch_angle=90),
        "",
        0,
    ),
    "patrol_areas": (Fill("0,0,0,0", "0,110,160,180", 0.3, "dot"), '"patrol_area_id"', 40_000),
    "patrol_zones": (Fill("0,0,0,0", "0,110,160,120", 0.3, "dash"), '"feature_name"', 40_000),
    "roads": (Fill("0,0,0,0", "190,120,60,200", 0.4), '"road_name"', 20_000),
    "previous_patches": (Fill("0,0,0,0", "120,120,120,220", 0.3, "dash"), "", 0),
    "issued_patches": (Fill("0,0,0,0", "30,30,30,255", 0.4, "dash"), "", 0),
    "patrol_records": (Fill("0,110,160,220", "255,255,255,255", 0.3), '"patrol_date"', 20_000),
    "patrol_tracks": (Fill("0,0,0,0", "0,110,160,150", 0.3, "dash"), "", 0),
}
"""Symbol, label expression and smallest labelled scale by reference layer (core name)."""
