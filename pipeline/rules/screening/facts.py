"""What is known of one patch when it is screened: measures, pieces, documents; nothing decided.

A value that is not known is None, and a reference layer that was not supplied is missing from
`PatchFacts.supplied`: neither ever counts as zero.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import fsum

CULTIVATED = "cultivated"
EXISTING_CONSTRUCTION = "construction"

ACTS = frozenset({"excavation", "grave_kiln", "waste"})
"""Kinds that are no construction but may harm farmland (挖砂采石、坟窑、堆放)."""

MINING_KINDS = frozenset({"excavation", "earthwork", "unknown"})
"""Kinds that are digging for minerals in a patch that was issued under the theme 矿产."""

DOCUMENT_LAYERS: Mapping[str, tuple[str | None, str | None]] = {
    "approvals": ("approval_id", "approved_date"),
    "supply": ("supply_id", "supply_date"),
    "registration": ("registration_id", "registered_date"),
    "facility_land": ("facility_id", "approved_date"),
    "temporary_land": ("temporary_id", "approved_date"),
    "permits": ("planning_permit_id", "permitted_date"),
    "mining_rights": ("mining_right_id", "valid_from_date"),
    "other_uses": (None, "approved_date"),
    "applications": (None, "applied_date"),
    "buildings": (None, None),
}
"""Layer of documents → column of the overlay's parts that names one, date that counts.

Without a column the overlay does not know the layer, and the screening itself cuts the parts.
Outlines of buildings are no documents, but are cut in the same way.
"""


@dataclass(frozen=True)
class Document:
    """One approval, supply, registration, filing, temporary use, permit or mining right."""

    layer: str
    """Core name of its reference layer."""
    feature_id: str
    document_no: str | None = None
    decided_date: datetime.date | None = None
    """Day of approval, supply, registration, filing or permit; first day of a mining right."""
    valid_from_date: datetime.date | None = None
    valid_to_date: datetime.date | None = None
    permit_kind: str | None = None
    """`urban` or `rural`, planning permits only."""
    holder_name: str | None = None
    approved_use: str | None = None
    """As delivered, in words."""
    use_kind: str | None = None
    """Code of configs/codes/other_use.csv, `other_uses` only."""


@dataclass(frozen=True)
class Piece:
    """A piece of the patch inside which everything is the same; pieces do not overlap."""

    area_m2: float
    """On the ellipsoid."""
    land_category: str | None = None
    """cultivated, other_agricultural, unused or construction; None not covered by the survey."""
    is_surveyed_later: bool = False
    """Whether the survey is newer than the before image, so that it may show the change itself."""
    is_pbf: bool = False
    is_redline: bool = False
    is_reserve: bool = False
    is_urban: bool = False
    """Inside the urban development boundary."""
    is_settlement: bool = False
    plan_zone_code: str | None = None
    is_plan_conforming: bool | None = None
    """Whether construction conforms with the plan there; None not known."""
    documents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Layer → ids of *all* its documents that cover the piece."""


@dataclass(frozen=True)
class PriorResult:
    """An earlier patch at the same place."""

    issued_id: str | None
    result: str
    cover_ratio: float
    """Share of this patch that it overlaps, 0–1."""
    is_same_id: bool = False
    """Whether both carry the same issued id, wherever they lie."""


@dataclass(frozen=True)
class NearbyApproval:
    """An approval beside the patch, not under it."""

    document: Document
    distance_m: float
    used_ratio: float
    """Share of the approved land on which changes or earlier construction are known, 0–1."""


@dataclass(frozen=True)
class EarlierLand:
    """A patch's land in earlier runs (图斑沿革), as `extract` found it."""

    relation: str
    """Code of configs/codes/lineage_relation.csv; `adjoins` beside open land, not on it."""
    state: str
    """Code of configs/codes/earlier_state.csv, of the patch whose identity it takes."""
    patches: tuple[str, ...]
    """Run and id of the patches of the same land, or of the open ones it adjoins."""
    is_continuing: bool = False
    is_grown: bool = False
    grown_m2: float | None = None
    has_stop_notice: bool = False
    stop_notice_no: str | None = None
    stop_notice_date: datetime.date | None = None
    is_regularising: bool = False
    """Whether a case of the land is being regularised and not accepted yet (补办中)."""


