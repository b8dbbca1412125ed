"""Reading features with GDAL as they are: geometry, CRS, record numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from pipeline.errors import Finding, InputError


def gdal_read(path: Path, **options: Any) -> tuple[Any, NDArray[np.int64], Any, Any]:
    """`pyogrio.raw.read` in two dimensions with record numbers; `InputError` if it fails."""
    try:
        result: tuple[Any, NDArray[np.int64], Any, Any] = pyogrio.raw.read(
            path, return_fids=True, force_2d=True, **options
        )
    except (DataSourceError, DataLayerError, RuntimeError, ValueError) as problem:
        raise unreadable(path, str(problem)[:200]) from problem
    return result


def geometries(wkb: Any, n: int) -> NDArray[np.object_]:
    """Shapely geometries; None where there is none or it is of a kind without equivalent (TIN)."""
    if wkb is None:
        return np.full(n, None, dtype=object)
    found: NDArray[np.object_] = shapely.from_wkb(wkb, on_invalid="ignore")
    return found


def crs_of(stated: str | None) -> CRS | None:
    """The CRS as the file has it; engineering systems and unknown projections count as none."""
    if not stated:
        return None
    try:
        crs = CRS.from_user_input(stated)
        if not (crs.is_projected or crs.is_geographic):
            return None
        # A projection that nobody knows has a name and parameters, and still leads nowhere.
        Transformer.from_crs(crs, crs.geodetic_crs)
    except (CRSError, ProjError):
        return None
    return crs


def unreadable(path: Path, value: str, what: str = "文件无法读取，可能已损坏。") -> InputError:
    """E-FILE-UNREADABLE for a file."""
    # GDAL's messages repeat the full path.
    value = value.replace(str(path), path.name)
    advice = "用 QGIS 打开核对；损坏的请重新拷贝或由提供单位重新导出。"
    return InputError(Finding("E-FILE-UNREADABLE", what, path.name, value, advice=advice))
