"""The lines of 5 and 10 亩 and of 15 %, from surveyed outlines to the readings of the books.

Outlines are built to less than 1e-7 m² of an area; just below a line and not below it they differ
by one float step of their width and print the same 亩.
"""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from typing import Any

import geopandas as gpd
import pytest
from shapely.geometry import MultiPolygon

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.patches.survey_returns import accept_surveys
from pipeline.rules.books.accountability import RATIO_RULE, Ratio, ratio, talk_lines, talk_rules
from pipeline.rules.books.recognised import count_areas
from pipeline.schema.register_layers import REGISTERED
from pipeline.units import format_mu100
from tests.overlay_factory import patch_table, reference, square
from tests.survey_factory import area_m2, feature, material, outline_of, outlines_beside

RULES = load_rules(RULES_DIR)
ON = date(2026, 3, 31)
TALK = talk_rules(RULES, ON)
THRESHOLD = RULES.at(RATIO_RULE, ON)
M2_PER_MU = 2000 / 3
EVERYWHERE = square(-2000, -2000, 8000)
COVER = {
    "pbf": "permanent_basic_farmland",
    "reserve": "nature_reserve",
}
LAND_USE = reference("land_use", [{"geometry": EVERYWHERE, "land_class_code": "0101"}])
SIGNED = {
    "judgement": "new_violation",
    "judged_by": "甲",
    "reviewed_by": "乙",
    "judged_date": "2026-05-01",
}


def layers(measure: str) -> dict[str, gpd.GeoDataFrame]:
    """Cultivated land everywhere; the land that is measured is everywhere, the others nowhere."""
    covers = {
        name: reference(name, [{"geometry": EVERYWHERE}] if measure == kind else [])
        for kind, name in COVER.items()
    }
    return {"land_use": LAND_USE, **covers}


def registered(measure: str, *outlines: MultiPolygon, **signed: Any) -> list[dict[str, Any]]:
    """Violations with surveyed outlines, as the books count them."""
    patches = patch_table([square(x, -5, 70, 80) for x in range(0, 400 * len(outlines), 400)])
    given = [
        feature(str(name), outline, row_no=n)
        for n, (name, outline) in enumerate(zip(patches["patch_id"], outlines, strict=True))
    ]
    result = accept_surveys(material(patches, layers(measure)), given)
    assert result.rejected == ()
    rows = []
    for one in result.accepted:
        row = dict.fromkeys(REGISTERED.fields) | {
            "patch_id": one.event.subject,
            "township_code": "379999001",
            "source_group": "issued",
            "is_withdrawn": False,
            # What the program measured of the image does not count beside a survey.
            "area_m2": 99_999.0,
            "area_mu100": 15_000,
            **SIGNED,
            **signed,
        }
        row |= {name: value for name, value in one.event.payload.items() if name != "wkb"}
        rows.append(row | count_areas(row))
    return rows


def reading(measure: str, rows: list[dict[str, Any]]) -> str:
    (line,) = (
        line for line in talk_lines(["379999001"], rows, {}, {}, TALK) if line.measure == measure
    )
    return line.before.reading


@pytest.mark.parametrize(
    ("measure", "mu", "expected"),
    [
        ("pbf", 4.99, "未达到"),
        ("pbf", 5.01, "预警"),
        ("reserve", 4.99, "未达到"),
        ("reserve", 5.01, "预警"),
        ("general_cultivated", 9.99, "未达到"),
        ("general_cultivated", 10.01, "预警"),
        ("general_cultivated", 5.01, "未达到"),
        ("pbf", 9.99, "预警"),
    ],
)
def test_a_hundredth_of_a_mu_beside_the_line(measure: str, mu: float, expected: str) -> None:
    (row,) = registered(measure, outline_of(mu * M2_PER_MU))
    assert (row["counted_basis"], row["is_measured"]) == ("survey", True)
    assert row["counted_area_m2"] == pytest.approx(mu * M2_PER_MU, abs=1e-7)
    assert format_mu100(row["counted_area_mu100"]) == f"{mu:.2f}"
    assert reading(measure, [row]) == expected


