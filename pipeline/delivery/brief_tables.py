"""The tables of the brief: chosen rows and columns of the books, in print."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from pipeline.delivery.brief_books import (
    DETECTED,
    OUTSIDE_CODE,
    UNKNOWN,
    Books,
    TableRow,
    amount,
    count,
    shown,
    summed,
    text_of,
)
from pipeline.delivery.brief_content import BriefTable, Cell, Column, Row, Tone

RANKED_ROWS = 13
NOTED = 3
"""So many townships are named in a note; more are counted."""
LINKED_ROWS = 8
WARNING, NOT_COMPUTABLE = "预警", "无法计算"
REACHED, NOT_REACHED = "达到", "未达到"
VIOLATION = "违法用地"

RANKING: tuple[tuple[str, str, str, float], ...] = (
    ("T01", "patches", "图斑 （个）", 1.0),
    ("T01", "answered", "已反馈 （个）", 1.0),
    ("T01", "judged", "已判定 （个）", 1.0),
    ("T04", "violations", "违法用地 （图斑）", 1.15),
    ("T04", "cases", "违法用地 （宗）", 1.1),
    ("T04", "area_mu", "违法用地 面积 （亩）", 1.3),
    ("T04", "cultivated_mu", "其中耕地 （亩）", 1.25),
    ("T02", "pbf_mu", "其中永久 基本农田 （亩）", 1.35),
    ("T04", "unrectified_mu", "尚未整改 （亩）", 1.25),
    ("T04", "rectification_rate", "整改 到位率 （%）", 1.2),
    ("T01", "observed_ratio", "可观测 （%）", 1.15),
)
"""Table, column, printed heading and width of the ranking."""
LINKAGE: tuple[tuple[str, str, float], ...] = (
    ("base_before_mu", "核减前 基数", 1.05),
    ("base_after_mu", "核减后 基数", 1.05),
    ("base_pbf_after_mu", "其中永久 基本农田", 1.3),
    ("deduction_before_mu", "核减前 测算扣减", 1.3),
    ("deduction_after_mu", "核减后 测算扣减", 1.3),
    ("quota_deducted_mu", "上级扣减 分摊", 1.26),
    ("quota_closing_mu", "指标 结存", 1.25),
)
RATIO: tuple[tuple[str, str], ...] = (
    ("violation_cultivated_mu", "违法占用耕地（亩）"),
    ("denominator_cultivated_mu", "新增建设占用耕地（亩）"),
    ("cultivated_ratio", "违法占用耕地比例（%）"),
    ("net_cultivated_ratio", "　　核减后（%）"),
    ("new_ratio", "违法占地比例（%）"),
    ("net_new_ratio", "　　核减后（%）"),
    ("unrectified_area_ratio", "未整改占违法用地（%）"),
)
CLOCKS: tuple[tuple[str, str], ...] = (
    ("due", "应 完成"),
    ("on_time", "按时 完成"),
    ("late", "逾期 完成"),
    ("open_overdue", "到期 未完成"),
    ("open_not_due", "未 到期"),
    ("unknown", "无法 判断"),
)
READINGS = (("reading", "是否达到对照线"), ("net_reading", "　　核减后"))
CAPPED = "超过上限"
"""What T05 remarks on a township whose sum is cut to its quota."""
PERIODS = ("本期", "年度累计")


def by_amount(rows: dict[str, TableRow], key: str) -> list[str]:
    """Unit codes by falling amount, equals by code; 未落入乡镇 after the townships."""
    return sorted(
        rows,
        key=lambda code: (code == OUTSIDE_CODE, -(amount(rows[code], key) or Decimal(0)), code),
    )


def ranking(books: Books) -> BriefTable:
    """Townships by the area of signed 违法用地, 下发."""
    tables = {
        "T01": books.rows("T01"),
        "T02": books.rows("T02", judgement=VIOLATION),
        "T04": books.rows("T04"),
    }
    order = by_amount(tables["T04"], "area_mu")

    def cells(codes: Sequence[str]) -> list[Cell]:
        return [
            _cell(_value([tables[table].get(code, {}) for code in codes], key))
            for table, key, _, _ in RANKING
        ]

    rows = _ranked(books, order, RANKED_ROWS, cells)
    for group, name in (("下发", "下发合计（上报口径）"), (DETECTED, "自主提取合计（参照）")):
        found = {
            "T01": books.total("T01", group),
            "T02": books.total("T02", group, judgement=VIOLATION),
            "T04": books.total("T04", group),
        }
        texts = [text_of(found[table], key) for table, key, _, _ in RANKING]
        tone: Tone = "" if group == "下发" else "soft"
        rows.append(Row((Cell(name, tone), *(Cell(text, tone) for text in texts)), is_total=True))
    columns = (
        Column("乡镇（街道、开发区）", 2.3, is_number=False),
        *(Column(label, share) for _, _, label, share in RANKING),
    )
    note = "按违法用地面积排序，基数为第一列的图斑；违法用地以县局已签署的判定为准。"
    return BriefTable("各乡镇情况（下发图斑，上报口径）", columns, tuple(rows), note)


def linkage(books: Books) -> BriefTable:
    """增违挂钩: what counts before and after netting, and what it comes to."""
    found = books.rows("T05")
    order = [code for code in by_amount(found, "base_before_mu") if code != OUTSIDE_CODE]

    def cells(codes: Sequence[str]) -> list[Cell]:
        return [_cell(_value([found[code] for code in codes], key)) for key, _, _ in LINKAGE]

    rows = _ranked(books, order, LINKED_ROWS, cells)
    total = books.total("T05")
    texts = [text_of(total, key) for key, _, _ in LINKAGE]
    rows.append(Row((Cell("下发合计"), *(Cell(text) for text in texts)), is_total=True))
    year = next((str(row["target_year"]) for row in found.values() if row.get("target_year")), "")
    columns = (
        Column("单位：亩", 1.85, is_number=False),
        *(Column(label, share) for _, label, share in LINKAGE),
    )
    title = f"增违挂钩：测算扣减 {year} 年度指标" if year else "增违挂钩：测算扣减"
    return BriefTable(title, columns, tuple(rows), _linkage_note(found, order))


def _linkage_note(found: Mapping[str, TableRow], order: Sequence[str]) -> str:
    """Why what is worked out is not the base: netting, cap, doubling."""
    rows = [found[code] for code in order]
    capped = [row for row in rows if row.get("is_capped") == "是" or _is_cut(row)]
    doubled = [row for row in rows if (amount(row, "multiplier") or 1) != 1]
    parts = ["核减的是已整改并验收的面积"]
    for those, words in (
        (capped, "的测算超过本单位指标，按指标封顶"),
        (doubled, "上年也有扣减，测算加倍"),
    ):
        names = [str(row["unit_name"]) for row in those]
        told = "、".join(names) if len(names) <= NOTED else f"{len(names)} 个乡镇"
        if names:
            parts.append(f"{told}{words}")
    return "；".join([*parts, "指标结存的合计含县本级"]) + "。"


def _is_cut(row: TableRow) -> bool:
    return CAPPED in str(row.get("remark") or "")


def ratio(books: Books) -> BriefTable:
    """The county's ratios, this period and the year so far."""
    found = {
        row["period"]: row for row in books.tables["T06"]["rows"] if len(row["unit_code"]) == 6
    }
    rows = [
        Row((Cell(label), *(_cell(text_of(found.get(period, {}), key)) for period in PERIODS)))
        for key, label in RATIO
    ]
    for key, label in READINGS:
        cells = (reading_cell(text_of(found.get(period, {}), key)) for period in PERIODS)
        rows.append(Row((Cell(label), *cells), is_total=True))
    columns = (
        Column("全县（下发）", 1.75, is_number=False),
        Column(PERIODS[0], 1.4),
        Column(PERIODS[1], 1.4),
    )
    line = ratio_line(books)
    title = f"违法占用耕地比例（对照线 {line}%）" if line else "违法占用耕地比例"
    return BriefTable(title, columns, tuple(rows), _township_ratios(books))


