"""Counted areas: signed, else surveyed, else the patch; what is unknown stays unknown."""

from __future__ import annotations

import pandas as pd
import pytest

from pipeline.rules.books.recognised import (
    count_areas,
    counted_basis,
    is_new_known,
    is_violation,
    signed_judgement,
)
from pipeline.schema.register_layers import COUNTED_COLUMNS
from tests.books_factory import SIGNED, patch_row

SURVEY = {
    "survey_area_m2": 5000.0,
    "survey_area_mu100": 750,
    "survey_construction_m2": 1000.0,
    "survey_construction_mu100": 149,
    "survey_cultivated_m2": 3000.0,
    "survey_cultivated_mu100": 450,
    "survey_pbf_m2": 100.0,
    "survey_pbf_mu100": 15,
    "survey_reserve_m2": 4800.0,
    "survey_reserve_mu100": 720,
}
STATED = {
    "recognised_area_m2": 4000.0,
    "recognised_new_m2": 3500.0,
    "recognised_cultivated_m2": 2000.0,
    "recognised_pbf_m2": 333.3,
}


def test_the_columns_are_those_of_the_schema() -> None:
    assert tuple(count_areas(patch_row())) == COUNTED_COLUMNS


@pytest.mark.parametrize("missing", SIGNED)
def test_a_judgement_without_one_of_three_signatures_is_none(missing: str) -> None:
    row = patch_row(**{missing: None}, **STATED)
    assert signed_judgement(row) is None
    assert not is_violation(row)
    assert counted_basis(row) == "patch"
    assert signed_judgement(patch_row()) == "new_violation"


def test_withdrawn_or_lawful_is_no_violation() -> None:
    assert is_violation(patch_row())
    assert not is_violation(patch_row(is_withdrawn=True))
    assert not is_violation(patch_row(judgement="other_use"))


def test_signed_areas_count_as_signed() -> None:
    found = count_areas(patch_row(**STATED, **SURVEY, is_surveyed=True))
    assert found["counted_basis"] == "signed"
    assert found["is_measured"] is True
    assert [found[f"counted_{kind}_m2"] for kind in ("area", "new", "cultivated", "pbf")] == [
        4000.0,
        3500.0,
        2000.0,
        333.3,
    ]
    assert found["counted_pbf_mu100"] == 50  # 333.3 m² are 0.49995 亩
    # Not stated: what the outline holds, at most the signed area.
    assert found["counted_reserve_m2"] == 4000.0
    assert count_areas(patch_row(**STATED, **SURVEY))["is_measured"] is None
    assert count_areas(patch_row(**STATED, is_surveyed=False))["is_measured"] is False


def test_what_the_bureau_left_blank_is_not_zero() -> None:
    row = patch_row(recognised_area_m2=4000.0, reserve_m2=None)
    found = count_areas(row)
    for kind in ("cultivated", "pbf", "reserve"):
        assert found[f"counted_{kind}_m2"] is None
        assert found[f"counted_{kind}_mu100"] is None
    assert found["counted_new_m2"] == 4000.0
    assert not is_new_known(row)


def test_a_survey_counts_before_the_patch_and_keeps_its_balanced_hundredths() -> None:
    found = count_areas(patch_row(**SURVEY))
    assert found["counted_basis"] == "survey"
    assert found["is_measured"] is True
    assert found["counted_new_m2"] == 4000.0
    assert found["counted_new_mu100"] == 601  # 750 less the balanced 149
    assert found["counted_cultivated_mu100"] == 450


def test_without_survey_the_patch_counts_as_not_measured() -> None:
    row = patch_row(area_m2=1000.0, construction_m2=1000.0000001, pbf_m2=None)
    found = count_areas(row)
    assert found["counted_basis"] == "patch"
    assert found["is_measured"] is False
    assert found["counted_new_m2"] == 0.0
    assert found["counted_new_mu100"] == 0
    assert found["counted_pbf_m2"] is None


def test_new_land_is_never_less_than_nothing() -> None:
    row = patch_row(area_m2=1000.0, area_mu100=150, construction_m2=1000.4, construction_mu100=151)
    assert count_areas(row)["counted_new_mu100"] == 0


def test_unknown_earlier_use_counts_as_new_and_is_told_apart() -> None:
    row = patch_row(area_m2=1000.0, construction_m2=None, cultivated_m2=None)
    found = count_areas(row)
    assert found["counted_new_m2"] == 1000.0
    assert found["counted_new_mu100"] == 150
    assert found["counted_cultivated_m2"] is None
    assert not is_new_known(row)
    assert is_new_known(patch_row())
    assert not is_new_known(patch_row(**SURVEY | {"survey_construction_m2": None}))


def test_missing_values_of_a_table_are_null() -> None:
    table = pd.DataFrame([patch_row(recognised_area_m2=float("nan"), judgement="new_violation")])
    table["pbf_m2"] = pd.array([None], dtype="Float64")
    table["is_withdrawn"] = pd.array([None], dtype="boolean")
    row = table.to_dict("records")[0]
    assert counted_basis(row) == "patch"
    assert count_areas(row)["counted_pbf_m2"] is None
    assert is_violation(row)
