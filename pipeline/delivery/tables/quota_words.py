"""What T05 says in words: how the deduction is worked out, and why a figure is what it is."""

from __future__ import annotations

from pipeline.delivery.tables.quota_parts import Facts, QuotaBooks
from pipeline.delivery.tables.table import mu_cell


def formula_notes(books: QuotaBooks) -> tuple[str, ...]:
    """How the deduction is worked out, in the mode that is in force."""
    if not books.coefficients:
        return (
            "扣减测算按名次定额：按违法占用耕地面积（整改核减前）排名，名次靠前的各扣减定额，最好的各奖励定额；并列的取所占名次的平均数。",
            "扣减测算：连续年度加倍，不超过上限（本单位指标乘封顶比例）；面积为0的不扣减，已扣减和未观测的不奖励。",
        )
    return (
        "扣减测算：一般部分和永久基本农田部分各乘系数相加，连续年度加倍，不超过上限（本单位指标乘封顶比例），每乡镇取整一次。",
        "是否封顶：是，指核减后的测算超过上限，按上限计；封顶前的数见说明。加倍系数1.00为不加倍。",
    )


def remark(unit: Facts) -> str | None:
    """What has to be known to understand the figures of a unit."""
    said = [
        f"{unit[name]} 个图斑{text}"
        for name, text in (
            ("unknown_new", "原有地类未知，全部面积计为新增"),
            ("unknown_base", "没有耕地面积，无法计算"),
            ("unknown_pbf", "没有永久基本农田面积，测算为下限"),
        )
        if unit[name]
    ]
    for when, label in (("before", "核减前"), ("after", "核减后")):
        shown, wanted = unit[f"deduction_{when}_mu100"], unit[f"wanted_{when}_mu100"]
        if shown is not None and wanted > shown:
            said.append(f"{label}测算 {mu_cell(wanted)} 亩，超过上限，按 {mu_cell(shown)} 亩计")
    if unit["multiplier"] != 1 and unit["wanted_before_mu100"]:
        said.append(f"上一年度已扣减，测算乘 {unit['multiplier'].normalize():f}")
    return "；".join(said) or None
