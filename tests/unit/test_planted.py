"""Agreement with planted construction, on squares whose overlaps are plain."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from pipeline.errors import InputError
from pipeline.io.truth import read_truth
from pipeline.patches.planted import Share, case_results, covered_share, planted_scores


def square(x: float, side: float = 20.0) -> shapely.Polygon:
    return shapely.box(x, 0, x + side, side)


def truth() -> gpd.GeoDataFrame:
    """Plants of 400 m²: seen, seen and faint, unseen, no construction; and a small one."""
    return gpd.GeoDataFrame(
        {
            "truth_id": ["T1", "T2", "T3", "T4", "T5"],
            "case_id": ["a", "b", "c", "d", "e"],
            "kind": ["building"] * 5,
            "is_construction": [True, True, True, False, True],
            "is_observable": [True, True, False, True, True],
            "expected_class": ["approved", "facility", None, "other", None],
            "area_m2": [400.0, 400.0, 400.0, 400.0, 100.0],
            "contrast_sigma": [3.0, 1.9, float("nan"), 3.0, 3.0],
            "is_issued": [True, False, False, False, False],
        },
        geometry=[square(0), square(100), square(200), square(300), square(400, 10)],
        crs=4547,
    )


def likely(*shapes: shapely.Polygon) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"area_m2": [s.area for s in shapes]}, geometry=list(shapes), crs=4547)


def test_found_and_correct_from_one_half_on() -> None:
    halves = (shapely.box(0, 0, 5, 20), shapely.box(5, 0, 10, 20))
    scores = planted_scores(truth(), likely(*halves, square(110), square(200), square(290)))
    # T1 is half covered by two patches together, T2 by half of one; T3 was not to be seen.
    assert scores.recall == Share(2, 2)
    assert scores.low_contrast_recall == Share(1, 1)
    # Judged are the three of 400 m²: on T2 by half, on T3 (unseen plants are plants), on T4 (none).
    assert scores.precision == Share(2, 3)
    assert scores.f1 == pytest.approx(0.8)
    assert scores.missed == ()


def test_just_under_one_half_is_missed_and_wrong() -> None:
    scores = planted_scores(truth(), likely(square(110.1)))
    assert scores.recall == Share(0, 2)
    assert scores.precision == Share(0, 1)
    assert scores.f1 == 0.0
    assert scores.missed == ("T1", "T2")


def test_overlapping_patches_are_not_counted_twice() -> None:
    cover = likely(shapely.box(0, 0, 6, 20), shapely.box(0, 0, 6, 20)).geometry.to_numpy()
    assert covered_share(truth().geometry.to_numpy()[:1], cover)[0] == pytest.approx(0.3)


def test_without_patches_precision_is_unknown_not_zero() -> None:
    scores = planted_scores(truth(), likely())
    assert scores.precision.ratio is None
    assert scores.f1 is None


def screened() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"suspected_class": ["uncertain", "approved", "facility"]},
        geometry=[shapely.box(-5, 0, 5, 20), shapely.box(5, 0, 20, 20), square(140)],
        crs=4547,
    )


def dropped(**reasons: shapely.Polygon) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"reason": list(reasons)}, geometry=list(reasons.values()), crs=4547)


def test_the_class_of_a_case_is_that_of_the_patch_overlapping_most() -> None:
    first, second, third = case_results(truth(), screened(), dropped())
    assert (first.case_id, first.found_class, first.is_hit) == ("a", "approved", True)
    assert (second.found_class, second.dropped_reason, second.is_hit) == (None, None, False)
    assert third.found_class is None


def crops() -> gpd.GeoDataFrame:
    """The second case is a crop change, which should be no construction."""
    table = truth()
    table.loc[1, ["expected_class", "is_construction"]] = ["not_construction", False]
    return table


def test_what_a_filter_dropped_for_its_nature_is_right_where_nothing_was_built() -> None:
    second = case_results(crops(), screened(), dropped(crop_cycle=square(104)))[1]
    assert (second.found_class, second.dropped_reason) == (None, "crop_cycle")
    assert second.is_hit


def test_what_was_dropped_for_its_size_tells_nothing() -> None:
    for reason in ("below_min_area", "below_kind_min", "speckle", "covered_by_issued"):
        second = case_results(crops(), screened(), dropped(**{reason: square(104)}))[1]
        assert (second.dropped_reason, second.is_hit) == (reason, False)


def test_construction_that_was_dropped_is_not_right() -> None:
    first = case_results(truth(), screened().iloc[2:], dropped(crop_cycle=square(0)))[0]
    assert (first.dropped_reason, first.is_hit) == ("crop_cycle", False)


def test_the_larger_of_patch_and_dropped_object_counts() -> None:
    beside = dropped(crop_cycle=shapely.box(0, 0, 14, 20))
    assert case_results(truth(), screened(), beside)[0].found_class == "approved"
    larger = dropped(crop_cycle=shapely.box(0, 0, 16, 20))
    first = case_results(truth(), screened(), larger)[0]
    assert (first.found_class, first.dropped_reason) == (None, "crop_cycle")


def test_a_truth_file_without_its_fields_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "truth.gpkg"
    truth().drop(columns="contrast_sigma").to_file(path, layer="changes", engine="pyogrio")
    with pytest.raises(InputError, match="contrast_sigma"):
        read_truth(path)
    truth().to_file(tmp_path / "good.gpkg", layer="changes", engine="pyogrio")
    found = read_truth(tmp_path / "good.gpkg")
    assert found["is_construction"].tolist() == [True, True, True, False, True]
    assert found["expected_class"].isna().tolist() == [False, False, True, False, True]
