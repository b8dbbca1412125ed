from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from shapely.affinity import translate

from pipeline.errors import Finding, PipelineError
from pipeline.patches import survey_returns
from pipeline.patches.survey_reading import Returned
from pipeline.patches.survey_returns import SurveyResult, accept_surveys
from pipeline.schema.register_layers import SURVEY_COLUMNS
from tests.overlay_factory import patch_table, reference, square, townships
from tests.survey_factory import area_m2, feature, material, normal, outline_in

ONE, TWO, FAR = square(0, 0, 60, 50), square(200, 0, 40), square(3000, 0, 40)
P1, P2, P3 = (f"379999ZJ24{n:06d}" for n in (1, 2, 3))
PATCHES = patch_table([ONE, TWO, FAR], issued_id=["37001", None, None])


def accept(*features: Returned, **given: Any) -> SurveyResult:
    return accept_surveys(material(PATCHES, **given), features)


def codes(result: SurveyResult) -> list[str]:
    return [one.finding.code for one in result.rejected]


def told(result: SurveyResult) -> list[str]:
    return [notice.what for one in result.accepted for notice in one.notices]


def test_an_accepted_survey_becomes_an_event() -> None:
    result = accept(feature(P1, ONE))
    (one,) = result.accepted
    assert result.rejected == ()
    assert one.notices == ()
    event = one.event
    assert (event.kind, event.run, event.subject) == ("survey_accepted", "r1", P1)
    assert (event.event_date, event.by) == ("2024-11-01", "甲测绘")
    assert (event.source_file, event.source_sha256) == (one.file.name, one.file.sha256)
    assert list(event.payload) == [*SURVEY_COLUMNS, "wkb"]
    assert event.payload["survey_area_m2"] == area_m2(normal(ONE))
    assert event.payload["survey_pbf_m2"] is None
    assert outline_in(event).equals(ONE)
    assert json.loads(json.dumps(dict(event.payload))) == dict(event.payload)


@pytest.mark.parametrize("written", [P1, "37001", " 37001 ", "37001.0", "３７００１"])
def test_a_patch_is_named_by_our_id_or_the_issued_one(written: str) -> None:
    (one,) = accept(feature(written, ONE)).accepted
    assert one.event.subject == P1


@pytest.mark.parametrize("written", [None, "", "379999ZJ24000009", "370010"])
def test_a_patch_that_is_not_in_the_run_is_refused(written: str | None) -> None:
    result = accept(feature(written, ONE))
    assert codes(result) == ["E-RETURN-PATCH"]
    assert result.rejected[0].patch_id is None


def test_a_run_without_patches_refuses_and_nothing_gives_nothing() -> None:
    empty = material(PATCHES.iloc[:0])
    assert codes(accept_surveys(empty, [feature(P1, ONE)])) == ["E-RETURN-PATCH"]
    assert accept() == SurveyResult((), ())


def test_a_township_surveys_its_own_patches_only() -> None:
    features = [feature(P1, ONE, "379999001/a.gpkg"), feature(P2, TWO, "379999002/a.gpkg")]
    towns = {"379999001/a.gpkg": "379999001", "379999002/a.gpkg": "379999002"}
    result = accept(*features, township_of=towns)
    assert [one.event.subject for one in result.accepted] == [P1]
    assert codes(result) == ["E-RETURN-FOREIGN"]
    assert accept(*features, township_of={}).rejected == ()  # the bureau's own


def test_what_the_reader_refused_stays_refused_with_its_pieces() -> None:
    broken = Finding("E-RETURN-GEOMETRY", "少了一个点。")
    result = accept(feature(P1, None, problem=broken), feature(P1, ONE, row_no=2))
    assert codes(result) == ["E-RETURN-GEOMETRY", "E-RETURN-GEOMETRY"]
    assert result.rejected[0].finding == broken
    assert "另一块" in result.rejected[1].finding.what
    whole_file = accept(feature(None, None, problem=broken), feature(P1, ONE))
    assert whole_file.rejected[0].finding == broken
    assert len(whole_file.accepted) == 1


def test_what_the_reader_guessed_is_told() -> None:
    guess = Finding("N-RETURN-DOUBT", "X、Y 颠倒，已对调。")
    (one,) = accept(feature(P1, ONE, notices=(guess,))).accepted
    assert one.notices == (guess,)


def test_polygons_of_one_patch_in_one_file_are_one_survey() -> None:
    pieces = (square(0, 0, 20), square(30, 0, 20))
    result = accept(*(feature(P1, piece, row_no=n) for n, piece in enumerate(pieces, start=1)))
    assert len(result.accepted) == 2
    first, second = (one.event for one in result.accepted)
    assert first == second
    assert first.payload["survey_area_m2"] == pytest.approx(sum(map(area_m2, pieces)), abs=1e-6)


