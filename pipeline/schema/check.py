"""Check a table against its layer specification: every problem at once, with the rows it is in."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipeline.errors import Finding, InputError
from pipeline.schema.fields import FIELDS, Dtype
from pipeline.schema.layer import LayerSpec

MAX_ROWS_NAMED = 20
"""Rows listed by id in one finding; the rest are counted."""

GEOMETRY_COLUMN = "geometry"

_ADVICE = "这是程序自己写出的图层；若没有手工改过，请把本信息连同 run.log 一起反馈。"

_DTYPE_ZH: dict[Dtype, str] = {
    "text": "文本",
    "integer": "整数",
    "real": "有限的实数",
    "date": "日期文本（YYYY-MM-DD）",
    "boolean": "是/否",
    "json": "列表",
}


def check_table(table: pd.DataFrame, spec: LayerSpec, where: str) -> list[Finding]:
    """All findings of a (Geo)DataFrame against `spec`; empty if it conforms."""
    findings = _check_columns(table, spec, where)
    present = [name for name in spec.fields if name in table.columns]
    for name in present:
        findings += _check_values(table, name, spec, where)
    if all(name in present for name in spec.key):
        findings += _check_key(table, spec, where)
    if spec.geometry is not None and GEOMETRY_COLUMN in table.columns:
        findings += _check_geometry(table, spec, where)
    return findings


def require(table: pd.DataFrame, spec: LayerSpec, where: str) -> None:
    """Raise `InputError` with every finding, if there is any."""
    findings = check_table(table, spec, where)
    if findings:
        raise InputError(findings)


def _check_columns(table: pd.DataFrame, spec: LayerSpec, where: str) -> list[Finding]:
    expected = set(spec.fields) | ({GEOMETRY_COLUMN} if spec.geometry else set())
    found = set(table.columns)
    findings = []
    if missing := sorted(expected - found):
        findings.append(_finding(f"图层缺少字段：{'、'.join(missing)}。", where))
    if extra := sorted(map(str, found - expected)):
        findings.append(_finding(f"图层有未登记的字段：{'、'.join(extra)}。", where))
    return findings


def _check_values(table: pd.DataFrame, name: str, spec: LayerSpec, where: str) -> list[Finding]:
    column, field = table[name], FIELDS[name]
    null = column.isna().to_numpy(dtype=bool)
    findings = []
    if null.any() and not (field.nullable and name not in spec.key):
        findings.append(
            _finding(f"字段 {name}（{field.label_zh}）不允许为空。", _at(where, table, null, spec))
        )
    wrong = ~null & _is_wrong(column, null, field.dtype)
    if wrong.any():
        findings.append(
            _finding(
                f"字段 {name}（{field.label_zh}）的类型不对。",
                _at(where, table, wrong, spec),
                value=f"{column.dtype}，例如 {column.to_numpy(dtype=object)[wrong][0]!r}",
                allowed=_DTYPE_ZH[field.dtype],
            )
        )
    return findings


def _is_wrong(column: pd.Series[Any], null: NDArray[np.bool_], dtype: Dtype) -> NDArray[np.bool_]:
    """Which rows do not hold a value of `dtype`; rows in `null` may come out either way."""
    if dtype == "integer":
        return np.full(len(column), not pd.api.types.is_integer_dtype(column.dtype))
    if dtype == "real":
        if not pd.api.types.is_float_dtype(column.dtype):
            return np.ones(len(column), dtype=np.bool_)
        finite: NDArray[np.bool_] = np.isfinite(column.to_numpy(np.float64, na_value=np.nan))
        return ~finite
    is_right = _VALUE_CHECKS[dtype]
    values = column.to_numpy(dtype=object)
    return np.fromiter(
        (not (skip or is_right(value)) for value, skip in zip(values, null, strict=True)),
        dtype=np.bool_,
        count=len(values),
    )


def _is_iso_date(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        # fromisoformat also takes 20260501 and week dates; only the dashed form is ours.
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_json_list(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


_VALUE_CHECKS: dict[Dtype, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool | np.bool_),
    "date": _is_iso_date,
    "json": _is_json_list,
}
"""Types whose pandas dtype says nothing sure, so that every value is looked at."""


def _check_key(table: pd.DataFrame, spec: LayerSpec, where: str) -> list[Finding]:
    twice = table.duplicated(list(spec.key), keep=False).to_numpy(dtype=bool)
    if not twice.any():
        return []
    return [_finding(f"主键 {'、'.join(spec.key)} 有重复。", _at(where, table, twice, spec))]


def _check_geometry(table: pd.DataFrame, spec: LayerSpec, where: str) -> list[Finding]:
    geometry = np.asarray(table[GEOMETRY_COLUMN], dtype=object)
    missing = shapely.is_missing(geometry) | shapely.is_empty(geometry)
    allowed = {str(spec.geometry), str(spec.geometry).removeprefix("Multi")}
    types = np.array([getattr(shape, "geom_type", "") for shape in geometry], dtype=object)
    mistyped = ~missing & ~np.isin(types.astype(str), sorted(allowed))
    invalid = ~missing & ~shapely.is_valid(geometry)
    findings = []
    if missing.any():
        findings.append(_finding("几何为空。", _at(where, table, missing, spec)))
    if mistyped.any():
        findings.append(
            _finding(
                "几何类型不对。",
                _at(where, table, mistyped, spec),
                value="、".join(sorted(set(types[mistyped]))),
                allowed="、".join(sorted(allowed)),
            )
        )
    if invalid.any():
        reason = shapely.is_valid_reason(geometry[invalid][0])
        findings.append(
            _finding("几何无效（如自相交）。", _at(where, table, invalid, spec), value=str(reason))
        )
    return findings


def _finding(what: str, where: str, *, value: str = "", allowed: str = "") -> Finding:
    return Finding("E-LAYER-SCHEMA", what, where, value, allowed, _ADVICE)


def _at(where: str, table: pd.DataFrame, rows: NDArray[np.bool_], spec: LayerSpec) -> str:
    """`where` and the rows by key, or by position (from 1) where the key is missing or empty."""
    positions = np.flatnonzero(rows)
    named = []
    for position in positions[:MAX_ROWS_NAMED]:
        keys = [table[name].iloc[position] for name in spec.key if name in table.columns]
        has_key = len(keys) == len(spec.key) and not any(pd.isna(key) for key in keys)
        named.append("/".join(map(str, keys)) if has_key else f"第 {position + 1} 行")
    more = f" 等共 {len(positions)} 行" if len(positions) > MAX_ROWS_NAMED else ""
    return f"{where}，{'、'.join(named)}{more}"
