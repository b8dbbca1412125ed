"""Law as data: one parameter per rule file, a value per date, a reference per value.

No file is read here; `pipeline.config.load` brings the documents.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PlainValidator, ValidationInfo, field_validator

from pipeline.errors import Finding, RuleError
from pipeline.schema.messages import suggest
from pipeline.schema.model import Frozen, refusal

Unit = Literal[
    "1", "m", "m2", "mu", "day", "working_day", "month", "year", "point", "count", "code", "flag"
]
"""Closed list: "1" is a dimensionless number; `code` is text from `choices`, `flag` yes or no."""

RuleValue: TypeAlias = (
    "Decimal | bool | str | tuple[RuleValue, ...] | Mapping[str, RuleValue] | None"
)
"""Numbers are exact decimals; None means no longer in force."""

Comparison = Literal[">=", ">", "<=", "<", "=="]

COMPARISONS: Mapping[Comparison, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}
"""How a measured value (left) must stand to the threshold (right) for a rule to be met."""

Text = Annotated[str, Field(min_length=1)]


def _exact(value: Any) -> RuleValue:
    """Numbers as the decimals that were written, lists as tuples."""
    if value is None or isinstance(value, bool | str | Decimal):
        return value
    if isinstance(value, int | float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {str(key): _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_exact(item) for item in value)
    raise refusal("规则的取值类型不支持", allowed="数字、true/false、文字、列表或“键: 值”")


class Reference(Frozen):
    """Where a value comes from. 文号 and article may be null: looked for, not found."""

    title: Text
    doc_no: Text | None
    article: Text | None
    checked_on: datetime.date
    checked_by: Text | None = None


class DatedValue(Frozen):
    """The value in force from one date on."""

    value: Annotated[Any, PlainValidator(_exact)]
    """A `RuleValue`; declared `Any` because pydantic can not build a schema of the recursion."""
    reference: Reference


class RuleParameter(Frozen):
    """One parameter of law, standard, notice, decision or assumption, through time."""

    id: str = Field(
        pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$",
        description="小写字母、数字、下划线，至少两级，用点分隔，例如 quota.coef_pbf",
    )
    title_zh: Text
    meaning: Text
    unit: Unit
    comparison: Comparison | None = None
    """How a measured value stands to the threshold where the rule is met; None no threshold."""
    kind: Literal["law", "standard", "local_notice", "bureau_decision", "assumption"]
    applies_to: Literal["patch", "subject", "case", "township", "county"]
    decided_by: Literal["after_date", "period_end", "document_date", "event_date"]
    """Which date picks the value from the series."""
    reason: Text | None = None
    """Why a figure is assumed that no document gives; for assumptions only."""
    choices: tuple[Text, ...] | None = None
    """Every text the value may be, for unit `code` only."""
    values: Annotated[Mapping[datetime.date, DatedValue], Field(min_length=1)]
    """In force from → value."""

    # Field validators, because a model validator would stay silent while any field is wrong.

    @field_validator("reason")
    @classmethod
    def _reason_belongs_to_assumption(cls, reason: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("kind")
        if kind == "assumption" and reason is None:
            advice = "补上 reason，例如“示例口径，待上级文件确认”。"
            raise refusal("kind 为 assumption 时必须写明 reason", at=("kind",), advice=advice)
        if kind not in (None, "assumption") and reason is not None:
            advice = "删去 reason，或把 kind 改为 assumption。"
            raise refusal("只有 kind 为 assumption 时才写 reason", advice=advice)
        return reason

    @field_validator("choices")
    @classmethod
    def _choices_belong_to_code(
        cls, choices: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        unit = info.data.get("unit")
        if unit is not None and (unit == "code") != (choices is not None):
            advice = "单位为 code 时用 choices 列出全部取值；其他单位删去 choices。"
            raise refusal("choices 与 unit 不配", at=("unit",), advice=advice)
        return choices

    @field_validator("values")
    @classmethod
    def _values_fit_unit(
        cls, values: Mapping[datetime.date, DatedValue], info: ValidationInfo
    ) -> Mapping[datetime.date, DatedValue]:
        if {"unit", "choices"} <= info.data.keys():
            unit, choices = info.data["unit"], info.data["choices"] or ()
            for since, dated in values.items():
                unfit = [leaf for leaf in _leaves(dated.value) if not _fits(leaf, unit, choices)]
                if unfit:
                    what = f"“{unfit[0]}”与单位 {unit} 不符"
                    at = (str(since), "value")
                    raise refusal(what, at=at, allowed=_allowed(unit, choices))
        return values

    @property
    def is_assumption(self) -> bool:
        """Whether tables that use it must print 示例口径，待上级文件确认."""
        return self.kind == "assumption"


def _fits(leaf: Decimal | bool | str, unit: Unit, choices: tuple[str, ...]) -> bool:
    if unit == "code":
        return leaf in choices
    return isinstance(leaf, bool if unit == "flag" else Decimal)


def _allowed(unit: Unit, choices: tuple[str, ...]) -> str:
    if unit == "code":
        return "、".join(choices)
    return "true 或 false" if unit == "flag" else "不加引号的数字（15% 写 0.15）"


def _leaves(value: RuleValue) -> Iterable[Decimal | bool | str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield value


@dataclass(frozen=True)
class RuleInForce:
    """A parameter's value on one date, with what must be cited beside it."""

    parameter: RuleParameter
    since: datetime.date
    value: RuleValue
    reference: Reference

    def number(self) -> Decimal:
        """The value, which must be a single number."""
        if not isinstance(self.value, Decimal):
            raise self._mismatch("一个数字")
        return self.value

    def text(self) -> str:
        """The value, which must be a single text."""
        if not isinstance(self.value, str):
            raise self._mismatch("一个文字代码")
        return self.value

    @property
    def compare(self) -> Callable[[Any, Any], bool]:
        """The comparison as written in the rule; both sides must be exact."""
        comparison = self.parameter.comparison
        if comparison is None:
            what = f"规则“{self.parameter.id}”没有写 comparison，不能作为界限比较。"
            advice = '在规则文件中补上 comparison，例如 ">="。'
            allowed = "、".join(COMPARISONS)
            raise RuleError(Finding("E-RULE-VALUE", what, "", "", allowed, advice))
        return COMPARISONS[comparison]

    def meets(self, value: float | Decimal) -> bool:
        """Whether a value in the rule's own unit meets it, unrounded."""
        return self.compare(Decimal(value), self.number())

    def meets_area(self, area_m2: float) -> bool:
        """Whether an area meets a threshold in 亩 or m², unrounded: 3·m² against 2000·亩."""
        if self.parameter.unit == "mu":
            return self.compare(3 * Decimal(area_m2), 2000 * self.number())
        return self.meets(area_m2)

    def meets_share(self, part: float, whole: float) -> bool:
        """Whether part / whole meets a ratio, compared exactly and without a division."""
        return self.compare(Decimal(part), self.number() * Decimal(whole))

    def _mismatch(self, allowed: str) -> RuleError:
        what = f"规则“{self.parameter.id}”自 {self.since} 起的取值不能这样使用。"
        advice = "改正规则文件中的取值。"
        return RuleError(Finding("E-RULE-VALUE", what, "", str(self.value), allowed, advice))


