"""Checks of returned records: what is accepted, what is rejected, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.errors import Finding
from pipeline.rules.register.payloads import require_payload
from pipeline.rules.returns.events import missing_events, patch_events, said_of
from pipeline.rules.returns.findings import check_finding, check_photo, photo_subject
from pipeline.rules.returns.inputs import check_county_input
from pipeline.rules.returns.judge import Verdict, judge_returns, with_surveys
from pipeline.rules.returns.records import (
    Accepted,
    Outcome,
    Received,
    RecordKind,
    Rejected,
    Task,
)
from pipeline.rules.returns.signed import check_case, check_judgement
from pipeline.schema.events import Event, NewEvent
from pipeline.schema.returned import PhotoFacts

CODES = {path.stem: load_codes(path) for path in CODES_DIR.glob("*.csv")}
A, B = "379999101", "379999002"
ONE, TWO, THREE, CHILD = (
    "379999ZJ24000001",
    "379999ZJ24000002",
    "379999ZJ24000003",
    "379999ZJ24000001_2",
)


def patch(township: str | None, issued: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "township_code": township,
        "issued_id": issued,
        "is_sent": True,
        "after_date": "2024-10-18",
        "area_m2": 3600.0,
        "cultivated_m2": 1800.0,
        "pbf_m2": 0.0,
        **more,
    }


TASK = Task(
    run="T1",
    county_code="379999",
    county_name="示例县",
    check_year=2024,
    after_date="2024-10-18",
    closes_on="2025-06-30",
    patches={
        ONE: patch(A, "00123"),
        CHILD: patch(A),
        TWO: patch(A, None, pbf_m2=None, is_sent=False),
        THREE: patch(B, "77"),
    },
    locked={
        ONE: {
            "serial_no": (1,),
            "area_mu": (5.4,),
            "area_m2": (3600.004,),
            "suspected_class": ("suspected_violation", "疑似违法"),
            "is_straddling": (False, "否"),
            "reasons_zh": ("1. 压占耕地。\n2. 未见批文。",),
            "due_date": ("2024-11-20",),
            "village_name": (None,),
            "center_lon": (114.1234567,),
        }
    },
    locked_county={},
    townships={A: "清溪镇", B: "垟头街道"},
    packages={A: f"T1-{A}-abcdef01"},
    codes=CODES,
)

FINDING = {
    "patch_id": ONE,
    "site_state": "建成",
    "occupant_name": "某合作社",
    "start_date": "2024年8月1日",
    "measured_area_m2": "3,601.5",
    "is_found_by_patrol": "否",
    "filled_by": "张某",
    "checked_by": "李某",
    "filled_date": "2024-11-02",
}
JUDGEMENT = {
    "patch_id": ONE,
    "judgement": "违法用地",
    "judged_by": "王某",
    "reviewed_by": "赵某",
    "judged_date": "2024-12-01",
}
CASE = {
    "case_no": "示自然资罚〔2024〕1号",
    "patch_ids": f"{ONE}、{THREE}",
    "filed_date": "2024-12-02",
}
INPUT = {
    "item": "上级扣减指标",
    "unit_code": "示例县",
    "year": "2025",
    "value_mu": "120.5",
    "doc_no": "示政发〔2025〕3号",
    "filled_by": "张某",
    "checked_by": "李某",
}


def record(
    kind: RecordKind,
    values: Mapping[str, str | None],
    file: str = "a/register.xlsx",
    row: int = 7,
    township: str | None = A,
) -> Received:
    subject = values.get("patch_id") or values.get("issued_id") or values.get("case_no") or ""
    return Received(kind, file, "f" * 64, row, township, subject, dict(values))


def finding(**changed: str | None) -> Outcome | None:
    return check_finding(record("finding", FINDING | changed), TASK)


def judgement(**changed: str | None) -> Outcome | None:
    return check_judgement(record("judgement", JUDGEMENT | changed, township=None), TASK)


def case(**changed: str | None) -> Outcome | None:
    return check_case(record("case", CASE | changed, township=None), TASK)


def county_input(**changed: str | None) -> Outcome | None:
    return check_county_input(record("county_input", INPUT | changed, township=None), TASK)


def accepted(outcome: Outcome | None) -> Accepted:
    assert isinstance(outcome, Accepted), outcome
    require_payload(outcome.event)
    return outcome


def rejected(outcome: Outcome | None, code: str) -> Finding:
    assert isinstance(outcome, Rejected), outcome
    assert outcome.problems[0].code == code, outcome.problems
    for problem in outcome.problems:
        assert problem.what.endswith(("。", "；"))
        assert outcome.received.where in problem.where
    return outcome.problems[0]


def codes(outcome: Accepted) -> list[str]:
    return [notice.code for notice in outcome.notices]


def test_a_finding_is_read_by_label_date_and_number() -> None:
    event = accepted(finding()).event
    assert (event.kind, event.run, event.subject) == ("finding_accepted", "T1", ONE)
    assert (event.by, event.event_date) == ("张某", "2024-11-02")
    assert event.payload["site_state"] == "built"
    assert event.payload["start_date"] == "2024-08-01"
    assert event.payload["measured_area_m2"] == 3601.5
    assert event.payload["is_found_by_patrol"] is False
    assert event.payload["is_notified"] is None
    assert event.payload["stop_effect"] is None


def test_a_row_with_nothing_filled_in_is_no_record() -> None:
    blank = dict.fromkeys(FINDING) | {"patch_id": ONE, "serial_no": "1"}
    assert check_finding(record("finding", blank), TASK) is None
    assert check_finding(record("finding", blank | {"photo_note": " "}), TASK) is None
    assert check_finding(record("finding", blank | {"photo_note": "四张"}), TASK) is not None


@pytest.mark.parametrize("name", ["site_state", "filled_by", "checked_by", "filled_date"])
def test_a_finding_without_what_makes_it_one_is_incomplete(name: str) -> None:
    problem = rejected(finding(**{name: None}), "E-RETURN-INCOMPLETE")
    assert "没有填" in problem.what


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("site_state", "盖好了", "建成、在建、推填土、未变化、已拆"),
        ("stop_effect", "停了", "已停止"),
        ("is_notified", "有", "是、否"),
        ("filled_date", "2024-13-01", "YYYY-MM-DD"),
        ("filled_date", "五月一日", "YYYY-MM-DD"),
        ("start_date", "1024-05-01", "1950-01-01"),
        ("measured_area_m2", "5.4亩", "单位平方米"),
        ("measured_area_m2", "0", "大于 0"),
        ("measured_area_m2", "-3", "大于 0"),
        ("measured_area_m2", "1e9999999", "大于 0"),
        ("measured_area_m2", "1e-9999999", "大于 0"),
        ("occupant_name", "=A1", "文字"),
        ("occupant_name", "#REF!", "文字"),
        ("photo_note", "照" * 2001, "2000"),
    ],
)
def test_what_can_not_be_read_says_what_is_allowed(name: str, value: str, said: str) -> None:
    problem = rejected(finding(**{name: value}), "E-RETURN-VALUE")
    assert said in problem.allowed
    assert problem.advice
    assert value[:20] in problem.value or "字" in problem.value
    assert problem.where == "a/register.xlsx 第 7 行"


def test_every_problem_of_a_row_is_told_at_once() -> None:
    outcome = finding(site_state="盖好了", filled_date="明天", checked_by=None)
    assert isinstance(outcome, Rejected)
    assert [problem.code for problem in outcome.problems] == [
        "E-RETURN-VALUE",
        "E-RETURN-VALUE",
        "E-RETURN-INCOMPLETE",
    ]


def test_a_day_number_of_excel_is_read_and_told() -> None:
    one = accepted(finding(filled_date="45598"))
    assert one.event.payload["filled_date"] == "2024-11-02"
    assert "N-RETURN-DOUBT" in codes(one)


def test_days_after_the_closing_date_and_works_after_the_image_are_doubted() -> None:
    told = [n.what for n in accepted(finding(filled_date="2025-07-01")).notices]
    assert any("统计截止日期" in text for text in told)
    assert not accepted(finding(filled_date="2025-06-30")).notices
    told = [n.what for n in accepted(finding(start_date="2024-10-19")).notices]
    assert any("后时相" in text for text in told)
    assert not accepted(finding(start_date="2024-10-18")).notices


def test_patches_are_found_by_either_id_also_without_leading_zeros() -> None:
    by_issued = FINDING | {"patch_id": None, "issued_id": "123"}
    assert accepted(check_finding(record("finding", by_issued), TASK)).event.subject == ONE
    spaced = FINDING | {"patch_id": " 379999zj24000001"}
    assert accepted(check_finding(record("finding", spaced), TASK)).event.subject == ONE


def test_unknown_and_foreign_patches_are_rejected() -> None:
    rejected(finding(patch_id="379999ZJ24000999"), "E-RETURN-PATCH")
    rejected(finding(patch_id=None), "E-RETURN-PATCH")
    problem = rejected(finding(patch_id=THREE), "E-RETURN-FOREIGN")
    assert "垟头街道" in problem.value
    assert "清溪镇" in problem.allowed
    assert accepted(finding(patch_id=TWO)).notices[0].what == "这个图斑没有下发乡镇核查。"


def test_a_row_whose_two_ids_differ_or_that_slipped_is_rejected() -> None:
    rejected(finding(issued_id="77"), "E-RETURN-PATCH")
    rejected(finding(serial_no="2", area_mu="9.99", area_m2="6660"), "E-RETURN-PATCH")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serial_no", "1.0"),
        ("area_mu", "5.40"),
        ("area_m2", "3,600.00"),
        ("suspected_class", "suspected_violation"),
        ("suspected_class", "疑似违法"),
        ("is_straddling", "否"),
        ("reasons_zh", "1. 压占耕地。2. 未见批文。"),
        ("due_date", "2024/11/20"),
        ("village_name", None),
        ("center_lon", "114.123457"),
    ],
)
def test_locked_cells_in_other_writing_are_unchanged(name: str, value: str | None) -> None:
    assert codes(accepted(finding(**{name: value}))) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("area_mu", "5.41", "5.4 → 5.41"),
        ("suspected_class", "合法", "疑似违法 → 合法"),
        ("due_date", "2024-12-20", "2024-11-20 → 2024-12-20"),
        ("village_name", "上清村", "空 → 上清村"),
        ("area_m2", None, "3600.004 → 空"),
        ("is_straddling", "是", "否 → 是"),
        ("area_mu", "1e9999999", "5.4 → 1e9999999"),
        ("center_lon", "1e30", "114.1234567 → 1e30"),
    ],
)
def test_locked_cells_that_were_changed_are_told_and_not_merged(
    name: str, value: str | None, said: str
) -> None:
    one = accepted(finding(**{name: value}))
    (notice,) = one.notices
    assert notice.code == "N-RETURN-LOCKED"
    assert said in notice.what
    assert name not in one.event.payload


def test_a_judgement_needs_its_signature() -> None:
    event = accepted(judgement()).event
    assert event.payload["judgement"] == "new_violation"
    assert (event.by, event.event_date) == ("王某", "2024-12-01")
    for name in ("judged_by", "reviewed_by", "judged_date"):
        rejected(judgement(**{name: None}), "E-RETURN-UNSIGNED")
    rejected(judgement(judgement=None), "E-RETURN-INCOMPLETE")
    rejected(judgement(judgement="违法"), "E-RETURN-VALUE")
    assert judgement(**dict.fromkeys(JUDGEMENT) | {"patch_id": ONE}) is None
    assert accepted(judgement(patch_id=THREE)).event.subject == THREE


AREAS = {
    "recognised_area_m2": "3600",
    "recognised_new_m2": "3600",
    "recognised_cultivated_m2": "1800",
    "recognised_pbf_m2": "0",
}


def test_recognised_areas_are_stated_together() -> None:
    payload = accepted(judgement(**AREAS)).event.payload
    assert payload["recognised_pbf_m2"] == 0.0
    assert payload["recognised_reserve_m2"] is None
    for name in AREAS:
        problem = rejected(judgement(**AREAS | {name: None}), "E-RETURN-INCOMPLETE")
        assert "认定" in problem.what
    # The layer was not supplied for this patch.
    accepted(judgement(patch_id=TWO, **AREAS | {"recognised_pbf_m2": None}))


@pytest.mark.parametrize("name", [*AREAS][1:])
def test_no_part_is_larger_than_the_whole(name: str) -> None:
    accepted(judgement(**AREAS | {name: "3600.5"}))
    problem = rejected(judgement(**AREAS | {name: "3600.51"}), "E-RETURN-VALUE")
    assert "大于认定面积" in problem.what


def test_the_second_level_belongs_to_the_first_or_is_free_text() -> None:
    assert accepted(judgement(judgement_detail="工矿商服")).event.payload["judgement_detail"] == (
        "industry"
    )
    assert accepted(judgement(judgement_detail="骗取批准")).event.payload["judgement_detail"] == (
        "骗取批准"
    )
    problem = rejected(judgement(judgement_detail="批文"), "E-RETURN-VALUE")
    assert "工矿商服" in problem.allowed
    assert "批文" not in problem.allowed


def test_a_case_holds_several_patches() -> None:
    event = accepted(case()).event
    assert event.payload["patch_ids"] == [ONE, THREE]
    assert event.subject == CASE["case_no"]
    for text in (f"{ONE},{THREE}", f"{THREE}；{ONE};{ONE}", "123\n77", f"{ONE} {THREE}"):
        assert accepted(case(patch_ids=text)).event.payload["patch_ids"] == [ONE, THREE]
    problem = rejected(case(patch_ids=f"{ONE}、没有这个"), "E-RETURN-PATCH")
    assert problem.value == "没有这个"
    rejected(case(case_no=None), "E-RETURN-INCOMPLETE")


@pytest.mark.parametrize(
    "changed",
    [
        {"is_filed_otherwise": "是"},
        {"is_filed_otherwise": "是", "filed_date": None, "closed_date": "2025-01-01"},
        {"rectification": "拆除复耕", "patch_ids": None},
        {"rectification": "未整改", "accepted_date": "2025-03-01"},
        {"found_date": "2024-12-03"},
        {"closed_date": "2024-12-01"},
        {"decided_date": "2025-01-02", "closed_date": "2025-01-01"},
    ],
)
def test_a_case_that_contradicts_itself_is_rejected(changed: dict[str, str | None]) -> None:
    rejected(case(**changed), "E-RETURN-CASE")


def test_unusual_cases_are_accepted_and_doubted() -> None:
    accepted(case(is_filed_otherwise="是", filed_date=None))
    assert not accepted(case(closed_date="2025-01-01", rectification="拆除复耕")).notices
    early = case(closed_date="2025-03-01", accepted_date="2025-02-01", rectification="补办手续")
    assert codes(accepted(early)) == ["N-RETURN-DOUBT"]
    assert codes(accepted(case(patch_ids=None))) == ["N-RETURN-DOUBT"]
    assert codes(accepted(case(fine_due_yuan="10", fine_paid_yuan="11"))) == ["N-RETURN-DOUBT"]
    assert accepted(case(is_concealed="是")).event.payload["is_concealed"] is True


def test_a_county_input_has_item_unit_year_value_and_document() -> None:
    event = accepted(county_input()).event
    assert event.subject == "quota_deducted|379999|2025|示政发〔2025〕3号"
    assert event.payload["value_mu"] == 120.5
    assert accepted(county_input(unit_code="379999")).event.subject == event.subject
    assert accepted(county_input(value_mu="0")).event.payload["value_mu"] == 0.0
    rejected(county_input(doc_no=None), "E-RETURN-INCOMPLETE")
    rejected(county_input(checked_by=None), "E-RETURN-INCOMPLETE")
    rejected(county_input(value_mu=None), "E-RETURN-INCOMPLETE")
    rejected(county_input(value_mu="-1"), "E-RETURN-VALUE")
    rejected(county_input(item="别的"), "E-RETURN-VALUE")
    rejected(county_input(unit_code="邻县"), "E-RETURN-VALUE")
    rejected(county_input(unit_code="清溪镇"), "E-RETURN-VALUE")
    rejected(county_input(year="25年"), "E-RETURN-VALUE")
    assert codes(accepted(county_input(year="2024"))) == ["N-RETURN-DOUBT"]


def test_listed_rows_without_a_value_are_no_records() -> None:
    listed = {"item": "上级下达指标", "unit_code": "清溪镇", "year": "2025"}
    assert check_county_input(record("county_input", listed), TASK) is None
    named = county_input(
        item="新增建设用地占用耕地总面积", unit_code="清溪镇", doc_no=None, year="2024"
    )
    assert accepted(named).event.subject == f"denominator_cultivated|{A}|2024|"


PHOTO = PhotoFacts("a" * 64, None, 114.1, 30.7, 90.0, "2024-11-01T10:00:00")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (f"{A}_清溪镇/photos/{ONE}_东.jpg", ONE),
        (f"{A}/{ONE}-1.JPG", ONE),
        (f"{A}/{CHILD}.jpg", CHILD),
        (f"{A}/{ONE}_1.jpg", ONE),
        (f"{A}/{ONE}/IMG_0001.jpg", ONE),
        (f"{A}/00123 内部.png", ONE),
        (f"a.zip!/photos/{THREE}东.jpg", THREE),
        (f"{A}/379999ZJ240000019.jpg", "379999ZJ240000019"),
        (f"{A}/IMG_0001.jpg", ""),
    ],
)
def test_a_photo_belongs_to_the_patch_its_name_begins_with(name: str, meant: str) -> None:
    assert photo_subject(name, A, TASK) == meant


def photo(name: str, facts: PhotoFacts = PHOTO, township: str | None = A) -> Outcome:
    subject = photo_subject(name, township, TASK)
    return check_photo(Received("photo", name, facts.sha256, None, township, subject), facts, TASK)


def test_photos_are_accepted_with_place_and_rejected_with_reason() -> None:
    one = accepted(photo(f"x/{ONE}_1.jpg"))
    assert one.event.payload["file_name"] == f"{ONE}_1.jpg"
    assert (one.event.event_date, one.notices) == ("2024-11-01", ())
    nowhere = photo(f"x/{ONE}_1.jpg", replace(PHOTO, lon=None, lat=None))
    assert codes(accepted(nowhere)) == ["N-RETURN-DOUBT"]
    rejected(photo("x/IMG_1.jpg"), "E-RETURN-UNKNOWN")
    rejected(photo("x/379999ZJ24000999.jpg"), "E-RETURN-PATCH")
    rejected(photo(f"x/{THREE}.jpg"), "E-RETURN-FOREIGN")
    broken = Finding("E-RETURN-PHOTO", "照片打不开。", f"x/{ONE}.jpg")
    rejected(photo(f"x/{ONE}.jpg", replace(PHOTO, problem=broken)), "E-RETURN-PHOTO")


def judge(*received: Received, ready: tuple[Outcome, ...] = ()) -> Verdict:
    return judge_returns(received, ready, [], TASK)


def results(verdict: Verdict) -> list[str]:
    return [
        "ok" if isinstance(one, Accepted) else one.problems[0].code.removeprefix("E-RETURN-")
        for one in verdict.outcomes
    ]


FIRST = record("finding", FINDING, "a/1.xlsx", 7)
SAME = record("finding", FINDING, "a/2.xlsx", 9)
OTHER = record("finding", FINDING | {"site_state": "在建"}, "a/3.xlsx", 7)
TWICE = record("finding", FINDING | {"site_state": "已拆"}, "a/1.xlsx", 8)


def decision(file: str, row: str | None = "7", **changed: str | None) -> Received:
    values = {
        "record_kind": "乡镇核查结果",
        "subject": ONE,
        "source_file": file,
        "row_no": row,
        "is_adopted": "是",
        "decided_by": "局长",
        "decided_date": "2025-01-05",
        "decision_reason": "现场复核",
        **changed,
    }
    return Received("decision", "bureau/decisions.xlsx", "0" * 64, 5, None, "x", values)


def test_equal_records_count_and_different_ones_exclude_each_other() -> None:
    assert results(judge(FIRST, SAME)) == ["ok", "ok"]
    assert results(judge(FIRST, replace(FIRST, row_no=8))) == ["ok", "ok"]
    assert results(judge(FIRST, OTHER)) == ["CONFLICT", "CONFLICT"]
    assert results(judge(FIRST, SAME, OTHER)) == ["CONFLICT"] * 3
    assert results(judge(FIRST, TWICE)) == ["DUPLICATE", "DUPLICATE"]
    assert results(judge(FIRST, TWICE, OTHER)) == ["DUPLICATE", "DUPLICATE", "CONFLICT"]


def test_a_conflict_says_where_the_other_is_and_in_what_they_differ() -> None:
    verdict = judge(FIRST, OTHER)
    first = verdict.outcomes[0]
    assert isinstance(first, Rejected)
    (problem,) = first.problems
    assert "a/3.xlsx 第 7 行" in problem.what
    twice = judge(FIRST, TWICE).outcomes[0]
    assert isinstance(twice, Rejected)
    assert twice.problems[0].what.endswith("内容不同：第 8 行。")
    assert problem.value == "现状：建成"
    assert [rival.content for rival in verdict.rivals] == ["现状：建成", "现状：在建"]


def test_the_order_of_arrival_does_not_matter() -> None:
    pieces = (FIRST, SAME, OTHER, TWICE, decision("a/3.xlsx"))
    verdicts = {str(judge(*order)): judge(*order) for order in permutations(pieces)}
    assert len(verdicts) == 1
    (outcomes,) = (verdict.outcomes for verdict in verdicts.values())
    assert [isinstance(one, Accepted) for one in outcomes] == [False, False, False, True, True]
    undecided = {str(judge(*order)) for order in permutations(pieces[:4])}
    assert len(undecided) == 1


def test_a_decision_adopts_one_record_and_those_that_say_the_same() -> None:
    verdict = judge(FIRST, SAME, OTHER, decision("a/1.xlsx"))
    assert results(verdict) == ["ok", "ok", "CONFLICT", "ok"]
    refused = verdict.outcomes[2]
    assert isinstance(refused, Rejected)
    assert refused.problems[0].what == "已裁决采用 a/1.xlsx 第 7 行，这一份不采用。"
    assert [rival.is_adopted for rival in verdict.rivals] == [True, True, False]
    event = accepted(verdict.outcomes[3]).event
    assert event.subject == f"finding|{ONE}"
    assert event.payload["row"] == 7
    # Also between rows of one file.
    assert results(judge(FIRST, TWICE, decision("a/1.xlsx", "8"))) == ["CONFLICT", "ok", "ok"]


def test_decisions_that_decide_nothing_are_rejected() -> None:
    assert results(judge(FIRST, OTHER, decision("a/9.xlsx")))[-1] == "VALUE"
    assert results(judge(FIRST, OTHER, decision("a/1.xlsx", "99")))[-1] == "VALUE"
    assert results(judge(FIRST, OTHER, decision("a/1.xlsx", decided_by=None)))[-1] == "UNSIGNED"
    assert results(judge(FIRST, OTHER, decision("a/1.xlsx", is_adopted="好")))[-1] == "VALUE"
    assert results(judge(FIRST, OTHER, decision("a/1.xlsx", is_adopted="否"))) == ["CONFLICT"] * 2
    broken = record("finding", FINDING | {"filled_by": None}, "a/1.xlsx")
    assert results(judge(broken, OTHER, decision("a/1.xlsx"))) == ["INCOMPLETE", "ok", "VALUE"]
    both = judge(FIRST, OTHER, decision("a/1.xlsx"), replace(decision("a/3.xlsx"), row_no=6))
    assert results(both) == ["CONFLICT", "CONFLICT", "DUPLICATE", "DUPLICATE"]


def test_invalid_records_do_not_disturb_valid_ones() -> None:
    broken = record("finding", FINDING | {"filled_by": None, "site_state": "在建"}, "a/3.xlsx")
    assert results(judge(FIRST, broken)) == ["ok", "INCOMPLETE"]


def survey(file: str, outcome: str) -> Outcome:
    received = Received("survey", file, "0" * 64, 1, A, ONE)
    if outcome == "ok":
        return Accepted(received, NewEvent("survey_accepted", "T1", ONE, {"wkb": file}))
    return Rejected(received, (Finding(f"E-RETURN-{outcome}", "界址不同。", file),))


def test_surveys_that_differ_are_rivals_too() -> None:
    verdict = with_surveys(judge(), [survey("b.shp", "CONFLICT"), survey("a.shp", "CONFLICT")])
    assert [rival.received.source_file for rival in verdict.rivals] == ["a.shp", "b.shp"]
    agreed = with_surveys(judge(), [survey("a.shp", "ok"), survey("b.shp", "ok")])
    assert agreed.rivals == ()
    bad = with_surveys(judge(), [survey("a.shp", "ok"), survey("b.shp", "GEOMETRY")])
    assert bad.rivals == ()
    named = replace(
        decision("a.shp"), values=decision("a.shp").values | {"record_kind": "实测界址"}
    )
    claims = [survey("a.shp", "ok").received, survey("b.shp", "ok").received]
    verdict = judge_returns([named], [], claims, TASK)
    assert verdict.decisions[f"survey|{ONE}"].source_file == "a.shp"


def event(number: int, kind: Any, subject: str, payload: Mapping[str, Any]) -> Event:
    return Event(kind, "T1", subject, payload, event_no=number)


def test_only_what_differs_from_the_register_is_added() -> None:
    wanted = accepted(finding()).event
    assert missing_events([wanted, wanted], []) == [wanted]
    stored = event(1, "finding_accepted", ONE, wanted.payload)
    assert missing_events([wanted], [stored]) == []
    changed = replace(wanted, payload={**wanted.payload, "site_state": "unchanged"})
    (added,) = missing_events([changed], [stored])
    assert (added.reason, added.payload["site_state"]) == ("更正", "unchanged")
    back = event(2, "finding_accepted", ONE, changed.payload)
    assert [one.reason for one in missing_events([wanted], [stored, back])] == ["更正"]


def test_photos_add_up_and_are_never_corrected() -> None:
    one, two = (
        accepted(photo(f"x/{ONE}-{n}.jpg", replace(PHOTO, sha256=str(n) * 64))).event for n in "12"
    )
    stored = [event(1, "photo_accepted", ONE, one.payload)]
    assert missing_events([one, two], stored) == [two]
    stored.append(event(2, "photo_accepted", ONE, two.payload))
    assert missing_events([one, two], stored) == []


def test_patches_are_registered_again_when_they_change_and_withdrawn_when_they_vanish() -> None:
    rows = {ONE: {"area_m2": 1.0}, TWO: {"area_m2": 2}}
    first = patch_events("T1", rows, [], "2024-10-18")
    assert [(one.kind, one.subject, one.reason) for one in first] == [
        ("patch_registered", ONE, None),
        ("patch_registered", TWO, None),
    ]
    stored = [event(n, one.kind, one.subject, one.payload) for n, one in enumerate(first)]
    stored[1] = event(1, "patch_registered", TWO, {"area_m2": 2.0})
    assert patch_events("T1", rows, stored, None) == []
    (again, gone) = patch_events("T1", {ONE: {"area_m2": 1.5}}, stored, None)
    assert (again.kind, again.reason) == ("patch_registered", "更正")
    assert (gone.kind, gone.subject, gone.payload) == ("patch_withdrawn", TWO, {})
    stored.append(event(3, "patch_withdrawn", TWO, {}))
    (back,) = patch_events("T1", rows, stored, None)
    assert back.subject == TWO
    assert patch_events("T1", {ONE: rows[ONE]}, stored, None) == []


def test_withdrawn_patches_with_human_records_are_named() -> None:
    events = [
        event(1, "patch_registered", ONE, {}),
        event(2, "finding_accepted", TWO, {}),
        event(3, "case_recorded", "1号", {"patch_ids": [THREE]}),
    ]
    assert said_of([ONE, TWO, THREE], events) == [TWO, THREE]
