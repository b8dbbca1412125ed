"""Rounded figures that add up (调平): parts balanced to the whole they make up."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

import numpy as np
from numpy.typing import NDArray

from pipeline.patches.shares import summed
from pipeline.units import MU100_PER_M2


def close_areas(
    area_m2: NDArray[np.float64], owner: NDArray[np.int64], whole_m2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Areas of parts with each whole's residual put on its largest part, m², `(part,)`.

    `owner` says to which whole a part belongs. Of equal parts the first takes the residual. The
    caller has checked that residuals are no more than rounding.
    """
    total = summed(area_m2, owner, whole_m2.size)
    order = np.lexsort((np.arange(owner.size), -area_m2, owner))
    wholes, first = np.unique(owner[order], return_index=True)
    largest = order[first]
    closed = area_m2.copy()
    closed[largest] += whole_m2[wholes] - total[wholes]
    return closed


def balance_mu100(area_m2: NDArray[np.float64], total_mu100: int) -> NDArray[np.int64]:
    """Areas of the parts of one patch in whole 0.01 亩 that add up to the patch's, `(part,)`.

    Largest remainder: every part gets its area rounded down, then the parts with the largest
    fractions get one more until the sum is reached; of equal fractions the larger part goes first,
    then the earlier one. Should rounding down already exceed the total, the parts with the smallest
    fractions give one back. Never negative.
    """
    exact = [Decimal(float(area)) * MU100_PER_M2 for area in area_m2]
    whole = [max(0, int(value.to_integral_value(rounding=ROUND_FLOOR))) for value in exact]
    ranked = sorted(range(len(exact)), key=lambda i: (whole[i] - exact[i], -float(area_m2[i]), i))
    missing = total_mu100 - sum(whole)
    while missing > 0 and ranked:
        for part in ranked[:missing]:
            whole[part] += 1
        missing -= min(missing, len(ranked))
    while missing < 0 and any(whole):
        givers = [part for part in reversed(ranked) if whole[part] > 0]
        for part in givers[:-missing]:
            whole[part] -= 1
        missing += min(-missing, len(givers))
    return np.array(whole, dtype=np.int64)
