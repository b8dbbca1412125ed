"""Who answered for each patch in every stretch between its images (责任时段).

Responsible is who had the place on the day it happened, by the boundary and the assignment of that
day. As long as the day is not known, a difference anywhere between the images leaves it open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.patches.covering import PatchDates, ReferenceLayer, as_dates
from pipeline.patches.patrol_grades import Coverage, Grading, derive_grades, touched_in_time
from pipeline.patches.periods import FacesInTime, Periods, Touched, find_periods, in_time
from pipeline.patches.shares import Faces, least_m2
from pipeline.patches.townships import Assignment, AssignmentParams, Covered, assign, receivers
from pipeline.schema.layers import RESPONSIBILITY

SUPPLIED_ZH = "巡查区图层"
"""Basis of a grade that came with a patrol area."""


@dataclass(frozen=True, eq=False)
class Units:
    """Who gets each patch and who answered for it."""

    columns: dict[str, Any]
    """Columns of the patches by name."""
    periods: pd.DataFrame
    """`RESPONSIBILITY` rows but for the patch's id: its index is in column `patch`."""


def assign_units(
    faces: Faces,
    covered: Mapping[str, Covered],
    dates: PatchDates,
    params: AssignmentParams,
    grading: Grading | None = None,
) -> Units:
    """Who gets each patch, and who answered for it in every stretch between its images.

    `covered` holds the layers that cut the patches, townships among them, by core name; `faces`
    are in order of patch and `dates` are the patches'. The village is the one with the largest
    share of what lies in the patch's township.
    """
    townships, areas = covered["townships"], covered.get("patrol_areas")
    cover = Coverage(
        {name: one.layer for name, one in covered.items()},
        {name: one.hits for name, one in covered.items()},
    )
    touched = [_touched(faces, one) for one in (townships, areas) if one is not None]
    if grading is not None:
        touched += touched_in_time(grading, cover, faces.patch)
    periods = find_periods(dates, touched)
    moments = in_time(faces, periods)
    then = assign(
        moments.faces,
        _at(moments, townships),
        None if areas is None else _at(moments, areas),
        moments.day,
        params,
    )
    grade, basis = _graded(then, moments, periods, cover, params, grading)
    names = township_names(townships.layer)
    table = pd.DataFrame(
        {
            "patch": periods.patch,
            "from_date": as_dates(periods.first),
            "to_date": as_dates(periods.last),
            "responsible_code": then.responsible_code,
            "responsible_name": [names.get(code) for code in then.responsible_code],
            "patrol_area_id": then.patrol_area_id,
            "patrol_grade": grade,
            "patrol_grade_basis": basis,
            "responsible_person": then.responsible_person,
        },
        dtype=object,
    )
    table = _joined(table)
    columns = receivers(faces, covered, dates.after[faces.patch], params)
    return Units(columns | combine(table, names), table)


def _touched(faces: Faces, covered: Covered) -> Touched:
    feature = covered.hits.feature
    layer = covered.layer
    patch = faces.patch[covered.hits.face]
    return Touched(patch, layer.valid_from[feature], layer.valid_to[feature])


def _at(moments: FacesInTime, covered: Covered) -> Covered:
    return Covered(covered.layer, moments.hits(covered.hits))


def _graded(
    then: Assignment,
    moments: FacesInTime,
    periods: Periods,
    cover: Coverage,
    params: AssignmentParams,
    grading: Grading | None,
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Grade and its basis in each period: the patrol area's own one, else by the profile."""
    is_open = np.equal(then.patrol_grade, np.array(None))
    basis = np.full(is_open.size, None, dtype=object)
    basis[~is_open] = SUPPLIED_ZH
    if grading is None or not is_open.any():
        return then.patrol_grade, basis
    least = least_m2(moments.faces, params.min_touch_m2)
    derived, zones = derive_grades(grading, cover, moments, periods.patch, least)
    return np.where(is_open, derived, then.patrol_grade), np.where(is_open, zones, basis)


def _joined(table: pd.DataFrame) -> pd.DataFrame:
    """Periods of a patch that follow each other and do not differ, as one; numbered from 1."""
    told = [name for name in table.columns if name not in ("from_date", "to_date")]
    codes = np.column_stack([pd.factorize(table[name])[0] for name in told])
    begins = np.ones(len(table), dtype=bool)
    begins[1:] = (codes[1:] != codes[:-1]).any(axis=1)
    begins |= table["from_date"].isna().to_numpy(dtype=bool)
    joined = table[begins].reset_index(drop=True)
    ends = np.append(np.flatnonzero(begins)[1:], len(table)) - 1
    joined["to_date"] = table["to_date"].to_numpy(dtype=object)[ends[: len(joined)]]
    joined["patch"] = joined["patch"].astype(np.int64)
    joined["period_no"] = joined.groupby("patch").cumcount() + 1
    return joined[["patch", *RESPONSIBILITY.fields[1:]]]


def combine(periods: pd.DataFrame, names: Mapping[str, str]) -> dict[str, Any]:
    """What is certain whichever day it happened: columns of the patches by name.

    `periods` are in order of patch, every patch has one. A value that differs between two periods
    is None; all units are then candidates. If no unit is known for one of the periods, the others
    are candidates but not yet responsible.
    """
    patch = periods["patch"].to_numpy(dtype=np.int64)
    first = np.flatnonzero(np.diff(patch, prepend=-1))
    columns: dict[str, Any] = {
        name: _agreed(periods[name], patch, first)
        for name in ("responsible_code", "patrol_area_id", "patrol_grade", "responsible_person")
    }
    candidates = _distinct(periods["responsible_code"], first)
    columns["responsible_candidates"] = candidates
    columns["responsible_names"] = [[names.get(code, code) for code in one] for one in candidates]
    # One grade may rest on other zones later.
    columns["patrol_grade_basis"] = [
        None if grade is None else "；".join(bases) or None
        for grade, bases in zip(
            columns["patrol_grade"], _distinct(periods["patrol_grade_basis"], first), strict=True
        )
    ]
    return columns


def _agreed(
    values: pd.Series[Any], patch: NDArray[np.int64], first: NDArray[np.int64]
) -> NDArray[np.object_]:
    """The value of all periods of each patch, None where they differ `(patch,)`."""
    code = pd.factorize(values)[0]
    differs = np.zeros(first.size, dtype=bool)
    differs[patch[code != code[first][patch]]] = True
    result = values.astype(object).where(values.notna(), None).to_numpy()[first]
    result[differs] = None
    return result


def _distinct(values: pd.Series[Any], first: NDArray[np.int64]) -> list[list[str]]:
    """The known values of each patch's periods in their order, each once."""
    known = values.astype(object).where(values.notna(), None).tolist()
    ends = np.append(first, len(known))[1:].tolist()
    return [
        [value for value in dict.fromkeys(known[begin:end]) if value is not None]
        for begin, end in zip(first.tolist(), ends, strict=True)
    ]


def township_names(townships: ReferenceLayer) -> dict[str, str]:
    """Name of every township; where a version changed it, the first in order of precedence."""
    table = townships.features
    pairs = zip(table["township_code"].tolist(), table["township_name"].tolist(), strict=True)
    return {code: name for code, name in reversed([*pairs]) if code is not None}
