"""Surveys against a run's files: the layers of intake, the rules, and back from the register."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely
from pyproj import CRS
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.config.models import ImageInput, RunConfig
from pipeline.errors import RuleError
from pipeline.io.returned.surveys import read_survey
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import read_layer, write_layers
from pipeline.schema.layers import PARTS
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.schema.register_layers import SURVEYS
from pipeline.schema.returned import ReturnedFile
from pipeline.stages.collect_surveys import (
    accept_surveys,
    survey_limits,
    survey_material,
    survey_parts,
)
from pipeline.stages.context import StageContext
from tests.factories import dispatching
from tests.overlay_factory import CRS_4547, patch_table, reference, square, townships
from tests.survey_factory import area_m2, feature, normal, outline_in, returned

D = datetime.date
ONE, TWO = square(0, 0, 60, 50), square(200, 0, 40)
P1, P2 = "379999ZJ24000001", "379999ZJ24000002"
TOWNSHIPS = [
    # The border moved between the images; the patches' own date decides.
    {"geometry": square(-500, -500, 2000), "township_code": "379999001",
     "valid_to_date": "2024-07-31"},
    {"geometry": square(-500, -500, 2000), "township_code": "379999002",
     "valid_from_date": "2024-08-01"},
]  # fmt: skip
LAYERS = {
    "townships": townships(*TOWNSHIPS),
    "land_use": reference(
        "land_use",
        [
            {"geometry": square(-9, -9, 39, 99), "land_class_code": "0101"},
            {"geometry": square(30, -9, 900, 99), "land_class_code": "0702"},
        ],
    ),
    "permanent_basic_farmland": reference(
        "permanent_basic_farmland", [{"geometry": square(-9, -9, 24, 99)}]
    ),
}


def patches(**columns: Any) -> gpd.GeoDataFrame:
    return patch_table([ONE, TWO], **columns).assign(township_code="379999002")


@pytest.fixture
def context(tmp_path: Path) -> Any:
    before, after = (
        ImageInput(path=str(tmp_path / name), date=date)
        for name, date in (("before.tif", D(2024, 5, 6)), ("after.tif", D(2024, 10, 18)))
    )
    config = RunConfig(run="r1", closes_on=D(2025, 6, 30), before=before, after=after)
    paths = RunPaths(tmp_path / "runs" / "r1")
    paths.stage_dir("intake").mkdir(parents=True)
    tables = {REFERENCE_LAYERS[name]: table for name, table in LAYERS.items()}
    write_layers(paths.intake_layers, tables, CRS_4547.to_wkt())
    with dispatching(1) as through:
        yield StageContext(config, paths, through, through, 512, lambda _: lambda *_: None)


def test_a_survey_is_cut_with_the_runs_layers(context: StageContext) -> None:
    material = survey_material(context, patches(), {}, {})
    assert (material.run, material.closes_on) == ("r1", "2025-06-30")
    (one,) = accept_surveys(material, [feature(P1, square(0, 0, 50, 50))]).accepted
    payload = one.event.payload
    assert one.notices == ()
    expected = {"area": 50, "cultivated": 30, "construction": 20, "pbf": 15}
    for name, width in expected.items():
        area = area_m2(square(0, 0, width, 50))
        assert payload[f"survey_{name}_m2"] == pytest.approx(area, abs=1e-6)
    assert payload["survey_reserve_m2"] is None


def test_dates_of_the_run_stand_where_a_patch_has_none(context: StageContext) -> None:
    undated = patches(before_date=None, after_date=None)
    given = [feature(P1, ONE, surveyed_date="2024-05-05")]
    (one,) = accept_surveys(survey_material(context, undated, {}, {}), given).accepted
    assert [notice.what for notice in one.notices] == ["测量日期早于前时相。"]
    early = undated.assign(after_date="2024-07-31")
    (one,) = accept_surveys(survey_material(context, early, {}, {}), given).accepted
    assert "界址大部分在另一乡镇。" in [notice.what for notice in one.notices]


def test_without_surveys_no_layer_is_read(context: StageContext) -> None:
    material = survey_material(context, patches(), {}, {})
    context.paths.intake_layers.unlink()
    assert accept_surveys(material, []).accepted == ()
    (one,) = accept_surveys(material, [feature("X", ONE)]).rejected
    assert one.finding.code == "E-RETURN-PATCH"


def test_parts_of_a_survey_out_of_the_register_are_those_it_was_accepted_with(
    context: StageContext, tmp_path: Path
) -> None:
    everything = patches()
    given = [feature(P2, square(205, 3, 33.3, 21.7)), feature(P1, square(0, 0, 47.11, 50))]
    result = accept_surveys(survey_material(context, everything, {}, {}), given)
    events = [one.event for one in result.accepted]
    rows = [{"run": "r1", "patch_id": e.subject, **e.payload} for e in events]
    table = gpd.GeoDataFrame(rows, geometry=[outline_in(e) for e in events], crs=CRS_4547)
    nullable = {name: "Int64" for name in SURVEYS.fields if name.endswith("mu100")}
    table = table[[*SURVEYS.fields, "geometry"]].astype(nullable)
    table["survey_reserve_m2"] = table["survey_reserve_m2"].astype(float)
    path = tmp_path / "snapshot.gpkg"
    write_layers(path, {SURVEYS: table}, CRS_4547.to_wkt())
    parts = survey_parts(context, read_layer(path, SURVEYS), everything)
    assert tuple(parts.columns) == (*PARTS.fields, "geometry")
    for event in events:
        own = parts[parts["patch_id"] == event.subject]
        for name, chosen in {
            "area": own["area_m2"].notna(),
            "cultivated": own["land_category"] == "cultivated",
            "construction": own["land_category"] == "construction",
            "pbf": own["pbf_id"].notna(),
        }.items():
            counted = own[chosen.fillna(False).astype(bool)]
            mu100 = event.payload[f"survey_{name}_mu100"]
            assert int(counted["area_mu100"].sum()) == mu100
            m2 = event.payload[f"survey_{name}_m2"]
            assert counted["area_m2"].sum() == pytest.approx(m2, rel=1e-14)
    assert parts["patch_id"].drop_duplicates().tolist() == table["patch_id"].tolist()


def test_collecting_again_gives_the_same_bytes(context: StageContext) -> None:
    in_degrees = gpd.GeoSeries([ONE], crs=CRS_4547).to_crs(4490).iloc[0]
    given = [feature(P1, in_degrees, crs=CRS.from_epsg(4490))]
    first, second = (
        accept_surveys(survey_material(context, patches(), {}, {}), given).accepted[0].event
        for _ in range(2)
    )
    assert first == second
    assert outline_in(first).equals_exact(normal(ONE), 1e-6)
    again = accept_surveys(
        survey_material(context, patches(), {}, {}), [feature(P1, outline_in(first))]
    )
    assert again.accepted[0].event.payload == first.payload


def test_limits_are_the_rules_of_the_day() -> None:
    rules = load_rules(RULES_DIR)
    limits = survey_limits(rules, D(2026, 3, 31))
    assert (limits.max_distance_m, limits.min_overlap_ratio) == (50.0, 0.5)
    assert (limits.max_repair_m2, limits.max_shared_m2) == (0.5, 0.5)
    assert limits.max_area_difference_ratio == 0.01
    assert (limits.max_area_ratio, limits.min_area_m2) == (2.0, 0.5)
    with pytest.raises(RuleError, match="2019-05-01"):
        survey_limits(rules, D(2019, 4, 30))
    used = [name for name in rules.by_id if name.startswith("survey.")]
    assert rules.assumptions_used(used) == tuple(sorted(used))


def test_a_township_gets_back_what_lies_in_another_one(context: StageContext) -> None:
    own = patches().assign(township_code=["379999001", "379999002"])
    towns = {"379999002/survey/a.gpkg": "379999002"}
    given = [
        feature(P1, ONE, "379999002/survey/a.gpkg"),
        feature(P2, TWO, "379999002/survey/a.gpkg", row_no=2),
    ]
    result = accept_surveys(survey_material(context, own, towns, {}), given)
    assert [one.event.subject for one in result.accepted] == [P2]
    assert [one.finding.code for one in result.rejected] == ["E-RETURN-FOREIGN"]


PREFIXED = CRS.from_epsg(4526)
"""The run's zone with its number before the easting."""


