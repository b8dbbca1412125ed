"""A delivered table by its mapping → columns of a reference layer, and what is wrong in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import Severity
from pipeline.schema.columns import object_values
from pipeline.schema.fields import FIELDS
from pipeline.schema.normalise import (
    INVALID,
    clean_text,
    find_code,
    find_zone,
    is_known_land_class,
    parse_area_m2,
    parse_date,
    parse_division_code,
    parse_land_class,
    parse_ratio,
    parse_tblx,
    plain_number,
)
from pipeline.schema.problems import Problem, row_problems
from pipeline.schema.raw_layer import RawColumn
from pipeline.schema.reference import REQUIRED_VALUES
from pipeline.schema.source_mapping import Delivery, check_keys, find_column, mapped_fields

DIVISION_WIDTHS = {"township_code": 9, "responsible_code": 9, "village_code": 12}
"""Digits of the administrative codes."""

CLOSED_CODES = ("township_kind", "road_class", "permit_kind", "patrol_grade")
"""Fields whose values all come from a code table; anything else stops the work."""

UNKNOWN_KIND = "unknown"
"""Change kind of an issued patch whose own kind says nothing (DESIGN §5)."""


_TEXT = pd.StringDtype(na_value=np.nan)


def core_columns(delivery: Delivery) -> tuple[pd.DataFrame, list[Problem]]:
    """The layer's columns (`feature_id` still as delivered or NULL) and every problem of them."""
    problems = check_keys(delivery)
    columns: dict[str, pd.Series[Any]] = {}
    required = REQUIRED_VALUES.get(delivery.spec.name, frozenset()) & mapped_fields(delivery)
    for name in delivery.spec.fields:
        if name == "change_kind" and name not in mapped_fields(delivery):
            continue
        columns[name], is_told, found = _take_field(delivery, name)
        problems += found
        if name in required:
            is_missing = columns[name].isna().to_numpy(bool) & ~is_told
            problems += _missing_values(delivery, name, is_missing)
    if "change_kind" in delivery.spec.fields and "change_kind" not in columns:
        columns["change_kind"], found = _kinds_from_tblx(delivery, columns["tblx"])
        problems += found
    return pd.DataFrame(columns)[list(delivery.spec.fields)], problems


def _take_field(
    delivery: Delivery, name: str
) -> tuple[pd.Series[Any], NDArray[np.bool_], list[Problem]]:
    """One core column, the rows whose NULL is told in a problem, and the problems.

    All NULL where nothing is mapped or the source field is not there.
    """
    mapping, n = delivery.mapping, len(delivery.raw)
    column: RawColumn | None = None
    problems: list[Problem] = []
    if name in mapping.constants:
        column = RawColumn(np.full(n, mapping.constants[name], dtype=object))
    elif name in mapping.fields:
        column, problems = find_column(delivery, name)
    elif name == "vintage_date" and mapping.vintage is not None:
        column = RawColumn(np.full(n, mapping.vintage.isoformat(), dtype=object))
    if column is None:
        return _typed(name, np.full(n, None, dtype=object)), np.ones(n, bool), problems
    values, invalid = _parse_column(delivery, name, column)
    is_invalid = np.array([text in invalid for text in column.values], bool)
    problems += _invalid_values(delivery, name, column, np.flatnonzero(is_invalid))
    problems += _unlisted_codes(delivery, name, values)
    return _typed(name, values), is_invalid, problems


def _parse_column(
    delivery: Delivery, name: str, column: RawColumn
) -> tuple[NDArray[np.object_], set[str | None]]:
    """Values, each distinct text parsed once, and the texts that the field does not accept."""
    replaced = _replacements(delivery.mapping.values.get(name, {}))
    parse = _parser(delivery, name)
    results: dict[str | None, Any] = {None: None}
    invalid: set[str | None] = set()
    for text in pd.unique(column.values[column.values != None]):  # noqa: E711 (elementwise)
        cleaned = clean_text(text)
        if cleaned is not None and column.is_numeric and name != "stated_area_m2":
            cleaned = plain_number(cleaned)
        if cleaned is not None:
            cleaned = clean_text(replaced.get(cleaned, cleaned))
        value = None if cleaned is None else parse(cleaned)
        if value is INVALID:
            invalid.add(text)
            value = None
        results[text] = value
    values = np.empty(len(column.values), dtype=object)
    values[:] = [results[text] for text in column.values]
    return values, invalid


def _replacements(given: Mapping[str, str]) -> dict[str, str]:
    return {key: core for text, core in given.items() if (key := clean_text(text)) is not None}


