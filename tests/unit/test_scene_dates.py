"""The days under a patch on a mosaic of four scenes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from pipeline.patches.scene_dates import (
    SceneDateParams,
    Seams,
    dates_under,
    inverted_area,
    scene_shares,
    without_inversion,
)

PARAMS = SceneDateParams()
OF_IMAGE = "2024-05-31"
DAYS = ["2024-05-01", "2024-05-10", "2024-05-20", None]
"""Scenes 100 m wide side by side; the last has no date."""


def objects(values: list[Any]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def seams(otherwise: str | None = OF_IMAGE, days: list[str | None] | None = None) -> Seams:
    shapes = [shapely.box(100 * n, 0, 100 * n + 100, 100) for n in range(4)]
    return Seams(objects(shapes), objects(DAYS if days is None else list(days)), otherwise)


def dated(*patches: Any, latest: bool, otherwise: str | None = OF_IMAGE) -> tuple[Any, Any]:
    mosaic, outlines = seams(otherwise), objects(list(patches))
    shares = scene_shares(outlines, mosaic)
    found = dates_under(len(outlines), shares, mosaic, PARAMS, latest=latest)
    return found.dates.tolist(), found.is_mixed.tolist()


def test_a_patch_on_one_scene_has_its_day() -> None:
    inside, touching = shapely.box(10, 10, 20, 20), shapely.box(150, 0, 200, 50)
    for latest in (False, True):
        days, mixed = dated(inside, touching, latest=latest)
        assert days == ["2024-05-01", "2024-05-10"]
        assert mixed == [False, False]


def test_a_patch_on_two_scenes_gets_the_widest_interval() -> None:
    across = shapely.box(40, 0, 140, 10)
    assert dated(across, latest=False) == (["2024-05-01"], [True])
    assert dated(across, latest=True) == (["2024-05-10"], [True])


@pytest.mark.parametrize(
    ("reach", "day", "mixed"), [(11.0, "2024-05-01", True), (9.0, "2024-05-10", False)]
)
def test_a_sliver_of_a_scene_has_no_say(reach: float, day: str, mixed: bool) -> None:
    """A patch 100 m long with `reach` metres of it on the earlier scene."""
    patch = shapely.box(100 - reach, 0, 200 - reach, 10)
    assert dated(patch, latest=False) == ([day], [mixed])


def test_three_scenes_and_land_without_one() -> None:
    long = shapely.box(50, 0, 250, 10)
    assert dated(long, latest=False) == (["2024-05-01"], [True])
    assert dated(long, latest=True) == (["2024-05-20"], [True])
    half_out = shapely.box(50, 60, 90, 140)
    assert dated(half_out, latest=True) == ([OF_IMAGE], [True])
    outside = shapely.box(50, 200, 90, 240)
    assert dated(outside, latest=False) == ([OF_IMAGE], [False])


def test_a_scene_without_a_day_has_the_image_s_and_else_none() -> None:
    undated, across = shapely.box(310, 10, 320, 20), shapely.box(250, 0, 350, 10)
    assert dated(undated, across, latest=False) == ([OF_IMAGE, "2024-05-20"], [False, True])
    days, _ = dated(undated, across, latest=False, otherwise=None)
    assert days == [None, None]


def test_overlapping_scenes_both_count() -> None:
    shapes = [shapely.box(0, 0, 100, 100), shapely.box(0, 0, 100, 100)]
    mosaic = Seams(objects(shapes), objects(["2024-05-01", "2024-05-10"]), None)
    outlines = objects([shapely.box(10, 10, 20, 20)])
    shares = scene_shares(outlines, mosaic)
    assert shares.ratio.tolist() == [1.0, 1.0]
    for latest, day in ((False, "2024-05-01"), (True, "2024-05-10")):
        found = dates_under(1, shares, mosaic, PARAMS, latest=latest)
        assert found.dates.tolist() == [day]


def test_no_patches_and_no_scenes() -> None:
    none = Seams(objects([]), objects([]), OF_IMAGE)
    shares = scene_shares(objects([shapely.box(0, 0, 1, 1)]), none)
    assert dates_under(1, shares, none, PARAMS, latest=True).dates.tolist() == [OF_IMAGE]
    assert (
        dates_under(0, scene_shares(objects([]), seams()), seams(), PARAMS, latest=True).dates.size
        == 0
    )


def test_shares_are_of_the_patch_and_largest_first() -> None:
    shares = scene_shares(objects([shapely.box(70, 0, 170, 10)]), seams())
    assert shares.scene.tolist() == [1, 0]
    np.testing.assert_allclose(shares.ratio, [0.7, 0.3])


def test_dates_that_do_not_run_forward_are_unknown() -> None:
    before = objects(["2024-05-01", "2024-06-01", "2024-05-01", None])
    after = objects(["2024-06-01", "2024-06-01", None, "2024-06-01"])
    first, second, wrong = without_inversion(before, after)
    assert first.tolist() == ["2024-05-01", None, "2024-05-01", None]
    assert second.tolist() == ["2024-06-01", None, None, "2024-06-01"]
    assert wrong.tolist() == [False, True, False, False]
    assert before[1] == "2024-06-01"


def test_the_land_where_the_order_is_wrong() -> None:
    before = seams(otherwise=None)
    whole = Seams(objects([shapely.box(0, 0, 400, 50)]), objects(["2024-05-10"]), None)
    wrong = inverted_area(before, whole)
    assert wrong.equals(shapely.box(100, 0, 300, 50))
    later = Seams(whole.outlines, objects(["2024-06-10"]), None)
    assert inverted_area(before, later).is_empty
