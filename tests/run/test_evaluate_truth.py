"""`evaluate` on a demo county's folder: figures against the truth layer, worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from pipeline.config.models import RunConfig, Settings
from pipeline.errors import InputError
from pipeline.io.runs import WORK_FOLDER, RunPaths
from pipeline.stages.compare import Comparison
from pipeline.stages.compare import compare as compare_stage
from pipeline.stages.context import StageContext
from pipeline.stages.evaluate import evaluate_truth, has_truth
from tests.factories import ORIGIN, UTM_50N, dispatching, make_pair, read_raster, write_raster

BOXES = ((40, 60, 50, 80), (150, 171, 200, 233))
LEFT, TOP = ORIGIN[UTM_50N]


def compare_pair(run: RunConfig, place: Path) -> Comparison:
    place.mkdir(parents=True, exist_ok=True)
    with dispatching(2) as local:
        paths = RunPaths(place / WORK_FOLDER)
        context = StageContext(
            run, paths, local, local, 1024, lambda label: lambda done, total: None
        )
        return compare_stage(context, place)


def ground(row0: int, row1: int, col0: int, col1: int) -> shapely.Polygon:
    return shapely.box(LEFT + 2 * col0, TOP - 2 * row1, LEFT + 2 * col1, TOP - 2 * row0)


def write_truth(folder: Path, crs: int = UTM_50N) -> None:
    shapes = [ground(*BOXES[0]), ground(*BOXES[1]), ground(200, 220, 20, 40)]
    gpd.GeoDataFrame(
        {
            "truth_id": ["T1", "T2", "T3"],
            "case_id": ["a", "b", "c"],
            "kind": ["building", "road", "building"],
            "is_construction": [True, True, True],
            "is_observable": [True, True, False],
            "expected_class": ["approved", None, None],
            "area_m2": [s.area for s in shapes],
            "contrast_sigma": [5.0, 1.0, float("nan")],
            "is_issued": [False, False, False],
        },
        geometry=shapes,
        crs=crs,
    ).to_file(folder / "truth.gpkg", layer="changes", engine="pyogrio")


def test_与真值比较_未知类别算疑似建设_云下不计(tmp_path: Path) -> None:
    data, out = tmp_path / "demo", tmp_path / "out"
    make_pair(data, (256, 320), boxes=BOXES, with_roles=False)  # no roles: every kind is unknown
    hidden = np.zeros((256, 320), np.uint8)
    hidden[195:225, 15:45] = 2
    write_raster(data / "before_mask.tif", hidden, crs=None)
    assert not has_truth(data)
    write_truth(data)
    assert has_truth(data)
    told = evaluate_truth(data, out, compare_pair, Settings())
    assert json.loads((out / "evaluate.json").read_text(encoding="utf-8")) == told
    unseen = read_raster(out / "change.tif") == 255
    assert unseen[195:225, 15:45].all()  # the supplied cloud, and what `align` adds around it
    assert told["unobserved"] == unseen.sum() < 0.05 * unseen.size
    assert told["n"] == 256 * 320 - unseen.sum()
    assert told["recall"] > 0.9
    patch = told["patch"]
    assert (patch["n_truth"], patch["n_found"]) == (2, 2)
    assert patch["n_predicted"] == patch["n_correct"] == 2
    assert patch["low_contrast"] == {"below_sigma": 2.0, "n_truth": 1, "share": 0.5, "recall": 1.0}
    assert patch["missed"] == []
    assert "cases" not in told


def test_真值坐标系不同_拒绝(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    make_pair(data, (128, 160), boxes=BOXES[:1])
    write_truth(data, crs=4547)
    with pytest.raises(InputError, match="坐标系"):
        evaluate_truth(data, tmp_path / "out", compare_pair, Settings())
