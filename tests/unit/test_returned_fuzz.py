"""Damaged and hostile returns: every reader answers with a table or with a reason, never raises."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pyproj import CRS

from pipeline.errors import CODES, Finding
from pipeline.io.returned.archives import open_returns
from pipeline.io.returned.layers import read_verify_gpkg
from pipeline.io.returned.photos import read_photo
from pipeline.io.returned.surveys import read_survey
from pipeline.io.returned.tables import read_form
from pipeline.schema.returned import ReturnedFile, ReturnKind
from tests.returned_factory import (
    FILLED,
    KNOWN,
    as_file,
    form_rows,
    jpeg,
    write_form,
    write_verify,
    zip_of,
)
from tests.unit.test_returned_surveys import HEADER, SQUARE, geojson, lines, national, write_layer
from tests.unit.test_returned_tables import csv_bytes

RUN = CRS.from_epsg(4547)
UNFORESEEN = "文件内容异常，无法读取。"
"""What `try_reading` says where a reader raised what nobody thought of."""

Mutation = Callable[[random.Random, bytes], bytes]


def flip(dice: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.choice((1, 2, 8, 64))):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def cut(dice: random.Random, content: bytes) -> bytes:
    return content[: dice.randrange(len(content))]


def drop(dice: random.Random, content: bytes) -> bytes:
    start = dice.randrange(len(content))
    return content[:start] + content[start + dice.randrange(1, 200) :]


def repeat(dice: random.Random, content: bytes) -> bytes:
    start = dice.randrange(len(content))
    piece = content[start : start + dice.randrange(1, 400)]
    return content[:start] + piece * dice.randrange(2, 5) + content[start:]


def fill(dice: random.Random, content: bytes) -> bytes:
    start = dice.randrange(len(content))
    size = dice.choice((1, 4, 8, 64))
    return (
        content[:start] + dice.choice((b"\0", b"\xff", b"9", b"<")) * size + content[start + size :]
    )


MUTATIONS: tuple[Mutation, ...] = (flip, cut, drop, repeat, fill)


def inside(dice: random.Random, content: bytes, path: Path) -> bytes:
    """A zip whose parts are damaged, but packed as if nothing were wrong."""
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = dice.choice(sorted(parts))
    if parts[name]:
        parts[name] = dice.choice(MUTATIONS)(dice, parts[name])
    return zip_of(path, parts).read_bytes()


def mutants(content: bytes, n: int, scratch: Path | None = None) -> list[bytes]:
    dice = random.Random(20_241_122)
    found = []
    for _ in range(n):
        if scratch is not None and dice.random() < 0.8:
            found.append(inside(dice, content, scratch))
        else:
            found.append(dice.choice(MUTATIONS)(dice, content))
    return [one for one in found if one]


def require_reason(problem: Finding | None) -> None:
    if problem is not None:
        assert problem.code in CODES
        assert problem.code.startswith("E-RETURN-")
        assert problem.what != UNFORESEEN, problem.value
        assert problem.where
        problem.render().encode("utf-8")


def read_anything(file: ReturnedFile) -> str:
    """All that the readers of this kind say, as text that must be writable."""
    said: list[object] = []
    if file.kind in ("xlsx", "csv"):
        table = read_form(file, KNOWN)
        require_reason(table.problem)
        said.append(table)
    if file.kind == "gpkg":
        table = read_verify_gpkg(file)
        require_reason(table.problem)
        said.append((table.rows, table.columns, table.unknown_headers, table.problem))
    if file.kind == "photo":
        facts = read_photo(file)
        require_reason(facts.problem)
        said.append(facts)
    else:
        features = read_survey(file, RUN)
        assert features
        for feature in features:
            require_reason(feature.problem)
            assert (feature.geometry is None) == (feature.problem is not None)
        said.append([(f.patch_id, f.surveyed_by, f.problem) for f in features])
    text = repr(said)
    text.encode("utf-8")
    return text


def original(name: str, tmp_path: Path) -> bytes:
    path = tmp_path / f"original.{name.rpartition('.')[2]}"
    match name:
        case "register.xlsx":
            return write_form(path, form_rows(**FILLED)).read_bytes()
        case "register.csv":
            return csv_bytes("gb18030", with_keys=True)
        case "verify.gpkg":
            return write_verify(path, site_state="in_progress").read_bytes()
        case "jz.csv":
            return (HEADER + lines(SQUARE, shift=38e6)).encode("gbk")
        case "bb.txt":
            return national().encode("gbk")
        case "a.geojson":
            ring = [[1.0, 2.0], [3.0, 2.0], [3.0, 5.0], [1.0, 2.0]]
            shape = {"type": "Polygon", "coordinates": [ring]}
            return geojson(path, shape).read_bytes()
        case "a.jpg":
            return jpeg((114.0, 30.0), azimuth=10, taken="2024:11:05 10:11:12")
    raise AssertionError(name)


KINDS: dict[str, ReturnKind] = {
    "register.xlsx": "xlsx",
    "register.csv": "csv",
    "verify.gpkg": "gpkg",
    "jz.csv": "csv",
    "bb.txt": "survey_table",
    "a.geojson": "geojson",
    "a.jpg": "photo",
}


def fuzz(name: str, tmp_path: Path, n: int) -> None:
    content = original(name, tmp_path)
    scratch = tmp_path / "scratch.zip" if name.endswith(".xlsx") else None
    path = tmp_path / name
    for mutant in mutants(content, n, scratch):
        path.write_bytes(mutant)
        file = as_file(path, KINDS[name])
        assert read_anything(file) == read_anything(file)
        assert path.read_bytes() == mutant


@pytest.mark.parametrize("name", sorted(KINDS))
def test_damaged_file(name: str, tmp_path: Path) -> None:
    fuzz(name, tmp_path, 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(KINDS))
def test_many_damaged_files(name: str, tmp_path: Path) -> None:
    fuzz(name, tmp_path, 500)


def fuzz_shapefile(tmp_path: Path, n: int) -> None:
    path = write_layer(tmp_path / "jz.shp", "ESRI Shapefile", "EPSG:4547", "GBK")
    parts = {
        suffix: path.with_suffix(suffix).read_bytes() for suffix in (".shp", ".shx", ".dbf", ".prj")
    }
    dice = random.Random(20_241_122)
    for _ in range(n):
        suffix = dice.choice(sorted(parts))
        for other, content in parts.items():
            path.with_suffix(other).write_bytes(content)
        path.with_suffix(suffix).write_bytes(dice.choice(MUTATIONS)(dice, parts[suffix]))
        read_anything(as_file(path, "shp"))


def test_damaged_shapefile(tmp_path: Path) -> None:
    fuzz_shapefile(tmp_path, 60)


@pytest.mark.slow
def test_many_damaged_shapefiles(tmp_path: Path) -> None:
    fuzz_shapefile(tmp_path, 500)


def fuzz_archive(tmp_path: Path, n: int) -> None:
    members = {
        "a/register.csv": csv_bytes("gbk"),
        "a/照片/379999ZJ24000118.jpg": jpeg(),
        "b/c.txt": b"x" * 3000,
    }
    content = zip_of(tmp_path / "original.zip", members).read_bytes()
    folder = tmp_path / "returns"
    folder.mkdir()
    for mutant in mutants(content, n):
        (folder / "a.zip").write_bytes(mutant)
        with open_returns(folder) as files:
            assert files
            for file in files:
                require_reason(file.problem)
                file.name.encode("utf-8")
                if file.problem is None:
                    assert Path(file.path).is_file()
        assert [path.name for path in folder.iterdir()] == ["a.zip"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["original.zip", "returns"]


def test_damaged_archive(tmp_path: Path) -> None:
    fuzz_archive(tmp_path, 100)


@pytest.mark.slow
def test_many_damaged_archives(tmp_path: Path) -> None:
    fuzz_archive(tmp_path, 1_000)
