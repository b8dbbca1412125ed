"""A data source is every file that decides what is read from it."""

from __future__ import annotations

from pathlib import Path

from pipeline.io.source_files import files_of_source


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_shapefile_sidecars_count_and_neighbours_do_not(tmp_path: Path) -> None:
    names = ("a[1].shp", "a[1].dbf", "A[1].CPG", "a[1].sbn", "a1.dbf", "b.shp")
    touch(*(tmp_path / name for name in names))
    found = files_of_source(tmp_path / "a[1].shp")
    assert {part: path.name for part, path in found.items()} == {
        "shp": "a[1].shp",
        "dbf": "a[1].dbf",
        "cpg": "A[1].CPG",
    }


def test_geodatabase_folder_counts_as_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "land.gdb"
    touch(folder / "a1.gdbtable", folder / "a1.gdbtablx", folder / "open.lock")
    assert set(files_of_source(folder)) == {"a1.gdbtable", "a1.gdbtablx"}


def test_absent_source_is_still_named(tmp_path: Path) -> None:
    for name in ("gone.shp", "gone.gpkg"):
        assert list(files_of_source(tmp_path / name).values()) == [tmp_path / name]
