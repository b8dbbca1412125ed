"""A delivered table with its mapping, and whether the mapping's names are there."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import Severity
from pipeline.schema.codes import CodeTable
from pipeline.schema.fields import FIELDS
from pipeline.schema.headers import fold, match_header
from pipeline.schema.layer import LayerSpec
from pipeline.schema.messages import suggest
from pipeline.schema.problems import Place, Problem
from pipeline.schema.raw_layer import RawColumn, RawLayer
from pipeline.schema.reference import AREA_FIELD, REQUIRED_VALUES

POINT_COLUMNS = ("x", "y")
"""Keys of a mapping that name the coordinate columns of a table of points."""

Places = Callable[[NDArray[np.int64]], list[Place | None]]
"""Places of features by their positions in the layer."""


class FieldMapping(Protocol):
    """How a delivered table's fields are called: what `config.models.LayerSource` says of them."""

    @property
    def fields(self) -> Mapping[str, str]:
        """Core field → source field."""

    @property
    def constants(self) -> Mapping[str, str]:
        """Core field → one value for all."""

    @property
    def values(self) -> Mapping[str, Mapping[str, str]]:
        """Core field → source value → core value."""

    @property
    def units(self) -> Mapping[str, Any]:
        """Core area field → its unit in the source."""

    @property
    def vintage(self) -> datetime.date | None:
        """Date that the whole file describes."""


@dataclass(frozen=True)
class Codes:
    """The code tables that values are checked against, and TBLX → change kind."""

    tables: Mapping[str, CodeTable]
    """By field name."""
    kind_of_tblx: Mapping[str, str]


@dataclass(frozen=True)
class Delivery:
    """One source of one layer while its values are taken over."""

    spec: LayerSpec
    raw: RawLayer
    mapping: FieldMapping
    codes: Codes
    places: Places

    def problem(self, code: str, what: str, **texts: Any) -> Problem:
        """A problem of this layer and file."""
        return Problem(code, what, self.spec.name, self.raw.file, **texts)


def kinds_by_tblx(table: CodeTable) -> dict[str, str]:
    """TBLX → change kind; a TBLX of several kinds belongs to the finest, which has fewest."""
    listed = {code: json.loads(columns["tblx"]) for code, columns in table.attributes.items()}
    coarse_first = sorted(listed, key=lambda code: -len(listed[code]))
    return {tblx: code for code in coarse_first for tblx in listed[code]}


def check_keys(delivery: Delivery) -> list[Problem]:
    """Mapping keys that are no fields of the layer, and required fields that are not mapped."""
    spec, mapping = delivery.spec, delivery.mapping
    allowed = list(dict.fromkeys([*spec.fields, *_checked_only(spec)]))
    problems = []
    for group, keys in (
        ("fields", mapping.fields),
        ("constants", mapping.constants),
        ("values", mapping.values),
        ("units", mapping.units),
    ):
        for key in sorted(set(keys) - set(allowed)):
            problems.append(
                delivery.problem(
                    "E-CONFIG-VALUE",
                    f"映射 {group} 里的“{key}”不是本图层的字段。",
                    value=key,
                    allowed="、".join(allowed),
                    advice=suggest(key, allowed) or "用列出的字段名。",
                )
            )
    for name in sorted(REQUIRED_VALUES.get(spec.name, frozenset()) - mapped_fields(delivery)):
        label = FIELDS[name].label_zh
        problems.append(
            delivery.problem(
                "E-LAYER-FIELD",
                f"没有映射必填字段 {name}（{label}）。",
                allowed=_headers(delivery.raw),
                advice=f"在县配置该图层的 fields 里写 {name}: 源字段名；"
                f"全图层同一个值时写在 constants 里。",
            )
        )
    return problems


def _checked_only(spec: LayerSpec) -> tuple[str, ...]:
    """Keys of a mapping that are read beside the layer's own fields."""
    return {"Point": POINT_COLUMNS, "MultiPolygon": (AREA_FIELD,)}.get(str(spec.geometry), ())


def mapped_fields(delivery: Delivery) -> frozenset[str]:
    """Core fields that the mapping gives a source or a constant for."""
    return frozenset(delivery.mapping.fields) | frozenset(delivery.mapping.constants)


def _headers(raw: RawLayer) -> str:
    return f"源文件的字段：{'、'.join(raw.columns) or '（没有属性字段）'}"


def find_column(delivery: Delivery, name: str) -> tuple[RawColumn | None, list[Problem]]:
    """The source column that the mapping names for `name`."""
    wanted, raw = delivery.mapping.fields[name], delivery.raw
    found = match_header(wanted, raw.columns)
    if len(found) == 1:
        cut = [] if fold(found[0]) == fold(wanted) else [_cut_name(delivery, wanted, found[0])]
        return raw.columns[found[0]], cut
    code = "E-FIELD-AMBIGUOUS" if found else "E-LAYER-FIELD"
    if found:
        what = f"字段“{wanted}”在源文件里有几个可能的名字，分不清是哪个。"
        advice = "Shapefile 字段名被截断在 10 个字节；请在映射里照下列名字逐字写明。"
    else:
        what = f"源文件里没有字段“{wanted}”（映射给 {name} {FIELDS[name].label_zh}）。"
        advice = suggest(wanted, raw.columns) or "改正映射，或核对是否拿错了文件。"
    allowed = "、".join(found) or _headers(raw)
    return None, [delivery.problem(code, what, value=wanted, allowed=allowed, advice=advice)]


def _cut_name(delivery: Delivery, wanted: str, found: str) -> Problem:
    """A name that a dbf has cut at ten bytes, often inside a character, found all the same."""
    return delivery.problem(
        "N-FIELD-CUT",
        f"字段“{wanted}”在源文件里只剩开头“{found}”，按开头对应。",
        value=found,
        allowed=wanted,
        advice="Shapefile 字段名最多 10 个字节。核对是不是同一个字段；"
        f"是的，可在映射里直接写“{found}”，或请提供单位改用 GeoPackage。",
        severity=Severity.NOTICE,
    )
