from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

import pytest
import shapely

from pipeline.io.returned.layers import read_verify_gpkg
from pipeline.io.returned.outline_blobs import OutlineError, read_outline
from pipeline.schema.delivered import FORM_COLUMNS, VERIFY
from pipeline.schema.returned import FormTable
from tests.returned_factory import IDS, PACKAGE_ID, as_file, outline, write_verify


def read(path: Path) -> FormTable:
    return read_verify_gpkg(as_file(path, "gpkg"))


def code_of(path: Path) -> str:
    table = read(path)
    assert table.rows == ()
    assert table.problem is not None
    assert table.problem.where == path.name
    assert table.problem.advice
    return table.problem.code


def connect(path: Path) -> sqlite3.Connection:
    """With stand-ins for the functions that the triggers of the spatial index call."""
    connection = sqlite3.connect(path)
    connection.create_function("ST_IsEmpty", 1, lambda _: 0)
    for name in ("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
        connection.create_function(name, 1, lambda _: 0.0)
    return connection


def run_sql(path: Path, *statements: str) -> Path:
    connection = connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def verify(tmp_path: Path) -> Path:
    filled = {"site_state": "in_progress", "filled_date": "2024-11-01", "is_notified": True}
    return write_verify(tmp_path / "verify.gpkg", measured_area_m2=1234.5, **filled)


def test_layer_as_sent(verify: Path) -> None:
    table = read(verify)
    assert table.problem is None
    assert table.package_id == PACKAGE_ID
    assert table.columns == VERIFY.fields
    assert table.sheet == "patches"
    assert [row.values["patch_id"] for row in table.rows] == list(IDS)
    assert [row.row_no for row in table.rows] == [1, 2, 3]
    values = table.rows[0].values
    assert values["area_m2"] == "2395.66082997164"
    assert values["site_state"] == "in_progress"
    assert values["measured_area_m2"] == "1234.5"
    assert (values["is_notified"], values["is_straddling"]) == ("是", "否")
    assert values["is_found_by_patrol"] is None
    assert table.crs is not None
    assert table.crs.to_epsg() == 4547
    assert {key: shape.wkt for key, shape in table.outlines.items()} == {
        key: outline(n).geoms[0].wkt for n, key in enumerate(IDS)
    }
    assert read(verify) == table


def test_edits_that_wait_in_the_journal_are_read(verify: Path) -> None:
    """The file is still open in QGIS: what was saved stands beside it."""
    connection = connect(verify)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("UPDATE patches SET site_state = 'demolished' WHERE fid = 2")
    connection.commit()
    try:
        assert Path(f"{verify}-wal").stat().st_size > 0
        before = verify.read_bytes()
        assert read(verify).rows[1].values["site_state"] == "demolished"
        assert verify.read_bytes() == before
    finally:
        connection.close()


def test_layer_under_another_name(verify: Path) -> None:
    run_sql(
        verify,
        "ALTER TABLE patches RENAME TO 核查图斑",
        "UPDATE gpkg_contents SET table_name = '核查图斑' WHERE table_name = 'patches'",
        "UPDATE gpkg_geometry_columns SET table_name = '核查图斑' WHERE table_name = 'patches'",
    )
    table = read(verify)
    assert table.problem is None, table.problem
    assert (table.sheet, len(table.rows), len(table.outlines)) == ("核查图斑", 3, 3)


def test_own_columns_are_told(verify: Path) -> None:
    assert read(run_sql(verify, "ALTER TABLE patches ADD COLUMN 备注 TEXT")).unknown_headers == (
        "备注",
    )


def test_texts_of_other_programs(verify: Path) -> None:
    run_sql(
        verify,
        "UPDATE patches SET is_notified = 'false', filled_by = '  李四 ', checked_by = 'NULL'",
        "UPDATE patches SET occupant_name = CAST(X'D5C5C8FD' AS TEXT) WHERE fid = 1",
        "UPDATE patches SET measured_area_m2 = 1e400, photo_note = X'00FF' WHERE fid = 2",
    )
    rows = [row.values for row in read(verify).rows]
    assert (rows[0]["is_notified"], rows[0]["filled_by"]) == ("否", "李四")
    assert rows[0]["checked_by"] is None
    assert rows[0]["occupant_name"] == "张三"
    assert rows[1]["measured_area_m2"] is None
    assert rows[1]["photo_note"] is None


def test_two_packages_in_one_layer(verify: Path) -> None:
    run_sql(verify, "UPDATE patches SET package_id = 'other' WHERE fid = 1")
    table = read(verify)
    assert table.package_id is None
    assert table.rows[0].values["package_id"] == "other"


def test_pieces_of_a_patch_are_put_together(verify: Path) -> None:
    run_sql(verify, f"UPDATE patches SET patch_id = '{IDS[0]}' WHERE fid = 2")
    shape = read(verify).outlines[IDS[0]]
    assert len(shape.geoms) == 2
    assert shape.area == pytest.approx(outline(0).area * 2)


def test_broken_outline_is_told_and_the_form_is_read(verify: Path) -> None:
    table = read(run_sql(verify, "UPDATE patches SET geom = X'47500001' WHERE fid = 2"))
    assert len(table.rows) == 3
    assert sorted(table.outlines) == sorted([IDS[0], IDS[2]])
    assert [notice.code for notice in table.notices] == ["N-RETURN-DOUBT"]


def test_triggers_never_run(verify: Path) -> None:
    run_sql(
        verify,
        "CREATE TRIGGER evil AFTER UPDATE ON patches BEGIN DELETE FROM patches; END",
    )
    before = verify.read_bytes()
    assert len(read(verify).rows) == 3
    assert verify.read_bytes() == before


@pytest.mark.parametrize(
    "statements",
    [
        (
            "ALTER TABLE patches RENAME TO hidden",
            "CREATE VIEW patches AS SELECT * FROM hidden",
        ),
        (
            "DROP TABLE patches",
            "CREATE VIRTUAL TABLE patches USING fts5(patch_id, site_state)",
        ),
        (
            "CREATE VIEW v AS SELECT 1 AS fid",
            "INSERT INTO gpkg_contents (table_name, data_type) VALUES ('v', 'attributes')",
        ),
        (
            "ALTER TABLE gpkg_contents RENAME TO c",
            "CREATE VIEW gpkg_contents AS SELECT * FROM c",
        ),
    ],
)
def test_views_and_virtual_tables_are_refused(verify: Path, statements: tuple[str, ...]) -> None:
    assert code_of(run_sql(verify, *statements)) == "E-RETURN-REFUSED"


def test_generated_columns_are_not_asked_for(verify: Path) -> None:
    run_sql(
        verify,
        "ALTER TABLE patches ADD COLUMN bomb AS (hex(zeroblob(400000000))) VIRTUAL",
        "ALTER TABLE patches ADD COLUMN bomb2 AS (length(zeroblob(900000000))) VIRTUAL",
    )
    table = read(verify)
    assert table.problem is None
    assert len(table.rows) == 3
    assert "bomb" not in table.unknown_headers


def test_names_are_no_sql(verify: Path) -> None:
    name = 'x"; DROP TABLE patches; --'
    quoted = name.replace('"', '""')
    run_sql(verify, f'ALTER TABLE patches ADD COLUMN "{quoted}" TEXT')
    table = read(verify)
    assert len(table.rows) == 3
    assert table.unknown_headers == (name,)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"SQLite format 3\0" + b"\0" * 500, "E-RETURN-FILE"),
        (b"PK\x03\x04", "E-RETURN-REFUSED"),
        (b"<VRTDataset/>", "E-RETURN-REFUSED"),
    ],
)
def test_no_geopackage(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "verify.gpkg").write_bytes(content)
    assert code_of(tmp_path / "verify.gpkg") == code


