"""What all forms share: columns titled by the register of fields, rows in readable words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.delivery.delivered import Vocabulary
from pipeline.delivery.sheets import Column, Kind, Value
from pipeline.delivery.styles import alias
from pipeline.schema.fields import FIELDS

CLUE_ZH = "图斑只是问题线索，“疑似”和“程序初判”不是认定结论；以实地核查和县局签署的意见为准。"
YES_NO_ZH = ("是", "否")

ColumnPlan = tuple[str, Kind, float, str | None]
"""Field name, how it is shown, width in characters, list of its drop-down."""


def locked_columns(columns: Iterable[tuple[str, Kind, float]]) -> list[Column]:
    """Columns that the program fills in; areas are summed."""
    return [
        Column(name, alias(FIELDS[name]), kind, width, is_summed=kind in ("mu", "m2"))
        for name, kind, width in columns
    ]


def open_columns(plan: Iterable[ColumnPlan], free: Iterable[str] = ()) -> list[Column]:
    """Columns that people fill in; `free` ones also take what is not in their drop-down."""
    anything = frozenset(free)
    return [
        Column(name, alias(FIELDS[name]), kind, width, True, choices, name not in anything)
        for name, kind, width, choices in plan
    ]


def form_row(
    record: Mapping[Any, Any], columns: Sequence[Column], vocabulary: Vocabulary
) -> dict[str, Value]:
    """The cells of one record in the words of the form."""
    return {
        column.key: form_value(record.get(column.key), column.key, vocabulary)
        for column in columns
        if column.key in record
    }


def form_value(value: Any, name: str, vocabulary: Vocabulary) -> Value:
    """A value as the form shows it: labels for codes, 是 and 否, None for NULL."""
    if pd.isna(value):
        return None
    if name in FIELDS and FIELDS[name].dtype == "boolean":
        return YES_NO_ZH[0] if bool(value) else YES_NO_ZH[1]
    if isinstance(value, str):
        return vocabulary.labels(name).get(value, value)
    return int(value) if FIELDS[name].dtype == "integer" else float(value)


def line_of_the_run(heading: Mapping[str, str]) -> str:
    """The line under the title of a form of the bureau."""
    period = heading["period"] or "—"
    return f"期次：{period}　运行编号：{heading['package_id']}　密级：{heading['secrecy']}"
