"""T01, T02 and T03: patches by state of the work, by signed judgement, by suspected class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.delivery.tables.layout import (
    OBSERVED_COLUMN,
    Frame,
    Plan,
    Split,
    lay_out,
    nothing_derived,
    row_key,
)
from pipeline.delivery.tables.table import (
    KEY_COLUMNS,
    PIECES,
    Cell,
    Column,
    Table,
    areas,
)
from pipeline.delivery.tables.tally import Item, Sum

Patch = Mapping[str, Any]
"""One row of `patches` in `statistics/county.gpkg`; NULL is None."""

UNJUDGED, UNJUDGED_ZH = "unjudged", "未判定"
VIOLATION, SUSPECTED = "new_violation", "suspected_violation"
JUDGEMENTS = (VIOLATION, "new_lawful", "other_use")
SIGNATURE = ("judgement", "judged_by", "reviewed_by", "judged_date")
KIND_RULE = "screening.primary_kind_order"
COUNTED = ("area", "new", "cultivated", "pbf", "reserve")
OF_WHICH_ZH = "永久基本农田、自然保护地面积为“其中”数，不与耕地等相加。"
COUNTED_ZH = "面积先取县局签署的认定面积，次取实测界址，再取图斑面积（未实测）。"
SUMS_ZH = "亩数合计为各图斑百分之一亩整数之和；㎡合计为未取整面积之和后取两位小数。"


def is_judged(patch: Patch) -> bool:
    """Whether the bureau has signed a judgement: judged, reviewed and dated."""
    return all(patch[name] for name in SIGNATURE)


def is_violation(patch: Patch) -> bool:
    """Whether the signed judgement is 违法用地."""
    return is_judged(patch) and patch["judgement"] == VIOLATION


def place(patch: Patch, *further: str) -> str:
    """Key of the row to which a patch counts."""
    return row_key(patch["township_code"], patch["source_group"], *further)


def area_items(patch: Patch, row: str, kinds: Iterable[str], prefix: str = "") -> Iterator[Item]:
    """Areas of a patch, in 亩 and ㎡."""
    patch_id = patch["patch_id"]
    for kind in kinds:
        yield Item(row, f"{kind}_mu", "patch", patch_id, patch[f"{prefix}{kind}_mu100"])
        yield Item(row, f"{kind}_m2", "patch", patch_id, patch[f"{prefix}{kind}_m2"])


def _one(row: str, column: str, patch: Patch) -> Item:
    return Item(row, column, "patch", patch["patch_id"], 1)


def patches_table(frame: Frame, patches: Sequence[Patch]) -> Table:
    """T01: how many patches there are, who has answered, what is judged."""
    plan = Plan(
        "T01",
        "T01_patches",
        "图斑核查进度表",
        (
            *KEY_COLUMNS,
            OBSERVED_COLUMN,
            Column("patches", "图斑个数", PIECES),
            Column("sent", "下发乡镇核查", PIECES),
            Column("withheld", "未下发乡镇", PIECES),
            Column("answered", "已核查", PIECES),
            Column("unanswered", "未核查", PIECES),
            Column("judged", "县局已判定", PIECES),
            Column("unjudged", "县局未判定", PIECES),
            *areas("area", "图斑面积"),
            *areas("cultivated", "其中耕地面积"),
            *areas("pbf", "其中永久基本农田面积"),
            Column("check_sent", "校核：图斑－下发－未下发", PIECES),
            Column("check_answered", "校核：下发－已核查－未核查", PIECES),
            Column("check_judged", "校核：图斑－已判定－未判定", PIECES),
        ),
        notes=(
            "面积为图斑面积，不是认定面积。未观测：该乡镇两期影像都看不到的土地上没有图斑，不等于没有变化。",
            "已核查：下发乡镇的图斑中，乡镇填表、审核、填表日期齐全并已接收的。",
            SUMS_ZH,
        ),
        fixed=frame.observed_cells(),
    )
    return lay_out(frame, plan, list(_progress_items(patches)), _progress_checks)


def _progress_items(patches: Iterable[Patch]) -> Iterator[Item]:
    for patch in patches:
        row = place(patch)
        yield _one(row, "patches", patch)
        yield _one(row, "sent" if patch["is_sent"] else "withheld", patch)
        if patch["is_sent"]:
            yield _one(row, "answered" if patch["filled_date"] else "unanswered", patch)
        yield _one(row, "judged" if is_judged(patch) else "unjudged", patch)
        yield from area_items(patch, row, ("area", "cultivated", "pbf"))


def _progress_checks(sums: Mapping[str, Sum]) -> dict[str, Cell]:
    n = {column: int(found.amount) for column, found in sums.items()}
    return {
        "check_sent": n["patches"] - n["sent"] - n["withheld"],
        "check_answered": n["sent"] - n["answered"] - n["unanswered"],
        "check_judged": n["patches"] - n["judged"] - n["unjudged"],
    }


def judged_table(frame: Frame, patches: Sequence[Patch], labels: Mapping[str, str]) -> Table:
    """T02: counted areas by the judgement that the bureau has signed."""
    split = {code: labels[code] for code in JUDGEMENTS} | {UNJUDGED: UNJUDGED_ZH}
    plan = Plan(
        "T02",
        "T02_judged",
        "合法性判定汇总表",
        (
            *KEY_COLUMNS,
            OBSERVED_COLUMN,
            Column("judgement", "合法性判定（县局签署）", width=19.0),
            Column("patches", "图斑个数", PIECES),
            Column("unmeasured", "其中未实测", PIECES),
            *areas("area", "计入面积"),
            *areas("new", "其中新增建设用地"),
            *areas("cultivated", "其中耕地"),
            *areas("pbf", "其中永久基本农田"),
            *areas("reserve", "其中自然保护地"),
        ),
        Split("judgement", split),
        notes=(COUNTED_ZH, "只有判定人、审核人、判定日期齐全的判定才计入。", OF_WHICH_ZH, SUMS_ZH),
        fixed=frame.observed_cells(),
    )
    return lay_out(frame, plan, list(_judged_items(patches)), nothing_derived)


def _judged_items(patches: Iterable[Patch]) -> Iterator[Item]:
    for patch in patches:
        row = place(patch, patch["judgement"] if is_judged(patch) else UNJUDGED)
        yield _one(row, "patches", patch)
        if not patch["is_measured"]:
            yield _one(row, "unmeasured", patch)
        yield from area_items(patch, row, COUNTED, "counted_")


def suspected_table(
    frame: Frame,
    patches: Sequence[Patch],
    labels: Mapping[str, Mapping[str, str]],
    assumption: Callable[[str], tuple[str, ...]],
) -> Table:
    """T03: patches by what the program suspects; `labels` by code table.

    `assumption` gives the lines to print for a rule that is an assumption, none otherwise.
    """
    kinds = labels["violation_kind"]
    plan = Plan(
        "T03",
        "T03_suspected",
        "疑似分类汇总表",
        (
            *KEY_COLUMNS,
            OBSERVED_COLUMN,
            Column("suspected_class", "疑似分类（程序初判）", width=21.0),
            Column("patches", "图斑个数", PIECES),
            *areas("area", "图斑面积"),
            *areas("cultivated", "其中耕地"),
            *areas("pbf", "其中永久基本农田"),
            *(
                Column(f"kind_{code}", f"情形{code} {label}", PIECES)
                for code, label in kinds.items()
            ),
            Column("kind_none", "未归入情形", PIECES),
        ),
        Split("suspected_class", labels["suspected_class"], is_sparse=True),
        notes=(
            "疑似分类是程序根据影像和图层给出的线索，不是认定；没有图斑的类别不列。",
            "主要情形只统计疑似违法的图斑，一个图斑计一个主要情形。",
            SUMS_ZH,
        ),
        assumptions=assumption(KIND_RULE),
        rule_ids=(KIND_RULE,),
        fixed=frame.observed_cells(),
    )
    table = lay_out(frame, plan, list(_suspected_items(patches, kinds)), nothing_derived)
    return _without_kinds(table)


def _suspected_items(patches: Iterable[Patch], kinds: Mapping[str, str]) -> Iterator[Item]:
    for patch in patches:
        row = place(patch, patch["suspected_class"])
        yield _one(row, "patches", patch)
        yield from area_items(patch, row, ("area", "cultivated", "pbf"))
        if patch["suspected_class"] == SUSPECTED:
            kind = patch["primary_kind"]
            yield _one(row, f"kind_{kind}" if kind in kinds else "kind_none", patch)


def _without_kinds(table: Table) -> Table:
    """Other classes have no primary kind: nothing stands there, not zero."""

    def blanked(row: Mapping[str, Cell], key: str) -> Mapping[str, Cell]:
        if key.endswith(f"|{SUSPECTED}"):
            return row
        return {k: None if k.startswith("kind_") else cell for k, cell in row.items()}

    return replace(
        table,
        rows=[blanked(row, key) for row, key in zip(table.rows, table.row_keys, strict=True)],
        totals=[blanked(row, key) for row, key in zip(table.totals, table.total_keys, strict=True)],
    )