def ratio_line(books: Books) -> str:
    """The line of the ratio, in percent, as printed; empty if no rule is in force."""
    lines = (row.get("threshold") for row in books.tables["T06"]["rows"])
    return next((f"{float(line):g}" for line in lines if line is not None), "")


def _township_ratios(books: Books) -> str:
    rows = [
        row
        for row in books.tables["T06"]["rows"]
        if len(row["unit_code"]) != 6 and row["period"] == PERIODS[1]
    ]
    known = [row for row in rows if amount(row, "cultivated_ratio") is not None]
    unknown = len(rows) - len(known)
    parts = ["未达到对照线不等于免责"]
    if known:
        top = max(known, key=lambda row: (amount(row, "cultivated_ratio"), row["unit_code"]))
        value = text_of(top, "cultivated_ratio")
        parts.append(f"乡镇比例只作参照，最高{top['unit_name']} {value}%")
    if unknown:
        parts.append(f"{unknown} 个乡镇无法计算")
    return "；".join(parts) + "。"


def clocks(books: Books) -> BriefTable:
    """How many duties were met in time, county totals of 下发."""
    rows = []
    for row in books.totals("T10"):
        cells = [Cell(str(row["clock"]))]
        for key, _ in CLOCKS:
            is_alert = key == "open_overdue" and count(row, key) > 0
            cells.append(Cell(text_of(row, key), "alert" if is_alert else ""))
        rows.append(Row(tuple(cells)))
    columns = (
        Column("时限 （图斑，个）", 1.8, is_number=False),
        *(Column(label, 1.0) for _, label in CLOCKS),
    )
    return BriefTable("时限执行", columns, tuple(rows))


def _ranked(
    books: Books, order: Sequence[str], most: int, cells: Callable[[Sequence[str]], list[Cell]]
) -> list[Row]:
    """One row a township; those after `most` share one row, so that the page is never longer."""
    names = {unit.code: unit.name for unit in books.units()}
    shown_codes = list(order) if len(order) <= most else list(order[: most - 1])
    rest = order[len(shown_codes) :]
    rows = [Row((Cell(names.get(code, code)), *cells([code]))) for code in shown_codes]
    if rest:
        rows.append(Row((Cell(f"其余 {len(rest)} 个", "soft"), *cells(rest))))
    return rows


def _value(rows: Sequence[TableRow], key: str) -> str:
    if len(rows) == 1:
        return text_of(rows[0], key)
    return UNKNOWN if key.endswith(("_ratio", "_rate")) else shown(summed(rows, key))


def _cell(text: str) -> Cell:
    is_word = text == UNKNOWN or not text.lstrip("-").replace(".", "").isdigit()
    return Cell(text, "soft" if is_word else "")


def reading_cell(label: str) -> Cell:
    """A reading as it stands in a table; what is reached stands out."""
    if label.startswith(WARNING) or is_reached(label):
        return Cell(label, "alert")
    return Cell(short_reading(label), "" if NOT_REACHED in label else "soft")


def short_reading(label: str) -> str:
    """Without the words that clear nobody: the note under the table says them for all."""
    return label.replace("（不等于免责）", "")


def is_reached(reading: str) -> bool:
    """Whether a reading says that the line is reached, whatever it says beside."""
    return REACHED in reading.replace(NOT_REACHED, "")
