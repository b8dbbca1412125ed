"""Which township gets a patch, and who was responsible when the change happened (责任单位).

The package goes to the township of the boundary valid on the after date. Responsible is the unit by
boundary and patrol assignment in force when it happened; that day is only known to lie between the
two images, so a difference anywhere between them leaves it open (责任单位待定, DESIGN §4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline.patches.covering import (
    NONE,
    Days,
    Hits,
    ReferenceLayer,
)
from pipeline.patches.shares import (
    AREA_DECIMALS,
    Faces,
    largest,
    others,
    reaching,
    shares,
)
from pipeline.schema.model import Frozen


class AssignmentParams(Frozen):
    """How patches are assigned to townships and patrol areas."""

    development_zone_first: bool = Field(
        default=True,
        description="开发区与乡镇范围重叠处归开发区，否则归乡镇（示例口径，待上级文件确认）",
    )
    min_touch_m2: float = Field(
        default=0.5,
        gt=0,
        description="图斑落入另一乡镇或巡查区的面积达到此值（平方米）才算跨入，更小的按套合误差不计",
    )


@dataclass(frozen=True, eq=False)
class Assignment:
    """Who answers for each patch by what was in force on one day, `(patch,)`; None unknown."""

    responsible_code: NDArray[np.object_]
    patrol_area_id: NDArray[np.object_]
    patrol_grade: NDArray[np.object_]
    responsible_person: NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Covered:
    """A layer with the faces that its features cover."""

    layer: ReferenceLayer
    hits: Hits

    def on(self, day: Days) -> NDArray[np.int64]:
        """The feature that counts on each face on the face's day `(face,)`."""
        return self.hits.valid_on(self.layer, day).winners(day.size)


def assign(
    faces: Faces, townships: Covered, areas: Covered | None, day: Days, params: AssignmentParams
) -> Assignment:
    """Responsible unit and patrol area by what was in force on each face's day `(face,)`.

    A patrol area's own `responsible_code` overrides the township (主城区 patrolled by the city
    team, DOMAIN §6.7). A patch goes to the unit with the largest share. Among that unit's patrol
    areas that reach into the patch by `min_touch_m2` the highest grade counts, then the largest
    share, then the smaller id. Areas of other units do not count, so a strip of a neighbour's
    grade 1 area changes neither grade nor person.
    """
    unit = townships.layer.values("township_code", townships.on(day))
    if areas is None:
        nothing = np.full(faces.n_patches, None, dtype=object)
        return Assignment(_unit(faces, unit, params), nothing, nothing, nothing)
    own = areas.layer.values("responsible_code", areas.on(day))
    unit = np.where(np.equal(own, np.array(None)), unit, own)
    responsible = _unit(faces, unit, params)
    hits = areas.hits.valid_on(areas.layer, day)
    is_theirs = np.equal(unit[hits.face], responsible[faces.patch[hits.face]])
    theirs = Hits(hits.face[is_theirs], hits.feature[is_theirs])
    chosen = _best_areas(faces, areas.layer, theirs, params.min_touch_m2)
    return Assignment(
        responsible,
        areas.layer.values("patrol_area_id", chosen),
        areas.layer.values("patrol_grade", chosen),
        areas.layer.values("responsible_person", chosen),
    )


def _unit(faces: Faces, unit: NDArray[np.object_], params: AssignmentParams) -> NDArray[np.object_]:
    share = reaching(shares(faces, unit), faces, params.min_touch_m2)
    return largest(share, faces.n_patches)


def _best_areas(
    faces: Faces, areas: ReferenceLayer, hits: Hits, min_touch_m2: float
) -> NDArray[np.int64]:
    """The patrol area feature that counts for each patch, `NONE` if none reaches far enough."""
    touched = pd.DataFrame(
        {
            "patch": faces.patch[hits.face],
            "feature": hits.feature,
            "area_m2": faces.area_m2[hits.face],
        }
    )
    touched = touched.groupby(["patch", "feature"], as_index=False).sum()
    touched = touched[touched["area_m2"] >= min_touch_m2]
    feature = touched["feature"].to_numpy(dtype=np.int64)
    touched = touched.assign(
        grade=areas.values("patrol_grade", feature).astype(str),
        rank=-touched["area_m2"].round(AREA_DECIMALS),
        name=areas.values("patrol_area_id", feature).astype(str),
    ).sort_values(["patch", "grade", "rank", "name", "feature"])
    first = touched.drop_duplicates("patch")
    chosen = np.full(faces.n_patches, NONE, dtype=np.int64)
    chosen[first["patch"].to_numpy()] = first["feature"].to_numpy()
    return chosen


def receivers(
    faces: Faces, covered: Mapping[str, Covered], after: Days, params: AssignmentParams
) -> dict[str, Any]:
    """Township and village that get each patch by the boundary on the faces' after date."""
    townships = covered["townships"]
    feature = townships.on(after)
    code = townships.layer.values("township_code", feature)
    name = townships.layer.values("township_name", feature)
    share = shares(faces, code)
    chosen = largest(reaching(share, faces, params.min_touch_m2), faces.n_patches)
    nothing = np.full(faces.n_patches, None, dtype=object)
    columns: dict[str, Any] = {
        "township_code": chosen,
        "township_name": _named(chosen, code, name),
        "straddles": others(share, chosen, params.min_touch_m2),
        "village_code": nothing,
        "village_name": nothing,
    }
    if "villages" in covered:
        villages = covered["villages"]
        feature = villages.on(after)
        is_inside = np.equal(code, chosen[faces.patch])
        code = villages.layer.values("village_code", feature)
        code[~is_inside] = None
        name = villages.layer.values("village_name", feature)
        columns["village_code"] = largest(shares(faces, code), faces.n_patches)
        columns["village_name"] = _named(columns["village_code"], code, name)
    return columns


def _named(
    chosen: NDArray[np.object_], code: NDArray[np.object_], name: NDArray[np.object_]
) -> list[str | None]:
    """Names of the chosen units by what the faces `(face,)` say; None where nothing is chosen."""
    names = dict(zip(code.tolist(), name.tolist(), strict=True))
    return [None if unit is None else names[unit] for unit in chosen]
