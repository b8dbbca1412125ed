"""What the events of the register mean."""

from __future__ import annotations

import pytest
import shapely

from pipeline.rules.books.posting_checks import check_postings
from pipeline.rules.register.payloads import plain_payload, plain_text, require_payload
from pipeline.rules.register.replay import RegisterState, replay
from pipeline.schema.delivered import FORM_COLUMNS
from pipeline.schema.events import EVENT_LABELS, NewEvent
from pipeline.schema.register_layers import (
    CASES,
    COUNTY_INPUTS,
    LEDGER,
    REGISTERED,
    SURVEY_COLUMNS,
    SURVEYS,
)
from tests.register_factory import (
    RUN,
    case,
    collected,
    county_input,
    decided,
    finding,
    frozen,
    judgement,
    linked,
    numbered,
    one_of_each,
    patch_id,
    photo,
    posting,
    registered,
    reopened,
    survey,
    withdrawn,
)

EARLIER = "2026Q1"
BOW_TIE = shapely.MultiPolygon([shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])]).wkb_hex


def state_of(*events: NewEvent) -> RegisterState:
    return replay(numbered(events))


def test_a_patch_nobody_spoke_of_has_nothing_but_what_the_run_knows() -> None:
    row = state_of(registered(1)).patches[RUN, patch_id(1)]
    assert set(row) == {*REGISTERED.fields, "wkb"}
    assert (row["photo_count"], row["is_withdrawn"]) == (0, False)
    unsaid = {*FORM_COLUMNS, "judgement", "judged_by", "recognised_area_m2", *SURVEY_COLUMNS}
    assert {row[name] for name in unsaid} == {None}


def test_rows_have_the_columns_of_their_layers() -> None:
    state = state_of(*one_of_each())
    (survey_row,) = state.surveys.values()
    (case_row,) = state.cases.values()
    (input_row,) = state.county_inputs.values()
    assert set(survey_row) == {*SURVEYS.fields, "wkb"}
    assert set(case_row) == {*CASES.fields, "patch_ids"}
    assert set(input_row) == set(COUNTY_INPUTS.fields)
    assert all(set(row) == {*LEDGER.fields, "posting_key"} for row in state.ledger)


def test_the_latest_word_of_each_kind_counts() -> None:
    row = state_of(
        registered(1),
        finding(1, site_state="vacant", occupant_name="甲"),
        judgement(1),
        finding(1, site_state="built"),
        judgement(1, "new_lawful"),
        survey(1, 60.0),
        survey(1, 70.0),
    ).patches[RUN, patch_id(1)]
    assert (row["site_state"], row["occupant_name"]) == ("built", None)
    assert row["judgement"] == "new_lawful"
    assert row["survey_area_m2"] == 4900.0
    assert row["area_m2"] == 2500.0


def test_a_withdrawn_patch_keeps_what_people_said_and_can_come_back() -> None:
    gone = state_of(registered(1), finding(1), withdrawn(1)).patches[RUN, patch_id(1)]
    assert (gone["is_withdrawn"], gone["site_state"]) == (True, "built")
    back = state_of(registered(1), finding(1), withdrawn(1), registered(1, area_m2=9.0))
    row = back.patches[RUN, patch_id(1)]
    assert (row["is_withdrawn"], row["site_state"], row["area_m2"]) == (False, "built", 9.0)


def test_a_photo_counts_once_per_patch() -> None:
    state = state_of(registered(1), photo(1, "aa"), photo(1, "aa"), photo(1, "bb"), photo(2, "aa"))
    assert state.patches[RUN, patch_id(1)]["photo_count"] == 2
    assert set(state.photos[RUN, patch_id(1)]) == {"aa", "bb"}


def test_what_is_said_of_an_unregistered_patch_waits_for_it() -> None:
    assert state_of(finding(1)).patches == {}
    row = state_of(finding(1), registered(1)).patches[RUN, patch_id(1)]
    assert row["site_state"] == "built"


def test_a_lineage_link_outlives_registering_anew() -> None:
    row = state_of(registered(1), linked(1, "L-9"), registered(1)).patches[RUN, patch_id(1)]
    assert (row["lineage_id"], row["lineage_relation"]) == ("L-9", "grew")


def test_runs_do_not_mix() -> None:
    state = state_of(registered(1, EARLIER), registered(1), finding(1, EARLIER))
    assert state.patches[EARLIER, patch_id(1)]["site_state"] == "built"
    assert state.patches[RUN, patch_id(1)]["site_state"] is None


def test_a_run_sees_itself_and_those_registered_before_it() -> None:
    state = state_of(registered(1, "b"), registered(1, "a"), finding(1, "b"), registered(1, "c"))
    assert state.runs_until("a") == ("b", "a")
    assert state.runs_until("b") == ("b",)
    assert state.runs_until("new") == ("b", "a", "c", "new")


def test_a_case_recorded_again_replaces_its_patches() -> None:
    row = state_of(case("1号", [1, 2]), case("1号", [3])).cases[RUN, "1号"]
    assert row["patch_ids"] == [patch_id(3)]


def test_inputs_without_a_document_have_an_empty_one_as_in_their_key() -> None:
    state = state_of(county_input("denominator_cultivated", 10.0), county_input("x", 1.0, "1号"))
    assert [row["doc_no"] for row in state.county_inputs.values()] == ["", "1号"]


def test_postings_are_numbered_as_they_were_made_and_reversals_found() -> None:
    rows = state_of(
        posting("a", 100, run=EARLIER), posting("b", 7), posting("c", -7, "b"), posting("d", 1, "x")
    ).ledger
    assert [(row["posting_no"], row["line_no"]) for row in rows] == [
        (number, line) for number in (1, 2, 3, 4) for line in (1, 2)
    ]
    assert [row["reverses_no"] for row in rows] == [None] * 4 + [2, 2] + [None] * 2
    assert [row["run"] for row in rows[::2]] == [EARLIER, RUN, RUN, RUN]
    assert [row["amount_mu100"] for row in rows[:2]] == [100, -100]


