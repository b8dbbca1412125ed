"""First change kinds per pixel: what covered the ground at both dates, and what was built on it.

Values are those of `configs/codes/change_kind.csv`. Construction and earthworks are told by the
construction network (`change.construction`); water, and crop or other vegetation with bare and
ploughed fields, by the covers of both dates. Where no network applies, everything that ends bare is
construction-like (疑似建设): an omission costs more than a false alarm. Without band roles nothing
is said: value 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from pipeline.change.cover import PLANTS, CoverParams
from pipeline.change.cover import WATER as WATER_COVER
from pipeline.schema.model import Frozen

UNKNOWN, CONSTRUCTION, DEMOLITION, WATER, CROP = 0, 10, 24, 30, 40
"""Pixel values; labels and TBLX mapping in the code table."""


class KindParams(Frozen):
    """Settings of the first change kinds (变化类别初分)."""

    cover: CoverParams = Field(default=CoverParams(), description="单时相地表覆盖")


def classify_kinds(
    covers: Mapping[str, NDArray[np.uint8]], told: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Kind of every pixel `(y, x)` as if it had changed.

    `covers` are those of `before` and `after`; `told` is what the construction network says, 0
    where it says nothing, None if there is no network for the pair.
    """
    before, after = covers["before"], covers["after"]
    out = np.empty(after.shape, np.uint8)
    known = np.full(after.shape, UNKNOWN, np.uint8) if told is None else told
    bare = np.uint8(CONSTRUCTION if told is None else CROP)
    _classify(before.reshape(-1), after.reshape(-1), known.reshape(-1), bare, out.reshape(-1))
    return out


@njit(nogil=True, cache=True)
def _classify(before, after, told, bare, out):  # type: ignore[no-untyped-def]
    for j in range(out.size):
        was_water = before[j] == WATER_COVER
        if told[j] != UNKNOWN:
            kind = told[j]
        elif after[j] == WATER_COVER:
            kind = np.uint8(WATER)
        elif after[j] == PLANTS:
            kind = np.uint8(WATER) if was_water else np.uint8(CROP)
        else:
            kind = np.uint8(WATER) if was_water and bare == CROP else bare
        out[j] = kind
