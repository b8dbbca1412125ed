"""Pydantic's errors in Chinese: what is wrong, what is allowed, what to do."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from pipeline.schema.model import REFUSED


class Setting(NamedTuple):
    """What there is to say of a setting, whatever is wrong with it."""

    key: str
    raw: str
    """The value as written."""
    is_number: bool
    """Whether it is written as a number, without quotes."""
    siblings: Collection[str]
    """Keys allowed in its place."""
    description: str
    """What its model says of it."""


class Explanation(NamedTuple):
    """The three texts of a finding that follow from the kind of error."""

    what: str
    allowed: str = ""
    advice: str = ""


_TYPES: Mapping[str, tuple[str, str]] = {
    "int_type": ("应为整数", "整数，不加引号"),
    "int_from_float": ("应为整数", "整数，不带小数"),
    "float_type": ("应为数字", "数字，不加引号"),
    "decimal_type": ("应为数字", "数字，不加引号"),
    "finite_number": ("应为有限的数字", "数字，不含 NaN 和无穷大"),
    "bool_type": ("应为是否值", "true 或 false，不加引号"),
    "date_type": ("应为日期", "YYYY-MM-DD，例如 2026-03-31"),
    "date_parsing": ("不是有效日期", "YYYY-MM-DD，例如 2026-03-31"),
    "date_from_datetime_parsing": ("不是有效日期", "YYYY-MM-DD，例如 2026-03-31"),
    "date_from_datetime_inexact": ("只能写到日，不带时刻", "YYYY-MM-DD，例如 2026-03-31"),
    "tuple_type": ("应为列表", "方括号列表，例如 [a, b]"),
    "list_type": ("应为列表", "方括号列表，例如 [a, b]"),
    "dict_type": ("应为一组“键: 值”", "下一级缩进的“键: 值”"),
    "mapping_type": ("应为一组“键: 值”", "下一级缩进的“键: 值”"),
    "model_type": ("应为一组“键: 值”", "下一级缩进的“键: 值”"),
}

_RANGES: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("ge", "≥"),
    "greater_than": ("gt", "＞"),
    "less_than_equal": ("le", "≤"),
    "less_than": ("lt", "＜"),
}

_LENGTHS: Mapping[str, tuple[str, str, str]] = {
    "string_too_short": ("min_length", "文字过短", "不少于 {} 个字符"),
    "string_too_long": ("max_length", "文字过长", "不多于 {} 个字符"),
    "too_short": ("min_length", "项数过少", "不少于 {} 项"),
    "too_long": ("max_length", "项数过多", "不多于 {} 项"),
}


def suggest(word: str, known: Collection[str]) -> str:
    """「是否想写…」 for a misspelt word, or nothing if no known word is near."""
    near = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"是否想写“{near[0]}”？" if near else ""


def explain(kind: str, context: Mapping[str, Any], setting: Setting) -> Explanation:
    """Texts for one error; `kind` and `context` are pydantic's."""
    if kind == REFUSED:
        return Explanation(context["what"], context["allowed"], context["advice"])
    if kind == "extra_forbidden":
        advice = suggest(setting.key, setting.siblings) or "删除该键或改为允许的键"
        return Explanation("不认识的键", "、".join(sorted(setting.siblings)), advice)
    if kind == "missing":
        return Explanation("缺少必填的键", setting.description, f"补上“{setting.key}: …”")
    if kind == "string_type" and setting.is_number:
        return Explanation(
            "应为带引号的文字", "加引号的文字", f'编码等须加引号，写成 "{setting.raw}"'
        )
    if kind == "string_type":
        return Explanation("应为文字", "文字")
    if kind in _TYPES:
        return Explanation(*_TYPES[kind])
    return _explain_constraint(kind, context, setting)


def _explain_constraint(kind: str, context: Mapping[str, Any], setting: Setting) -> Explanation:
    if kind in _RANGES:
        bound, sign = _RANGES[kind]
        return Explanation("取值超出范围", f"{sign} {str(context[bound]).removesuffix('.0')}")
    if kind in _LENGTHS:
        bound, what, allowed = _LENGTHS[kind]
        return Explanation(what, allowed.format(context[bound]))
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", context["expected"])
        allowed = "、".join(choices) or str(context["expected"])
        return Explanation("取值不在允许的范围内", allowed, suggest(setting.raw, choices))
    if kind == "string_pattern_mismatch":
        is_code = "[0-9]{" in context["pattern"]
        advice = '编码须加引号并保留前导零，例如 "010101"。' if is_code else "按说明改写。"
        return Explanation("格式不符", setting.description or f"正则 {context['pattern']}", advice)
    if kind == "value_error":
        return Explanation(str(context["error"]))
    return Explanation(f"不符合要求（{kind}）")
