"""Clouds by the optional network ukis-csmask, on the overview in blocks.

The network was trained near 30 m on reflectance: blocks of 10–30 m come close to that and cost
little. Digital numbers of county deliveries are seldom reflectance; without a stated scale they are
stretched so that what both dates show reaches from dark water to bare ground.

Fichtner et al., DLR ukis-csmask 1.0, Apache-2.0.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import Finding, InputError
from pipeline.schema.model import Frozen

Bools = NDArray[np.bool_]
NETWORK_BANDS = {
    "blue": "blue",
    "green": "green",
    "red": "red",
    "nir": "nir",
    "swir1": "swir16",
    "swir2": "swir22",
}
REQUIRED = ("blue", "green", "red", "nir")
CLOUD_CLASS, SHADOW_CLASS = 1, 2
LEAST_SIDE = 256
"""Smaller images are reflected up to the network's own window."""
DARK_REFLECTANCE, BRIGHT_REFLECTANCE = 0.03, 0.30


class CsmaskParams(Frozen):
    """Settings of ukis-csmask (可选组件 cloud)."""

    reflectance_scale: float | None = Field(
        None,
        gt=0,
        description="反射率 = 像元值 × reflectance_scale + reflectance_offset；不写则按两期都有的"
        "最暗地物（1%）为 0.03、最亮地物（99.5%）为 0.30 线性换算",
    )
    reflectance_offset: float = Field(0.0, description="见 reflectance_scale")


@dataclass(frozen=True, eq=False)
class NetworkMask:
    """What the network holds for hidden; `(y, x)` of the blocks."""

    cloud: Bools
    shadow: Bools


def network_mask(
    mean: NDArray[np.float32],
    roles: Sequence[str],
    lasting: tuple[NDArray[np.float32], NDArray[np.float32]],
    params: CsmaskParams,
) -> NetworkMask:
    """Run the network on one date's block means `(band, y, x)` in digital numbers.

    `lasting`: per band, the values of the darkest and the brightest ground that both dates show.
    Raises `InputError` E-CLOUD-EXTRA without the package, E-CLOUD-BANDS without four bands.
    """
    missing = [role for role in REQUIRED if role not in roles]
    if missing:
        raise InputError(
            Finding(
                "E-CLOUD-BANDS",
                "影像没有 ukis-csmask 需要的波段。",
                where="align.clouds.method",
                value="缺少 " + "、".join(missing),
                allowed="、".join(REQUIRED),
                advice="写明波段角色，或把 align.clouds.method 改回 own。",
            )
        )
    network: Any = _require_package()
    has_all = all(role in roles for role in NETWORK_BANDS)
    chosen = tuple(NETWORK_BANDS) if has_all else REQUIRED
    bands = [_reflectance(mean, roles.index(role), lasting, params) for role in chosen]
    rows, cols = mean.shape[1:]
    pad = (0, max(0, LEAST_SIDE - rows)), (0, max(0, LEAST_SIDE - cols))
    image = np.stack([np.pad(band, pad, mode="symmetric") for band in bands], axis=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = network(
            img=np.ascontiguousarray(image, np.float32),
            band_order=[NETWORK_BANDS[role] for role in chosen],
            product_level="l1c",
            intra_op_num_threads=1,
            inter_op_num_threads=1,
            providers=["CPUExecutionProvider"],
        ).csm[:rows, :cols, 0]
    return NetworkMask(found == CLOUD_CLASS, found == SHADOW_CLASS)


def _reflectance(
    mean: NDArray[np.float32],
    band: int,
    lasting: tuple[NDArray[np.float32], NDArray[np.float32]],
    params: CsmaskParams,
) -> NDArray[np.float32]:
    if params.reflectance_scale is not None:
        scale, offset = params.reflectance_scale, params.reflectance_offset
    else:
        black, white = (float(values[band]) for values in lasting)
        scale = (BRIGHT_REFLECTANCE - DARK_REFLECTANCE) / max(white - black, 1e-6)
        offset = DARK_REFLECTANCE - scale * black
    result: NDArray[np.float32] = mean[band] * np.float32(scale) + np.float32(offset)
    return result


def _require_package() -> Any:
    try:
        from ukis_csmask.mask import CSmask
    except ImportError as problem:
        raise InputError(
            Finding(
                "E-CLOUD-EXTRA",
                "没有安装云检测组件 ukis-csmask。",
                where="align.clouds.method",
                value=str(problem).splitlines()[0],
                allowed="own，或先安装可选组件 cloud",
                advice="联网时运行 .venv/bin/uv sync --frozen --inexact --extra cloud，"
                "或把 align.clouds.method 改回 own。",
            )
        ) from problem
    return CSmask
