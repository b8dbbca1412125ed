"""How figures, documents and references are written in reasons; nothing is decided here."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from pipeline.rules.parameters import RuleInForce
from pipeline.rules.screening.facts import Document, PatchFacts
from pipeline.units import format_mu100, mu100_from_m2, two_places

ASSUMPTION_ZH = "示例口径，待上级文件确认"

LAYER_ZH = {
    "approvals": "批文",
    "supply": "供地",
    "registration": "登记",
    "facility_land": "设施农用地备案",
    "temporary_land": "临时用地批准",
    "permits": "规划许可",
    "mining_rights": "采矿权",
    "other_uses": "其他用地认定",
    "applications": "用地报批",
}
_MAX_NAMED = 5
_MOST_DECIMALS = 9


FARMLAND_LAYERS = {"land_use": "耕地", "permanent_basic_farmland": "永久基本农田"}
"""Layer → the farmland it tells of."""


def farmland_zh(facts: PatchFacts) -> str:
    """How much farmland a patch takes; what was not supplied is said to be unknown."""
    areas = {"land_use": facts.cultivated_m2, "permanent_basic_farmland": facts.pbf_m2}
    return "、".join(
        f"{name} {area_zh(areas[layer])}" if facts.has(layer) else f"{name}（未能核对）"
        for layer, name in FARMLAND_LAYERS.items()
    )


def square_metres(area_m2: float) -> str:
    """Square metres with two decimals, HALF_UP on the exact binary value."""
    return f"{two_places(area_m2)} 平方米"


def area_zh(area_m2: float) -> str:
    """An area in both units."""
    return f"{square_metres(area_m2)}（{format_mu100(mu100_from_m2(area_m2))} 亩）"


def percent_zh(part: float | Decimal, whole: float | Decimal = 1) -> str:
    """A share in per cent with two decimals, HALF_UP."""
    if not whole:
        return "0.00%"
    share = Decimal(part) / Decimal(whole) * 100
    return f"{two_places(share)}%"


def share_zh(part: float | Decimal, whole: float | Decimal, limit: Decimal) -> str:
    """A share in per cent that never looks like the limit it misses: 94.999%, not 95.00%."""
    share = Decimal(part) / Decimal(whole)
    return f"{beside(share * 100, limit * 100)}%"


def beside(value: Decimal, limit: Decimal) -> Decimal:
    """The value with two decimals, or as many as show on which side of the limit it lies."""
    for decimals in range(2, _MOST_DECIMALS):
        shown = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        if (shown < limit, shown > limit) == (value < limit, value > limit):
            return shown
    return value.quantize(Decimal(1).scaleb(-_MOST_DECIMALS), ROUND_HALF_UP)


def number_zh(value: Decimal) -> str:
    """A number of a rule as it would be written by hand."""
    return format(value.normalize(), "f")


def date_zh(date: datetime.date | None) -> str:
    """An ISO date, or that it is not known."""
    return "日期不详" if date is None else date.isoformat()


def document_zh(document: Document) -> str:
    """A document by kind, number, date and validity."""
    number = document.document_no or f"无文号，要素编号 {document.feature_id}"
    facts = [number]
    if document.layer != "mining_rights":
        facts.append("未注明日期" if document.decided_date is None else f"{document.decided_date}")
    if document.valid_from_date or document.valid_to_date:
        first = document.valid_from_date or ""
        facts.append(f"有效期 {first}至{document.valid_to_date or '未注明'}")
    return f"{LAYER_ZH[document.layer]}（{'，'.join(facts)}）"


def documents_zh(documents: Iterable[Document]) -> str:
    """Several documents, the first few by name."""
    named = [document_zh(document) for document in documents]
    more = f"等 {len(named)} 份" if len(named) > _MAX_NAMED else ""
    return "、".join(named[:_MAX_NAMED]) + more


def reference_zh(rule: RuleInForce) -> str:
    """《document》number and article, or that the figure is assumed."""
    if rule.parameter.is_assumption:
        return ASSUMPTION_ZH
    reference = rule.reference
    return f"《{reference.title}》{reference.doc_no or ''}{reference.article or ''}"
