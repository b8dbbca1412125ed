"""What must hold of the postings of the quota ledger (指标账) as events."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.errors import Finding
from pipeline.schema.events import Event
from pipeline.units import format_mu100


def check_postings(postings: Iterable[Event], where: str) -> list[Finding]:
    """Every posting sums to zero, is made once, and what it takes back was posted before it."""
    findings: list[Finding] = []
    known: set[str] = set()
    for event in postings:
        balance_mu100 = sum(line["amount_mu100"] for line in event.payload["lines"])
        if balance_mu100 != 0:
            what = f"指标账凭证 {event.subject} 借贷不平。"
            findings.append(_finding(what, where, f"相差 {format_mu100(balance_mu100)} 亩"))
        reversed_key = event.payload["reverses_key"]
        if reversed_key is not None and reversed_key not in known:
            what = f"指标账凭证 {event.subject} 冲销的凭证不存在。"
            findings.append(_finding(what, where, str(reversed_key)))
        if event.subject in known:
            what = "指标账重复记了同一张凭证。"
            findings.append(_finding(what, where, event.subject))
        known.add(event.subject)
    return findings


def _finding(what: str, where: str, value: str) -> Finding:
    return Finding(
        "E-LEDGER-BALANCE",
        what,
        where=where,
        value=value,
        allowed="每张凭证合计为零、只记一次，被冲销的凭证在前",
        advice="这是程序记的账；请把本信息连同台账一起反馈。",
    )
