"""Issued patches laid beside our own: five outlines with the answer worked out by hand."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from pipeline.patches.issued import Matching
from pipeline.patches.issued_comparison import ComparedRun, compare_issued
from pipeline.patches.pixel_sets import rasterise_outlines
from tests.unit.test_issued import GRID, detected, mask_of, match, pixels

LABELS = {"crop_cycle": "作物轮作", "below_min_area": "小于最小面积"}
ISSUED = ["A", "B", "C", "D"]
OUTLINES = [pixels(2, 8, 2, 8), pixels(2, 8, 12, 18), pixels(12, 18, 2, 8), pixels(12, 18, 12, 18)]


@pytest.fixture
def matching() -> Matching:
    """A is seen and twice as large; B is seen exactly; C holds a dropped object; D is hidden."""
    return match(OUTLINES, detected(mask_of((2, 8, 2, 14 - 2), (2, 8, 12, 18), (13, 16, 3, 6))))


def rows(**columns: object) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "patch_id": ["p1", "p2", "p3", "p4", "p5"],
            "issued_id": [*ISSUED, None],
            "source": ["both", "both", "issued", "issued", "detected"],
            "area_m2": [144.0, 144.0, 144.0, 144.0, 60.0],
            "observed_ratio": [1.0, 0.4, 1.0, 0.0, 1.0],
            "before_date": ["2024-05-01", None, "2024-05-06", "2024-05-06", "2024-05-06"],
            "after_date": ["2024-09-18", "2024-10-28", "2024-10-18", "2024-10-18", "2024-10-18"],
        }
    )
    return table.assign(**columns)


def run_of(table: pd.DataFrame) -> ComparedRun:
    shapes = [*OUTLINES, pixels(22, 26, 22, 26)]
    dropped = gpd.GeoDataFrame(
        {"reason": ["below_min_area", "crop_cycle"]},
        geometry=[pixels(12, 13, 3, 6), pixels(13, 16, 3, 6)],
    )
    kept = gpd.GeoDataFrame(table, geometry=shapes)
    return ComparedRun(kept, dropped, LABELS)


def test_every_issued_patch_and_every_extra_one_has_its_row(matching: Matching) -> None:
    found = compare_issued(run_of(rows()), ISSUED, matching).set_index("patch_id")
    assert found["match_state"].to_dict() == {
        "p1": "matched",
        "p2": "matched",
        "p3": "missed",
        "p4": "unobserved",
        "p5": "extra",
    }
    assert found["match_no"].tolist() == [1, 2, 3, 4, 5]
    assert found.loc["p1", ["detected_m2", "overlap_m2"]].tolist() == [384.0, 144.0]
    assert found.loc["p1", "area_difference_m2"] == 240.0
    assert found.loc["p3", "dropped_reason"] == "crop_cycle"
    assert pd.isna(found.loc["p3", "detected_m2"])
    assert found.loc["p5", "detected_m2"] == 60.0


def test_explanations_name_area_dates_reason_and_hidden_ground(matching: Matching) -> None:
    found = compare_issued(run_of(rows()), ISSUED, matching).set_index("patch_id")
    said = found["explanation_zh"]
    assert said["p1"] == (
        "自主提取比下发大 167%：下发范围外另有 0.36 亩变化。"
        "本次影像前时相比下发图斑晚 5 天。本次影像后时相比下发图斑晚 30 天。"
    )
    assert said["p2"].endswith("范围内只有 40% 可观测。本次影像后时相比下发图斑早 10 天。")
    assert said["p3"] == "范围内有变化，但已按“作物轮作”剔除，可恢复。"
    assert "不能说明有无变化" in said["p4"]
    assert said["p5"] == "下发图斑中没有这一处。面积小于本期最小的下发图斑（0.22 亩）。"


def test_without_one_date_of_our_own_no_difference_is_stated(matching: Matching) -> None:
    table = rows(source=["both", "both", "issued", "issued", "both"])
    found = compare_issued(run_of(table), ISSUED, matching)
    assert found["before_days_later"].isna().all()
    assert len(found) == 4


def test_rows_follow_the_order_of_the_matching() -> None:
    backwards = match(OUTLINES[::-1], detected(mask_of((2, 8, 2, 8))))
    found = compare_issued(run_of(rows()), ISSUED[::-1], backwards)
    assert found["issued_id"].tolist()[:4] == ISSUED[::-1]
    assert found["match_state"].tolist() == ["unobserved", "missed", "missed", "matched", "extra"]
    assert found["overlap_m2"].iloc[3] == 144.0
    assert np.asarray(rasterise_outlines(np.array(OUTLINES), GRID).n_pixels).tolist() == [36] * 4
    assert shapely.area(OUTLINES[0]) == 144.0
