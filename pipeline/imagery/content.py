"""Whether an image has any content, and a fingerprint by which equal pixels are known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.grid import RasterWindow, Tile, TileOutput
from pipeline.imagery.validity import NodataRule, covered_mask


@dataclass(frozen=True, eq=False)
class Content:
    """What one window holds."""

    pixels: int
    """Pixels with data."""
    lows: NDArray[np.float64]
    """By band; infinite without data."""
    highs: NDArray[np.float64]
    fingerprint: bytes
    """Equal for equal pixels of one type with data in the same places."""


def read_content(tile: Tile, sources: Mapping[str, RasterWindow], params: NodataRule) -> TileOutput:
    """Tile function: the `Content` of a window of the source `image`, on the image's own grid."""
    source = sources["image"]
    covered = covered_mask(source, params) == 1
    seen = source.array[:, covered]
    digest = hashlib.sha256(seen.dtype.str.encode() + covered.tobytes())
    digest.update(np.ascontiguousarray(seen).tobytes())
    if seen.shape[1]:
        lows, highs = seen.min(axis=1).astype(np.float64), seen.max(axis=1).astype(np.float64)
    else:
        lows, highs = np.full(len(seen), np.inf), np.full(len(seen), -np.inf)
    content = Content(seen.shape[1], lows, highs, digest.digest())
    return TileOutput(partials=((tile.index, content),))


def constant_values(parts: Sequence[Content]) -> tuple[float, ...] | None:
    """The one value of every band if no band has two; None otherwise and without data."""
    if not any(part.pixels for part in parts):
        return None
    lows = np.min([part.lows for part in parts], axis=0)
    highs = np.max([part.highs for part in parts], axis=0)
    return tuple(lows.tolist()) if np.array_equal(lows, highs) else None
