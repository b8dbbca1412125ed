"""Default styles of delivered layers: colours, labels, aliases, drop-downs, form (QML).

The same elements stand in `layer_styles` of the GeoPackage and in the project, so a layer looks
and behaves alike whichever is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, tostring

from pipeline.delivery.form_layout import TABS
from pipeline.delivery.palette import (
    OTHER,
    PART_COLORS,
    QUIET_CLASSES,
    REFERENCE_SYMBOLS,
    ROUTE_COLORS,
    STOP_SYMBOL,
    SUSPECTED_COLORS,
    TOWNSHIP_SYMBOL,
)
from pipeline.delivery.symbols import (
    Category,
    Fill,
    Label,
    categorised_renderer,
    labelling,
    single_renderer,
)
from pipeline.schema.delivered import FORM_COLUMNS, REFERENCE_PREFIX
from pipeline.schema.field import FieldSpec
from pipeline.schema.layer import LayerSpec

QGIS_VERSION = "3.22.16-Białowieża"
"""Oldest version that bureaus have; newer ones read it without a question."""

UNIT_ZH = {"m2": "㎡", "mu": "亩", "m": "米", "px": "像元", "yuan": "元"}
YES_NO = {"true": "是", "false": "否"}
NULL_VALUE = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"
"""What a ValueMap of QGIS takes for NULL."""
UNANSWERED_ZH = "（未填）"

SHORT_ID = "regexp_replace(\"patch_id\", '^.{10}0*', '')"
"""The running number inside a patch id, as on the map: 379999ZJ24000012_2 → 12_2."""

STOP_NO = '"visit_day" || \'-\' || "visit_order"'
"""Day and place of a stop in the day plan."""

SENT_ID = f'CASE WHEN "is_sent" THEN {SHORT_ID} END'
"""The same in the county's map, where what no township has to verify goes without a number."""

_HIDDEN = frozenset(
    {"fid", "package_id", "rule_set", "area_mu100", "theme", "priority_parts", "feature_id"}
)
"""Columns that the program needs back and nobody else wants to see."""
_MULTILINE = frozenset({"reasons_zh", "handling_opinion", "photo_note", "missing_evidence_zh"})


@dataclass(frozen=True)
class LayerStyle:
    """How a layer looks and how its form works."""

    renderer: Element
    fields: tuple[FieldSpec, ...]
    drop_downs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Field → code → label."""
    editable: tuple[str, ...] = ()
    label: Label | None = None
    has_tabs: bool = False
    display: str = ""
    """Expression that names a feature in lists."""
    opacity: float = 1.0
    min_scale_denominator: int = 0
    """The layer is drawn at this scale and larger ones only; 0 always."""


def patches_style(
    spec: LayerSpec, drop_downs: Mapping[str, Mapping[str, str]], *, is_form: bool
) -> LayerStyle:
    """Patches by suspected class; `is_form` for the township's, which can be filled in."""
    categories = [
        Category(code, label, _patch_fill(code))
        for code, label in drop_downs["suspected_class"].items()
    ]
    return LayerStyle(
        categorised_renderer("suspected_class", categories, _patch_fill(""), "fill"),
        spec.field_specs,
        drop_downs,
        FORM_COLUMNS if is_form else (),
        Label(
            SHORT_ID if is_form else SENT_ID,
            size_pt=9,
            is_bold=True,
            max_scale_denominator=0 if is_form else 25_000,
        ),
        has_tabs=is_form,
        display='"patch_id"',
    )


def parts_style(spec: LayerSpec, drop_downs: Mapping[str, Mapping[str, str]]) -> LayerStyle:
    """Parts by land category, thin lines."""
    categories = [
        Category(code, label, Fill(PART_COLORS.get(code, OTHER), "90,90,90,160", 0.1))
        for code, label in drop_downs["land_category"].items()
    ]
    renderer = categorised_renderer(
        "land_category", categories, Fill("200,200,200,120", "90,90,90,160", 0.1), "fill"
    )
    return LayerStyle(renderer, spec.field_specs, drop_downs, display='"part_id"')


def township_style(spec: LayerSpec, drop_downs: Mapping[str, Mapping[str, str]]) -> LayerStyle:
    """The boundary as a dash-dotted line with its name."""
    label = Label('"township_name"', "90,30,90,255", 11, True)
    renderer = single_renderer(TOWNSHIP_SYMBOL, "fill")
    return LayerStyle(renderer, spec.field_specs, drop_downs, (), label, display='"township_name"')


