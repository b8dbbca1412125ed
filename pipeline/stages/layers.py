"""Which reference layers intake has made ready for later stages."""

from __future__ import annotations

from pathlib import Path

from pipeline.io.geopackage import open_read_only, user_tables
from pipeline.schema.reference import REFERENCE_LAYERS


def supplied_layers(path: Path) -> frozenset[str]:
    """Core names of the reference layers in `intake/layers.gpkg`.

    A layer that is there with no feature is supplied and covers nothing; one that is not there is
    unknown.
    """
    with open_read_only(path) as connection:
        return frozenset(user_tables(connection, path)) & REFERENCE_LAYERS.keys()
