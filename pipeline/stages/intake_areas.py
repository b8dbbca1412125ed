"""Stated areas (面积属性) against the outlines: a wrong unit for the whole file, or single rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from pipeline.errors import Severity
from pipeline.patches.area import ellipsoidal_area_m2
from pipeline.schema.code_findings import at_rows
from pipeline.schema.normalise import M2_PER_UNIT
from pipeline.schema.problems import Problem
from pipeline.schema.reference import AREA_FIELD
from pipeline.schema.source_mapping import Delivery

AREA_TOLERANCE = 0.10
"""A stated area that differs more from the outline's is told (DOMAIN §7)."""
MIN_UNIT_SHARE = 0.5
"""More of the rows than this must fit another unit for the unit to be wrong."""

UNITS_ZH = {"m2": "平方米", "mu": "亩", "ha": "公顷", "km2": "平方公里"}


def check_areas(
    delivery: Delivery,
    stated_m2: NDArray[np.float64],
    outlines: NDArray[np.object_],
    crs: CRS,
) -> list[Problem]:
    """The unit of a file's stated areas, then every row that differs by more than a tenth.

    `outlines` are polygons in `crs`, None where there is none; both arrays are by feature.
    """
    has_both = np.isfinite(stated_m2) & np.array([shape is not None for shape in outlines], bool)
    rows = np.flatnonzero(has_both)
    if not len(rows):
        return []
    own = ellipsoidal_area_m2(outlines[rows], crs)
    rows, own = rows[own > 0], own[own > 0]
    stated = stated_m2[rows]
    declared = str(delivery.mapping.units.get(AREA_FIELD, "m2"))
    problems: list[Problem] = []
    unit = _fitting_unit(stated / own, declared)
    if unit is not None:
        problems = [_wrong_unit(delivery, rows, stated, own, declared, unit)]
        stated = stated * float(M2_PER_UNIT[unit] / M2_PER_UNIT[declared])
    positions = np.flatnonzero(np.abs(stated - own) > AREA_TOLERANCE * own)
    label = "下发面积" if delivery.spec.name == "issued_patches" else "面积属性"
    template = delivery.problem(
        "N-LAYER-AREA",
        f"{label}与图形面积相差 10% 以上，程序按图形面积计。",
        allowed="与图形面积相差不到 10%",
        advice="核对图形是否拿错版本；整个文件都这样的，核对面积单位。",
        severity=Severity.NOTICE,
    )
    values = [
        f"{_name(delivery, rows[p])}{label[:2]} {stated[p]:.1f} m²，图形 {own[p]:.1f} m²"
        for p in positions
    ]
    return problems + at_rows(delivery, template, rows[positions], values)


def _fitting_unit(ratio: NDArray[np.float64], declared: str) -> str | None:
    """The unit in which most stated areas would equal the outlines'; None if it is the declared."""
    for unit in M2_PER_UNIT:
        expected = float(M2_PER_UNIT[declared] / M2_PER_UNIT[unit])
        share = (np.abs(ratio / expected - 1) <= AREA_TOLERANCE).mean()
        if share > MIN_UNIT_SHARE:
            return None if unit == declared else unit
    return None


def _wrong_unit(
    delivery: Delivery,
    rows: NDArray[np.int64],
    stated: NDArray[np.float64],
    own: NDArray[np.float64],
    declared: str,
    unit: str,
) -> Problem:
    is_declared = AREA_FIELD in delivery.mapping.units
    said = f"映射写明的是{UNITS_ZH[declared]}" if is_declared else "映射没有写明，按平方米计"
    ratio = float(np.median(stated / own))
    (place,) = delivery.places(rows[:1])
    return delivery.problem(
        "N-LAYER-UNIT",
        f"面积单位多半写错：像是{UNITS_ZH[unit]}，{said}。图形面积不受影响。",
        value=f"面积属性约为图形面积的 {ratio:.3g} 倍",
        allowed="、".join(f"{name}（{label}）" for name, label in UNITS_ZH.items()),
        advice=f"核对后在映射里写 units: {{{AREA_FIELD}: {unit}}}。",
        severity=Severity.NOTICE,
        row=int(delivery.raw.rows[rows[0]]),
        place=place,
        count=len(rows),
    )


def _name(delivery: Delivery, position: int) -> str:
    """The issued patch's own number before its figures; nothing for other layers."""
    source = delivery.mapping.fields.get("issued_id")
    column = delivery.raw.columns.get(source) if source else None
    text = None if column is None else column.values[position]
    return f"{text}：" if text else ""
