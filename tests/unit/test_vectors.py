"""Vector layers: types survive, bytes repeat, foreign and hostile files are refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
from pandas.testing import assert_frame_equal
from pyproj import CRS
from shapely.geometry import MultiPolygon, box

from pipeline.errors import InputError
from pipeline.io.vectors import read_layer, stream_records, write_layers
from pipeline.schema.fields import FIELDS, FieldSpec
from pipeline.schema.layer import LayerSpec
from pipeline.schema.layers import DROPPED, PATCHES

CRS_4526 = CRS.from_epsg(4526).to_wkt()


def patches(n: int = 2, crs: str | None = CRS_4526, **columns: Any) -> gpd.GeoDataFrame:
    """Conforming patches, the second with every nullable column NULL."""
    data: dict[str, Any] = {
        "patch_id": pd.array([f"379999ZJ26{i:06d}" for i in range(n)], dtype="str"),
        "issued_id": pd.array([None, "TB-007"][:n], dtype="str"),
        "source": pd.array(["detected", "issued"][:n], dtype="str"),
        "theme": pd.array(["land", "land"][:n], dtype="str"),
        "before_date": pd.array(["2025-10-06", None][:n], dtype="str"),
        "after_date": pd.array(["2026-05-01", None][:n], dtype="str"),
        "change_kind": pd.array([None, None][:n], dtype="str"),
        "probability": np.array([0.1 + 0.2, np.nan][:n]),
        "residual_shift_px": np.array([1e-300, np.nan][:n]),
        "observed_ratio": np.array([1.0, 0.0][:n]),
        "area_m2": np.array([3333.333333333333, 2.0][:n]),
        "area_planar_m2": np.array([3334.0, 2.0][:n]),
        "perimeter_m": np.array([240.0, 6.0][:n]),
        "width_m": np.array([50.0, 1.0][:n]),
        "n_pixels": pd.array([833, None][:n], dtype="Int64"),
        "first_row": pd.array([0, None][:n], dtype="Int64"),
        "first_col": pd.array([7, None][:n], dtype="Int64"),
        "area_mu100": pd.array([500, None][:n], dtype="Int64"),
        "geometry": [
            MultiPolygon([box(40500000, 3450000, 40500060, 3450060)]),
            MultiPolygon([box(0, 0, 1, 1), box(2, 2, 3, 3)]),
        ][:n],
    }
    return gpd.GeoDataFrame({**data, **columns}, geometry="geometry", crs=crs)


def dropped(n: int = 0) -> gpd.GeoDataFrame:
    table = patches(1).assign(reason=pd.array(["too_small"], dtype="str"))
    return table[[*DROPPED.fields, "geometry"]].iloc[:n]


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def run_sql(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def test_what_is_written_is_read_back_with_its_types(tmp_path: Path) -> None:
    path, table = tmp_path / "patches.gpkg", patches()
    write_layers(path, {PATCHES: table}, CRS_4526)
    found = read_layer(path, PATCHES)
    assert found.crs == table.crs
    assert found.geometry.to_list() == table.geometry.to_list()
    assert_frame_equal(
        pd.DataFrame(found.drop(columns="geometry")),
        pd.DataFrame(table.drop(columns="geometry")),
        check_exact=True,
    )


def test_empty_and_all_null_columns_keep_their_stored_types(tmp_path: Path) -> None:
    path = tmp_path / "patches.gpkg"
    write_layers(path, {PATCHES: patches(2, change_kind=None), DROPPED: dropped()}, CRS_4526)
    for layer in ("patches", "dropped"):
        types = {name: kind for _, name, kind, *_ in ask(path, f"PRAGMA table_info({layer})")}
        assert types["change_kind"] == "TEXT"
        assert types["before_date"] == "TEXT"
        assert types["n_pixels"] == "INTEGER"
        assert types["area_m2"] == "REAL"
    assert len(read_layer(path, DROPPED)) == 0
    assert list(read_layer(path, DROPPED).columns) == [*DROPPED.fields, "geometry"]


def test_polygons_are_promoted(tmp_path: Path) -> None:
    path = tmp_path / "patches.gpkg"
    write_layers(path, {PATCHES: patches(1, geometry=[box(0, 0, 1, 1)])}, CRS_4526)
    assert read_layer(path, PATCHES).geometry.to_list() == [MultiPolygon([box(0, 0, 1, 1)])]


def test_lists_are_stored_as_json_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    field = FieldSpec("flags", "json", "标记", "Flags.", nullable=True)
    monkeypatch.setitem(FIELDS, "flags", field)
    spec = LayerSpec("flagged", "标记表", ("reason", "flags"), None, ("reason",))
    values = pd.Series([["移送", 1], [], None], dtype=object)
    table = pd.DataFrame({"reason": ["a", "b", "c"], "flags": values})
    path = tmp_path / "flags.gpkg"
    write_layers(path, {spec: table}, None)
    assert ask(path, "SELECT flags FROM flagged") == [('["移送", 1]',), ("[]",), (None,)]
    assert read_layer(path, spec)["flags"].to_list()[:2] == [["移送", 1], []]
    assert read_layer(path, spec)["flags"].isna().to_list() == [False, False, True]


def test_two_writes_give_the_same_bytes_and_the_stamp_is_in_them(tmp_path: Path) -> None:
    layers = {PATCHES: patches(), DROPPED: dropped(1)}
    paths = [tmp_path / name / "patches.gpkg" for name in "abc"]
    write_layers(paths[0], layers, CRS_4526)
    write_layers(paths[1], layers, CRS_4526)
    write_layers(paths[2], layers, CRS_4526, stamp="2026-06-30T00:00:00Z")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes() != paths[2].read_bytes()
    stamps = ask(paths[2], "SELECT DISTINCT last_change FROM gpkg_contents")
    assert stamps == [("2026-06-30T00:00:00Z",)]
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None


def test_version_is_one_that_old_qgis_opens(tmp_path: Path) -> None:
    path = tmp_path / "patches.gpkg"
    write_layers(path, {PATCHES: patches()}, CRS_4526)
    assert ask(path, "PRAGMA application_id") == [(int.from_bytes(b"GPKG"),)]
    assert ask(path, "PRAGMA user_version")[0][0] <= 10300
    assert ask(path, "SELECT count(*) FROM rtree_patches_geom") == [(2,)]


def test_without_crs_the_reference_system_is_undefined_cartesian(tmp_path: Path) -> None:
    path = tmp_path / "patches.gpkg"
    write_layers(path, {PATCHES: patches(crs=None)}, None)
    assert ask(path, "SELECT srs_id FROM gpkg_contents") == [(-1,)]
    assert ask(path, "SELECT srs_id FROM gpkg_geometry_columns") == [(-1,)]
    found = read_layer(path, PATCHES)
    assert found.crs is None
    assert found.geometry.to_list() == patches().geometry.to_list()


def test_a_table_in_another_crs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "patches.gpkg"
    for crs_wkt in (None, CRS.from_epsg(4490).to_wkt()):
        with pytest.raises(InputError, match="坐标系"):
            write_layers(path, {PATCHES: patches()}, crs_wkt)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_table_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "patches.gpkg"
    write_layers(path, {PATCHES: patches()}, CRS_4526)
    before = path.read_bytes()
    with pytest.raises(InputError, match="area_m2"):
        write_layers(path, {PATCHES: patches(area_m2=[1.0, np.nan])}, CRS_4526)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["patches.gpkg"]


def test_records_are_streamed_as_stored(tmp_path: Path) -> None:
    path, table = tmp_path / "patches.gpkg", patches()
    write_layers(path, {PATCHES: table}, CRS_4526)
    records = list(stream_records(path, "patches"))
    assert [record.geometry for record in records] == table.geometry.to_list()
    assert [record.properties["area_m2"] for record in records] == [3333.333333333333, 2.0]
    assert records[1].properties["n_pixels"] is None
    assert records[0].properties["before_date"] == "2025-10-06"
    assert list(records[0].properties) == list(PATCHES.fields)


def test_a_changed_column_is_found_on_reading(tmp_path: Path) -> None:
    path = tmp_path / "patches.gpkg"
    write_layers(path, {PATCHES: patches()}, CRS_4526)
    run_sql(path, "ALTER TABLE patches RENAME COLUMN area_m2 TO area")
    with pytest.raises(InputError) as error:
        read_layer(path, PATCHES)
    assert len(error.value.findings) == 2
    assert "area_m2" in str(error.value)


def test_a_missing_layer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "patches.gpkg"
    write_layers(path, {PATCHES: patches()}, CRS_4526)
    with pytest.raises(InputError, match="没有图层 dropped"):
        read_layer(path, DROPPED)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("/vsizip/a.zip/patches.gpkg", "E-FILE-REFUSED"),
        ("https://example.org/patches.gpkg", "E-FILE-REFUSED"),
        ("missing.gpkg", "E-FILE-MISSING"),
        ("patches.vrt", "E-FILE-REFUSED"),
        ("vrt_inside.gpkg", "E-FILE-REFUSED"),
        ("torn.gpkg", "E-FILE-UNREADABLE"),
        ("plain_sqlite.gpkg", "E-FILE-UNREADABLE"),
    ],
)
def test_other_sources_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_layers(tmp_path / "good.gpkg", {PATCHES: patches()}, CRS_4526)
    vrt = '<OGRVRTDataSource><OGRVRTLayer name="patches"/></OGRVRTDataSource>'
    for bad in ("patches.vrt", "vrt_inside.gpkg"):
        (tmp_path / bad).write_text(vrt)
    (tmp_path / "torn.gpkg").write_bytes((tmp_path / "good.gpkg").read_bytes()[:1000])
    run_sql(tmp_path / "plain_sqlite.gpkg", "CREATE TABLE patches (patch_id TEXT)")
    readers = (read_layer, lambda path, spec: next(stream_records(path, spec.name)))
    for read in readers:
        with pytest.raises(InputError) as error:
            read(Path(name), PATCHES)
        assert [finding.code for finding in error.value.findings] == [code]


def test_a_view_in_place_of_a_layer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "patches.gpkg"
    write_layers(path, {PATCHES: patches()}, CRS_4526)
    run_sql(path, "ALTER TABLE patches RENAME TO hidden")
    run_sql(path, "CREATE VIEW patches AS SELECT * FROM hidden")
    run_sql(path, "UPDATE gpkg_contents SET table_name = 'patches'")
    with pytest.raises(InputError, match="视图"):
        read_layer(path, PATCHES)
