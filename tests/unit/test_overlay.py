"""Parts and area columns against squares worked out by hand and GeographicLib's areas."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.patches.columns import longest_prefix
from pipeline.patches.overlay import OVERLAY_LAYERS
from pipeline.patches.townships import AssignmentParams
from pipeline.schema.check import check_table
from pipeline.schema.layers import OVERLAID, PARTS
from pipeline.schema.reference import REFERENCE_LAYERS
from tests.overlay_factory import geodesic_area_m2, overlay, patch_table, reference, square

ADDENDS = ["cultivated_m2", "other_agricultural_m2", "unused_m2", "construction_m2"]
ADDENDS = [*ADDENDS, "unclassified_m2"]
PATCH = square(0, 0, 100)
SCALE = patch_table([PATCH])["area_m2"].iloc[0] / 10_000.0
"""Ellipsoidal over planar area at the test's corner, about 1."""


def m2(planar: float) -> object:
    """An expected area, given in the plane."""
    return pytest.approx(planar * SCALE, rel=1e-7)


def covered(x: float, width: float, **columns: object) -> dict[str, object]:
    """A strip over the full height of the patch."""
    return {"geometry": square(x, -50, width, 300), **columns}


def test_every_layer_that_cuts_is_a_reference_layer() -> None:
    assert set(OVERLAY_LAYERS) <= REFERENCE_LAYERS.keys()
    assert all(REFERENCE_LAYERS[name].geometry == "MultiPolygon" for name in OVERLAY_LAYERS)


def test_without_optional_layers_their_columns_are_null() -> None:
    done = overlay(patch_table([PATCH]), {})
    row = done.patches.iloc[0]
    optional = [*ADDENDS, "cultivated_net_m2", "pbf_m2", "redline_m2", "reserve_m2", "approved_m2"]
    optional += ["supplied_m2", "registered_m2", "facility_m2", "temporary_m2"]
    optional += ["plan_conform_m2", "plan_nonconform_m2", "village_code", "patrol_area_id"]
    assert row[optional].isna().all()
    assert row["township_code"] == "379999001"
    assert len(done.parts) == 1
    assert done.parts["area_m2"].iloc[0] == row["area_m2"]
    assert done.parts["part_id"].tolist() == ["379999ZJ24000001-1"]


def test_a_supplied_layer_that_covers_nothing_gives_zero() -> None:
    far = [{"geometry": square(3000, 3000, 10)}]
    names = [name for name in OVERLAY_LAYERS if name not in ("townships", "land_use")]
    done = overlay(patch_table([PATCH]), {name: reference(name, far) for name in names})
    row = done.patches.iloc[0]
    columns = ["pbf_m2", "redline_m2", "reserve_m2", "approved_m2", "supplied_m2", "registered_m2"]
    columns += ["facility_m2", "temporary_m2", "plan_conform_m2", "plan_nonconform_m2"]
    assert row[columns].tolist() == [0.0] * len(columns)
    assert np.isnan(row["cultivated_m2"])


def test_land_use_addends_and_net_cultivated_land() -> None:
    land_use = reference(
        "land_use",
        [
            covered(-20, 50, land_class_code="0103", bund_ratio=0.1),  # 30 m inside
            covered(30, 20, land_class_code="0102"),  # no ratio: gross counts
            covered(50, 10, land_class_code="1006"),
            covered(60, 10, land_class_code="0702"),
            covered(70, 5, land_class_code="0404"),
            covered(75, 5, land_class_code="1208"),  # not in the code table
        ],
    )
    done = overlay(patch_table([PATCH]), {"land_use": land_use})
    row = done.patches.iloc[0]
    assert row["cultivated_m2"] == m2(5000)
    assert row["cultivated_net_m2"] == m2(3000 * 0.9 + 2000)
    assert row["other_agricultural_m2"] == m2(1000)
    assert row["construction_m2"] == m2(1000)
    assert row["unused_m2"] == m2(500)
    assert row["unclassified_m2"] == m2(500 + 2000)
    assert row[ADDENDS].sum() == pytest.approx(row["area_m2"], abs=1e-9)
    unknown = done.parts[done.parts["land_class_code"] == "1208"].iloc[0]
    assert pd.isna(unknown["land_category"])


