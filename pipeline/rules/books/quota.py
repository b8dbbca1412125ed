"""增违挂钩 worked out per township (测算): base, what rectification takes off, deduction.

No document gives the formula: every figure here is 示例口径，待上级文件确认, and what the superior
really deducts comes with a 文号 as a county input (`rules.books.ledger`). Amounts are exact until
they are rounded once per township, HALF_UP to 0.01 亩.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import fsum
from typing import Any

from pipeline.rules.books.apportion import apportion
from pipeline.rules.books.quota_facts import UnitFacts
from pipeline.rules.books.quota_ranks import Place, rank_units
from pipeline.rules.books.quota_rules import QuotaRules
from pipeline.rules.books.recognised import is_new_known, is_violation
from pipeline.rules.books.rectification import NO_OUTCOME, Outcome
from pipeline.rules.books.rounding import half_up
from pipeline.rules.books.row_values import OUTSIDE, integer_of, real_of, unit_of

Row = Mapping[str, Any]


@dataclass(frozen=True)
class PatchLinkage:
    """What one violation adds to its township's deduction."""

    patch_id: str
    unit_code: str
    base_mu100: int | None
    """None if the base is cultivated land and the land use was not supplied."""
    base_m2: float | None
    pbf_mu100: int
    """Of the base: at most the base; 0 if the layer was not supplied."""
    net_way: str | None
    """demolished_restored, regularised, both; closed if only that; None nothing."""
    net_share: Decimal
    """Share of the base that is taken off, 0–1."""
    cultivated_mu100: int | None
    is_new_known: bool
    is_pbf_known: bool

    @property
    def left(self) -> Fraction:
        """Share of the base that is left."""
        return 1 - Fraction(self.net_share)


@dataclass(frozen=True)
class UnitLinkage:
    """The deduction of one unit as worked out; None where it can not be computed."""

    unit_code: str
    patches: int
    base_before_mu100: int
    base_before_m2: float
    pbf_before_mu100: int
    """Of the base."""
    netted_demolished_mu100: int
    netted_regularised_mu100: int
    netted_both_mu100: int
    netted_closed_mu100: int
    base_after_mu100: int
    """Base before, less the four."""
    base_after_m2: float
    pbf_after_mu100: int
    deduction_before_mu100: int | None
    """As if nothing had been rectified."""
    deduction_after_mu100: int | None
    rank: Decimal | None
    """In mode rank_table: place by cultivated land before netting, mean of tied places."""
    award_mu100: int | None
    """In mode rank_table; None if the ranking can not be worked out."""
    multiplier: Decimal
    """1, or more after a deduction the year before."""
    is_repeat_known: bool
    is_capped: bool
    """At the unit's quota."""
    wanted_before_mu100: int | None
    """The deduction before netting as if there were no cap."""
    wanted_after_mu100: int | None
    unknown_new: int
    """Patches whose earlier use is unknown: their whole area counts as new."""
    unknown_base: int
    """Patches without an area of cultivated land, if that is the base."""
    unknown_pbf: int
    """Patches without an area of 永久基本农田: the deduction is a lower limit."""

    @property
    def netted_mu100(self) -> int:
        """All that rectification takes off the base."""
        return self.base_before_mu100 - self.base_after_mu100


def patch_linkages(
    rows: Iterable[Row],
    outcomes: Mapping[str, Outcome],
    rules: QuotaRules,
    source_group: str = "issued",
) -> tuple[PatchLinkage, ...]:
    """The violations of a source group with their share in the deduction, by patch id.

    Rows carry `COUNTED_COLUMNS`. Only issued patches (上报口径) are linked to the quota; those the
    program found itself are worked out for reference (参照).
    """
    found = [
        _patch_linkage(row, outcomes.get(str(row["patch_id"]), NO_OUTCOME), rules)
        for row in rows
        if row["source_group"] == source_group and is_violation(row)
    ]
    return tuple(sorted(found, key=lambda linkage: linkage.patch_id))