def test_without_layer_of_patches(verify: Path) -> None:
    run_sql(verify, "ALTER TABLE patches RENAME COLUMN site_state TO a")
    assert code_of(verify) == "E-RETURN-UNKNOWN"


def test_too_many_rows(verify: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.io.returned.layers.MAX_ROWS", 2)
    assert code_of(verify) == "E-RETURN-REFUSED"


def test_form_columns_stand_in_the_layer() -> None:
    assert set(FORM_COLUMNS) < set(VERIFY.fields)


NAN = float("nan")


def blob(wkb: bytes, envelope: int = 0) -> bytes:
    return b"GP\x00" + bytes([1 | envelope << 1]) + struct.pack("<i", 4547) + wkb


def nested(depth: int) -> bytes:
    head = struct.pack("<BII", 1, 7, 1)
    return blob(head * depth + struct.pack("<BII", 1, 7, 0))


@pytest.mark.parametrize("byte_order", [0, 1])
@pytest.mark.parametrize("z", [False, True])
def test_outline_blob(byte_order: int, z: bool) -> None:
    shape: shapely.Geometry = outline(0)
    given = shapely.force_3d(shape, 5.0) if z else shape
    for flavor in ("iso", "extended"):
        wkb = shapely.to_wkb(given, byte_order=byte_order, flavor=flavor, include_srid=False)
        found = read_outline(blob(wkb))
        assert found is not None
        assert not found.has_z
        assert shapely.MultiPolygon([found]).equals_exact(shape, 0.0)


@pytest.mark.parametrize(
    "given", [None, blob(shapely.Polygon().wkb), blob(struct.pack("<BII", 1, 6, 0))]
)
def test_no_outline(given: bytes | None) -> None:
    assert read_outline(given) is None


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"GP\x00\x01",
        "text",
        blob(b""),
        blob(shapely.Point(1, 2).wkb),
        blob(shapely.LineString([(0, 0), (1, 1)]).wkb),
        blob(shapely.GeometryCollection([shapely.box(0, 0, 1, 1)]).wkb),
        blob(struct.pack("<BII", 1, 6, 1) + struct.pack("<BII", 1, 7, 0)),
        blob(struct.pack("<BII", 1, 3, 0xFFFFFFFF)),
        blob(struct.pack("<BIII", 1, 3, 1, 0xFFFFFFFF)),
        blob(struct.pack("<BIII", 1, 3, 1, 2) + struct.pack("<4d", 0, 0, 1, 1)),
        blob(
            shapely.box(0, 0, 1, 1).wkb.replace(
                struct.pack("<d", 1), struct.pack("<d", float("nan"))
            )
        ),
        blob(shapely.box(0, 0, 1, 1).wkb, envelope=6),
        nested(200_000),
    ],
)
def test_blob_that_is_no_outline(given: object) -> None:
    with pytest.raises(OutlineError):
        read_outline(given)
