"""Mutation proof: any change of a rule breaks a legal case; every rule is met and missed."""

from __future__ import annotations

import pytest

from pipeline.errors import RuleError
from pipeline.rules.parameters import RuleParameter, RuleSet
from tests.all_legal_cases import ELSEWHERE, LegalCase, all_cases
from tests.legal_cases import RULES
from tests.rule_mutants import mutants, with_rule

LEGAL_CASES = all_cases()
PROVEN = [rule for rule in RULES.parameters if rule.id.split(".")[0] not in ELSEWHERE]


def is_noticed(rule_id: str, rules: RuleSet) -> bool:
    """Whether some case comes out otherwise under changed rules."""
    using = [case for case in LEGAL_CASES if rule_id in case.rule_ids]
    # Days are cheap, and cases that cite the rule are the likeliest to break.
    using.sort(key=lambda case: (case.name[:5] != "dates", rule_id not in case.cited))
    return any(not passes(case, rules) for case in using)


def passes(case: LegalCase, rules: RuleSet) -> bool:
    try:
        case.check(rules)
    except (AssertionError, RuleError):
        return False
    return True


def missing_verdicts() -> list[tuple[str, str]]:
    verdicts = {verdict for case in LEGAL_CASES for verdict in case.verdicts}
    found = []
    for rule in PROVEN:
        hits = [rule.id in case.cited or (rule.id, True) in case.verdicts for case in LEGAL_CASES]
        if not any(hits) or all(hits):
            found.append((rule.id, f"hit by {sum(hits)} of {len(hits)} cases"))
        if rule.comparison is not None:
            found += [
                (rule.id, f"never {v}") for v in (True, False) if (rule.id, v) not in verdicts
            ]
    return found


def test_there_are_at_least_two_hundred_cases() -> None:
    assert len(LEGAL_CASES) >= 200
    names = [case.name for case in LEGAL_CASES]
    assert len(set(names)) == len(names)


def test_every_case_holds_under_the_committed_rules() -> None:
    assert [case.name for case in LEGAL_CASES if not passes(case, RULES)] == []


def test_a_change_of_every_rule_breaks_a_case() -> None:
    """One change of each rule: the quick part of the proof below."""
    firsts = [(rule.id, *next(mutants(rule))) for rule in PROVEN]
    survivors = [
        (rule_id, told)
        for rule_id, told, changed in firsts
        if not is_noticed(rule_id, with_rule(RULES, changed))
    ]
    assert survivors == []


@pytest.mark.slow
@pytest.mark.parametrize("rule", PROVEN, ids=lambda rule: rule.id)
def test_every_change_of_a_rule_breaks_a_case(rule: RuleParameter) -> None:
    survivors = [
        told
        for told, changed in mutants(rule)
        if not is_noticed(rule.id, with_rule(RULES, changed))
    ]
    assert survivors == []


def test_every_rule_is_met_and_missed() -> None:
    assert missing_verdicts() == []
