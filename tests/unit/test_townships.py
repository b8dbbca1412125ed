"""Who gets a patch and who answers for it: versions in time, overlaps, ties, patrol areas."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.patches.township_shares import township_shares
from pipeline.patches.townships import AssignmentParams
from tests.overlay_factory import overlay, patch_table, reference, square, townships

A, B, ZONE = "379999001", "379999002", "379999100"
PATCH = square(0, 0, 100)
BEFORE, AFTER = "2024-05-06", "2024-10-18"


def strip(x: float, width: float, code: str, **columns: Any) -> dict[str, Any]:
    return {
        "geometry": square(x, -50, width, 300),
        "township_code": code,
        "township_name": f"名{code[-3:]}",
        **columns,
    }


def patrol(x: float, width: float, name: str, grade: str, **columns: Any) -> dict[str, Any]:
    return {
        "geometry": square(x, -50, width, 300),
        "patrol_area_id": name,
        "patrol_grade": grade,
        **columns,
    }


def assigned(
    *rows: dict[str, Any],
    areas: list[dict[str, Any]] | None = None,
    params: AssignmentParams | None = None,
    **columns: Any,
) -> Any:
    layers = {"townships": townships(*rows)}
    if areas is not None:
        layers["patrol_areas"] = reference("patrol_areas", areas)
    return overlay(patch_table([PATCH], **columns), layers, params).patches.iloc[0]


def test_the_largest_share_takes_the_whole_patch() -> None:
    row = assigned(strip(-50, 90, A), strip(40, 200, B))
    assert (row["township_code"], row["township_name"]) == (B, "名002")
    assert row["straddles"] == [A]
    assert row["responsible_code"] == B
    assert row["responsible_candidates"] == [B]


def test_equal_shares_go_to_the_smaller_code() -> None:
    assert assigned(strip(-50, 100, B), strip(50, 200, A))["township_code"] == A


@pytest.mark.parametrize(("depth_m", "expected"), [(0.0049, []), (0.0051, [A])])
def test_straddling_begins_at_half_a_square_metre(depth_m: float, expected: list[str]) -> None:
    # 100 m long: 0.49 and 0.51 m²
    assert assigned(strip(-50, 50 + depth_m, A), strip(depth_m, 200, B))["straddles"] == expected


def test_outside_every_township_nothing_is_known() -> None:
    row = assigned(strip(500, 10, A))
    assert row[["township_code", "township_name", "responsible_code"]].isna().all()
    assert (row["straddles"], row["responsible_candidates"]) == ([], [])


@pytest.mark.parametrize(("depth_m", "expected"), [(0.0049, None), (0.0051, A)])
def test_touching_the_edge_of_the_county_is_not_lying_in_it(
    depth_m: float, expected: str | None
) -> None:
    row = assigned(strip(-50, 50 + depth_m, A))
    assert row["township_code"] == expected
    assert row["responsible_candidates"] == ([] if expected is None else [expected])


def test_a_gap_between_townships_belongs_to_nobody_but_the_patch_to_somebody() -> None:
    assert assigned(strip(-50, 51, A), strip(99.5, 50, B))["township_code"] == A


def test_a_development_zone_wins_over_the_town_below() -> None:
    rows = strip(-50, 300, A), strip(30, 300, ZONE, township_kind="development_zone")
    assert assigned(*rows)["township_code"] == ZONE
    assert assigned(*rows)["straddles"] == [A]
    town_first = AssignmentParams(development_zone_first=False)
    assert assigned(*rows, params=town_first)["township_code"] == A
    assert assigned(*rows, params=town_first)["straddles"] == []


def test_a_newer_town_boundary_does_not_beat_the_zone() -> None:
    row = assigned(
        strip(-50, 300, A, vintage_date="2024-01-01"),
        strip(-50, 300, ZONE, township_kind="development_zone", vintage_date="2010-01-01"),
    )
    assert row["township_code"] == ZONE


def test_the_package_goes_by_the_boundary_of_the_after_date() -> None:
    row = assigned(
        strip(-50, 300, A, valid_to_date="2024-08-31"),
        strip(-50, 300, B, valid_from_date="2024-09-01"),
    )
    assert row["township_code"] == B
    assert row["straddles"] == []
    assert row["responsible_code"] is None  # 责任单位待定
    assert row["responsible_candidates"] == [A, B]


@pytest.mark.parametrize(
    ("change", "pending"),
    [
        (("2024-05-05", "2024-05-06"), False),  # new boundary in force on the before date itself
        (("2024-05-06", "2024-05-07"), True),
        (("2024-10-17", "2024-10-18"), True),
        (("2024-10-18", "2024-10-19"), False),  # old one still in force on the after date
    ],
)
def test_both_days_of_validity_are_included(change: tuple[str, str], pending: bool) -> None:
    last, first = change
    row = assigned(
        strip(-50, 300, A, valid_to_date=last), strip(-50, 300, B, valid_from_date=first)
    )
    assert (row["responsible_code"] is None) == pending


def test_a_boundary_that_moved_elsewhere_leaves_the_patch_alone() -> None:
    row = assigned(
        strip(-50, 170, A, valid_to_date="2024-08-31"),
        strip(-50, 160, A, valid_from_date="2024-09-01"),
        strip(120, 200, B),
    )
    assert row["responsible_code"] == A


def test_no_boundary_known_on_the_before_date_leaves_it_open() -> None:
    row = assigned(strip(-50, 300, A, valid_from_date="2024-09-01"))
    assert row["township_code"] == A
    assert row["responsible_code"] is None
    assert row["responsible_candidates"] == [A]


def test_without_dates_every_version_counts_and_the_newest_wins() -> None:
    row = assigned(
        strip(-50, 300, A, valid_to_date="2024-08-31", vintage_date="2020-01-01"),
        strip(-50, 300, B, valid_from_date="2024-09-01", vintage_date="2024-09-01"),
        before_date=None,
        after_date=None,
    )
    assert (row["township_code"], row["responsible_code"]) == (B, B)


def test_issued_patches_use_their_own_dates() -> None:
    rows = (
        strip(-50, 300, A, valid_to_date="2024-08-31"),
        strip(-50, 300, B, valid_from_date="2024-09-01"),
    )
    row = assigned(*rows, before_date="2024-01-01", after_date="2024-08-31")
    assert (row["township_code"], row["responsible_code"]) == (A, A)


def test_the_best_grade_among_areas_that_reach_in() -> None:
    row = assigned(
        areas=[
            patrol(-50, 150.2, "XC03", "3", responsible_person="张"),
            patrol(-50, 60, "XC02", "2", responsible_person="李"),
            patrol(99.996, 50, "XC01", "1", responsible_person="王"),  # 0.4 m²
        ]
    )
    found = row[["patrol_area_id", "patrol_grade", "responsible_person"]].tolist()
    assert found == ["XC02", "2", "李"]
    assert row["responsible_code"] == A  # the default township


def test_of_equal_grades_the_larger_share_then_the_smaller_id() -> None:
    areas = [patrol(-50, 80, "XC01", "2"), patrol(30, 200, "XC02", "2")]
    assert assigned(areas=areas)["patrol_area_id"] == "XC02"
    areas = [patrol(-50, 100, "XC02", "2"), patrol(50, 200, "XC01", "2")]
    assert assigned(areas=areas)["patrol_area_id"] == "XC01"


def test_主城区由市队巡查_责任单位不是街道() -> None:
    row = assigned(strip(-50, 300, A), areas=[patrol(-50, 300, "XC01", "1", responsible_code=ZONE)])
    assert (row["township_code"], row["responsible_code"]) == (A, ZONE)


def test_a_strip_of_the_neighbours_area_changes_nothing() -> None:
    row = assigned(
        strip(-50, 140, A),
        strip(90, 200, B),
        areas=[
            patrol(-50, 140, "XC-A", "2", responsible_code=A, responsible_person="甲"),
            patrol(90, 200, "XC-B", "1", responsible_code=B, responsible_person="乙"),
        ],
    )
    assert row["straddles"] == [B]
    found = row[["responsible_code", "patrol_area_id", "patrol_grade", "responsible_person"]]
    assert found.tolist() == [A, "XC-A", "2", "甲"]


def test_an_assignment_that_changed_between_the_images() -> None:
    old = patrol(-50, 300, "XC01", "2", responsible_person="张", valid_to_date="2024-06-30")
    new = {**old, "responsible_person": "李", "valid_to_date": None}
    new |= {"valid_from_date": "2024-07-01"}
    row = assigned(strip(-50, 300, A), areas=[old, new])
    assert row["responsible_code"] == A  # the unit is the same
    assert (row["patrol_area_id"], row["patrol_grade"]) == ("XC01", "2")
    assert row["responsible_person"] is None  # which of the two is not known
    moved = {**new, "responsible_code": B, "patrol_area_id": "XC09", "patrol_grade": "1"}
    row = assigned(strip(-50, 300, A), areas=[old, moved])
    assert row["responsible_candidates"] == [A, B]
    assert row[["responsible_code", "patrol_area_id", "patrol_grade"]].isna().all()


def test_villages_lie_in_the_patchs_township() -> None:
    layers = {
        "townships": townships(strip(-50, 110, A), strip(60, 200, B)),
        "villages": reference(
            "villages",
            [
                {"geometry": square(-50, -50, 75, 300), "village_code": f"{A}001"},
                {
                    "geometry": square(25, -50, 35, 300),
                    "village_code": f"{A}002",
                    "village_name": "二村",
                },
                {"geometry": square(60, -50, 200, 300), "village_code": f"{B}001"},
            ],
        ),
    }
    row = overlay(patch_table([PATCH]), layers).patches.iloc[0]
    # 25, 35 and 40 m wide: the largest village belongs to the other township
    assert (row["township_code"], row["village_code"]) == (A, f"{A}002")
    assert row["village_name"] == "二村"


def periods_of(*rows: dict[str, Any], areas: list[dict[str, Any]] | None = None) -> Any:
    layers = {"townships": townships(*rows)}
    if areas is not None:
        layers["patrol_areas"] = reference("patrol_areas", areas)
    return overlay(patch_table([PATCH]), layers).responsibility


def test_whoever_had_it_in_between_is_a_candidate_too() -> None:
    """Both images lie in times of A, but for two months the place was B's."""
    rows = (
        strip(-50, 300, A, valid_to_date="2024-06-30"),
        strip(-50, 300, B, valid_from_date="2024-07-01", valid_to_date="2024-08-31"),
        strip(-50, 300, A, valid_from_date="2024-09-01"),
    )
    row = assigned(*rows)
    assert row["township_code"] == A
    assert row["responsible_code"] is None
    assert row["responsible_candidates"] == [A, B]
    assert row["responsible_names"] == ["名001", "名002"]
    told = periods_of(*rows)[["period_no", "from_date", "to_date", "responsible_code"]]
    assert told.to_numpy().tolist() == [
        [1, "2024-05-06", "2024-06-30", A],
        [2, "2024-07-01", "2024-08-31", B],
        [3, "2024-09-01", "2024-10-18", A],
    ]


