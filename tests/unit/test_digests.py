"""Digests: bytes for most files, content for GeoPackages."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import geopandas as gpd
import pytest
from pyproj import CRS
from shapely.geometry import Point

from pipeline.errors import InputError
from pipeline.io import digests
from pipeline.io.digests import (
    DigestCache,
    FileDigest,
    content_digest,
    digest_files,
    digest_tree,
    file_sha256,
)
from pipeline.io.vectors import write_layers
from pipeline.schema.layers import TIE_POINTS

STYLES = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY, f_table_name TEXT, styleQML TEXT, update_time DATETIME)
"""


def write_points(path: Path, epsg: int = 4526) -> Path:
    """A small GeoPackage with a style."""
    table = gpd.GeoDataFrame(
        {
            "point_id": ["0000", "0001", "0002"],
            "shift_row_px": [0.5, 0.25, None],
            "shift_col_px": [1.5, 1.25, None],
            "quality": [8.0, 9.0, None],
            "is_used": [True, True, False],
            "is_check": [False, True, False],
            "residual_px": [0.05, 0.1, None],
            "window_px": [64, 64, 64],
            "geometry": [Point(0, 0), Point(1, 1), Point(2, 2)],
        },
        geometry="geometry",
        crs=f"EPSG:{epsg}",
    )
    write_layers(path, {TIE_POINTS: table}, CRS.from_epsg(epsg).to_wkt())
    with connect(path) as connection:
        connection.execute(STYLES)
        connection.execute(
            "INSERT INTO layer_styles VALUES (1, 'tie_points', '<qgis/>', '2000-01-01')"
        )
    return path


@contextmanager
def connect(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection, connection:
        # Spatial functions of the R-tree triggers exist only inside GDAL.
        for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
            connection.create_function(name, 1, lambda _: 1)
        yield connection


@pytest.fixture
def points(tmp_path: Path) -> Path:
    return write_points(tmp_path / "points.gpkg")


def test_other_files_are_digested_by_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"abc")
    assert file_sha256(path) == content_digest(path) == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    "statement",
    [
        "VACUUM",
        "PRAGMA journal_mode=WAL",
        "UPDATE gpkg_contents SET last_change = '2030-01-01T00:00:00Z', min_x = -5",
        "UPDATE gpkg_ogr_contents SET feature_count = 99",
        "UPDATE layer_styles SET update_time = '2030-01-01', id = 7",
        "UPDATE tie_points SET fid = 10 - fid",
        "CREATE TABLE qgis_scratch (x)",
        "CREATE TRIGGER evil AFTER UPDATE ON tie_points BEGIN DELETE FROM tie_points; END",
    ],
)
def test_bookkeeping_does_not_change_the_content(points: Path, statement: str) -> None:
    content, file_digest = content_digest(points), file_sha256(points)
    with closing(sqlite3.connect(points, isolation_level=None)) as connection:
        for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
            connection.create_function(name, 1, lambda _: 1)
        connection.execute(statement)
    assert file_sha256(points) != file_digest
    assert content_digest(points) == content


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tie_points SET quality = 8.000000000000002 WHERE quality = 8.0",
        "UPDATE tie_points SET quality = 0 WHERE quality IS NULL",
        "UPDATE tie_points SET point_id = '1' WHERE point_id = '0001'",
        "UPDATE tie_points SET point_id = x'30303031' WHERE point_id = '0001'",
        "UPDATE tie_points SET shift_row_px = shift_col_px, shift_col_px = shift_row_px",
        "DELETE FROM tie_points WHERE point_id = '0002'",
        "INSERT INTO tie_points (point_id) VALUES ('0003')",
        "UPDATE tie_points SET geom = (SELECT geom FROM tie_points WHERE point_id = '0001')"
        " WHERE point_id = '0000'",
        "ALTER TABLE tie_points ADD COLUMN note TEXT",
        "ALTER TABLE tie_points RENAME COLUMN quality TO score",
        "UPDATE layer_styles SET styleQML = '<qgis version=\"3\"/>'",
        "UPDATE gpkg_geometry_columns SET srs_id = 4326",
    ],
)
def test_every_change_of_content_changes_the_digest(points: Path, statement: str) -> None:
    content = content_digest(points)
    with connect(points) as connection:
        connection.execute(statement)
    assert content_digest(points) != content


def test_the_reference_system_is_content(tmp_path: Path, points: Path) -> None:
    assert content_digest(points) != content_digest(write_points(tmp_path / "b.gpkg", 4527))