def test_no_cultivated_part_means_none_is_net() -> None:
    land_use = reference("land_use", [covered(-20, 500, land_class_code="0702", bund_ratio=0.2)])
    row = overlay(patch_table([PATCH]), {"land_use": land_use}).patches.iloc[0]
    assert (row["cultivated_m2"], row["cultivated_net_m2"]) == (0.0, 0.0)


def test_newest_vintage_then_smallest_id_wins() -> None:
    land_use = reference(
        "land_use",
        [
            covered(-20, 50, land_class_code="0101", vintage_date="2022-12-31", feature_id="a"),
            covered(0, 40, land_class_code="0301", vintage_date="2023-12-31", feature_id="z"),
            covered(35, 30, land_class_code="0404", vintage_date="2023-12-31", feature_id="y"),
            covered(60, 20, land_class_code="0702", feature_id="0"),  # no vintage: oldest
        ],
    )
    parts = overlay(patch_table([PATCH]), {"land_use": land_use}).parts
    by_id = parts.groupby("land_use_id")["area_m2"].sum()
    assert by_id["z"] == m2(3500)  # 0–35; "y" begins at 35
    assert by_id["y"] == m2(3000)
    assert by_id["0"] == m2(1500)  # 65–80
    assert "a" not in by_id
    assert set(parts.loc[parts["land_use_id"] == "z", "land_use_date"]) == {"2023-12-31"}


def test_permits_are_net_of_each_other_and_keep_all_ids() -> None:
    layers = {
        "approvals": reference("approvals", [covered(-9, 29, feature_id="A")]),  # 0–20
        "supply": reference("supply", [covered(10, 30, feature_id="S")]),  # 10–40
        "registration": reference("registration", [covered(30, 30, feature_id="R")]),  # 30–60
        "facility_land": reference("facility_land", [covered(50, 20, feature_id="F")]),  # 50–70
        "temporary_land": reference("temporary_land", [covered(0, 80, feature_id="T")]),  # 0–80
    }
    done = overlay(patch_table([PATCH]), layers)
    row = done.patches.iloc[0]
    expected = {"approved": 2000, "supplied": 2000, "registered": 2000, "facility": 1000}
    for name, planar in {**expected, "temporary": 1000}.items():
        assert row[f"{name}_m2"] == m2(planar), name
    both = done.parts[(done.parts["approval_id"] == "A") & (done.parts["supply_id"] == "S")].iloc[0]
    assert (both["permit_class"], both["temporary_id"]) == ("approved", "T")
    assert done.parts["permit_class"].isna().sum() == 1


def test_without_approvals_supply_counts_in_full() -> None:
    layers = {"supply": reference("supply", [covered(10, 30)])}
    row = overlay(patch_table([PATCH]), layers).patches.iloc[0]
    assert np.isnan(row["approved_m2"])
    assert row["supplied_m2"] == m2(3000)


def test_planning_zones_conform_not_or_are_undecided() -> None:
    zones = reference(
        "planning_zones",
        [
            covered(0, 30, zone_code="010"),
            covered(30, 20, zone_code="3001"),  # a code below 300
            covered(50, 10, zone_code="420"),
            covered(60, 10, zone_code="999"),
        ],
    )
    done = overlay(patch_table([PATCH]), {"planning_zones": zones})
    row = done.patches.iloc[0]
    assert row["plan_conform_m2"] == m2(3000)
    assert row["plan_nonconform_m2"] == m2(2000)
    found = dict(zip(done.parts["plan_zone_code"], done.parts["is_plan_conforming"], strict=True))
    assert (found["010"], found["3001"], found["420"], found["999"]) == (True, False, None, None)


def test_equal_pieces_become_one_part() -> None:
    """A version that had ended before the after date leaves its lines, and no part."""
    villages = reference(
        "villages",
        [
            covered(-20, 200, village_code="379999001001"),
            covered(20, 10, village_code="379999001002", valid_to_date="2020-01-01"),
        ],
    )
    done = overlay(patch_table([PATCH]), {"villages": villages})
    assert len(done.parts) == 1
    assert done.parts.geometry.iloc[0].geom_type == "Polygon"


