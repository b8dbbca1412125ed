"""Polygons out of geometry blobs of a GeoPackage, byte by byte.

GEOS reads nested collections recursively, so a blob made for it can end the process; only polygons
and multipolygons are taken here, and every count is held against the bytes that are left.
"""

from __future__ import annotations

import struct

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon

MAX_BLOB_BYTES = 64 << 20

_ENVELOPE_BYTES = (0, 32, 48, 48, 64)
_POLYGON, _MULTIPOLYGON = 3, 6
_EWKB_Z, _EWKB_M, _EWKB_SRID = 0x8000_0000, 0x4000_0000, 0x2000_0000


class OutlineError(ValueError):
    """A blob that is no polygon; the message says in Chinese what it is."""


def read_outline(blob: object) -> Polygon | MultiPolygon | None:
    """The outline in two dimensions; None for NULL and for empty ones. Raises `OutlineError`."""
    if blob is None:
        return None
    if not isinstance(blob, bytes) or len(blob) < 8 or blob[:2] != b"GP":
        raise OutlineError("不是 GeoPackage 的图形")
    if len(blob) > MAX_BLOB_BYTES:
        raise OutlineError("图形太大")
    envelope = (blob[3] >> 1) & 0b111
    if envelope >= len(_ENVELOPE_BYTES):
        raise OutlineError("图形的外包框写法有误")
    reader = _Reader(blob, 8 + _ENVELOPE_BYTES[envelope])
    try:
        polygons = reader.polygons()
    except OutlineError:
        raise
    except (struct.error, shapely.errors.GEOSException, ValueError) as problem:
        raise OutlineError("图形已损坏") from problem
    filled = [polygon for polygon in polygons if not polygon.is_empty]
    if not filled:
        return None
    return filled[0] if len(filled) == 1 else MultiPolygon(filled)


class _Reader:
    """Reads well-known binary from a place in a blob."""

    def __init__(self, blob: bytes, place: int) -> None:
        self._blob = blob
        self._place = place

    def polygons(self) -> list[Polygon]:
        order, kind, n_values = self._head()
        if kind == _POLYGON:
            return [self._polygon(order, n_values)]
        if kind != _MULTIPOLYGON:
            raise OutlineError("图形不是面")
        count = self._count(order, 9)
        found = []
        for _ in range(count):
            inner_order, inner_kind, inner_values = self._head()
            if inner_kind != _POLYGON:
                raise OutlineError("图形不是面")
            found.append(self._polygon(inner_order, inner_values))
        return found

    def _head(self) -> tuple[str, int, int]:
        """Byte order, kind, and numbers per point."""
        order = "<" if self._take("B")[0] == 1 else ">"
        (code,) = self._take(f"{order}I")
        n_values = 2 + bool(code & _EWKB_Z) + bool(code & _EWKB_M)
        if code & _EWKB_SRID:
            self._take(f"{order}I")
        thousands, kind = divmod(code & 0x0FFF_FFFF, 1000)
        return order, kind, max(n_values, (2, 3, 3, 4)[thousands] if thousands < 4 else 2)

    def _polygon(self, order: str, n_values: int) -> Polygon:
        rings = [self._ring(order, n_values) for _ in range(self._count(order, 4))]
        if not rings or not len(rings[0]):
            return Polygon()
        return Polygon(rings[0], [ring for ring in rings[1:] if len(ring)])

    def _ring(self, order: str, n_values: int) -> np.ndarray:
        count = self._count(order, 8 * n_values)
        if not count:
            return np.empty((0, 2))
        values = np.frombuffer(self._blob, f"{order}f8", count * n_values, self._place)
        self._place += values.nbytes
        points = values.reshape(count, n_values)[:, :2].astype(np.float64)
        if not np.isfinite(points).all():
            raise OutlineError("图形的坐标不是数字")
        return points

    def _count(self, order: str, least_bytes: int) -> int:
        """A number of things of at least so many bytes each."""
        (count,) = self._take(f"{order}I")
        if count * least_bytes > len(self._blob) - self._place:
            raise OutlineError("图形已损坏")
        return int(count)

    def _take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._blob, self._place)
        self._place += struct.calcsize(layout)
        return values