@dataclass(frozen=True)
class RuleSet:
    """All parameters of a rule folder."""

    parameters: tuple[RuleParameter, ...]

    @cached_property
    def by_id(self) -> Mapping[str, RuleParameter]:
        """Parameters by rule id."""
        return {parameter.id: parameter for parameter in self.parameters}

    def parameter(self, rule_id: str) -> RuleParameter:
        """One parameter; an unknown id raises `RuleError` E-RULE-VALUE."""
        found = self.by_id.get(rule_id)
        if found is None:
            advice = suggest(rule_id, self.by_id) or "在规则目录中补上该规则文件。"
            what = f"没有规则“{rule_id}”。"
            raise RuleError(Finding("E-RULE-VALUE", what, value=rule_id, advice=advice))
        return found

    def at(self, rule_id: str, on: datetime.date) -> RuleInForce:
        """The value in force on a date; outside the series raises `RuleError` E-RULE-DATE."""
        parameter = self.parameter(rule_id)
        started = [since for since in parameter.values if since <= on]
        if not started:
            earliest = min(parameter.values)
            raise _not_in_force(parameter, on, f"最早自 {earliest} 起有效", f"不早于 {earliest}")
        since = max(started)
        dated = parameter.values[since]
        if dated.value is None:
            earliest = min(parameter.values)
            raise _not_in_force(
                parameter, on, f"最早自 {earliest} 起有效，自 {since} 起停止执行", f"早于 {since}"
            )
        return RuleInForce(parameter, since, dated.value, dated.reference)

    def not_in_force(self, rule_ids: Iterable[str], on: datetime.date) -> tuple[str, ...]:
        """Those of the ids that have no value on a date, sorted."""

        def is_silent(rule_id: str) -> bool:
            started = [since for since in self.parameter(rule_id).values if since <= on]
            return not started or self.parameter(rule_id).values[max(started)].value is None

        return tuple(sorted({rule_id for rule_id in rule_ids if is_silent(rule_id)}))

    def assumptions_used(self, rule_ids: Iterable[str]) -> tuple[str, ...]:
        """Those of the ids that are assumptions, sorted."""
        return tuple(sorted({i for i in rule_ids if self.parameter(i).is_assumption}))

    def digest(self) -> str:
        """SHA-256 of the content; comments, layout and order of files and keys do not count."""
        content = {parameter.id: _canonical(parameter) for parameter in self.parameters}
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _not_in_force(
    parameter: RuleParameter, on: datetime.date, series: str, allowed: str
) -> RuleError:
    what = f"规则“{parameter.id}”（{parameter.title_zh}）在 {on} 没有有效取值：{series}。"
    advice = "核对日期，或在规则文件中补上该日期的取值和依据。"
    return RuleError(Finding("E-RULE-DATE", what, "", str(on), allowed, advice))


def _canonical(value: Any) -> Any:
    """JSON content of a value; equal numbers look equal and never like text."""
    if isinstance(value, Frozen):
        return {name: _canonical(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, Decimal):
        return {"number": format(value.normalize(), "f")}
    return value.isoformat() if isinstance(value, datetime.date) else value
