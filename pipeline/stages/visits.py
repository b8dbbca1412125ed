"""The day plan of every township: its route and stops, as tables and in the words of the package.

A plan says in which order patches are visited; it changes no finding and no deadline.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely
from pyproj import CRS, Transformer

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.delivery.delivered import GEOGRAPHIC
from pipeline.delivery.isolation import Township
from pipeline.delivery.route import DayPlan
from pipeline.errors import Finding, InputError
from pipeline.patches.day_plan import Day, Stop, plan_days
from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.priority import DEADLINE_RULE, WEIGHT_RULES
from pipeline.schema.delivered import ROUTE, STOPS
from pipeline.stages.context import StageContext

PER_DAY_RULE, METRES_RULE = "visit.patches_per_day", "visit.metres_per_point"


@dataclass(frozen=True)
class VisitRules:
    """What the plan and the words beside it rest on."""

    per_day: int
    metres_per_point: float
    is_plan_assumed: bool
    is_due_assumed: bool
    is_priority_assumed: bool


@dataclass(frozen=True)
class Visits:
    """The plan of one township."""

    plan: DayPlan
    stops: gpd.GeoDataFrame
    """Rows of STOPS, in the order of the visits."""
    route: gpd.GeoDataFrame
    """Rows of ROUTE."""


def visit_rules(context: StageContext, patches: pd.DataFrame) -> VisitRules:
    """The rules in force on the day the packages go out, else on the latest after date."""
    rules = load_rules(RULES_DIR)
    on = context.run.issued_on or context.run.after.date or _latest(patches)
    return VisitRules(
        int(rules.at(PER_DAY_RULE, on).number()),
        float(rules.at(METRES_RULE, on).number()),
        _is_assumed(rules, PER_DAY_RULE, METRES_RULE),
        _is_assumed(rules, DEADLINE_RULE),
        _is_assumed(rules, *WEIGHT_RULES),
    )


def plan_visits(
    context: StageContext, township: Township, table: gpd.GeoDataFrame, rules: VisitRules
) -> Visits:
    """The plan of one township; `table` is its VERIFY layer, patches in the register's order."""
    seat, is_known = _seat(context, township, table.crs)
    days = plan_days(_stops(table), seat, rules.per_day, rules.metres_per_point)
    stops = _stop_table(township, table, days)
    plan = DayPlan(
        rows=tuple(stops.drop(columns="geometry").to_dict("records")),
        day_lengths_m=tuple(day.length_m for day in days),
        per_day=rules.per_day,
        starts_at_seat=is_known,
        issued_on=context.run.issued_on,
        is_assumed=rules.is_plan_assumed,
    )
    return Visits(plan, stops, _route_table(township, seat, days, table.crs))


def all_visits(visits: Sequence[Visits], crs: CRS) -> Mapping[Any, gpd.GeoDataFrame]:
    """The stops and routes of all townships, as layers of the bureau's file."""
    return {
        STOPS: _joined([one.stops for one in visits], STOPS.fields, crs),
        ROUTE: _joined([one.route for one in visits], ROUTE.fields, crs),
    }


def require_seats(context: StageContext, townships: Sequence[Township]) -> None:
    """Every stated seat belongs to a township of the county and is a place in degrees."""
    known = {one.code: one.name for one in townships}
    findings = [
        Finding(
            "E-CONFIG-VALUE",
            "乡镇驻地写得不对。",
            where=f"settings.package.seats.{code}",
            value=f"{lon}, {lat}",
            allowed=f"乡镇代码（{'、'.join(known)}）: [经度, 纬度]，单位度",
            advice="核对乡镇代码；经度在前，纬度在后。",
        )
        for code, (lon, lat) in context.run.settings.package.seats.items()
        if code not in known or not (70 <= lon <= 140 and 0 <= lat <= 60)
    ]
    if findings:
        raise InputError(findings)


def _latest(patches: pd.DataFrame) -> datetime.date:
    """The screening has refused patches of which no date is known."""
    return datetime.date.fromisoformat(str(patches["after_date"].dropna().max()))


def _is_assumed(rules: RuleSet, *rule_ids: str) -> bool:
    return bool(rules.assumptions_used(rule_ids))


def _seat(context: StageContext, township: Township, crs: CRS) -> tuple[tuple[float, float], bool]:
    """Where the township's days begin, and whether that is its stated seat."""
    stated = context.run.settings.package.seats.get(township.code)
    if stated is not None:
        x, y = Transformer.from_crs(GEOGRAPHIC, crs, always_xy=True).transform(*stated)
        return (float(x), float(y)), True
    inside = shapely.point_on_surface(township.territory)
    return (float(inside.x), float(inside.y)), False


def _stops(table: gpd.GeoDataFrame) -> list[Stop]:
    points = shapely.point_on_surface(table.geometry.to_numpy())
    return [
        Stop(
            str(row["patch_id"]),
            float(point.x),
            float(point.y),
            int(row["priority"]),
            None if pd.isna(row["due_date"]) else str(row["due_date"]),
        )
        for row, point in zip(
            table[["patch_id", "priority", "due_date"]].to_dict("records"), points, strict=True
        )
    ]


def _stop_table(
    township: Township, table: gpd.GeoDataFrame, days: Sequence[Day]
) -> gpd.GeoDataFrame:
    by_id = table.set_index("patch_id", drop=False)
    placed = [
        (day_no, order, stop, leg_m)
        for day_no, day in enumerate(days, start=1)
        for order, (stop, leg_m) in enumerate(zip(day.stops, day.legs_m, strict=True), start=1)
    ]
    rows = by_id.loc[[stop.patch_id for _, _, stop, _ in placed]].reset_index(drop=True)
    columns = {
        "township_code": township.code,
        "visit_day": [day_no for day_no, *_ in placed],
        "visit_order": [order for _, order, *_ in placed],
        "leg_m": [round(leg_m, 1) for *_, leg_m in placed],
    }
    stops = rows.assign(**columns).set_geometry(
        [shapely.Point(stop.x, stop.y) for _, _, stop, _ in placed], crs=table.crs
    )
    return stops[[*STOPS.fields, "geometry"]]


def _route_table(
    township: Township, seat: tuple[float, float], days: Sequence[Day], crs: CRS
) -> gpd.GeoDataFrame:
    trips = [[seat, *((stop.x, stop.y) for stop in day.stops), seat] for day in days]
    return gpd.GeoDataFrame(
        {
            "township_code": [township.code] * len(days),
            "visit_day": list(range(1, len(days) + 1)),
            "stop_count": [len(day.stops) for day in days],
            "route_m": [round(day.length_m, 1) for day in days],
        },
        geometry=[shapely.MultiLineString([trip]) for trip in trips],
        crs=crs,
    )[[*ROUTE.fields, "geometry"]]


def _joined(
    tables: Sequence[gpd.GeoDataFrame], fields: Sequence[str], crs: CRS
) -> gpd.GeoDataFrame:
    if not tables:
        return gpd.GeoDataFrame({name: [] for name in fields}, geometry=[], crs=crs)
    return gpd.GeoDataFrame(pd.concat(tables, ignore_index=True), crs=crs)
