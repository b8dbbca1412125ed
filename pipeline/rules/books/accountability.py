"""Readings of the 15号令 ratio and of the warning-talk lines (警示约谈): readings, no decisions.

Only signed violations count. Areas are summed unrounded and compared exactly; where the law or the
notice can be read in two ways, both readings are given.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import fsum
from typing import Any, Literal

from pipeline.rules.books.recognised import is_violation
from pipeline.rules.books.rectification import NO_OUTCOME, Outcome
from pipeline.rules.books.rounding import percent
from pipeline.rules.books.row_values import real_of, unit_of
from pipeline.rules.parameters import RuleInForce, RuleSet

Row = Mapping[str, Any]

RATIO_RULE = "accountability.cultivated_land_ratio"
TALK_RULES: Mapping[str, str] = {
    "pbf": "accountability.talk_pbf_area",
    "reserve": "accountability.talk_pbf_area",
    "general_cultivated": "accountability.talk_cultivated_area",
}
"""Measure → rule of its line; 永久基本农田 and 自然保护地 are tested each by itself."""
TALK_LABELS: Mapping[str, str] = {
    "pbf": "永久基本农田",
    "reserve": "自然保护地",
    "general_cultivated": "一般耕地",
}

NOT_COMPUTABLE = "无法计算"
REACHED = "达到"
NOT_REACHED = "未达到"
NO_CLEARANCE = "不等于免责"
PROGRESS = "进度参考"
REFERENCE_ONLY = "参照"
WARNING = "预警"


@dataclass(frozen=True)
class Ratio:
    """A share of land and how it is to be read; None where it can not be computed."""

    value: Fraction | None
    """Exact; may be above 1 if the denominator is not what it should be."""
    is_reached: bool | None
    """By the rule's comparison, exactly and never on the printed per cent."""
    reading: str

    @property
    def percent(self) -> Decimal | None:
        """Two decimals, HALF_UP; 14.996 % prints 15.00 and is not reached."""
        return percent(self.value)


NO_RATIO = Ratio(None, None, NOT_COMPUTABLE)


def exact_share(part_m2: float | None, whole_mu: float | Decimal | None) -> Fraction | None:
    """Square metres of a stated number of 亩, exactly; None if either is unknown or nothing."""
    if part_m2 is None or whole_mu is None or whole_mu <= 0:
        return None
    return Fraction(part_m2) * 3 / (2000 * Fraction(str(whole_mu)))


def ratio(
    numerator_m2: float | None,
    denominator_mu: float | Decimal | None,
    rule: RuleInForce,
    unit: Literal["county", "township"],
    is_annual: bool,
) -> Ratio:
    """违法占用耕地 over 新增建设用地占用耕地, read as the instrument allows.

    The instrument is one for counties and for a year: a township's figure is 参照, a quarter's is
    进度参考, and below the threshold nobody is cleared. A missing or zero denominator: 无法计算.
    """
    share = exact_share(numerator_m2, denominator_mu)
    if share is None:
        return NO_RATIO
    is_reached = rule.compare(share, Fraction(rule.number()))
    kinds = [PROGRESS] * (not is_annual) + [REFERENCE_ONLY] * (unit == "township")
    verdict = REACHED if is_reached else f"{NOT_REACHED}（{NO_CLEARANCE}）"
    doubt = "；大于100%，请核对分母" if share > 1 else ""
    prefix = f"{'、'.join(kinds)}：" if kinds else ""
    return Ratio(share, is_reached, f"{prefix}{verdict}{doubt}")


@dataclass(frozen=True)
class TalkReading:
    """One area against its line."""

    area_m2: float
    """Unrounded sum of what is known."""
    is_complete: bool
    """False if a patch's area, or whether it was concealed, is not known."""
    reading: str
    """预警, 未达到 or 无法计算; 预警 also if what is known reaches the line already."""


@dataclass(frozen=True)
class TalkLine:
    """One township against one line, in both readings, before and after netting."""

    unit_code: str
    measure: str
    """pbf, reserve or general_cultivated."""
    label: str
    threshold_mu: Decimal
    patches: int
    before: TalkReading
    """Reading A: the area alone."""
    after: TalkReading
    """Reading A, without what is rectified and accepted."""
    concealed_before: TalkReading
    """Reading B: only where acceptance found 弄虚作假、瞒案不报、压案不查."""
    concealed_after: TalkReading


