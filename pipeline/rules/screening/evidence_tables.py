"""Tables of the overlay and the reference layers → the facts of each patch.

The overlay names one document per layer and part (the newest). An older one below it may be the
timely one, so parts under several documents of a layer are cut further here.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.rules.screening.facts import (
    DOCUMENT_LAYERS,
    Document,
    EarlierLand,
    PatchFacts,
    Piece,
    PriorResult,
)
from pipeline.rules.screening.nearby import nearby_approvals
from pipeline.rules.screening.permissions import LEGAL_LAYERS

HIGHWAY_CLASSES = ("national", "provincial")
MIN_OVERLAP_M2 = 0.01
"""Smaller intersections of a part with a further document are noise of the coordinates."""

SUPPLIED_BY_COLUMN = {
    "land_use": "cultivated_m2",
    "permanent_basic_farmland": "pbf_m2",
    "ecological_redline": "redline_m2",
    "nature_reserve": "reserve_m2",
    "approvals": "approved_m2",
    "supply": "supplied_m2",
    "registration": "registered_m2",
    "facility_land": "facility_m2",
    "temporary_land": "temporary_m2",
}
"""Layers whose absence shows as NULL in the overlaid patches."""


@dataclass(frozen=True)
class Evidence:
    """The tables one run is screened from."""

    patches: gpd.GeoDataFrame
    """`OVERLAID`."""
    parts: gpd.GeoDataFrame
    """`PARTS`."""
    layers: Mapping[str, gpd.GeoDataFrame]
    """Reference layers that were supplied, by core name, in the same CRS (metres)."""
    is_construction: Mapping[str, bool | None]
    """Change kind → whether it is construction, by the code table."""
    earlier: Mapping[str, EarlierLand] = field(default_factory=dict)
    """Patch id → what earlier runs told of its land."""


@dataclass(frozen=True)
class Reach:
    """How far around a patch to look, metres: rules on the patch's date."""

    highway_m: float
    """Beside national and provincial roads."""
    parcel_m: float
    """To approved, supplied or registered land."""
    elsewhere_m: float
    """To approvals beside the patch."""


def gather_facts(evidence: Evidence, reaches: Sequence[Reach]) -> Iterator[PatchFacts]:
    """The facts of every patch, in the order of the table; one reach per patch."""
    documents = {
        (document.layer, document.feature_id): document
        for layer in DOCUMENT_LAYERS
        for document in _documents(layer, evidence.layers.get(layer))
    }
    pieces = _pieces_by_patch(evidence)
    priors = _prior_results(evidence)
    highways = _highway_ratios(evidence, [reach.highway_m for reach in reaches])
    parcels = _parcel_ratios(evidence, [reach.parcel_m for reach in reaches])
    approvals = {i: one for (layer, i), one in documents.items() if layer == "approvals"}
    beside = nearby_approvals(
        evidence.patches,
        evidence.layers,
        approvals,
        evidence.is_construction,
        [reach.elsewhere_m for reach in reaches],
    )
    for number, row in enumerate(evidence.patches.to_dict("records")):
        patch_id = str(row["patch_id"])
        kind = _text(row["change_kind"]) or "unknown"
        own = tuple(pieces.get(patch_id, ()))
        named = {(k, i) for piece in own for k, ids in piece.documents.items() for i in ids}
        yield PatchFacts(
            patch_id=patch_id,
            source=str(row["source"]),
            before_date=_date(row["before_date"]),
            after_date=_date(row["after_date"]),
            change_kind=kind,
            is_construction=evidence.is_construction.get(kind),
            observed_ratio=float(row["observed_ratio"]),
            area_m2=float(row["area_m2"]),
            perimeter_m=float(row["perimeter_m"]),
            width_m=float(row["width_m"]),
            pieces=own,
            documents={key: documents.get(key) or Document(*key) for key in sorted(named)},
            supplied=_supplied(row, evidence.layers),
            highway_ratio=highways[number],
            parcel_ratio=parcels[number],
            prior_results=tuple(priors.get(number, ())),
            nearby_approvals=beside[number],
            earlier=evidence.earlier.get(patch_id),
            theme=str(row["theme"]),
            responsible_code=_text(row["responsible_code"]),
            responsible_candidates=tuple(row["responsible_names"]),
            straddles=tuple(row["straddles"]),
            patrol_grade=_text(row["patrol_grade"]),
        )