def _parser(delivery: Delivery, name: str) -> Callable[[str], Any]:
    """How the texts of a field are read."""
    tables = delivery.codes.tables
    if name in DIVISION_WIDTHS:
        return lambda text: parse_division_code(text, DIVISION_WIDTHS[name])
    if name in CLOSED_CODES or name == "change_kind":
        return lambda text: find_code(text, tables[name]) or INVALID
    if name == "zone_code":
        return lambda text: find_zone(text, tables[name]) or text
    if name == "stated_area_m2":
        unit = str(delivery.mapping.units.get(name, "m2"))
        return lambda text: parse_area_m2(text, unit)
    by_name: dict[str, Callable[[str], Any]] = {
        "land_class_code": parse_land_class,
        "bund_ratio": parse_ratio,
        "tblx": parse_tblx,
    }
    if name in by_name:
        return by_name[name]
    return parse_date if FIELDS[name].dtype == "date" else lambda text: text


def _typed(name: str, values: NDArray[np.object_]) -> pd.Series[Any]:
    if FIELDS[name].dtype == "real":
        return pd.Series(values, dtype=np.float64)
    return pd.Series(values, dtype=_TEXT)


_ALLOWED_ZH = {
    "date": "YYYYMMDD、YYYY-MM-DD、YYYY/M/D 或 YYYY年M月D日",
    "bund_ratio": "0 到 1 之间的小数",
    "stated_area_m2": "大于 0 的数",
    "land_class_code": "2 位或 4 位地类编码，可带字母，例如 0101、05H1",
}


def _invalid_values(
    delivery: Delivery, name: str, column: RawColumn, positions: NDArray[np.int64]
) -> list[Problem]:
    """Rows whose text the field does not accept; they are NULL in the layer."""
    field = FIELDS[name]
    required = name in REQUIRED_VALUES.get(delivery.spec.name, ())
    is_code = name in CLOSED_CODES or name == "change_kind"
    code = f"{'E' if required else 'N'}-LAYER-{'CODE' if is_code else 'VALUE'}"
    width = DIVISION_WIDTHS.get(name)
    allowed = f"{width} 位数字" if width else _ALLOWED_ZH.get(name) or _ALLOWED_ZH.get(field.dtype)
    if is_code:
        labels = delivery.codes.tables[name].labels
        allowed = "、".join(f"{key}（{label}）" for key, label in labels.items())
    advice = f"改正源数据，或在映射的 values: {name} 里写明这个取值对应什么。"
    template = delivery.problem(
        code,
        f"{field.label_zh}（{name}）的取值无法识别{'。' if required else '，按未知处理。'}",
        allowed=allowed or "",
        advice=advice,
        severity=Severity.BLOCK if required else Severity.NOTICE,
    )
    return _at_rows(delivery, template, positions, [str(v) for v in column.values[positions]])


def _unlisted_codes(delivery: Delivery, name: str, values: NDArray[np.object_]) -> list[Problem]:
    """Land classes and planning zones outside their tables are kept and told."""
    if name not in ("land_class_code", "zone_code"):
        return []
    table = delivery.codes.tables[name]
    known = {
        code: code is None
        or (is_known_land_class(code, table) if name == "land_class_code" else code in table.labels)
        for code in set(values)
    }
    positions = np.flatnonzero([not known[code] for code in values])
    if not len(positions):
        return []
    template = delivery.problem(
        "N-LAYER-CODE",
        f"{FIELDS[name].label_zh}不在代码表 configs/codes/{table.name}.csv 中，"
        "原样保留，按未分类处理。",
        advice="核对源数据；确有此代码时请补进代码表。",
        severity=Severity.NOTICE,
    )
    return _at_rows(delivery, template, positions, [str(v) for v in values[positions]])


def _kinds_from_tblx(
    delivery: Delivery, tblx: pd.Series[Any]
) -> tuple[pd.Series[Any], list[Problem]]:
    """Change kind of issued patches by their TBLX; "unknown" where that is NULL or not listed."""
    kinds = delivery.codes.kind_of_tblx
    texts = object_values(tblx)
    values = np.array([kinds.get(text, UNKNOWN_KIND) for text in texts], dtype=object)
    positions = np.flatnonzero([text is not None and text not in kinds for text in texts])
    template = delivery.problem(
        "N-LAYER-CODE",
        "下发图斑类型（TBLX）不在代码表 configs/codes/change_kind.csv 中，变化类型按未定处理。",
        allowed="、".join(sorted(kinds)),
        advice="在映射的 values: tblx 里写明这个取值对应哪个类型。",
        severity=Severity.NOTICE,
    )
    return _typed("change_kind", values), _at_rows(
        delivery, template, positions, [str(v) for v in texts[positions]]
    )


def _missing_values(delivery: Delivery, name: str, is_missing: NDArray[np.bool_]) -> list[Problem]:
    """Rows without a value that must be there."""
    template = delivery.problem(
        "E-LAYER-VALUE",
        f"必填字段 {name}（{FIELDS[name].label_zh}）为空。",
        value="空",
        advice="补全源数据后重新运行。",
    )
    return _at_rows(delivery, template, np.flatnonzero(is_missing), [])


def _at_rows(
    delivery: Delivery, template: Problem, positions: NDArray[np.int64], values: list[str]
) -> list[Problem]:
    return row_problems(
        template,
        delivery.raw.rows[positions],
        values,
        lambda listed: delivery.places(positions[listed]),
    )
