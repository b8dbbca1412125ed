"""The bureau's cases: which patches each holds, how far it has come, how the land was put right."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from itertools import cycle, groupby
from typing import Any

from .county import Patch, roll
from .played import Played
from .story import Values, judged_on

YEAR = 2024
OUTCOMES = (
    "demolished", "regularised", "fined_only", "open", "minor", "none", "both", "not_accepted",
    "after_closing",
)  # fmt: skip
"""In turn, where the case of the truth leaves it open."""
FIXED = {
    "approved_late": "regularised", "used_before_supply": "regularised", "part_approved": "both",
    "pbf_499": "demolished", "pbf_500": "transferred", "pbf_501": "concealed",
}  # fmt: skip
"""Case of the truth → how it ends."""
AFTER_CLOSING = datetime.date(2025, 7, 8)
"""The form was handed in a little later than the day the books are closed on."""


def play_cases(patches: Iterable[Patch], played: Played) -> list[Values]:
    """Lines of the ledger of cases, those that must be rejected last."""
    wrongs = [p for p in patches if _judged(played, p) == "new_violation"]
    lines: list[Values] = []
    turns = cycle(OUTCOMES)
    groups = groupby(sorted(wrongs, key=_place), key=lambda p: p.township_code)
    for number, (_, group) in enumerate(groups):
        _township(list(group), lines, turns, is_sharing=number % 2 == 0)
    for line in lines:
        _accept(line, played)
    return lines + _broken(wrongs, len(lines), played)


def _place(patch: Patch) -> tuple[str, str]:
    return patch.township_code, patch.patch_id


def _judged(played: Played, patch: Patch) -> str | None:
    signed = played.patches[patch.patch_id]["judgement"]
    return signed["judgement"] if signed else None


def _township(
    group: list[Patch], lines: list[Values], turns: Iterator[str], *, is_sharing: bool
) -> None:
    """One case a patch, but: two share one in every other township, one has two in the others."""
    free = [patch for patch in group if patch.case_id not in FIXED]
    shared = free[:2] if is_sharing and len(free) > 2 else []
    twofold = free[:1] if not is_sharing and len(free) > 2 else []
    for patch in group:
        if patch in shared[1:]:
            continue
        if patch in shared or patch in twofold:
            outcome = "demolished"
        else:
            outcome = FIXED.get(patch.case_id or "") or next(turns)
        if outcome != "none":
            together = shared if patch in shared else [patch]
            lines.append(_case(len(lines) + 1, together, outcome))
        if patch in twofold:
            lines.append(_case(len(lines) + 1, [patch], "fined_only"))


def _case(number: int, patches: list[Patch], outcome: str) -> Values:
    first = patches[0]
    plant = first.plant
    key = (first.patch_id, number)
    judged = max(judged_on(patch) for patch in patches)
    filed = judged + datetime.timedelta(5 + int(roll(*key, "filed") * 35))
    decided = filed + datetime.timedelta(20 + int(roll(*key, "decided") * 20))
    closed = decided + datetime.timedelta(15 + int(roll(*key, "closed") * 30))
    fine = round(sum(patch.area_m2 for patch in patches) * 10, 2)
    found = plant.day_of("patrol_found") if plant else None
    values: Values = dict.fromkeys(CASE_COLUMNS)
    values |= {
        "case_no": f"示自然资立〔{YEAR}〕{number}号",
        "case_name": f"{first.village_name}第{number}号未批先占案",
        "patch_ids": sorted(patch.patch_id for patch in patches),
        "township_name": first.township_name,
        "found_date": found or "2024-11-05",
        "is_filed_otherwise": outcome == "minor",
    }
    if outcome != "minor":
        values["filed_date"] = filed
    if outcome not in ("minor", "open"):
        values |= {"decided_date": decided, "is_demolition": outcome in ("demolished", "both"),
                   "is_confiscation": outcome in ("regularised", "transferred"),
                   "fine_due_yuan": fine}  # fmt: skip
    if outcome not in ("minor", "open", "transferred", "concealed"):
        values |= {"closed_date": closed, "fine_paid_yuan": fine}
    values |= _ending(outcome, decided, closed)
    return {k: v.isoformat() if isinstance(v, datetime.date) else v for k, v in values.items()}


def _ending(outcome: str, decided: datetime.date, closed: datetime.date) -> Values:
    """Rectification, acceptance, transfer."""
    accepted = closed + datetime.timedelta(12)
    clean = {"accepted_date": accepted, "is_concealed": False}
    endings: dict[str, dict[str, Any]] = {
        "demolished": {"rectification": "demolished_restored"} | clean,
        "regularised": {"rectification": "regularised"} | clean,
        "both": {"rectification": "both"} | clean,
        "minor": {"rectification": "demolished_restored", "remark": "轻微，已自行改正",
                  "accepted_date": datetime.date(2024, 12, 20), "is_concealed": False},
        "not_accepted": {"rectification": "demolished_restored"},
        "after_closing": {"rectification": "regularised", "accepted_date": AFTER_CLOSING},
        "fined_only": {"rectification": "not_rectified", "is_concealed": False},
        "transferred": {"rectification": "not_rectified", "transferred_date": decided,
                        "enforcement_date": decided + datetime.timedelta(60)},
        "concealed": {"rectification": "not_rectified", "is_concealed": True,
                      "remark": "验收发现瞒报，退回整改"},
        "open": {},
    }  # fmt: skip
    return endings[outcome]


def _accept(line: Values, played: Played) -> None:
    number = line["case_no"]
    played.cases[number] = line
    played.accept(CASES_NAME, "case", number)
    if line["accepted_date"] == AFTER_CLOSING.isoformat():
        played.notice(CASES_NAME, number, "N-RETURN-DOUBT", "验收日期晚于统计截止日期")
    for patch_id in line["patch_ids"]:
        played.patches[patch_id]["case_nos"].append(number)


def _broken(wrongs: list[Patch], n_cases: int, played: Played) -> list[Values]:
    if not wrongs:
        return []
    twofold = _case(n_cases + 1, wrongs[:1], "demolished") | {"is_filed_otherwise": True}
    nowhere = _case(n_cases + 2, wrongs[:1], "open") | {"patch_ids": ["379999ZJ24999998"]}
    why = "既结案又非立案处理", "图斑不在本期"
    played.reject(CASES_NAME, "case", twofold["case_no"], "E-RETURN-CASE", why[0])
    played.reject(CASES_NAME, "case", nowhere["case_no"], "E-RETURN-PATCH", why[1])
    return [twofold, nowhere]


CASES_NAME = "bureau/cases.xlsx"
CASE_COLUMNS = (
    "case_no", "case_name", "patch_ids", "township_name", "found_date", "filed_date",
    "decided_date", "is_demolition", "is_confiscation", "fine_due_yuan", "fine_paid_yuan",
    "transferred_date", "enforcement_date", "closed_date", "is_filed_otherwise", "rectification",
    "accepted_date", "is_concealed", "remark",
)  # fmt: skip