def _supplied(row: Mapping[str, Any], layers: Mapping[str, gpd.GeoDataFrame]) -> frozenset[str]:
    by_column = {name for name, column in SUPPLIED_BY_COLUMN.items() if not pd.isna(row[column])}
    return frozenset(by_column | (set(layers) - set(SUPPLIED_BY_COLUMN)))


def _documents(layer: str, table: gpd.GeoDataFrame | None) -> Iterator[Document]:
    if table is None:
        return
    date_column = DOCUMENT_LAYERS[layer][1]
    for row in table.drop(columns="geometry").to_dict("records"):
        yield Document(
            layer=layer,
            feature_id=str(row["feature_id"]),
            document_no=_text(row.get("document_no")),
            decided_date=None if date_column is None else _date(row.get(date_column)),
            valid_from_date=_date(row.get("valid_from_date")),
            valid_to_date=_date(row.get("valid_to_date")),
            permit_kind=_text(row.get("permit_kind")),
            holder_name=_text(row.get("holder_name")),
            approved_use=_text(row.get("approved_use")),
            use_kind=_text(row.get("use_kind")),
        )


def _pieces_by_patch(evidence: Evidence) -> dict[str, list[Piece]]:
    further = _further_documents(evidence)
    pieces: dict[str, list[Piece]] = defaultdict(list)
    shapes = np.asarray(evidence.parts.geometry, dtype=object)
    before = dict(zip(evidence.patches["patch_id"], evidence.patches["before_date"], strict=True))
    for number, row in enumerate(evidence.parts.drop(columns="geometry").to_dict("records")):
        own = {
            layer: (feature_id,)
            for layer, (column, _) in DOCUMENT_LAYERS.items()
            if column is not None and (feature_id := _text(row[column])) is not None
        }
        atoms = _atoms(shapes[number], further.get(number, ()))
        total = fsum(share for share, _ in atoms)
        for share, extra in atoms:
            covers = {
                layer: own.get(layer, ()) + extra.get(layer, ())
                for layer in DOCUMENT_LAYERS
                if layer in own or layer in extra
            }
            area_m2 = float(row["area_m2"]) * (share / total)
            piece = _piece(row, area_m2, covers, _date(before[row["patch_id"]]))
            pieces[str(row["patch_id"])].append(piece)
    return pieces


def _piece(
    row: Mapping[str, Any],
    area_m2: float,
    covers: Mapping[str, tuple[str, ...]],
    before: datetime.date | None,
) -> Piece:
    surveyed = _date(row["land_use_date"])
    return Piece(
        area_m2=area_m2,
        land_category=_text(row["land_category"]),
        is_surveyed_later=before is not None and surveyed is not None and surveyed > before,
        is_pbf=_text(row["pbf_id"]) is not None,
        is_redline=_text(row["redline_id"]) is not None,
        is_reserve=_text(row["reserve_id"]) is not None,
        is_urban=_text(row["urban_boundary_id"]) is not None,
        is_settlement=_text(row["settlement_id"]) is not None,
        plan_zone_code=_text(row["plan_zone_code"]),
        is_plan_conforming=_flag(row["is_plan_conforming"]),
        documents=covers,
    )


Further = tuple[str, str, BaseGeometry]
"""Layer, feature id and outline of a document below the one that the overlay names."""


def _further_documents(evidence: Evidence) -> dict[int, list[Further]]:
    """Row of a part → what covers it besides the document named, in order of layer and id."""
    found: dict[int, list[Further]] = defaultdict(list)
    shapes = np.asarray(evidence.parts.geometry, dtype=object)
    for layer, (column, _) in DOCUMENT_LAYERS.items():
        table = evidence.layers.get(layer)
        if table is None or table.empty or not len(shapes):
            continue
        outlines = np.asarray(table.geometry, dtype=object)
        ids = table["feature_id"].to_numpy(dtype=object)
        at, of = shapely.STRtree(outlines).query(shapes, predicate="intersects")
        keep = np.ones(at.size, dtype=bool)
        if column is not None:
            named = evidence.parts[column].to_numpy(dtype=object)
            # Where the overlay names no document at all, a touch is noise of the coordinates.
            keep = (ids[of] != named[at]) & ~pd.isna(named[at])
        pairs = sorted(zip(at[keep], of[keep], strict=True), key=lambda pair: ids[pair[1]])
        for part, document in pairs:
            overlap = shapely.intersection(shapes[part], outlines[document])
            if shapely.area(overlap) > MIN_OVERLAP_M2:
                found[int(part)].append((layer, str(ids[document]), outlines[document]))
    return found


