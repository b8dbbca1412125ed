"""What the command line parser refuses, in Chinese: which option, what was given, what is allowed.

Typer says so in English, and for a value that can not be read names neither option nor value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from typer.exceptions import TyperException

from pipeline.errors import Finding

TEXTS = {
    "MissingParameter": "缺少必须给出的参数。",
    "NoSuchOption": "没有这个选项。",
    "BadParameter": "参数的取值不对。",
    "BadOptionUsage": "选项的用法不对。",
    "BadArgumentUsage": "参数的用法不对。",
}
"""What Typer's errors mean, by their class."""
MESSAGES = (
    (r"No such command '(.*)'", "没有这个命令。"),
    (r"unexpected extra argument\(s\) \((.*)\)", "多给了参数。"),
    (r"Option '(.*)' requires an argument", "选项后面没有写取值。"),
    (r"Option '(.*)' does not take a value", "这个选项不带取值。"),
)
"""What their messages mean; the group is what was given, unless the option is known."""
KINDS = {
    "int_parsing": "整数",
    "int_type": "整数",
    "int_from_float": "整数",
    "float_parsing": "数字，不带单位",
    "float_type": "数字，不带单位",
    "bool_parsing": "true 或 false",
}
BOUNDS = {
    "greater_than_equal": ("ge", "不小于 {}"),
    "greater_than": ("gt", "大于 {}"),
    "less_than_equal": ("le", "不大于 {}"),
    "less_than": ("lt", "小于 {}"),
}
"""What a value must be, by the reason why it was refused."""
HELP = "加 --help 查看用法。"


def usage_finding(problem: TyperException) -> Finding:
    """A Chinese finding for an error of the command line parser."""
    name = type(problem).__name__
    parameter = getattr(problem, "param", None)
    where = _name_of(parameter) or str(getattr(problem, "option_name", "") or "")
    if isinstance(problem.__cause__, ValidationError):
        return _refused_value(where, problem.__cause__)
    if name == "MissingParameter":
        needed = str(getattr(parameter, "help", "") or "")
        return Finding("E-USAGE", TEXTS[name], where, allowed=needed, advice=HELP)
    if name == "NoSuchOption":
        like = "、".join(sorted(getattr(problem, "possibilities", None) or ()))
        advice = f"是不是 {like}？{HELP}" if like else HELP
        return Finding("E-USAGE", TEXTS[name], where, advice=advice)
    for pattern, what in MESSAGES:
        if found := re.search(pattern, str(problem)):
            value = "" if where else found.group(1)
            return Finding("E-USAGE", what, where, value, advice=HELP)
    what = TEXTS.get(name, "命令写法不对。")
    return Finding("E-USAGE", what, where, str(problem), advice=HELP)


def _name_of(parameter: Any) -> str:
    """`--gsd` of an option, `BEFORE` of an argument; empty without either."""
    if parameter is None:
        return ""
    options = [str(name) for name in getattr(parameter, "opts", ()) if str(name).startswith("-")]
    return options[0] if options else str(getattr(parameter, "name", "") or "").upper()


def _refused_value(where: str, refused: ValidationError) -> Finding:
    first = refused.errors(include_url=False)[0]
    limits: Mapping[str, Any] = first.get("ctx", {})
    allowed = KINDS.get(first["type"], "")
    if first["type"] in BOUNDS:
        key, text = BOUNDS[first["type"]]
        allowed = text.format(limits.get(key, ""))
    return Finding(
        "E-USAGE", TEXTS["BadParameter"], where, str(first["input"]), allowed, advice=HELP
    )
