"""Cutting a plane into pieces that do not overlap: earlier pieces win."""

from __future__ import annotations

from dataclasses import dataclass, replace

import shapely
from shapely import Polygon
from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True, eq=False)
class LandPiece:
    """A polygon of one land class."""

    polygon: Polygon
    code: str
    name: str
    kind: str
    """What it is in the scenery: road, water, plot, vacant, village, wood, grain …"""


def polygons_in(geometry: BaseGeometry) -> list[Polygon]:
    """The polygons of any geometry."""
    if geometry.geom_type == "Polygon":
        return [] if geometry.is_empty else [geometry]
    return [p for part in getattr(geometry, "geoms", []) for p in polygons_in(part)]


def tile_plane(pieces: list[LandPiece], frame: Polygon) -> list[LandPiece]:
    """The pieces cut to the frame and free of overlap, in order of precedence."""
    shapes = [shapely.intersection(p.polygon, frame) for p in pieces]
    tree = shapely.STRtree(shapes)
    tiled: list[LandPiece] = []
    for number, (piece, shape) in enumerate(zip(pieces, shapes, strict=True)):
        if shape.is_empty:
            continue
        earlier = [int(k) for k in tree.query(shape, predicate="intersects") if k < number]
        if earlier:
            shape = shapely.difference(shape, shapely.union_all([shapes[k] for k in earlier]))
        for part in polygons_in(shape):
            if part.area > 0.5:
                tiled.append(replace(piece, polygon=part))
    return tiled
