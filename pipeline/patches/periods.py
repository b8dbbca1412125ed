"""Stretches of time between a patch's images in which one set of versions was in force.

When exactly a change happened is only known to lie between the two images. Every day on which a
version of a layer under the patch begins or has just ended may change who is responsible, so each
patch is looked at once per stretch (period) between such days.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.patches.covering import OPEN_DAY, UNKNOWN_DAY, Days, Hits, PatchDates
from pipeline.patches.shares import Faces


@dataclass(frozen=True, eq=False)
class Periods:
    """Periods of some patches in order of patch and time."""

    patch: NDArray[np.int64]
    """Index of the patch `(period,)`."""
    first: Days
    """First day `(period,)`; `UNKNOWN_DAY` if the patch's dates are not known."""
    last: Days
    """Last day `(period,)`; `UNKNOWN_DAY` likewise."""


@dataclass(frozen=True, eq=False)
class Touched:
    """Pairs of a patch and a feature that may have to do with it, with the feature's validity."""

    patch: NDArray[np.int64]
    valid_from: Days
    valid_to: Days


def find_periods(dates: PatchDates, touched: Iterable[Touched]) -> Periods:
    """The periods of every patch; `dates` are those of the patches.

    The first one begins on the before date, the last one ends on the after date, both included. A
    patch of which one date is not known has one period per date that it has.
    """
    patches = [np.arange(dates.before.size)]
    days = [dates.before]
    for pairs in touched:
        ended = np.where(pairs.valid_to == OPEN_DAY, UNKNOWN_DAY, pairs.valid_to + 1)
        for day in (pairs.valid_from, ended):
            is_between = (day > dates.before[pairs.patch]) & (day <= dates.after[pairs.patch])
            # An unknown before date is smaller than any day: then nothing is between.
            is_between &= dates.before[pairs.patch] != UNKNOWN_DAY
            patches.append(pairs.patch[is_between])
            days.append(day[is_between])
    # Where the two dates do not enclose a stretch, the after date stands for itself.
    is_loose = (dates.before == UNKNOWN_DAY) | (dates.after < dates.before)
    is_loose &= dates.after != dates.before
    patches.append(np.flatnonzero(is_loose))
    days.append(dates.after[is_loose])
    starts = np.unique(np.column_stack([np.concatenate(patches), np.concatenate(days)]), axis=0)
    patch, first = starts[:, 0], starts[:, 1]
    is_last = np.append(patch[1:] != patch[:-1], True)[: patch.size]
    following = np.append(first[1:], 0)[: patch.size] - 1
    last = np.where(is_last, np.maximum(dates.after[patch], first), following)
    last = np.where(is_loose[patch] | (first == UNKNOWN_DAY), first, last)
    return Periods(patch, first, last)


@dataclass(frozen=True, eq=False)
class FacesInTime:
    """The faces of patches once per period of their patch."""

    faces: Faces
    """`faces.patch` is the index of the period."""
    face: NDArray[np.int64]
    """Index of the face among those of the patches; in rising order inside a period."""
    day: Days
    """The period's first day `(face,)`."""

    def hits(self, hits: Hits) -> Hits:
        """The same hits on the repeated faces."""
        order = np.argsort(hits.face, kind="stable")
        n_faces = int(self.face.max(initial=-1)) + 1
        first = np.searchsorted(hits.face[order], np.arange(n_faces + 1))
        n_hits = (first[1:] - first[:-1])[self.face]
        repeated = np.repeat(np.arange(self.face.size), n_hits)
        at = _ranges(first[self.face], n_hits)
        return Hits(repeated, hits.feature[order[at]])


def in_time(faces: Faces, periods: Periods) -> FacesInTime:
    """The faces of each period's patch; the patches' faces must be in order of patch."""
    first = np.searchsorted(faces.patch, np.arange(faces.n_patches + 1))
    n_faces = (first[1:] - first[:-1])[periods.patch]
    period = np.repeat(np.arange(periods.patch.size), n_faces)
    face = _ranges(first[periods.patch], n_faces)
    repeated = Faces(period, faces.area_m2[face], periods.patch.size)
    return FacesInTime(repeated, face, periods.first[period])


def _ranges(first: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.int64]:
    """`first, first + 1, …` of each size, one after the other."""
    total = np.cumsum(size)
    begin = np.repeat(first - (total - size), size)
    return (begin + np.arange(int(total[-1]) if total.size else 0)).astype(np.int64)
