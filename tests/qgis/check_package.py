"""What QGIS itself makes of a package: run by the system's python3 with PyQGIS, never in the venv.

    python3 check_package.py FOLDER PROJECT.qgz FILE.gpkg OUT.png

Prints one JSON report. It judges nothing; `test_qgis.py` does.
"""

import json
import os
import shutil
import sys
import tempfile

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QFontDatabase

MESSAGES = []


def edge_colour(symbol):
    """Colour of the outline on top."""
    return symbol.symbolLayer(symbol.symbolLayerCount() - 1).strokeColor().name()


def describe(layer):
    """Style, names and form of a vector layer."""
    renderer = layer.renderer()
    fields = layer.fields()
    form = layer.editFormConfig()
    formatters = QgsApplication.fieldFormatterRegistry()
    shown = {}
    feature = next(layer.getFeatures(), None)
    for number in range(len(fields)):
        setup = fields[number].editorWidgetSetup()
        if feature is not None and setup.type() == "ValueMap":
            formatter = formatters.fieldFormatter(setup.type())
            shown[fields[number].name()] = formatter.representValue(
                layer, number, setup.config(), None, feature[number]
            )
    return {
        "valid": layer.isValid(),
        "n_features": layer.featureCount(),
        "crs": layer.crs().authid(),
        "read_only": layer.readOnly(),
        "renderer": renderer.type() if renderer else None,
        "attribute": renderer.classAttribute() if hasattr(renderer, "classAttribute") else None,
        "categories": [
            [category.value(), category.label(), edge_colour(category.symbol())]
            for category in (renderer.categories() if hasattr(renderer, "categories") else [])
        ],
        "labels": layer.labelsEnabled(),
        "aliases": {f.name(): f.alias() for f in fields},
        "widgets": {f.name(): f.editorWidgetSetup().type() for f in fields},
        "drop_downs": {
            f.name(): f.editorWidgetSetup().config().get("map")
            for f in fields
            if f.editorWidgetSetup().type() == "ValueMap"
        },
        "shown": shown,
        "editable": [f.name() for n, f in enumerate(fields) if not form.readOnly(n)],
        "tabs": [tab.name() for tab in form.tabs()],
        "display": layer.displayExpression(),
    }


def render(project, layers, extent, target, size=1400):
    """A map of the given layers; returns the share of each colour that matters."""
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(project.crs())
    settings.setExtent(extent)
    settings.setOutputSize(QSize(size, size))
    settings.setOutputDpi(96)
    settings.setBackgroundColor(QColor(255, 255, 255))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(target)
    colours = {}
    for row in range(0, image.height(), 2):
        for column in range(0, image.width(), 2):
            name = QColor(image.pixel(column, row)).name()
            colours[name] = colours.get(name, 0) + 1
    return {
        "errors": [error.message for error in job.errors()],
        "colours": dict(sorted(colours.items(), key=lambda item: -item[1])[:4000]),
    }


def edit(folder, gpkg_name):
    """Fill in a form through QGIS's own provider, in a copy; returns what is stored then."""
    with tempfile.TemporaryDirectory() as copy:
        path = os.path.join(copy, gpkg_name)
        shutil.copyfile(os.path.join(folder, gpkg_name), path)
        layer = QgsVectorLayer(f"{path}|layername=patches", "patches", "ogr")
        if layer.readOnly():
            return None
        given = {
            "site_state": "built",
            "is_found_by_patrol": True,
            "start_date": "2024-06-01",
            "measured_area_m2": 3599.5,
        }
        feature = next(layer.getFeatures())
        layer.startEditing()
        for name, value in given.items():
            layer.changeAttributeValue(feature.id(), layer.fields().indexOf(name), value)
        is_committed = layer.commitChanges()
        del layer
        stored = next(QgsVectorLayer(f"{path}|layername=patches", "p", "ogr").getFeatures())
        return {"is_committed": is_committed, **{name: stored[name] for name in given}}


def main(folder, project_name, gpkg_name, target):
    project = QgsProject.instance()
    is_read = project.read(os.path.join(folder, project_name))
    nodes = project.layerTreeRoot().findLayers()
    layers = [node.layer() for node in nodes]
    report = {
        "read": is_read,
        "error": project.error(),
        "title": project.title(),
        "crs": project.crs().authid(),
        "crs_valid": project.crs().isValid(),
        "groups": [group.name() for group in project.layerTreeRoot().findGroups()],
        "unresolved": [node.name() for node in nodes if node.layer() is None],
        "n_layers": len(project.mapLayers()),
        "invalid": [layer.name() for layer in layers if layer is not None and not layer.isValid()],
        "layers": {},
        "rasters": {},
        "absolute": project.readBoolEntry("Paths", "/Absolute", True)[0],
    }
    for layer in layers:
        if isinstance(layer, QgsVectorLayer):
            name = layer.source().partition("layername=")[2]
            report["layers"][name] = describe(layer)
        elif layer is not None:
            renderer = layer.renderer()
            report["rasters"][os.path.basename(layer.source())] = {
                "valid": layer.isValid(),
                "crs": layer.crs().authid(),
                "renderer": renderer.type(),
                "bands": renderer.usesBands(),
                "nodata": [
                    layer.dataProvider().sourceNoDataValue(band + 1)
                    for band in range(layer.bandCount())
                ],
            }
    canvas = project.viewSettings().defaultViewExtent()
    report["canvas"] = canvas.toString() if not canvas.isNull() else ""
    shown = [node.layer() for node in nodes if node.isVisible() and node.layer() is not None]
    patches = next(layer for layer in shown if layer.source().endswith("layername=patches"))
    extent = patches.extent()
    extent.scale(1.3)
    extent.grow(20)
    report["map"] = render(project, shown, extent, target)
    project.clear()
    alone = {}
    for name in [*report["layers"]]:
        layer = QgsVectorLayer(f"{os.path.join(folder, gpkg_name)}|layername={name}", name, "ogr")
        alone[name] = describe(layer)
    report["alone"] = alone
    report["files"] = sorted(os.listdir(folder))
    report["edited"] = edit(folder, gpkg_name)
    report["messages"] = MESSAGES
    json.dump(report, sys.stdout, ensure_ascii=False, default=str)
    sys.stdout.flush()


if __name__ == "__main__":
    application = QgsApplication([], True)
    application.initQgis()
    if len(sys.argv) > 5:
        QFontDatabase.addApplicationFont(sys.argv[5])
    QgsApplication.messageLog().messageReceived.connect(
        lambda text, tag, level: MESSAGES.append([tag, int(level), text])
    )
    main(*sys.argv[1:5])
    os._exit(0)
