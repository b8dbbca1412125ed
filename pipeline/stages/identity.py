"""What `extract` found of the land's earlier patches, for the later stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.io.geopackage import open_read_only, user_tables
from pipeline.io.vectors import read_layer
from pipeline.schema.layer import LayerSpec
from pipeline.schema.register_layers import IDENTITY, LINEAGE

Record = dict[str, Any]


def read_identity(path: Path) -> list[Record]:
    """`IDENTITY` rows of a run's `extract/patches.gpkg`, NULL as None; none without a county."""
    return _rows(path, IDENTITY)


def read_lineage(path: Path) -> list[Record]:
    """`LINEAGE` rows of a run's `extract/patches.gpkg`, NULL as None; none without a county."""
    return _rows(path, LINEAGE)


def _rows(path: Path, spec: LayerSpec) -> list[Record]:
    if not path.is_file():
        return []
    with open_read_only(path) as connection:
        if spec.name not in user_tables(connection, path):
            return []
    table = read_layer(path, spec).astype(object)
    table = table.where(table.notna(), None)
    return [{name: row[name] for name in spec.fields} for row in table.to_dict("records")]