def test_a_version_that_changes_nothing_makes_no_period() -> None:
    told = periods_of(
        strip(-50, 300, A, valid_to_date="2024-06-30"),
        strip(-50, 300, A, valid_from_date="2024-07-01"),
    )
    assert told[["from_date", "to_date", "responsible_code", "responsible_name"]].to_numpy(
    ).tolist() == [[BEFORE, AFTER, A, "名001"]]  # fmt: skip


def test_every_change_of_the_assignment_is_a_period_of_its_own() -> None:
    person = {"responsible_person": "张", "valid_to_date": "2024-06-09"}
    later = {"responsible_person": "李", "valid_from_date": "2024-06-10"}
    city = {"responsible_code": "379999900", "responsible_person": "王"}
    told = periods_of(
        strip(-50, 300, A),
        areas=[
            patrol(-50, 300, "XC1", "2", **person),
            patrol(-50, 300, "XC1", "2", **later, valid_to_date="2024-08-31"),
            patrol(-50, 300, "XC2", "1", **city, valid_from_date="2024-09-02"),
        ],
    )
    columns = ["from_date", "to_date", "responsible_code", "patrol_grade", "responsible_person"]
    # nobody is assigned on 1 September: the township itself is responsible
    assert told[columns].where(told[columns].notna(), None).to_numpy().tolist() == [
        [BEFORE, "2024-06-09", A, "2", "张"],
        ["2024-06-10", "2024-08-31", A, "2", "李"],
        ["2024-09-01", "2024-09-01", A, None, None],
        ["2024-09-02", AFTER, "379999900", "1", "王"],
    ]
    assert told["responsible_name"].tolist() == ["名001"] * 3 + [None]


