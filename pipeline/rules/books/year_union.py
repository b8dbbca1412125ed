"""A year is the union of its runs by lineage (沿革), never the sum of its quarters.

Links say which patch is the land of which earlier one: a graph that leads back in time, in which a
patch may split, merge, vanish and return.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.rules.books.recognised import signed_judgement
from pipeline.rules.books.row_values import flag_of, integer_of

Row = Mapping[str, Any]
Key = tuple[str, str]
"""Run and patch id."""
Ancestors = Mapping[Key, tuple[Key, ...]]
"""Patch → patches of earlier runs whose land it is; none for a new patch."""

VANISHED, ADJOINS = "vanished", "adjoins"
"""Codes of configs/codes/lineage_relation.csv that link no patch with another of the same land."""


def ancestors(
    rows: Mapping[Key, Mapping[str, Any]], lineage: Iterable[Row], runs: Sequence[str]
) -> dict[Key, tuple[Key, ...]]:
    """Which patches lead back to which, among `rows` by run and patch id.

    A patch without a link, as registers of the first version hold them, leads back to the patches
    of its lineage in the latest run before its own. `runs` are in the order of their registration.
    """
    order = {run: number for number, run in enumerate(runs)}
    found: dict[Key, set[Key]] = defaultdict(set)
    for link in lineage:
        now = str(link["run"]), str(link["patch_id"])
        then = str(link["earlier_run"]), str(link["earlier_patch_id"])
        is_identity = link["lineage_relation"] not in (VANISHED, ADJOINS)
        if is_identity and now in rows and then in rows:
            found[now].add(then)
    by_lineage: dict[str, list[Key]] = defaultdict(list)
    for key, row in rows.items():
        by_lineage[str(row["lineage_id"])].append(key)
    for keys in by_lineage.values():
        for key in keys:
            earlier = [one for one in keys if order[one[0]] < order[key[0]]]
            if earlier and key not in found:
                latest = max(order[run] for run, _ in earlier)
                found[key] = {one for one in earlier if order[one[0]] == latest}
    return {key: tuple(sorted(earlier)) for key, earlier in found.items()}


def year_union(
    rows: Iterable[Row], check_year: int, runs: Sequence[str], lineage: Iterable[Row] = ()
) -> list[Row]:
    """The patches of all runs of a check year, every piece of land once: as its latest run has it.

    What a later run has not judged yet does not take back what an earlier one has signed: a signed
    patch stands until all the patches that came of it are signed. `lineage` are rows of `LINEAGE`;
    `runs` are in the order of their registration. Runs that are not named do not count, nor do
    withdrawn patches, so that an earlier period's record stands again. Sorted by lineage, run, id.
    """
    order = {run: number for number, run in enumerate(runs)}
    counted = {
        (str(row["run"]), str(row["patch_id"])): row
        for row in rows
        if row["run"] in order
        and integer_of(row, "check_year") == check_year
        and not flag_of(row, "is_withdrawn")
    }
    standing = _standing(counted, ancestors(counted, lineage, runs), order)
    return sorted(
        (counted[key] for key in standing),
        key=lambda row: (str(row["lineage_id"]), order[row["run"]], str(row["patch_id"])),
    )


def _standing(counted: Mapping[Key, Row], before: Ancestors, order: Mapping[str, int]) -> list[Key]:
    """The patches that count: no later one stands for them, nor do they wait for a judgement."""
    after: dict[Key, list[Key]] = defaultdict(list)
    for key, earlier in before.items():
        for one in earlier:
            after[one].append(key)
    in_time = sorted(counted, key=lambda key: order[key[0]])
    is_signed = {key: signed_judgement(counted[key]) is not None for key in in_time}
    is_replaced: dict[Key, bool] = {}
    for key in reversed(in_time):
        is_covered = all(is_signed[one] or is_replaced[one] for one in after[key])
        is_replaced[key] = bool(after[key]) and (not is_signed[key] or is_covered)
    is_waiting: dict[Key, bool] = {}
    for key in in_time:
        is_waiting[key] = any(
            is_waiting[one] or (is_signed[one] and not is_replaced[one])
            for one in before.get(key, ())
        )
    return [key for key in in_time if not is_replaced[key] and not is_waiting[key]]
