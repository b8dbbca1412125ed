"""QGIS projects (.qgs) as text: layers by relative path, in groups, with the package's styles."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pyproj import CRS
from pyproj.enums import WktVersion

from pipeline.delivery.styles import QGIS_VERSION, LayerStyle, flags, style_elements

Bounds = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax in the project's CRS."""


@dataclass(frozen=True)
class RasterView:
    """How an image is shown: which bands, stretched between which numbers."""

    bands: tuple[int, ...]
    """One band for grey, three for red, green, blue; from 1."""
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class ProjectLayer:
    """One layer of a project."""

    name: str
    """ASCII; part of the layer's id."""
    title: str
    source: str
    """Relative to the project, with forward slashes."""
    bounds: Bounds
    style: LayerStyle | None = None
    geometry: str | None = None
    """MultiPolygon, MultiLineString, Point or None for a table; unused for images."""
    view: RasterView | None = None
    is_shown: bool = True


@dataclass(frozen=True)
class Project:
    """A project to be written."""

    identity: str
    """Makes the layer ids of two projects different."""
    title: str
    crs: CRS
    bounds: Bounds
    groups: Sequence[tuple[str, Sequence[ProjectLayer]]]
    """Title and layers, the topmost first."""


def project_text(project: Project) -> str:
    """The project as a .qgs document; equal arguments give equal text."""
    root = Element("qgis", version=QGIS_VERSION, projectname=project.title)
    SubElement(root, "homePath", path="")
    SubElement(root, "title").text = project.title
    SubElement(root, "autotransaction", active="0")
    SubElement(root, "evaluateDefaultValues", active="0")
    SubElement(root, "trust", active="0")
    SubElement(root, "projectCrs").append(_reference_system(project.crs))
    root.append(_tree(project))
    root.append(_canvas(project))
    layers = SubElement(root, "projectlayers")
    order = SubElement(root, "layerorder")
    for _, group in project.groups:
        for layer in group:
            layers.append(_map_layer(project, layer))
            SubElement(order, "layer", id=layer_id(project, layer))
    root.append(_properties(project))
    root.append(_view(project))
    indent(root, " ")
    text = tostring(root, encoding="unicode")
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}\n"


def layer_id(project: Project, layer: ProjectLayer) -> str:
    """A long id, as QGIS makes them: under a short one the layer tree comes up empty."""
    digest = hashlib.sha256(f"{project.identity}/{layer.name}".encode()).hexdigest()
    parts = (digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32])
    return f"{layer.name}_{'_'.join(parts)}"


def _tree(project: Project) -> Element:
    root = Element("layer-tree-group")
    _no_properties(root)
    for title, layers in project.groups:
        group = SubElement(
            root, "layer-tree-group", name=title, checked="Qt::Checked", expanded="1"
        )
        _no_properties(group)
        for layer in layers:
            node = SubElement(
                group,
                "layer-tree-layer",
                id=layer_id(project, layer),
                name=layer.title,
                source=f"./{layer.source}" if not layer.source.startswith(".") else layer.source,
                providerKey="gdal" if layer.view else "ogr",
                checked="Qt::Checked" if layer.is_shown else "Qt::Unchecked",
                expanded="1" if layer.name == "patches" else "0",
            )
            _no_properties(node)
    return root


def _no_properties(node: Element) -> None:
    SubElement(SubElement(node, "customproperties"), "Option")


def _canvas(project: Project) -> Element:
    canvas = Element("mapcanvas", name="theMapCanvas", annotationsVisible="1")
    SubElement(canvas, "units").text = "meters"
    canvas.append(_extent("extent", project.bounds))
    SubElement(canvas, "rotation").text = "0"
    destination = SubElement(canvas, "destinationsrs")
    destination.append(_reference_system(project.crs))
    SubElement(canvas, "rendermaptile").text = "0"
    return canvas


