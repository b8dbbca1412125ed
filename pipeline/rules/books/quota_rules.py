"""The rules of 增违挂钩 on one date, each value with the id of the rule that gave it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pipeline.errors import Finding, RuleError
from pipeline.rules.parameters import RuleSet, RuleValue

NET_RULES: Mapping[str, str] = {
    "demolished_restored": "quota.net_demolished",
    "regularised": "quota.net_regularised",
    "both": "quota.net_both",
    "closed": "quota.net_closed",
}
"""Way of netting → rule of the share that is taken off; `closed` is closed but not accepted."""

RANK_RULE = "quota.rank_table_anhui2016"
COMMON_RULES = (
    "quota.mode",
    "quota.base",
    "quota.repeat_year_multiplier",
    "quota.cap_share",
    "quota.floor",
    *NET_RULES.values(),
)
PROPORTIONAL_RULES = ("quota.coef_general", "quota.coef_pbf")


@dataclass(frozen=True)
class RankTable:
    """Fixed amounts by place, 亩: first the worst place, first the best place."""

    deduct_mu: tuple[Decimal, ...]
    award_mu: tuple[Decimal, ...]


@dataclass(frozen=True)
class QuotaRules:
    """How the deduction is worked out (测算), as the rules stand at the end of the period."""

    mode: str
    """proportional or rank_table."""
    base: str
    """new_construction or cultivated."""
    coef_general: Decimal
    coef_pbf: Decimal
    net_shares: Mapping[str, Decimal]
    """Way of netting → share of the base that is taken off, 0–1."""
    repeat_multiplier: Decimal
    cap_share: Decimal
    """Of the unit's quota, 0 or more."""
    floor_mu: Decimal
    ranks: RankTable | None
    """In mode rank_table only."""
    rule_ids: tuple[str, ...]
    """Every rule that was used."""
    assumptions: tuple[str, ...]
    """Those that no document gives: tables print 示例口径，待上级文件确认."""


def quota_rules(rules: RuleSet, on: datetime.date) -> QuotaRules:
    """The rules in force at the end of the period; a share outside 0–1 raises `RuleError`."""
    mode = rules.at("quota.mode", on).text()
    is_ranked = mode == "rank_table"
    used = (*COMMON_RULES, RANK_RULE) if is_ranked else (*COMMON_RULES, *PROPORTIONAL_RULES)
    return QuotaRules(
        mode=mode,
        base=rules.at("quota.base", on).text(),
        coef_general=_at_least_zero(rules, "quota.coef_general", on),
        coef_pbf=_at_least_zero(rules, "quota.coef_pbf", on),
        net_shares={way: _share(rules, rule_id, on) for way, rule_id in NET_RULES.items()},
        repeat_multiplier=_at_least_zero(rules, "quota.repeat_year_multiplier", on),
        cap_share=_at_least_zero(rules, "quota.cap_share", on),
        floor_mu=_at_least_zero(rules, "quota.floor", on),
        ranks=_rank_table(rules, on) if is_ranked else None,
        rule_ids=tuple(sorted(used)),
        assumptions=rules.assumptions_used(used),
    )


def _at_least_zero(rules: RuleSet, rule_id: str, on: datetime.date) -> Decimal:
    value = rules.at(rule_id, on).number()
    if value < 0:
        raise _unfit(rule_id, value, "不小于 0")
    return value


def _share(rules: RuleSet, rule_id: str, on: datetime.date) -> Decimal:
    value = rules.at(rule_id, on).number()
    if not 0 <= value <= 1:
        raise _unfit(rule_id, value, "0 到 1（全部核减写 1）")
    return value


def _rank_table(rules: RuleSet, on: datetime.date) -> RankTable:
    value = rules.at(RANK_RULE, on).value
    amounts = value if isinstance(value, Mapping) else {}
    return RankTable(*(_amounts(amounts.get(name), value) for name in ("deduct", "award")))


def _amounts(listed: RuleValue, value: RuleValue) -> tuple[Decimal, ...]:
    if not isinstance(listed, tuple):
        raise _unfit(RANK_RULE, value, "deduct 和 award 各为一列亩数")
    numbers = tuple(number for number in listed if isinstance(number, Decimal) and number >= 0)
    if len(numbers) != len(listed):
        raise _unfit(RANK_RULE, value, "每个名次一个不小于 0 的亩数")
    return numbers


def _unfit(rule_id: str, value: object, allowed: str) -> RuleError:
    what = f"规则“{rule_id}”的取值不能用于增违挂钩测算。"
    advice = "改正规则文件中的取值。"
    return RuleError(Finding("E-RULE-VALUE", what, "", str(value), allowed, advice))
