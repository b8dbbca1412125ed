"""What a layer is: its fields, geometry and key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.schema.fields import FIELDS, FieldSpec

GeometryType = Literal["Polygon", "MultiPolygon", "MultiLineString", "Point"]


@dataclass(frozen=True)
class LayerSpec:
    """Structure of one layer of one of our own files."""

    name: str
    """Layer name inside the GeoPackage."""
    label_zh: str
    fields: tuple[str, ...]
    """Field names in file order, all in `FIELDS`."""
    geometry: GeometryType | None
    """None for a table without geometry. Multi types also take single ones, promoted on writing."""
    key: tuple[str, ...]
    """Fields that together name a row: never NULL, never twice."""

    @property
    def field_specs(self) -> tuple[FieldSpec, ...]:
        """The registered specification of every field, in file order."""
        return tuple(FIELDS[name] for name in self.fields)
