"""Numbers of patches that stay when `extract` is done again (DESIGN §4).

A number is reserved for a run and the first pixel of a patch in row-major order, together with the
outline. Done again, a patch has the number that was reserved for its first pixel; where a changed
setting moved that pixel, the number of the outline it mostly covers. New numbers follow the highest
ever reserved in the county, so that no two patches of any of its runs share one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.patches.measures import MAX_PATCHES

SAME_SHARE = 0.5
"""Of both outlines together: with less in common, two outlines are not the same patch."""
_CHILD = re.compile(r"(?P<parent>.+)_(?P<number>[1-9][0-9]*)", re.ASCII)


@dataclass(frozen=True, eq=False)
class Unnumbered:
    """Patches that want a number, `(patch,)` each, in row-major order of their first pixel."""

    stems: tuple[str, ...]
    """`<county6>ZJ<yy>` for a new patch, the id of the parent for a piece of it."""
    first_row: NDArray[np.int64]
    first_col: NDArray[np.int64]
    issued_ids: tuple[str, ...]
    """Empty for our own."""
    outlines: NDArray[np.object_]


@dataclass(frozen=True)
class Reservation:
    """A number and what it is reserved for."""

    stem: str
    first_row: int
    first_col: int
    issued_id: str
    number: int
    wkb: bytes

    @property
    def patch_id(self) -> str:
        """The id as it is written."""
        return numbered(self.stem, self.number)

    @property
    def key(self) -> tuple[str, int, int, str]:
        """What it was reserved for."""
        return self.stem, self.first_row, self.first_col, self.issued_id


def numbered(stem: str, number: int) -> str:
    """The id of a number: six digits after a year's stem, a plain number after a parent's id."""
    return (
        f"{stem}{number:06d}" if re.fullmatch(r"[0-9]{6}ZJ[0-9]{2}", stem) else f"{stem}_{number}"
    )


def split_id(patch_id: str) -> tuple[str, int] | None:
    """Stem and number of an id of this program; None if it is none."""
    child = _CHILD.fullmatch(patch_id)
    if child:
        return child["parent"], int(child["number"])
    whole = re.fullmatch(r"([0-9]{6}ZJ[0-9]{2})([0-9]{6})", patch_id)
    return None if whole is None else (whole[1], int(whole[2]))


def assign_numbers(
    wanted: Unnumbered, own: Sequence[Reservation], used: Iterable[str]
) -> tuple[list[str], list[Reservation]]:
    """Ids of the patches, and what must be reserved besides.

    `own` are the run's reservations in the order they were made; `used` are all ids of the county
    that no other patch may get.
    """
    found = _by_first_pixel(wanted, own)
    _by_outline(wanted, own, found)
    highest: dict[str, int] = defaultdict(int)
    for stem, number in filter(None, map(split_id, used)):
        highest[stem] = max(highest[stem], number)
    for one in own:
        highest[one.stem] = max(highest[one.stem], one.number)
    known = {(one.key, one.number) for one in own}
    ids, fresh = [], []
    for at, stem in enumerate(wanted.stems):
        if at not in found:
            found[at] = highest[stem] = highest[stem] + 1
        number = found[at]
        if number > MAX_PATCHES:
            raise ValueError(f"{number} patches do not fit into six digits")
        one = Reservation(
            stem,
            int(wanted.first_row[at]),
            int(wanted.first_col[at]),
            wanted.issued_ids[at],
            number,
            bytes(shapely.to_wkb(wanted.outlines[at], output_dimension=2, byte_order=1)),
        )
        ids.append(one.patch_id)
        if (one.key, number) not in known:
            fresh.append(one)
    return ids, fresh


def _by_first_pixel(wanted: Unnumbered, own: Sequence[Reservation]) -> dict[int, int]:
    """Numbers that were reserved for the very first pixel and land of a patch, by position."""
    reserved: dict[tuple[str, int, int, str], list[Reservation]] = defaultdict(list)
    for one in own:
        reserved[one.key].append(one)
    found: dict[int, int] = {}
    claimed: set[tuple[str, int]] = set()
    for at, stem in enumerate(wanted.stems):
        key = stem, int(wanted.first_row[at]), int(wanted.first_col[at]), wanted.issued_ids[at]
        for one in reserved.get(key, ()):
            is_there = shapely.intersects(wanted.outlines[at], shapely.from_wkb(one.wkb))
            if is_there and (stem, one.number) not in claimed:
                found[at] = one.number
                claimed.add((stem, one.number))
                break
    return found


def _by_outline(wanted: Unnumbered, own: Sequence[Reservation], found: dict[int, int]) -> None:
    """Add the numbers of patches whose first pixel moved: the best common share goes first."""
    rest = [at for at in range(len(wanted.stems)) if at not in found]
    if not rest or not own:
        return
    claimed = {(wanted.stems[at], number) for at, number in found.items()}
    before = shapely.from_wkb([one.wkb for one in own])
    ours = wanted.outlines[rest]
    pairs = shapely.STRtree(before).query(ours, predicate="intersects")
    common = shapely.area(shapely.intersection(ours[pairs[0]], before[pairs[1]]))
    together = shapely.area(ours[pairs[0]]) + shapely.area(before[pairs[1]]) - common
    share = common / together
    for n in np.lexsort((pairs[1], pairs[0], -share)).tolist():
        at, one = rest[int(pairs[0][n])], own[int(pairs[1][n])]
        named = (one.stem, one.number)
        if share[n] < SAME_SHARE or at in found or named in claimed:
            continue
        if one.stem == wanted.stems[at]:
            found[at] = one.number
            claimed.add(named)
