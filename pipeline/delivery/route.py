"""The day plan (核查路线) in words: a sheet, its CSV, lines of the readme, a line of a card.

Pure: stops as plain rows in, texts out. The plan is an order of visits, never a finding.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from pipeline.delivery.delivered import Vocabulary
from pipeline.delivery.form_columns import form_row, locked_columns
from pipeline.delivery.sheets import Kind, ListSheet

ASSUMED_ZH = "示例口径，待上级文件确认"
SHEET_ZH = "核查路线"

_COLUMNS: tuple[tuple[str, Kind, float], ...] = (
    ("visit_day", "integer", 8),
    ("visit_order", "integer", 8),
    ("patch_id", "id", 20),
    ("issued_id", "id", 20),
    ("village_name", "text", 14),
    ("suspected_class", "text", 16),
    ("priority", "integer", 9),
    ("priority_parts_zh", "long", 40),
    ("due_date", "text", 12),
    ("area_mu", "mu", 10),
    ("leg_m", "integer", 12),
    ("center_lon", "degree", 13),
    ("center_lat", "degree", 13),
)


@dataclass(frozen=True)
class DayPlan:
    """One township's plan."""

    rows: tuple[Mapping[str, Any], ...]
    """Rows of STOPS, in the order of the visits."""
    day_lengths_m: tuple[float, ...]
    """Round trip of each day, straight lines."""
    per_day: int
    starts_at_seat: bool
    """Whether the days begin at the stated seat; else in the middle of the township's land."""
    issued_on: datetime.date | None
    is_assumed: bool
    """Whether the number of patches a day rests on no document."""

    @property
    def n_days(self) -> int:
        """Days that one team needs."""
        return len(self.day_lengths_m)


def place_line(plan: DayPlan, patch_id: str) -> str:
    """When a patch is visited: 第1天第3站."""
    found = next(row for row in plan.rows if row["patch_id"] == patch_id)
    return f"第{found['visit_day']}天第{found['visit_order']}站（共{plan.n_days}天）"


def plan_notes(plan: DayPlan) -> tuple[str, ...]:
    """How the plan was made, and whether one team gets through in time."""
    start = "乡镇政府驻地" if plan.starts_at_seat else "本乡镇范围中部（未提供驻地）"
    assumed = f"（{ASSUMED_ZH}）" if plan.is_assumed else ""
    return (
        f"{len(plan.rows)} 个图斑，一个组每天 {plan.per_day} 个{assumed}，分 {plan.n_days} 天，"
        f"每天从{start}出发并返回；距离为直线，仅供安排先后，可按实际调整。",
        "截止早、优先级高的先走，同一天就近排；每个图斑只排一次。" + _in_time(plan),
    )


def plan_lines(plan: DayPlan) -> list[str]:
    """One line a day: patches by their number on the map, in walking order."""
    lines = []
    for day, rows in groupby(plan.rows, key=lambda row: int(row["visit_day"])):
        numbers = [short_id(str(row["patch_id"])) for row in rows]
        length = plan.day_lengths_m[day - 1] / 1000
        lines.append(
            f"第{day}天　{len(numbers)} 个，全程直线约 {length:.1f} 公里：{' → '.join(numbers)}"
        )
    return lines


def plan_sheet(plan: DayPlan, table: pd.DataFrame, vocabulary: Vocabulary, title: str) -> ListSheet:
    """The plan as a locked sheet; `table` is the township's VERIFY layer."""
    columns = locked_columns(_COLUMNS)
    records = {row["patch_id"]: row for row in table.to_dict("records")}
    rows = [form_row({**records[row["patch_id"]], **row}, columns, vocabulary) for row in plan.rows]
    return ListSheet(SHEET_ZH, title, plan_notes(plan), columns, rows, frozen_columns=3)


def csv_rows(sheet: ListSheet) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the sheet as texts of a CSV."""
    places = {"mu": ".2f", "degree": ".6f", "integer": ".0f"}
    keys = [(column.key, places.get(column.kind)) for column in sheet.columns]
    body = [[_text(row.get(key), form) for key, form in keys] for row in sheet.rows]
    return [column.title for column in sheet.columns], body


def short_id(patch_id: str) -> str:
    """The running number inside a patch id, as on the map: 379999ZJ24000012_2 → 12_2."""
    return re.sub(r"^.{10}0*", "", patch_id)


def _text(value: Any, form: str | None) -> str:
    if value is None:
        return ""
    return str(value) if form is None or isinstance(value, str) else format(value, form)


def _in_time(plan: DayPlan) -> str:
    """Days between the issue and the last deadline, against the days one team needs."""
    due = [str(row["due_date"]) for row in plan.rows if not pd.isna(row["due_date"])]
    if plan.issued_on is None or not due:
        return ""
    most = max(_most_teams(plan, due), 1)
    days = (datetime.date.fromisoformat(max(due)) - plan.issued_on).days
    enough = "一个组走得完" if most == 1 else f"一个组走不完，至少要 {most} 个组"
    return f"下发后到反馈截止（{max(due)}）共 {days} 天（按日历日），{enough}。"


def _most_teams(plan: DayPlan, due: Sequence[str]) -> int:
    """Teams needed so that no deadline is missed: the most that any of them asks for."""
    assert plan.issued_on is not None
    teams = 1
    for date in sorted(set(due)):
        days = max((datetime.date.fromisoformat(date) - plan.issued_on).days, 1)
        until = sum(1 for one in due if one <= date)
        needed_days = -(-until // plan.per_day)
        teams = max(teams, -(-needed_days // days))
    return teams
