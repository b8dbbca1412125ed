"""QGIS projects as text: relative, complete, repeatable."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

from pyproj import CRS

from pipeline.delivery.projects import Project, ProjectLayer, RasterView, layer_id, project_text
from pipeline.delivery.styles import qml, township_style
from pipeline.schema.delivered import TOWNSHIP

BOX = (500_000.0, 3_400_000.0, 501_000.0, 3_401_000.0)
STYLE = township_style(TOWNSHIP, {})
LAYERS = (
    ProjectLayer(
        "township", "本乡镇", "verify.gpkg|layername=township", BOX, STYLE, "MultiPolygon"
    ),
    ProjectLayer("reasons", "理由", "verify.gpkg|layername=reasons", BOX, STYLE, None),
)
IMAGES = (
    ProjectLayer(
        "after", "后 <&>", "after.tif", BOX, view=RasterView((3, 2, 1), (1, 2, 3), (7, 8, 9))
    ),
    ProjectLayer("before", "前", "../align/before.tif", BOX, view=RasterView((1,), (0,), (255,))),
)


def project(identity: str = "T1-379999101-0") -> Project:
    groups = [("核查图斑", LAYERS), ("影像", IMAGES)]
    return Project(identity, "核查包", CRS.from_epsg(4547), BOX, groups)


def parse(of: Project) -> Element:
    return fromstring(project_text(of).partition("\n")[2])


def test_every_tree_node_names_a_layer_that_is_there() -> None:
    root = parse(project())
    nodes = [node.get("id") for node in root.iter("layer-tree-layer")]
    layers = [node.findtext("id") for node in root.iter("maplayer")]
    order = [node.get("id") for node in root.iter("layer") if node.get("id")]
    assert nodes == layers == order
    assert len(set(layers)) == len(LAYERS) + len(IMAGES)
    # Under short ids QGIS 3.22 shows an empty tree and says nothing.
    assert all(len(str(name)) > 30 for name in layers)


def test_sources_are_relative_and_never_leave_by_an_absolute_path() -> None:
    root = parse(project())
    sources = [node.findtext("datasource") for node in root.iter("maplayer")]
    assert sources == [
        "./verify.gpkg|layername=township",
        "./verify.gpkg|layername=reasons",
        "./after.tif",
        "../align/before.tif",
    ]
    assert root.findtext("properties/Paths/Absolute") == "false"


def test_project_and_layers_know_their_reference_system() -> None:
    root = parse(project())
    systems = list(root.iter("spatialrefsys"))
    assert len(systems) == 3 + len(LAYERS) + len(IMAGES)
    for system in systems:
        assert system.findtext("authid") == "EPSG:4547"
        assert str(system.findtext("wkt")).startswith("PROJCRS[")
    assert root.findtext("properties/SpatialRefSys/ProjectionsEnabled") == "1"


def test_images_are_stretched_as_told() -> None:
    root = parse(project())
    renderers = {node.get("type"): node for node in root.iter("rasterrenderer")}
    colour, grey = renderers["multibandcolor"], renderers["singlebandgray"]
    assert [colour.get(f"{c}Band") for c in ("red", "green", "blue")] == ["3", "2", "1"]
    assert colour.findtext("greenContrastEnhancement/minValue") == "2"
    assert colour.findtext("blueContrastEnhancement/maxValue") == "9"
    assert grey.findtext("contrastEnhancement/maxValue") == "255"


def test_titles_are_text_whatever_they_hold() -> None:
    assert "后 <&>" in [node.findtext("layername") for node in parse(project()).iter("maplayer")]


def test_equal_projects_are_equal_text_and_styles_are_left_alone() -> None:
    before = qml(STYLE)
    assert project_text(project()) == project_text(project())
    assert qml(STYLE) == before


def test_two_packages_have_other_layer_ids() -> None:
    assert layer_id(project(), LAYERS[0]) != layer_id(project("T1-379999002-0"), LAYERS[0])
