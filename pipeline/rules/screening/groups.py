"""移送 by group: adjoining suspicious patches, or patches of one holder, with areas summed."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import fsum

from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.reasoning import Reason
from pipeline.rules.screening.screen import Screening
from pipeline.rules.screening.violation_kinds import PROBLEM_CLASSES
from pipeline.rules.screening.wording import area_zh, number_zh, reference_zh
from pipeline.schema.codes import CodeTable

GROUP_RULES = (
    ("pbf", "transfer.pbf_area", "永久基本农田"),
    ("cultivated", "transfer.cultivated_area", "一般耕地"),
)
REACH_RULE = "transfer.group_reach"
_MAX_NAMED = 5


def group_transfers(
    screened: Sequence[Screening],
    adjoining: Iterable[tuple[int, int]],
    rules: RuleSet,
    on: Sequence[datetime.date],
    codes: Mapping[str, CodeTable] | None = None,
) -> list[Screening]:
    """The screenings, with what groups of them amount to.

    `adjoining` are pairs of positions that lie within `transfer.group_reach` of each other; only
    patches that are or may be a problem are grouped. Rules as on the latest day of the group.
    """
    found = list(screened)
    for members in _groups(screened, adjoining):
        day = max(on[position] for position in members)
        labels = {} if codes is None else codes["handling_route"].labels
        told = _Told(members, [screened[n] for n in members], labels)
        for position in members:
            found[position] = told.of(position, found[position], rules, day)
    return found


def _groups(screened: Sequence[Screening], adjoining: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Positions that hang together, by adjacency or a common holder; single ones are none."""
    leader = list(range(len(screened)))

    def find(position: int) -> int:
        while leader[position] != position:
            leader[position] = leader[leader[position]]
            position = leader[position]
        return position

    eligible = {n for n, one in enumerate(screened) if one.suspected_class in PROBLEM_CLASSES}
    by_holder: dict[str, list[int]] = defaultdict(list)
    for position in sorted(eligible):
        for holder in screened[position].holders:
            by_holder[holder].append(position)
    held = [(ns[0], n) for ns in by_holder.values() for n in ns[1:]]
    for one, other in (*adjoining, *held):
        if one in eligible and other in eligible:
            first, second = sorted((find(one), find(other)))
            leader[second] = first
    groups: dict[int, list[int]] = defaultdict(list)
    for position in sorted(eligible):
        groups[find(position)].append(position)
    return [members for members in groups.values() if len(members) > 1]


class _Told:
    """One group: its name, its sums, and what is said to each member."""

    def __init__(
        self, members: Sequence[int], patches: Sequence[Screening], routes: Mapping[str, str]
    ) -> None:
        self.group_id = min(patch.patch_id for patch in patches)
        self.ids = {position: one.patch_id for position, one in zip(members, patches, strict=True)}
        self.bureau = routes.get("bureau_case", "bureau_case")
        self.areas = {
            "pbf": fsum(patch.transfer_m2["pbf"] for patch in patches),
            "cultivated": fsum(patch.transfer_m2["cultivated"] for patch in patches),
        }

    def of(
        self, position: int, screening: Screening, rules: RuleSet, day: datetime.date
    ) -> Screening:
        flags, reasons, used = set(screening.flags), list(screening.reasons), set()
        verdicts, route = set(screening.verdicts), screening.handling_route
        for name, rule_id, what_zh in GROUP_RULES:
            rule = rules.at(rule_id, day)
            is_met = rule.meets_area(self.areas[name])
            used.add(rule_id)
            verdicts.add((rule_id, is_met))
            if not is_met:
                continue
            flags.add(f"transfer_group_{name}")
            text = f"与 {self._others(position)} 相邻或用地单位相同，合计占用{what_zh} "
            text += f"{area_zh(self.areas[name])}，达到 {number_zh(rule.number())} 亩，"
            text += "提示按累计面积核对是否移送；是否同一主体须人工核对。"
            cited = reference_zh(rule)
            reasons.append(Reason("threshold", text, rule_id, cited, rule.parameter.is_assumption))
            if route == "township_stop":
                route = "bureau_case"
                why = f"建议{self.bureau}：同组图斑合计达到移送核对亩数。"
                reasons.append(Reason("route", why, rule_id, cited, rule.parameter.is_assumption))
        return replace(
            screening,
            flags=tuple(sorted(flags)),
            reasons=tuple(reasons),
            handling_route=route,
            group_id=self.group_id,
            rule_ids=tuple(sorted({*screening.rule_ids, *used, REACH_RULE})),
            verdicts=frozenset(verdicts),
        )

    def _others(self, position: int) -> str:
        others = [name for at, name in self.ids.items() if at != position]
        more = f"等 {len(others)} 个图斑" if len(others) > _MAX_NAMED else ""
        return "、".join(others[:_MAX_NAMED]) + more
