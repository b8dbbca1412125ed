"""What the brief asks leaders to look at, and what it says is not known."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.delivery.brief_books import (
    DETECTED,
    ISSUED,
    OUTSIDE_CODE,
    Books,
    amount,
    count,
    text_of,
)
from pipeline.delivery.brief_tables import (
    NOT_COMPUTABLE,
    PERIODS,
    VIOLATION,
    by_amount,
    is_reached,
)
from pipeline.delivery.brief_talks import not_computable, warned
from pipeline.delivery.brief_words import (
    SEEN_WELL,
    BriefHead,
    county_ratio,
    decided_mu,
    is_number,
    named,
    percent,
    with_line,
)


def attention(books: Books, documents: Sequence[str]) -> tuple[str, ...]:
    """What leaders are asked to look at, the weightiest first."""
    sentences = [
        _talk_sentence(books),
        _ratio_sentence(books),
        _left_sentence(books),
        _overdue_sentence(books),
        _deduction_sentence(books, documents),
        _transfer_sentence(books),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def _talk_sentence(books: Books) -> str:
    found = warned(books)
    names = {unit.code: unit.name for unit in books.units()}
    if not found:
        unclear = len(not_computable(books))
        rest = f"；{unclear} 个乡镇有面积不详，无法计算" if unclear else ""
        unjudged = count(books.total("T01"), "unjudged")
        rest += f"；{unjudged} 个图斑还没有判定，不在内" if unjudged else ""
        return f"没有乡镇达到警示约谈的面积线（核减前）{rest}。"
    told = [f"{names.get(code, code)}（{'、'.join(found[code])}）" for code in found]
    return f"{named(told)}的违法用地达到警示约谈的面积线，列为预警，请研究是否约谈。"


def _ratio_sentence(books: Books) -> str:
    county = county_ratio(books)
    ratio, net = text_of(county, "cultivated_ratio"), text_of(county, "net_cultivated_ratio")
    if not is_number(ratio):
        missing = text_of(county, "denominator_cultivated_mu")
        why = "（分母未提供）" if not is_number(missing) else ""
        return f"违法占用耕地比例{NOT_COMPUTABLE}{why}，请补报新增建设占用耕地总面积及其来源。"
    told = f"全县违法占用耕地比例{PERIODS[1]} {ratio}%，{with_line(books, county, 'reading')}"
    if is_number(net):
        told += f"；整改核减后 {net}%，{with_line(books, county, 'net_reading')}"
    is_serious = is_reached(str(county.get("reading") or ""))
    return f"{told}。{'是否问责由上级认定。' if is_serious else ''}"


def _left_sentence(books: Books) -> str:
    rows = books.rows("T04")
    left = [
        f"{rows[code]['unit_name']} {text_of(rows[code], 'unrectified_mu')} 亩"
        for code in by_amount(rows, "unrectified_mu")
        if (amount(rows[code], "unrectified_mu") or 0) > 0
    ]
    if not left:
        return ""
    return f"未整改面积较大的是{named(left, 3)}。"


def _overdue_sentence(books: Books) -> str:
    late = [
        f"{row['clock']} {text_of(row, 'open_overdue')} 个"
        for row in books.totals("T10")
        if count(row, "open_overdue")
    ]
    return f"已到期没有完成的图斑：{'、'.join(late)}，请督办。" if late else ""


def _deduction_sentence(books: Books, documents: Sequence[str]) -> str:
    estimate, decided = text_of(books.total("T05"), "deduction_after_mu"), decided_mu(books)
    if not decided:
        if not is_number(estimate):
            return f"上级扣减文件未提供，扣减测算{NOT_COMPUTABLE}，请补齐判定和面积。"
        return f"上级扣减文件未提供，测算扣减 {estimate} 亩只供研究，以上级文件为准。"
    told = named(documents, 2, "件") if documents else "无文号"
    return f"上级已扣减指标 {decided} 亩（{told}），按测算结果分摊到乡镇。"


def _transfer_sentence(books: Books) -> str:
    rows = books.tables["T12"]["rows"]
    flagged = [row for row in rows if row["source_group"] == ISSUED and row.get("transfer")]
    if not flagged:
        return ""
    return f"{len(flagged)} 个下发图斑达到移送司法机关的核对面积，只提示核对，毁坏程度须经鉴定。"


def unknowns(books: Books, head: BriefHead) -> tuple[str, ...]:
    """What is not known, and what follows from it."""
    sentences = [
        _unseen(books),
        _unanswered(books),
        _unmeasured(books),
        _open_questions(books, head),
        _unreconciled(books),
        _detected(books),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def _unseen(books: Books) -> str:
    total = books.total("T11")
    parts = "、".join(
        f"{name} {text_of(total, key)}%"
        for name, key in (
            ("无影像", "nodata_ratio"),
            ("云", "cloud_ratio"),
            ("云影", "shadow_ratio"),
            ("其他", "other_ratio"),
        )
    )
    rows = books.rows("T11")
    poor = [
        f"{row['unit_name']} {percent(text_of(row, 'observed_ratio'))}"
        for code, row in rows.items()
        if code != OUTSIDE_CODE
        if (seen := amount(row, "observed_ratio")) is None or seen < SEEN_WELL
    ]
    told = f"；可观测不足 {SEEN_WELL}%：{named(poor)}" if poor else ""
    if amount(total, "observed_ratio") is None:
        return f"全县可观测情况不详{told}。没有看到不等于没有变化。"
    seen_text = percent(text_of(total, "observed_ratio"))
    hidden = count(total, "unobserved_patches")
    told += f"；{hidden} 个图斑因看不见无法判定" if hidden else ""
    return f"两期影像均可观测的占全县 {seen_text}（{parts}）{told}。没有看到不等于没有变化。"


def _unanswered(books: Books) -> str:
    first = books.total("T01")
    rows = books.rows("T01")
    open_rows = {code: row for code, row in rows.items() if count(row, "unanswered")}
    told = []
    if open_rows:
        order = sorted(open_rows, key=lambda code: (-count(open_rows[code], "unanswered"), code))
        names = [f"{rows[code]['unit_name']} {count(rows[code], 'unanswered')}" for code in order]
        told.append(f"下发图斑 {count(first, 'unanswered')} 个没有反馈（{named(names)}）")
    if count(first, "unjudged"):
        area = text_of(books.total("T02", judgement="未判定"), "area_mu")
        told.append(f"{count(first, 'unjudged')} 个没有签署判定（{area} 亩），没有计入违法用地")
    return f"{'；'.join(told)}。" if told else ""


def _unmeasured(books: Books) -> str:
    row = books.total("T02", judgement=VIOLATION)
    unmeasured, case_less = count(row, "unmeasured"), count(books.total("T04"), "no_case")
    told = []
    if unmeasured:
        told.append(f"{unmeasured} 个违法用地图斑未经实测，面积为县局认定或图斑面积")
    if case_less:
        told.append(f"{case_less} 个违法用地图斑尚无案件，各计 1 宗")
    return f"{'；'.join(told)}。" if told else ""


def _open_questions(books: Books, head: BriefHead) -> str:
    told = []
    labels = [
        row.get("concealed_before_label")
        for row in books.tables["T07"]["rows"]
        if row["source_group"] == ISSUED
    ]
    if NOT_COMPUTABLE in labels:
        told.append("有的案件没有填写验收是否发现瞒报，“只计瞒报”一栏无法计算")
    if head.closes_on is None:
        told.append("未填写统计截止日期，没有判断逾期")
    return f"{'；'.join(told)}。" if told else ""


def _unreconciled(books: Books) -> str:
    rows = books.tables["T15"]["rows"]
    wrong = [row for row in rows if row.get("is_equal") == "不符"]
    if not wrong:
        return f"表间校核 {len(rows)} 项，没有不符。" if rows else ""
    names = named([str(row["identity"]) for row in wrong], 2, "项")
    return f"表间校核有 {len(wrong)} 项不符（{names}），见统计表 T15，使用数据前请先核对。"


def _detected(books: Books) -> str:
    found = count(books.total("T01", DETECTED), "patches")
    area = text_of(books.total("T01", DETECTED), "area_mu")
    return f"另有自主提取线索 {found} 个、{area} 亩，只作参照，不计入上报口径。" if found else ""
