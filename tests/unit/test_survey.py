from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.patches.covering import PatchDates, as_days
from pipeline.patches.overlay import overlay_patches
from pipeline.patches.survey import (
    Measured,
    find_shared_areas,
    measure_surveys,
    measured_area_doubt,
    outline_differences,
    partition_surveys,
)
from pipeline.schema.book_layers import SURVEY_DIFFERENCES
from pipeline.schema.check import check_table
from pipeline.schema.layers import PARTS
from pipeline.schema.register_layers import SURVEY_AREAS
from pipeline.units import mu100_from_m2
from tests.overlay_factory import CODES, CRS_4547, patch_table, reference, square, townships
from tests.survey_factory import LIMITS, area_m2, cutters, normal

LAND = reference(
    "land_use",
    [
        {"geometry": square(0, 0, 30, 50), "land_class_code": "0101"},
        {"geometry": square(30, 0, 20, 50), "land_class_code": "0702"},
    ],
)
FARMLAND = reference("permanent_basic_farmland", [{"geometry": square(-10, 0, 25, 50)}])
LAYERS = {"townships": townships(), "land_use": LAND, "permanent_basic_farmland": FARMLAND}
WHOLE = square(0, 0, 60, 50)


def surveys(*shapes: BaseGeometry) -> gpd.GeoDataFrame:
    ids = [f"379999ZJ24{n:06d}" for n in range(1, len(shapes) + 1)]
    return gpd.GeoDataFrame({"patch_id": ids}, geometry=[*map(normal, shapes)], crs=CRS_4547)


def dates(n: int) -> PatchDates:
    return PatchDates(as_days(["2024-05-06"] * n), as_days(["2024-10-18"] * n))


def measure(
    *shapes: BaseGeometry, layers: dict[str, gpd.GeoDataFrame] | None = None
) -> list[Measured]:
    table = surveys(*shapes)
    return measure_surveys(table, dates(len(table)), cutters(table, layers or LAYERS))


def test_areas_are_those_of_what_covers_the_boundary() -> None:
    (found,) = measure(WHOLE)
    areas = dict(found.areas)
    assert tuple(areas) == SURVEY_AREAS
    expected = {
        "area": WHOLE,
        "cultivated": square(0, 0, 30, 50),
        "construction": square(30, 0, 20, 50),
        "pbf": square(0, 0, 15, 50),
    }
    for name, shape in expected.items():
        assert areas[f"survey_{name}_m2"] == pytest.approx(area_m2(shape), abs=1e-6)
    assert areas["survey_area_m2"] == area_m2(normal(WHOLE))
    assert areas["survey_area_mu100"] == mu100_from_m2(area_m2(normal(WHOLE))) == 450
    assert areas["survey_cultivated_mu100"] == 225
    assert areas["survey_construction_mu100"] == 150


def test_a_layer_that_was_not_supplied_is_unknown_and_one_that_covers_nothing_is_zero() -> None:
    empty = LAYERS | {"nature_reserve": reference("nature_reserve", [])}
    (found,) = measure(WHOLE, layers=empty)
    assert (found.areas["survey_reserve_m2"], found.areas["survey_reserve_mu100"]) == (0.0, 0)
    (found,) = measure(WHOLE, layers={"townships": townships()})
    unknown = {name for name, value in found.areas.items() if value is None}
    assert unknown == set(SURVEY_AREAS) - {"survey_area_m2", "survey_area_mu100"}


def test_values_are_plain_numbers_for_the_register() -> None:
    (found,) = measure(WHOLE)
    kinds = {name: type(value) for name, value in found.areas.items() if value is not None}
    assert kinds == {
        name: int if name.endswith("mu100") else float
        for name in SURVEY_AREAS
        if "reserve" not in name
    }


def test_hundredths_of_a_survey_are_balanced_to_its_whole() -> None:
    strips = [
        {"geometry": square(x, 0, 10, 10), "land_class_code": code}
        for x, code in ((0, "0101"), (10, "0702"))
    ]
    land = {"townships": townships(), "land_use": reference("land_use", strips)}
    (found,) = measure(square(8.65, 0, 2.7, 2.0), layers=land)
    mu100 = [found.areas[f"survey_{name}_mu100"] for name in ("cultivated", "construction")]
    m2 = [found.areas[f"survey_{name}_m2"] for name in ("cultivated", "construction")]
    assert m2 == pytest.approx([2.7, 2.7], abs=1e-6)
    assert [mu100_from_m2(float(area or 0)) for area in m2] == [0, 0]  # 0.405 each
    assert sorted(mu100) == [0, 1]
    assert found.areas["survey_area_mu100"] == 1


def test_order_and_company_do_not_matter() -> None:
    one, two = square(0, 0, 17, 13), square(20, 5, 23, 29)
    both = measure(one, two)
    assert [both[0], both[1]] == [measure(one)[0], measure(two)[0]]
    assert measure(two, one) == both[::-1]