def reference_style(spec: LayerSpec, drop_downs: Mapping[str, Mapping[str, str]]) -> LayerStyle:
    """A reference layer in its customary colour."""
    name = spec.name.removeprefix(REFERENCE_PREFIX)
    kinds = {"MultiLineString": "line", "Point": "marker"}
    geometry = kinds.get(str(spec.geometry), "fill")
    symbol, text, limit = REFERENCE_SYMBOLS[name]
    label = Label(text, "70,70,70,255", 8, max_scale_denominator=limit) if text else None
    return LayerStyle(
        single_renderer(symbol, geometry),
        spec.field_specs,
        drop_downs,
        label=label,
        min_scale_denominator=50_000 if name == "land_use" else 0,
    )


def stops_style(spec: LayerSpec, drop_downs: Mapping[str, Mapping[str, str]]) -> LayerStyle:
    """Stops of the day plan, each with day and place below it: 2-3 is the third of day 2."""
    label = Label(STOP_NO, "20,70,130,255", 8, True, max_scale_denominator=60_000, is_below=True)
    renderer = single_renderer(STOP_SYMBOL, "marker")
    return LayerStyle(renderer, spec.field_specs, drop_downs, (), label, display=STOP_NO)


def route_style(spec: LayerSpec) -> LayerStyle:
    """Round trips of the day plan, one colour a day, over again after the last colour."""
    categories = [
        Category(str(number), f"第{number + 1}、{number + 1 + len(ROUTE_COLORS)}……天", line)
        for number, line in enumerate(ROUTE_COLORS)
    ]
    attribute = f'("visit_day" - 1) % {len(ROUTE_COLORS)}'
    renderer = categorised_renderer(attribute, categories, ROUTE_COLORS[0], "line")
    return LayerStyle(renderer, spec.field_specs, display="'第' || \"visit_day\" || '天'")


def table_style(
    spec: LayerSpec, drop_downs: Mapping[str, Mapping[str, str]] | None = None
) -> LayerStyle:
    """A table without geometry: aliases, and codes by their labels."""
    renderer = Element("renderer-v2", type="nullSymbol")
    return LayerStyle(renderer, spec.field_specs, drop_downs or {})


def alias(spec: FieldSpec) -> str:
    """Chinese name with unit and official code: 图斑面积（㎡）JCMJ."""
    unit = f"（{UNIT_ZH[spec.unit]}）" if spec.unit in UNIT_ZH else ""
    return f"{spec.label_zh}{unit}{' ' + spec.code if spec.code else ''}"


def qml(style: LayerStyle) -> str:
    """The style as a QML document for `layer_styles`."""
    root = Element(
        "qgis", {"version": QGIS_VERSION, "styleCategories": "AllStyleCategories", **flags(style)}
    )
    root.extend(style_elements(style))
    text = tostring(root, encoding="unicode", short_empty_elements=True)
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}\n"


def flags(style: LayerStyle) -> dict[str, str]:
    """Attributes of the root element of a style, in QML and in a project alike."""
    limit = style.min_scale_denominator
    return {
        "labelsEnabled": "1" if style.label else "0",
        "readOnly": "0" if style.editable else "1",
        "hasScaleBasedVisibilityFlag": "1" if limit else "0",
        "minScale": str(limit or 100_000_000),
        "maxScale": "0",
        "simplifyDrawingHints": "1",
        "simplifyDrawingTol": "1",
        "simplifyMaxScale": "1",
        "simplifyLocal": "1",
        "simplifyAlgorithm": "0",
    }


def style_elements(style: LayerStyle) -> list[Element]:
    """Everything inside the root element of a style."""
    names = ("fid", *(spec.name for spec in style.fields))
    # A copy: whoever indents the document changes the whitespace inside.
    elements = [deepcopy(style.renderer)]
    if style.label:
        elements.append(labelling(style.label))
    elements += [_text("layerOpacity", f"{style.opacity:g}"), _text("blendMode", "0")]
    elements.append(_field_configuration(style))
    elements.append(_aliases(style))
    elements.append(_table_configuration(names))
    elements.append(_text("editorlayout", "tablayout" if style.has_tabs else "generatedlayout"))
    if style.has_tabs:
        elements.append(_form(names))
    editable = Element("editable")
    for name in names:
        SubElement(editable, "field", name=name, editable=str(int(name in style.editable)))
    elements.append(editable)
    elements.append(_text("previewExpression", style.display))
    return elements


