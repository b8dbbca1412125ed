"""The stage `report`: tables and county file in, three files out."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
from pyproj import CRS

from pipeline.config.models import RunConfig
from pipeline.io.digests import DigestCache
from pipeline.io.manifest import read_manifest
from pipeline.io.runs import RunPaths
from pipeline.io.tiles import ThreadDispatcher
from pipeline.io.vectors import write_layers
from pipeline.schema.register_layers import CLOSED_TOWNSHIPS, COUNTY_INPUTS
from pipeline.stages.catalogue import stage_by_name
from pipeline.stages.context import StageContext
from pipeline.stages.report import run as run_report
from pipeline.stages.runner import run_stage
from tests.brief_factory import NAMES, Plan, make_outlines, make_tables
from tests.package_factory import county_run

FILES = ("brief.docx", "brief.html", "brief.pdf")
WKT = CRS.from_epsg(4547).to_wkt()


def write_books(folder: Path, rows: list[dict[str, Any]], plan: Plan | None = None) -> RunPaths:
    paths = RunPaths(folder)
    paths.tables.parent.mkdir(parents=True)
    text = json.dumps(make_tables(plan), ensure_ascii=False)
    paths.tables.write_text(text, encoding="utf-8")
    outlines = make_outlines(plan)
    townships = pd.DataFrame(
        {
            "township_code": list(outlines),
            "township_name": list(NAMES[: len(outlines)]),
            "township_kind": "town",
            "land_m2": [shape.area for shape in outlines.values()],
            "observed_ratio": 1.0,
            **dict.fromkeys(("nodata_m2", "cloud_m2", "shadow_m2", "other_unobserved_m2"), 0.0),
        }
    )
    shapes = gpd.GeoDataFrame(townships, geometry=list(outlines.values()), crs=WKT)
    inputs = pd.DataFrame(rows, columns=list(COUNTY_INPUTS.fields))
    write_layers(paths.books, {CLOSED_TOWNSHIPS: shapes, COUNTY_INPUTS: inputs}, WKT)
    return paths


def deduction(doc_no: str, year: int) -> dict[str, Any]:
    return {
        **dict.fromkeys(COUNTY_INPUTS.fields),
        "run": "T1",
        "item": "quota_deducted",
        "unit_code": "379999",
        "year": year,
        "value_mu": 8.6,
        "doc_no": doc_no,
    }


def settings(**changes: Any) -> RunConfig:
    return county_run().model_copy(
        update={"closes_on": datetime.date(2025, 6, 30), "period": "2024年示范期", **changes}
    )


def context(paths: RunPaths, run: RunConfig) -> StageContext:
    through = ThreadDispatcher(1)
    return StageContext(run, paths, through, through, 512, lambda _: lambda _done, _total: None)


def test_three_files_name_the_superiors_document_of_the_right_year(tmp_path: Path) -> None:
    rows = [deduction("示政土扣〔2025〕3号", 2025), deduction("示政土扣〔2024〕1号", 2024)]
    paths = write_books(tmp_path / "a", rows)
    report = run_report(context(paths, settings()))
    assert tuple(sorted(path.name for path in paths.brief.iterdir())) == FILES
    page = (paths.brief / "brief.html").read_text(encoding="utf-8")
    assert "示政土扣〔2025〕3号" in page
    assert "〔2024〕1号" not in page
    assert "截至2025年6月30日" in page
    assert "前时相 2024-05-06" in page
    assert report.counts["townships"] == 6
    assert report.notices == ()


@pytest.mark.parametrize("plan", [Plan(townships=30), Plan(townships=2, patches=0)])
def test_same_books_same_bytes_and_no_path(plan: Plan, tmp_path: Path) -> None:
    first = write_books(tmp_path / "one", [], plan)
    second = write_books(tmp_path / "another", [], plan)
    for paths in (first, second):
        run_report(context(paths, settings(closes_on=None)))
    for name in FILES:
        content = (first.brief / name).read_bytes()
        assert content == (second.brief / name).read_bytes()
        assert str(tmp_path).encode() not in content


def test_runs_only_when_something_changed(tmp_path: Path) -> None:
    paths = write_books(tmp_path / "a", [])
    stage, run = stage_by_name("report"), settings()

    def bring_up_to_date(config: RunConfig) -> bool:
        cache = DigestCache(paths.digest_cache)
        return run_stage(stage, context(paths, config), cache).was_run

    assert bring_up_to_date(run)
    assert not bring_up_to_date(run)
    manifest = read_manifest(paths.manifest("report"))
    assert manifest is not None
    assert set(manifest.outputs) == set(FILES)
    tables = json.loads(paths.tables.read_text(encoding="utf-8"))
    for row in tables["T04"]["totals"]:
        row["area_mu"] = 1234.5
    paths.tables.write_text(json.dumps(tables, ensure_ascii=False), encoding="utf-8")
    assert bring_up_to_date(run)
    assert "1234.50" in (paths.brief / "brief.html").read_text(encoding="utf-8")
    assert bring_up_to_date(settings(period="2024年第三季度"))
