"""All files that one delivered data source is made of."""

from __future__ import annotations

from pathlib import Path

from pipeline.io.digests import tree_files

SHAPEFILE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
"""What decides the content of a Shapefile; spatial indexes and metadata do not."""

_TRANSIENT_SUFFIXES = (".lock",)
"""What a desktop GIS leaves in a geodatabase while it looks at it."""


def files_of_source(path: Path) -> dict[str, Path]:
    """Files by part name: the sidecars of a Shapefile, the content of a geodatabase folder.

    A source that does not exist is its own only file, so that its absence is noticed.
    """
    if path.is_dir():
        files = [one for one in tree_files(path) if one.suffix not in _TRANSIENT_SUFFIXES]
        return {one.relative_to(path).as_posix(): one for one in files} or {"folder": path}
    if path.suffix.lower() != ".shp":
        return {"file": path}
    parts = shapefile_parts(path)
    return {suffix[1:]: parts[suffix] for suffix in SHAPEFILE_PARTS if suffix in parts}


def shapefile_parts(path: Path) -> dict[str, Path]:
    """The files of a Shapefile by lower-case suffix, whatever the case of their names."""
    folder = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    found: dict[str, Path] = {}
    for part in folder:
        if part.stem.casefold() == path.stem.casefold():
            found.setdefault(part.suffix.lower(), part)
    return found | {path.suffix.lower(): path}
