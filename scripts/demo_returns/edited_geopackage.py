"""The answer given in `verify.gpkg`, as somebody leaves it after working in QGIS."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable

import shapely
from shapely.affinity import translate

from .township import Township

MOVED_M = 6.0


def answer_by_geopackage(township: Township) -> None:
    """Fill in the layer with SQL; one outline is dragged aside."""
    name, played = f"{township.place}/verify.gpkg", township.played
    path = township.path(name)
    shutil.copyfile(township.package / "verify.gpkg", path)
    moved = [patch for patch in township.victims if patch.patch_id not in township.surveyed][:1]
    with sqlite3.connect(path) as file:
        _spatial_functions(file)
        for patch_id, values in township.findings().items():
            filled = {key: value for key, value in values.items() if value is not None}
            columns = ", ".join(f'"{key}" = ?' for key in filled)
            file.execute(
                f"UPDATE patches SET {columns} WHERE patch_id = ?", (*filled.values(), patch_id)
            )
            played.found(name, patch_id, values)
        for patch in moved:
            shape = translate(patch.geometry, MOVED_M, -MOVED_M)
            file.execute(
                "UPDATE patches SET geom = ? WHERE patch_id = ?", (_blob(shape), patch.patch_id)
            )
            played.notice(name, patch.patch_id, "N-RETURN-LOCKED", "图斑范围被移动")
    file.close()


def _blob(shape: shapely.Geometry) -> bytes:
    """A GeoPackage geometry: magic, version 0, little endian without envelope, EPSG:4547."""
    return b"GP\x00\x01" + (4547).to_bytes(4, "little") + shapely.to_wkb(shape)


def _spatial_functions(file: sqlite3.Connection) -> None:
    """What the triggers of the file's spatial index call."""

    def bound(number: int) -> Callable[[bytes], float]:
        header = {0: 8, 1: 40}
        return lambda blob: float(
            shapely.bounds(shapely.from_wkb(blob[header[blob[3] >> 1 & 7] :]))[number]
        )

    file.create_function("ST_IsEmpty", 1, lambda _blob: 0)
    for number, axis in enumerate(("MinX", "MinY", "MaxX", "MaxY")):
        file.create_function(f"ST_{axis}", 1, bound(number))
