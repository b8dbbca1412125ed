"""增违挂钩 worked out: base, netting, coefficients, ranks, cap, floor, repeat, what is unknown."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from pipeline.errors import RuleError
from pipeline.rules.books.quota import UnitLinkage, deduction_weights, linkage, patch_linkages
from pipeline.rules.books.quota_facts import UnitFacts, unit_facts
from pipeline.rules.books.quota_ranks import rank_units
from pipeline.rules.books.quota_rules import QuotaRules, RankTable, quota_rules
from pipeline.rules.books.rectification import Outcome
from tests.books_factory import (
    COUNTY,
    PERIOD_END,
    RULES,
    A,
    B,
    C,
    counted_row,
    input_row,
    m2,
    rules_with,
)

DEFAULT = quota_rules(RULES, PERIOD_END)
RANKED = quota_rules(rules_with({"quota.mode": "rank_table"}), PERIOD_END)
ANHUI = RankTable(*(tuple(map(Decimal, (300, 200, 100))) for _ in range(2)))
NETTED = Outcome(("K1",), True, "demolished_restored", True, True)


def work_out(
    *rows: Mapping[str, Any],
    rules: QuotaRules = DEFAULT,
    outcomes: Mapping[str, Outcome] | None = None,
    facts: Mapping[str, UnitFacts] | None = None,
    units: tuple[str, ...] = (A,),
    source_group: str = "issued",
) -> dict[str, UnitLinkage]:
    patches = patch_linkages(rows, outcomes or {}, rules, source_group)
    found = linkage(units, patches, facts or {}, rules)
    return {unit.unit_code: unit for unit in found}


def test_rules_used_are_named_and_assumed() -> None:
    assert "quota.coef_pbf" in DEFAULT.rule_ids
    assert "quota.rank_table_anhui2016" not in DEFAULT.rule_ids
    assert set(DEFAULT.assumptions) == set(DEFAULT.rule_ids)
    assert "quota.coef_pbf" not in RANKED.rule_ids
    assert "quota.rank_table_anhui2016" not in RANKED.assumptions
    assert RANKED.ranks == ANHUI


@pytest.mark.parametrize(
    "changed",
    [
        {"quota.net_demolished": Decimal("1.01")},
        {"quota.net_closed": Decimal(-1)},
        {"quota.coef_pbf": Decimal(-1)},
        {"quota.mode": "rank_table", "quota.rank_table_anhui2016": {"deduct": (Decimal(1),)}},
        {
            "quota.mode": "rank_table",
            "quota.rank_table_anhui2016": {"deduct": (Decimal(-1),), "award": ()},
        },
    ],
)
def test_rules_that_can_not_be_used_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(RuleError, match="增违挂钩测算"):
        quota_rules(rules_with(changed), PERIOD_END)


def test_before_the_notice_there_is_no_rule() -> None:
    with pytest.raises(RuleError, match="2019-05-01"):
        quota_rules(RULES, datetime.date(2019, 4, 30))


def test_pbf_counts_double_and_is_part_of_the_base() -> None:
    row = counted_row(
        area_m2=m2("12 亩"), construction_m2=m2("2 亩"), pbf_m2=m2("3 亩"), cultivated_m2=m2("5 亩")
    )
    found = work_out(row)[A]
    assert found.base_before_mu100 == 1000
    assert found.base_before_m2 == pytest.approx(m2("10 亩"), abs=1e-6)
    assert found.pbf_before_mu100 == 300
    assert found.deduction_before_mu100 == found.deduction_after_mu100 == 700 + 2 * 300
    cultivated = quota_rules(rules_with({"quota.base": "cultivated"}), PERIOD_END)
    assert work_out(row, rules=cultivated)[A].deduction_after_mu100 == 200 + 2 * 300


def test_pbf_is_never_more_than_the_base() -> None:
    row = counted_row(area_m2=m2("5 亩"), construction_m2=m2("3 亩"), pbf_m2=m2("5 亩"))
    found = work_out(row)[A]
    assert found.pbf_before_mu100 == found.base_before_mu100 == 200
    assert found.deduction_before_mu100 == 400


@pytest.mark.parametrize("way", ["demolished_restored", "regularised", "both"])
def test_what_is_accepted_is_taken_off(way: str) -> None:
    rows = [counted_row("P1"), counted_row("P2", area_m2=m2("1 亩"))]
    found = work_out(*rows, outcomes={"P1": Outcome(("K1",), True, way, True)})[A]
    ways = {
        "demolished_restored": found.netted_demolished_mu100,
        "regularised": found.netted_regularised_mu100,
        "both": found.netted_both_mu100,
        "closed": found.netted_closed_mu100,
    }
    assert ways.pop(way) == 1000
    assert set(ways.values()) == {0}
    assert found.base_after_mu100 == 100
    assert found.base_after_m2 == m2("1 亩")
    assert found.netted_mu100 == 1000
    assert (found.deduction_before_mu100, found.deduction_after_mu100) == (1100, 100)


def test_closed_but_not_accepted_takes_off_nothing_unless_a_rule_says_so() -> None:
    closed = {"P1": Outcome(("K1",), True, None, False, is_closed_by_filing=True)}
    assert work_out(counted_row(), outcomes=closed)[A].deduction_after_mu100 == 1000
    partly = quota_rules(rules_with({"quota.net_closed": Decimal("0.3")}), PERIOD_END)
    found = work_out(counted_row(), outcomes=closed, rules=partly)[A]
    assert found.netted_closed_mu100 == 300
    assert found.deduction_after_mu100 == 700
    otherwise = {"P1": Outcome(("K1",), True, None, False, is_closed_by_filing=False)}
    assert work_out(counted_row(), outcomes=otherwise, rules=partly)[A].netted_closed_mu100 == 0


def test_deductions_are_rounded_once_per_township() -> None:
    rules = quota_rules(rules_with({"quota.coef_general": Decimal("0.333")}), PERIOD_END)
    rows = [counted_row(f"P{n}", area_m2=m2("0.05 亩")) for n in range(10)]
    # Ten times 0.01665 亩 are 0.1665 亩; rounded one by one they would be 0.20.
    assert work_out(*rows, rules=rules)[A].deduction_after_mu100 == 17


def test_shares_rounded_together_never_take_off_more_than_the_base() -> None:
    half = {f"quota.net_{way}": Decimal("0.5") for way in ("demolished", "regularised")}
    rules = quota_rules(rules_with(half), PERIOD_END)
    rows = [counted_row(f"P{n}", area_m2=m2("0.01 亩")) for n in range(2)]
    outcomes = {
        "P0": Outcome(("K1",), True, "demolished_restored", True),
        "P1": Outcome(("K2",), True, "regularised", True),
    }
    found = work_out(*rows, rules=rules, outcomes=outcomes)[A]
    assert found.netted_demolished_mu100 + found.netted_regularised_mu100 == 1
    assert found.base_after_mu100 == found.deduction_after_mu100 == 1


def test_only_signed_issued_violations_are_linked() -> None:
    rows = [
        counted_row("P1"),
        counted_row("P2", source_group="detected"),
        counted_row("P3", judgement="new_lawful"),
        counted_row("P4", reviewed_by=None),
        counted_row("P5", is_withdrawn=True),
    ]
    assert work_out(*rows)[A].patches == 1
    assert work_out(*rows, source_group="detected")[A].patches == 1


def test_unknown_use_is_counted_as_new_and_told() -> None:
    row = counted_row(construction_m2=None, cultivated_m2=None, pbf_m2=None)
    found = work_out(row)[A]
    assert (found.base_before_mu100, found.unknown_new, found.unknown_pbf) == (1000, 1, 1)
    assert found.deduction_after_mu100 == 1000
    cultivated = quota_rules(rules_with({"quota.base": "cultivated"}), PERIOD_END)
    unknown = work_out(row, rules=cultivated)[A]
    assert unknown.unknown_base == 1
    assert unknown.deduction_before_mu100 is None
    assert unknown.deduction_after_mu100 is None


def test_cap_floor_and_multiplier() -> None:
    rules = quota_rules(rules_with({"quota.floor": Decimal(15)}), PERIOD_END)
    floored = work_out(counted_row(), rules=rules, units=(A, B))
    assert floored[A].deduction_after_mu100 == 1500
    assert floored[B].deduction_after_mu100 == 0
    assert not floored[A].is_capped
    capped = work_out(counted_row(), rules=rules, facts={A: UnitFacts(quota_mu100=1200)})[A]
    assert capped.deduction_after_mu100 == 1200
    assert capped.is_capped
    nothing = work_out(counted_row(), facts={A: UnitFacts(quota_mu100=-5)})[A]
    assert nothing.deduction_after_mu100 == 0
    exact = work_out(counted_row(), facts={A: UnitFacts(quota_mu100=1000)})[A]
    assert not exact.is_capped
    twice = work_out(counted_row(), facts={A: UnitFacts(is_repeat=True)})[A]
    assert (twice.multiplier, twice.deduction_after_mu100) == (2, 2000)
    once = work_out(counted_row())[A]
    assert (once.multiplier, once.is_repeat_known) == (1, False)
    assert work_out(counted_row(), facts={A: UnitFacts(is_repeat=False)})[A].is_repeat_known


def test_land_outside_every_township_is_worked_out_but_not_ranked() -> None:
    rows = [counted_row("P1"), counted_row("P2", township_code=None)]
    found = work_out(*rows)
    assert list(found) == [A, "000000000"]
    assert found["000000000"].deduction_after_mu100 == 1000
    ranked = work_out(*rows, rules=RANKED)
    assert ranked["000000000"].rank is None
    assert ranked["000000000"].deduction_after_mu100 == 0
    assert ranked[A].deduction_after_mu100 == 30000


def test_rank_table_ranks_by_cultivated_land_before_netting() -> None:
    rows = [
        counted_row("P1", township_code=A, cultivated_m2=m2("3 亩")),
        counted_row("P2", township_code=B, cultivated_m2=m2("2 亩"), area_m2=m2("90 亩")),
    ]
    found = work_out(*rows, rules=RANKED, units=(A, B, C), outcomes={"P1": NETTED})
    assert [found[code].rank for code in (A, B, C)] == [1, 2, 3]
    assert [found[code].deduction_after_mu100 for code in (A, B, C)] == [30000, 20000, 0]
    assert [found[code].award_mu100 for code in (A, B, C)] == [0, 0, 30000]
    twice = work_out(*rows, rules=RANKED, facts={A: UnitFacts(is_repeat=True)})[A]
    assert twice.deduction_after_mu100 == 60000
    unseen = {C: UnitFacts(is_observed=False)}
    assert work_out(*rows, rules=RANKED, units=(A, B, C), facts=unseen)[C].award_mu100 == 0


def test_one_unknown_area_leaves_the_whole_ranking_open() -> None:
    rows = [counted_row("P1"), counted_row("P2", township_code=B, cultivated_m2=None)]
    found = work_out(*rows, rules=RANKED, units=(A, B))
    assert {unit.rank for unit in found.values()} == {None}
    assert {unit.deduction_after_mu100 for unit in found.values()} == {None}
    assert {unit.award_mu100 for unit in found.values()} == {None}


def test_ranks_of_six_and_of_ties() -> None:
    places = rank_units({"a": 60, "b": 50, "c": 40, "d": 30, "e": 20, "f": 10}, ANHUI)
    assert [places[code].deduct_mu100 for code in "abcdef"] == [30000, 20000, 10000, 0, 0, 0]
    assert [places[code].award_mu100 for code in "abcdef"] == [0, 0, 0, 10000, 20000, 30000]
    tied = rank_units({"a": 60, "b": 60, "c": 40, "d": 40, "e": 40, "f": 0, "g": 0}, ANHUI)
    assert [tied[code].rank for code in "abcfg"] == [
        Decimal("1.5"),
        Decimal("1.5"),
        Decimal(4),
        Decimal("6.5"),
        Decimal("6.5"),
    ]
    assert tied["a"].deduct_mu100 == tied["b"].deduct_mu100 == 25000
    # Places 3 to 5 share 100 亩; being deducted they share no award.
    assert tied["c"].deduct_mu100 == Fraction(10000, 3)
    assert tied["c"].award_mu100 == 0
    assert tied["f"].award_mu100 == 25000


def test_units_without_area_are_never_deducted_and_few_units_never_both() -> None:
    two = rank_units({"a": 5, "b": 0}, ANHUI)
    assert (two["a"].deduct_mu100, two["a"].award_mu100) == (30000, 0)
    assert (two["b"].deduct_mu100, two["b"].award_mu100) == (0, 30000)
    four = rank_units({"a": 4, "b": 3, "c": 2, "d": 1}, ANHUI)
    assert [four[code].deduct_mu100 for code in "abcd"] == [30000, 20000, 10000, 0]
    assert [four[code].award_mu100 for code in "abcd"] == [0, 0, 0, 30000]
    assert rank_units({}, ANHUI) == {}
    assert rank_units({"a": 0}, ANHUI)["a"].deduct_mu100 == 0


def test_weights_fall_back_to_before_netting_and_then_to_the_county() -> None:
    rows = [counted_row("P1"), counted_row("P2", township_code=B)]
    units = (A, B)
    netted = {"P1": NETTED, "P2": NETTED}
    assert deduction_weights(work_out(*rows, units=units).values()) == {A: 1000, B: 1000}
    one = work_out(*rows, units=units, outcomes={"P1": NETTED})
    assert deduction_weights(one.values()) == {A: 0, B: 1000}
    both = work_out(*rows, units=units, outcomes=netted)
    assert deduction_weights(both.values()) == {A: 1000, B: 1000}
    assert deduction_weights(work_out(units=units).values()) == {}
    cultivated = quota_rules(rules_with({"quota.base": "cultivated"}), PERIOD_END)
    open_row = counted_row("P2", township_code=B, cultivated_m2=None)
    unknown = work_out(counted_row("P1"), open_row, rules=cultivated, units=units)
    assert unknown[A].deduction_after_mu100 == 1000
    # One township that can not be computed leaves the others' shares open too.
    assert deduction_weights(unknown.values()) == {}


def test_facts_come_from_inputs_and_the_ledger() -> None:
    inputs = [
        input_row("quota_opening", A, 10.5),
        input_row("quota_allotted", A, 4.25),
        input_row("quota_carried_in", A, 0.25, doc_no=None),
        input_row("quota_carried_out", A, 99.0),
        input_row("quota_allotted", B, 7.0, year=2026),
        input_row("deducted_last_year", A, 0.0, year=2025),
        input_row("deducted_last_year", B, 3.0, year=2024),
        input_row("quota_allotted", COUNTY, 100.0),
    ]
    found = unit_facts((A, B, C), inputs, {C: 0}, 2026, unobserved={C})
    assert found[A] == UnitFacts(1500, is_repeat=False)
    assert found[B] == UnitFacts(None, is_repeat=None)
    assert found[C] == UnitFacts(None, is_repeat=False, is_observed=False)
    # The same statement in a later run replaces the earlier one; another document adds to it.
    again = [
        *inputs,
        input_row("quota_allotted", A, 5.25, run="2026Q2"),
        input_row("quota_carried_in", A, 0.25, run="2026Q2", doc_no=""),
        input_row("quota_allotted", A, 2.0, doc_no="乙文"),
    ]
    assert unit_facts((A,), again, {}, 2026)[A].quota_mu100 == 1800
    # Either of the two is enough.
    assert unit_facts((A,), inputs, {A: 5}, 2026)[A].is_repeat is True


def test_land_outside_takes_no_place_even_if_it_is_listed() -> None:
    outside = "000000000"
    rows = [counted_row("P1", township_code=None, cultivated_m2=None), counted_row("P2")]
    found = work_out(*rows, rules=RANKED, units=(A, B, outside))
    assert [found[code].rank for code in (A, B, outside)] == [1, 2, None]
    assert found[outside].award_mu100 == found[outside].deduction_after_mu100 == 0
    assert found[B].award_mu100 == 30000


def test_what_the_cap_cut_off_is_known() -> None:
    facts = {A: UnitFacts(quota_mu100=700)}
    found = work_out(counted_row("P1"), facts=facts)[A]
    assert (found.wanted_before_mu100, found.deduction_before_mu100) == (1000, 700)
    assert (found.wanted_after_mu100, found.is_capped) == (1000, True)