@dataclass(frozen=True)
class TalkRules:
    """Lines of the warning talk on one date."""

    lines: Mapping[str, RuleInForce]
    rule_ids: tuple[str, ...]


def talk_rules(rules: RuleSet, on: datetime.date) -> TalkRules:
    """The lines in force at the end of the period; before the notice `RuleError`."""
    lines = {measure: rules.at(rule_id, on) for measure, rule_id in TALK_RULES.items()}
    return TalkRules(lines, tuple(sorted(set(TALK_RULES.values()))))


def talk_lines(
    units: Sequence[str],
    rows: Iterable[Row],
    outcomes: Mapping[str, Outcome],
    concealed: Mapping[str, bool | None],
    rules: TalkRules,
) -> tuple[TalkLine, ...]:
    """Every unit against every line, over the violations among the rows (counted areas).

    `concealed` comes from `rules.books.rectification.concealment`; a patch not in it is unknown.
    The caller chooses the source group. Units that only rows name come last.
    """
    held: dict[str, list[Row]] = {code: [] for code in units}
    for row in rows:
        if is_violation(row):
            held.setdefault(unit_of(row), []).append(row)
    order = (*dict.fromkeys(units), *sorted(held.keys() - set(units)))
    return tuple(
        _talk_line(code, measure, held[code], _Facts(outcomes, concealed), rules)
        for code in order
        for measure in TALK_RULES
    )


@dataclass(frozen=True)
class _Facts:
    outcomes: Mapping[str, Outcome]
    concealed: Mapping[str, bool | None]

    def is_left(self, row: Row) -> bool:
        """Whether rectification has not taken it off."""
        return self.outcomes.get(str(row["patch_id"]), NO_OUTCOME).net_way is None

    def is_concealed(self, row: Row) -> bool | None:
        return self.concealed.get(str(row["patch_id"]))


def _talk_line(
    code: str, measure: str, rows: Sequence[Row], facts: _Facts, rules: TalkRules
) -> TalkLine:
    rule = rules.lines[measure]
    area_of = MEASURES[measure]
    left = [row for row in rows if facts.is_left(row)]
    return TalkLine(
        unit_code=code,
        measure=measure,
        label=TALK_LABELS[measure],
        threshold_mu=rule.number(),
        patches=len(rows),
        before=_read([area_of(row) for row in rows], rule),
        after=_read([area_of(row) for row in left], rule),
        concealed_before=_read(_concealed_areas(rows, area_of, facts), rule),
        concealed_after=_read(_concealed_areas(left, area_of, facts), rule),
    )


def _concealed_areas(
    rows: Sequence[Row], area_of: Callable[[Row], float | None], facts: _Facts
) -> list[float | None]:
    """Areas of concealed patches; unknown where nobody has said, unless there is no area at all."""
    found: list[float | None] = []
    for row in rows:
        is_concealed, area = facts.is_concealed(row), area_of(row)
        if is_concealed:
            found.append(area)
        elif is_concealed is None and area != 0:
            found.append(None)
    return found


def _read(areas_m2: Iterable[float | None], rule: RuleInForce) -> TalkReading:
    listed = tuple(areas_m2)
    known = [area for area in listed if area is not None]
    area, is_complete = fsum(known), len(known) == len(listed)
    if rule.meets_area(area):
        return TalkReading(area, is_complete, WARNING)
    return TalkReading(area, is_complete, NOT_REACHED if is_complete else NOT_COMPUTABLE)


def general_cultivated_m2(row: Row) -> float | None:
    """Counted 一般耕地: cultivated land outside 永久基本农田; None if either is not known."""
    cultivated, pbf = real_of(row, "counted_cultivated_m2"), real_of(row, "counted_pbf_m2")
    return None if cultivated is None or pbf is None else max(0.0, cultivated - pbf)


MEASURES: Mapping[str, Callable[[Row], float | None]] = {
    "pbf": lambda row: real_of(row, "counted_pbf_m2"),
    "reserve": lambda row: real_of(row, "counted_reserve_m2"),
    "general_cultivated": general_cultivated_m2,
}
"""Measure → its area in a patch; None not known."""
