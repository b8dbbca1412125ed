"""A sealed quarter through the command line: nothing changes it, and it can be opened again."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.factories import ROOT, call_cli

SEALED = ("tables.json", "county.gpkg", "T05_quota.csv")


def told(data: Path, *command: str) -> tuple[int, str]:
    done = call_cli(*command, "--run", "demo", "--data", data, "--config-dir", ROOT / "configs")
    return done.code, done.text


def books(data: Path) -> dict[str, str]:
    folder = data / "runs" / "demo" / "statistics"
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in SEALED}


@pytest.fixture
def sealed(closed_county: Path, tmp_path: Path) -> Path:
    data = tmp_path / "data"
    shutil.copytree(closed_county, data)
    code, text = told(data, "freeze", "--by", "张三", "--why", "验收完毕")
    assert code == 0, text
    return data


def test_a_sealed_quarter_takes_nothing_until_it_is_opened(sealed: Path) -> None:
    before = books(sealed)
    stray = sealed / "returns" / "demo" / "379999001_late"
    stray.mkdir()
    (stray / "379999001.csv").write_text("图斑编号,现状\n", encoding="utf-8")
    code, text = told(sealed, "close")
    assert (code, "E-REGISTER-FROZEN" in text, "解封" in text) == (3, True, True)
    # Its own results lost or changed, the stage would have to run; it may not.
    (sealed / "runs" / "demo" / "statistics" / "T11_observed.csv").unlink()
    code, text = told(sealed, "statistics")
    assert (code, "E-REGISTER-FROZEN" in text) == (3, True)
    assert books(sealed) == before

    code, text = told(sealed, "reopen", "--by", "张三", "--why", "补交一份")
    assert code == 0, text
    code, text = told(sealed, "close")
    assert code == 0, text
    code, text = told(sealed, "verify")
    assert code == 0, text


def test_changed_books_of_a_sealed_quarter_are_named(sealed: Path) -> None:
    assert told(sealed, "verify")[0] == 0
    tables = sealed / "runs" / "demo" / "statistics" / "tables.json"
    tables.write_text(tables.read_text(encoding="utf-8").replace("下发", "下 发", 1), "utf-8")
    code, text = told(sealed, "verify")
    assert code == 6
    assert "与封存时的不同" in text
