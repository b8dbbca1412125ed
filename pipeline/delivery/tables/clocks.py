"""T10: what was due by when, done in time, late, or still open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.delivery.tables.layout import Frame, Plan, Split, lay_out, row_key
from pipeline.delivery.tables.table import KEY_COLUMNS, PIECES, Cell, Column, Table
from pipeline.delivery.tables.tally import Item, Sum

Duty = Mapping[str, Any]
"""Fields of `rules.books.clocks.Obligation`."""
STATES = {
    "on_time": "按时完成",
    "late": "逾期完成",
    "open_overdue": "未完成已到期",
    "open_not_due": "未完成未到期",
    "unknown": "无法判断",
}


def clocks_table(
    frame: Frame,
    duties: Sequence[Duty],
    labels: Mapping[str, str],
    assumptions: tuple[str, ...],
    rule_ids: tuple[str, ...],
) -> Table:
    """T10; `labels` by clock."""
    plan = Plan(
        "T10",
        "T10_clocks",
        "时限执行情况表",
        (
            *KEY_COLUMNS,
            Column("clock", "时限", width=12.0),
            Column("due", "应完成", PIECES),
            *(Column(state, label, PIECES) for state, label in STATES.items()),
            Column("check", "校核：应完成－各项", PIECES),
        ),
        Split("clock", labels),
        notes=(
            "乡镇核查按下发乡镇的图斑计；在建制止、未停工立案、处罚决定由现场情况、制止文书、立案起算，"
            "按疑似违法等未判定的和县局签署的违法用地图斑计；其余按县局签署的违法用地图斑计。",
            "起算日不计，按日历日，到期日当日完成为按时。逐个图斑见 county.gpkg 的 clocks 表。",
            "未定统计截止日期、没有到期日或完成日期未填的为无法判断。",
        ),
        assumptions=assumptions,
        rule_ids=rule_ids,
    )
    return lay_out(frame, plan, list(_items(duties)), _check)


def _items(duties: Sequence[Duty]) -> Iterator[Item]:
    for duty in duties:
        row = row_key(duty["unit_code"], duty["source_group"], duty["clock"])
        yield Item(row, "due", "patch", duty["patch_id"], 1)
        yield Item(row, duty["state"], "patch", duty["patch_id"], 1)


def _check(sums: Mapping[str, Sum]) -> dict[str, Cell]:
    left = sums["due"].amount - sum(sums[state].amount for state in STATES)
    return {"check": int(left)}
