"""Every notebook runs from top to bottom on a small comparison."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.io.labelled import open_comparison
from pipeline.io.rasters import read_all
from tests.factories import compare, make_pair

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    pair = make_pair(
        folder, (1100, 1200), seed=5, boxes=[(100, 140, 200, 260), (700, 730, 900, 960)]
    )
    compare(pair, folder / "out")
    return folder / "out"


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, comparison: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            source = source.replace(
                "ROOT / 'data' / 'runs' / 'evaluate_demo'", repr(str(comparison))
            )
            source = source.replace(
                f"FOLDER = {str(comparison)!r}", f"FOLDER = Path({str(comparison)!r})"
            )
            exec(compile(source, str(path), "exec"), names)
    assert "可观测比例" in capsys.readouterr().out


def test_lazy_view_equals_the_files(comparison: Path) -> None:
    run = open_comparison(comparison)
    score = read_all(comparison / "score.tif")
    assert run.score.chunks is not None
    assert (run.score.to_numpy() == score).all()
    third = run.before.isel(band=2).to_numpy()
    assert (third == read_all(comparison / "work" / "align" / "before.tif", 3)).all()
    assert np.all(np.diff(run.x) > 0)
    assert np.all(np.diff(run.y) < 0)
