"""Patches issued from above: drawn by hand over what changed, a little off and simplified."""

from __future__ import annotations

import numpy as np
from shapely import Polygon

from .documents import Papers, Row
from .place import ellipsoid_area_m2, scaled_to
from .plants import Plant, shifted
from .siting import EXACT_M2_PER_MU

BATCH = "2024年第三季度"


def issued_patches(seed: int, plants: list[Plant], papers: Papers) -> list[Row]:
    """Rows of the issued layer; JCMJ in 亩."""
    rng = np.random.default_rng([seed, 17])
    rows: list[Row] = []
    for plant in plants:
        if not plant.tblx:
            continue
        drawn = _drawn(rng, plant)
        number = f"379999SJBG24{len(rows) + 1:06d}"
        area_mu = round(ellipsoid_area_m2(drawn) / EXACT_M2_PER_MU, 2)
        rows.append({"JCBH": number, "QSX": "20240506", "HSX": "20241018", "TBLX": plant.tblx,
                     "JCMJ": area_mu, "PCH": BATCH, "geometry": drawn})  # fmt: skip
        papers.events.append({"truth_id": plant.truth_id, "event": "issued", "date": "2024-10-25",
                              "text": number})  # fmt: skip
    return rows


def _drawn(rng: np.random.Generator, plant: Plant) -> Polygon:
    """Displaced by one to three metres, corners not quite where they are."""
    case = plant.case
    if case.exact_mu:
        moved = shifted(rng, plant.footprint, rng.uniform(0.8, 1.6))
        return scaled_to(moved, case.exact_mu * EXACT_M2_PER_MU + 0.005)
    if case.case_id == "sliver":
        return plant.footprint
    reach = rng.uniform(0.4, 0.9) if case.design == "road" else rng.uniform(1.0, 2.4)
    ring = np.asarray(plant.footprint.simplify(1.0).exterior.coords)[:-1]
    loose = 0.25 if case.design == "road" else 0.6
    ring = ring + np.clip(rng.normal(0, loose, ring.shape), -1.0, 1.0)
    polygon = Polygon(ring)
    if not polygon.is_valid:
        polygon = plant.footprint
    return shifted(rng, polygon, reach if case.region != "anywhere" else 1.0)
