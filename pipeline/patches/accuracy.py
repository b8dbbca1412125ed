"""How well a predicted change mask agrees with labels, by pixel and by patch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.grid import PixelWindow
from pipeline.patches.components import Components, ComponentSums, find_components

NO_CHANGE, CHANGE = 0, 1
"""The two values of predicted and label masks besides nodata."""


def _ratio(part: int, whole: int) -> float | None:
    """`part / whole`; None where the ratio is undefined."""
    return part / whole if whole else None


@dataclass(frozen=True)
class PixelCounts:
    """Confusion counts of pixels; add those of separate tiles with `+`."""

    tp: int = 0
    """Change predicted and labelled."""
    fp: int = 0
    """Change predicted only."""
    fn: int = 0
    """Change labelled only."""
    tn: int = 0
    """No change in both."""
    unobserved: int = 0
    """Labelled pixels without a prediction; in none of the measures."""

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(
            self.tp + other.tp,
            self.fp + other.fp,
            self.fn + other.fn,
            self.tn + other.tn,
            self.unobserved + other.unobserved,
        )

    @property
    def n(self) -> int:
        """Pixels that were both labelled and predicted."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> float | None:
        """Share of predicted change that is labelled change."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of labelled change that is predicted."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall, 2 tp / (2 tp + fp + fn)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (Cohen 1960); None if both masks hold one and the same single class."""
        by_chance = (self.tp + self.fp) * (self.tp + self.fn)
        by_chance += (self.fn + self.tn) * (self.fp + self.tn)
        return _ratio(self.n * (self.tp + self.tn) - by_chance, self.n * self.n - by_chance)


@njit(nogil=True, cache=True)
def _joint_counts(predicted: NDArray[np.uint8], label: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels by predicted value (row) and label value (column), `(256, 256)`."""
    counts = np.zeros((256, 256), np.int64)
    for row in range(label.shape[0]):
        for col in range(label.shape[1]):
            counts[predicted[row, col], label[row, col]] += 1
    return counts


def _require_values(name: str, histogram: NDArray[np.int64], nodata: int) -> None:
    """Refuse a mask with values other than 0, 1 and nodata."""
    found = set(np.flatnonzero(histogram).tolist())
    if unknown := found - {NO_CHANGE, CHANGE, nodata}:
        raise ValueError(f"{name} has values {sorted(unknown)} besides 0, 1 and {nodata}")


def pixel_scores(
    predicted: NDArray[np.uint8],
    label: NDArray[np.uint8],
    label_nodata: int = 255,
    predicted_nodata: int = 255,
) -> PixelCounts:
    """Confusion counts of uint8 masks `(y, x)`: 1 change, 0 no change.

    Pixels without label do not count; labelled pixels without prediction count as unobserved.
    """
    if predicted.shape != label.shape:
        raise ValueError(f"predicted {predicted.shape} and label {label.shape} differ in shape")
    joint = _joint_counts(predicted, label)
    _require_values("predicted", joint.sum(axis=1), predicted_nodata)
    _require_values("label", joint.sum(axis=0), label_nodata)
    return PixelCounts(
        tp=int(joint[CHANGE, CHANGE]),
        fp=int(joint[CHANGE, NO_CHANGE]),
        fn=int(joint[NO_CHANGE, CHANGE]),
        tn=int(joint[NO_CHANGE, NO_CHANGE]),
        unobserved=int(joint[predicted_nodata, [NO_CHANGE, CHANGE]].sum()),
    )


@dataclass(frozen=True)
class PatchScores:
    """Agreement by patch; add those of separate scenes with `+`."""

    n_truth: int = 0
    """Labelled patches."""
    n_found: int = 0
    """Labelled patches of which at least half of the pixels are predicted."""
    n_predicted: int = 0
    """Predicted patches."""
    n_not_judged: int = 0
    """Predicted patches without any labelled pixel."""
    n_correct: int = 0
    """Predicted patches of whose labelled pixels at least half are change."""

    def __add__(self, other: PatchScores) -> PatchScores:
        return PatchScores(
            self.n_truth + other.n_truth,
            self.n_found + other.n_found,
            self.n_predicted + other.n_predicted,
            self.n_not_judged + other.n_not_judged,
            self.n_correct + other.n_correct,
        )

    @property
    def recall(self) -> float | None:
        """Share of labelled patches that were found."""
        return _ratio(self.n_found, self.n_truth)

    @property
    def precision(self) -> float | None:
        """Share of judged predicted patches that are correct."""
        return _ratio(self.n_correct, self.n_predicted - self.n_not_judged)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None if one is undefined, 0 if both are 0."""
        if self.precision is None or self.recall is None:
            return None
        total = self.precision + self.recall
        return 2.0 * self.precision * self.recall / total if total else 0.0


def _counts_inside(components: Components, raster: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels of each component where `raster` `(y, x)` is 0 and where it is 1, `(component, 2)`."""
    sums = ComponentSums(components, (NO_CHANGE, CHANGE))
    sums.add_window(PixelWindow(0, components.height, 0, components.width), raster)
    return sums.counts


def patch_scores(predicted: NDArray[np.uint8], label: NDArray[np.uint8]) -> PatchScores:
    """Agreement by 4-connected patch of uint8 masks `(y, x)`: 1 change, 0 not, others nodata.

    A labelled patch is found if at least half of all its pixels are predicted, those without
    prediction included. A predicted patch is correct if at least half of its labelled pixels are
    change; one without labelled pixels is not judged.
    """
    truth, found = find_components(label), find_components(predicted)
    predicted_inside = _counts_inside(truth, predicted)[:, CHANGE]
    labelled = _counts_inside(found, label)
    n_labelled = labelled.sum(axis=1)
    is_correct = (n_labelled > 0) & (2 * labelled[:, CHANGE] >= n_labelled)
    return PatchScores(
        n_truth=len(truth),
        n_found=int(np.count_nonzero(2 * predicted_inside >= truth.n_pixels)),
        n_predicted=len(found),
        n_not_judged=int(np.count_nonzero(n_labelled == 0)),
        n_correct=int(np.count_nonzero(is_correct)),
    )
