"""What changing the detector would do: who gains, who loses, object by object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FOUND_SHARE = 0.5
"""An object is found where at least this share of its seen pixels is reported."""


@dataclass(frozen=True)
class Effect:
    """Counts of one labelled pair under the present and the other detector; add with `+`."""

    objects: int = 0
    """Connected changed objects of the label that were seen."""
    found_by_both: int = 0
    only_present: int = 0
    """Would be lost by changing."""
    only_other: int = 0
    """Would be gained by changing."""
    false_present: int = 0
    """Reported objects of which less than half is labelled change."""
    false_other: int = 0

    def __add__(self, more: Effect) -> Effect:
        return Effect(*(a + b for a, b in zip(self.counts, more.counts, strict=True)))

    @property
    def counts(self) -> tuple[int, ...]:
        """The fields in order."""
        return tuple(vars(self).values())


def effect_of(
    label: NDArray[np.uint8], present: NDArray[np.uint8], other: NDArray[np.uint8]
) -> Effect:
    """Both detectors' change masks against one label, all uint8 `(y, x)`: 0, 1, 255 unknown."""
    seen = (label != 255) & (present != 255) & (other != 255)
    truth = (label == 1) & seen
    found = [_shares(truth, (mask == 1) & seen) >= FOUND_SHARE for mask in (present, other)]
    false = [
        int(np.count_nonzero(_shares((mask == 1) & seen, truth) < FOUND_SHARE))
        for mask in (present, other)
    ]
    return Effect(
        found[0].size,
        int(np.count_nonzero(found[0] & found[1])),
        int(np.count_nonzero(found[0] & ~found[1])),
        int(np.count_nonzero(found[1] & ~found[0])),
        *false,
    )


def _shares(objects: NDArray[np.bool_], covered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of every connected object's pixels that are covered, in the order of their labels."""
    numbers, count = ndimage.label(objects, structure=np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
    hits = np.bincount(numbers[covered], minlength=count + 1)[1:]
    shares: NDArray[np.float64] = hits / sizes
    return shares
