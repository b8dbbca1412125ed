"""What earlier runs told of a patch's land (图斑沿革), as prompts; none changes the class."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.rules.screening.facts import EarlierLand
from pipeline.rules.screening.reasoning import Walk
from pipeline.rules.screening.wording import area_zh

STEP = "context"
SETTLED_STATES = ("lawful", "false_change")


def earlier_lands(rows: Iterable[Mapping[str, Any]]) -> dict[str, EarlierLand]:
    """`IDENTITY` rows, NULL as None, by patch id; none for land that nobody told of."""
    found = {}
    for row in rows:
        patches = row["earlier_patches"] or row["adjoining_patches"]
        if not patches:
            continue
        day = row["stop_notice_date"]
        found[str(row["patch_id"])] = EarlierLand(
            relation=row["lineage_relation"] or "adjoins",
            state=row["earlier_state"] or "open",
            patches=tuple(patches),
            is_continuing=bool(row["is_continuing"]),
            is_grown=bool(row["is_grown"]),
            grown_m2=row["grown_m2"],
            has_stop_notice=bool(row["has_stop_notice"]),
            stop_notice_no=row["stop_notice_no"],
            stop_notice_date=None if day is None else datetime.date.fromisoformat(day),
            is_regularising=bool(row["is_regularising"]),
        )
    return found


def add_earlier_prompts(walk: Walk) -> None:
    """Say what the land was, whether it grew, and whether works that were to stop go on."""
    land = walk.facts.earlier
    if land is None:
        return
    named = "、".join(land.patches)
    state = walk.label("earlier_state", land.state)
    if land.relation == "adjoins":
        walk.say(STEP, f"紧靠前期图斑 {named}（{state}），不是同一块地。")
    elif land.is_continuing:
        walk.flags.add("continuing")
        relation = walk.label("lineage_relation", land.relation)
        text = f"前期图斑 {named}{state}，本期继续（{relation}），沿用原来的沿革，不作新图斑。"
        walk.say(STEP, text)
    else:
        if land.state in SETTLED_STATES:
            walk.flags.add("settled_before")
        walk.say(STEP, f"所在地块有前期图斑 {named}，{state}。")
    if land.is_grown and land.grown_m2 is not None:
        walk.flags.add("grown")
        walk.say(STEP, f"超出以往范围约 {area_zh(land.grown_m2)}。")
    _resumption(walk, land)


def _resumption(walk: Walk, land: EarlierLand) -> None:
    """Growth after a notice to stop, or before what is being regularised is approved."""
    day, after = land.stop_notice_date, walk.facts.after_date
    is_too_late = None not in (day, after) and day >= after  # type: ignore[operator]
    causes = []
    if land.has_stop_notice and not is_too_late:
        when = "日期不详" if day is None else day.isoformat()
        causes.append(f"已下达制止文书（{land.stop_notice_no or '文号不详'}，{when}）")
    if land.is_regularising:
        causes.append("正在补办手续")
    if not causes or walk.facts.is_construction is False:
        return
    cause = "、".join(causes)
    if land.is_grown or land.relation == "adjoins":
        what = "紧邻处又有新的变化" if land.relation == "adjoins" else "范围扩大"
        walk.prompt(STEP, "suspected_resumption", f"前期图斑{cause}，本期{what}，疑似复工。")
    else:
        walk.say(STEP, f"前期图斑{cause}，本期仍有变化，请核实是否复工。")