@dataclass(frozen=True)
class PatchFacts:
    """One overlaid patch with its pieces and the documents that cover them."""

    patch_id: str
    source: str
    """detected, issued or both."""
    before_date: datetime.date | None
    after_date: datetime.date | None
    change_kind: str
    """Code of the change kind; `unknown` if it is not known."""
    is_construction: bool | None
    """Whether the kind is construction, by the code table; None unknown."""
    observed_ratio: float
    area_m2: float
    perimeter_m: float
    width_m: float
    pieces: tuple[Piece, ...]
    documents: Mapping[tuple[str, str], Document]
    """(layer, feature id) → document."""
    supplied: frozenset[str]
    """Core names of the reference layers that were supplied."""
    highway_ratio: float | None = None
    """Share beside national and provincial roads, 0–1; None if no roads were supplied."""
    parcel_ratio: float | None = None
    """Share of the outline that adjoins approved, supplied or registered land; None unknown."""
    prior_results: tuple[PriorResult, ...] = ()
    nearby_approvals: tuple[NearbyApproval, ...] = ()
    earlier: EarlierLand | None = None
    """What earlier runs told of the land; None if nothing."""
    theme: str = "land"
    """land or mineral, as issued."""
    responsible_code: str | None = None
    responsible_candidates: tuple[str, ...] = ()
    straddles: tuple[str, ...] = ()
    patrol_grade: str | None = None

    @property
    def is_mining(self) -> bool:
        """Whether the change is digging: seen as such, or issued under the theme 矿产."""
        is_of_theme = self.theme == "mineral" and self.change_kind in MINING_KINDS
        return self.change_kind == "excavation" or is_of_theme

    @property
    def is_act(self) -> bool:
        """Whether the change is no construction but may harm farmland."""
        return self.change_kind in ACTS or self.is_mining

    @property
    def may_be_construction(self) -> bool:
        """Whether the change is construction, or nobody knows."""
        return self.is_construction is not False and not self.is_mining

    def has(self, layer: str) -> bool:
        """Whether a reference layer was supplied."""
        return layer in self.supplied

    def documents_on(self, piece: Piece, layers: Iterable[str]) -> tuple[Document, ...]:
        """The documents of some layers that cover a piece."""
        return tuple(
            self.documents[layer, feature_id]
            for layer in layers
            for feature_id in piece.documents.get(layer, ())
        )

    @cached_property
    def cultivated_m2(self) -> float:
        """Cultivated land, gross; 0 where the survey has a gap."""
        return area_of(self.pieces, is_cultivated)

    @cached_property
    def pbf_m2(self) -> float:
        """Permanent basic farmland."""
        return area_of(self.pieces, is_on_pbf)

    @property
    def length_m(self) -> float:
        """Length of a strip of this area and width."""
        return self.area_m2 / self.width_m


def is_cultivated(piece: Piece) -> bool:
    """On cultivated land by the survey."""
    return piece.land_category == CULTIVATED


def is_on_pbf(piece: Piece) -> bool:
    """On permanent basic farmland."""
    return piece.is_pbf


def is_existing(piece: Piece) -> bool:
    """On construction land of a survey before the change."""
    return piece.land_category == EXISTING_CONSTRUCTION and not piece.is_surveyed_later


def may_be_existing(piece: Piece) -> bool:
    """On construction land of any survey, one after the before image too."""
    return piece.land_category == EXISTING_CONSTRUCTION


def is_general_cultivated(piece: Piece) -> bool:
    """On 一般耕地: cultivated, outside permanent basic farmland."""
    return is_cultivated(piece) and not piece.is_pbf


def area_of(pieces: Iterable[Piece], condition: Callable[[Piece], bool] = lambda _: True) -> float:
    """Total area of the pieces that meet a condition, m², in an order-free sum."""
    return fsum(piece.area_m2 for piece in pieces if condition(piece))