def _atoms(
    shape: BaseGeometry, further: Sequence[Further]
) -> list[tuple[float, dict[str, tuple[str, ...]]]]:
    """Pieces of a part by the further documents: relative size, ids by layer."""
    if not further:
        return [(1.0, {})]
    atoms: list[tuple[BaseGeometry, dict[str, tuple[str, ...]]]] = [(shape, {})]
    for layer, feature_id, outline in further:
        cut = []
        for rest, ids in atoms:
            more = ids | {layer: (*ids.get(layer, ()), feature_id)}
            cut += [(shapely.intersection(rest, outline), more)]
            cut += [(shapely.difference(rest, outline), ids)]
        atoms = [(piece, ids) for piece, ids in cut if shapely.area(piece) > 0.0]
    # A part may be too thin for its planar area to be more than 0; it stays one piece.
    return [(float(shapely.area(piece)), ids) for piece, ids in atoms] or [(1.0, {})]


def _highway_ratios(evidence: Evidence, buffers_m: Sequence[float]) -> list[float | None]:
    """Share of each patch beside national and provincial roads; None without a road layer."""
    roads = evidence.layers.get("roads")
    if roads is None:
        return [None] * len(evidence.patches)
    lines = np.asarray(roads.geometry[roads["road_class"].isin(HIGHWAY_CLASSES)], dtype=object)
    return list(_near_ratios(evidence.patches, lines, buffers_m))


def _parcel_ratios(evidence: Evidence, reaches_m: Sequence[float]) -> list[float | None]:
    """Share of each outline that adjoins land with a legal document; None without such layers."""
    tables = [evidence.layers[name] for name in LEGAL_LAYERS if name in evidence.layers]
    if not tables:
        return [None] * len(evidence.patches)
    parcels = np.concatenate([np.asarray(table.geometry, dtype=object) for table in tables])
    outlines = evidence.patches.assign(geometry=evidence.patches.boundary)
    return list(_near_ratios(outlines, parcels, reaches_m))


def _near_ratios(
    patches: gpd.GeoDataFrame, features: NDArray[np.object_], reaches_m: Sequence[float]
) -> Iterator[float]:
    """Share (of area or length) of each shape within a distance of any feature."""
    tree = shapely.STRtree(features)
    for shape, reach_m in zip(patches.geometry, reaches_m, strict=True):
        near = features[np.sort(tree.query(shape, predicate="dwithin", distance=reach_m))]
        inside = shapely.intersection(shape, shapely.union_all(shapely.buffer(near, reach_m)))
        is_line = shape.geom_type.endswith("LineString")
        measure = shapely.length if is_line else shapely.area
        yield float(measure(inside) / measure(shape))


def _prior_results(evidence: Evidence) -> dict[int, list[PriorResult]]:
    """Row of a patch → earlier results at its place or under its issued id."""
    table = evidence.layers.get("previous_patches")
    found: dict[int, list[PriorResult]] = defaultdict(list)
    if table is None:
        return found
    known = table[table["prior_result"].notna()].sort_values("feature_id")
    outlines = np.asarray(known.geometry, dtype=object)
    tree = shapely.STRtree(outlines)
    earlier_ids = [_text(value) for value in known["issued_id"]]
    results = [str(value) for value in known["prior_result"]]
    issued_ids = [_text(value) for value in evidence.patches["issued_id"]]
    for number, shape in enumerate(evidence.patches.geometry):
        same = {n for n, i in enumerate(earlier_ids) if i is not None and i == issued_ids[number]}
        touching = set(tree.query(shape, predicate="intersects").tolist())
        for n in sorted(same | touching):
            overlap = shapely.area(shapely.intersection(shape, outlines[n])) / shape.area
            if n in same or overlap > 0.0:
                prior = PriorResult(earlier_ids[n], results[n], float(overlap), n in same)
                found[number].append(prior)
    return found


def _text(value: Any) -> str | None:
    return None if value is None or pd.isna(value) else str(value)


def _flag(value: Any) -> bool | None:
    return None if value is None or pd.isna(value) else bool(value)


def _date(value: Any) -> datetime.date | None:
    text = _text(value)
    return None if text is None else datetime.date.fromisoformat(text)