def test_geometry_is_compared_without_its_envelope(points: Path) -> None:
    """QGIS may write the same point with an envelope in the header (flag 1, 32 bytes)."""
    content = content_digest(points)
    with connect(points) as connection:
        for fid, blob in connection.execute("SELECT fid, geom FROM tie_points").fetchall():
            assert blob[3] >> 1 & 0b111 == 0
            longer = blob[:3] + bytes([blob[3] | 0b10]) + blob[4:8] + bytes(32) + blob[8:]
            connection.execute("UPDATE tie_points SET geom = ? WHERE fid = ?", (longer, fid))
    assert content_digest(points) == content


def test_edits_waiting_in_a_journal_are_seen(points: Path) -> None:
    """The file is open in QGIS: the edit is committed but still beside the file."""
    content = content_digest(points)
    with closing(sqlite3.connect(points)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("UPDATE layer_styles SET styleQML = 'edited'")
        connection.commit()
        assert points.with_name("points.gpkg-wal").stat().st_size > 0
        assert content_digest(points) != content


def test_digesting_changes_nothing_on_disk(points: Path) -> None:
    before = (points.read_bytes(), sorted(points.parent.iterdir()))
    content_digest(points)
    assert (points.read_bytes(), sorted(points.parent.iterdir())) == before


@pytest.mark.parametrize("catalogue", ["tie_points", "gpkg_contents"])
def test_views_are_refused(points: Path, catalogue: str) -> None:
    with closing(sqlite3.connect(points)) as connection:
        connection.execute("PRAGMA legacy_alter_table=ON")
        connection.execute(f"ALTER TABLE {catalogue} RENAME TO hidden")
        connection.execute(f"CREATE VIEW {catalogue} AS SELECT * FROM hidden")
        connection.commit()
    with pytest.raises(InputError, match="视图") as error:
        content_digest(points)
    assert error.value.findings[0].code == "E-FILE-REFUSED"


def test_virtual_tables_are_refused(points: Path) -> None:
    with connect(points) as connection:
        connection.execute(
            "INSERT INTO gpkg_contents (table_name, data_type) VALUES"
            " ('rtree_tie_points_geom', 'attributes')"
        )
    with pytest.raises(InputError, match="虚拟表"):
        content_digest(points)


def test_a_hostile_table_name_is_only_a_name(points: Path) -> None:
    name = 'x"; DROP TABLE tie_points; --'
    with connect(points) as connection:
        quoted = '"' + name.replace('"', '""') + '"'
        connection.execute(f"CREATE TABLE {quoted} (a)")
        connection.execute(
            "INSERT INTO gpkg_contents (table_name, data_type) VALUES (?, 'attributes')", (name,)
        )
    content_digest(points)
    with connect(points) as connection:
        assert connection.execute("SELECT count(*) FROM tie_points").fetchone() == (3,)


def test_text_that_is_not_utf8_is_digested(points: Path) -> None:
    content = content_digest(points)
    with connect(points) as connection:
        connection.execute("UPDATE layer_styles SET styleQML = CAST(x'C4E3BAC3' AS TEXT)")
    assert content_digest(points) != content


def test_cache_saves_work_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = tmp_path / "a.bin", tmp_path / "cache.json"
    path.write_bytes(b"one")
    first = DigestCache(store)
    found = first.digest(path)
    first.save()

    def fail(path: Path) -> FileDigest:
        raise AssertionError(f"{path} was hashed again")

    with monkeypatch.context() as patch:
        patch.setattr(digests, "compute_digest", fail)
        assert DigestCache(store).digest(path) == found
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert DigestCache(store).digest(path).digest == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "null",
        '{"a": 1}',
        '{"a": {"stamp": [1], "digest": {"kind": "file"}}}',
        "\x00",
    ],
)
def test_a_damaged_cache_is_an_empty_cache(tmp_path: Path, damage: str) -> None:
    path, store = tmp_path / "a.bin", tmp_path / "cache.json"
    path.write_bytes(b"one")
    store.write_text(damage)
    cache = DigestCache(store)
    assert cache.digest(path).digest == hashlib.sha256(b"one").hexdigest()
    cache.save()
    assert list(json.loads(store.read_text())) == [str(path.resolve())]


def test_all_missing_files_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    paths = {name: tmp_path / name for name in ("there", "gone", "lost")}
    with pytest.raises(InputError) as error:
        digest_files(paths)
    assert [finding.code for finding in error.value.findings] == ["E-FILE-MISSING"] * 2


def test_tree_is_keyed_by_relative_path(tmp_path: Path, points: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.bin").write_bytes(b"a")
    found = digest_tree({"": tmp_path})
    assert set(found) == {"points.gpkg", "sub/a.bin"}
    assert found["points.gpkg"] == FileDigest(
        content_digest(points), "content", points.stat().st_size, file_sha256(points)
    )
    sha_a = hashlib.sha256(b"a").hexdigest()
    assert found["sub/a.bin"] == FileDigest(sha_a, "file", 1, sha_a)
