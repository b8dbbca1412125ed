"""A run that is planned, explained, resumed and verified."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pyogrio
import pytest

from pipeline.io.digests import geopackage_digest
from tests.factories import Called, call_cli, compare, make_pair

STAGES = ("align", "detect", "extract")
RUN = """run: t1
county_code: "379999"
before: {{path: {before}, date: 2026-01-05}}
after: {{path: {after}, date: 2026-04-05}}
{settings}
"""


@dataclass(frozen=True)
class Project:
    """A data and a configuration folder with one run."""

    root: Path

    @property
    def run_dir(self) -> Path:
        return self.root / "data" / "runs" / "t1"

    def write(self, settings: str = "") -> None:
        path = self.root / "configs" / "runs" / "t1.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = self.root / "raw"
        text = RUN.format(before=raw / "before.tif", after=raw / "after.tif", settings=settings)
        path.write_text(text, encoding="utf-8")

    def call(self, *args: str) -> Called:
        places = ("--data-dir", self.root / "data", "--config-dir", self.root / "configs")
        return call_cli(*args, "--run", "t1", *places)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = Project(tmp_path_factory.mktemp("finished"))
    make_pair(project.root / "raw", (200, 220), boxes=[(40, 60, 50, 80)])
    project.write()
    planned = project.call("run", "--dry-run")
    assert planned.code == 0, planned.text
    assert planned.out.count("将运行") == 3
    assert not project.run_dir.exists() or not any(project.run_dir.iterdir())
    done = project.call("run")
    assert done.code == 0, done.text
    assert done.out.count("已运行") == 3
    return project.root


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Project:
    """A copy of the finished run that a test may spoil. Its images stay where they are."""
    shutil.copytree(finished / "data", tmp_path / "data")
    shutil.copytree(finished / "configs", tmp_path / "configs")
    shutil.copytree(finished / "raw", tmp_path / "raw")
    found = Project(tmp_path)
    found.write()  # the same images in another place: paths decide nothing
    return found


def test_做完的运行没有事可做(project: Project) -> None:
    planned = project.call("run", "--dry-run")
    assert planned.out.count("不运行，没有变化") == 3
    status = project.call("status")
    assert status.out.count("已完成") == 3
    assert "图斑 1，面积（亩）" in status.out
    for stage in STAGES:
        assert "不需要重算" in project.call("why", stage).out
    again = project.call("run")
    assert again.out.count("未变化，跳过") == 3


def test_changed_setting_is_named_by_its_dotted_key(project: Project) -> None:
    project.write("settings:\n  detect:\n    thresholds: {noise_quantile: 0.95}")
    assert "不需要重算" in project.call("why", "align").out
    why = project.call("why", "detect")
    assert why.code == 0
    assert "detect.thresholds.noise_quantile" in why.out
    assert "0.99 → 0.95" in why.out
    planned = project.call("run", "--dry-run").out.splitlines()
    assert "不运行" in planned[0]
    assert "将运行" in planned[1]
    assert "将运行" in planned[2]
    assert "上游" in planned[2]
    assert project.call("status").out.count("待运行") == 1
    done = project.call("run")
    assert done.out.count("已运行") == 2
    assert "align 配准归一：未变化，跳过" in done.out


def test_a_setting_of_extract_alone_reruns_extract_alone(project: Project) -> None:
    project.write("settings:\n  extract:\n    patches: {min_area_m2: 400}")
    assert "extract.patches.min_area_m2" in project.call("why", "extract").out
    done = project.call("run")
    assert done.out.count("已运行") == 1
    assert "extract 图斑提取：已运行" in done.out


def test_changed_image_is_named(project: Project) -> None:
    make_pair(project.root / "raw", (200, 220), boxes=[(40, 60, 50, 80), (100, 130, 60, 90)])
    why = project.call("why", "align")
    assert "输入 after 的内容改变" in why.out
    assert "before" not in why.out


def test_a_missing_image_is_named(project: Project) -> None:
    (project.root / "raw" / "after.tif").unlink()
    assert "after" in project.call("why", "align").out
    done = project.call("run")
    assert done.code == 3
    assert "E-FILE-MISSING" in done.err
    assert "after.tif" in done.err


def test_核对_完好的成果通过(project: Project) -> None:
    done = project.call("verify")
    assert done.code == 0, done.text
    assert "核对通过" in done.out


@pytest.mark.parametrize("name", ["detect/score.tif", "align/valid.tif", "extract/summary.json"])
def test_核对_改动一个字节即阻断(project: Project, name: str) -> None:
    path = project.run_dir / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x01
    path.write_bytes(bytes(content))
    done = project.call("verify")
    assert done.code == 6
    assert "[阻断] E-VERIFY-CONTENT" in done.err
    assert path.name in done.err
    assert "Traceback" not in done.text


def test_verify_needs_no_images(project: Project) -> None:
    shutil.rmtree(project.root / "raw")
    assert project.call("verify").code == 0


def test_a_spoiled_result_is_made_again(project: Project) -> None:
    path = project.run_dir / "detect" / "score.tif"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + b"\0\0")
    assert "score.tif" in project.call("why", "detect").out
    done = project.call("run")
    assert done.out.count("已运行") == 1  # detect gives the same bytes, so extract stays
    assert path.read_bytes() == good
    assert project.call("verify").code == 0


def test_an_unfinished_run_is_reported_and_not_an_error(project: Project) -> None:
    shutil.rmtree(project.run_dir / "extract")
    done = project.call("verify")
    assert done.code == 0
    assert "N-RUN-INCOMPLETE" in done.out
    assert project.call("status").out.count("待运行") == 1


def test_stages_one_by_one_give_the_same_as_run(project: Project, tmp_path: Path) -> None:
    alone = Project(tmp_path / "alone")
    shutil.copytree(project.root / "raw", alone.root / "raw")
    alone.write()
    for stage in STAGES:
        assert alone.call(stage).code == 0
    for name in ("align/valid.tif", "detect/score.tif", "detect/kind.tif", "extract/change.tif"):
        assert (alone.run_dir / name).read_bytes() == (project.run_dir / name).read_bytes()
    one, other = (p.run_dir / "extract" / "patches.gpkg" for p in (alone, project))
    assert geopackage_digest(one) == geopackage_digest(other)
    for stage in STAGES:
        one, other = (p.run_dir / stage / "manifest.json" for p in (alone, project))
        assert one.read_bytes() == other.read_bytes()  # no path, host or time in it


def test_patch_ids_carry_county_and_year(project: Project) -> None:
    table = pyogrio.read_dataframe(project.run_dir / "extract" / "patches.gpkg", layer="patches")
    assert table["patch_id"].tolist() == ["379999ZJ26000001"]
    assert table["before_date"].astype(str).str[:10].tolist() == ["2026-01-05"]


# --- compare, cut off at the worst places --------------------------------------------------------


@pytest.mark.parametrize("left", ["manifest", "manifest and one file", "nothing but work"])
def test_比对在发布途中被杀_再跑一次即完整(tmp_path: Path, left: str) -> None:
    """What kill −9 leaves between moving the results into place and writing the manifest."""
    world = make_pair(tmp_path, (128, 160), boxes=[(40, 60, 50, 80)])
    out = tmp_path / "out"
    compare(world, out)
    names = [path.name for path in out.iterdir() if path.is_file()]
    good = {name: (out / name).read_bytes() for name in names}
    assert {"score.tif", "change.tif", "manifest.json"} <= good.keys()
    (out / "manifest.json").unlink()
    if left == "manifest and one file":
        (out / "change.tif").unlink()
    if left == "nothing but work":
        for name in names:
            (out / name).unlink(missing_ok=True)
    done = compare(world, out)
    assert not any(outcome.was_run for outcome in done.outcomes)
    assert {name: (out / name).read_bytes() for name in names} == good
    assert not list(out.rglob("*partial*"))
    assert not (out / "work" / "publish").exists()
