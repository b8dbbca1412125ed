"""Patrol areas, the patrol ledger, tracks and leads."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from pyproj import Transformer
from shapely import LineString, Point

from .documents import Papers, Row
from .geography import Village
from .layers import FOUNDED, MOVED_EVE, MOVED_ON, new_code, person
from .place import EPSG, EPSG_DEGREES, to_map
from .plants import Plant
from .siting import Ground

FIRST_DAY, LAST_DAY = np.datetime64("2024-05-06"), np.datetime64("2024-10-18")


def patrol_areas(ground: Ground) -> list[Row]:
    """One area per village outside the zone, and the zone itself; versions as the villages'."""
    county = ground.county
    zone, moved = county.zone, county.moved
    assert zone is not None
    assert moved is not None
    rows: list[Row] = []
    for number, village in enumerate(county.villages):
        row: Row = {
            "QYBH": area_code(village.code), "JB": _grade(ground, village),
            "ZRDW": village.township_code, "ZRR": person(number), "QYRQ": FOUNDED, "SXRQ": None,
            "geometry": village.polygon.difference(zone.polygon),
        }  # fmt: skip
        if village is not moved:
            rows.append(row)
            continue
        rows.append({**row, "SXRQ": MOVED_EVE})
        rows.append({**row, "QYBH": area_code(new_code(ground)), "ZRDW": county.moved_to,
                     "ZRR": person(number + 7), "QYRQ": MOVED_ON})  # fmt: skip
    rows.append({"QYBH": "379999400-01", "JB": "一级", "ZRDW": zone.code, "ZRR": person(41),
                 "QYRQ": FOUNDED, "SXRQ": None, "geometry": zone.polygon})  # fmt: skip
    return [row for row in rows if not row["geometry"].is_empty]


def area_code(village_code: str) -> str:
    """Patrol area number of a village."""
    return f"{village_code[:9]}-{village_code[10:]}"


def _grade(ground: Ground, village: Village) -> str:
    if village.polygon.intersection(ground.urban).area > 0.15 * village.polygon.area:
        return "一级"
    return "三级" if village.township_code == "379999200" else "二级"


def ledger(ground: Ground, plants: list[Plant], papers: Papers) -> list[Row]:
    """Patrol ledger: fortnightly rounds, what they found, and one row whose place was lost."""
    rng = np.random.default_rng([ground.county.seed, 14])
    rows: list[Row] = []
    for area in patrol_areas(ground):
        day = FIRST_DAY + np.timedelta64(int(rng.integers(0, 9)), "D")
        while day <= LAST_DAY:
            if _in_force(area, str(day).replace("-", "")):
                spot = area["geometry"].representative_point()
                near = Point(spot.x + rng.normal(0, 20), spot.y + rng.normal(0, 20))
                rows.append(_entry(str(day), area, "未发现新增违法线索", near))
            day += np.timedelta64(int(rng.integers(9, 21)), "D")
    for plant in plants:
        if plant.case.expected == "suspected_violation" and rng.random() < 0.3:
            found = _days_after(plant.started, int(rng.integers(4, 40)))
            area = _area_at(ground, plant, str(found).replace("-", ""))
            if area:
                text = f"发现在建{'构筑物' if plant.kind == 'building' else '用地'}，已要求停工"
                rows.append(_entry(str(found), area, text, plant.footprint.centroid))
                papers.events.append({"truth_id": plant.truth_id, "event": "patrol_found",
                                      "date": str(found), "text": text})  # fmt: skip
    rows.sort(key=lambda row: (str(row["巡查日期"]), str(row["区域编号"])))
    rows[len(rows) // 2].update({"经度": "", "纬度": ""})
    return rows


def _in_force(area: Row, day: str) -> bool:
    return str(area["QYRQ"]) <= day <= str(area["SXRQ"] or "99999999")


def _area_at(ground: Ground, plant: Plant, day: str) -> Row | None:
    spot = plant.footprint.centroid
    return next(
        (a for a in patrol_areas(ground)
         if _in_force(a, day) and a["geometry"].contains(spot)), None
    )  # fmt: skip


def _entry(day: str, area: Row, text: str, spot: Point) -> Row:
    lon, lat = _degrees(spot)
    return {"巡查日期": day, "区域编号": area["QYBH"], "巡查人": area["ZRR"], "发现情况": text,
            "经度": f"{lon:.6f}", "纬度": f"{lat:.6f}"}  # fmt: skip


@lru_cache
def _to_degrees() -> Transformer:
    return Transformer.from_crs(EPSG, EPSG_DEGREES, always_xy=True)


def _degrees(spot: Point) -> tuple[float, float]:
    at = to_map(spot)
    lon, lat = _to_degrees().transform(at.x, at.y)
    return float(lon), float(lat)


def tracks(ground: Ground) -> list[Row]:
    """GPS lines of some of the rounds."""
    rng = np.random.default_rng([ground.county.seed, 15])
    rows: list[Row] = []
    for area in patrol_areas(ground):
        day = FIRST_DAY + np.timedelta64(int(rng.integers(5, 120)), "D")
        ring = area["geometry"].buffer(-12)
        inner = max(getattr(ring, "geoms", [ring]), key=lambda part: part.area)
        if inner.is_empty or not _in_force(area, str(day).replace("-", "")):
            continue
        walked = np.asarray(inner.exterior.segmentize(40).coords)
        start = int(rng.integers(0, max(len(walked) // 3, 1)))
        line = walked[start : start + max(4, len(walked) // 2)]
        if len(line) >= 2:
            wobble = line + rng.normal(0, 2.5, line.shape)
            rows.append({"XCRQ": str(day).replace("-", ""), "QYBH": area["QYBH"],
                         "geometry": LineString(wobble)})  # fmt: skip
    return rows


def leads(ground: Ground, plants: list[Plant], papers: Papers) -> list[Row]:
    """Reports by letter and telephone; X east and Y north in EPSG:4547."""
    rng = np.random.default_rng([ground.county.seed, 16])
    rows: list[Row] = []
    for plant in plants:
        wanted = plant.case.expected == "suspected_violation" and plant.is_construction
        if not wanted or rng.random() > 0.15:
            continue
        day = _days_after(plant.started, int(rng.integers(3, 60)))
        at = to_map(plant.footprint.centroid)
        text = str(rng.choice(["反映有人占地建房", "来电反映田里在硬化地面", "反映圈地建厂"]))
        rows.append({"线索日期": str(day), "内容": text, "X": f"{at.x + rng.normal(0, 12):.1f}",
                     "Y": f"{at.y + rng.normal(0, 12):.1f}"})  # fmt: skip
        papers.events.append({"truth_id": plant.truth_id, "event": "lead", "date": str(day),
                              "text": text})  # fmt: skip
    at = to_map(Point(ground.county.side_m * 0.5, ground.county.side_m * 0.6))
    rows.append({"线索日期": "2024-08-09", "内容": "反映路边堆土，未见建设",
                 "X": f"{at.x:.1f}", "Y": f"{at.y:.1f}"})  # fmt: skip
    return sorted(rows, key=lambda row: str(row["线索日期"]))


def _days_after(day: str, days: int) -> np.datetime64:
    """So many days later, at most the last day between the images."""
    return min(np.datetime64(day) + np.timedelta64(days, "D"), LAST_DAY)
