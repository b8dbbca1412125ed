"""How much of every township's land both dates show, and why the rest was not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd

from pipeline.delivery.isolation import Township
from pipeline.schema.register_layers import CLOSED_TOWNSHIPS


def closed_townships(
    townships: Sequence[Township], observed: Mapping[str, Mapping[str, Any]], crs: Any
) -> gpd.GeoDataFrame:
    """The layer `townships` of the books, from the rows that `overlay` measured by unit code."""
    names = {"township_code": "code", "township_name": "name", "township_kind": "kind"}
    columns = {
        field: [
            getattr(one, names[field]) if field in names else observed[one.code][field]
            for one in townships
        ]
        for field in CLOSED_TOWNSHIPS.fields
    }
    return gpd.GeoDataFrame(columns, geometry=[one.territory for one in townships], crs=crs)
