"""Gaps and overlaps of layers inside patches are rows, with areas worked out by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from pipeline.schema.check import check_table
from pipeline.schema.layers import GAPS_OVERLAPS
from tests.overlay_factory import overlay, patch_table, reference, square, townships

PATCH = square(0, 0, 100)
SCALE = patch_table([PATCH])["area_m2"].iloc[0] / 10_000.0
"""Ellipsoidal over planar area at the test's corner, about 1."""


def strip(x: float, width: float, **columns: Any) -> dict[str, Any]:
    """A strip over the full height of the patch."""
    return {"geometry": square(x, -50, width, 300), **columns}


def rows_of(done: Any, layer: str, state: str) -> pd.DataFrame:
    table = done.gaps_overlaps
    return table[(table["layer_name"] == layer) & (table["cover_state"] == state)]


def test_land_without_land_class_is_a_gap_of_its_own() -> None:
    land_use = reference("land_use", [strip(-10, 40), strip(45, 35), strip(80, 60)])
    done = overlay(patch_table([PATCH, square(300, 0, 10)]), {"land_use": land_use})
    gaps = rows_of(done, "land_use", "gap")
    assert gaps["area_m2"].tolist() == pytest.approx([1500 * SCALE, 100 * SCALE], rel=1e-7)
    assert gaps["counted_feature_id"].isna().all()
    assert gaps["area_m2"].tolist() == done.patches["unclassified_m2"].tolist()
    assert gaps.geometry.iloc[0].bounds == square(30, 0, 15, 100).bounds
    assert check_table(done.gaps_overlaps, GAPS_OVERLAPS, "空缺") == []


def test_a_code_that_is_not_in_the_table_is_no_gap() -> None:
    land_use = reference("land_use", [strip(-10, 200, land_class_code="1208")])
    done = overlay(patch_table([PATCH]), {"land_use": land_use})
    assert done.patches["unclassified_m2"].iloc[0] > 0
    assert done.gaps_overlaps.empty
    assert check_table(done.gaps_overlaps, GAPS_OVERLAPS, "空缺") == []


def test_optional_layers_need_not_cover_everything() -> None:
    layers = {name: reference(name, [strip(0, 10)]) for name in ("approvals", "ecological_redline")}
    assert overlay(patch_table([PATCH]), layers).gaps_overlaps.empty


def test_land_outside_every_township_is_a_gap() -> None:
    half = townships({"geometry": square(-50, -50, 110, 300), "township_code": "379999001"})
    gaps = rows_of(overlay(patch_table([PATCH]), {"townships": half}), "townships", "gap")
    assert gaps["area_m2"].tolist() == pytest.approx([4000 * SCALE], rel=1e-7)


def test_an_overlap_names_what_counts_and_what_does_not() -> None:
    land_use = reference(
        "land_use",
        [
            strip(-20, 80, feature_id="b", vintage_date="2023-12-31"),  # 0–60
            strip(40, 30, feature_id="a", vintage_date="2022-12-31"),  # 40–70
            strip(50, 90, feature_id="c", vintage_date="2022-12-31"),  # 50–100
        ],
    )
    done = overlay(patch_table([PATCH]), {"land_use": land_use})
    rows = rows_of(done, "land_use", "overlap").set_index("counted_feature_id")
    both = rows.loc["b"]
    assert sorted(both["other_feature_ids"].tolist()) == [["a"], ["a", "c"]]
    assert both["area_m2"].tolist() == pytest.approx([1000 * SCALE, 1000 * SCALE], rel=1e-7)
    assert rows.loc["a"]["other_feature_ids"] == ["c"]
    assert rows.loc["a"]["area_m2"] == pytest.approx(1000 * SCALE, rel=1e-7)
    assert rows_of(done, "land_use", "gap").empty
    # nothing is counted twice by it: the patch's own columns stay what they are
    assert done.patches["cultivated_m2"].iloc[0] == pytest.approx(10_000 * SCALE, rel=1e-9)


def test_rows_are_whole_parts_with_their_sums() -> None:
    layers = {
        "land_use": reference("land_use", [strip(-10, 60), strip(30, 90)]),
        "approvals": reference("approvals", [strip(35, 5), strip(90, 30)]),
        "supply": reference("supply", [strip(10, 30), strip(20, 30)]),
    }
    done = overlay(patch_table([PATCH]), layers)
    parts = done.parts.set_index("part_id")
    assert rows_of(done, "supply", "overlap")["area_m2"].tolist() == pytest.approx([2000 * SCALE])
    for row in done.gaps_overlaps.itertuples():
        own = parts.loc[row.part_ids]
        assert row.area_m2 == pytest.approx(own["area_m2"].sum(), rel=1e-12)
        assert row.area_mu100 == own["area_mu100"].sum()
        assert row.geometry.area == pytest.approx(own.geometry.area.sum(), rel=1e-9)
    assert done.gaps_overlaps["cover_no"].tolist() == [1, 2]


def test_versions_that_were_not_in_force_together_do_not_overlap() -> None:
    versions = townships(
        {**strip(-50, 300), "township_code": "379999001", "valid_to_date": "2024-06-30"},
        {**strip(-50, 300), "township_code": "379999002", "valid_from_date": "2024-07-01"},
    )
    assert overlay(patch_table([PATCH]), {"townships": versions}).gaps_overlaps.empty


def test_a_development_zone_over_a_town_is_said() -> None:
    both = townships(
        {**strip(-50, 300), "township_code": "379999001", "feature_id": "T1"},
        {**strip(60, 300), "township_code": "379999401", "township_kind": "development_zone",
         "feature_id": "T2"},
    )  # fmt: skip
    row = overlay(patch_table([PATCH]), {"townships": both}).gaps_overlaps.iloc[0]
    assert (row["counted_feature_id"], row["other_feature_ids"]) == ("T2", ["T1"])
    assert row["area_m2"] == pytest.approx(4000 * SCALE, rel=1e-7)
