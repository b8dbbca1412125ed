"""Manifests: stable bytes, reasons in words, verification of results."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
from shapely.geometry import Point

from pipeline.errors import Severity
from pipeline.io.digests import DigestCache, digest_tree
from pipeline.io.manifest import (
    InputRecord,
    ManifestHead,
    StageManifest,
    differences,
    read_manifest,
    verify_outputs,
    write_manifest,
)
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import write_layers
from pipeline.schema.layers import TIE_POINTS

HEAD = ManifestHead(
    stage="align",
    inputs={"影像-前": InputRecord("aa", 10), "after": InputRecord("bb", 20)},
    settings={"tie_points": {"max_shift_m": 12.5, "bands": [1, 2]}, "workers": None},
    rules=None,
    code="cc",
)


def finished_stage(folder: Path) -> StageManifest:
    """A stage folder with a GeoPackage and a raster, and its manifest."""
    table = gpd.GeoDataFrame(
        {
            "point_id": ["0000"],
            "shift_row_px": [0.5],
            "shift_col_px": [0.5],
            "quality": [8.0],
            "is_used": [True],
            "is_check": [False],
            "residual_px": [0.1],
            "window_px": [64],
            "geometry": [Point(0, 0)],
        },
        geometry="geometry",
    )
    write_layers(folder / "tie_points.gpkg", {TIE_POINTS: table}, None)
    (folder / "sub").mkdir()
    (folder / "sub" / "before.tif").write_bytes(b"pixels")
    manifest = StageManifest(HEAD, {"点数": 1, "rmse_px": 0.1}, digest_tree({"": folder}))
    write_manifest(folder / "manifest.json", manifest)
    return manifest


def change_points(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "tie_points.gpkg", isolation_level=None)) as connection:
        connection.execute(statement)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    manifest = finished_stage(tmp_path)
    assert read_manifest(tmp_path / "manifest.json") == manifest


def test_order_of_the_parts_does_not_show_in_the_bytes(tmp_path: Path) -> None:
    reordered = replace(
        HEAD,
        inputs=dict(reversed(list(HEAD.inputs.items()))),
        settings=dict(reversed(list(HEAD.settings.items()))),
    )
    for name, head in (("a.json", HEAD), ("b.json", reordered)):
        write_manifest(tmp_path / name, StageManifest(head, {}, {}))
    text = (tmp_path / "a.json").read_bytes()
    assert text == (tmp_path / "b.json").read_bytes()
    assert "影像-前".encode() in text
    assert text.startswith(b'{\n "code": "cc",\n')
    assert str(tmp_path).encode() not in text


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"stage": "align"}', "\udcff"])
def test_an_unusable_manifest_means_not_finished(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.json"
    assert read_manifest(path) is None
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_manifest(path) is None


def test_a_cut_manifest_means_not_finished(tmp_path: Path) -> None:
    finished_stage(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_bytes(path.read_bytes()[:-10])
    assert read_manifest(path) is None


def test_numbers_that_are_not_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_manifest(tmp_path / "m.json", StageManifest(HEAD, {"rmse": float("nan")}, {}))


def test_an_equal_head_gives_no_reason(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.json", StageManifest(HEAD, {}, {}))
    found = read_manifest(tmp_path / "m.json")
    assert found is not None
    same = replace(
        HEAD,
        inputs={**HEAD.inputs, "after": InputRecord("bb", 21)},
        settings={"tie_points": {"max_shift_m": 12.5, "bands": (1, 2)}, "workers": None},
    )
    assert differences(same, found) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"inputs": {"after": InputRecord("bb", 20)}}, "不再使用输入 影像-前。"),
        ({"inputs": {**HEAD.inputs, "mask": InputRecord("dd", 1)}}, "新增输入 mask。"),
        ({"inputs": {**HEAD.inputs, "after": InputRecord("b2", 20)}}, "输入 after 的内容改变。"),
        (
            {"settings": {"tie_points": {"max_shift_m": 20.0, "bands": [1, 2]}, "workers": None}},
            "设置 tie_points.max_shift_m 改变：12.5 → 20.0。",
        ),
        (
            {"settings": {"tie_points": {"max_shift_m": 12.5, "bands": [2, 1]}, "workers": None}},
            "设置 tie_points.bands 改变：[1, 2] → [2, 1]。",
        ),
        (
            {"settings": {"tie_points": {"max_shift_m": 12.5, "bands": [1, 2]}}},
            "设置 workers 改变：null → （无）。",
        ),
        ({"rules": "ee"}, "规则集改变。"),
        ({"code": "c2"}, "程序代码或依赖版本改变。"),
        ({"stage": "detect"}, "清单属于另一阶段或另一版本（align，版本 1）。"),
        ({"schema_version": 2}, "清单属于另一阶段或另一版本（align，版本 1）。"),
    ],
)
def test_each_difference_is_one_sentence(change: dict[str, Any], reason: str) -> None:
    found = StageManifest(HEAD, {}, {})
    assert differences(replace(HEAD, **change), found) == [reason]


def test_several_differences_are_all_told() -> None:
    changed = replace(HEAD, inputs={}, settings={}, rules="ee", code="c2")
    assert len(differences(changed, StageManifest(HEAD, {}, {}))) == 2 + 3 + 1 + 1


def test_untouched_results_verify(tmp_path: Path) -> None:
    manifest = finished_stage(tmp_path)
    assert verify_outputs({"": tmp_path}, manifest) == []
    assert verify_outputs({"": tmp_path}, manifest, DigestCache()) == []


def test_opened_but_equal_is_a_notice(tmp_path: Path) -> None:
    manifest = finished_stage(tmp_path)
    change_points(tmp_path, "UPDATE gpkg_contents SET last_change = '2030-01-01T00:00:00Z'")
    (tmp_path / "sub" / "before.tif.aux.xml").write_text("<PAMDataset/>")
    (tmp_path / "tie_points.gpkg-shm").write_bytes(b"")
    findings = verify_outputs({"": tmp_path}, manifest)
    assert [finding.code for finding in findings] == ["N-VERIFY-OPENED"] * 3
    assert {finding.severity for finding in findings} == {Severity.NOTICE}


def test_changed_missing_and_extra_files_block(tmp_path: Path) -> None:
    manifest = finished_stage(tmp_path)
    change_points(tmp_path, "ALTER TABLE tie_points ADD COLUMN note TEXT")
    (tmp_path / "sub" / "before.tif").unlink()
    (tmp_path / "sub" / "later.tif").write_bytes(b"")
    (tmp_path / "stray.tif.aux.xml").write_bytes(b"")
    findings = verify_outputs({"": tmp_path}, manifest)
    assert [finding.code for finding in findings] == ["E-VERIFY-CONTENT"] * 4
    assert {finding.severity for finding in findings} == {Severity.BLOCK}
    for finding, words in zip(findings, ("不见了", "内容", "多出", "多出"), strict=True):
        assert words in finding.what


def test_an_unreadable_result_blocks_without_ending_the_check(tmp_path: Path) -> None:
    manifest = finished_stage(tmp_path)
    (tmp_path / "tie_points.gpkg").write_bytes(b"SQLite format 3\0" + bytes(100))
    (tmp_path / "sub" / "before.tif").write_bytes(b"other")
    codes = [finding.code for finding in verify_outputs({"": tmp_path}, manifest)]
    assert codes == ["E-VERIFY-CONTENT", "E-VERIFY-CONTENT", "E-FILE-UNREADABLE"]


def test_run_paths_stay_inside_the_run_and_differ(tmp_path: Path) -> None:
    paths = RunPaths.for_run(tmp_path, "2026Q1")
    files = [
        getattr(paths, name)
        for name, value in vars(RunPaths).items()
        if isinstance(value, property)
    ]
    files += [paths.manifest(stage) for stage in ("align", "detect", "extract")]
    assert len(set(files)) == len(files)
    # What people put in, and what belongs to all runs of a county, lies beside the runs.
    assert paths.returns == tmp_path / "returns" / "2026Q1"
    assert paths.register("379999") == tmp_path / "register" / "379999.gpkg"
    for path in set(files) - {paths.returns}:
        assert path.relative_to(tmp_path / "runs" / "2026Q1").as_posix().isascii()


def test_a_stage_being_written_has_its_own_folder(tmp_path: Path) -> None:
    paths = RunPaths.for_run(tmp_path, "demo")
    writing = paths.writing({"align": tmp_path / "partial"})
    assert writing.align_before == tmp_path / "partial" / "before.tif"
    assert writing.manifest("align") == tmp_path / "partial" / "manifest.json"
    assert writing.detect_score == paths.detect_score
