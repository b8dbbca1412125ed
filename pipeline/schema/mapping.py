"""A delivered table by its mapping → columns of a reference layer, and what is wrong in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import Severity
from pipeline.schema.code_findings import at_rows, fixed_codes, kinds_from_tblx, unlisted_codes
from pipeline.schema.codes import CodeTable
from pipeline.schema.fields import FIELDS
from pipeline.schema.normalise import (
    INVALID,
    Invalid,
    clean_text,
    find_code,
    find_zone,
    is_possible_day,
    parse_area_m2,
    parse_date,
    parse_division_code,
    parse_end_date,
    parse_land_class,
    parse_ratio,
    parse_tblx,
    plain_number,
)
from pipeline.schema.problems import Problem
from pipeline.schema.raw_layer import RawColumn
from pipeline.schema.reference import AREA_FIELD, EXPECTED_VALUES, REQUIRED_VALUES
from pipeline.schema.source_mapping import Delivery, check_keys, find_column, mapped_fields

DIVISION_WIDTHS = {"township_code": 9, "responsible_code": 9, "village_code": 12}
"""Digits of the administrative codes."""

RECORD_DATES = frozenset({"patrol_date", "lead_date", "scene_date", "vintage_date"})
"""Dates that only describe a record; all others decide what is lawful, and must be possible."""

CLOSED_CODES = (
    "township_kind",
    "road_class",
    "permit_kind",
    "use_kind",
    "issued_theme",
    "patrol_grade",
    "patrol_zone_kind",
)
"""Fields whose values all come from a code table; anything else stops the work."""

_TEXT = pd.StringDtype(na_value=np.nan)


def core_columns(delivery: Delivery) -> tuple[pd.DataFrame, list[Problem]]:
    """The layer's columns (`feature_id` still as delivered or NULL) and every problem of them."""
    problems = check_keys(delivery)
    columns: dict[str, pd.Series[Any]] = {}
    needed = _needed(delivery)
    for name in delivery.spec.fields:
        if name == "change_kind" and name not in mapped_fields(delivery):
            continue
        columns[name], is_told, found = _take_field(delivery, name)
        problems += found
        if name in needed:
            is_missing = columns[name].isna().to_numpy(bool) & ~is_told
            problems += _missing_values(delivery, name, is_missing, needed[name])
    if "change_kind" in delivery.spec.fields and "change_kind" not in columns:
        kinds, found = kinds_from_tblx(delivery, columns["tblx"])
        columns["change_kind"] = _typed("change_kind", kinds)
        problems += found
    return pd.DataFrame(columns)[list(delivery.spec.fields)], problems


def stated_areas(delivery: Delivery) -> tuple[NDArray[np.float64], list[Problem]]:
    """Areas as the source states them, m², NaN where it does not, and what can not be read."""
    if AREA_FIELD not in mapped_fields(delivery):
        return np.full(len(delivery.raw), np.nan), []
    values, _, problems = _take_field(delivery, AREA_FIELD)
    is_own_field = AREA_FIELD in delivery.spec.fields
    return values.to_numpy(np.float64), [] if is_own_field else problems


def _needed(delivery: Delivery) -> dict[str, Severity]:
    """Mapped fields that must or should be filled."""
    spec, mapped = delivery.spec.name, mapped_fields(delivery)
    blocking = REQUIRED_VALUES.get(spec, frozenset()) & mapped
    told = EXPECTED_VALUES.get(spec, frozenset()) & mapped
    return dict.fromkeys(told, Severity.NOTICE) | dict.fromkeys(blocking, Severity.BLOCK)


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
    problems += unlisted_codes(delivery, name, values)
    problems += fixed_codes(delivery, name, column, values, mapping.values.get(name, {}))
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
        return lambda text: _closed_code(text, tables[name])
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
    return _possible_date(name) if FIELDS[name].dtype == "date" else lambda text: text


def _closed_code(text: str, table: CodeTable) -> str | Invalid | None:
    """A code of a closed table; None for a text that the table says to ignore."""
    return None if table.is_ignored(text) else find_code(text, table) or INVALID


def _possible_date(name: str) -> Callable[[str], Any]:
    """Dates that can be meant; years like 0204 or 2924 are invalid."""
    ends = name == "valid_to_date"

    def parse(text: str) -> str | Invalid | None:
        day = parse_end_date(text) if ends else parse_date(text)
        return day if not isinstance(day, str) or is_possible_day(day, ends=ends) else INVALID

    return parse


def _typed(name: str, values: NDArray[np.object_]) -> pd.Series[Any]:
    if FIELDS[name].dtype == "real":
        return pd.Series(values, dtype=np.float64)
    return pd.Series(values, dtype=_TEXT)


_ALLOWED_ZH = {
    "date": "YYYYMMDD、YYYY-MM-DD、YYYY/M/D 或 YYYY年M月D日，1949 年 10 月至 2100 年"
    "（截止日期可到 2200 年，9999 年或“长期”表示不限）",
    "bund_ratio": "0 到 1 之间的小数",
    "stated_area_m2": "大于 0 的数",
    "land_class_code": "2 位或 4 位地类编码，可带字母，例如 0101、05H1",
}


def _invalid_values(
    delivery: Delivery, name: str, column: RawColumn, positions: NDArray[np.int64]
) -> list[Problem]:
    """Rows whose text the field does not accept; they are NULL in the layer."""
    field = FIELDS[name]
    is_code, is_date = name in CLOSED_CODES or name == "change_kind", field.dtype == "date"
    required = name in REQUIRED_VALUES.get(delivery.spec.name, ())
    required |= is_date and name not in RECORD_DATES
    kind = "CODE" if is_code else "DATE" if is_date else "VALUE"
    code = f"{'E' if required else 'N'}-LAYER-{kind}"
    width = DIVISION_WIDTHS.get(name)
    allowed = f"{width} 位数字" if width else _ALLOWED_ZH.get(name) or _ALLOWED_ZH.get(field.dtype)
    if is_code:
        labels = delivery.codes.tables[name].labels
        allowed = "、".join(f"{key}（{label}）" for key, label in labels.items())
    advice = f"改正源数据，或在映射的 values: {name} 里写明这个取值对应什么"
    advice += '（不知道的写 ""）。' if is_date else "。"
    template = delivery.problem(
        code,
        f"{field.label_zh}（{name}）的取值无法识别{'。' if required else '，按未知处理。'}",
        allowed=allowed or "",
        advice=advice,
        severity=Severity.BLOCK if required else Severity.NOTICE,
    )
    return at_rows(delivery, template, positions, [str(v) for v in column.values[positions]])


def _missing_values(
    delivery: Delivery, name: str, is_missing: NDArray[np.bool_], severity: Severity
) -> list[Problem]:
    """Rows without a value that must (or should) be there."""
    must = severity is Severity.BLOCK
    template = delivery.problem(
        "E-LAYER-NULL" if must else "N-LAYER-NULL",
        f"{'必填' if must else '应填'}字段 {name}（{FIELDS[name].label_zh}）为空。",
        value="空",
        allowed="每一行都有值",
        advice="补全源数据后重新运行。" if must else "请补全源数据；不补的，成果里这一栏为空。",
        severity=severity,
    )
    return at_rows(delivery, template, np.flatnonzero(is_missing), [])
