"""The 15号令 ratio and the warning-talk lines: exact at the line, honest about what is unknown."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import pytest

from pipeline.errors import RuleError
from pipeline.rules.books.accountability import (
    NO_RATIO,
    RATIO_RULE,
    TalkLine,
    exact_share,
    ratio,
    talk_lines,
    talk_rules,
)
from pipeline.rules.books.rectification import Outcome
from tests.books_factory import PERIOD_END, RULES, A, B, counted_row, m2

LIMIT = RULES.at(RATIO_RULE, PERIOD_END)
TALK = talk_rules(RULES, PERIOD_END)
ACCEPTED = Outcome(("K1",), True, "regularised", True)


@pytest.mark.parametrize(
    ("numerator_m2", "is_reached"),
    [
        (m2("15 亩"), True),
        (math.nextafter(m2("15 亩"), 0), False),
        (m2("14.996 亩"), False),
        (m2("15.01 亩"), True),
    ],
)
def test_the_ratio_is_compared_exactly(numerator_m2: float, is_reached: bool) -> None:
    found = ratio(numerator_m2, 100, LIMIT, "county", is_annual=True)
    assert found.is_reached is is_reached
    assert found.reading == ("达到" if is_reached else "未达到（不等于免责）")


def test_what_prints_as_fifteen_need_not_reach_it() -> None:
    found = ratio(m2("14.996 亩"), 100, LIMIT, "county", is_annual=True)
    assert str(found.percent) == "15.00"
    assert found.is_reached is False


@pytest.mark.parametrize("denominator", [None, 0, 0.0, -3.0])
def test_without_a_denominator_nothing_is_computed(denominator: float | None) -> None:
    assert ratio(100.0, denominator, LIMIT, "county", is_annual=True) == NO_RATIO
    assert NO_RATIO.reading == "无法计算"
    assert NO_RATIO.percent is None
    assert ratio(None, 5.0, LIMIT, "county", is_annual=True) == NO_RATIO


@pytest.mark.parametrize(
    ("unit", "is_annual", "reading"),
    [
        ("county", True, "达到"),
        ("county", False, "进度参考：达到"),
        ("township", True, "参照：达到"),
        ("township", False, "进度参考、参照：达到"),
    ],
)
def test_the_reading_says_what_the_figure_is(
    unit: Literal["county", "township"], is_annual: bool, reading: str
) -> None:
    assert ratio(m2("20 亩"), 100, LIMIT, unit, is_annual).reading == reading
    below = ratio(m2("1 亩"), 100, LIMIT, unit, is_annual).reading
    assert below == reading.replace("达到", "未达到（不等于免责）")


def test_more_than_all_is_doubted_and_nothing_is_zero_per_cent() -> None:
    assert "请核对分母" in ratio(m2("20 亩"), 10, LIMIT, "county", is_annual=True).reading
    assert "请核对" not in ratio(m2("9 亩"), 10, LIMIT, "county", is_annual=True).reading
    none = ratio(0.0, 10, LIMIT, "county", is_annual=True)
    assert (none.value, str(none.percent)) == (0, "0.00")


def test_denominators_are_taken_by_their_decimals() -> None:
    assert exact_share(2000.0, 0.3) == Fraction(3) / Fraction(3, 10)
    assert exact_share(2000.0, Decimal("1e15")) == Fraction(3, 10**15)


def lines(*rows: Any, outcomes: Any = None, concealed: Any = None) -> dict[str, TalkLine]:
    found = talk_lines((A,), rows, outcomes or {}, concealed or {}, TALK)
    return {line.measure: line for line in found if line.unit_code == A}


def test_the_lines_are_those_of_the_notice() -> None:
    found = lines()
    assert [line.threshold_mu for line in found.values()] == [5, 5, 10]
    assert [line.label for line in found.values()] == ["永久基本农田", "自然保护地", "一般耕地"]
    assert {line.before.reading for line in found.values()} == {"未达到"}
    with pytest.raises(RuleError, match="2019-05-01"):
        talk_rules(RULES, datetime.date(2019, 4, 30))


@pytest.mark.parametrize("area", ["pbf_m2", "reserve_m2"])
def test_five_mu_are_summed_over_the_township_unrounded(area: str) -> None:
    measure = area.removesuffix("_m2")
    half = m2("5 亩") / 2
    reached = lines(*(counted_row(f"P{n}", **{area: half}) for n in range(2)))[measure]
    assert reached.before.reading == "预警"
    below = [counted_row("P1", **{area: half}), counted_row("P2", **{area: half - 1e-6})]
    assert lines(*below)[measure].before.reading == "未达到"


def test_general_cultivated_is_cultivated_outside_pbf() -> None:
    row = counted_row(area_m2=m2("20 亩"), cultivated_m2=m2("14 亩"), pbf_m2=m2("4.5 亩"))
    found = lines(row)["general_cultivated"]
    assert found.before.area_m2 == pytest.approx(m2("9.5 亩"))
    assert found.before.reading == "未达到"
    # 永农 that the land survey does not show as cultivated is not taken off twice.
    odd = counted_row(cultivated_m2=m2("1 亩"), pbf_m2=m2("3 亩"))
    assert lines(odd)["general_cultivated"].before.area_m2 == 0.0


def test_pbf_and_reserve_are_not_added_together() -> None:
    found = lines(counted_row(pbf_m2=m2("4 亩"), reserve_m2=m2("4 亩")))
    assert found["pbf"].before.reading == found["reserve"].before.reading == "未达到"


def test_netting_takes_off_what_is_accepted() -> None:
    row = counted_row(pbf_m2=m2("6 亩"))
    found = lines(row, outcomes={"P1": ACCEPTED})["pbf"]
    assert (found.before.reading, found.after.reading) == ("预警", "未达到")
    closed = Outcome(("K1",), True, None, False, True)
    assert lines(row, outcomes={"P1": closed})["pbf"].after.reading == "预警"


def test_the_second_reading_counts_concealed_land_only() -> None:
    rows = [counted_row("P1", pbf_m2=m2("6 亩")), counted_row("P2", pbf_m2=m2("3 亩"))]
    told = lines(*rows, concealed={"P1": False, "P2": True})["pbf"]
    assert (told.before.reading, told.concealed_before.reading) == ("预警", "未达到")
    assert told.concealed_before.area_m2 == pytest.approx(m2("3 亩"))
    unknown = lines(*rows, concealed={"P1": None, "P2": True})["pbf"]
    assert unknown.concealed_before.reading == "无法计算"
    assert not unknown.concealed_before.is_complete
    reached = lines(*rows, concealed={"P1": True})["pbf"]
    assert reached.concealed_before.reading == "预警"
    # Nothing could be concealed where there is no such land.
    assert lines(counted_row(), concealed={})["pbf"].concealed_before.reading == "未达到"
    netted = lines(*rows, outcomes={"P1": ACCEPTED}, concealed={"P1": True, "P2": False})["pbf"]
    assert netted.concealed_before.reading == "预警"
    assert netted.concealed_after.reading == "未达到"


def test_a_layer_that_was_not_supplied_can_not_be_read() -> None:
    found = lines(counted_row(pbf_m2=None))
    assert found["pbf"].before.reading == "无法计算"
    assert found["general_cultivated"].before.reading == "无法计算"
    known = lines(counted_row("P1", pbf_m2=None), counted_row("P2", pbf_m2=m2("5 亩")))["pbf"]
    assert known.before.reading == "预警"
    assert not known.before.is_complete


def test_every_unit_is_listed_and_only_violations_count() -> None:
    rows = [
        counted_row("P1", township_code=B, pbf_m2=m2("6 亩")),
        counted_row("P2", judged_by=None, pbf_m2=m2("6 亩")),
        counted_row("P3", township_code=None, judgement="new_lawful"),
    ]
    found = talk_lines((A,), rows, {}, {}, TALK)
    assert [line.unit_code for line in found] == [A] * 3 + [B] * 3
    assert [line.patches for line in found] == [0] * 3 + [1] * 3
    assert found[0].before.area_m2 == 0.0


def test_exactly_all_is_not_doubted() -> None:
    assert exact_share(2000.0, 3) == 1
    assert ratio(2000.0, 3, LIMIT, "county", is_annual=True).reading == "达到"
