"""Appending in any portions gives the same register as replaying everything at once."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.io.register.schema import STATE_LAYERS, srs_id_of
from pipeline.io.register.store import open_register, read_events, verify_register
from pipeline.io.register.tables import read_values, state_rows, stored_values
from pipeline.rules.register.replay import replay
from pipeline.schema.events import NewEvent
from tests.register_factory import (
    CRS_WKT,
    RECORDED_AT,
    case,
    collected,
    county_input,
    decided,
    finding,
    frozen,
    judgement,
    linked,
    numbered,
    photo,
    posting,
    registered,
    reopened,
    survey,
    withdrawn,
)

RUNS = st.sampled_from(["2026Q1", "2026Q2"])
NUMBERS = st.integers(1, 3)
TEXTS = st.text(max_size=4) | st.sampled_from(["示例", "😀", "\udc80", "'\"|", "=1+1"])
AREAS = st.floats(0.01, 1e7, allow_nan=False)

EVENTS = st.one_of(
    st.builds(registered, NUMBERS, RUNS, area_m2=AREAS, village_name=TEXTS, flags=st.lists(TEXTS)),
    st.builds(withdrawn, NUMBERS, RUNS),
    st.builds(finding, NUMBERS, RUNS, occupant_name=st.none() | TEXTS),
    st.builds(photo, NUMBERS, st.sampled_from(["aa", "bb"]), RUNS),
    st.builds(survey, NUMBERS, st.sampled_from([60.0, 70.0]), RUNS),
    st.builds(judgement, NUMBERS, st.sampled_from(["new_violation", "new_lawful"]), RUNS),
    st.builds(case, st.sampled_from(["1号", "2号"]), st.lists(NUMBERS, unique=True), RUNS),
    st.builds(county_input, st.just("quota_allotted"), AREAS, st.none() | st.just("1号"), RUNS),
    st.builds(decided, st.sampled_from(["finding|a", "case|b"]), RUNS),
    st.builds(linked, NUMBERS, st.sampled_from(["L-1", "L-2"]), RUNS),
    st.builds(collected, RUNS),
    st.builds(frozen, RUNS),
    st.builds(reopened, RUNS),
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "379999.gpkg"
    with open_register(path, CRS_WKT):
        pass
    return path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches=st.lists(st.lists(EVENTS, max_size=6), max_size=8), data=st.data())
def test_state_does_not_depend_on_the_portions(
    empty: Path, batches: list[list[NewEvent]], data: st.DataObject
) -> None:
    path = empty.with_name("portions.gpkg")
    shutil.copyfile(empty, path)
    written = []
    posted: list[str] = []
    codes: set[str] = set()
    with open_register(path, CRS_WKT) as register:
        register.connection.execute("PRAGMA synchronous=OFF")
        for number, batch in enumerate(batches):
            events = list(batch)
            if data.draw(st.booleans()):
                reverses = data.draw(st.none() | st.sampled_from(posted)) if posted else None
                events.append(posting(f"key {number}", number + 1, reverses, data.draw(RUNS)))
            before = register.state()
            try:
                written += register.append(events, RECORDED_AT)
                posted += [event.subject for event in events if event.kind == "posting_made"]
            except InputError as problem:
                codes |= {found.code for found in problem.findings}
                # Something followed a seal: then all of the portion stays out.
                assert register.state() == before
        assert register.state() == replay(written)
    assert codes <= {"E-REGISTER-FROZEN"}
    assert read_events(path) == written
    assert verify_register(path) == []
    with closing(sqlite3.connect(path)) as connection:
        srs_id = srs_id_of(connection)
        for spec, rows in state_rows(replay(written)).items():
            assert read_values(connection, spec) == stored_values(spec, rows, srs_id)
    assert set(state_rows(replay(written))) == set(STATE_LAYERS)


@settings(max_examples=60, deadline=None)
@given(events=st.lists(EVENTS, max_size=12))
def test_replaying_one_subject_alone_gives_its_row(events: list[NewEvent]) -> None:
    history = [event for event in numbered(events) if event.kind not in ("frozen", "reopened")]
    whole = replay(history)
    for key, row in whole.patches.items():
        own = replay(event for event in history if (event.run, event.subject) == key)
        assert own.patches == {key: row}
