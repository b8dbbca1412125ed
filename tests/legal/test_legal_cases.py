"""The legal cases of `tests/legal/*.yaml`: each by itself, and that together they reach all."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.legal_cases import CASES, CODES, RULES, check_case, screen
from tests.legal_places import Place, load_places

HISTORY_FLAGS = {"suspected_resumption", "grown", "settled_before", "continuing"}


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_case(case: dict[str, Any]) -> None:
    check_case(case)


def test_names_are_unique() -> None:
    names = [name for name, _ in CASES]
    assert len(set(names)) == len(names)


def test_every_class_kind_flag_and_route_has_a_case() -> None:
    found = [screen(case) for _, case in CASES]
    found += [one for case in load_places() for one in Place(case).screen(RULES)]
    assert {f.suspected_class for f in found} == set(CODES["suspected_class"].labels)
    assert {k for f in found for k in f.violation_kinds} == set(CODES["violation_kind"].labels)
    # Flags of the patch's own history come from the register, not from the screening's facts.
    flags = set(CODES["flag"].labels) - HISTORY_FLAGS
    assert {flag for f in found for flag in f.flags} - HISTORY_FLAGS == flags
    assert {f.handling_route for f in found} == set(CODES["handling_route"].labels)
    assert {r.step for f in found for r in f.reasons} == set(CODES["screening_step"].labels)
    evidence = {code for f in found for code in f.missing_evidence}
    # Asked for while the roads' rule is not in force: tested beside the rules, not as a case.
    assert evidence | {"road_rule"} == set(CODES["evidence"].labels)
    assert {part.code for f in found for part in f.priority_parts} == set(
        CODES["priority_part"].labels
    )


VERDICT = re.compile("违法|非法")
PERMITTED = re.compile(r"《[^》]*》|“[^”]*”|疑似违法|疑似非法")


def test_no_verdict_word_outside_suspicion_titles_and_quotations() -> None:
    texts = [text for _, case in CASES for text in screen(case).sentences]
    for name in ("violation_kind", "flag", "evidence", "handling_route", "screening_step"):
        table = CODES[name]
        texts += table.labels.values()
        texts += [text for row in table.attributes.values() for text in row.values()]
    for text in texts:
        assert not VERDICT.search(PERMITTED.sub("", text)), text
