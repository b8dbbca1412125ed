"""`patches.kml`: degrees, holes, nothing more than allowed."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import geopandas as gpd
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.kml import NAMESPACE, kml_text

SQUARE = shapely.box(500_000, 3_400_000, 500_100, 3_400_100)
HOLE = shapely.box(500_040, 3_400_040, 500_060, 3_400_060)
LABELS = {"suspected_violation": "疑似违法", "uncertain": "存疑"}


def table(shape: BaseGeometry = SQUARE, **columns: Any) -> gpd.GeoDataFrame:
    data = {
        "patch_id": ["379999ZJ24000001"],
        "serial_no": [1],
        "suspected_class": ["suspected_violation"],
        "area_mu100": [1500],
        "area_m2": [10_000.0],
        "before_date": ["2024-05-06"],
        "after_date": [None],
        "due_date": ["2024-11-20"],
        "center_lon": [114.00052],
        "center_lat": [30.72106],
        **columns,
    }
    return gpd.GeoDataFrame(data, geometry=[shape], crs=4547)


def parse(of: gpd.GeoDataFrame, *, outlines: bool = True) -> Element:
    text = kml_text(of, LABELS, "示例县 <核查包>", outlines=outlines)
    return fromstring(text.encode("utf-8"))


def points(root: Element) -> list[tuple[float, float]]:
    found = [node.text or "" for node in root.iter(f"{{{NAMESPACE}}}coordinates")]
    return [
        (float(pair.split(",")[0]), float(pair.split(",")[1]))
        for text in found
        for pair in text.split()
    ]


def test_outlines_are_longitude_then_latitude() -> None:
    """x = 500 km lies on the central meridian; 100 m are 0.001044° of longitude at 30.7° N."""
    found = points(parse(table()))
    assert len(found) == 5
    assert abs(min(lon for lon, _ in found) - 114.0) < 1e-7
    assert abs(max(lon for lon, _ in found) - 114.0010445) < 2e-6
    assert all(30.71 < lat < 30.73 for _, lat in found)


def test_holes_and_several_parts_stay() -> None:
    root = parse(table(shapely.difference(SQUARE, HOLE)))
    assert len(list(root.iter(f"{{{NAMESPACE}}}innerBoundaryIs"))) == 1
    several = shapely.union(SQUARE, shapely.box(500_300, 3_400_000, 500_400, 3_400_100))
    root = parse(table(several))
    assert len(list(root.iter(f"{{{NAMESPACE}}}MultiGeometry"))) == 1
    assert len(list(root.iter(f"{{{NAMESPACE}}}outerBoundaryIs"))) == 2


def test_without_outlines_only_a_rounded_point_goes_out() -> None:
    root = parse(table(), outlines=False)
    assert points(root) == [(114.001, 30.721)]
    text = kml_text(table(), LABELS, "t", outlines=False)
    assert "Polygon" not in text
    assert not re.search(r"\d\.\d{4,}", text)


def test_the_description_says_clue_and_unknown() -> None:
    root = parse(table())
    text = next(root.iter(f"{{{NAMESPACE}}}description")).text or ""
    assert "疑似违法（线索，待核查）" in text
    assert "15.00 亩（10000.00 平方米）" in text
    assert "后时相：未知" in text


def test_the_same_patches_give_the_same_text() -> None:
    assert kml_text(table(), LABELS, "t", outlines=True) == kml_text(
        table(), LABELS, "t", outlines=True
    )