def test_two_signatures_in_one_file_are_two_surveys_of_one_patch() -> None:
    for fields in ({"surveyed_date": "2024-12-01"}, {"surveyed_by": "乙测绘"}):
        other = feature(P1, square(30, 0, 20), row_no=2, **fields)
        assert codes(accept(feature(P1, square(0, 0, 20)), other)) == ["E-RETURN-DUPLICATE"] * 2
    silent = feature(P1, square(30, 0, 20), row_no=2, surveyed_by=None, surveyed_date=None)
    (one, _) = accept(feature(P1, square(0, 0, 20)), silent).accepted
    assert one.event.by == "甲测绘"


def test_equal_surveys_in_several_files_count_once() -> None:
    result = accept(feature(P1, ONE, "b.gpkg"), feature(P1, ONE, "a.gpkg"))
    assert [one.file.name for one in result.accepted] == ["a.gpkg", "b.gpkg"]
    first, second = (one.event for one in result.accepted)
    assert first == second
    assert first.source_file == "a.gpkg"


RIVALS = (feature(P1, ONE, "a.gpkg"), feature(P1, square(0, 0, 59, 50), "b.gpkg"))


def test_different_surveys_wait_for_the_bureau() -> None:
    assert codes(accept(*RIVALS)) == ["E-RETURN-CONFLICT"] * 2
    later = (RIVALS[0], feature(P1, ONE, "b.gpkg", surveyed_date="2025-01-01"))
    assert codes(accept(*later)) == ["E-RETURN-CONFLICT"] * 2


def test_the_file_that_the_bureau_decided_for_counts() -> None:
    result = accept(*RIVALS, feature(P2, TWO, "a.gpkg", row_no=2), decided={P1: "b.gpkg"})
    assert [(one.file.name, one.event.subject) for one in result.accepted] == [
        ("a.gpkg", P2),
        ("b.gpkg", P1),
    ]
    assert codes(result) == ["E-RETURN-CONFLICT"]
    assert "已裁决采用 b.gpkg" in result.rejected[0].finding.what
    # A decision for a file without a usable survey leaves none.
    assert codes(accept(*RIVALS, decided={P1: "c.gpkg"})) == ["E-RETURN-CONFLICT"] * 2


def test_a_survey_that_can_not_be_used_contradicts_nobody() -> None:
    result = accept(RIVALS[0], feature(P1, FAR, "b.gpkg"))
    assert [one.file.name for one in result.accepted] == ["a.gpkg"]
    assert codes(result) == ["E-RETURN-GEOMETRY"]
    assert "太远" in result.rejected[0].finding.what


def test_surveys_of_two_patches_may_not_share_land() -> None:
    wide = square(0, 0, 210, 40)
    result = accept(feature(P1, wide), feature(P2, TWO, row_no=2), feature(P3, FAR, row_no=3))
    assert codes(result) == ["E-RETURN-GEOMETRY"] * 2
    assert P2 in result.rejected[0].finding.value
    assert P1 in result.rejected[1].finding.value
    assert "400.00" in result.rejected[0].finding.value
    assert [one.event.subject for one in result.accepted] == [P3]


def test_surveys_of_patches_that_were_issued_overlapping_are_told() -> None:
    wide = square(20, 0, 60, 50)
    overlapping = material(patch_table([ONE, wide, FAR]))
    result = accept_surveys(overlapping, [feature(P1, ONE), feature(P2, wide, row_no=2)])
    assert result.rejected == ()
    assert len(told(result)) == 2
    assert all("两个图斑本身重叠" in text for text in told(result))
    one, two = (accepted.notices[0].value for accepted in result.accepted)
    assert (P2 in one, P1 in two, "2000.00" in one) == (True, True, True)


def test_every_patch_is_cut_by_what_was_valid_on_its_own_dates() -> None:
    rows = (
        {"geometry": square(-500, -500, 5000), "township_code": "379999001",
         "valid_to_date": "2024-07-31"},
        {"geometry": square(-500, -500, 5000), "township_code": "379999002",
         "valid_from_date": "2024-08-01"},
    )  # fmt: skip
    dated = PATCHES.assign(after_date=["2024-07-01", "2024-10-18", "2024-10-18"])
    layers = {"townships": townships(*rows)}
    held = material(dated.assign(township_code=["379999001", *["379999002"] * 2]), layers)
    result = accept_surveys(held, [feature(P2, TWO), feature(P1, ONE, row_no=2)])
    assert len(result.accepted) == 2
    assert told(result) == []