def points_of(outline: BaseGeometry, name: str) -> str:
    """A table of boundary points, as surveyors hand it in: X is north."""
    lines, corners = ["图斑编号,点号,X,Y"], shapely.get_coordinates(outline)[:-1].tolist()
    for number, (east, north) in enumerate(corners, start=1):
        lines.append(f"{name},J{number},{north!r},{38_000_000 + east!r}")
    return "\n".join(lines) + "\n"


def write_survey(path: Path, outline: BaseGeometry, crs: CRS) -> None:
    row = {"patch_id": [P1], "surveyed_by": ["甲测绘"], "surveyed_date": ["2024-11-01"]}
    table = gpd.GeoDataFrame(row, geometry=[outline], crs=CRS_4547).to_crs(crs)
    columns = {"surveyed_by": "CLDW", "surveyed_date": "CLRQ", "patch_id": "JCBH"}
    table.rename(columns=columns).to_file(path, engine="pyogrio", encoding="UTF-8")


@pytest.mark.parametrize(
    ("name", "kind", "crs"),
    [
        ("a.gpkg", "gpkg", CRS_4547),
        ("b.gpkg", "gpkg", CRS.from_epsg(4490)),
        ("c.shp", "shp", PREFIXED),
        ("d.shp", "shp", CRS.from_epsg(4548)),
        ("e.csv", "survey_table", None),
    ],
)
def test_files_of_any_kind_give_the_same_survey(
    context: StageContext, tmp_path: Path, name: str, kind: Any, crs: CRS | None
) -> None:
    outline, path = square(0.25, 0, 47.125, 50), tmp_path / name
    if crs is None:
        path.write_text(points_of(outline, P1), encoding="utf-8")
    else:
        write_survey(path, outline, crs)
    features = read_survey(ReturnedFile(name, path, "0" * 64, kind), CRS_4547)
    material = survey_material(context, patches(), {}, {})
    result = accept_surveys(material, [(returned(name), one) for one in features])
    assert result.rejected == ()
    (one,) = result.accepted
    assert one.event.subject == P1
    assert one.event.by == (None if crs is None else "甲测绘")
    area = area_m2(normal(outline))
    assert one.event.payload["survey_area_m2"] == pytest.approx(area, abs=2e-4)


def test_a_boundary_that_crosses_itself_in_a_file_is_refused(
    context: StageContext, tmp_path: Path
) -> None:
    corners = shapely.get_coordinates(ONE)[[0, 2, 1, 3, 0]]
    path = tmp_path / "a.shp"
    write_survey(path, Polygon(corners), CRS_4547)
    features = read_survey(ReturnedFile("a.shp", path, "0" * 64, "shp"), CRS_4547)
    material = survey_material(context, patches(), {}, {})
    (one,) = accept_surveys(material, [(returned("a.shp"), found) for found in features]).rejected
    assert one.finding.code == "E-RETURN-GEOMETRY"
    assert "自相交" in one.finding.what
