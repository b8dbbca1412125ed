"""QGIS symbols, renderers and labels as XML elements, as few as QGIS 3.22 needs.

Written for QGIS 3.22 to 3.40: both notations of symbol properties (`Option` and `prop`) are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

CASING_MM = 0.7
"""How much wider a casing is than its line."""


@dataclass(frozen=True)
class Fill:
    """How an area or a line is drawn; colours as `r,g,b,a`, widths in millimetres."""

    fill: str = "0,0,0,0"
    outline: str = "60,60,60,255"
    width_mm: float = 0.3
    line_style: str = "solid"
    hatch: str | None = None
    """Colour of a diagonal hatching instead of the fill."""
    hatch_angle: int = 45
    hatch_distance_mm: float = 2.0
    has_casing: bool = False
    """A white edge under the outline, so that it is seen on dark images too."""


@dataclass(frozen=True)
class Category:
    """One class of a categorised layer."""

    value: str
    label: str
    symbol: Fill


@dataclass(frozen=True)
class Label:
    """What is written beside a feature."""

    expression: str
    color: str = "20,20,20,255"
    size_pt: float = 9.0
    is_bold: bool = False
    max_scale_denominator: int = 0
    """Labels appear at this scale and larger ones; 0 always."""
    is_below: bool = False
    """Below the middle of the feature instead of above it."""


def single_renderer(symbol: Fill, geometry: str) -> Element:
    """One symbol for all features; `geometry` is fill, line or marker."""
    renderer = Element("renderer-v2", type="singleSymbol", symbollevels="0", enableorderby="0")
    symbols = SubElement(renderer, "symbols")
    symbols.append(_symbol("0", symbol, geometry))
    return renderer


def categorised_renderer(
    field: str, categories: Sequence[Category], other: Fill, geometry: str
) -> Element:
    """One symbol for each value of a field, and one for all others."""
    renderer = Element(
        "renderer-v2", type="categorizedSymbol", attr=field, symbollevels="0", enableorderby="0"
    )
    listed = SubElement(renderer, "categories")
    symbols = SubElement(renderer, "symbols")
    every = [*categories, Category("", "其他", other)]
    for number, category in enumerate(every):
        SubElement(
            listed,
            "category",
            symbol=str(number),
            value=category.value,
            label=category.label,
            render="true",
        )
        symbols.append(_symbol(str(number), category.symbol, geometry))
    return renderer


def labelling(label: Label) -> Element:
    """Horizontal text with a white halo, inside areas where there is room."""
    root = Element("labeling", type="simple")
    settings = SubElement(root, "settings", calloutType="simple")
    style = SubElement(
        settings,
        "text-style",
        fieldName=label.expression,
        isExpression="1",
        fontFamily="Microsoft YaHei",
        fontSize=f"{label.size_pt:g}",
        fontSizeUnit="Point",
        fontWeight="75" if label.is_bold else "50",
        namedStyle="Bold" if label.is_bold else "Regular",
        textColor=label.color,
        textOpacity="1",
        textOrientation="horizontal",
    )
    families = SubElement(style, "families")
    for name in ("Microsoft YaHei", "SimHei", "Noto Sans CJK SC", "Noto Sans SC"):
        SubElement(families, "family", name=name)
    SubElement(
        style,
        "text-buffer",
        bufferDraw="1",
        bufferSize="0.9",
        bufferSizeUnits="MM",
        bufferColor="255,255,255,230",
        bufferOpacity="1",
        bufferNoFill="1",
        bufferJoinStyle="128",
    )
    SubElement(settings, "text-format", multilineAlign="1", wrapChar="")
    # Not on the middle: a small patch is not hidden by its own number.
    SubElement(
        settings,
        "placement",
        placement="1",
        centroidInside="1",
        centroidWhole="1",
        quadOffset="7" if label.is_below else "1",
        yOffset="1.2" if label.is_below else "-1.2",
        priority="8",
        fitInPolygonOnly="0",
        offsetUnits="MM",
    )
    limit = label.max_scale_denominator
    SubElement(
        settings,
        "rendering",
        drawLabels="1",
        displayAll="0",
        obstacle="1",
        scaleVisibility="1" if limit else "0",
        scaleMin="1",
        scaleMax=str(limit),
    )
    return root


def _symbol(name: str, symbol: Fill, geometry: str) -> Element:
    root = Element("symbol", name=name, type=geometry, alpha="1", clip_to_extent="1", force_rhr="0")
    if geometry == "line":
        root.append(_layer("SimpleLine", _line(symbol)))
    elif geometry == "marker":
        root.append(_layer("SimpleMarker", _marker(symbol)))
    else:
        if symbol.has_casing:
            root.append(_layer("SimpleFill", _casing(symbol)))
        if symbol.hatch is not None:
            root.append(_hatching(symbol))
        root.append(_layer("SimpleFill", _fill(symbol)))
    return root


def _hatching(symbol: Fill) -> Element:
    layer = _layer(
        "LinePatternFill",
        {
            "angle": str(symbol.hatch_angle),
            "distance": f"{symbol.hatch_distance_mm:g}",
            "distance_unit": "MM",
            "line_width": "0.2",
            "line_width_unit": "MM",
            "color": str(symbol.hatch),
        },
    )
    line = Element("symbol", name="@0@0", type="line", alpha="1", clip_to_extent="1")
    line.append(
        _layer(
            "SimpleLine",
            {"line_color": str(symbol.hatch), "line_width": "0.2", "line_width_unit": "MM"},
        )
    )
    layer.append(line)
    return layer


def _casing(symbol: Fill) -> dict[str, str]:
    return _fill(
        Fill(outline="255,255,255,210", width_mm=symbol.width_mm + CASING_MM, line_style="solid")
    )


def _fill(symbol: Fill) -> dict[str, str]:
    has_fill = not symbol.fill.endswith(",0")
    return {
        "color": symbol.fill,
        "style": "solid" if has_fill else "no",
        "outline_color": symbol.outline,
        "outline_style": symbol.line_style,
        "outline_width": f"{symbol.width_mm:g}",
        "outline_width_unit": "MM",
        "joinstyle": "miter",
    }


def _line(symbol: Fill) -> dict[str, str]:
    return {
        "line_color": symbol.outline,
        "line_style": symbol.line_style,
        "line_width": f"{symbol.width_mm:g}",
        "line_width_unit": "MM",
        "capstyle": "round",
        "joinstyle": "round",
    }


def _marker(symbol: Fill) -> dict[str, str]:
    return {
        "name": "circle",
        "color": symbol.fill,
        "outline_color": symbol.outline,
        "outline_width": f"{symbol.width_mm:g}",
        "outline_width_unit": "MM",
        "size": "2.4",
        "size_unit": "MM",
    }


def _layer(kind: str, properties: Mapping[str, str]) -> Element:
    layer = Element("layer", {"class": kind, "enabled": "1", "locked": "0", "pass": "0"})
    options = SubElement(layer, "Option", type="Map")
    for key, value in properties.items():
        SubElement(options, "Option", name=key, type="QString", value=value)
    for key, value in properties.items():
        SubElement(layer, "prop", k=key, v=value)
    return layer