def linkage(
    units: Sequence[str],
    patches: Iterable[PatchLinkage],
    facts: Mapping[str, UnitFacts],
    rules: QuotaRules,
) -> tuple[UnitLinkage, ...]:
    """Every unit's deduction, in the order given, then units that only patches name.

    Those (land outside every township, or a township that no longer exists) are worked out by
    coefficient, but take no place among the townships; nor does `OUTSIDE` if it is given.
    """
    held: dict[str, list[PatchLinkage]] = {code: [] for code in units}
    for patch in patches:
        held.setdefault(patch.unit_code, []).append(patch)
    strangers = sorted(held.keys() - set(units))
    places = _places(units, held, facts, rules)
    return tuple(
        _unit_linkage(code, held[code], facts.get(code, UnitFacts()), rules, places)
        for code in (*dict.fromkeys(units), *strangers)
    )


def deduction_weights(linkages: Iterable[UnitLinkage]) -> dict[str, int]:
    """By what a document's deduction is shared out: the deduction after netting, else before.

    Empty if all is zero or a unit's can not be computed: then it stays with the county.
    """
    counted = tuple(linkages)
    after = {unit.unit_code: unit.deduction_after_mu100 for unit in counted}
    before = {unit.unit_code: unit.deduction_before_mu100 for unit in counted}
    for found in (after, before):
        known = {code: amount for code, amount in found.items() if amount is not None}
        if len(known) == len(found) and any(known.values()):
            return known
    return {}


def _patch_linkage(row: Row, outcome: Outcome, rules: QuotaRules) -> PatchLinkage:
    kind = "new" if rules.base == "new_construction" else "cultivated"
    base_mu100 = integer_of(row, f"counted_{kind}_mu100")
    base_m2 = real_of(row, f"counted_{kind}_m2")
    if base_mu100 is None and kind == "new":
        base_mu100 = integer_of(row, "counted_area_mu100")
        base_m2 = real_of(row, "counted_area_m2")
    pbf_mu100 = integer_of(row, "counted_pbf_mu100")
    way = outcome.net_way or ("closed" if outcome.is_closed_by_filing else None)
    share = Decimal(0) if way is None else rules.net_shares[way]
    return PatchLinkage(
        patch_id=str(row["patch_id"]),
        unit_code=unit_of(row),
        base_mu100=base_mu100,
        base_m2=base_m2,
        pbf_mu100=min(pbf_mu100 or 0, base_mu100 or 0),
        net_way=way if share else None,
        net_share=share,
        cultivated_mu100=integer_of(row, "counted_cultivated_mu100"),
        is_new_known=is_new_known(row),
        is_pbf_known=pbf_mu100 is not None,
    )


def _places(
    units: Sequence[str],
    held: Mapping[str, Sequence[PatchLinkage]],
    facts: Mapping[str, UnitFacts],
    rules: QuotaRules,
) -> Mapping[str, Place] | None:
    """None unless units are ranked; empty if one patch's cultivated land is not known."""
    if rules.ranks is None:
        return None
    areas: dict[str, int] = {}
    for code in units:
        if code == OUTSIDE:
            continue
        known = [patch.cultivated_mu100 for patch in held[code]]
        if None in known:
            return {}
        areas[code] = sum(area for area in known if area is not None)
    unseen = {code for code in units if not facts.get(code, UnitFacts()).is_observed}
    return rank_units(areas, rules.ranks, unseen)