def test_a_later_run_can_take_back_what_an_earlier_one_posted() -> None:
    rows = state_of(posting("a", 5, run=EARLIER), posting("b", -5, "a")).ledger
    assert [row["reverses_no"] for row in rows[::2]] == [None, 1]
    own_first = [posting("a", 5), posting("a", 5, run=EARLIER), posting("b", -5, "a")]
    assert [row["reverses_no"] for row in state_of(*own_first).ledger[::2]] == [None, None, 1]


def test_a_case_of_which_only_the_number_is_left_is_taken_back() -> None:
    name = "示案〔2026〕1号"
    empty = case(name, [], case_name=None, remark="案号写错")
    assert (RUN, name) in state_of(case(name, [1])).cases
    assert (RUN, name) not in state_of(case(name, [1]), empty).cases
    assert (RUN, name) in state_of(case(name, [1]), empty, case(name, [1])).cases
    assert (RUN, name) in state_of(case(name, [], found_date="2026-08-01", case_name=None)).cases


def test_decisions_are_kept_by_what_they_decide() -> None:
    subject = f"finding|{patch_id(1)}"
    assert state_of(decided(subject)).decisions[RUN, subject]["row"] == 4


@pytest.mark.parametrize(
    ("events", "is_moved", "is_frozen"),
    [
        ([registered(1)], True, False),
        ([registered(1), collected()], False, False),
        ([registered(1), collected(), finding(1)], True, False),
        ([registered(1), collected(), frozen()], False, True),
        ([registered(1), collected(), frozen(), reopened()], False, False),
        ([registered(1), collected(), frozen(), reopened(), finding(1)], True, False),
        ([registered(1), collected(), finding(1), collected()], False, False),
    ],
)
def test_where_a_run_stands(events: list[NewEvent], is_moved: bool, is_frozen: bool) -> None:
    state = state_of(*events)
    summary = state.runs[RUN]
    assert (summary.is_moved, summary.is_frozen) == (is_moved, is_frozen)
    assert (RUN in state.frozen) is is_frozen
    assert (summary.event_count, summary.last_event_no) == (len(events), len(events))
    assert summary.last_hash == state.head_hash == f"h{len(events)}"


def test_every_kind_of_event_is_in_the_example_or_seals() -> None:
    # So that a kind added later gets into the tests that use the example.
    assert {event.kind for event in one_of_each()} | {"frozen", "reopened"} == set(EVENT_LABELS)


@pytest.mark.parametrize("event", [*one_of_each(), frozen(), reopened()], ids=lambda e: e.kind)
def test_the_examples_are_well_formed(event: NewEvent) -> None:
    require_payload(event)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (registered(1, area_m2=None), "area_m2 = None"),
        (registered(1, area_m2="1"), "area_m2 = '1'"),
        (registered(1, area_mu100=True), "area_mu100 = True"),
        (registered(1, is_sent=1), "is_sent = 1"),
        (registered(1, flags="a"), "flags = 'a'"),
        (registered(1, due_date="20260101"), "due_date"),
        (registered(1, patch_id="x"), "payload names"),
        (registered(1, wkb="00"), "outline can not be read"),
        (registered(1, wkb=None), "outline can not be read"),
        (registered(1, wkb="0103000000" + "00" * 4), "no valid"),
        (registered(1, wkb=BOW_TIE), "no valid"),
        (registered(1, extra=1), "unknown keys ['extra']"),
        (finding(1, filled_date="7月1日"), "filled_date"),
        (case("1号", [1], patch_ids=["b", "a"]), "not sorted"),
        (case("1号", [1], patch_ids=["a", "a"]), "not distinct"),
        (case("", [1]), "is empty"),
        (NewEvent("frozen", RUN, RUN, frozen().payload), "by and reason"),
        (NewEvent("collected", RUN, "x", collected().payload), "should be the run"),
        (NewEvent("county_input_recorded", RUN, "x", county_input("a", 1.0).payload), "subject"),
        (NewEvent("posting_made", RUN, "k", posting("k", 1).payload | {"lines": []}), "no lines"),
        (
            NewEvent("posting_made", RUN, "k", posting("k", 1).payload | {"lines": [{"a": 1}]}),
            "line has keys",
        ),
    ],
)
def test_what_could_never_be_taken_back_does_not_get_in(event: NewEvent, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        require_payload(event)
    assert words in str(caught.value)


def test_a_payload_compares_as_it_will_be_stored() -> None:
    raw = {"area_m2": 5, "remark": "坏\udc80名", "lines": [{"amount_mu100": 3}], "flags": ("a",)}
    plain = plain_payload(raw)
    assert plain == {
        "area_m2": 5.0,
        "remark": "坏\\udc80名",
        "lines": [{"amount_mu100": 3}],
        "flags": ["a"],
    }
    assert isinstance(plain["area_m2"], float)
    assert plain_payload(plain) == plain
    assert plain_text("😀 示例") == "😀 示例"


def test_postings_out_of_balance_twice_or_reversing_nothing_are_found() -> None:
    crooked = posting("b", 5)
    crooked.payload["lines"][0]["amount_mu100"] = 105
    found = check_postings(
        numbered([posting("a", 1), crooked, posting("c", -1, "z"), posting("a", 1)]), "台账"
    )
    assert [finding.value for finding in found] == ["相差 1.00 亩", "z", "a"]
    assert check_postings(numbered([posting("a", 1), posting("c", -1, "a")]), "台账") == []
