"""The sentences of the brief. 违法用地 is said only of what the bureau has signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipeline.delivery.brief_books import (
    Books,
    TableRow,
    amount,
    count,
    text_of,
)
from pipeline.delivery.brief_content import KeyFigure, Masthead
from pipeline.delivery.brief_tables import (
    NOT_COMPUTABLE,
    PERIODS,
    REACHED,
    VIOLATION,
    is_reached,
    ratio_line,
    short_reading,
)

NAMED = 4
"""So many townships are named in a sentence; the others are counted."""
SEEN_WELL = Decimal(95)
"""Townships seen less than this share, in percent, are named. For the sentence only."""


@dataclass(frozen=True)
class BriefHead:
    """What the run says of itself; dates as ISO text, None where they were not given."""

    county: str
    period: str
    secrecy: str
    before_date: str | None
    after_date: str | None
    closes_on: str | None


def masthead(head: BriefHead) -> Masthead:
    """The head of the first page."""
    dates = "　".join(
        f"{name} {date or '未提供'}"
        for name, date in (("前时相", head.before_date), ("后时相", head.after_date))
    )
    closes = f"统计截止 {_date(head.closes_on)}" if head.closes_on else "统计截止日期未填写"
    return Masthead(
        secrecy=head.secrecy,
        title=f"{head.county}卫片执法情况简报",
        period=head.period,
        issuer=f"{head.county}自然资源局　卫片执法",
        as_of=closes,
        images=dates,
    )


def conclusion(books: Books, head: BriefHead) -> str:
    """What the quarter comes to, in one sentence."""
    first, fourth = books.total("T01"), books.total("T04")
    until = f"截至{_date(head.closes_on)}，" if head.closes_on else ""
    issued = count(first, "patches")
    seen = percent(text_of(books.total("T11"), "observed_ratio"))
    if not issued:
        return (
            f"{until}{head.period}没有下发图斑；全县可观测 {seen}，"
            "没有看到的地方不等于没有变化，没有图斑也不等于没有问题。"
        )
    sentence = (
        f"{until}{head.period}下发图斑 {issued} 个，乡镇反馈 {text_of(first, 'answered')} 个，"
        f"县局签署判定 {text_of(first, 'judged')} 个；"
    )
    if not count(fourth, "violations"):
        return f"{sentence}目前没有认定违法用地，尚有 {text_of(first, 'unjudged')} 个未判定。"
    pbf = text_of(books.total("T02", judgement=VIOLATION), "pbf_mu")
    return (
        f"{sentence}认定违法用地图斑 {text_of(fourth, 'violations')} 个"
        f"（{text_of(fourth, 'cases')} 宗）、{text_of(fourth, 'area_mu')} 亩，"
        f"其中耕地 {text_of(fourth, 'cultivated_mu')} 亩、永久基本农田 {pbf} 亩；"
        f"尚有 {text_of(fourth, 'unrectified_mu')} 亩未整改到位。"
    )


def key_figures(books: Books) -> tuple[KeyFigure, ...]:
    """Five figures for the first page."""
    second, fourth = books.total("T02", judgement=VIOLATION), books.total("T04")
    fifth, county = books.total("T05"), county_ratio(books)
    reading = str(county.get("reading") or NOT_COMPUTABLE)
    ratio = text_of(county, "cultivated_ratio")
    decided = decided_mu(books)
    told = f"上级已扣减 {decided} 亩" if decided else "上级扣减文件未提供"
    return (
        KeyFigure(
            "违法用地（下发，已签署）",
            text_of(fourth, "area_mu"),
            "亩",
            _counted(books.total("T01"), fourth),
        ),
        KeyFigure(
            "其中耕地",
            text_of(fourth, "cultivated_mu"),
            "亩",
            f"永久基本农田 {text_of(second, 'pbf_mu')} 亩",
        ),
        KeyFigure(
            "尚未整改到位",
            text_of(fourth, "unrectified_mu"),
            "亩",
            f"整改到位率 {percent(text_of(fourth, 'rectification_rate'))}",
            is_alert=(amount(fourth, "unrectified_mu") or 0) > 0,
        ),
        KeyFigure(
            "违法占用耕地比例（年度）",
            ratio,
            "%" if is_number(ratio) else "",
            with_line(books, county, "reading"),
            is_alert=is_reached(reading),
        ),
        KeyFigure("测算扣减指标（核减后）", text_of(fifth, "deduction_after_mu"), "亩", told),
    )


def _counted(first: TableRow, fourth: TableRow) -> str:
    """How many patches and cases; nothing found is no news while nothing is judged."""
    if not count(fourth, "violations") and count(first, "unjudged"):
        return f"还有 {count(first, 'unjudged')} 个图斑未判定"
    return f"图斑 {text_of(fourth, 'violations')} 个，{text_of(fourth, 'cases')} 宗"


def decided_mu(books: Books) -> str:
    """What the superior has deducted, as the ledger has it; empty if nothing."""
    total = books.total("T05")
    return text_of(total, "quota_deducted_mu") if amount(total, "quota_deducted_mu") else ""


def method(head: BriefHead) -> tuple[str, ...]:
    """How the figures came about, and what they are not good for."""
    return (
        f"图斑由两期影像（{head.before_date or '日期未提供'}、{head.after_date or '日期未提供'}）"
        "比对和上级下发得到，是线索；本程序只写疑似，违法用地以县局签署的判定为准。",
        "面积为椭球面积，1 亩＝2000/3 平方米；依次取县局认定、实测界址、图斑面积，"
        "达线与否按未舍入的平方米比较。",
        "宗数按案件计；没有案件的图斑各计 1 宗。整改只计已验收的。",
        "季度比例为进度参考，年度按图斑沿革合并，不是各季之和；每个数都可追溯到图斑和规则。",
    )


def signature_labels() -> tuple[str, ...]:
    """Who signs."""
    return ("编制", "审核", "签发", "日期")


def county_ratio(books: Books) -> TableRow:
    """The county's row of T06 for the year so far; empty if there is none."""
    rows = books.tables["T06"]["rows"]
    return next(
        (row for row in rows if len(row["unit_code"]) == 6 and row["period"] == PERIODS[1]), {}
    )


def named(names: Sequence[str], most: int = NAMED, counter: str = "个乡镇") -> str:
    """The first names, and how many there are in all if there are more."""
    if len(names) <= most:
        return "、".join(names)
    return f"{'、'.join(names[:most])}等 {len(names)} {counter}"


def _date(iso: str | None) -> str:
    if iso is None:
        return ""
    year, month, day = iso.split("-")
    return f"{int(year)}年{int(month)}月{int(day)}日"


def percent(text: str) -> str:
    """A printed figure with its sign; words stay as they are."""
    return f"{text}%" if is_number(text) else text


def is_number(text: str) -> bool:
    """Whether a printed cell is a figure."""
    return text.lstrip("-").replace(".", "", 1).isdigit()


def with_line(books: Books, county: TableRow, key: str) -> str:
    """A reading in one clause that names the line: 达到 alone would say reached what."""
    text = first_clause(short_reading(str(county.get(key) or NOT_COMPUTABLE)))
    line = ratio_line(books)
    named_line = f"{REACHED} {line}% 对照线" if line else f"{REACHED}对照线"
    return text.replace(REACHED, named_line, 1)


def first_clause(text: str) -> str:
    """A reading without what follows its first stop, for one line."""
    return text.split("；")[0].split("。")[0]