@pytest.mark.parametrize(
    ("measure", "mu"), [("pbf", 5), ("reserve", 5), ("general_cultivated", 10)]
)
def test_unrounded_square_metres_decide(measure: str, mu: int) -> None:
    line_m2 = mu * M2_PER_MU
    below, above = outlines_beside(line_m2)
    assert area_m2(below) < line_m2 <= area_m2(above)
    for outline, expected in ((below, "未达到"), (above, "预警")):
        (row,) = registered(measure, outline)
        kind = "cultivated" if measure == "general_cultivated" else measure
        assert row[f"counted_{kind}_m2"] == area_m2(outline)
        assert format_mu100(row[f"counted_{kind}_mu100"]) == f"{mu}.00"
        assert reading(measure, [row]) == expected


def test_the_least_float_step_decides() -> None:
    """5 亩 are no double: 3333.3333333333335 m² is the least one that is not below them."""
    (row,) = registered("pbf", outline_of(5 * M2_PER_MU))
    reached, missed = 3333.3333333333335, 3333.333333333333
    assert math.nextafter(reached, 0.0) == missed
    for area, expected in ((reached, "预警"), (missed, "未达到")):
        surveyed = row | {"survey_area_m2": area, "survey_pbf_m2": area}
        counted = surveyed | count_areas(surveyed)
        assert counted["counted_pbf_m2"] == area
        assert format_mu100(counted["counted_pbf_mu100"]) == "5.00"
        assert reading("pbf", [counted]) == expected


def test_surveys_of_one_township_add_up_to_the_line() -> None:
    half = 2.5 * M2_PER_MU
    (low, high), (_, high_beside) = outlines_beside(half), outlines_beside(half, x=400)
    assert reading("pbf", registered("pbf", high, high_beside)) == "预警"
    low_beside, _ = outlines_beside(half, x=400)
    assert reading("pbf", registered("pbf", low, low_beside)) == "未达到"
    assert reading("pbf", registered("pbf", high)) == "未达到"


def test_what_the_bureau_signed_counts_before_the_survey() -> None:
    signed = {
        "recognised_area_m2": 4.99 * M2_PER_MU,
        "recognised_new_m2": 4.99 * M2_PER_MU,
        "recognised_cultivated_m2": 4.99 * M2_PER_MU,
        "recognised_pbf_m2": 4.99 * M2_PER_MU,
    }
    (row,) = registered("pbf", outline_of(5.01 * M2_PER_MU), **signed)
    assert row["counted_basis"] == "signed"
    assert reading("pbf", [row]) == "未达到"
    (unsigned,) = registered("pbf", outline_of(5.01 * M2_PER_MU), **signed, reviewed_by=None)
    assert unsigned["counted_basis"] == "survey"
    assert reading("pbf", [unsigned]) == "未达到"  # nobody signed that it is a violation


def share(outline: MultiPolygon) -> Ratio:
    """Of cultivated land taken unlawfully, of 100 亩 of new construction on cultivated land."""
    (row,) = registered("general_cultivated", outline)
    return ratio(row["counted_cultivated_m2"], Decimal(100), THRESHOLD, "county", is_annual=True)


@pytest.mark.parametrize(("mu", "is_reached"), [(14.99, False), (15.01, True)])
def test_a_hundredth_of_a_per_cent_beside_the_ratio(mu: float, is_reached: bool) -> None:
    found = share(outline_of(mu * M2_PER_MU))
    assert found.is_reached is is_reached
    assert found.percent == Decimal(str(mu))
    assert found.reading.startswith("达到" if is_reached else "未达到（不等于免责）")


def test_fifteen_per_cent_is_reached_by_unrounded_square_metres() -> None:
    below, above = (share(outline) for outline in outlines_beside(10_000.0))
    assert (below.is_reached, above.is_reached) == (False, True)
    assert below.percent == above.percent == Decimal("15.00")
    for area, is_reached in ((10_000.0, True), (math.nextafter(10_000.0, 0.0), False)):
        found = ratio(area, Decimal(100), THRESHOLD, "county", is_annual=True)
        assert found.is_reached is is_reached
