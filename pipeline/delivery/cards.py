"""The words and figures of a verification card (核查卡): one patch on one page.

Pure: table rows in, frozen values of ready text out; `dataclasses.asdict` of a `Card` is what the
template `assets/card.typ` reads. The card states a clue and asks for facts, it gives no verdict.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from math import isfinite
from typing import Any

import pandas as pd
import shapely
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.card_areas import (
    UNKNOWN,
    AreaLine,
    PatchAreas,
    Row,
    decimal_text,
    is_known,
)
from pipeline.units import format_mu100

MAX_VERTICES = 12
"""Outlines with more vertices refer to `verify.gpkg`."""
MAX_REASON_CHARS = 260
"""A longer sentence is cut with ……; `register.xlsx` holds it in full."""
MAX_NAME_CHARS = 60
MAX_BASIS_CHARS = 60
RULE_SET_CHARS = 12
KEY_STEPS = frozenset({"fallback", "violation_kind", "context"})
"""Steps of the screening whose reasons the card keeps longest."""
OTHER_UNIT = "其他单位"
"""A township that the receiver of the card is not told (DESIGN §9)."""
GEOGRAPHIC_CGCS2000 = 4490


@dataclass(frozen=True)
class CardHeading:
    """What all cards of one package share."""

    county_name: str
    period_label: str
    secrecy: str
    """密级 line, printed on every page."""
    is_due_assumed: bool = False
    """Whether the deadline rests on no document; the score and the plan alike, below."""
    is_priority_assumed: bool = False
    is_plan_assumed: bool = False


@dataclass(frozen=True)
class CardLabels:
    """Code → Chinese label of each code table; an unknown code is printed as it is."""

    patch_source: Mapping[str, str]
    patrol_grade: Mapping[str, str]
    change_kind: Mapping[str, str]
    suspected_class: Mapping[str, str]
    violation_kind: Mapping[str, str]
    flag: Mapping[str, str]
    evidence: Mapping[str, str]
    handling_route: Mapping[str, str]
    townships: Mapping[str, str]
    """Code → name of the townships that may be named on the card; others are 其他单位."""


@dataclass(frozen=True)
class Reason:
    """One reason of the screening."""

    text: str
    reference: str
    """Document and article; empty if the reason rests on none."""
    is_assumption: bool
    is_key: bool
    """Says what the suspicion is; the last to be left out where the page has no room."""


@dataclass(frozen=True)
class Vertex:
    """One vertex of the outline; X is north and Y east, as Chinese surveys have it."""

    number: str
    northing: str
    easting: str


@dataclass(frozen=True)
class Card:
    """All text of one page."""

    patch_id: str
    issued_id: str
    """Empty if the patch was not issued."""
    township: str
    village: str
    before_date: str
    after_date: str
    facts: tuple[tuple[str, str], ...]
    """Label and value."""
    land: tuple[AreaLine, ...]
    permits: tuple[AreaLine, ...]
    plan: tuple[AreaLine, ...]
    suspected_class: str
    violation_kinds: tuple[str, ...]
    reasons: tuple[Reason, ...]
    missing_evidence: tuple[str, ...]
    handling_route: str
    due_date: str
    priority: str
    """The additive score; empty if it was not weighed, like its parts."""
    priority_parts: tuple[tuple[str, str], ...]
    """Label and points of every addend."""
    visit: str
    """Day and stop in the township's plan; empty until the plan is known."""
    flags: tuple[str, ...]
    vertices: tuple[Vertex, ...]
    """Empty if there are more than `MAX_VERTICES`."""
    n_vertices: int
    crs: str
    uses_assumption: bool
    rule_set: str
    """First characters of the rule set's hash."""


