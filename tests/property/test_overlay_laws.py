"""Laws of the overlay for random layers: parts make up patches, townships make up the county."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from tests.overlay_factory import (
    X0,
    Y0,
    geodesic_area_m2,
    overlay,
    patch_table,
    reference,
    square,
    townships,
)

SPAN = 300
ADDENDS = ["cultivated_m2", "other_agricultural_m2", "unused_m2", "construction_m2"]
ADDENDS = [*ADDENDS, "unclassified_m2"]
OF_WHICH = {"pbf_m2": "pbf_id", "redline_m2": "redline_id", "reserve_m2": "reserve_id"}
LAYERS = (
    "land_use",
    "permanent_basic_farmland",
    "ecological_redline",
    "planning_zones",
    "approvals",
    "supply",
    "registration",
    "facility_land",
    "temporary_land",
)


def polygon(rng: np.random.Generator) -> BaseGeometry:
    """A star-shaped polygon, sometimes with a hole, sometimes on a grid so that edges coincide."""
    n = int(rng.integers(3, 12))
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    radius = rng.uniform(10, 120, n)
    centre = rng.uniform(0, SPAN, 2)
    points = centre + np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None]
    if rng.random() < 0.5:
        points = np.round(points / 10) * 10
    shape = shapely.make_valid(shapely.Polygon(points + np.array([X0, Y0])))
    if rng.random() < 0.3:
        shape = shape.difference(shapely.box(*(centre - 8 + [X0, Y0]), *(centre + 8 + [X0, Y0])))
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return max(parts, key=lambda part: part.area, default=square(*centre, 10))


def near_copy(shape: BaseGeometry, rng: np.random.Generator) -> BaseGeometry:
    """The same outline a hair off, as another office would have digitised it."""
    noise = float(rng.choice([0.0, 1e-9, 1e-7, 1e-4]))
    phase = rng.uniform(0, 7, 2)  # equal points move equally, so that rings stay closed
    moved = shapely.transform(shape, lambda xy: xy + noise * np.sin(1e3 * xy + phase))
    return moved if moved.is_valid and moved.geom_type == "Polygon" else shape


@st.composite
def worlds(draw: st.DrawFn) -> tuple[gpd.GeoDataFrame, dict[str, gpd.GeoDataFrame]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pool = [polygon(rng) for _ in range(12)]
    layers = {}
    for name in draw(st.sets(st.sampled_from(LAYERS))):
        rows = [
            {"geometry": near_copy(pool[k], rng), "feature_id": f"{number:03d}"}
            for number, k in enumerate(rng.integers(0, len(pool), draw(st.integers(0, 8))))
        ]
        codes = rng.choice(["0101", "0301", "0702", "0404", "9999"], len(rows))
        if name == "land_use":
            rows = [row | {"land_class_code": code} for row, code in zip(rows, codes, strict=True)]
        layers[name] = reference(name, rows)
    cut = float(rng.uniform(0, SPAN))
    layers["townships"] = townships(
        {"geometry": square(-2000, -2000, 2000 + cut, 5000), "township_code": "379999001"},
        {"geometry": square(cut, -2000, 5000, 5000), "township_code": "379999002"},
    )
    outlines = [polygon(rng) for _ in range(draw(st.integers(1, 4)))]
    return patch_table(outlines), layers


@given(world=worlds())
@settings(deadline=None, max_examples=25)
def test_parts_are_disjoint_and_make_up_their_patch(
    world: tuple[gpd.GeoDataFrame, dict[str, gpd.GeoDataFrame]],
) -> None:
    patches, layers = world
    done = overlay(patches, layers)
    for patch in done.patches.itertuples():
        parts = done.parts[done.parts["patch_id"] == patch.patch_id]
        shapes = parts.geometry.to_numpy()
        assert shapely.is_valid(shapes).all()
        one, two = np.triu_indices(len(shapes), 1)
        assert shapely.area(shapely.intersection(shapes[one], shapes[two])).sum() < 1e-5
        # Outlines that nearly coincide are snapped at the second try, within the law's 1e-6.
        missed = shapely.unary_union(shapes).symmetric_difference(patch.geometry).area
        assert missed < 1e-6 * patch.area_m2
        assert parts["area_m2"].sum() == pytest.approx(patch.area_m2, rel=1e-14)
        assert parts["area_mu100"].sum() == patch.area_mu100
        independent = sum(geodesic_area_m2(shape) for shape in shapes)
        assert patch.area_m2 == pytest.approx(independent, rel=1e-6, abs=1e-4)
    assert done.closure_error < 1e-6


@given(world=worlds())
@settings(deadline=None, max_examples=25)
def test_columns_are_sums_of_parts_and_townships_of_the_county(
    world: tuple[gpd.GeoDataFrame, dict[str, gpd.GeoDataFrame]],
) -> None:
    patches, layers = world
    done = overlay(patches, layers)
    whole = done.patches.set_index("patch_id")
    if "land_use" in layers:
        gap = whole[ADDENDS].sum(axis=1) - whole["area_m2"]
        assert gap.abs().max() < 1e-6
    for column, part_id in OF_WHICH.items():
        hit = done.parts[done.parts[part_id].notna()]
        expected = hit.groupby("patch_id")["area_m2"].sum().reindex(whole.index, fill_value=0.0)
        if whole[column].notna().any():
            np.testing.assert_allclose(whole[column], expected, atol=1e-9)
    by_township = whole.groupby("township_code")[["area_m2", "area_mu100"]].sum()
    assert by_township["area_m2"].sum() == pytest.approx(whole["area_m2"].sum(), rel=1e-12)
    assert by_township["area_mu100"].sum() == whole["area_mu100"].sum()
    by_part = done.parts.groupby("township_code")["area_m2"].sum()
    assert by_part.sum() == pytest.approx(whole["area_m2"].sum(), rel=1e-12)


@given(world=worlds(), data=st.data())
@settings(deadline=None, max_examples=20)
def test_areas_by_layer_are_those_of_geometric_intersection(
    world: tuple[gpd.GeoDataFrame, dict[str, gpd.GeoDataFrame]], data: st.DataObject
) -> None:
    """Another way to the same figure: intersection with the union of the layer."""
    patches, layers = world
    present = [name for name in ("permanent_basic_farmland", "approvals") if name in layers]
    if not present:
        return
    name = data.draw(st.sampled_from(present))
    column = {"permanent_basic_farmland": "pbf_m2", "approvals": "approved_m2"}[name]
    covered = shapely.unary_union(layers[name].geometry.to_numpy())
    done = overlay(patches, layers)
    for patch in done.patches.itertuples():
        expected = geodesic_area_m2(shapely.intersection(patch.geometry, covered))
        assert getattr(patch, column) == pytest.approx(expected, rel=1e-6, abs=2e-3)


PERMITS = {
    "approvals": "approved_m2",
    "supply": "supplied_m2",
    "registration": "registered_m2",
    "facility_land": "facility_m2",
    "temporary_land": "temporary_m2",
}
"""In the order in which they count (DESIGN §4)."""


@given(world=worlds())
@settings(deadline=None, max_examples=20)
def test_no_permit_is_counted_twice(
    world: tuple[gpd.GeoDataFrame, dict[str, gpd.GeoDataFrame]],
) -> None:
    """Each permit has what it covers less all permits before it, by GEOS and GeographicLib."""
    patches, layers = world
    done = overlay(patches, layers)
    for patch in done.patches.itertuples():
        left = patch.geometry
        for name, column in PERMITS.items():
            if name not in layers:
                assert np.isnan(getattr(patch, column))
                continue
            covered = shapely.unary_union(layers[name].geometry.to_numpy())
            expected = geodesic_area_m2(shapely.intersection(left, covered))
            assert getattr(patch, column) == pytest.approx(expected, rel=1e-6, abs=2e-3)
            left = shapely.difference(left, covered)
        net = np.nansum([getattr(patch, column) for column in PERMITS.values()])
        assert net <= patch.area_m2 * (1 + 1e-9)
        free = done.parts[(done.parts["patch_id"] == patch.patch_id).to_numpy()]
        free = free[free["permit_class"].isna()]
        assert net + free["area_m2"].sum() == pytest.approx(patch.area_m2, rel=1e-9)


@given(world=worlds())
@settings(deadline=None, max_examples=25)
def test_split_then_merged_is_the_original(
    world: tuple[gpd.GeoDataFrame, dict[str, gpd.GeoDataFrame]],
) -> None:
    """No point is lost, none gained, by more than a tenth of a millimetre."""
    patches, layers = world
    done = overlay(patches, layers)
    for patch in done.patches.itertuples():
        shapes = done.parts.geometry[(done.parts["patch_id"] == patch.patch_id).to_numpy()]
        merged = shapely.unary_union(shapes.to_numpy())
        # a square millimetre for what the buffers' own coordinates round
        assert shapely.difference(patch.geometry, shapely.buffer(merged, 1e-4)).area < 1e-6
        assert shapely.difference(merged, shapely.buffer(patch.geometry, 1e-4)).area < 1e-6
        # a hundredth of a millimetre all along the outline: slivers have much of it for their area
        apart_m2 = 1e-5 * max(patch.geometry.length, 10.0)
        assert geodesic_area_m2(merged) == pytest.approx(patch.area_m2, rel=1e-6, abs=apart_m2)


@given(world=worlds())
@settings(deadline=None, max_examples=20)
def test_gaps_and_overlaps_account_for_every_claim(
    world: tuple[gpd.GeoDataFrame, dict[str, gpd.GeoDataFrame]],
) -> None:
    """What all features of a layer claim is what is covered plus what is covered again."""
    patches, layers = world
    done = overlay(patches, layers)
    rows, parts = done.gaps_overlaps, done.parts
    for name, id_column in (("land_use", "land_use_id"), ("approvals", "approval_id")):
        if name not in layers:
            continue
        own = rows[(rows["layer_name"] == name).to_numpy()]
        twice = own[(own["cover_state"] == "overlap").to_numpy()]
        again = twice["area_m2"] * twice["other_feature_ids"].map(len)
        covered = parts.loc[parts[id_column].notna(), "area_m2"].sum()
        claims = [
            geodesic_area_m2(shapely.intersection(outline, feature))
            for outline in patches.geometry
            for feature in layers[name].geometry
        ]
        assert covered + again.sum() == pytest.approx(sum(claims), rel=1e-6, abs=5e-3)
        gaps = own.loc[(own["cover_state"] == "gap").to_numpy(), "area_m2"].sum()
        if name == "land_use":
            total = done.patches["area_m2"].sum()
            assert covered + gaps == pytest.approx(total, rel=1e-12)


@given(world=worlds(), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=12)
def test_the_order_of_features_and_patches_does_not_matter(
    world: tuple[gpd.GeoDataFrame, dict[str, gpd.GeoDataFrame]], seed: int
) -> None:
    patches, layers = world
    shuffled = {name: table.sample(frac=1, random_state=seed) for name, table in layers.items()}
    one, two = overlay(patches, layers), overlay(patches.iloc[::-1], shuffled)
    first = one.patches.set_index("patch_id").sort_index()
    second = two.patches.set_index("patch_id").sort_index()
    assert first["township_code"].tolist() == second["township_code"].tolist()
    for column in ("area_m2", "pbf_m2", "approved_m2", "supplied_m2", "cultivated_m2"):
        np.testing.assert_allclose(first[column], second[column], rtol=1e-8, atol=1e-4)
