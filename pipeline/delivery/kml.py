"""`patches.kml`: outlines for phones and tablets, longitude and latitude.

CGCS2000 and WGS 84 differ by centimetres, so the degrees of one are those of the other here.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import geopandas as gpd
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.delivered import GEOGRAPHIC
from pipeline.delivery.palette import OTHER, SUSPECTED_COLORS
from pipeline.units import format_mu100

NAMESPACE = "http://www.opengis.net/kml/2.2"
DECIMALS = 7
"""About a centimetre."""
ROUNDED_DECIMALS = 3
"""About a hundred metres, where outlines must not go out."""


def kml_text(
    table: gpd.GeoDataFrame, labels: Mapping[str, str], title: str, *, outlines: bool
) -> str:
    """The patches of a VERIFY layer; without `outlines` only a rounded point for each.

    `labels`: suspected class → label.
    """
    root = Element("kml", xmlns=NAMESPACE)
    document = SubElement(root, "Document")
    SubElement(document, "name").text = title
    for code in labels:
        _style(document, code)
    shapes = table.geometry.to_crs(GEOGRAPHIC)
    records = table.drop(columns="geometry").to_dict("records")
    for record, shape in zip(records, shapes, strict=True):
        mark = SubElement(document, "Placemark")
        SubElement(mark, "name").text = str(record["patch_id"])
        label = labels.get(str(record["suspected_class"]), str(record["suspected_class"]))
        text = [
            f"序号：{record['serial_no']}",
            f"程序初判：{label}（线索，待核查）",
            f"图斑面积：{format_mu100(int(record['area_mu100']))} 亩"
            f"（{float(record['area_m2']):.2f} 平方米）",
            f"前时相：{_shown(record['before_date'])}　后时相：{_shown(record['after_date'])}",
            f"反馈截止：{_shown(record['due_date'])}",
        ]
        SubElement(mark, "description").text = "\n".join(text)
        SubElement(mark, "styleUrl").text = f"#{record['suspected_class']}"
        mark.append(_geometry(shape) if outlines else _point(record))
    indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _shown(value: object) -> str:
    return value if isinstance(value, str) else "未知"


def _style(document: Element, code: str) -> None:
    red, green, blue = (int(part) for part in SUSPECTED_COLORS.get(code, OTHER).split(","))
    style = SubElement(document, "Style", id=code)
    line = SubElement(style, "LineStyle")
    SubElement(line, "color").text = f"ff{blue:02x}{green:02x}{red:02x}"
    SubElement(line, "width").text = "3"
    fill = SubElement(style, "PolyStyle")
    SubElement(fill, "color").text = f"30{blue:02x}{green:02x}{red:02x}"


def _geometry(shape: BaseGeometry) -> Element:
    parts = shapely.get_parts(shape)
    polygons = [_polygon(part) for part in parts]
    if len(polygons) == 1:
        return polygons[0]
    several = Element("MultiGeometry")
    several.extend(polygons)
    return several


def _polygon(shape: BaseGeometry) -> Element:
    polygon = Element("Polygon")
    rings = shapely.get_rings(shape)
    for number, ring in enumerate(rings):
        edge = SubElement(polygon, "innerBoundaryIs" if number else "outerBoundaryIs")
        points = shapely.get_coordinates(ring)
        SubElement(SubElement(edge, "LinearRing"), "coordinates").text = " ".join(
            f"{lon:.{DECIMALS}f},{lat:.{DECIMALS}f}" for lon, lat in points
        )
    return polygon


def _point(record: Mapping[object, object]) -> Element:
    point = Element("Point")
    lon, lat = (float(str(record[name])) for name in ("center_lon", "center_lat"))
    text = f"{lon:.{ROUNDED_DECIMALS}f},{lat:.{ROUNDED_DECIMALS}f}"
    SubElement(point, "coordinates").text = text
    return point