def test_a_survey_outside_the_county_is_refused() -> None:
    layers = {"townships": townships({"geometry": square(-100, -100, 150, 500)})}
    layers["townships"]["township_code"] = "379999001"
    beyond = accept_surveys(material(PATCHES, layers), [feature(P1, square(52, 0, 20, 20))])
    assert codes(beyond) == ["E-RETURN-GEOMETRY"]
    assert "乡镇范围以外" in beyond.rejected[0].finding.what
    across = accept_surveys(material(PATCHES, layers), [feature(P1, ONE)])
    assert told(across) == ["界址有一部分在全县乡镇范围以外。"]
    homeless = material(PATCHES.assign(township_code=None), layers)
    assert codes(accept_surveys(homeless, [feature(P1, square(52, 0, 20, 20))])) == []


def test_most_of_a_survey_in_another_township_is_told() -> None:
    rows = (
        {"geometry": square(-100, -100, 120, 500), "township_code": "379999001"},
        {"geometry": square(20, -100, 500, 500), "township_code": "379999002"},
    )
    result = accept_surveys(material(PATCHES, {"townships": townships(*rows)}), [feature(P1, ONE)])
    assert told(result) == ["界址大部分在另一乡镇。"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"surveyed_date": None}, ["没有写明测量日期。"]),
        ({"surveyed_by": " ", "surveyed_date": None}, ["没有写明测量单位、测量日期。"]),
        ({"surveyed_date": "2025-06-30"}, []),
        ({"surveyed_date": "2025-07-01"}, ["测量日期晚于统计截止日期。"]),
        ({"surveyed_date": "2024-05-06"}, []),
        ({"surveyed_date": "2024-05-05"}, ["测量日期早于前时相。"]),
        ({"surveyed_date": "2024/11/3"}, []),
    ],
)
def test_dates_and_names_that_look_wrong_are_told(fields: Any, words: list[str]) -> None:
    result = accept(feature(P1, ONE, **fields), closes_on="2025-06-30")
    assert told(result) == words
    assert result.rejected == ()


@pytest.mark.parametrize(("stated", "n"), [(3000.0, 0), (2971.0, 0), (2969.0, 1), (4.5, 1)])
def test_a_form_that_states_another_area_is_told(stated: float, n: int) -> None:
    result = accept(feature(P1, ONE), stated_area_m2={P1: stated, P2: 1.0})
    assert told(result) == ["填写的实测面积与界址的面积不符。"] * n


def test_dates_are_iso_in_the_register_and_must_be_dates() -> None:
    (one,) = accept(feature(P1, ONE, surveyed_date="2024年11月3日")).accepted
    assert one.event.event_date == one.event.payload["surveyed_date"] == "2024-11-03"
    assert codes(accept(feature(P1, ONE, surveyed_date="去年"))) == ["E-RETURN-VALUE"]


def test_the_order_of_what_is_read_does_not_matter() -> None:
    features = [
        feature(P1, square(0, 0, 20), "b.gpkg", row_no=1),
        feature(P1, square(30, 0, 20), "b.gpkg", row_no=2),
        feature(P2, TWO, "a.gpkg"),
        feature(P2, translate(TWO, 0.0, 1.0), "c.gpkg"),
        feature("X", TWO, "c.gpkg", row_no=2),
    ]
    results = {repr(accept(*order)) for order in list(permutations(features))[::11]}
    assert len(results) == 1


def test_one_boundary_that_can_not_be_cut_does_not_take_the_others_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = survey_returns.measure_surveys

    def failing(surveys: Any, *rest: Any) -> Any:
        if P2 in surveys["patch_id"].tolist():
            raise PipelineError(Finding("E-INTERNAL", "不闭合", value="差 3"))
        return real(surveys, *rest)

    monkeypatch.setattr(survey_returns, "measure_surveys", failing)
    result = accept(feature(P1, ONE), feature(P2, TWO, row_no=2))
    assert [one.event.subject for one in result.accepted] == [P1]
    assert codes(result) == ["E-RETURN-GEOMETRY"]
    assert result.rejected[0].finding.value == "差 3"


def test_areas_by_layer_reach_the_event() -> None:
    layers = {
        "land_use": reference("land_use", [{"geometry": square(-9, -9, 39, 99)}]),
        "nature_reserve": reference("nature_reserve", []),
    }
    (one,) = accept_surveys(material(PATCHES, layers), [feature(P1, ONE)]).accepted
    payload = one.event.payload
    assert payload["survey_cultivated_m2"] == pytest.approx(1500.0, abs=0.1)
    assert payload["survey_construction_m2"] == 0.0
    assert payload["survey_reserve_mu100"] == 0
    assert payload["survey_pbf_mu100"] is None
    assert not any(isinstance(value, np.generic) for value in payload.values())
