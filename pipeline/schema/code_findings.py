"""What is told of codes at intake: not in their table, known to be outside it, read otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import Severity
from pipeline.schema.codes import CodeTable
from pipeline.schema.columns import object_values
from pipeline.schema.fields import FIELDS
from pipeline.schema.normalise import is_known_land_class, plain_number
from pipeline.schema.problems import Problem, row_problems
from pipeline.schema.raw_layer import RawColumn
from pipeline.schema.source_mapping import Delivery

UNKNOWN_KIND = "unknown"
"""Change kind of an issued patch whose own kind says nothing (DESIGN §5)."""

MAX_TEXTS = 8
"""Different texts written out in one sentence."""


def unlisted_codes(delivery: Delivery, name: str, values: NDArray[np.object_]) -> list[Problem]:
    """Land classes and planning zones outside their tables are kept and told.

    Those that the table lists as ignored are told once with their number, all others by row.
    """
    if name not in ("land_class_code", "zone_code"):
        return []
    table = delivery.codes.tables[name]
    known = {code: code is None or _is_listed(name, code, table) for code in set(values)}
    outside = np.array([not known[code] for code in values], bool)
    is_ignored = np.array([code is not None and table.is_ignored(code) for code in values], bool)
    problems = _ignored_codes(delivery, name, values, np.flatnonzero(outside & is_ignored))
    template = delivery.problem(
        "N-LAYER-CODE",
        f"{FIELDS[name].label_zh}不在代码表 configs/codes/{table.name}.csv 中，"
        "原样保留，按未分类处理。",
        advice="核对源数据；确有此代码时请补进代码表（只想不再逐条提示的，该行 is_ignored 写 1）。",
        severity=Severity.NOTICE,
    )
    positions = np.flatnonzero(outside & ~is_ignored)
    return problems + at_rows(delivery, template, positions, [str(v) for v in values[positions]])


def _is_listed(name: str, code: str, table: CodeTable) -> bool:
    return is_known_land_class(code, table) if name == "land_class_code" else code in table.labels


def _ignored_codes(
    delivery: Delivery, name: str, values: NDArray[np.object_], positions: NDArray[np.int64]
) -> list[Problem]:
    template = delivery.problem(
        "N-CODE-IGNORED",
        f"{FIELDS[name].label_zh}（{name}）有代码表登记过的表外代码，原样保留，按未分类处理。",
        allowed=f"configs/codes/{delivery.codes.tables[name].name}.csv 中的代码",
        advice="不影响运行；要归入某一类的，在代码表里补上它的大类，并去掉 is_ignored。",
        severity=Severity.NOTICE,
    )
    return _counted(delivery, template, positions, [str(values[p]) for p in positions])


def fixed_codes(
    delivery: Delivery,
    name: str,
    column: RawColumn,
    values: NDArray[np.object_],
    told: Mapping[str, str],
) -> list[Problem]:
    """Codes that were read otherwise than they are written because zeros had gone (`1` → `01`).

    `told` are the texts that the mapping itself gives a value for: those are no repairs of ours.
    """
    if name not in delivery.codes.tables and name not in ("land_class_code", "tblx"):
        return []
    is_fixed = {text: _lost_zeros(text, told) for text in pd.unique(column.values)}
    positions = np.array(
        [
            n
            for n, (text, value) in enumerate(zip(column.values, values, strict=True))
            if value is not None
            and (bare := is_fixed[text]) is not None
            and bare != value
            and bare.lstrip("0") == value.lstrip("0")
        ],
        np.int64,
    )
    template = delivery.problem(
        "N-CODE-FIXED",
        f"{FIELDS[name].label_zh}（{name}）丢了或多了前面的 0，按代码表改读。",
        allowed=f"configs/codes/{_table_name(delivery, name)}.csv 中的代码",
        advice="抽看几行是否改对；请提供单位按文本保存代码，不要按数字保存。",
        severity=Severity.NOTICE,
    )
    changes = [f"{column.values[p]} → {values[p]}" for p in positions]
    return _counted(delivery, template, positions, changes)


def _table_name(delivery: Delivery, name: str) -> str:
    return delivery.codes.tables["change_kind" if name == "tblx" else name].name


def _lost_zeros(text: str | None, told: Mapping[str, str]) -> str | None:
    """The digits of a code that is written as a number; None for every other text."""
    if text is None or text.strip() in told:
        return None
    bare = plain_number(text.strip())
    return bare if bare.isdigit() and bare.isascii() else None


def _counted(
    delivery: Delivery, template: Problem, positions: NDArray[np.int64], texts: list[str]
) -> list[Problem]:
    """One problem for all these rows, at the first of them, with how often each text occurs."""
    if not len(positions):
        return []
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    named = [f"{text}（{n} 行）" for text, n in list(counts.items())[:MAX_TEXTS]]
    more = f" 等 {len(counts)} 种" if len(counts) > MAX_TEXTS else ""
    (place,) = delivery.places(positions[:1])
    return [
        replace(
            template,
            row=int(delivery.raw.rows[positions[0]]),
            value="、".join(named) + more,
            count=len(positions),
            place=place,
        )
    ]


def kinds_from_tblx(
    delivery: Delivery, tblx: pd.Series[Any]
) -> tuple[NDArray[np.object_], list[Problem]]:
    """Change kind of issued patches by their TBLX; "unknown" where that is NULL or not listed."""
    kinds = delivery.codes.kind_of_tblx
    texts = object_values(tblx)
    values = np.array([kinds.get(text, UNKNOWN_KIND) for text in texts], dtype=object)
    positions = np.flatnonzero([text is not None and text not in kinds for text in texts])
    template = delivery.problem(
        "N-LAYER-CODE",
        "下发图斑类型（TBLX）不在代码表 configs/codes/change_kind.csv 中，变化类型按未定处理。",
        allowed="、".join(sorted(kinds)),
        advice="在映射的 values: tblx 里写明这个取值对应哪个类型。",
        severity=Severity.NOTICE,
    )
    return values, at_rows(delivery, template, positions, [str(v) for v in texts[positions]])


def at_rows(
    delivery: Delivery, template: Problem, positions: NDArray[np.int64], values: list[str]
) -> list[Problem]:
    """The template for every one of these rows, at its place."""
    return row_problems(
        template,
        delivery.raw.rows[positions],
        values,
        lambda listed: delivery.places(positions[listed]),
    )
