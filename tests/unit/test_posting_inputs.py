"""What `collect` posts from and what the tables show are the same statements of two periods."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from pipeline.rules.books.quota_facts import unit_facts
from pipeline.rules.register.replay import replay
from pipeline.stages.collect_postings import _stated
from pipeline.stages.statistics_books import _run_order
from pipeline.stages.statistics_quota import inputs_in_order
from tests.register_factory import RUN, county_input, numbered, registered

COUNTY = "379999"
EARLIER = "Z2026Q1"
"""Sorts after this run by its name, and comes before it in time."""


def test_two_periods_give_the_same_quota_to_the_postings_and_to_the_tables() -> None:
    events = [
        registered(1, EARLIER, after_date="2026-03-31"),
        county_input("quota_opening", 50.0, run=EARLIER),
        county_input("quota_allotted", 7.0, "甲文", run=EARLIER),
        registered(1, RUN, after_date="2026-06-30"),
        county_input("quota_opening", 30.0),
        county_input("quota_carried_in", 2.0),
    ]
    state = replay(numbered(events))
    patches = [dict(row) for row in state.patches.values()]
    # As the snapshot has them: by run and subject.
    inputs = [dict(row) for _, row in sorted(state.county_inputs.items())]
    runs = _run_order(patches, inputs, RUN)
    books = cast(Any, SimpleNamespace(runs=runs, county_inputs=inputs))
    shown, posted = (
        unit_facts([COUNTY], stated, {}, 2026)[COUNTY].quota_mu100
        for stated in (inputs_in_order(books), _stated(state, RUN))
    )
    assert runs == [EARLIER, RUN]
    assert shown == posted == 3900
