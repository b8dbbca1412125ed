"""The catalogue of stages agrees with the commands, the modules and the targets."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pipeline.cli.app import CLOSE, QUARTER, STAGE_LABELS
from pipeline.config.models import CountyConfig, ImageInput, LayerSource, RunConfig
from pipeline.io.runs import RunPaths
from pipeline.stages.catalogue import STAGES, stage_by_name, stages_of

PAIR = {"before": ImageInput(path="b.tif"), "after": ImageInput(path="a.tif")}


def test_every_stage_has_a_module_and_a_command_with_its_label() -> None:
    assert {stage.name: stage.label_zh for stage in STAGES} == STAGE_LABELS
    assert tuple(stage.name for stage in STAGES) == (*QUARTER, *CLOSE)
    for stage in STAGES:
        assert importlib.util.find_spec(stage.module) is not None, stage.module


def test_run_without_county_only_compares() -> None:
    names = tuple(stage.name for stage in stages_of(RunConfig(run="r", **PAIR)))
    assert names == ("align", "detect", "extract")
    assert stages_of(RunConfig(run="r", county="demo", **PAIR)) == STAGES


def test_place_of_a_layer_decides_nothing_but_its_reading_does(tmp_path: Path) -> None:
    intake = stage_by_name("intake")

    def settings(source: LayerSource) -> object:
        return intake.settings(RunConfig(run="r", layers={"townships": (source,)}, **PAIR))

    here = LayerSource(path="here/t.gpkg", encoding="GBK")
    assert settings(here) == settings(here.model_copy(update={"path": "there/t.gpkg"}))
    assert settings(here) != settings(here.model_copy(update={"encoding": "UTF-8"}))


def test_masks_and_every_layer_file_are_inputs_of_intake(tmp_path: Path) -> None:
    for name in ("t.shp", "t.dbf"):
        (tmp_path / name).write_bytes(b"x")
    run = RunConfig(
        run="r",
        before=ImageInput(path="b.tif", mask="bm.tif"),
        after=ImageInput(path="a.tif"),
        layers={"townships": (LayerSource(path=str(tmp_path / "t.shp")),)},
    )
    names = set(stage_by_name("intake").inputs(run, RunPaths(tmp_path)))
    assert {"before", "after", "before_mask", "layer.townships.0.shp", "layer.townships.0.dbf"} <= (
        names
    )
    assert "after_mask" not in names


@pytest.mark.parametrize("code", ["37999", "3799990", "37999a"])
def test_county_code_has_six_digits(code: str) -> None:
    with pytest.raises(ValueError, match="county_code"):
        CountyConfig(county_code=code, county_name="示例县")
