"""The planted changes: sites made into shapes, with the truth about each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from shapely import Polygon, box
from shapely.affinity import translate

from .cases import CASE_BY_ID, CONSTRUCTION_KINDS, ISSUED_SHARE, OPEN_TBLX, SV, Case
from .designs import Lot, build
from .geography import County
from .place import scaled_to
from .plane import polygons_in
from .scenery import Scenery
from .sensor import plan_sensors
from .shapes import Shape
from .siting import EXACT_M2_PER_MU, Ground, Site, find_sites, rotated

START_RANGE = ("2024-05-14", "2024-09-26")
"""When works began."""


@dataclass(frozen=True, eq=False)
class Plant:
    """One planted change."""

    truth_id: str
    case: Case
    kind: str
    footprint: Polygon
    shapes: list[Shape]
    township_code: str
    expected_kinds: list[str]
    tblx: str
    """TBLX it is issued under; empty when it is not issued."""
    started: str
    approval_shape: Polygon | None = None
    """Land an approval covers where that is not simply the footprint with a margin."""

    @property
    def is_construction(self) -> bool:
        """Whether something was built."""
        return self.kind in CONSTRUCTION_KINDS

    @property
    def is_observable(self) -> bool:
        """Whether both images show the place."""
        return self.case.region not in ("cloud", "nodata")


ATTEMPTS = 20
"""Cloud covers tried before a county is given up."""


def plant_all(county: County, scenery: Scenery) -> tuple[list[Plant], Ground] | None:
    """Every planted change of the county, and the ground (with sensors) it was planted on.

    None if some case finds no place in this county.
    """
    for attempt in range(ATTEMPTS):
        core = _farmland_spot(county, scenery, attempt)
        sensors = plan_sensors(county.seed, county.side_m, attempt, core)
        ground = Ground(county, scenery, sensors)
        sites = find_sites(ground, attempt)
        if sites:
            break
    else:
        return None
    rng = np.random.default_rng([county.seed, 6])
    plants: list[Plant] = []
    turns: Counter[str] = Counter()
    for site in sites:
        plants += _grow(rng, ground, site, len(plants) + 1, turns)
    plants.append(_reservoir_plant(rng, ground, len(plants) + 1))
    return plants, ground


def _farmland_spot(county: County, scenery: Scenery, attempt: int) -> tuple[float, float]:
    """The middle of a piece of farmland, away from the edges."""
    rng = np.random.default_rng([county.seed, 8, attempt])
    inner = county.frame.buffer(-0.14 * county.side_m)
    pieces = [p.polygon for p in scenery.land if p.code.startswith("01") and p.polygon.area > 5000]
    spots = [p.representative_point() for p in pieces]
    spots = [spot for spot in spots if inner.contains(spot)]
    spot = spots[int(rng.integers(len(spots)))]
    return float(spot.x), float(spot.y)


def _grow(
    rng: np.random.Generator, ground: Ground, site: Site, number: int, turns: Counter[str]
) -> list[Plant]:
    case = site.case
    if case.case_id == "sliver":
        return _with_sliver(rng, ground, site, number)
    lot, footprint = site.lot, site.footprint
    if case.exact_mu:
        exact_m2 = case.exact_mu * EXACT_M2_PER_MU + 0.02
        footprint = scaled_to(footprint, exact_m2)
    kind, shapes = build(rng, case.design, lot, site.is_faint)
    if case.design not in ("mixed", "yard"):
        kind = case.kind
    tblx = _tblx(rng, case, kind, turns)
    if tblx == "20":
        kind = "building"
    elif tblx == "YH":
        kind = "hardened"
    turns[case.case_id] += 1
    return [_plant(rng, ground, (number, case, kind), footprint, shapes, tblx)]


def _plant(
    rng: np.random.Generator,
    ground: Ground,
    what: tuple[int, Case, str],
    footprint: Polygon,
    shapes: list[Shape],
    tblx: str,
) -> Plant:
    number, case, kind = what
    first, last = np.datetime64(START_RANGE[0]), np.datetime64(START_RANGE[1])
    days = int(rng.integers(0, int((last - first).astype(int))))
    started = str(first + np.timedelta64(days, "D"))
    return Plant(
        f"T{number:04d}", case, kind, footprint, shapes, township_at(ground.county, footprint),
        violation_kinds(ground, case, kind, footprint), tblx, started,
    )  # fmt: skip


def _tblx(rng: np.random.Generator, case: Case, kind: str, turns: Counter[str]) -> str:
    if case.tblx and (turns[case.case_id] < len(case.tblx) or len(case.tblx) == 1):
        return case.tblx[turns[case.case_id] % len(case.tblx)]
    if case.kind == "facility":
        return ""
    is_issued = rng.random() < ISSUED_SHARE or not turns[case.case_id]
    return OPEN_TBLX.get(kind, "") if is_issued else ""


def _with_sliver(rng: np.random.Generator, ground: Ground, site: Site, number: int) -> list[Plant]:
    """An approved plant, and 3 m × 60 m of concrete just outside its approval."""
    lot = site.lot
    main = Lot(rotated(lot, (0.0, -1.5)), lot.length, lot.width - 3.0, lot.angle)
    strip = Lot(rotated(lot, (0.0, lot.width / 2 - 1.5)), 60.0, 3.0, lot.angle)
    _, shapes = build(rng, "factory", main, False)
    plant = _plant(
        rng, ground, (number, CASE_BY_ID["approved"], "building"), main.polygon, shapes, ""
    )
    _, edge = build(rng, "road", strip, True)
    approval = Lot(rotated(lot, (0.0, -4.5)), lot.length + 12, lot.width + 3, lot.angle)
    covered = Plant(
        plant.truth_id, plant.case, plant.kind, plant.footprint, shapes, plant.township_code, [],
        "", plant.started, approval.polygon,
    )  # fmt: skip
    sliver = _plant(
        rng, ground, (number + 1, CASE_BY_ID["sliver"], "hardened"), strip.polygon, edge, "YH"
    )
    return [covered, sliver]


def _reservoir_plant(rng: np.random.Generator, ground: Ground, number: int) -> Plant:
    """A reach of the shore that the filling reservoir drowned, as it was issued."""
    county = ground.county
    x0, _, x1, y1 = county.reservoir.bounds
    ring = county.reservoir.buffer(-1.5).difference(county.reservoir_low.buffer(0.5))
    lower = box(x0, y1 - 0.30 * (x1 - x0), x1, y1)
    piece = max(polygons_in(ring.intersection(lower)), key=lambda p: p.area)
    case = CASE_BY_ID["water"]
    return _plant(rng, ground, (number, case, "water"), piece.simplify(1.0), [], "SM")


def township_at(county: County, footprint: Polygon) -> str:
    """The township a footprint belongs to on the after date."""
    shares: dict[str, float] = {}
    zone, moved = county.zone, county.moved
    assert zone is not None
    assert moved is not None
    left = footprint.difference(zone.polygon)
    shares[zone.code] = footprint.area - left.area
    for township in county.townships:
        part = left.intersection(township.polygon)
        gone = (
            part.intersection(moved.polygon).area if township.code == moved.township_code else 0.0
        )
        shares[township.code] = shares.get(township.code, 0.0) + part.area - gone
        shares[county.moved_to] = shares.get(county.moved_to, 0.0) + gone
    return min(shares, key=lambda code: (-shares[code], code))


def violation_kinds(ground: Ground, case: Case, kind: str, footprint: Polygon) -> list[str]:
    """Codes 1-7 that the place and the change make it; none for a class that is no violation."""
    if case.expected != SV:
        return []
    if case.case_id == "V2":
        return ["2"]
    kinds = {"1"} if kind in CONSTRUCTION_KINDS else set()
    touched = ground.tree.query(footprint, predicate="intersects")
    farm = sum(
        ground.land[int(k)].polygon.intersection(footprint).area
        for k in touched
        if ground.land[int(k)].code.startswith("01")
    )
    if case.on_pbf:
        kinds.add("4")
    elif farm > 0.5 * footprint.area:
        kinds.add("3")
    if kind == "excavation":
        kinds.add("5")
    if case.region in ("urban", "zone"):
        kinds.add("6")
    if case.region == "village":
        kinds.add("7")
    return sorted(kinds)


def shifted(rng: np.random.Generator, polygon: Polygon, reach_m: float) -> Polygon:
    """The polygon displaced in a random direction."""
    turn = rng.uniform(0, 2 * np.pi)
    return translate(polygon, reach_m * np.cos(turn), reach_m * np.sin(turn))
