"""The day plan: every patch once, urgent first, short trips, the same for any order of rows."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.patches.day_plan import Day, Stop, plan_days
from pipeline.stages.visits import METRES_RULE, PER_DAY_RULE

SEAT = (0.0, 0.0)
PER_DAY, METRES = 8, 50.0


def stop(n: int, x: float, y: float, priority: int = 50, due: str | None = "2026-05-01") -> Stop:
    return Stop(f"379999ZJ26{n:06d}", x, y, priority, due)


def scattered(n: int, seed: int = 1, dues: tuple[str | None, ...] = ("2026-05-01",)) -> list[Stop]:
    rng = np.random.default_rng(seed)
    places = rng.uniform(-9000, 9000, (n, 2))
    return [
        stop(k, float(x), float(y), int(rng.integers(0, 120)), dues[k % len(dues)])
        for k, (x, y) in enumerate(places)
    ]


def ids(days: tuple[Day, ...]) -> list[list[int]]:
    return [[int(one.patch_id[-6:]) for one in day.stops] for day in days]


stops_strategy = st.lists(
    st.tuples(
        st.integers(-500, 500),
        st.integers(-500, 500),
        st.integers(0, 100),
        st.sampled_from([None, "2026-05-01", "2026-05-11"]),
    ),
    max_size=30,
).map(lambda rows: [stop(n, 10.0 * x, 10.0 * y, p, d) for n, (x, y, p, d) in enumerate(rows)])


@settings(max_examples=60, deadline=None)
@given(stops_strategy, st.integers(1, 9), st.sampled_from([0.0, 50.0, 5000.0]))
def test_every_stop_once_and_only_the_last_day_not_full(
    stops: list[Stop], per_day: int, metres: float
) -> None:
    days = plan_days(stops, SEAT, per_day, metres)
    walked = [one.patch_id for day in days for one in day.stops]
    assert sorted(walked) == sorted(one.patch_id for one in stops)
    assert [len(day.stops) for day in days[:-1]] == [per_day] * (len(days) - 1)
    assert len(days) == math.ceil(len(stops) / per_day)
    left = list(stops)
    for day in days:
        # The most urgent of what is left is visited, and nothing due later before what is due.
        assert min(left, key=lambda one: one.urgency) in day.stops
        left = [one for one in left if one not in day.stops]
        latest = max(one.urgency[0] for one in day.stops)
        assert all(one.urgency[0] >= latest for one in left)


@settings(max_examples=30, deadline=None)
@given(stops_strategy, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(stops: list[Stop], rng) -> None:  # type: ignore[no-untyped-def]
    mixed = list(stops)
    rng.shuffle(mixed)
    assert plan_days(mixed, SEAT, 5, METRES) == plan_days(stops, SEAT, 5, METRES)


@pytest.mark.parametrize("seed", range(12))
def test_a_day_is_a_short_round_trip(seed: int) -> None:
    """Within 5 % of the best of all orders of seven stops; in most cases the best itself."""
    stops = scattered(7, seed)
    (day,) = plan_days(stops, SEAT, 7, METRES)
    best = min(
        sum(math.dist(a, b) for a, b in itertools.pairwise([SEAT, *order, SEAT]))
        for order in itertools.permutations([(one.x, one.y) for one in stops])
    )
    assert best - 1e-6 <= day.length_m <= 1.05 * best
    places = [SEAT, *((one.x, one.y) for one in day.stops), SEAT]
    assert day.length_m == pytest.approx(
        sum(math.dist(*pair) for pair in itertools.pairwise(places))
    )


def test_days_are_clusters_not_a_walk_to_and_fro() -> None:
    """Two villages of equal urgency, 20 km apart: a day each."""
    west = [stop(n, -10_000 + 100 * n, 50 * (n % 3)) for n in range(5)]
    east = [stop(n + 5, 10_000 + 100 * n, 50 * (n % 3)) for n in range(5)]
    days = plan_days([*west, *east], SEAT, 5, METRES)
    assert [sorted(day) for day in ids(days)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_priority_outweighs_metres_and_only_so_many() -> None:
    """Beside the urgent one: 40 points more are worth 2 km at 50 m a point."""
    first = stop(0, 1000, 0, 100)
    near, far = stop(1, 1200, 0, 10), stop(2, 1900, 0, 50)
    assert ids(plan_days([first, near, far], SEAT, 2, 50))[0] == [0, 2]
    assert ids(plan_days([first, near, far], SEAT, 2, 0))[0] == [0, 1]
    too_far = stop(2, 2300, 0, 50)
    assert ids(plan_days([first, near, too_far], SEAT, 2, 50))[0] == [0, 1]


def test_what_is_due_first_goes_first_whatever_its_priority() -> None:
    early = [stop(n, 5000 + n, 5000, 1, "2026-04-20") for n in range(3)]
    late = [stop(n + 3, n, 0, 99, "2026-05-20") for n in range(3)]
    unset = [stop(6, 1, 1, 100, None)]
    days = plan_days([*unset, *late, *early], SEAT, 3, METRES)
    assert [sorted(day) for day in ids(days)] == [[0, 1, 2], [3, 4, 5], [6]]


def test_of_both_directions_the_one_that_meets_the_urgent_first() -> None:
    around = [stop(0, 0, 100, 10), stop(1, 100, 100, 20), stop(2, 100, 0, 90)]
    assert ids(plan_days(around, SEAT, 3, METRES)) == [[2, 1, 0]]
    turned = [replace(one, priority=100 - one.priority) for one in around]
    assert ids(plan_days(turned, SEAT, 3, METRES)) == [[0, 1, 2]]


def test_one_place_no_stop_and_no_room() -> None:
    same = [stop(n, 5.0, 5.0) for n in range(4)]
    assert ids(plan_days(same, (5.0, 5.0), 3, METRES)) == [[0, 1, 2], [3]]
    assert plan_days([], SEAT, 3, METRES) == ()
    with pytest.raises(ValueError, match="room"):
        plan_days(same, SEAT, 0, METRES)


def test_a_big_township_is_planned_in_moments() -> None:
    days = plan_days(scattered(600, 3, ("2026-05-01", "2026-05-11")), SEAT, PER_DAY, METRES)
    assert len(days) == 75


def test_every_rule_of_the_plan_changes_a_plan() -> None:
    """The mutation proof of `configs/rules/visit`: another number, another plan."""
    rules = load_rules(RULES_DIR)
    per_day, metres = (
        int(next(iter(rules.parameter(name).values.values())).value)
        for name in (PER_DAY_RULE, METRES_RULE)
    )
    assert (per_day, metres) == (PER_DAY, METRES)
    assert all(rules.parameter(name).is_assumption for name in (PER_DAY_RULE, METRES_RULE))
    stops = scattered(40, 5)
    plan = ids(plan_days(stops, SEAT, per_day, metres))
    for changed in (per_day - 1, per_day + 1, 2 * per_day):
        assert ids(plan_days(stops, SEAT, changed, metres)) != plan
    for factor in (0, 0.5, 2):
        assert ids(plan_days(stops, SEAT, per_day, factor * metres)) != plan
