"""What the files of townships and of the bureau have in common: styled layers, project groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from pipeline.config.models import RunConfig
from pipeline.delivery.projects import ProjectLayer
from pipeline.delivery.styles import (
    LayerStyle,
    alias,
    parts_style,
    patches_style,
    qml,
    reference_style,
    route_style,
    stops_style,
    table_style,
    township_style,
)
from pipeline.io.layer_styles import StoredStyle, write_styles
from pipeline.io.vectors import write_layers
from pipeline.schema.delivered import REFERENCE_PREFIX
from pipeline.schema.layer import LayerSpec
from pipeline.stages.package_material import Material

PATCH_GROUP, REFERENCE_GROUP = "核查图斑", "管理图层"
SHOWN_REFERENCES = frozenset(
    {
        "villages",
        "permanent_basic_farmland",
        "ecological_redline",
        "nature_reserve",
        "approvals",
        "facility_land",
        "temporary_land",
    }
)
"""Switched on when the project opens; the others are one click away."""
ON_TOP = ("villages",)
IMAGE_TITLES = {"after": "变化后影像", "before": "变化前影像"}


def styles_of(
    specs: tuple[LayerSpec, ...], drop_downs: Mapping[str, Mapping[str, str]], *, is_form: bool
) -> dict[LayerSpec, LayerStyle]:
    """The style of every layer of a file."""
    return {spec: _style(spec, drop_downs, is_form=is_form) for spec in specs}


def _style(
    spec: LayerSpec, drop_downs: Mapping[str, Mapping[str, str]], *, is_form: bool
) -> LayerStyle:
    used = {name: drop_downs[name] for name in spec.fields if name in drop_downs}
    if spec.name == "patches":
        return patches_style(spec, used, is_form=is_form)
    if spec.name == "parts":
        return parts_style(spec, used)
    if spec.name in ("township", "townships"):
        return township_style(spec, used)
    if spec.name == "stops":
        return stops_style(spec, used)
    if spec.name == "route":
        return route_style(spec)
    if spec.geometry is None:
        return table_style(spec)
    return reference_style(spec, used)


def write_styled_layers(
    path: Path,
    layers: Mapping[LayerSpec, pd.DataFrame],
    styles: Mapping[LayerSpec, LayerStyle],
    crs_wkt: str,
    stamp: str,
) -> None:
    """A GeoPackage whose layers open with style, Chinese names and form."""
    write_layers(path, layers, crs_wkt, stamp)
    stored = [
        StoredStyle(
            spec.name,
            spec.label_zh,
            qml(style),
            spec.geometry is not None,
            [(field.name, alias(field), field.description) for field in spec.field_specs],
        )
        for spec, style in styles.items()
    ]
    write_styles(path, stored, stamp)


def project_layers(
    file_name: str,
    layers: Mapping[LayerSpec, pd.DataFrame],
    styles: Mapping[LayerSpec, LayerStyle],
    hidden: Collection[str] = ("parts",),
) -> list[tuple[str, list[ProjectLayer]]]:
    """Groups of a project: patches first, then reference layers that hold something.

    `hidden`: own layers that are switched off when the project opens.
    """
    own = [spec for spec in layers if not spec.name.startswith(REFERENCE_PREFIX)]
    others = [
        spec for spec in layers if spec.name.startswith(REFERENCE_PREFIX) and len(layers[spec])
    ]
    # Late layers of the register are small ones; they must not lie under the large ones.
    others.reverse()
    others.sort(key=lambda spec: _core(spec) not in ON_TOP)
    return [
        (
            PATCH_GROUP,
            [
                _layer(file_name, spec, layers[spec], styles[spec], spec.name not in hidden)
                for spec in own
            ],
        ),
        (
            REFERENCE_GROUP,
            [
                _layer(
                    file_name,
                    spec,
                    layers[spec],
                    styles[spec],
                    _core(spec) in SHOWN_REFERENCES,
                )
                for spec in others
            ],
        ),
    ]


def image_layers(
    run: RunConfig, material: Material, files: Mapping[str, str]
) -> list[ProjectLayer]:
    """The images of a project by `before`/`after` → path relative to it; the after one on top."""
    dates = {"before": run.before.date, "after": run.after.date}
    grid = material.grid
    x, y = grid.xy(np.array([0.0, grid.height]), np.array([0.0, grid.width]))
    bounds = float(x.min()), float(y.min()), float(x.max()), float(y.max())
    return [
        ProjectLayer(
            name,
            f"{title} {dates[name] or ''}".strip(),
            files[name],
            bounds,
            view=material.pictures[name].view,
        )
        for name, title in IMAGE_TITLES.items()
        if name in files
    ]


def _layer(
    file_name: str, spec: LayerSpec, table: pd.DataFrame, style: LayerStyle, is_shown: bool
) -> ProjectLayer:
    return ProjectLayer(
        spec.name,
        spec.label_zh,
        f"{file_name}|layername={spec.name}",
        _bounds(table),
        style=style,
        geometry=spec.geometry,
        is_shown=is_shown,
    )


def _core(spec: LayerSpec) -> str:
    return spec.name.removeprefix(REFERENCE_PREFIX)


def _bounds(table: pd.DataFrame) -> tuple[float, float, float, float]:
    if not isinstance(table, gpd.GeoDataFrame) or table.empty:
        return 0.0, 0.0, 0.0, 0.0
    xmin, ymin, xmax, ymax = (float(value) for value in table.total_bounds)
    return xmin, ymin, xmax, ymax
