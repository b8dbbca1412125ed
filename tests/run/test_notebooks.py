"""Every notebook runs from top to bottom: on a small comparison, on the small closed county."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.io.labelled import open_comparison
from pipeline.io.rasters import read_all
from tests.factories import compare, make_pair

ROOT = Path(__file__).resolve().parents[2]
GIVEN = {
    "look_at_comparison": "ROOT / 'data' / 'runs' / 'evaluate_demo'",
    "look_at_quarter": "ROOT / 'data' / 'runs' / 'demo'",
}
"""Notebook → the results that it looks at unless somebody changes it."""
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    pair = make_pair(
        folder, (1100, 1200), seed=5, boxes=[(100, 140, 200, 260), (700, 730, 900, 960)]
    )
    compare(pair, folder / "out")
    return folder / "out"


def test_every_notebook_is_run_here() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(GIVEN)


def run_notebook(path: Path, data: Path) -> None:
    """Every cell, on results of our own instead of those in the data folder."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    given = f"FOLDER = {GIVEN[path.stem]}"
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert sum(given in source for source in sources) == 1
    for source in sources:
        own = source.replace(given, f"FOLDER = Path({str(data)!r})")
        exec(compile(own, str(path), "exec"), names)


def test_the_comparison_notebook_runs(comparison: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_notebook(ROOT / "notebooks" / "look_at_comparison.ipynb", comparison)
    assert "可观测比例" in capsys.readouterr().out


def test_the_quarter_notebook_runs(closed_county: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_notebook(ROOT / "notebooks" / "look_at_quarter.ipynb", closed_county / "runs" / "demo")
    told = capsys.readouterr().out
    for words in ("可观测比例", "核减前基数", "县局：判定日期", "个格子"):
        assert words in told


def test_lazy_view_equals_the_files(comparison: Path) -> None:
    run = open_comparison(comparison)
    score = read_all(comparison / "score.tif")
    assert run.score.chunks is not None
    assert (run.score.to_numpy() == score).all()
    third = run.before.isel(band=2).to_numpy()
    assert (third == read_all(comparison / "work" / "align" / "before.tif", 3)).all()
    assert np.all(np.diff(run.x) > 0)
    assert np.all(np.diff(run.y) < 0)