def _unit_linkage(
    code: str,
    patches: Sequence[PatchLinkage],
    facts: UnitFacts,
    rules: QuotaRules,
    places: Mapping[str, Place] | None,
) -> UnitLinkage:
    base_mu100 = sum(patch.base_mu100 or 0 for patch in patches)
    pbf_mu100 = sum(patch.pbf_mu100 for patch in patches)
    netted = _netted(patches, rules)
    unknown_base = sum(patch.base_mu100 is None for patch in patches)
    multiplier = rules.repeat_multiplier if facts.is_repeat else Decimal(1)
    place = None if places is None else places.get(code)
    before, after = _exact_deductions(patches, rules)
    is_known, is_ranked = not unknown_base, True
    if places is not None:
        before = after = Fraction(0) if place is None else place.deduct_mu100
        is_known = is_ranked = bool(places) or code == OUTSIDE
    limits = _Limits(rules, facts, Fraction(multiplier))
    return UnitLinkage(
        unit_code=code,
        patches=len(patches),
        base_before_mu100=base_mu100,
        base_before_m2=fsum(patch.base_m2 or 0.0 for patch in patches),
        pbf_before_mu100=pbf_mu100,
        netted_demolished_mu100=netted["demolished_restored"],
        netted_regularised_mu100=netted["regularised"],
        netted_both_mu100=netted["both"],
        netted_closed_mu100=netted["closed"],
        base_after_mu100=base_mu100 - sum(netted.values()),
        base_after_m2=fsum((patch.base_m2 or 0.0) * float(patch.left) for patch in patches),
        pbf_after_mu100=half_up(_total(patch.pbf_mu100 * patch.left for patch in patches)),
        deduction_before_mu100=limits.apply(before) if is_known else None,
        deduction_after_mu100=limits.apply(after) if is_known else None,
        rank=None if place is None else place.rank,
        award_mu100=(0 if place is None else half_up(place.award_mu100)) if is_ranked else None,
        multiplier=multiplier,
        is_repeat_known=facts.is_repeat is not None,
        is_capped=is_known and limits.is_capped(after),
        wanted_before_mu100=limits.uncapped(before) if is_known else None,
        wanted_after_mu100=limits.uncapped(after) if is_known else None,
        unknown_new=sum(not patch.is_new_known for patch in patches)
        if rules.base == "new_construction"
        else 0,
        unknown_base=unknown_base,
        unknown_pbf=sum(not patch.is_pbf_known for patch in patches),
    )


@dataclass(frozen=True)
class _Limits:
    """Multiplier, floor and cap of one unit, in this order; the cap wins."""

    rules: QuotaRules
    facts: UnitFacts
    multiplier: Fraction

    def apply(self, exact_mu100: Fraction) -> int:
        cap = self._cap()
        wanted = self._wanted(exact_mu100)
        return half_up(wanted if cap is None else min(wanted, cap))

    def uncapped(self, exact_mu100: Fraction) -> int:
        return half_up(self._wanted(exact_mu100))

    def is_capped(self, exact_mu100: Fraction) -> bool:
        cap = self._cap()
        return cap is not None and self._wanted(exact_mu100) > cap

    def _wanted(self, exact_mu100: Fraction) -> Fraction:
        if exact_mu100 <= 0:
            return Fraction(0)
        return max(exact_mu100 * self.multiplier, Fraction(self.rules.floor_mu) * 100)

    def _cap(self) -> Fraction | None:
        if self.facts.quota_mu100 is None:
            return None
        return Fraction(self.rules.cap_share) * max(0, self.facts.quota_mu100)


def _exact_deductions(
    patches: Sequence[PatchLinkage], rules: QuotaRules
) -> tuple[Fraction, Fraction]:
    """Before and after netting, in 0.01 亩, by coefficient."""
    general, pbf = Fraction(rules.coef_general), Fraction(rules.coef_pbf)
    amounts = [
        (patch, general * ((patch.base_mu100 or 0) - patch.pbf_mu100) + pbf * patch.pbf_mu100)
        for patch in patches
    ]
    before = _total(amount for _, amount in amounts)
    return before, _total(amount * patch.left for patch, amount in amounts)


def _netted(patches: Iterable[PatchLinkage], rules: QuotaRules) -> dict[str, int]:
    """What each way takes off; rounded together, so that never more than the base is taken."""
    exact = dict.fromkeys(rules.net_shares, Fraction(0))
    for patch in patches:
        if patch.net_way is not None:
            exact[patch.net_way] += (patch.base_mu100 or 0) * Fraction(patch.net_share)
    return dict.fromkeys(exact, 0) | apportion(half_up(_total(exact.values())), exact)


def _total(amounts: Iterable[Fraction]) -> Fraction:
    return sum(amounts, Fraction(0))
