"""YAML text → typed frozen model, with every mistake at once and its place in the text.

The text is composed into ruamel.yaml nodes rather than loaded: nodes keep the place of every key
and list item, and each scalar as it was written, so that 010101 is reported as 010101.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipeline.errors import Finding, PipelineError
from pipeline.schema.messages import Setting, explain
from pipeline.schema.model import REFUSED

M = TypeVar("M", bound=BaseModel)

_TAG = "tag:yaml.org,2002:"
_NUMBERS = (_TAG + "int", _TAG + "float")
_UNCLOSED = ("end of stream", "expected ',' or", "could not find expected ':'")
_RADIX_PREFIXES = ("0x", "0o", "0b")


def parse_document(
    text: str,
    source: str,
    model: type[M],
    *,
    syntax_code: str,
    value_code: str,
    error: type[PipelineError],
) -> M:
    """The model that `text` describes; raises `error` with every finding at once.

    `source` names the text in the findings (`source:line:column`). Mistakes of the YAML itself
    (syntax, duplicate keys, aliases) carry `syntax_code`, refused values `value_code`.
    """
    reading = _Reading(source, syntax_code)
    root = reading.compose(text)
    if root is None:
        raise error(reading.findings)
    data = json.dumps(reading.plain(root))
    findings = list(reading.findings)
    # A place that could not be read must not be reported again for the value put in its stead.
    broken = {finding.where for finding in findings}
    try:
        # JSON mode: strict about types, yet lists may fill tuples and text may fill dates.
        result = model.model_validate_json(data)
    except ValidationError as refused:
        for details in refused.errors(include_url=False, include_input=False):
            finding = _value_finding(details, root, model, source, value_code)
            if finding.where not in broken:
                findings.append(finding)
    if findings:
        raise error(findings)
    return result


@dataclass
class _Reading:
    """One pass over a text: YAML nodes in, plain JSON values and findings out."""

    source: str
    code: str
    findings: list[Finding] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)

    def compose(self, text: str) -> MappingNode | None:
        """The root of the document, or None after noting why there is none."""
        try:
            root = YAML(typ="rt").compose(text)
        except YAMLError as broken:
            self._note_broken(text, broken)
            return None
        if isinstance(root, MappingNode):
            return root
        where = f"{self.source}:1:1" if root is None else _where(self.source, root)
        what = "文件是空的。" if root is None else "文件的最外层不是“键: 值”。"
        self.findings.append(
            Finding(self.code, what, where, allowed="最外层为“键: 值”", advice="按样例文件补写。")
        )
        return None

    def plain(self, node: Any) -> Any:
        """The value of a node, as JSON knows it; dates stay text."""
        if id(node) in self._seen:
            self._note(node, "这里的内容被别处用 * 引用，不支持引用", "把内容在两处都写全。")
            return None
        self._seen.add(id(node))
        if isinstance(node, MappingNode):
            return self._mapping(node)
        if isinstance(node, SequenceNode):
            return [self.plain(item) for item in node.value]
        return self._scalar(node)

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key, ScalarNode):
                self._note(key, "键应为一个词，不能是列表或一组“键: 值”", "改写键名。")
            elif key.value in values:
                self._note(key, f"键“{key.value}”重复", "只保留一处，删去其余。")
            else:
                values[key.value] = self.plain(child)
        return values

    def _scalar(self, node: ScalarNode) -> Any:
        text: str = node.value
        kind = str(node.tag).removeprefix(_TAG)
        if kind in ("str", "timestamp"):
            return text
        if kind == "null":
            return None
        try:
            if kind == "int":
                has_prefix = text.lstrip("+-")[:2].lower() in _RADIX_PREFIXES
                return int(text, 0 if has_prefix else 10)
            if kind == "float":
                return float(text)
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
        except (ValueError, KeyError):
            self._note(node, "写法无法识别", "改用普通的十进制数字，或 true、false。")
            return None
        self._note(node, f"不支持的 YAML 标签“{node.tag}”", "删去 ! 开头的标签。")
        return None

    def _note(self, node: Node, what: str, advice: str) -> None:
        where = _where(self.source, node)
        self.findings.append(Finding(self.code, what + "。", where, _raw(node), advice=advice))

    def _note_broken(self, text: str, broken: YAMLError) -> None:
        problem: str = getattr(broken, "problem", None) or str(getattr(broken, "reason", ""))
        # What is left open is noticed lines later; the place to mend is where it was opened.
        is_unclosed = any(sign in problem for sign in _UNCLOSED)
        mark = getattr(broken, "context_mark" if is_unclosed else "problem_mark", None)
        if mark is not None:
            line, column = mark.line, mark.column
        else:  # the reader of control characters knows only an offset
            offset: int = getattr(broken, "position", 0)
            line = text.count("\n", 0, offset)
            column = offset - (text.rfind("\n", 0, offset) + 1)
        what, advice = _explain_syntax(problem)
        where = f"{self.source}:{line + 1}:{column + 1}"
        self.findings.append(Finding(self.code, what, where, advice=advice))


def _explain_syntax(problem: str) -> tuple[str, str]:
    """Chinese text and advice for a problem named by the YAML scanner."""
    known = {
        "'\\t'": ("缩进中有制表符（Tab）。", "改用空格缩进。"),
        "mapping values are not allowed": (
            "这里不能再出现“键: 值”。",
            "检查上一行的缩进和冒号（须半角）；值里有冒号时给整个值加引号。",
        ),
        "another document": ("文件里有多个 YAML 文档。", "删去“---”分隔，只留一个文档。"),
        "end of stream": ("引号没有成对。", "补上缺少的引号。"),
        "expected ',' or": ("括号没有成对。", "补上缺少的括号。"),
        "undefined alias": ("不支持用 * 引用别处的内容。", "以 * 开头的文字要加引号。"),
        "could not find expected ':'": ("键后面缺少冒号。", "写成“键: 值”，冒号用半角并空一格。"),
        "special characters": ("文件里有不可见的控制字符。", "删除该字符。"),
    }
    for sign, texts in known.items():
        if sign in problem:
            return texts
    return f"YAML 语法有误（{problem}）。", "检查该行及上一行的缩进、引号、括号和冒号。"


@dataclass(frozen=True)
class _Place:
    """Where in the text a pydantic location lies."""

    key: Node
    """The key, list item or root that holds the value."""
    value: Node
    label: str
    """Dotted path for the reader."""


def _walk(root: MappingNode, loc: tuple[int | str, ...]) -> _Place:
    """Follow a location as far as the text goes.

    What the text does not hold is passed over: names of union branches, "[key]", missing keys.
    """
    key: Node = root
    value: Node = root
    label = ""
    for part in loc:
        if isinstance(value, MappingNode):
            for child_key, child in value.value:
                if child_key.value == part:
                    key, value = child_key, child
                    label = f"{label}.{part}" if label else str(part)
                    break
        elif isinstance(value, SequenceNode) and isinstance(part, int):
            key = value = value.value[part]
            label = f"{label}[{part + 1}]"
    return _Place(key, value, label)


def _value_finding(
    details: ErrorDetails, root: MappingNode, model: type[BaseModel], source: str, code: str
) -> Finding:
    loc, kind, context = details["loc"], details["type"], details.get("ctx", {})
    if kind == REFUSED:
        loc = (*loc, *context["at"])
    place = _walk(root, loc)
    name = str(loc[-1]) if loc else ""
    fields = _fields_at(model, loc[:-1])
    setting = Setting(
        key=name,
        raw=_raw(place.value),
        is_number=place.value.tag in _NUMBERS,
        siblings=fields.keys(),
        description=(fields[name].description or "") if name in fields else "",
    )
    text = explain(kind, context, setting)
    points_at_key = kind in ("extra_forbidden", "missing") or name == "[key]"
    label = ".".join(filter(None, (place.label, name))) if kind == "missing" else place.label
    return Finding(
        code,
        f"“{label}”：{text.what}。" if label else f"{text.what}。",
        _where(source, place.key if points_at_key else place.value),
        "" if kind == "missing" else _raw(place.key if points_at_key else place.value),
        text.allowed,
        text.advice,
    )


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> dict[str, FieldInfo]:
    """Fields of the model that stands at a location."""
    fields = dict(model.model_fields)
    for part in loc:
        if part in fields:
            models = _models_in(fields[str(part)].annotation)
            fields = {name: info for m in models for name, info in m.model_fields.items()}
    return fields


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _where(source: str, node: Node) -> str:
    mark = node.start_mark
    return f"{source}:{mark.line + 1}:{mark.column + 1}"


def _raw(node: Node) -> str:
    """The value as written, or its shape if it is not one word."""
    if isinstance(node, MappingNode):
        return "（一组“键: 值”）"
    if isinstance(node, SequenceNode):
        return "（列表）"
    return str(node.value) or "（空）"