def build_card(
    patch: Row,
    outline: BaseGeometry,
    parts: pd.DataFrame,
    reasons: pd.DataFrame,
    labels: CardLabels,
    crs: CRS,
) -> Card:
    """The card of one patch.

    `patch`: a row of SCREENED; `outline`: its polygon in `crs` (projected, metres); `parts`,
    `reasons`: the rows of PARTS and REASONS of this patch only; raises `VerifyError` E-VERIFY-SUM
    if the parts' 0.01 亩 do not add up to the patch's. When it is visited is set afterwards.
    """
    areas = PatchAreas(patch, _rows(parts))
    listed = [_reason(row) for row in sorted(_rows(reasons), key=lambda row: row["reason_no"])]
    vertices = _vertices(outline)
    return Card(
        patch_id=_text(patch, "patch_id"),
        issued_id=_text(patch, "issued_id", ""),
        township=_cut(_text(patch, "township_name"), MAX_NAME_CHARS),
        village=_cut(_text(patch, "village_name"), MAX_NAME_CHARS),
        before_date=_text(patch, "before_date", "日期未提供"),
        after_date=_text(patch, "after_date", "日期未提供"),
        facts=(*_facts(patch, outline, labels, crs), *_border(patch, _rows(parts), labels)),
        land=areas.land(),
        permits=areas.permits(),
        plan=areas.plan(),
        suspected_class=_label(patch, "suspected_class", labels.suspected_class, "未初判"),
        violation_kinds=_labelled(patch, "violation_kinds", labels.violation_kind),
        reasons=tuple(listed),
        missing_evidence=_labelled(patch, "missing_evidence", labels.evidence),
        handling_route=_label(patch, "handling_route", labels.handling_route),
        due_date=_text(patch, "due_date"),
        priority=_text(patch, "priority", ""),
        priority_parts=_priority_parts(patch),
        visit="",
        flags=_labelled(patch, "flags", labels.flag),
        vertices=vertices if len(vertices) <= MAX_VERTICES else (),
        n_vertices=len(vertices),
        crs=crs_label_zh(crs),
        uses_assumption=any(reason.is_assumption for reason in listed),
        rule_set=_text(patch, "rule_set")[:RULE_SET_CHARS],
    )


@lru_cache(maxsize=8)
def crs_label_zh(crs: CRS) -> str:
    """Short Chinese name of a projected CRS; the CRS's own name if it is no CGCS2000 3° one."""
    operation = crs.coordinate_operation
    if operation is None or not crs.name.startswith("CGCS2000 / 3-degree"):
        return str(crs.name)
    values = {parameter.name: parameter.value for parameter in operation.params}
    meridian = float(values["Longitude of natural origin"])
    return f"CGCS2000，3度带高斯投影，中央经线{meridian:g}°E"


def _facts(
    patch: Row, outline: BaseGeometry, labels: CardLabels, crs: CRS
) -> tuple[tuple[str, str], ...]:
    centre = shapely.point_on_surface(outline)
    mu = format_mu100(int(patch["area_mu100"]))
    width_m = patch.get("width_m")
    width = f"{decimal_text(width_m, 1)} 米" if is_known(width_m) else UNKNOWN
    facts = [
        ("图斑来源", _label(patch, "source", labels.patch_source)),
        ("变化类型", _label(patch, "change_kind", labels.change_kind)),
        ("图斑面积", f"{decimal_text(patch['area_m2'])} 平方米（{mu} 亩）"),
        ("平均宽度", width),
        ("中心经纬度", _lon_lat(centre.x, centre.y, crs)),
        ("中心坐标", f"X {centre.y:.2f}，Y {centre.x:.2f}"),
        ("可观测比例", _observed(patch.get("observed_ratio"))),
        ("变化概率", _probability(patch.get("probability"))),
        ("责任单位", _responsible(patch, labels)),
        ("巡查责任", _patrol(patch, labels)),
    ]
    return tuple(facts)


def _lon_lat(x: float, y: float, crs: CRS) -> str:
    """CGCS2000 degrees, six decimals: a tenth of a metre."""
    lon, lat = _to_geographic(crs).transform(x, y)
    return f"{lon:.6f}°E，{lat:.6f}°N" if isfinite(lon) and isfinite(lat) else UNKNOWN


def _observed(ratio: Any) -> str:
    """Never rounded up: 100 % is printed only if everything was seen."""
    if not is_known(ratio):
        return UNKNOWN
    percent = (Decimal(float(ratio)) * 100).quantize(Decimal("0.1"), ROUND_FLOOR)
    return f"{percent.normalize():f}%（两期均可见的面积占比）"


