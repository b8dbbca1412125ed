"""What the construction network says of every pixel, as `detect` leaves it behind.

A small network over both dates (`scripts/train_construction.py`) gives the probability per class of
change. Three uint8 planes of `detect/traces.tif` keep what the later steps need: the probability
that something was built and that the ground was worked or heaped (0–255), and the kind. Everything
after reads these planes only, so results do not hang on the last bit of a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.change.learned.infer import InputScaling, PairPixels, infer
from pipeline.change.learned.network import Network
from pipeline.grid import RasterWindow, Tile, TileOutput
from pipeline.schema.model import Frozen

BUILT, WORKED, KIND = range(3)
"""Planes of `detect/traces.tif`."""
N_TRACES = 3
FULL = 255
"""Stored probability 1."""


class ConstructionParams(Frozen):
    """Settings of the construction network per pixel (建设判别)."""

    use_network: bool = Field(
        True, description="是否使用建设判别网络；不用时凡变成裸露地面的都列为疑似建设"
    )
    looks: Literal[1, 2, 4, 8] = Field(
        8, description="每个窗口换几个方向（旋转、镜像）看，取平均：越多误报越少，也越慢"
    )
    min_probability: float = Field(
        0.3, gt=0, lt=1, description="像元计入疑似建设的概率下限（建设判别网络）"
    )


@dataclass(frozen=True, eq=False)
class ConstructionModel:
    """The network fitted to a pair. Parameters of `trace_tile`."""

    network: Network
    scaling: InputScaling
    positions: tuple[int, ...]
    """Of the network's bands among those of the pair."""
    kinds: tuple[int, ...]
    """Pixel value of `configs/codes/change_kind.csv` of every class after the first."""
    looks: int
    """See `ConstructionParams`."""
    is_built: tuple[bool, ...]
    """Whether such a class is construction; the network's first class is all of these."""


def trace_tile(
    tile: Tile, sources: Mapping[str, RasterWindow], params: ConstructionModel
) -> TileOutput:
    """Tile function: `before`, `after`, `valid` of the padded window → `traces` of the core, uint8
    `(N_TRACES, y, x)`; 0 where a date was not seen."""
    bands = list(params.positions)
    valid = sources["valid"].array[0]
    pixels = PairPixels(
        sources["before"].array[bands], sources["after"].array[bands], valid, tile.padded
    )
    classes = infer(params.network, params.scaling, pixels, tile.core, params.looks)
    traces = traces_of(classes, params)
    traces[:, valid[tile.core_slices] != 0] = 0
    return TileOutput({"traces": traces})


def traces_of(classes: NDArray[np.float32], model: ConstructionModel) -> NDArray[np.uint8]:
    """Planes `(N_TRACES, y, x)` from the probability per class `(class, y, x)`."""
    built = np.array(model.is_built)
    kinds = np.array(model.kinds, np.uint8)
    traces = np.empty((N_TRACES, *classes.shape[1:]), np.uint8)
    traces[BUILT] = _stored(classes[0])
    traces[WORKED] = _stored(classes[1:][~built].sum(axis=0))
    best_built = kinds[built][classes[1:][built].argmax(axis=0)]
    best_worked = kinds[~built][classes[1:][~built].argmax(axis=0)]
    traces[KIND] = np.where(traces[BUILT] >= traces[WORKED], best_built, best_worked)
    return traces


def _stored(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    stored: NDArray[np.uint8] = np.rint(np.clip(probability, 0, 1) * FULL).astype(np.uint8)
    return stored


def is_built(traces: NDArray[np.uint8], min_probability: float) -> NDArray[np.bool_]:
    """Construction-like pixels `(y, x)` of planes `(N_TRACES, y, x)`."""
    least = least_stored(min_probability)
    chosen: NDArray[np.bool_] = (traces[BUILT] >= least) & (traces[BUILT] >= traces[WORKED])
    return chosen


def is_worked(traces: NDArray[np.uint8], params: ConstructionParams) -> NDArray[np.bool_]:
    """Pixels `(y, x)` where the ground was moved, dug or heaped."""
    least = least_stored(params.min_probability)
    chosen: NDArray[np.bool_] = (traces[WORKED] >= least) & (traces[WORKED] > traces[BUILT])
    return chosen


def told_kinds(traces: NDArray[np.uint8], params: ConstructionParams) -> NDArray[np.uint8]:
    """Kind `(y, x)` where the network tells one, 0 elsewhere."""
    is_told = is_built(traces, params.min_probability) | is_worked(traces, params)
    return np.where(is_told, traces[KIND], np.uint8(0))


def least_stored(probability: float) -> int:
    """Stored value a pixel needs; at least 1, as 0 means that nothing is known."""
    return max(round(probability * FULL), 1)
