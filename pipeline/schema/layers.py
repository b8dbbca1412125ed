"""The register of layers: which fields, which geometry, which key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.schema.fields import FIELDS, FieldSpec

GeometryType = Literal["Polygon", "MultiPolygon", "Point"]


@dataclass(frozen=True)
class LayerSpec:
    """Structure of one layer of one of our own files."""

    name: str
    """Layer name inside the GeoPackage."""
    label_zh: str
    fields: tuple[str, ...]
    """Field names in file order, all in `FIELDS`."""
    geometry: GeometryType | None
    """None for a table without geometry. MultiPolygon also takes Polygons, promoted on writing."""
    key: tuple[str, ...]
    """Fields that together name a row: never NULL, never twice."""

    @property
    def field_specs(self) -> tuple[FieldSpec, ...]:
        """The registered specification of every field, in file order."""
        return tuple(FIELDS[name] for name in self.fields)


_MEASURES = (
    "before_date",
    "after_date",
    "change_kind",
    "probability",
    "residual_shift_px",
    "observed_ratio",
    "area_m2",
    "area_planar_m2",
    "perimeter_m",
    "width_m",
    "n_pixels",
    "first_row",
    "first_col",
)

PATCHES = LayerSpec(
    name="patches",
    label_zh="变化图斑",
    fields=("patch_id", "source", "theme", *_MEASURES, "area_mu100"),
    geometry="MultiPolygon",
    key=("patch_id",),
)

DROPPED = LayerSpec(
    name="dropped",
    label_zh="剔除对象",
    # Ids are reserved for patches that go out, so a dropped object is named by its first pixel.
    fields=("reason", *_MEASURES),
    geometry="MultiPolygon",
    key=("first_row", "first_col"),
)

TIE_POINTS = LayerSpec(
    name="tie_points",
    label_zh="配准同名点",
    fields=("point_id", "shift_row_px", "shift_col_px", "quality", "is_used", "window_px"),
    geometry="Point",
    key=("point_id",),
)

LAYERS: dict[str, LayerSpec] = {spec.name: spec for spec in (PATCHES, DROPPED, TIE_POINTS)}
"""Every layer by name."""