def test_parts_make_up_the_survey_and_keep_the_patchs_id() -> None:
    table = surveys(WHOLE, square(100, 100, 7))
    parts = partition_surveys(table, dates(2), cutters(table, LAYERS))
    assert tuple(parts.columns) == (*PARTS.fields, "geometry")
    for survey in table.itertuples():
        own = parts[parts["patch_id"] == survey.patch_id]
        assert own["part_id"].tolist() == [f"{survey.patch_id}-{n + 1}" for n in range(len(own))]
        assert own["area_m2"].sum() == pytest.approx(area_m2(survey.geometry), rel=1e-14)
        assert shapely.union_all(own.geometry.to_numpy()).symmetric_difference(
            survey.geometry
        ).area == pytest.approx(0.0, abs=1e-6)
    assert len(parts[parts["patch_id"] == table["patch_id"].iloc[0]]) == 4


def test_a_survey_is_cut_as_a_patch_of_the_same_outline_is() -> None:
    table = surveys(WHOLE)
    patches = patch_table([normal(WHOLE)])
    tools = cutters(table, LAYERS)
    done = overlay_patches(patches, dates(1), tools.layers, CODES, tools.assignment)
    parts = partition_surveys(table, dates(1), tools)
    assert parts.equals(done.parts)
    (found,) = measure_surveys(table, dates(1), tools)
    assert found.areas["survey_pbf_m2"] == done.patches["pbf_m2"].iloc[0]
    assert found.areas["survey_cultivated_m2"] == done.patches["cultivated_m2"].iloc[0]


def test_township_and_what_lies_in_none() -> None:
    half = {"townships": townships({"geometry": square(0, 0, 40), "township_code": "379999002"})}
    inside, across, outside = measure(
        square(1, 1, 5), square(30, 0, 30, 10), square(100, 0, 5), layers=half
    )
    assert (inside.township_code, inside.outside_m2) == ("379999002", 0.0)
    assert across.outside_m2 == pytest.approx(200.0, rel=1e-3)
    assert (outside.township_code, outside.outside_m2 > 24.0) == (None, True)
    (noise,) = measure(square(30, 0, 10.04, 10), layers=half)
    assert noise.outside_m2 == 0.0


def shared(*shapes: BaseGeometry, patches: tuple[BaseGeometry, ...] = ()) -> list[Any]:
    given = np.array([normal(shape) for shape in shapes], dtype=object)
    apart = [square(1000 * n, 0, 1) for n in range(len(shapes))]
    theirs = np.array(patches or apart, dtype=object)
    return find_shared_areas(given, theirs, LIMITS)


def test_surveys_that_overlap_are_found_in_order() -> None:
    found = shared(square(0, 0, 10), square(5, 0, 10), square(14, 0, 10), square(24, 0, 10))
    pairs = [(one.first, one.second, one.is_refused) for one in found]
    assert pairs == [(0, 1, True), (1, 2, True)]
    assert [one.area_m2 for one in found] == pytest.approx([50.0, 10.0])


def test_overlaps_up_to_the_limit_or_of_the_patches_themselves_stand() -> None:
    assert shared(square(0, 0, 10), square(9.96, 0, 10)) == []
    (found,) = shared(square(0, 0, 10), square(9.94, 0, 10))
    assert found.is_refused
    overlapping = (square(0, 0, 10), square(5, 0, 10))
    (found,) = shared(*overlapping, patches=overlapping)
    assert not found.is_refused
    (found,) = shared(square(0, 0, 10.1), square(5, 0, 10), patches=overlapping)
    assert found.is_refused  # a square metre more than the patches


@pytest.mark.parametrize(
    ("stated", "is_told"),
    [(None, False), (1000.0, False), (1010.0, False), (990.0, False), (1010.01, True), (0.5, True)],
)
def test_a_stated_area_that_is_not_the_boundarys_is_told(
    stated: float | None, is_told: bool
) -> None:
    notice = measured_area_doubt(stated, 1000.0, LIMITS)
    assert (notice is not None) is is_told
    assert measured_area_doubt(stated, None, LIMITS) is None
    if notice is not None:
        assert notice.code == "N-RETURN-DOUBT"
        assert "1000.00" in notice.value


def test_survey_and_image_outlines_stand_beside_each_other() -> None:
    """Survey 0–50 × 0–50 against image 10–70 × 0–50, and one that lies on its patch exactly."""
    table = surveys(square(0, 0, 50), square(100, 0, 20))
    images = patch_table([square(10, 0, 60, 50), square(100, 0, 20), square(300, 0, 5)])
    rows = outline_differences(table, images)
    assert check_table(rows, SURVEY_DIFFERENCES, "对照") == []
    first, second = (f"379999ZJ24{n:06d}" for n in (1, 2))
    found = rows.set_index(["patch_id", "outline_state"])["area_m2"]
    assert list(found.index) == [
        (first, "common"), (first, "survey_only"), (first, "image_only"), (second, "common")
    ]  # fmt: skip
    assert found[first, "common"] == pytest.approx(area_m2(square(10, 0, 40, 50)), rel=1e-9)
    assert found[first, "survey_only"] == pytest.approx(area_m2(square(0, 0, 10, 50)), rel=1e-9)
    assert found[first, "image_only"] == pytest.approx(area_m2(square(50, 0, 20, 50)), rel=1e-9)
    both = found[first, "common"] + found[first, "image_only"]
    assert both == pytest.approx(images["area_m2"].iloc[0], rel=1e-9)


def test_without_surveys_there_is_nothing_to_compare() -> None:
    rows = outline_differences(surveys(), patch_table([square(0, 0, 9)]))
    assert rows.empty
    assert check_table(rows, SURVEY_DIFFERENCES, "对照") == []
