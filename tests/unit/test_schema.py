"""The registers of fields and layers, and the check of a table against them."""

from __future__ import annotations

import re
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point, Polygon, box

from pipeline.errors import InputError
from pipeline.schema.check import MAX_ROWS_NAMED, check_table, require
from pipeline.schema.fields import FIELDS, FieldSpec
from pipeline.schema.layer import LayerSpec
from pipeline.schema.layers import LAYERS, TIE_POINTS

UNIT_SUFFIXES = {"m2", "m", "px", "mu", "mu100", "yuan"}


def tie_points(n: int = 3, **columns: Any) -> gpd.GeoDataFrame:
    """A conforming table of tie points, with columns replaced or added."""
    data: dict[str, Any] = {
        "point_id": [f"{i:04d}" for i in range(n)],
        "shift_row_px": np.linspace(0.0, 1.0, n),
        "shift_col_px": np.linspace(1.0, 2.0, n),
        "quality": np.full(n, 8.0),
        "is_used": [True] * n,
        "is_check": [False] * n,
        "residual_px": np.full(n, 0.1),
        "window_px": [64] * n,
        "geometry": [Point(i, i) for i in range(n)],
    }
    return gpd.GeoDataFrame({**data, **columns}, geometry="geometry", crs="EPSG:4526")


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_layers_use_registered_fields_once(layer: LayerSpec) -> None:
    assert set(layer.fields) <= FIELDS.keys()
    assert len(set(layer.fields)) == len(layer.fields)
    assert layer.key
    assert set(layer.key) <= set(layer.fields)
    assert re.search("[一-鿿]", layer.label_zh)


def test_every_registered_field_is_used() -> None:
    assert FIELDS.keys() == {name for layer in LAYERS for name in layer.fields}


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
def test_fields_say_what_they_mean(field: FieldSpec) -> None:
    assert FIELDS[field.name] is field
    assert re.search("[一-鿿]", field.label_zh)
    assert field.description.endswith(".")
    assert field.code is None or re.fullmatch("[A-Z]+", field.code)
    suffix = field.name.rpartition("_")[2]
    assert field.unit == (suffix if suffix in UNIT_SUFFIXES else None)
    assert (field.dtype == "text") or not field.name.endswith("_id")
    assert (field.dtype == "date") == field.name.endswith("_date")
    assert (field.dtype == "boolean") == field.name.startswith(("is_", "has_"))


def test_official_codes_name_one_field_each() -> None:
    codes = [field.code for field in FIELDS.values() if field.code]
    assert len(set(codes)) == len(codes)
    assert {"JCBH", "JCMJ", "QSX", "HSX", "TBLX"} <= set(codes)


def test_conforming_table_has_no_findings() -> None:
    assert check_table(tie_points(), TIE_POINTS, "测试") == []


def test_nulls_are_legal_where_registered() -> None:
    table = tie_points(
        quality=[8.0, np.nan, 7.0],
        shift_row_px=[None, None, None],
        residual_px=[0.1, None, np.nan],
    )
    assert check_table(table, TIE_POINTS, "测试") == []


def test_empty_table_conforms() -> None:
    assert check_table(tie_points(0), TIE_POINTS, "测试") == []


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"window_px": pd.array([64, None, 64], dtype="Int64")},
            ["window_px", "不允许为空", "0001"],
        ),
        ({"point_id": ["a", None, "c"]}, ["point_id", "不允许为空", "第 2 行"]),
        ({"point_id": ["0001", "0002", "0001"]}, ["主键", "重复", "0001、0001"]),
        ({"point_id": [1, 2, 3]}, ["point_id", "类型不对", "文本"]),
        ({"window_px": [64.0, 64.0, 64.0]}, ["window_px", "类型不对", "整数", "float64"]),
        ({"quality": ["高", "低", "中"]}, ["quality", "类型不对", "实数", "'高'"]),
        ({"quality": [1.0, np.inf, 1.0]}, ["quality", "类型不对", "0001", "inf"]),
        ({"is_used": [1, 0, 1]}, ["is_used", "类型不对", "是/否"]),
        ({"note": ["", "", ""]}, ["未登记", "note"]),
        ({"geometry": [Point(0, 0), None, Point(1, 1)]}, ["几何为空", "0001"]),
        ({"geometry": [Point(0, 0), Point(), Point(1, 1)]}, ["几何为空", "0001"]),
        (
            {"geometry": [Point(0, 0), box(0, 0, 1, 1), Point(1, 1)]},
            ["几何类型", "0001", "Polygon"],
        ),
    ],
)
def test_one_mistake_gives_one_finding_that_names_it(
    columns: dict[str, Any], words: list[str]
) -> None:
    findings = check_table(tie_points(**columns), TIE_POINTS, "测试")
    assert len(findings) == 1
    assert findings[0].code == "E-LAYER-SCHEMA"
    for word in words:
        assert word in findings[0].render()


def test_invalid_outline_is_named_with_the_reason() -> None:
    spec = LayerSpec("outlines", "轮廓", ("patch_id",), "MultiPolygon", ("patch_id",))
    bowtie = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    table = gpd.GeoDataFrame({"patch_id": ["1", "2"], "geometry": [box(0, 0, 1, 1), bowtie]})
    findings = check_table(table, spec, "测试")
    assert [finding.where for finding in findings] == ["测试，2"]
    assert "Self-intersection" in findings[0].value


@pytest.mark.parametrize("text", ["20260501", "2026-5-1", "2026-02-30", "2026-W18-5", ""])
def test_only_dashed_iso_dates_are_dates(text: str) -> None:
    spec = LayerSpec("dates", "日期", ("reason", "after_date"), None, ("reason",))
    table = pd.DataFrame({"reason": ["a", "b"], "after_date": ["2026-05-01", text]})
    findings = check_table(table, spec, "测试")
    assert [finding.where for finding in findings] == ["测试，b"]


@pytest.mark.parametrize(("value", "n_findings"), [(["R1", 2], 0), ("R1", 1), ([object()], 1)])
def test_json_fields_hold_lists_of_plain_values(
    monkeypatch: pytest.MonkeyPatch, value: Any, n_findings: int
) -> None:
    monkeypatch.setitem(FIELDS, "flags", FieldSpec("flags", "json", "标记", "Flags."))
    spec = LayerSpec("flagged", "标记表", ("reason", "flags"), None, ("reason",))
    table = pd.DataFrame({"reason": ["a"], "flags": pd.Series([value], dtype=object)})
    assert len(check_table(table, spec, "测试")) == n_findings


def test_require_reports_everything_at_once() -> None:
    table = tie_points(point_id=["1", "1", "2"], is_used=[1, 0, 1]).drop(columns="quality")
    with pytest.raises(InputError) as error:
        require(table, TIE_POINTS, "align/tie_points.gpkg")
    text = str(error.value)
    assert len(error.value.findings) == 3
    assert all(word in text for word in ("quality", "is_used", "重复", "align/tie_points.gpkg"))


def test_long_lists_of_rows_are_counted() -> None:
    n = MAX_ROWS_NAMED + 5
    findings = check_table(tie_points(n, is_used=[1] * n), TIE_POINTS, "测试")
    assert findings[0].where.endswith(f"等共 {n} 行")
    assert f"{MAX_ROWS_NAMED - 1:04d}" in findings[0].where
    assert f"{MAX_ROWS_NAMED:04d}" not in findings[0].where
