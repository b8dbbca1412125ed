"""The demo county, packed once and closed once for all tests of this folder."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.factories import ROOT, call_cli

SEED, SIZE = 21, 512


@pytest.fixture(scope="session")
def packed_county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder of the small demo county after stages 1 to 7; read only."""
    data = tmp_path_factory.mktemp("demo") / "data"
    script = [sys.executable, str(ROOT / "scripts" / "make_demo.py"), "--data", str(data)]
    subprocess.run([*script, "--seed", str(SEED), "--size", str(SIZE)], check=True)
    done = call_cli("quarter", "--run", "demo", "--data", data, "--config-dir", ROOT / "configs")
    assert done.code == 0, done.text
    return data


@pytest.fixture(scope="session")
def answered_county(packed_county: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after townships and the bureau have answered; read only."""
    data = tmp_path_factory.mktemp("answered") / "data"
    shutil.copytree(packed_county, data)
    runpy.run_path(str(ROOT / "scripts" / "demo_townships.py"))["play"](data, "demo")
    return data


@pytest.fixture(scope="session")
def closed_county(answered_county: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after stages 8 to 10; read only."""
    data = tmp_path_factory.mktemp("closed") / "data"
    shutil.copytree(answered_county, data)
    done = call_cli("close", "--run", "demo", "--data", data, "--config-dir", ROOT / "configs")
    assert done.code == 0, done.text
    return data
