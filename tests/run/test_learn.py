"""Learning from returns: what is proposed, that nothing changes by it, and that signing does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from pipeline.config.load import load_run
from pipeline.stages import learn
from tests.factories import ROOT, Called, call_cli

NAMES = ("--by", "张三", "--reviewed-by", "李四", "--why", "第一季度核查结果")


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    target = tmp_path / "configs"
    shutil.copytree(ROOT / "configs", target)
    return target


def call(data: Path, configs: Path, *arguments: str) -> Called:
    command, *rest = arguments
    return call_cli(
        "learn", command, "--run", "demo", "--data", data, "--config-dir", configs, *rest
    )


@pytest.fixture
def many_judged(monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """A quarter with 200 judged patches, the false ones of low probability."""
    rng = np.random.default_rng(1)
    is_real = np.arange(200) < 120
    judged = pd.DataFrame(
        {
            "patch_id": [f"379999ZJ24{n:06d}" for n in range(200)],
            "township_code": "379999100",
            "is_real": is_real,
            "probability": np.where(is_real, rng.uniform(0.55, 1, 200), rng.uniform(0.1, 0.8, 200)),
        }
    )
    monkeypatch.setattr(learn, "_judged", lambda context: judged)
    return judged


def test_too_few_judgements_give_no_proposal(closed_county: Path, configs: Path) -> None:
    done = call(closed_county, configs, "propose")
    assert done.code == 0, done.text
    assert "样本不足，不提建议：至少要真实变化 50 个、伪变化 30 个" in done.text
    assert not (closed_county / "runs" / "demo" / "learn").exists()
    refused = call(closed_county, configs, "sign", *NAMES)
    assert refused.code == 2
    assert "还没有提出建议" in refused.text


def judge_own(data: Path, judgement: str, detail: str) -> int:
    """Sign every patch of our own on the bureau's form so; returns how many there are."""
    form = data / "returns" / "demo" / "bureau" / "judgements.xlsx"
    book = openpyxl.load_workbook(form)
    sheet = book.worksheets[0]
    header = next(row for row in sheet.iter_rows() if any(c.value == "patch_id" for c in row))
    at = {str(cell.value): cell.column for cell in header if cell.value}
    signed = {"judgement": judgement, "judgement_detail": detail, "judgement_basis": "实地核查"}
    signed |= {"judged_by": "韩立", "reviewed_by": "秦明", "judged_date": "2024-11-22"}
    own = [
        row
        for row in range(header[0].row + 1, sheet.max_row + 1)
        if sheet.cell(row, at["source"]).value == "自主提取"
    ]
    for row in own:
        for name, column in at.items():
            if name in signed or name.startswith("recognised_"):
                sheet.cell(row, column).value = signed.get(name)
    book.save(form)
    return len(own)


@pytest.mark.parametrize(
    ("judgement", "detail", "real", "false"),
    [("违法用地", "工矿商服", 1, 0), ("其他用地", "伪变化", 0, 1), ("其他用地", "其他", 0, 0)],
)
def test_signed_judgements_of_own_patches_are_read(
    closed_county: Path, configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    judgement: str, detail: str, real: int, false: int,
) -> None:  # fmt: skip
    """Counted from the bureau's own form, which is what was signed, and found again in T12."""
    data = tmp_path / "data"
    shutil.copytree(closed_county, data)
    n_own = judge_own(data, judgement, detail)
    assert n_own > 0
    closed = call_cli("close", "--run", "demo", "--data", data, "--config-dir", configs)
    assert closed.code == 0, closed.text
    table = pd.read_csv(
        data / "runs" / "demo" / "statistics" / "T12_list.csv", encoding="utf-8-sig"
    )
    own = table[(table["来源"] == "自主提取") & table["图斑编号"].notna()]
    assert own["判定（县局签署）"].tolist() == [judgement] * n_own
    assert own["二级类"].tolist() == [detail] * n_own
    done = call(data, configs, "propose")
    assert done.code == 0, done.text
    assert f"真实变化 {real * n_own} 个，伪变化 {false * n_own} 个" in done.text
    # The settings touch construction-like patches alone, so nothing is learned from others.
    monkeypatch.setattr(learn, "construction_like_kinds", lambda: ["crop"])
    assert "真实变化 0 个，伪变化 0 个" in call(data, configs, "propose").text


@pytest.mark.usefixtures("many_judged")
def test_a_proposal_changes_nothing_until_it_is_signed(
    closed_county: Path, configs: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(closed_county, data)
    run = configs / "runs" / "demo.yaml"
    done = call(data, configs, "propose")
    assert done.code == 0, done.text
    assert "+ min_probability: 0." in done.text
    effect = (data / "runs" / "demo" / "learn" / "effect.csv").read_text(encoding="utf-8-sig")
    assert effect.count("剔除\n") + effect.count("剔除\r\n") > 20
    assert load_run(run).settings.extract.returns.min_probability == 0.0
    signed = call(data, configs, "sign", *NAMES)
    assert signed.code == 0, signed.text
    told = json.loads(
        (data / "runs" / "demo" / "learn" / "proposal.json").read_text(encoding="utf-8")
    )
    learned = load_run(run).settings.extract.returns
    assert learned.model_dump() == told["proposal"]["proposed"]
    assert learned.min_probability > 0.3


@pytest.mark.usefixtures("many_judged")
def test_a_signature_holds_what_was_signed(
    closed_county: Path, configs: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(closed_county, data)
    assert call(data, configs, "propose").code == 0
    same = call(data, configs, "sign", "--by", "张三", "--reviewed-by", "张三", "--why", "x")
    assert same.code == 2
    assert "两人不能相同" in same.text
    assert call(data, configs, "sign", *NAMES).code == 0
    place = configs / "county" / "demo.learned.yaml"
    text = place.read_text(encoding="utf-8")
    place.write_text(text.replace("min_probability: 0.", "min_probability: 0.0"), encoding="utf-8")
    changed = call(data, configs, "propose")
    assert changed.code == 3
    assert "签署后的改进参数被改动过" in changed.text


def test_a_proposal_is_stale_once_the_register_has_moved(
    closed_county: Path, configs: Path, tmp_path: Path, many_judged: pd.DataFrame
) -> None:
    data = tmp_path / "data"
    shutil.copytree(closed_county, data)
    assert call(data, configs, "propose").code == 0
    many_judged.loc[0, "is_real"] = False
    refused = call(data, configs, "sign", *NAMES)
    assert refused.code == 2
    assert "台账又有变动" in refused.text
    assert not (configs / "county" / "demo.learned.yaml").exists()


def test_a_run_may_state_its_own_values(configs: Path) -> None:
    run = configs / "runs" / "demo.yaml"
    text = run.read_text(encoding="utf-8")
    run.write_text(
        text + "settings:\n  extract:\n    returns:\n      min_probability: 0.2\n",
        encoding="utf-8",
    )
    (configs / "county" / "demo.learned.yaml").unlink(missing_ok=True)
    assert load_run(run).settings.extract.returns.min_probability == 0.2