def test_parts_are_row_major_and_numbered_per_patch() -> None:
    land_use = reference(
        "land_use",
        [
            {"geometry": square(0, 50, 50), "feature_id": "upper left"},
            {"geometry": square(50, 50, 50), "feature_id": "upper right"},
            {"geometry": square(0, 0, 100, 50), "feature_id": "below"},
            {"geometry": square(200, 0, 100), "feature_id": "next"},
        ],
    )
    parts = overlay(patch_table([PATCH, square(200, 0, 100)]), {"land_use": land_use}).parts
    assert parts["land_use_id"].tolist() == ["upper left", "upper right", "below", "next"]
    assert [name[-3:] for name in parts["part_id"]] == ["1-1", "1-2", "1-3", "2-1"]


def test_part_areas_are_geodesic_and_mu_add_up() -> None:
    rng = np.random.default_rng(11)
    land_use = [
        {"geometry": square(x, y, 37, 53), "feature_id": f"{number:03d}"}
        for number, (x, y) in enumerate(rng.uniform(-60, 900, (120, 2)))
    ]
    outline = square(0, 0, 900).difference(square(300, 300, 100))
    patches = patch_table([outline, square(0, 950, 7)])
    done = overlay(patches, {"land_use": reference("land_use", land_use)})
    for part in done.parts.itertuples():
        expected = geodesic_area_m2(part.geometry)
        assert part.area_m2 == pytest.approx(expected, rel=1e-6, abs=1e-4)
    by_patch = done.parts.groupby("patch_id")
    whole = done.patches.set_index("patch_id")
    np.testing.assert_allclose(by_patch["area_m2"].sum(), whole["area_m2"], rtol=1e-15)
    assert by_patch["area_mu100"].sum().tolist() == whole["area_mu100"].tolist()
    assert (done.parts["area_mu100"] >= 0).all()
    np.testing.assert_allclose(whole[ADDENDS].sum(axis=1), whole["area_m2"], atol=1e-6, rtol=0)
    assert done.closure_error < 1e-9
    # perturbed, the comparison fails: an area of one part in a million more is told apart
    largest = done.parts.nlargest(1, "area_m2").iloc[0]
    wrong = largest["area_m2"] * (1 + 3e-6)
    assert wrong != pytest.approx(geodesic_area_m2(largest.geometry), rel=1e-6, abs=1e-4)


def test_tables_conform_to_their_layers() -> None:
    layers = {
        name: reference(name, [covered(-10, 40)])
        for name in OVERLAY_LAYERS
        if name not in ("townships",)
    }
    layers["villages"]["village_code"] = "379999001001"
    done = overlay(patch_table([PATCH, square(500, 0, 20)]), layers)
    assert check_table(done.patches, OVERLAID, "套合") == []
    assert check_table(done.parts, PARTS, "分块") == []
    assert json.dumps(done.patches["straddles"].tolist()) == "[[], []]"


def test_no_patches_give_empty_tables() -> None:
    done = overlay(patch_table([]), {"land_use": reference("land_use", [covered(0, 10)])})
    assert (len(done.patches), len(done.parts), done.closure_error) == (0, 0, 0.0)
    assert check_table(done.patches, OVERLAID, "套合") == []
    assert check_table(done.parts, PARTS, "分块") == []


def test_patches_do_not_depend_on_the_batch_they_are_in() -> None:
    land_use = reference(
        "land_use", [covered(x, 17, feature_id=f"{x:03d}") for x in range(0, 400, 13)]
    )
    outlines = [square(x, 0, 60) for x in range(0, 300, 70)]
    together = overlay(patch_table(outlines), {"land_use": land_use})
    for number, patch_id in enumerate(together.patches["patch_id"]):
        alone = overlay(patch_table(outlines).iloc[[number]], {"land_use": land_use})
        parts = together.parts[together.parts["patch_id"] == patch_id].reset_index(drop=True)
        assert alone.parts.geometry.to_list() == parts.geometry.to_list()
        assert alone.parts["part_id"].tolist() == parts["part_id"].tolist()
        np.testing.assert_allclose(alone.parts["area_m2"], parts["area_m2"], rtol=1e-13)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("0101", "a"),
        ("01", "b"),
        ("0199", "b"),
        ("0", None),
        ("02", None),
        ("", None),
        (None, None),
    ],
)
def test_the_longest_beginning_decides(code: str | None, expected: str | None) -> None:
    assert longest_prefix(code, {"01": "b", "0101": "a"}) == expected


def test_every_parameter_is_described() -> None:
    fields = AssignmentParams.model_fields
    assert all(field.description for field in fields.values())
    assert "示例口径" in (fields["development_zone_first"].description or "")
