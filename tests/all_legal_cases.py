"""Every legal case as one thing: a name, the rules it used, and a check under any rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.groups import REACH_RULE
from pipeline.rules.screening.nearby import adjoining_pairs
from pipeline.rules.screening.screen import Screening
from pipeline.stages.screen import REACH_RULES
from tests.books_cases import book_cases
from tests.legal_cases import CASES, RULES, check, screen
from tests.legal_places import ON, Place, load_places

ELSEWHERE = frozenset({"deadline", "patrol", "visit", "survey"})
"""Groups of rules whose proof stands beside the modules that use them."""
IDS = frozenset(p.id for p in RULES.parameters if p.id.split(".")[0] not in ELSEWHERE)


@dataclass(frozen=True)
class LegalCase:
    """A case of `tests/legal`."""

    name: str
    rule_ids: frozenset[str]
    """Rules looked up under the committed rules: a change of any other can not matter."""
    check: Callable[[RuleSet], None]
    """AssertionError or RuleError if it comes out otherwise."""
    verdicts: frozenset[tuple[str, bool]] = field(default_factory=frozenset)
    """(rule, met or not) of its comparisons."""
    cited: frozenset[str] = frozenset()
    """Rules that a reason names, or that moved a figure: they were hit."""


def all_cases() -> list[LegalCase]:
    """Cases of the screening, of places and groups, of days, and of the books."""
    books = [
        LegalCase(f"books：{name}", ids, run, verdicts, hits)
        for name, ids, run, verdicts, hits in book_cases()
    ]
    return [*screening_cases(), *place_cases(), *day_cases(), *books]


def screening_cases() -> list[LegalCase]:
    return [_of_patch(name, case) for name, case in CASES]


def _of_patch(name: str, case: dict[str, Any]) -> LegalCase:
    def run(rules: RuleSet) -> None:
        check(screen(case, rules), case["预期"])

    return _told(name, [screen(case)], run)


def place_cases() -> list[LegalCase]:
    found = []
    for case in load_places():
        place = Place(case)
        one = _told(f"places：{case['名称']}", place.screen(RULES), place.check)
        reached = place.evidence.patches, [RULES.at(REACH_RULE, ON)] * len(case["图斑"])
        is_met = bool(adjoining_pairs(*reached))
        verdicts = {(REACH_RULE, is_met)} if len(case["图斑"]) > 1 else set()
        # How far to look means something only where there is something beside the patch.
        is_beside = any(key in case for key in ("国道", "批文"))
        found.append(
            LegalCase(
                one.name,
                one.rule_ids | {*REACH_RULES, REACH_RULE},
                one.check,
                one.verdicts | verdicts,
                one.cited | (set(REACH_RULES) if is_beside else set()),
            )
        )
    return found


def _told(name: str, screened: list[Screening], run: Callable[[RuleSet], None]) -> LegalCase:
    used = frozenset(rule_id for one in screened for rule_id in one.rule_ids)
    verdicts = frozenset(verdict for one in screened for verdict in one.verdicts)
    cited = {r.rule_id for one in screened for r in one.reasons if r.rule_id}
    parts = {part.code for one in screened for part in one.priority_parts if part.points}
    cited |= {"screening.priority_class"} if "class" in parts else set()
    cited |= {"screening.priority_weights"} if parts - {"class"} else set()
    kinds = {kind for one in screened for kind in one.violation_kinds}
    cited |= {"screening.cultivated_act_kinds"} if "3" in kinds else set()
    by_zone = "6" in kinds and "screening.town_zone_codes" in used
    cited |= {"screening.town_zone_codes"} if by_zone else set()
    return LegalCase(name, used, run, verdicts, frozenset(cited))


def day_cases() -> list[LegalCase]:
    path = Path(__file__).parent / "legal" / "dates.yaml"
    cases = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return [LegalCase(f"dates：{case['名称']}", IDS, partial(check_day, case)) for case in cases]


def check_day(case: dict[str, Any], rules: RuleSet) -> None:
    """Which rules have a value on a day."""
    silent = set(rules.not_in_force(IDS, case["日期"]))
    assert case.keys() == {"名称", "日期", "有效"} or case.keys() == {"名称", "日期", "未生效"}
    if "有效" in case:
        assert IDS - silent == set(case["有效"])
    else:
        assert silent == set(case["未生效"])
