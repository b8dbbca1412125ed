"""Laws of returned boundaries: parts make up the survey, each polygon is answered once."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from shapely.geometry import MultiPolygon

from pipeline.patches.layer_crs import project_points
from pipeline.patches.survey import measure_surveys, partition_surveys
from pipeline.patches.survey_reading import Returned
from pipeline.patches.survey_returns import accept_surveys
from pipeline.units import mu100_from_m2
from tests.overlay_factory import CRS_4547, geodesic_area_m2, patch_table
from tests.property.test_overlay_laws import near_copy, polygon, worlds
from tests.survey_factory import LIMITS, cutters, feature, material, normal, outline_in

World = tuple[gpd.GeoDataFrame, dict[str, gpd.GeoDataFrame]]
CHOICES = {"cultivated": "land_category", "construction": "land_category", "pbf": "pbf_id"}
LAYER_OF = {"cultivated": "land_use", "construction": "land_use", "reserve": "nature_reserve"}


@given(world=worlds())
@settings(deadline=None, max_examples=25)
def test_parts_make_up_the_survey_and_columns_are_their_sums(world: World) -> None:
    patches, layers = world
    table = gpd.GeoDataFrame(
        {"patch_id": patches["patch_id"]},
        geometry=[normal(shape) for shape in patches.geometry],
        crs=CRS_4547,
    )
    made = material(patches)
    tools = cutters(table, layers)
    measured = measure_surveys(table, made.dates, tools)
    parts = partition_surveys(table, made.dates, tools)
    for survey, found in zip(table.itertuples(), measured, strict=True):
        own = parts[parts["patch_id"] == survey.patch_id]
        areas = found.areas
        whole = areas["survey_area_m2"]
        assert whole is not None
        assert own["area_m2"].sum() == pytest.approx(whole, rel=1e-14)
        assert whole == pytest.approx(geodesic_area_m2(survey.geometry), rel=1e-6, abs=1e-4)
        assert own["area_mu100"].sum() == areas["survey_area_mu100"] == mu100_from_m2(whole)
        for name, column in CHOICES.items():
            m2, mu100 = areas[f"survey_{name}_m2"], areas[f"survey_{name}_mu100"]
            layer = LAYER_OF.get(name, "permanent_basic_farmland")
            assert (m2 is None, mu100 is None) == (layer not in layers, layer not in layers)
            if m2 is None:
                continue
            counted = own[own[column].notna() if column == "pbf_id" else own[column] == name]
            assert counted["area_m2"].sum() == pytest.approx(m2, abs=1e-9)
            assert counted["area_mu100"].sum() == mu100
            assert m2 <= whole * (1 + 1e-12)


@st.composite
def returns(draw: st.DrawFn) -> tuple[gpd.GeoDataFrame, list[Returned]]:
    """Some patches and what came back for them: near copies, strangers, several files, nonsense."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    outlines = [polygon(rng) for _ in range(draw(st.integers(1, 4)))]
    patches = patch_table(outlines)
    features = []
    for row_no in range(1, draw(st.integers(0, 7)) + 1):
        n = int(rng.integers(0, len(outlines)))
        shape = near_copy(outlines[n], rng) if rng.random() < 0.7 else polygon(rng)
        name = str(patches["patch_id"].iloc[n]) if rng.random() < 0.9 else "X1"
        features.append(feature(name, shape, str(rng.choice(["a.shp", "b.shp"])), row_no=row_no))
    return patches, features


@given(case=returns(), data=st.data())
@settings(deadline=None, max_examples=30)
def test_every_polygon_is_answered_once_whatever_the_order(
    case: tuple[gpd.GeoDataFrame, list[Returned]], data: st.DataObject
) -> None:
    patches, features = case
    result = accept_surveys(material(patches), features)
    answered = [(one.file.name, one.feature) for one in (*result.accepted, *result.rejected)]
    assert len(answered) == len(features)
    for file, one in features:
        assert sum(name == file.name and found is one for name, found in answered) == 1
    shuffled = data.draw(st.permutations(features))
    assert repr(accept_surveys(material(patches), shuffled)) == repr(result)


@given(case=returns())
@settings(deadline=None, max_examples=30)
def test_surveys_that_count_share_no_more_land_than_their_patches(
    case: tuple[gpd.GeoDataFrame, list[Returned]],
) -> None:
    patches, features = case
    result = accept_surveys(material(patches), features)
    events = {one.event.subject: one.event for one in result.accepted}
    assert all(one.event == events[one.event.subject] for one in result.accepted)
    whole = patches.set_index("patch_id").geometry
    names = sorted(events)
    for n, one in enumerate(names):
        for two in names[n + 1 :]:
            shared = outline_in(events[one]).intersection(outline_in(events[two])).area
            issued = whole[one].intersection(whole[two]).area
            assert shared <= max(issued, 0.0) + LIMITS.max_shared_m2 + 1e-6
    for name, event in events.items():
        distance = outline_in(event).distance(whole[name])
        assert distance <= LIMITS.max_distance_m


@given(case=returns())
@settings(deadline=None, max_examples=25)
def test_what_was_accepted_is_accepted_again_as_it_is(
    case: tuple[gpd.GeoDataFrame, list[Returned]],
) -> None:
    patches, features = case
    first = {
        one.event.subject: one.event for one in accept_surveys(material(patches), features).accepted
    }
    again = [feature(name, outline_in(event), row_no=1) for name, event in first.items()]
    second = accept_surveys(material(patches), again)
    assert second.rejected == ()
    assert {one.event.subject: dict(one.event.payload) for one in second.accepted} == {
        name: dict(event.payload) for name, event in first.items()
    }


@given(seed=st.integers(0, 2**32 - 1), code=st.sampled_from([4490, 4526, 4546, 4548]))
@settings(deadline=None, max_examples=25)
def test_points_and_area_do_not_depend_on_the_crs_of_the_file(seed: int, code: int) -> None:
    rng = np.random.default_rng(seed)
    patches = patch_table([polygon(rng)])
    outline = normal(patches.geometry.iloc[0])
    crs = CRS.from_epsg(code)
    (there,) = project_points(np.array([outline], dtype=object), CRS_4547, crs)
    given_here = accept_surveys(material(patches), [feature("379999ZJ24000001", outline)])
    given_there = accept_surveys(material(patches), [feature("379999ZJ24000001", there, crs=crs)])
    here, moved = (found.accepted[0].event for found in (given_here, given_there))
    assert isinstance(outline_in(moved), MultiPolygon)
    far = shapely.hausdorff_distance(outline_in(here), outline_in(moved))
    assert far < 1e-6
    area = here.payload["survey_area_m2"]
    assert moved.payload["survey_area_m2"] == pytest.approx(area, abs=1e-3)
