"""Part of `extract`: which objects are pseudo-changes, and of what kind the others are.

Nothing is filtered where a pixel is as large as an object, for shape and outline mean nothing
there, nor without the band roles that the figures need. Issued patches never come here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import Finding, Severity
from pipeline.grid import Grid, PixelWindow
from pipeline.patches.components import Components, burn
from pipeline.patches.filter_params import FILTER_ORDER
from pipeline.patches.filters import (
    Objects,
    filter_reasons,
    is_water_now,
    opened_wood,
)
from pipeline.patches.issued import Detected
from pipeline.patches.kinds import CONSTRUCTION, CROP
from pipeline.patches.measures import DropReason, minimum_pixels
from pipeline.patches.object_kinds import UNKNOWN, WATER, ground_share, kind_shares, object_kinds
from pipeline.stages.context import Number, StageContext
from pipeline.stages.extract_shift import find_shift_slivers
from pipeline.stages.surfaces import Ground, measure_ground

COUNTED = (*FILTER_ORDER, DropReason.BELOW_KIND_MIN.value)
SHIFT = DropReason.SHIFT.value
NEVER_RECALLED = (DropReason.KEPT.value, DropReason.SPECKLE.value)


@dataclass(frozen=True, eq=False)
class PaintedKinds:
    """Kinds of whole objects, to be put over those of their pixels."""

    by_value: dict[int, Components] = field(default_factory=dict)

    def over(self, window: PixelWindow, kind: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The kinds `(y, x)` of a window with every object in its own kind."""
        if not self.by_value:
            return kind
        out = kind.copy()
        for value, components in self.by_value.items():
            burn(components, window, out, value)
        return out


@dataclass(frozen=True, eq=False)
class Explained:
    """What became of the objects."""

    reasons: NDArray[np.str_]
    kinds: PaintedKinds
    counts: dict[str, Number]
    is_likely: NDArray[np.bool_]
    """Construction-like, after the ground was asked."""
    not_recalled: frozenset[str] = frozenset()
    """Names to recall that no object dropped here has."""


def explain(
    context: StageContext, grid: Grid, found: Detected, codes: dict[int, str], *, by_object: bool
) -> Explained:
    """Drop pseudo-changes among the objects that would be patches, and put back recalled ones.

    `codes` are the kinds by pixel value; `by_object` says whether `is_likely` is a judgement of
    construction (else the kinds of the pixels stand for it).
    """
    settings = context.run.settings.extract
    reasons, kinds, is_likely = found.reasons.copy(), None, found.is_likely
    components = found.components
    is_object = minimum_pixels(settings.patches, grid) > 1 and len(components) > 0
    ground = measure_ground(context, grid, components, tuple(codes)) if is_object else None
    given: dict[str, NDArray[np.bool_]] = {}
    if is_object and settings.filters.shift:
        given[SHIFT] = find_shift_slivers(context, grid, components)
    if ground is not None:
        upheld = _upheld(context, found, ground) if by_object else found
        is_likely = upheld.is_likely
        reasons, kinds = _judged(context, upheld, (ground, given), codes, by_object=by_object)
    elif given:  # needs no band roles
        reasons[given[SHIFT] & (reasons == DropReason.KEPT)] = SHIFT
    recalled, missing = _recalled(found, reasons, settings.recall)
    reasons[recalled] = DropReason.KEPT.value
    if kinds is not None:
        # Someone wants these looked at: our rough kind must not clear them as crops.
        kinds[recalled & (kinds == CROP)] = UNKNOWN
    counts: dict[str, Number] = {"recalled": int(recalled.sum())}
    for code in COUNTED:
        chosen = reasons == code
        counts[f"dropped_{code}"] = int(chosen.sum())
        counts[f"dropped_{code}_pixels"] = int(components.n_pixels[chosen].sum())
    painted = _painted(components, kinds)
    return Explained(reasons, painted, counts, is_likely, frozenset(missing))


def _upheld(context: StageContext, found: Detected, ground: Ground) -> Detected:
    """The objects; what was taken for construction and is open water is other change."""
    is_water = is_water_now(ground.figures, context.run.settings.extract.filter_limits)
    return Detected(found.components, found.reasons, found.is_likely & ~is_water)


def _judged(
    context: StageContext,
    found: Detected,
    told: tuple[Ground, dict[str, NDArray[np.bool_]]],
    codes: dict[int, str],
    *,
    by_object: bool,
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Reasons and kinds of all objects.

    `told` is the ground under them, and the filters' masks that were decided elsewhere.
    """
    ground, given = told
    settings = context.run.settings.extract
    shares = kind_shares(ground.kind_counts, tuple(codes))
    is_likely = found.is_likely
    if not by_object:
        most = np.array(tuple(codes))[ground.kind_counts.argmax(axis=1)]
        is_likely = np.isin(most, (CONSTRUCTION, UNKNOWN))
    is_opened = opened_wood(ground.figures, settings.filter_limits)
    is_ground = ground_share(shares) >= settings.kinds.min_ground_share
    kinds = object_kinds(shares, is_likely, is_opened, ground.figures, settings.kinds)
    is_water = is_water_now(ground.figures, settings.filter_limits)
    kinds[is_water & (kinds == CROP)] = WATER
    reasons = found.reasons.copy()
    is_told = is_likely & (by_object and settings.construction.min_verdict > 0)
    objects = Objects(ground.figures, is_likely, is_opened | is_ground, is_told)
    explained = filter_reasons(objects, settings.filters, settings.filter_limits, given)
    was_kept = reasons == DropReason.KEPT
    reasons[was_kept] = explained[was_kept]
    smallest = settings.patches.min_area_by_kind
    least_m2 = np.array([smallest.get(codes[int(value)], 0.0) for value in kinds])
    is_small = (reasons == DropReason.KEPT) & (ground.figures["area_m2"] < least_m2)
    reasons[is_small] = DropReason.BELOW_KIND_MIN.value
    return reasons, kinds


def _recalled(
    found: Detected, reasons: NDArray[np.str_], names: tuple[str, ...]
) -> tuple[NDArray[np.bool_], list[str]]:
    """Which objects are put back, `(object,)`, and names that no dropped object has."""
    components = found.components
    places = zip(components.first_row.tolist(), components.first_col.tolist(), strict=True)
    own = np.array([f"{row}_{col}" for row, col in places], dtype=object)
    is_droppable = ~np.isin(reasons, NEVER_RECALLED)
    recalled = np.isin(own, list(names)) & is_droppable if len(own) else np.zeros(0, np.bool_)
    return recalled, sorted(set(names) - set(own[recalled].tolist()))


def _painted(components: Components, kinds: NDArray[np.int64] | None) -> PaintedKinds:
    if kinds is None:
        return PaintedKinds()
    return PaintedKinds({int(v): components.select(kinds == v) for v in np.unique(kinds)})


def recall_notices(missing: frozenset[str]) -> tuple[Finding, ...]:
    """Say which names to recall stand for no dropped object."""
    if not missing:
        return ()
    return (
        Finding(
            "N-RECALL-UNKNOWN",
            "要召回的对象不在剔除对象中。",
            where="settings.extract.recall",
            value="、".join(sorted(missing)),
            allowed="dropped 图层中对象的“first_row_first_col”",
            advice="对象本来就是图斑、影像或配准参数已改变，或编号写错；核对后删去或改正。",
            severity=Severity.NOTICE,
        ),
    )
