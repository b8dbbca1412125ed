from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from pipeline.io.returned.archives import open_returns
from pipeline.schema.returned import ReturnedFile
from tests.returned_factory import jpeg, zip_of


def opened(folder: Path) -> dict[str, ReturnedFile]:
    with open_returns(folder) as files:
        names = [file.name for file in files]
        assert names == sorted(names)
        for file in files:
            if file.sha256:
                content = Path(file.path).read_bytes()
                assert hashlib.sha256(content).hexdigest() == file.sha256
        return {file.name: file for file in files}


def code_of(folder: Path) -> str:
    """Code of the one problem in a folder with one archive."""
    (file,) = opened(folder).values()
    assert file.problem is not None
    assert file.problem.where.startswith(file.name)
    assert file.problem.advice
    return file.problem.code


def test_nothing_returned(tmp_path: Path) -> None:
    assert opened(tmp_path / "none") == {}


def test_kinds_of_loose_files(tmp_path: Path) -> None:
    names = {
        "379999100/register.xlsx": "xlsx",
        "379999100/register.CSV": "csv",
        "379999100/verify.gpkg": "gpkg",
        "379999100/verify.gpkg-wal": "sidecar",
        "379999100/readme.txt": "sidecar",
        "379999100/cards.pdf": "sidecar",
        "379999100/before.tif": "sidecar",
        "379999100/verify.qgz": "sidecar",
        "379999100/manifest.json": "sidecar",
        "379999100/photos/a.JPG": "photo",
        "survey/jz.shp": "shp",
        "survey/jz.DBF": "sidecar",
        "survey/jz.prj": "sidecar",
        "survey/lonely.dbf": "unknown",
        "survey/points.txt": "survey_table",
        "survey/b.geojson": "geojson",
        "x/old.xls": "unknown",
        "x/macro.xlsm": "unknown",
        "x/photo.heic": "photo",
        "x/letter.docx": "unknown",
        "x/run.exe": "unknown",
    }
    for name in (*names, "x/.hidden", "x/~$register.xlsx", "x/Thumbs.db", "__MACOSX/a.xlsx"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    files = opened(tmp_path)
    assert {name: file.kind for name, file in files.items()} == names
    codes = {name: file.problem.code for name, file in files.items() if file.problem}
    assert codes == {
        "survey/lonely.dbf": "E-RETURN-UNKNOWN",
        "x/old.xls": "E-RETURN-FILE",
        "x/macro.xlsm": "E-RETURN-REFUSED",
        "x/photo.heic": "E-RETURN-PHOTO",
        "x/letter.docx": "E-RETURN-UNKNOWN",
        "x/run.exe": "E-RETURN-REFUSED",
    }


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "register.xlsx").touch()
    assert code_of(tmp_path) == "E-RETURN-FILE"


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("x")
    folder = tmp_path / "returns"
    folder.mkdir()
    (folder / "a.csv").symlink_to(secret)
    (folder / "there").symlink_to(tmp_path)
    assert opened(folder) == {}


def test_file_name_in_gbk(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + "/核查表.csv".encode("gbk"))).write_text("x")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    assert list(opened(tmp_path)) == ["核查表.csv"]


def test_archive_is_unpacked_beside_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "returns"
    folder.mkdir()
    members = {
        "城关镇/register.xlsx": b"form",
        "城关镇/photos/379999ZJ24000118_东.jpg": jpeg(),
        "城关镇/jz.SHP": b"shp",
        "城关镇/jz.dbf": b"dbf",
        "城关镇/.DS_Store": b"x",
        "__MACOSX/城关镇/._register.xlsx": b"x",
        "城关镇/~$register.xlsx": b"x",
        "城关镇/README.TXT": b"x",
        "城关镇/none": b"x",
        "城关镇/none.bin": b"y",
    }
    zip_of(folder / "城关镇.zip", members)
    with open_returns(folder) as files:
        places = [Path(file.path) for file in files]
        kinds = {file.name.removeprefix("城关镇.zip!/城关镇/"): file.kind for file in files}
        by_name = {file.name: Path(file.path) for file in files}
        assert all(place.is_file() and folder not in place.parents for place in places)
        shp = by_name["城关镇.zip!/城关镇/jz.SHP"]
        assert by_name["城关镇.zip!/城关镇/jz.dbf"] == shp.with_suffix(".dbf")
        assert by_name["城关镇.zip!/城关镇/none.bin"].read_bytes() == b"y"
    assert kinds == {
        "register.xlsx": "xlsx",
        "photos/379999ZJ24000118_东.jpg": "photo",
        "jz.SHP": "shp",
        "jz.dbf": "sidecar",
        "README.TXT": "sidecar",
        "none": "unknown",
        "none.bin": "unknown",
    }
    assert not any(place.exists() for place in places)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["returns", "城关镇.zip"]


def without_utf8_flag(path: Path, encoding: str) -> None:
    """Write names in another encoding without saying so, as Windows in China does."""
    raw = path.read_bytes()
    name = "核查/照片表.csv"
    old = name.encode("utf-8")
    new = name.encode(encoding)
    out = bytearray()
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(name)
        content = archive.read(name)
    sizes = info.CRC, len(content), len(content), len(new)
    out += struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, *sizes, 0) + new + content
    start = len(out)
    entry = (0x02014B50, 20, 20, 0, 0, 0, 0, *sizes, 0, 0, 0, 0, 0, 0)
    out += struct.pack("<IHHHHHHIIIHHHHHII", *entry) + new
    out += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(out) - start, start, 0)
    assert old in raw
    path.write_bytes(bytes(out))


@pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
def test_member_names_without_their_encoding(tmp_path: Path, encoding: str) -> None:
    path = zip_of(tmp_path / "a.zip", {"核查/照片表.csv": b"x"})
    without_utf8_flag(path, encoding)
    assert list(opened(tmp_path)) == ["a.zip!/核查/照片表.csv"]


def test_backslashes_are_folders(tmp_path: Path) -> None:
    zip_of(tmp_path / "a.zip", {"photos\\1.jpg": jpeg()})
    assert list(opened(tmp_path)) == ["a.zip!/photos/1.jpg"]


@pytest.mark.parametrize(
    "name",
    [
        "../evil.csv",
        "a/../../evil.csv",
        "/etc/evil.csv",
        "C:/evil.csv",
        "c:evil.csv",
        "..\\evil.csv",
        "\\\\server\\evil.csv",
        "a/\nevil.csv",
    ],
)
def test_no_path_leaves_the_archive(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "returns"
    folder.mkdir()
    zip_of(folder / "a.zip", {"good.csv": b"x", name: b"evil"})
    assert code_of(folder) == "E-RETURN-REFUSED"
    assert [path.name for path in tmp_path.rglob("*evil*")] == []


def test_link_in_archive(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("register.csv")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/hostname")
    assert code_of(tmp_path) == "E-RETURN-REFUSED"


def test_bomb(tmp_path: Path) -> None:
    zip_of(tmp_path / "a.zip", {"register.csv": b"\0" * (8 << 20)})
    assert code_of(tmp_path) == "E-RETURN-REFUSED"


def test_small_members_may_be_packed_tightly(tmp_path: Path) -> None:
    zip_of(tmp_path / "a.zip", {"register.csv": b"0" * (1 << 20)})
    assert opened(tmp_path)["a.zip!/register.csv"].problem is None


def test_too_many_members(tmp_path: Path) -> None:
    zip_of(tmp_path / "a.zip", {f"{n}.csv": b"x" for n in range(5_001)})
    assert code_of(tmp_path) == "E-RETURN-REFUSED"


def test_total_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.zip", "b.zip"):
        zip_of(tmp_path / name, {"1.csv": os.urandom(600), "2.csv": os.urandom(600)})
    monkeypatch.setattr("pipeline.io.returned.archives.MAX_UNPACKED_BYTES", 2_000)
    problems = {name: file.problem for name, file in opened(tmp_path).items()}
    assert list(problems) == ["a.zip!/1.csv", "a.zip!/2.csv", "b.zip"]
    assert problems["a.zip!/1.csv"] is None
    refused = problems["b.zip"]
    assert refused is not None
    assert refused.code == "E-RETURN-REFUSED"


def test_same_name_twice(tmp_path: Path) -> None:
    zip_of(tmp_path / "a.zip", {"Register.csv": b"1", "register.CSV": b"2"})
    assert code_of(tmp_path) == "E-RETURN-REFUSED"


def test_nested_archive_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("../evil.csv", "x")
    zip_of(tmp_path / "a.zip", {"b.zip": inner.getvalue(), "register.csv": b"x"})
    files = opened(tmp_path)
    nested = files["a.zip!/b.zip"].problem
    assert nested is not None
    assert nested.code == "E-RETURN-REFUSED"
    assert files["a.zip!/register.csv"].problem is None


def patched(path: Path, offset_in_entry: int, value: bytes) -> None:
    """Change the entry of the only member in the directory and in its local header."""
    raw = bytearray(path.read_bytes())
    entry = raw.rfind(b"PK\x01\x02")
    raw[entry + offset_in_entry : entry + offset_in_entry + len(value)] = value
    raw[offset_in_entry - 2 : offset_in_entry - 2 + len(value)] = value
    path.write_bytes(bytes(raw))


@pytest.mark.parametrize(
    ("offset", "value", "code"),
    [
        (8, b"\x01\x00", "E-RETURN-REFUSED"),  # encrypted
        (10, b"\x0e\x00", "E-RETURN-FILE"),  # LZMA
        (10, b"\x09\x00", "E-RETURN-FILE"),  # deflate64
        (16, b"\x00\x00\x00\x00", "E-RETURN-FILE"),  # wrong CRC
    ],
)
def test_members_that_can_not_be_read(tmp_path: Path, offset: int, value: bytes, code: str) -> None:
    path = zip_of(tmp_path / "a.zip", {"register.csv": b"some text" * 50})
    patched(path, offset, value)
    assert code_of(tmp_path) == code


def test_member_larger_than_it_says(tmp_path: Path) -> None:
    """A member can not unpack to more than was counted."""
    path = zip_of(tmp_path / "a.zip", {"register.csv": b"0" * 5_000_000})
    patched(path, 24, struct.pack("<I", 1_000))
    assert code_of(tmp_path) == "E-RETURN-FILE"


def test_huge_directory(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"register.csv": b"x"})
    raw = bytearray(path.read_bytes())
    end = raw.rfind(b"PK\x05\x06")
    raw[end + 12 : end + 16] = struct.pack("<I", 1 << 30)
    path.write_bytes(bytes(raw))
    assert code_of(tmp_path) == "E-RETURN-REFUSED"


@pytest.mark.parametrize(
    "content", [b"Rar!\x1a\x07\x00", b"PK\x05\x06", b"PK\x03\x04" + b"\0" * 99]
)
def test_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    assert code_of(tmp_path) == "E-RETURN-FILE"


def test_archive_without_files(tmp_path: Path) -> None:
    zip_of(tmp_path / "a.zip", {".DS_Store": b"x"})
    assert code_of(tmp_path) == "E-RETURN-FILE"


def test_full_disk_is_not_the_files_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zip_of(tmp_path / "a.zip", {"register.csv": b"x"})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.io.returned.archives._places", full)
    with pytest.raises(OSError, match="No space"):
        opened(tmp_path)
