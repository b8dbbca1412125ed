"""A figure walked back to what it is made of, and counted again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import UsageError, VerifyError
from pipeline.io.runs import RunPaths
from pipeline.stages.trace import trace
from tests.closing_factory import close_county
from tests.package_factory import A, patch_id


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    return close_county(tmp_path_factory.mktemp("trace") / "T1")[0]


def test_a_sum_of_areas_names_its_patches_and_agrees(paths: RunPaths) -> None:
    lines = trace(paths, "t02", "清溪镇", "计入面积（亩）", "下发")
    text = "\n".join(lines)
    assert "清溪镇 下发 违法用地｜计入面积：5.25 亩" in text
    assert patch_id(1) in text
    assert "疑似违法" in text
    assert "SELECT count(*), count(counted_area_mu100)" in text
    assert text.count("与表中数字相符") == 4
    assert "suspected_violation" not in text.replace(":further＝", "")


def test_cases_by_number_and_the_county_by_rows(paths: RunPaths) -> None:
    assert "案件 K1" in "\n".join(trace(paths, "T04", A, "closed", "下发"))
    county = "\n".join(trace(paths, "T04", "合计", "cases", "全部"))
    assert f"本表的行 {A}|issued" in county
    assert "复算（county.gpkg）：4" in county


def test_the_linkage_names_rules_and_postings(paths: RunPaths) -> None:
    text = "\n".join(trace(paths, "T05", "清溪镇", "quota_deducted_mu", "下发"))
    assert "指标凭证（凭证号-分录号） 3-1　2.00 亩" in text
    assert "quota.coef_pbf" in text
    assert "示例口径，待上级文件确认" in text


def test_a_whole_row_of_an_unseen_township(paths: RunPaths) -> None:
    text = "\n".join(trace(paths, "T01", "北岭镇", None, "下发"))
    assert "图斑个数：未观测 个" in text
    assert "不符" not in text


def test_every_cell_of_every_table_can_be_walked_back(paths: RunPaths) -> None:
    tables = json.loads(paths.tables.read_text(encoding="utf-8"))
    for table_id in ("T01", "T02", "T03", "T04", "T05", "T06", "T07", "T10", "T11"):
        for unit in ("清溪镇", "未落入乡镇", "合计"):
            if any(row["unit_name"] == unit for row in tables[table_id]["rows"]):
                assert trace(paths, table_id, unit)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("T99", "清溪镇"), "T01"),
        (("T01", "无名镇"), "清溪镇"),
        (("T01", "清溪镇", "无此列"), "图斑个数"),
        (("T01", "清溪镇", None, "别的"), "自主提取"),
        (("T15", "合计"), "核对"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    paths: RunPaths, asked: tuple[str, ...], told: str
) -> None:
    with pytest.raises(UsageError) as refused:
        trace(paths, *asked)
    assert told in refused.value.findings[0].allowed


def test_a_figure_that_was_changed_is_refused(paths: RunPaths, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(paths.root, tmp_path / "T1")
    other = RunPaths(tmp_path / "T1")
    text = other.tables.read_text(encoding="utf-8")
    other.tables.write_text(text.replace('"area_mu": 5.25', '"area_mu": 5.26'), encoding="utf-8")
    with pytest.raises(VerifyError) as refused:
        trace(other, "T02", "清溪镇", "area_mu")
    assert refused.value.findings[0].code == "E-VERIFY-SUM"
    assert "5.26" in refused.value.findings[0].value


def test_a_row_of_the_list_is_its_patch(paths: RunPaths) -> None:
    for group in (None, "下发"):
        text = "\n".join(trace(paths, "T12", patch_id(1), "area_mu", group))
        assert f"图斑 {patch_id(1)}　｜清溪镇，初判 疑似违法" in text
    with pytest.raises(UsageError):
        trace(paths, "T12", patch_id(1), "area_mu", "自主提取")
    assert "本表同一来源的各行" in "\n".join(trace(paths, "T12", "合计", "area_mu", "下发"))


def test_the_group_of_a_ratio_is_that_of_its_row(paths: RunPaths) -> None:
    assert trace(paths, "T06", "合计", "violation_area_mu", "下发")
    with pytest.raises(UsageError):
        trace(paths, "T06", "合计", "violation_area_mu", "自主提取")
