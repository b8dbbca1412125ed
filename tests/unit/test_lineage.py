"""How land of earlier runs stands, and what a patch on it is told."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.io.register.earlier import earlier_digest, read_earlier
from pipeline.patches.identity import EarlierPatches, IdentityParams, identify
from pipeline.rules.register.lineage import Told, tell_earlier
from pipeline.rules.register.replay import replay
from pipeline.rules.screening.earlier import add_earlier_prompts
from pipeline.rules.screening.facts import EarlierLand
from pipeline.rules.screening.reasoning import Walk
from pipeline.schema.events import NewEvent
from tests.register_factory import (
    CRS_WKT,
    case,
    finding,
    frozen,
    judgement,
    linked,
    numbered,
    registered,
    withdrawn,
    write_register,
)
from tests.screening_facts import patch, piece

FALSE = {"false_change"}
NOTICE = {"stop_notice_no": "停字1号", "stop_notice_date": "2026-05-01", "stop_effect": "stopped"}


def told(*events: NewEvent) -> dict[tuple[str, str], Told]:
    return {one.key: one for one in tell_earlier(replay(numbered(events)), FALSE)}


def only(*events: NewEvent) -> Told:
    (found,) = told(*events).values()
    return found


def false_change() -> NewEvent:
    event = judgement(1, "other_use")
    return dataclasses.replace(event, payload={**event.payload, "judgement_detail": "false_change"})


def test_how_a_patch_stands() -> None:
    assert only(registered(1)).state == "open"
    assert only(registered(1, is_sent=False)).state == "unsent"
    assert only(registered(1), judgement(1)).state == "open"
    assert only(registered(1), judgement(1, "new_lawful")).state == "lawful"
    assert only(registered(1), judgement(1, "other_use")).state == "other_use"
    assert only(registered(1), false_change()).state == "false_change"
    done = case("1号", [1], rectification="demolished_restored", accepted_date="2026-08-01")
    assert only(registered(1), judgement(1), done).state == "rectified"
    assert told(registered(1), withdrawn(1)) == {}


def test_a_judgement_that_nobody_reviewed_settles_nothing() -> None:
    event = judgement(1, "new_lawful")
    unsigned = dataclasses.replace(event, payload={**event.payload, "reviewed_by": None})
    assert only(registered(1), unsigned).state == "open"


@pytest.mark.parametrize(
    ("rectification", "accepted", "is_going_on"),
    [
        ("regularised", None, True),
        ("both", None, True),
        ("regularised", "2026-08-01", False),
        ("demolished_restored", None, False),
    ],
)
def test_regularising_until_it_is_accepted(
    rectification: str, accepted: str | None, is_going_on: bool
) -> None:
    row = case("1号", [1], rectification=rectification, accepted_date=accepted)
    assert only(registered(1), row).is_regularising is is_going_on


def test_a_notice_follows_the_land_to_the_patches_that_came_of_it() -> None:
    first, second = "2026Q1", "2026Q2"
    found = told(
        registered(1, first), finding(1, first, **NOTICE), registered(1, second), linked(1, "L")
    )
    later = found[second, registered(1).subject]
    assert (later.stop_notice_no, later.has_stop_notice, later.is_head) == ("停字1号", True, True)
    assert not found[first, registered(1).subject].is_head
    assert {one.site for one in found.values()} == {later.site}
    none = {**NOTICE, "stop_effect": "not_issued"}
    assert not only(registered(1), finding(1, **none)).has_stop_notice


def test_only_earlier_runs_are_read_and_only_what_tells_of_land(tmp_path: Path) -> None:
    path = tmp_path / "register" / "379999.gpkg"
    early = {"run": "2026Q1", "after_date": "2026-03-28"}
    late = {"run": "2026Q3", "after_date": "2026-09-28"}
    write_register(path, [registered(1, **early)])
    write_register(path, [registered(2, **late)])
    state = read_earlier(path, "2026Q2", "2026-06-28", CRS_WKT)
    assert state is not None
    assert set(state.runs) == {"2026Q1"}
    before = earlier_digest(path, "2026Q2", "2026-06-28")
    write_register(path, [registered(3), frozen("2026Q1"), judgement(2, run="2026Q3")])
    assert earlier_digest(path, "2026Q2", "2026-06-28") == before
    assert read_earlier(path, "2026Q1", "2026-03-28", CRS_WKT) is None
    assert earlier_digest(path, "2026Q1", "2026-03-28") is None


def land(**given: Any) -> EarlierLand:
    plain = EarlierLand("grew", "open", ("2026Q1/P1",), is_continuing=True, is_grown=True)
    return dataclasses.replace(plain, **{"grown_m2": 900.0, **given})


def flags(after: str = "2026-06-28", **given: Any) -> set[str]:
    facts = dataclasses.replace(
        patch([piece(1000.0)]),
        earlier=land(**given),
        after_date=datetime.date.fromisoformat(after),
    )
    walk = Walk(facts, load_rules(RULES_DIR), datetime.date(2026, 6, 28), {})
    add_earlier_prompts(walk)
    assert all("违法" not in reason.text_zh for reason in walk.reasons)
    return walk.flags


def test_growth_after_a_notice_or_while_regularising_is_suspected_resumption() -> None:
    noticed = {"has_stop_notice": True, "stop_notice_date": datetime.date(2026, 5, 1)}
    assert flags() == {"continuing", "grown"}
    assert "suspected_resumption" in flags(**noticed)
    assert "suspected_resumption" in flags(is_regularising=True)
    assert "suspected_resumption" in flags(has_stop_notice=True)
    assert "suspected_resumption" not in flags(after="2026-05-01", **noticed)
    assert "suspected_resumption" in flags(after="2026-05-02", **noticed)
    same = {"relation": "continued", "is_grown": False, "grown_m2": 0.0}
    assert "suspected_resumption" not in flags(**noticed, **same)
    beside = {"relation": "adjoins", "is_continuing": False, "is_grown": False, "grown_m2": None}
    assert flags(**noticed, **beside) == {"suspected_resumption"}
    assert flags(**beside) == set()


def test_settled_land_is_named_as_such() -> None:
    assert flags(state="lawful", is_continuing=False) == {"settled_before", "grown"}
    assert flags(state="rectified", is_continuing=False) == {"grown"}


def compare(now: list[Any], then: list[Any]) -> list[tuple[int, int, str]]:
    n = len(then)
    earlier = EarlierPatches(
        np.array(then, object), np.arange(n), np.zeros(n, np.int64), np.ones(n, bool),
        np.zeros(n, bool), (None,) * n,
    )  # fmt: skip
    found = identify(np.array(now, object), (None,) * len(now), earlier, 6.0, IdentityParams())
    return [link[:3] for link in (*found.links, *found.adjoining)]


def test_a_neighbour_is_not_the_same_land_but_adjoins_it() -> None:
    house, next_door = shapely.box(0, 0, 30, 30), shapely.box(30, 0, 60, 30)
    assert compare([house, next_door], [house]) == [(0, 0, "continued"), (1, 0, "adjoins")]
    # Registration pushed the neighbour four metres onto it.
    assert compare([shapely.box(26, 0, 56, 30)], [house]) == [(0, 0, "adjoins")]
    assert compare([shapely.box(90, 0, 120, 30)], [house]) == []


@pytest.mark.parametrize(("extra_m", "told_as"), [(12.6, "continued"), (12.8, "grew")])
def test_growth_counts_from_the_area_that_is_set(extra_m: float, told_as: str) -> None:
    """30 m wide: 200 m² beyond the band of 6 m begin at 12.7 m."""
    longer = shapely.box(0, 0, 30 + extra_m, 30)
    assert compare([longer], [shapely.box(0, 0, 30, 30)]) == [(0, 0, told_as)]


def test_a_narrow_road_that_moved_is_the_same_road() -> None:
    road, moved = shapely.box(0, 0, 300, 4), shapely.box(0, 4.5, 300, 8.5)
    assert compare([moved], [road]) == [(0, 0, "continued")]
