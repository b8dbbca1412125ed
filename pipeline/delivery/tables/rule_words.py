"""Values of rules in the words of those who read them: no code, no form of a programming language.

The trace keeps values as JSON text, so that a program can read them, and prints them in words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

WORDS_ZH = {
    "new_construction": "违法新增建设用地面积",
    "cultivated": "违法占用耕地面积",
    "proportional": "按面积乘系数",
    "rank_table": "按名次定额",
}
"""Values that are codes, by what they mean."""
KIND_ORDER = "screening.primary_kind_order"
UNITS_ZH = {
    "mu": "亩",
    "m2": "㎡",
    "m": "米",
    "day": "日",
    "working_day": "个工作日",
    "month": "个月",
}
UNITS_ZH |= {"year": "年", "point": "分", "count": "个"}
YEARS_ZH = {0: "当年", 1: "次年"}
DAY_KEYS = {"year", "month", "day"}
PLACES_ZH = {"deduct": "扣减最多的各名依次", "award": "最好的各名依次奖励"}


def rule_words(rule_id: str, value: Any, unit: str = "1") -> str:
    """What a rule says, in Chinese; `unit` is that of its parameter."""
    if rule_id == KIND_ORDER and isinstance(value, list | tuple):
        return "、".join(f"情形{code}" for code in value)
    return _words(value, UNITS_ZH.get(unit, ""))


def value_text(value: Any) -> str:
    """A value for programs: text as it is, numbers by their decimals, the rest as JSON."""
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(_plain(value), ensure_ascii=False)
    return str(value)


def text_words(rule_id: str, text: str, unit: str = "1") -> str:
    """The words for what `value_text` wrote."""
    if text[:1] in "[{":
        return rule_words(rule_id, json.loads(text, parse_float=Decimal, parse_int=Decimal), unit)
    return rule_words(rule_id, text, unit)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _words(value: Any, unit_zh: str) -> str:
    if isinstance(value, Mapping):
        if value.keys() == DAY_KEYS:
            return _day(value)
        pairs = ((PLACES_ZH.get(key, key), item) for key, item in value.items())
        return "；".join(f"{name} {_words(item, unit_zh)}" for name, item in pairs)
    if isinstance(value, list | tuple):
        return "、".join(_words(item, "") for item in value) + unit_zh
    if isinstance(value, bool):
        return "是" if value else "否"
    if value is None:
        return "未定"
    return WORDS_ZH.get(str(value), f"{value}{unit_zh}")


def _day(value: Mapping[str, Any]) -> str:
    year, month, day = (int(value[name]) for name in ("year", "month", "day"))
    return f"{YEARS_ZH.get(year, f'检查年度后第{year}年')}{month}月{day}日"
