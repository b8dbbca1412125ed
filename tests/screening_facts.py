"""Facts of one patch in memory, for the screening's unit tests: a plain building on farmland."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import Any

from pipeline.config.load import CODES_DIR, RULES_DIR, load_codes, load_rules
from pipeline.rules.screening.facts import Document, PatchFacts, Piece
from pipeline.rules.screening.reasoning import Walk
from pipeline.schema.reference import REFERENCE_LAYERS

D = datetime.date
BEFORE, AFTER = D(2024, 5, 6), D(2024, 10, 18)
RULES = load_rules(RULES_DIR)
CODES = {path.stem: load_codes(path) for path in CODES_DIR.glob("*.csv")}


def document(
    layer: str,
    feature_id: str,
    decided: datetime.date | None = None,
    first: datetime.date | None = None,
    last: datetime.date | None = None,
) -> Document:
    return Document(layer, feature_id, None, decided, first, last)


def piece(area_m2: float, *documents: Document, **place: Any) -> Piece:
    covers: dict[str, tuple[str, ...]] = {}
    for one in documents:
        covers[one.layer] = (*covers.get(one.layer, ()), one.feature_id)
    return Piece(area_m2, **({"land_category": "cultivated"} | place), documents=covers)


def patch(
    pieces: Sequence[Piece], documents: Sequence[Document] = (), **changes: Any
) -> PatchFacts:
    area = math.fsum(one.area_m2 for one in pieces)
    values: dict[str, Any] = {
        "patch_id": "379999ZJ24000001",
        "source": "issued",
        "before_date": BEFORE,
        "after_date": AFTER,
        "change_kind": "building",
        "is_construction": True,
        "observed_ratio": 1.0,
        "area_m2": area,
        "perimeter_m": 4 * math.sqrt(area),
        "width_m": math.sqrt(area),
        "pieces": tuple(pieces),
        "documents": {(one.layer, one.feature_id): one for one in documents},
        "supplied": frozenset(REFERENCE_LAYERS),
        "highway_ratio": 0.0,
        "responsible_code": "379999101",
        "responsible_candidates": ("379999101",),
    }
    return PatchFacts(**(values | changes))


def walk(facts: PatchFacts, on: datetime.date = AFTER) -> Walk:
    return Walk(facts, RULES, on, CODES)