def _probability(probability: Any) -> str:
    if not is_known(probability):
        return "无（未经自动检测）"
    return f"{decimal_text(probability)}（由影像统计推出，仅供排序参考）"


def _responsible(patch: Row, labels: CardLabels) -> str:
    """Who answered for the place when it happened; candidates if a boundary changed since."""
    if is_known(patch.get("responsible_code")):
        return labels.townships.get(str(patch["responsible_code"]), OTHER_UNIT)
    candidates = _townships(patch, "responsible_candidates", labels)
    return f"待定（{candidates}）" if candidates else "责任单位待定"


def _border(patch: Row, parts: Sequence[Row], labels: CardLabels) -> tuple[tuple[str, str], ...]:
    """Who else a patch reaches into, and how much of it lies in the township that gets it."""
    straddled = _townships(patch, "straddles", labels)
    if not straddled:
        return ()
    code = patch.get("township_code")
    own = sum(int(row["area_mu100"]) for row in parts if row.get("township_code") == code)
    text = f"另涉{straddled}，整体由本乡镇核查，不拆分；本乡镇内 {format_mu100(own)} 亩"
    return (("跨越界线", text),)


def _townships(patch: Row, name: str, labels: CardLabels) -> str:
    """Names of the townships in a list column; those not to be named stand once, at the end."""
    codes = _codes(patch, name)
    named = [labels.townships[code] for code in codes if code in labels.townships]
    return "、".join([*named, OTHER_UNIT] if len(named) < len(codes) else named)


def _priority_parts(patch: Row) -> tuple[tuple[str, str], ...]:
    value = patch.get("priority_parts")
    parts = json.loads(value) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        return ()
    return tuple((str(part["label"]), str(part["points"])) for part in parts)


def _patrol(patch: Row, labels: CardLabels) -> str:
    grade = _label(patch, "patrol_grade", labels.patrol_grade, "等级未提供")
    if not is_known(patch.get("patrol_area_id")):
        basis = _cut(_text(patch, "patrol_grade_basis", ""), MAX_BASIS_CHARS)
        return f"{grade}：{basis}" if basis else UNKNOWN
    person = _text(patch, "responsible_person", "责任人未提供")
    area = _cut(_text(patch, "patrol_area_id"), MAX_NAME_CHARS)
    return f"{area}（{grade}）{_cut(person, MAX_NAME_CHARS)}"


def _reason(row: Row) -> Reason:
    text = _cut(_text(row, "text_zh", ""), MAX_REASON_CHARS)
    is_assumption = is_known(row["is_assumption"]) and bool(row["is_assumption"])
    is_key = row.get("step") in KEY_STEPS
    return Reason(text, _text(row, "reference_zh", ""), is_assumption, is_key)


def _vertices(outline: BaseGeometry) -> tuple[Vertex, ...]:
    """Vertices of all rings without the closing ones, numbered through."""
    parts = shapely.get_parts(outline)
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    points = [point for ring in rings for point in shapely.get_coordinates(ring)[:-1]]
    return tuple(
        Vertex(f"J{number}", f"{y:.2f}", f"{x:.2f}")
        for number, (x, y) in enumerate(points, start=1)
    )


@lru_cache(maxsize=8)
def _to_geographic(crs: CRS) -> Transformer:
    return Transformer.from_crs(crs, GEOGRAPHIC_CGCS2000, always_xy=True)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _text(row: Row, name: str, unknown: str = UNKNOWN) -> str:
    """One line of text without control and invisible characters."""
    value = row.get(name)
    if not is_known(value):
        return unknown
    visible = "".join(c for c in str(value) if unicodedata.category(c) != "Cf")
    return " ".join(visible.split()) or unknown


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "……"


def _label(row: Row, name: str, labels: Mapping[str, str], unknown: str = UNKNOWN) -> str:
    code = _text(row, name, "")
    return labels.get(code, code) if code else unknown


def _labelled(row: Row, name: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels.get(code, code) for code in _codes(row, name))


def _codes(row: Row, name: str) -> list[str]:
    """A list column, which is a Python list or JSON text."""
    value = row.get(name)
    codes = json.loads(value) if isinstance(value, str) else value
    return [str(code) for code in codes] if isinstance(codes, list | tuple) else []
