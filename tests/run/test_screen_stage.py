"""Stage `screen` on a small county in files: what is read, what is written, what is told."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.config.models import ImageInput, RunConfig
from pipeline.errors import InputError
from pipeline.io.runs import RunPaths
from pipeline.io.tiles import ThreadDispatcher
from pipeline.io.vectors import read_layer, write_layers
from pipeline.rules.screening.evidence_tables import Evidence, Reach, gather_facts
from pipeline.schema.layers import OVERLAID, PARTS, REASONS, SCREENED
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.context import StageContext, StageReport
from pipeline.stages.screen import run as screen
from tests.overlay_factory import X0, Y0, overlay, patch_table, reference, square, townships

WKT = townships().crs.to_wkt()


def silent(label_zh: str) -> Callable[[int, int], None]:
    return lambda done, total: None


def run_config(**changes: Any) -> RunConfig:
    values: dict[str, Any] = {
        "run": "T1",
        "county_code": "379999",
        "issued_on": datetime.date(2024, 10, 30),
        "before": ImageInput(path="b.tif", date=datetime.date(2024, 5, 6)),
        "after": ImageInput(path="a.tif", date=datetime.date(2024, 10, 18)),
    }
    return RunConfig(**(values | changes))


def screened(
    folder: Path,
    patches: gpd.GeoDataFrame,
    layers: Mapping[str, gpd.GeoDataFrame],
    config: RunConfig | None = None,
) -> tuple[RunPaths, StageReport]:
    """The stage run on files that hold these patches and layers."""
    paths = RunPaths(folder)
    cutting = {k: v for k, v in layers.items() if k not in ("roads", "previous_patches")}
    overlaid = overlay(patches, cutting)
    tables = {REFERENCE_LAYERS[name]: table for name, table in layers.items()}
    write_layers(paths.overlay, {OVERLAID: overlaid.patches, PARTS: overlaid.parts}, WKT)
    write_layers(paths.intake_layers, {REFERENCE_LAYERS["townships"]: townships(), **tables}, WKT)
    through = ThreadDispatcher(1)
    try:
        context = StageContext(config or run_config(), paths, through, through, 512, silent)
        return paths, screen(context)
    finally:
        through.close()


def approval(
    x: float, y: float, width: float, day: str, number: str, **more: Any
) -> dict[str, Any]:
    shape = square(x, y, width)
    return {"geometry": shape, "document_no": number, "approved_date": day, **more}


def county() -> tuple[gpd.GeoDataFrame, dict[str, gpd.GeoDataFrame]]:
    outlines = [square(100 * n, 0, 40) for n in range(6)]
    patches = patch_table(
        outlines,
        source=["issued", "detected", "both", "issued", "detected", "issued"],
        issued_id=["A1", None, "A3", "A4", None, "A6"],
        change_kind=["building", "building", "crop", "building", "hardened", "building"],
        observed_ratio=[1.0, 1.0, 1.0, 0.2, 1.0, 1.0],
    )
    layers = {
        "land_use": reference("land_use", [{"geometry": square(-100, -100, 2000)}]),
        "permanent_basic_farmland": reference(
            "permanent_basic_farmland", [{"geometry": square(100, 0, 100)}]
        ),
        "approvals": reference(
            "approvals",
            [
                # Over the first patch a newer approval lies on the timely one.
                approval(-10, -10, 60, "2023-03-01", "早1号", vintage_date="2023-04-01"),
                approval(-10, -10, 60, "2025-03-01", "晚2号", vintage_date="2025-04-01"),
                approval(490, -10, 60, "2025-03-01", "晚3号"),
            ],
        ),
        "supply": reference(
            "supply",
            [{"geometry": square(-10, -10, 60), "supply_date": "2023-06-01", "document_no": "供1"}],
        ),
        "registration": reference("registration", []),
        "facility_land": reference("facility_land", []),
        "temporary_land": reference("temporary_land", []),
        "permits": reference("permits", []),
        "mining_rights": reference("mining_rights", []),
        "urban_boundary": reference("urban_boundary", []),
        "settlements": reference("settlements", []),
        "ecological_redline": reference("ecological_redline", []),
        "nature_reserve": reference("nature_reserve", []),
        "roads": reference("roads", []),
        "previous_patches": reference(
            "previous_patches",
            [{"geometry": square(5000, 5000, 10), "issued_id": "A6", "prior_result": "合法"}],
        ),
    }
    return patches, layers


def test_each_patch_gets_its_class_reasons_and_deadline(tmp_path: Path) -> None:
    paths, report = screened(tmp_path, *county())
    table = read_layer(paths.screened, SCREENED)
    assert table["suspected_class"].tolist() == [
        "approved",
        "suspected_violation",
        "not_construction",
        "unobserved",
        "suspected_violation",
        "built_before_approval",
    ]
    assert table["primary_kind"].isna().tolist() == [True, False, True, True, False, False]
    assert table["violation_kinds"][1] == ["1", "4"]
    assert table["due_date"].tolist() == ["2024-11-09"] * 6
    assert set(table["rule_set"]) == {load_rules(RULES_DIR).digest()}
    assert "prior_result" in table["flags"][5]
    assert "以往图斑 A6 与本图斑编号相同、重叠 0.00%" in "".join(table["reasons"][5])
    for row in table.to_dict("records"):
        assert row["priority"] == sum(part["points"] for part in row["priority_parts"])
        assert set(row["priority_parts"][0]) == {"code", "label", "points"}
    reasons = read_layer(paths.screened, REASONS)
    for patch_id, sentences in zip(table["patch_id"], table["reasons"], strict=True):
        own = reasons[reasons["patch_id"] == patch_id]
        assert own["reason_no"].tolist() == list(range(1, len(sentences) + 1))
        for sentence, text in zip(sentences, own["text_zh"], strict=True):
            assert text in sentence
    assert report.counts["patches"] == 6
    assert report.counts["class_suspected_violation"] == 2
    assert report.counts["detected_suspected_violation"] == 2
    assert report.counts["issued_approved"] == 1
    assert report.counts["both_not_construction"] == 1
    assert "screening.full_cover_ratio" in str(report.counts["assumptions_used"])
    json.dumps(report.counts)


def test_a_later_approval_above_a_timely_one_does_not_spoil_it(tmp_path: Path) -> None:
    patches, layers = county()
    paths, _ = screened(tmp_path, patches, layers)
    parts = read_layer(paths.overlay, PARTS)
    # The overlay itself names the newer one only.
    assert set(parts[parts["patch_id"] == "379999ZJ24000001"]["approval_id"]) == {
        "approvals-000002"
    }
    told = "".join(read_layer(paths.screened, SCREENED)["reasons"][0])
    assert "早1号" in told
    assert "晚2号" in told


def test_an_older_document_under_part_of_a_newer_one_cuts_the_part(tmp_path: Path) -> None:
    patches = patch_table([square(0, 0, 40)])
    documents = [
        approval(0, 0, 40, "2025-03-01", "晚", vintage_date="2025-04-01"),
        approval(0, 0, 20, "2023-03-01", "早", vintage_date="2023-04-01"),
    ]
    layers = county()[1] | {"approvals": reference("approvals", documents)}
    paths, _ = screened(tmp_path, patches, layers)
    (sentences,) = read_layer(paths.screened, SCREENED)["reasons"]
    told = "".join(sentences)
    assert "时间相符 25.00%" in told
    assert "日期晚于后时相 75.00%" in told


def test_roads_are_compared_with_national_and_provincial_ones(tmp_path: Path) -> None:
    strip = shapely.box(X0, Y0 + 200, X0 + 300, Y0 + 206)
    patches = patch_table(
        [strip], change_kind="road", before_date="2026-02-01", after_date="2026-05-01"
    )
    along = shapely.LineString([(X0 - 100, Y0 + 203), (X0 + 400, Y0 + 203)])
    across = shapely.LineString([(X0, Y0 + 100), (X0, Y0 + 300)])
    expected = {
        ("national", along): "suspected_violation",
        ("county", along): "rural_road",
        ("provincial", across): "rural_road",
    }
    for number, ((road_class, line), suspected) in enumerate(expected.items()):
        roads = reference("roads", [{"geometry": line, "road_class": road_class}])
        paths, _ = screened(tmp_path / str(number), patches, county()[1] | {"roads": roads})
        assert read_layer(paths.screened, SCREENED)["suspected_class"].tolist() == [suspected]


def test_a_strip_beside_an_approved_parcel_is_its_edge(tmp_path: Path) -> None:
    strip = shapely.box(X0, Y0 + 101, X0 + 60, Y0 + 104)
    days = {"before_date": "2026-02-01", "after_date": "2026-05-01"}
    patches = patch_table([strip], change_kind="hardened", **days)
    expected = {40.0: "other", 38.0: "rural_road"}
    for y, suspected in expected.items():
        # 60 m × 60 m that ends 1 m, or 3 m, below the strip: within the 2 m of the rule, or not.
        parcel = approval(0, y, 60, "2023-03-01", "早")
        layers = county()[1] | {"approvals": reference("approvals", [parcel])}
        paths, _ = screened(tmp_path / suspected, patches, layers)
        assert read_layer(paths.screened, SCREENED)["suspected_class"].tolist() == [suspected]


def test_earlier_patches_at_the_place_are_told(tmp_path: Path) -> None:
    patches, layers = county()
    earlier = [
        {"geometry": square(100, 0, 20), "issued_id": "Z9", "prior_result": "设施农用地"},
        {"geometry": square(200, 0, 40), "issued_id": "Z8"},
    ]
    layers["previous_patches"] = reference("previous_patches", earlier)
    paths, _ = screened(tmp_path, patches, layers)
    table = read_layer(paths.screened, SCREENED)
    assert table["flags"].map(lambda flags: "prior_result" in flags).tolist() == [
        False,
        True,
        False,
        False,
        False,
        False,
    ]
    assert "以往图斑 Z9 与本图斑重叠 25.00%" in "".join(table["reasons"][1])
    assert table["suspected_class"][1] == "suspected_violation"


def test_with_townships_only_everything_is_open_and_named(tmp_path: Path) -> None:
    paths, _ = screened(tmp_path, county()[0], {})
    table = read_layer(paths.screened, SCREENED)
    assert table["suspected_class"].tolist() == [
        "uncertain",
        "uncertain",
        "not_construction",
        "unobserved",
        "uncertain",
        "uncertain",
    ]
    assert {"approval", "land_use", "ecological_redline"} <= set(table["missing_evidence"][0])


def test_not_sent_out_means_no_deadline(tmp_path: Path) -> None:
    paths, _ = screened(tmp_path, *county(), run_config(issued_on=None))
    assert read_layer(paths.screened, SCREENED)["due_date"].isna().all()


def test_no_patch_at_all_is_written_too(tmp_path: Path) -> None:
    patches, layers = county()
    paths, report = screened(tmp_path, patches.iloc[:0], layers)
    assert len(read_layer(paths.screened, SCREENED)) == 0
    assert len(read_layer(paths.screened, REASONS)) == 0
    assert report.counts["patches"] == 0


def test_without_any_date_the_rules_can_not_be_chosen(tmp_path: Path) -> None:
    patches, layers = county()
    undated = patches.assign(after_date=None, before_date=None)
    nothing = run_config(issued_on=None, after=ImageInput(path="a.tif"))
    with pytest.raises(InputError, match="无法确定适用哪一日的规则"):
        screened(tmp_path / "none", undated, layers, nothing)
    paths, _ = screened(tmp_path / "issued", undated, layers, run_config())
    first = read_layer(paths.screened, SCREENED)["suspected_class"][0]
    assert first == "uncertain"


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    one, _ = screened(tmp_path / "1", *county())
    two, _ = screened(tmp_path / "2", *county())
    assert one.screened.read_bytes() == two.screened.read_bytes()


def test_a_part_too_thin_to_have_an_area_does_not_stop_the_run(tmp_path: Path) -> None:
    """Such parts come from edges that nearly coincide (seen with random layers)."""
    patches, layers = county()
    paths, _ = screened(tmp_path, patches, layers)
    overlaid, parts = read_layer(paths.overlay, OVERLAID), read_layer(paths.overlay, PARTS)
    line = shapely.Polygon([(X0, Y0), (X0 + 1, Y0), (X0 + 2, Y0), (X0, Y0)])
    thin = parts.iloc[[0]].assign(part_id="thin", area_m2=0.0, geometry=[line])
    together = gpd.GeoDataFrame(pd.concat([parts, thin], ignore_index=True), crs=parts.crs)
    evidence = Evidence(overlaid, together, layers, {})
    facts = list(gather_facts(evidence, [Reach(25.0, 2.0, 100.0)] * len(overlaid)))
    assert math.fsum(piece.area_m2 for piece in facts[0].pieces) == pytest.approx(1600.0, rel=1e-3)


def test_a_survey_newer_than_the_before_image_does_not_make_land_existing(tmp_path: Path) -> None:
    _, layers = county()
    patches = patch_table([square(0, 1000, 40), square(100, 1000, 40), square(200, 1000, 40)])
    days = ("2024-05-06", "2024-05-07", None)
    surveyed = [
        {"geometry": square(100 * n - 10, 990, 60), "land_class_code": "0702", "vintage_date": day}
        for n, day in enumerate(days)
    ]
    paths, _ = screened(tmp_path, patches, layers | {"land_use": reference("land_use", surveyed)})
    found = read_layer(paths.screened, SCREENED)["suspected_class"].tolist()
    assert found == ["existing_construction", "uncertain", "existing_construction"]
