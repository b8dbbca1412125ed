"""All files that one delivered data source is made of."""

from __future__ import annotations

from pathlib import Path

from pipeline.io.digests import tree_files

SHAPEFILE_SUFFIXES = (".shp", ".shx", ".dbf", ".prj", ".cpg")
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
    sidecars = {
        one.suffix.lower(): one
        for one in sorted(path.parent.glob(f"{_escaped(path.stem)}.*"))
        if one.suffix.lower() in SHAPEFILE_SUFFIXES
    }
    return {suffix[1:]: one for suffix, one in sidecars.items()} | {"shp": path}


def _escaped(stem: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in stem)