def _patch_fill(code: str) -> Fill:
    color = SUSPECTED_COLORS.get(code, OTHER)
    if code in QUIET_CLASSES:
        return Fill(outline=f"{color},220", width_mm=0.3)
    return Fill(f"{color},26", f"{color},255", 0.8, has_casing=True)


def _field_configuration(style: LayerStyle) -> Element:
    root = Element("fieldConfiguration")
    _widget(root, "fid", "Hidden", None)
    for spec in style.fields:
        options = Element("Option", type="Map")
        drop_down = style.drop_downs.get(spec.name)
        if spec.dtype == "boolean":
            drop_down = YES_NO
        if drop_down:
            _value_map(options, drop_down, is_optional=spec.nullable)
            _widget(root, spec.name, "ValueMap", options)
        elif spec.name in _HIDDEN:
            _widget(root, spec.name, "Hidden", None)
        elif spec.dtype == "date" and spec.name in style.editable:
            _date(options)
            _widget(root, spec.name, "DateTime", options)
        else:
            _option(options, "IsMultiline", "bool", str(spec.name in _MULTILINE).lower())
            _option(options, "UseHtml", "bool", "false")
            _widget(root, spec.name, "TextEdit", options)
    return root


def _value_map(options: Element, labels: Mapping[str, str], *, is_optional: bool) -> None:
    entries = SubElement(options, "Option", name="map", type="List")
    pairs = [(UNANSWERED_ZH, NULL_VALUE)] if is_optional else []
    for label, code in [*pairs, *((label, code) for code, label in labels.items())]:
        _option(SubElement(entries, "Option", type="Map"), label, "QString", code)


def _date(options: Element) -> None:
    """Dates are ISO text in our files; the widget writes them so."""
    _option(options, "allow_null", "bool", "true")
    _option(options, "calendar_popup", "bool", "true")
    _option(options, "display_format", "QString", "yyyy-MM-dd")
    _option(options, "field_format", "QString", "yyyy-MM-dd")
    _option(options, "field_iso_format", "bool", "false")


def _option(parent: Element, name: str, kind: str, value: str) -> None:
    SubElement(parent, "Option", name=name, type=kind, value=value)


def _widget(root: Element, name: str, kind: str, options: Element | None) -> None:
    entry = SubElement(root, "field", name=name, configurationFlags="None")
    config = SubElement(SubElement(entry, "editWidget", type=kind), "config")
    config.append(Element("Option") if options is None else options)


def _aliases(style: LayerStyle) -> Element:
    root = Element("aliases")
    for number, spec in enumerate(style.fields, start=1):
        SubElement(root, "alias", field=spec.name, index=str(number), name=alias(spec))
    return root


def _table_configuration(names: tuple[str, ...]) -> Element:
    root = Element("attributetableconfig", actionWidgetStyle="dropDown", sortExpression="")
    columns = SubElement(root, "columns")
    for name in names:
        is_hidden = name in _HIDDEN
        width = "320" if name in _MULTILINE else "-1"
        SubElement(
            columns,
            "column",
            name=name,
            type="field",
            width=width,
            hidden=str(int(is_hidden)),
        )
    return root


def _form(names: tuple[str, ...]) -> Element:
    root = Element("attributeEditorForm")
    index = {name: str(number) for number, name in enumerate(names)}
    for title, groups in TABS:
        tab = _container(root, title, 1, is_group=False)
        for group, n_columns, columns in groups:
            box = _container(tab, group, n_columns, is_group=True)
            for name in columns:
                SubElement(box, "attributeEditorField", name=name, index=index[name], showLabel="1")
    return root


def _container(parent: Element, name: str, n_columns: int, *, is_group: bool) -> Element:
    return SubElement(
        parent,
        "attributeEditorContainer",
        name=name,
        columnCount=str(n_columns),
        groupBox=str(int(is_group)),
        showLabel="1",
        visibilityExpression="",
        visibilityExpressionEnabled="0",
    )


def _text(tag: str, text: str) -> Element:
    element = Element(tag)
    element.text = text
    return element
