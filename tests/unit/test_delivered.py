"""Delivered tables: areas that add up, and nothing of other townships."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.delivery.delivered import (
    Screened,
    Vocabulary,
    area_mu,
    county_table,
    package_id,
    parts_table,
    priority_line,
    verify_table,
)
from pipeline.delivery.isolation import (
    OTHERS_ZH,
    Township,
    clip_reference,
    find_townships,
    visible_area,
)
from pipeline.errors import VerifyError
from pipeline.schema.check import check_table
from pipeline.schema.delivered import COUNTY, DELIVERED_PARTS, FORM_COLUMNS, VERIFY
from pipeline.schema.reference import REFERENCE_LAYERS
from tests.package_factory import (
    LAND,
    NAMES,
    A,
    B,
    C,
    D,
    box,
    patch_id,
    reference_layers,
    screened,
    table,
)

VOCABULARY = Vocabulary({path.stem: load_codes(path) for path in CODES_DIR.glob("*.csv")})
LAYERS = {spec.name: layer for spec, layer in reference_layers().items()}
COUNTY_SCREENED = Screened(*screened())
TOWNSHIPS = {
    one.code: one for one in find_townships(LAYERS["townships"], LAYERS["villages"], "2024-10-18")
}


def seen(name: str, code: str, buffer_m: float = 50) -> Any:
    township = TOWNSHIPS[code]
    patches = COUNTY_SCREENED.of(code).patches.geometry.to_numpy()
    own = shapely.union_all([township.territory, *patches])
    visible = visible_area(township, patches, buffer_m)
    return clip_reference(name, LAYERS[name], township, own, visible)


def test_development_zones_have_the_land_they_lie_on() -> None:
    assert sorted(TOWNSHIPS) == sorted([A, B, C, D])
    assert TOWNSHIPS[A].territory.area == LAND[A].area - LAND[D].area
    assert TOWNSHIPS[D].territory.equals(LAND[D])
    layers = (LAYERS["townships"], LAYERS["villages"], "2024-10-18")
    other = {one.code: one for one in find_townships(*layers, zones_first=False)}
    assert other[A].territory.equals(LAND[A])
    assert other[D].territory.is_empty


def test_only_boundaries_of_the_day_count() -> None:
    rows = [
        {"township_code": A, "township_name": "旧镇", "valid_to_date": "2024-06-30"},
        {"township_code": A, "township_name": "新镇", "valid_from_date": "2024-07-01"},
        {"township_code": B, "township_name": "撤销乡", "valid_to_date": "2020-12-31"},
    ]
    filled = [
        {"township_kind": "town", "feature_id": str(n), "geometry": box(0, n, 9, n + 1), **row}
        for n, row in enumerate(rows)
    ]
    layer = table(REFERENCE_LAYERS["townships"], filled)
    names = {day: [t.name for t in find_townships(layer, None, day)] for day in
             ("2024-06-30", "2024-07-01", None)}  # fmt: skip
    assert names == {"2024-06-30": ["旧镇"], "2024-07-01": ["新镇"], None: ["新镇"]}
    # A name the same unit had before is not foreign to it.
    assert find_townships(layer, None, "2024-07-01")[0].mask("旧镇与撤销乡") == f"旧镇与{OTHERS_ZH}"


def test_masks_names_and_codes_but_not_the_own_name() -> None:
    township = Township(A, "新清溪镇", "town", LAND[A], ("新清溪镇",), (B, "清河镇", "李庄"))
    assert township.mask(f"{B}201 在清河镇李庄") == f"{OTHERS_ZH} 在{OTHERS_ZH}{OTHERS_ZH}"
    assert TOWNSHIPS[A].mask(f"{NAMES[A]}与{NAMES[B]}") == f"{NAMES[A]}与{OTHERS_ZH}"


def test_a_name_inside_an_own_name_is_left_alone() -> None:
    rows = [
        {"township_code": A, "township_name": "新清溪镇"},
        {"township_code": B, "township_name": "清溪镇"},
    ]
    filled = [
        {"township_kind": "town", "feature_id": str(n), "geometry": box(0, n, 9, n + 1), **row}
        for n, row in enumerate(rows)
    ]
    layer = table(REFERENCE_LAYERS["townships"], filled)
    own = {one.code: one for one in find_townships(layer, None, "2024-10-18")}[A]
    assert own.mask("清溪镇在新清溪镇以东") == f"{OTHERS_ZH}在新清溪镇以东"


def test_a_foreign_name_that_begins_with_an_own_one_is_masked_whole() -> None:
    """城关 is an own village, 城关镇 the town next door; and digits after a name stay."""
    township = Township(A, "清溪镇", "town", LAND[A], ("清溪镇", "城关"), (B, "城关镇"))
    assert township.mask("城关镇与城关") == f"{OTHERS_ZH}与城关"
    assert township.mask(f"城关镇12号，{B}201") == f"{OTHERS_ZH}12号，{OTHERS_ZH}"


def test_a_village_without_a_name_is_no_obstacle() -> None:
    towns = table(
        REFERENCE_LAYERS["townships"],
        [{"township_code": A, "township_name": "清溪镇", "feature_id": "1", "geometry": LAND[A]}],
    )
    villages = table(
        REFERENCE_LAYERS["villages"],
        [
            {"village_code": f"{code}201", "feature_id": code, "geometry": LAND[A]}
            for code in (A, B)
        ],
    )
    villages["village_name"] = pd.array([None, None], dtype=pd.StringDtype(na_value=np.nan))
    (own,) = find_townships(towns, villages, None)
    assert own.mask(f"{B}201") == OTHERS_ZH


def test_an_id_that_tells_of_others_becomes_a_pseudonym_of_its_own() -> None:
    township = TOWNSHIPS[A]
    first, second = (township.mask_id(f"{B}-{n}") for n in (1, 2))
    assert first != second
    assert first == township.mask_id(f"{B}-1")
    assert B not in first
    assert township.mask_id(f"{A}-1") == f"{A}-1"


def test_mu_are_sums_of_parts_and_null_where_nothing_was_supplied() -> None:
    patches, parts = COUNTY_SCREENED.patches, COUNTY_SCREENED.parts
    areas = area_mu(patches, parts)
    addends = areas[["cultivated_mu", "other_agricultural_mu", "unused_mu", "construction_mu",
                     "unclassified_mu"]]  # fmt: skip
    hundredths = np.round(addends.to_numpy() * 100).astype(int).sum(axis=1)
    assert hundredths.tolist() == patches["area_mu100"].astype(int).tolist()
    # Patch 1 is 60 m × 60 m = 3600 m² = 5.40 亩; half of it lies on the farmland.
    first = areas.iloc[0]
    assert (first["area_mu"], first["pbf_mu"], first["construction_mu"]) == (5.4, 2.7, 2.7)
    assert first["approved_mu"] == 0.0
    assert areas["redline_mu"].isna().all()


def test_parts_that_do_not_add_up_are_refused() -> None:
    parts = COUNTY_SCREENED.parts.copy()
    parts.loc[0, "area_mu100"] += 1
    with pytest.raises(VerifyError) as caught:
        area_mu(COUNTY_SCREENED.patches, parts)
    assert [finding.where for finding in caught.value.findings] == [f"图斑 {patch_id(1)}"]
    without = COUNTY_SCREENED.parts.iloc[2:]
    with pytest.raises(VerifyError):
        area_mu(COUNTY_SCREENED.patches, without)


def test_a_township_gets_its_patches_urgent_first_with_an_empty_form() -> None:
    own = COUNTY_SCREENED.of(A)
    layer = verify_table(own, TOWNSHIPS[A], VOCABULARY, "id")
    assert check_table(layer, VERIFY, "A") == []
    assert layer["patch_id"].tolist() == [patch_id(1), patch_id(2), patch_id(3)]
    assert layer["serial_no"].tolist() == [1, 2, 3]
    assert layer[list(FORM_COLUMNS)].isna().all(axis=None)
    assert layer["is_straddling"].tolist() == [False, True, False]
    assert layer["responsible_zh"].tolist() == [
        "本单位",
        "责任单位待定（候选：本单位、其他单位）",
        "其他单位（由县局确认）",
    ]
    # The person of another unit is that unit's matter.
    assert layer["responsible_person"].isna().tolist() == [False, False, True]
    assert layer["reasons_zh"][1].startswith("1. 图斑压占永久基本农田")
    assert NAMES[B] not in "".join(layer["reasons_zh"])


def test_parts_on_other_land_lose_its_codes() -> None:
    parts = parts_table(COUNTY_SCREENED.of(A).parts, TOWNSHIPS[A])
    assert check_table(parts, DELIVERED_PARTS, "A") == []
    foreign = parts["part_id"] == f"{patch_id(2)}-2"
    assert parts.loc[foreign, ["township_code", "village_code"]].isna().all(axis=None)
    assert parts.loc[~foreign, "township_code"].eq(A).all()
    assert parts["area_mu"].sum() == pytest.approx(parts["area_mu100"].sum() / 100)


def test_the_bureau_keeps_everything() -> None:
    layer = county_table(COUNTY_SCREENED, VOCABULARY, "T1", ["early_warning", "not_construction"])
    assert check_table(layer, COUNTY, "county") == []
    assert layer["township_code"].isna().sum() == 1
    assert layer.loc[1, "straddles"] == [B]
    # Patch 3 was issued: its class does not keep it back. Patch 7 has nobody to go to.
    assert layer["is_sent"].tolist() == [True] * 6 + [False]


def test_a_withheld_class_stays_with_the_bureau_unless_it_was_issued() -> None:
    own = COUNTY_SCREENED.of(A, ["uncertain", "early_warning"])
    assert own.patches["patch_id"].tolist() == [patch_id(1), patch_id(3)]
    assert (
        set(own.parts["patch_id"]) == set(own.reasons["patch_id"]) == set(own.patches["patch_id"])
    )


def test_reference_layers_stop_at_the_buffer_and_name_nobody_else() -> None:
    land_use = seen("land_use", A)
    assert land_use.geometry.union_all().bounds[2] <= 500_000 + 640 + 50
    approvals = seen("approvals", A)
    assert approvals["project_name"].tolist() == [f"{OTHERS_ZH}污水厂至{NAMES[A]}管网"]
    assert seen("villages", A)["village_code"].str.startswith(A).all()
    assert seen("patrol_areas", A)["responsible_code"].tolist() == [A]
    # The old patch lies mostly in B.
    assert seen("previous_patches", A).empty
    assert len(seen("previous_patches", B)) == 1
    assert seen("ecological_redline", A).empty


def test_a_feature_in_the_buffer_only_keeps_no_name() -> None:
    beside = seen("ecological_redline", A, buffer_m=100)
    assert len(beside) == 1
    assert beside["feature_name"].isna().all()


def test_another_content_is_another_package() -> None:
    own = COUNTY_SCREENED.of(A)
    first = package_id("T1", A, own)
    assert first.startswith(f"T1-{A}-")
    assert first == package_id("T1", A, COUNTY_SCREENED.of(A))
    moved = own.patches.assign(due_date="2024-12-01")
    assert package_id("T1", A, replace(own, patches=moved)) != first


def test_reasons_are_numbered_once() -> None:
    numbered = COUNTY_SCREENED.patches.copy()
    numbered["reasons"] = [["1. 未见批文。", "2．未见供地。"]] * len(numbered)
    own = replace(COUNTY_SCREENED, patches=numbered).of(A)
    layer = verify_table(own, TOWNSHIPS[A], VOCABULARY, "id")
    assert layer["reasons_zh"][0] == "1. 未见批文。\n2. 未见供地。"


def test_the_score_stands_with_its_parts() -> None:
    parts = [{"code": "class", "label": "初判类别", "points": 50}]
    parts.append({"code": "issued", "label": "下发图斑", "points": 10})
    assert priority_line(parts) == "初判类别 50＋下发图斑 10＝60"
    assert priority_line([]) is None
