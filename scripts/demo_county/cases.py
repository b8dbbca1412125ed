"""The legal cases to plant: where each must lie, what is built, and what should come out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One kind of planted change."""

    case_id: str
    kind: str
    """Code of `configs/codes/change_kind.csv`."""
    region: str
    """rural, lane, urban, zone, village, moved, border, cloud, nodata, right (mining), ridge."""
    land: str
    """cultivated, open, any (either), lane (or farm roads), wood, construction."""
    expected: str | None
    """Code of `configs/codes/suspected_class.csv`."""
    design: str
    """How it looks; see `designs`."""
    documents: str = ""
    """Which papers exist; see `documents`."""
    tblx: tuple[str, ...] = ()
    """TBLX it is issued under, in turn; "" for not issued; empty for the first and some more.

    The first plant of every case is issued, so that its outcome hangs on the law alone and not on
    how well it is detected; QT stands for a kind the issuer has no code for.
    """
    on_pbf: bool = False
    area_m2: tuple[float, float] = (250.0, 6000.0)
    exact_mu: float | None = None
    """Area the issued outline has exactly, 亩."""


SV = "suspected_violation"
MIDDLE = (700.0, 3000.0)

CASES: tuple[Case, ...] = (
    Case("pbf_499", "building", "rural", "cultivated", SV, "factory", tblx=("20",), on_pbf=True,
         exact_mu=4.99),
    Case("pbf_500", "building", "rural", "cultivated", SV, "factory", tblx=("20",), on_pbf=True,
         exact_mu=5.0),
    Case("pbf_501", "building", "rural", "cultivated", SV, "factory", tblx=("20",), on_pbf=True,
         exact_mu=5.01),
    Case("rural_road", "road", "lane", "lane", "rural_road", "road", tblx=("ND", "")),
    Case("sliver", "hardened", "rural", "any", "other", "sliver", "approved", ("YH",)),
    Case("straddle", "building", "border", "cultivated", SV, "factory", tblx=("20",),
         area_m2=MIDDLE),
    Case("boundary_changed", "building", "moved", "any", SV, "factory", tblx=("20", ""),
         area_m2=MIDDLE),
    Case("cloud", "building", "cloud", "any", "unobserved", "factory", tblx=("20",),
         area_m2=(400.0, 900.0)),
    Case("nodata", "building", "nodata", "any", "unobserved", "factory", tblx=("20",),
         area_m2=(400.0, 1200.0)),
    Case("devzone", "building", "zone", "open", SV, "factory", tblx=("20", ""), area_m2=MIDDLE),
    Case("devzone_approved", "building", "zone", "open", "approved", "factory", "approved",
         ("20", ""), area_m2=MIDDLE),
    Case("V6", "building", "urban", "any", SV, "factory", area_m2=MIDDLE),
    Case("V7", "building", "village", "any", SV, "houses", area_m2=(260.0, 900.0)),
    Case("existing", "building", "anywhere", "construction", "existing_construction", "hall",
         area_m2=(250.0, 1500.0)),
    Case("V5", "excavation", "ridge", "wood", SV, "pit", tblx=("CK",), area_m2=(500.0, 2500.0)),
    Case("mining_in_right", "excavation", "right", "wood", "other", "pit", tblx=("CK",),
         area_m2=(300.0, 1200.0)),
    Case("water", "water", "reservoir", "water", "not_construction", "none", tblx=("SM",)),
    Case("V2", "building", "rural", "open", SV, "hall", "temporary_valid", ("20",),
         area_m2=MIDDLE),
    Case("V4", "building", "rural", "cultivated", SV, "mixed", on_pbf=True),
    Case("V4b", "waste", "rural", "cultivated", SV, "waste", tblx=("WL",), on_pbf=True,
         area_m2=MIDDLE),
    Case("V3", "building", "rural", "cultivated", SV, "mixed"),
    Case("V3b", "excavation", "rural", "cultivated", SV, "pit", tblx=("CK",), area_m2=MIDDLE),
    Case("V1", "building", "rural", "open", SV, "mixed"),
    Case("part_approved", "building", "rural", "any", "part_approved", "mixed", "part_approved",
         area_m2=(900.0, 4500.0)),
    Case("approved", "building", "rural", "any", "approved", "mixed", "approved",
         area_m2=(500.0, 6000.0)),
    Case("approved_late", "building", "rural", "any", "built_before_approval", "mixed",
         "approved_late", area_m2=MIDDLE),
    Case("approved_between", "building", "rural", "any", "uncertain", "mixed", "approved_between",
         area_m2=MIDDLE),
    Case("used_before_supply", "building", "rural", "any", "used_before_supply", "mixed",
         "approval_only", area_m2=MIDDLE),
    Case("registered", "building", "rural", "any", "approved", "mixed", "registration",
         area_m2=MIDDLE),
    Case("temporary_valid", "hardened", "rural", "any", "temporary", "yard", "temporary_valid",
         ("YH", ""), area_m2=MIDDLE),
    Case("temporary_expired", "hardened", "rural", "open", SV, "yard", "temporary_expired",
         ("YH", ""), area_m2=MIDDLE),
    Case("facility_real", "facility", "rural", "any", "facility", "tunnels", "facility",
         ("QT", ""), area_m2=(900.0, 5000.0)),
    Case("facility_cover", "building", "rural", "open", SV, "hall", "facility", ("20", "YH"),
         area_m2=MIDDLE),
    Case("greenhouse_unfiled", "facility", "rural", "open", SV, "tunnels", "", ("QT", ""),
         area_m2=MIDDLE),
    Case("earthwork", "earthwork", "rural", "any", "early_warning", "pushed", "", ("TD",),
         area_m2=MIDDLE),
    Case("crop", "crop", "rural", "cultivated", "not_construction", "crop", "", ("01",),
         area_m2=MIDDLE),
    Case("missed", "building", "rural", "open", SV, "vanishing", "", ("20",),
         area_m2=(300.0, 800.0)),
)  # fmt: skip

POPULATION: dict[str, float] = {
    "V3": 0.24, "V1": 0.15, "approved": 0.15, "V4": 0.10, "V7": 0.07, "V6": 0.05,
    "existing": 0.06, "part_approved": 0.04, "registered": 0.03, "temporary_valid": 0.03,
    "facility_real": 0.03, "rural_road": 0.02, "devzone_approved": 0.02, "approved_between": 0.01,
}  # fmt: skip
"""What fills the county up to its density once each case stands."""
CONSTRUCTIONS_PER_KM2 = 6.0

CASE_BY_ID = {case.case_id: case for case in CASES}
ISSUED_SHARE = 0.35
"""Of the plants whose case leaves it open."""
OPEN_TBLX = {"building": "20", "hardened": "YH", "road": "ND", "photovoltaic": "GF"}
CONSTRUCTION_KINDS = frozenset(
    {"construction", "building", "hardened", "road", "photovoltaic", "facility"}
)
