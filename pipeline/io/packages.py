"""The folder of a package, its manifest and its zip: equal contents give equal bytes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.io.atomic import replace_bytes, replace_text, staging_file
from pipeline.io.digests import file_sha256, tree_files

MANIFEST_NAME = "manifest.json"
_STAMP = (2000, 1, 1, 0, 0, 0)
"""A clock would make equal packages differ."""
_STORED = frozenset({".tif", ".pdf", ".qgz", ".xlsx"})
"""Compressed already."""
_UNIX = 3


@dataclass(frozen=True)
class PackageHead:
    """What a returned package must name to be recognised."""

    package_id: str
    township_code: str
    township_name: str
    county_code: str
    run: str
    schema_version: int
    counts: Mapping[str, int]


def write_text_file(path: Path, text: str) -> None:
    """A text for Windows' own editor: UTF-8 with BOM, CRLF."""
    replace_bytes(path, text.replace("\n", "\r\n").encode("utf-8-sig"))


def write_project(path: Path, text: str) -> None:
    """A .qgz: the project text, zipped under the same name with .qgs."""
    with staging_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        _add(archive, f"{path.stem}.qgs", text.encode("utf-8"), zipfile.ZIP_DEFLATED)


def write_manifest(folder: Path, head: PackageHead) -> None:
    """List every file of the folder with size and SHA-256 of its bytes."""
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": file_sha256(path),
            "size": path.stat().st_size,
        }
        for path in tree_files(folder)
    }
    document = {
        "package_id": head.package_id,
        "schema_version": head.schema_version,
        "run": head.run,
        "county_code": head.county_code,
        "township_code": head.township_code,
        "township_name": head.township_name,
        "counts": dict(head.counts),
        "files": files,
    }
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)
    replace_text(folder / MANIFEST_NAME, text + "\n")


def zip_folder(folder: Path) -> Path:
    """Zip a folder beside itself under its own name; returns the archive.

    Fixed dates, order, attributes and maker; names outside ASCII are flagged as UTF-8.
    """
    target = folder.with_name(f"{folder.name}.zip")
    with staging_file(target) as partial, zipfile.ZipFile(partial, "w") as archive:
        for path in tree_files(folder):
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            is_stored = path.suffix in _STORED
            entry = _entry(name, zipfile.ZIP_STORED if is_stored else zipfile.ZIP_DEFLATED)
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as sink:
                while block := source.read(1 << 20):
                    sink.write(block)
    return target


def _add(archive: zipfile.ZipFile, name: str, content: bytes, method: int) -> None:
    archive.writestr(_entry(name, method), content)


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _STAMP)
    entry.compress_type = method
    entry.create_system = _UNIX
    entry.external_attr = 0o644 << 16
    return entry
