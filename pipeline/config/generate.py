"""The committed configuration files that are generated from the models.

`configs/default.yaml` shows every setting with meaning, unit and range; `configs/schema.json` and
`configs/county/schema.json` let editors check run and county files; `configs/county/layers.md`
lists every reference layer with its fields. `drift` proves them in step with the models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import unified_diff
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.config.models import CountyConfig, RunConfig, Settings
from pipeline.schema.reference import REFERENCE_LAYERS, REQUIRED_LAYERS, REQUIRED_VALUES

_HEADER = """\
# 处理参数的缺省值。本文件由程序按参数模型生成，请勿手改。
# 需要改动时，把相应的键抄到 configs/runs/<运行编号>.yaml 的 settings: 之下再改。
"""

_LAYERS_HEADER = """\
# 参考图层与字段

本页由程序生成，请勿手改。县配置 `configs/county/<县>.yaml` 的 `layers:` 之下，用左列的名字写
`fields:`（本程序字段: 源文件字段）；每个图层还可以有 `feature_id`（要素编号，没有则按行号编）。
日期可以是 20260501、2026-05-01、2026/5/1 或 2026年5月1日，截止日期也可以写“长期”；代码按文本读，
不会丢掉前面的 0。面图层都可以映射 `stated_area_m2`（面积属性，单位写在 `units:` 里），只用来核对。
`常见代码` 是官方成果里常见的字段名，仅供对照，以实际文件为准。"""

_TABLE_HEAD = ("| 字段 | 含义 | 类型 | 常见代码 | 必须有值 |", "|---|---|---|---|---|")

_GEOMETRY_ZH = {"MultiPolygon": "面", "MultiLineString": "线", "Point": "点"}

_DTYPE_ZH = {
    "text": "文本",
    "integer": "整数",
    "real": "数值",
    "date": "日期",
    "boolean": "是/否",
    "json": "列表",
}

_UNITS = {
    "m2": "平方米",
    "mu": "亩",
    "m": "米",
    "px": "像元",
    "deg": "度",
    "ratio": "比值（0–1）",
    "pct": "百分数（0–100）",
    "days": "天",
}
"""Unit suffixes of key names (naming rule: the unit is in the name)."""

_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minItems": "不少于 {} 项",
    "maxItems": "不多于 {} 项",
    "pattern": "格式 {}",
}


def default_yaml(settings_model: type[BaseModel]) -> str:
    """Every setting with its default, commented in Chinese; parses back to the defaults."""
    lines = _section(settings_model(), indent=0)
    return "\n".join([_HEADER, *lines]) + "\n"


def json_schema(model: type[BaseModel] = RunConfig) -> str:
    """JSON schema of a model, keys sorted."""
    schema = model.model_json_schema()
    return json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def write(directory: Path) -> None:
    """Write the generated files into the configuration folder."""
    for name, text in _generated():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))


def drift(directory: Path) -> list[str]:
    """A unified diff for each generated file that is missing or out of step; empty if none."""
    diffs = []
    for name, text in _generated():
        path = directory / name
        found = path.read_bytes().decode("utf-8") if path.is_file() else ""
        diff = unified_diff(
            found.splitlines(keepends=True), text.splitlines(keepends=True), name, f"生成的 {name}"
        )
        diffs.append("".join(diff))
    return [diff for diff in diffs if diff]


def _generated() -> Iterator[tuple[str, str]]:
    yield "default.yaml", default_yaml(Settings)
    yield "schema.json", json_schema()
    yield "county/schema.json", json_schema(CountyConfig)
    yield "county/layers.md", layers_page()


def layers_page() -> str:
    """Every reference layer with its fields, for whoever maps a county's own files."""
    lines = [_LAYERS_HEADER]
    for spec in REFERENCE_LAYERS.values():
        need = "必须提供" if spec.name in REQUIRED_LAYERS else "可以没有"
        shape = _GEOMETRY_ZH[str(spec.geometry)]
        lines += [f"\n## `{spec.name}` {spec.label_zh}（{shape}，{need}）\n", *_TABLE_HEAD]
        filled = REQUIRED_VALUES.get(spec.name, frozenset())
        for field in spec.field_specs:
            code = field.code or ""
            must = "是" if field.name in filled else ""
            kind = _DTYPE_ZH[field.dtype]
            lines.append(f"| `{field.name}` | {field.label_zh} | {kind} | {code} | {must} |")
    return "\n".join(lines) + "\n"


def _section(values: BaseModel, indent: int) -> list[str]:
    """Lines of one mapping, every key under its comment."""
    properties = type(values).model_json_schema()
    lines = []
    margin = "  " * indent
    for name, info in type(values).model_fields.items():
        value = getattr(values, name)
        if isinstance(value, BaseModel):
            inner = _section(value, indent + 1)
            opening = f"{margin}{name}:" if inner else f"{margin}{name}: {{}}"
            lines += [f"{margin}# {info.description or name}", opening, *inner]
        else:
            comment = _comment(name, info, properties)
            lines += [f"{margin}# {comment}", f"{margin}{name}: {_scalar(value)}"]
    return lines


def _comment(name: str, info: FieldInfo, schema: dict[str, Any]) -> str:
    """Description, unit and range of one key on one line."""
    prop = schema["properties"][name]
    parts = [" ".join((info.description or name).split())]
    unit = next((text for end, text in _UNITS.items() if name.endswith("_" + end)), None)
    if unit and unit not in parts[0]:
        parts.append(f"单位：{unit}")
    variants = [prop, *prop.get("anyOf", ())]
    resolved = [_resolve(variant, schema) for variant in variants]
    bounds = [
        text.format(variant[key])
        for variant in resolved
        for key, text in _BOUNDS.items()
        if key in variant
    ]
    if bounds:
        parts.append(f"范围：{'，'.join(bounds)}")
    choices = [str(choice) for variant in resolved for choice in _choices(variant)]
    if choices:
        parts.append(f"可取：{'、'.join(choices)}")
    if any(variant.get("type") == "null" for variant in resolved):
        parts.append("可不填（null）")
    return "；".join(parts)


def _resolve(variant: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The definition behind a `$ref`, for enumerations."""
    reference = variant.get("$ref", "").removeprefix("#/$defs/")
    return schema["$defs"][reference] if reference else variant


def _choices(variant: dict[str, Any]) -> list[Any]:
    return variant.get("enum") or [variant[key] for key in ("const",) if key in variant]


def _scalar(value: Any) -> str:
    """A value as YAML flow text, which JSON is."""

    def plain(item: Any) -> Any:
        return item.value if isinstance(item, Enum) else str(item)

    return json.dumps(value, ensure_ascii=False, default=plain)
