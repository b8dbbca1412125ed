"""The walk through the screening of one patch: what it looks up, and what it writes down."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pipeline.errors import Finding, RuleError
from pipeline.rules.parameters import RuleInForce, RuleSet
from pipeline.rules.screening.facts import PatchFacts, Piece
from pipeline.rules.screening.permissions import (
    Coverage,
    Standing,
    Window,
    small_cultivated_rest,
)
from pipeline.rules.screening.wording import area_zh, number_zh, reference_zh
from pipeline.schema.codes import CodeTable


@dataclass(frozen=True)
class Reason:
    """One sentence, the step that gave it and what it rests on."""

    step: str
    """Code of configs/codes/screening_step.csv."""
    text_zh: str
    rule_id: str | None = None
    reference_zh: str | None = None
    is_assumption: bool = False


@dataclass(frozen=True)
class Outcome:
    """The class that a step gives."""

    suspected_class: str
    is_timing_open: bool = False
    """Whether the class hangs on the start of works."""


@dataclass
class Walk:
    """The notebook of one screening; lives inside one call of `screen_patch`."""

    facts: PatchFacts
    rules: RuleSet
    on: datetime.date
    codes: Mapping[str, CodeTable]
    """Code tables by name; without a table the code stands for its label."""
    reasons: list[Reason] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    """Ids of the rules looked up."""
    verdicts: set[tuple[str, bool]] = field(default_factory=set)
    """(rule id, met or not) of every comparison with a threshold."""
    is_open: bool = False
    """Whether the class is 存疑, so that kinds are only possible."""

    @property
    def window(self) -> Window:
        """The patch's dates under the rule that says until when a document clears."""
        until = self.rule("screening.cleared_until").text()
        return Window(self.facts.before_date, self.facts.after_date, until == "after_date")

    def rule(self, rule_id: str) -> RuleInForce:
        """A rule on the deciding date; `RuleError` outside its life."""
        found = self.rules.at(rule_id, self.on)
        self.used.add(rule_id)
        return found

    def rule_if_in_force(self, rule_id: str) -> RuleInForce | None:
        """A rule, or None outside its life."""
        try:
            return self.rule(rule_id)
        except RuleError as refused:
            if any(finding.code != "E-RULE-DATE" for finding in refused.findings):
                raise
            return None

    def number(self, rule_id: str) -> Decimal:
        """The number of a rule on the deciding date."""
        return self.rule(rule_id).number()

    def numbers(self, rule_id: str) -> dict[str, Decimal]:
        """The named numbers of a rule on the deciding date."""
        value = self.rule(rule_id).value
        if isinstance(value, Mapping):
            found = {key: item for key, item in value.items() if isinstance(item, Decimal)}
            if len(found) == len(value):
                return found
        raise _unfit(rule_id, value, "“名称: 数字”的列表")

    def listed(self, rule_id: str) -> tuple[str, ...]:
        """The codes that a rule lists on the deciding date, in its order."""
        value = self.rule(rule_id).value
        if isinstance(value, tuple):
            found = tuple(item for item in value if isinstance(item, str))
            if len(found) == len(value):
                return found
        raise _unfit(rule_id, value, "代码的列表")

    def meets(self, rule_id: str, value: float | Decimal) -> bool:
        """Whether a value meets the threshold of a rule, by the rule's own comparison."""
        return self.noted(rule_id, self.rule(rule_id).meets(value))

    def meets_area(self, rule_id: str, area_m2: float) -> bool:
        """Whether an area meets a threshold in 亩 or m²."""
        return self.noted(rule_id, self.rule(rule_id).meets_area(area_m2))

    def meets_share(self, rule_id: str, part: float, whole: float) -> bool:
        """Whether part / whole meets a ratio."""
        return self.noted(rule_id, self.rule(rule_id).meets_share(part, whole))

    def covers(self, rule_id: str, coverage: Coverage, worst: Standing = Standing.LATE) -> bool:
        """Whether documents not worse than `worst` cover a share that meets a rule."""
        return self.meets_share(rule_id, coverage.area_m2(worst), self.facts.area_m2)

    def is_small_rest(self, rest: Sequence[Piece]) -> bool | None:
        """Whether an uncovered rest has less cultivated land than allowed; None not known."""
        rule_id = "screening.uncovered_cultivated"
        found = small_cultivated_rest(rest, self.facts.has("land_use"), self.rule(rule_id))
        return None if found is None else self.noted(rule_id, found)

    def noted(self, rule_id: str, is_met: bool) -> bool:
        """Keep in mind how a comparison came out."""
        self.verdicts.add((rule_id, is_met))
        return is_met

    def is_noise(self, area_m2: float) -> bool:
        """Whether an overlap is too small to mean anything."""
        return not self.meets_area("screening.noise_area", area_m2)

    def lists(self, rule_id: str) -> dict[str, tuple[str, ...]]:
        """The named lists of codes of a rule on the deciding date."""
        value = self.rule(rule_id).value
        if isinstance(value, Mapping):
            found = {
                key: tuple(item for item in items if isinstance(item, str))
                for key, items in value.items()
                if isinstance(items, tuple)
            }
            if len(found) == len(value):
                return found
        raise _unfit(rule_id, value, "“名称: 代码的列表”")

    def label(self, table: str, code: str) -> str:
        """Chinese label of a code."""
        return self.codes[table].labels.get(code, code) if table in self.codes else code

    def attribute(self, table: str, code: str, column: str) -> str:
        """A further column of a code table; empty without one."""
        if table not in self.codes:
            return ""
        return self.codes[table].attributes.get(code, {}).get(column, "")

    def say(self, step: str, text_zh: str, rule_id: str | None = None) -> None:
        """Write down a sentence, with the rule it rests on."""
        if rule_id is None:
            self.reasons.append(Reason(step, text_zh))
            return
        self.say_by(step, text_zh, self.rule(rule_id))

    def say_by(self, step: str, text_zh: str, rule: RuleInForce) -> None:
        """Write down a sentence that rests on a rule looked up on another date than the patch's."""
        parameter, cited = rule.parameter, reference_zh(rule)
        self.reasons.append(Reason(step, text_zh, parameter.id, cited, parameter.is_assumption))

    def cite(self, step: str, text_zh: str, reference: str) -> None:
        """Write down a sentence that rests on a quoted document instead of a rule."""
        self.reasons.append(Reason(step, text_zh, None, reference or None))

    def prompt(self, step: str, flag: str, text_zh: str) -> None:
        """Set a flag and write down why, with the document that the flag's table names."""
        self.flags.add(flag)
        self.cite(step, text_zh, self.attribute("flag", flag, "reference_zh"))

    def near(self, step: str, area_m2: float, rule_id: str, what_zh: str) -> None:
        """Flag an area that lies close to the 亩 threshold of a rule."""
        limit, band_rule = self.number(rule_id), "screening.near_threshold_band"
        band = self.rule(band_rule)
        distance = abs(3 * Decimal(area_m2) - 2000 * limit)
        if self.noted(band_rule, band.compare(distance, 2000 * limit * band.number())):
            self.flags.add("near_threshold")
            text = f"{what_zh} {area_zh(area_m2)}，接近 {number_zh(limit)} 亩，近阈值，以实测为准。"
            self.say(step, text, band_rule)
            self.missing.add("survey")


def _unfit(rule_id: str, value: object, allowed: str) -> RuleError:
    what = f"规则“{rule_id}”的取值不能这样使用。"
    advice = "改正规则文件中的取值。"
    return RuleError(Finding("E-RULE-VALUE", what, "", str(value), allowed, advice))