def test_periods_do_not_depend_on_what_else_is_in_the_batch() -> None:
    rows = (
        strip(-50, 1000, A, valid_to_date="2024-06-30"),
        strip(-50, 160, B, valid_from_date="2024-07-01"),
        strip(110, 840, A, valid_from_date="2024-07-01"),
    )
    outlines = [square(0, 0, 100), square(200, 0, 50), square(60, 110, 100)]
    together = overlay(patch_table(outlines), {"townships": townships(*rows)})
    for number, outline in enumerate(outlines):
        alone = overlay(patch_table([outline]), {"townships": townships(*rows)})
        mine = together.responsibility["patch_id"] == together.patches["patch_id"][number]
        left = together.responsibility[mine].drop(columns="patch_id").reset_index(drop=True)
        assert left.equals(alone.responsibility.drop(columns="patch_id"))
    assert together.patches["responsible_candidates"].tolist() == [[A, B], [A], [A]]


def test_shares_add_up_and_the_lead_comes_first() -> None:
    """A 100 m patch: 40 m in A, 50 m in B, 10 m in no township; farmland in its left half."""
    layers = {
        "townships": townships(strip(-50, 90, A), strip(40, 50, B)),
        "land_use": reference("land_use", [{"geometry": square(-50, -50, 100, 300)}]),
    }
    done = overlay(patch_table([PATCH]), layers)
    names = {A: "名001", B: "名002"}
    shares, row = township_shares(done.patches, done.parts, names), done.patches.iloc[0]
    assert shares["township_code"].fillna("").tolist() == [B, A, ""]
    assert shares["township_name"].tolist()[:2] == ["名002", "名001"]
    assert shares["is_lead"].tolist() == [True, False, False]
    assert shares["share_no"].tolist() == [1, 2, 3]
    assert shares["share_ratio"].tolist() == pytest.approx([0.5, 0.4, 0.1], abs=1e-6)
    assert shares["area_m2"].tolist() == pytest.approx([5000, 4000, 1000], rel=1e-4)
    assert shares["area_m2"].sum() == pytest.approx(row["area_m2"], rel=1e-12)
    assert shares["area_mu100"].sum() == row["area_mu100"] == 1500
    assert shares["cultivated_m2"].tolist() == pytest.approx([1000, 4000, 0], rel=1e-4, abs=1e-9)
    assert shares["cultivated_m2"].sum() == pytest.approx(row["cultivated_m2"], rel=1e-12)
    assert shares[["pbf_m2", "pbf_mu100"]].isna().all(axis=None)  # not supplied is not 0


def test_a_patch_is_never_split_however_it_was_found() -> None:
    rows = (strip(-50, 100, A), strip(50, 200, B))
    for source in ("issued", "both", "detected"):
        layers = {"townships": townships(*rows)}
        done = overlay(patch_table([PATCH], source=source), layers)
        assert len(done.patches) == 1
        assert done.patches["township_code"].tolist() == [A]
        shares = township_shares(done.patches, done.parts, {})
        assert shares["is_lead"].tolist() == [True, False]
