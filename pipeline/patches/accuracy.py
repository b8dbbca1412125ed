"""How well a predicted change mask agrees with labels, by pixel and by patch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.grid import BLOCK_PX, PixelWindow
from pipeline.patches.components import ComponentBuilder, Components, ComponentSums

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


def block_counts(predicted: NDArray[np.uint8], label: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Confusion counts of the 512-px blocks side by side in a full-width strip, `(block, 5)`.

    Columns in the order of `PixelCounts`; the strip has 512 rows, the last one of an image fewer.
    """
    if len(label) > BLOCK_PX:
        raise ValueError(f"a strip has at most {BLOCK_PX} rows, got {len(label)}")
    counts = [
        astuple(pixel_scores(predicted[:, at : at + BLOCK_PX], label[:, at : at + BLOCK_PX]))
        for at in range(0, label.shape[1], BLOCK_PX)
    ]
    return np.array(counts, np.int64)


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


@dataclass(frozen=True)
class PatchAgreement:
    """4-connected patches of label and prediction, and what each of them holds of the other."""

    truth: Components
    predicted_px: NDArray[np.int64]
    """Predicted pixels inside each labelled patch, `(patch,)`."""
    found: Components
    labelled_px: NDArray[np.int64]
    """Pixels labelled unchanged and changed inside each predicted patch, `(patch, 2)`."""

    @property
    def is_found(self) -> NDArray[np.bool_]:
        """Labelled patches of which at least half of all pixels are predicted, `(patch,)`."""
        return np.asarray(2 * self.predicted_px >= self.truth.n_pixels)

    @property
    def is_judged(self) -> NDArray[np.bool_]:
        """Predicted patches with labelled pixels, `(patch,)`."""
        return np.asarray(self.labelled_px.sum(axis=1) > 0)

    @property
    def is_correct(self) -> NDArray[np.bool_]:
        """Predicted patches of whose labelled pixels at least half are change, `(patch,)`."""
        return is_mostly_changed(self.labelled_px)

    @property
    def scores(self) -> PatchScores:
        """The counts that add up over scenes."""
        return PatchScores(
            n_truth=len(self.truth),
            n_found=int(np.count_nonzero(self.is_found)),
            n_predicted=len(self.found),
            n_not_judged=int(np.count_nonzero(~self.is_judged)),
            n_correct=int(np.count_nonzero(self.is_correct)),
        )


def is_mostly_changed(labelled_px: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether at least half of the labelled pixels are change; `(patch, 2)` → `(patch,)`."""
    n_labelled = labelled_px.sum(axis=1)
    return np.asarray((n_labelled > 0) & (2 * labelled_px[:, CHANGE] >= n_labelled))


MaskStrips = Callable[[], Iterable[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]]]
"""Full-width strips from the top: first row, predicted and label `(rows, x)`; asked for twice."""


def patch_agreement(strips: MaskStrips, width: int) -> PatchAgreement:
    """Agreement by patch of masks that come strip by strip: 1 change, 0 not, others nodata.

    A labelled patch's pixels without prediction count as not predicted.
    """
    builders = ComponentBuilder(width), ComponentBuilder(width)
    for row0, predicted, label in strips():
        builders[0].add_strip(row0, label)
        builders[1].add_strip(row0, predicted)
    truth, found = (builder.finish() for builder in builders)
    sums = [ComponentSums(one, (NO_CHANGE, CHANGE)) for one in (truth, found)]
    for row0, predicted, label in strips():
        window = PixelWindow(row0, row0 + len(label), 0, width)
        sums[0].add_window(window, predicted)
        sums[1].add_window(window, label)
    return PatchAgreement(truth, sums[0].counts[:, CHANGE], found, sums[1].counts)


def patch_scores(predicted: NDArray[np.uint8], label: NDArray[np.uint8]) -> PatchScores:
    """Agreement by 4-connected patch of whole masks `(y, x)`: 1 change, 0 not, others nodata."""
    return patch_agreement(lambda: [(0, predicted, label)], label.shape[1]).scores