def _map_layer(project: Project, layer: ProjectLayer) -> Element:
    if layer.view is not None:
        attributes = {"type": "raster", "hasScaleBasedVisibilityFlag": "0"}
    else:
        geometry = {"MultiPolygon": "Polygon", "MultiLineString": "Line", "Point": "Point"}
        attributes = {
            "type": "vector",
            "geometry": geometry.get(str(layer.geometry), "No geometry"),
            "wkbType": layer.geometry or "NoGeometry",
            **(flags(layer.style) if layer.style else {}),
        }
    root = Element("maplayer", {**attributes, "styleCategories": "AllStyleCategories"})
    if layer.geometry is not None or layer.view is not None:
        root.append(_extent("extent", layer.bounds))
    SubElement(root, "id").text = layer_id(project, layer)
    source = layer.source if layer.source.startswith(".") else f"./{layer.source}"
    SubElement(root, "datasource").text = source
    SubElement(root, "layername").text = layer.title
    SubElement(root, "srs").append(_reference_system(project.crs))
    provider = SubElement(root, "provider")
    if layer.view is None:
        provider.set("encoding", "UTF-8")
        provider.text = "ogr"
        root.extend(style_elements(layer.style) if layer.style else [])
    else:
        provider.text = "gdal"
        root.append(_pipe(layer.view))
        SubElement(root, "blendMode").text = "0"
    return root


def _pipe(view: RasterView) -> Element:
    pipe = Element("pipe")
    if len(view.bands) == 3:
        renderer = SubElement(
            pipe,
            "rasterrenderer",
            type="multibandcolor",
            redBand=str(view.bands[0]),
            greenBand=str(view.bands[1]),
            blueBand=str(view.bands[2]),
            alphaBand="-1",
            opacity="1",
        )
        names: tuple[str, ...] = (
            "redContrastEnhancement",
            "greenContrastEnhancement",
            "blueContrastEnhancement",
        )
    else:
        renderer = SubElement(
            pipe,
            "rasterrenderer",
            type="singlebandgray",
            grayBand=str(view.bands[0]),
            gradient="BlackToWhite",
            alphaBand="-1",
            opacity="1",
        )
        names = ("contrastEnhancement",)
    SubElement(renderer, "rasterTransparency")
    for name, low, high in zip(names, view.low, view.high, strict=False):
        stretch = SubElement(renderer, name)
        SubElement(stretch, "minValue").text = f"{low:g}"
        SubElement(stretch, "maxValue").text = f"{high:g}"
        SubElement(stretch, "algorithm").text = "StretchToMinimumMaximum"
    SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0")
    # Zoomed out, averaging keeps narrow things visible that the nearest pixel would lose.
    SubElement(
        pipe,
        "rasterresampler",
        zoomedInResampler="bilinear",
        zoomedOutResampler="bilinear",
        maxOversampling="2",
    )
    SubElement(pipe, "resamplingStage").text = "resamplingFilter"
    return pipe


def _view(project: Project) -> Element:
    """Where the map opens, for programs that do not read the canvas (QField)."""
    root = Element("ProjectViewSettings", UseProjectScales="0", rotation="0")
    SubElement(root, "Scales")
    corners = zip(("xmin", "ymin", "xmax", "ymax"), project.bounds, strict=True)
    extent = SubElement(
        root, "DefaultViewExtent", {name: f"{value:.3f}" for name, value in corners}
    )
    extent.append(_reference_system(project.crs))
    return root


def _extent(tag: str, bounds: Bounds) -> Element:
    root = Element(tag)
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        SubElement(root, name).text = f"{value:.3f}"
    return root


def _reference_system(crs: CRS) -> Element:
    """A full description; QGIS takes less for "no CRS" and says nothing."""
    root = Element("spatialrefsys")
    epsg = crs.to_epsg()
    SubElement(root, "wkt").text = crs.to_wkt(WktVersion.WKT2_2019)
    SubElement(root, "proj4")
    SubElement(root, "srsid").text = "0"
    SubElement(root, "srid").text = str(epsg or 0)
    SubElement(root, "authid").text = f"EPSG:{epsg}" if epsg else ""
    SubElement(root, "description").text = crs.name
    SubElement(root, "projectionacronym")
    SubElement(root, "ellipsoidacronym")
    SubElement(root, "geographicflag").text = "true" if crs.is_geographic else "false"
    return root


def _properties(project: Project) -> Element:
    root = Element("properties")
    paths = SubElement(root, "Paths")
    SubElement(paths, "Absolute", type="bool").text = "false"
    system = SubElement(root, "SpatialRefSys")
    SubElement(system, "ProjectionsEnabled", type="int").text = "1"
    measurement = SubElement(root, "Measurement")
    SubElement(measurement, "AreaUnits", type="QString").text = "m2"
    SubElement(measurement, "DistanceUnits", type="QString").text = "meters"
    measure = SubElement(root, "Measure")
    ellipsoid = project.crs.ellipsoid
    name = "EPSG:1024" if ellipsoid is not None and ellipsoid.name == "CGCS2000" else "EPSG:7030"
    SubElement(measure, "Ellipsoid", type="QString").text = name
    return root
