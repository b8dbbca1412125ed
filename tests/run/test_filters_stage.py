"""Switches, counts and recall of the pseudo-change filters in the stage `extract`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pytest

from pipeline.config.models import ImageInput, RunConfig, Settings
from pipeline.io.reports import read_json
from pipeline.io.runs import RunPaths
from pipeline.patches.filter_params import FILTER_ORDER
from pipeline.stages.context import StageContext, StageReport
from pipeline.stages.extract import run as extract
from pipeline.stages.runner import run_stages
from pipeline.stages.verify import verify_patch_sums
from tests.factories import dispatching

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

Extracted = tuple[StageReport, gpd.GeoDataFrame, gpd.GeoDataFrame]
Extract = Callable[..., Extracted]


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filters")
    script = ROOT / "scripts" / "make_demo.py"
    words = [sys.executable, str(script), "--data", str(folder), "--seed", "21", "--size", "512"]
    subprocess.run(words, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def extracted(county: Path) -> Extract:
    """Extracts the county's pair with given settings, after one alignment and detection."""
    raw = county / "raw" / "demo"
    roles = ("blue", "green", "red", "nir")
    paths = RunPaths(county / "run")

    def context(local: object, **settings: object) -> StageContext:
        images = [
            ImageInput(path=str(raw / f"{d}.tif"), bands=roles, mask=str(raw / f"{d}_mask.tif"))
            for d in ("before", "after")
        ]
        run = RunConfig(
            run="filters", before=images[0], after=images[1],
            settings=Settings.model_validate({"extract": settings}),
        )  # fmt: skip
        return StageContext(run, paths, local, local, 512, lambda label: lambda done, total: None)  # type: ignore[arg-type]

    with dispatching(1) as local:
        run_stages(("align", "detect"), context(local))
    paths.stage_dir("extract").mkdir(exist_ok=True)

    def run(**settings: object) -> Extracted:
        with dispatching(1) as local:
            report = extract(context(local, **settings))
        layers = [
            gpd.read_file(paths.extract_patches, layer=name) for name in ("patches", "dropped")
        ]
        assert not verify_patch_sums(paths.extract_patches, paths.extract_summary)
        assert read_json(paths.extract_summary) == report.counts
        return report, layers[0], layers[1]

    return run


def keys(table: gpd.GeoDataFrame) -> set[tuple[int, int, int]]:
    return set(zip(table.first_row, table.first_col, table.n_pixels, strict=True))


def test_what_a_filter_drops_comes_back_when_it_is_off(extracted: Extract) -> None:
    report, patches, dropped = extracted()
    by_filter = dropped[dropped.reason.isin(FILTER_ORDER)]
    assert len(by_filter) > 20
    for code in FILTER_ORDER:
        assert report.counts[f"dropped_{code}"] == (dropped.reason == code).sum()
    small: dict[str, object] = {"min_area_by_kind": {}}
    off, all_patches, _ = extracted(filters=dict.fromkeys(FILTER_ORDER, False), patches=small)
    assert not any(off.counts[f"dropped_{code}"] for code in FILTER_ORDER)
    back = keys(dropped[dropped.reason.isin([*FILTER_ORDER, "below_kind_min"])])
    assert keys(all_patches) == keys(patches) | back
    one = str(by_filter.reason.value_counts().index[0])
    report, some, _ = extracted(filters={one: False}, patches=small)
    assert report.counts[f"dropped_{one}"] == 0
    freed = keys(by_filter[by_filter.reason == one])
    later = keys(some) & freed
    assert later, "what no later filter explains is a patch"


def test_single_objects_are_recalled_by_name(extracted: Extract) -> None:
    _, patches, dropped = extracted()
    crop = dropped[dropped.reason == "crop_cycle"].iloc[0]
    small = dropped[dropped.reason == "below_min_area"].iloc[0]
    names = [f"{row.first_row}_{row.first_col}" for row in (crop, small)]
    report, again, left = extracted(recall=(*names, "0_0"))
    assert report.counts["recalled"] == 2
    assert keys(again) - keys(patches) == keys(dropped.loc[[crop.name, small.name]])
    assert len(left) == len(dropped) - 2
    found = again[(again.first_row == crop.first_row) & (again.first_col == crop.first_col)]
    assert found.change_kind.tolist() == ["unknown"], "our rough kind must not clear it again"
    (notice,) = report.notices
    assert (notice.code, notice.value) == ("N-RECALL-UNKNOWN", "0_0")


def test_objects_below_their_kinds_minimum_are_dropped(extracted: Extract) -> None:
    _, patches, _ = extracted()
    kind = str(patches.change_kind.value_counts().index[0])
    limit = float(patches[patches.change_kind == kind].area_planar_m2.median())
    report, larger, dropped = extracted(patches={"min_area_by_kind": {kind: limit}})
    own = larger[larger.change_kind == kind]
    assert own.area_planar_m2.min() >= limit
    assert report.counts["dropped_below_kind_min"] == (dropped.reason == "below_kind_min").sum() > 0


def test_what_the_scorecard_turns_down_is_no_construction(extracted: Extract) -> None:
    built = {"construction", "building", "hardened", "road", "photovoltaic", "facility"}
    _, patches, _ = extracted()
    _, left, dropped = extracted(construction={"min_verdict": 0.999999})
    before, after = (int(table.change_kind.isin(built).sum()) for table in (patches, left))
    assert before >= 5
    assert after <= 0.2 * before
    called = dropped[dropped.reason != "weak_change"]
    assert int(called.change_kind.isin(built).sum()) <= 0.2 * before, "nor are they called so"
