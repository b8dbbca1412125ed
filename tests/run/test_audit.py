"""The omission audit on a made county, read by two people who know the truth, nearly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import openpyxl
import pytest
import shapely
from affine import Affine

from pipeline.io.rasters import read_grid
from pipeline.io.runs import RunPaths
from pipeline.patches.omission_audit import REPORTED, AuditParams
from pipeline.stages import audit_cells
from tests.factories import ROOT, Called, call_cli, write_raster

PRESENT, ABSENT, UNCLEAR = "有新增建设", "没有", "看不清"
CELLS = "100"


def audit(data: Path, *arguments: str) -> Called:
    return call_cli(
        "audit", *arguments, "--run", "demo", "--data", data, "--config-dir", ROOT / "configs"
    )


def fill(form: Path, answers: dict[str, str]) -> int:
    """Fill a form in; returns how many of its cards have an answer now."""
    book = openpyxl.load_workbook(form)
    keys: dict[str, int] = {}
    done = 0
    for row in book["判读表"].iter_rows():
        if any(cell.value == "card_no" for cell in row):
            keys = {str(cell.value): cell.column - 1 for cell in row if cell.value}
        elif keys and (number := row[keys["card_no"]].value) in answers:
            row[keys["answer"]].value = answers[str(number)]
            done += 1
    book.save(form)
    return done


@pytest.fixture(scope="module")
def drawn(packed_county: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("audit") / "data"
    shutil.copytree(packed_county, data)
    done = audit(data, "draw", "--cells", CELLS)
    assert done.code == 0, done.text
    return data


def folder(data: Path) -> Path:
    return data / "runs" / "demo" / "audit"


def truth_answers(data: Path) -> np.ndarray:
    """What stands in every cell of the sample, by the planted truth."""
    sample = json.loads((folder(data) / "sample.json").read_text(encoding="utf-8"))
    grid = read_grid(data / "runs" / "demo" / "detect" / "score.tif")
    truth = gpd.read_file(data / "raw" / "demo" / "truth.gpkg", layer="changes")
    built = shapely.union_all(truth.geometry[truth["is_construction"].astype(bool)].to_numpy())
    side, across = sample["cell_px"], grid.width // sample["cell_px"]
    found = []
    for cell in sample["cells"]:
        row, col = (float(part * side) for part in divmod(cell, across))
        x, y = grid.xy(np.array([row, row + side]), np.array([col, col + side]))
        inside = shapely.area(shapely.intersection(shapely.box(x[0], y[1], x[1], y[0]), built))
        found.append(PRESENT if inside >= 100 else ABSENT)
    return np.array(found)


def answers_of(data: Path, reader: str, answers: np.ndarray) -> dict[str, str]:
    sample = json.loads((folder(data) / "sample.json").read_text(encoding="utf-8"))
    letter = {"reader_1": "A", "reader_2": "B"}[reader]
    order = sample["orders"][reader]
    return {f"{letter}{n:04d}": str(answers[cell]) for n, cell in enumerate(order, start=1)}


def order_of(data: Path) -> list[int]:
    """The cells as the second reader sees them."""
    sample = json.loads((folder(data) / "sample.json").read_text(encoding="utf-8"))
    return list(sample["orders"]["reader_2"])


def test_a_second_draw_does_not_touch_the_forms(drawn: Path) -> None:
    before = (folder(drawn) / "reader_1.xlsx").read_bytes()
    again = audit(drawn, "draw")
    assert again.code == 2
    assert "已经抽过样" in again.text
    assert (folder(drawn) / "reader_1.xlsx").read_bytes() == before


def test_cards_are_blind_and_readers_have_orders_of_their_own(drawn: Path) -> None:
    sample = json.loads((folder(drawn) / "sample.json").read_text(encoding="utf-8"))
    assert sample["orders"]["reader_1"] != sample["orders"]["reader_2"]
    assert sorted(sample["orders"]["reader_1"]) == list(range(len(sample["cells"])))
    for reader in ("reader_1", "reader_2"):
        page = (folder(drawn) / f"{reader}.html").read_text(encoding="utf-8")
        assert page.count('class="card"') == len(sample["cells"])
        assert "http" not in page.replace("http-equiv", "")
        assert not any(word in page for word in ("疑似", "已报", "379999ZJ", "概率"))


def test_two_readers_and_a_third_opinion_give_the_recall(drawn: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(drawn, data)
    truth = truth_answers(data)
    assert (truth == PRESENT).sum() >= 5
    second = truth.copy()
    flipped = np.flatnonzero(truth == PRESENT)[:2]
    second[flipped] = ABSENT
    second[np.flatnonzero(truth == ABSENT)[0]] = UNCLEAR
    place = folder(data)
    assert fill(place / "reader_1.xlsx", answers_of(data, "reader_1", truth)) == truth.size
    half = answers_of(data, "reader_1", truth)
    nothing_yet = audit(data, "result")
    assert nothing_yet.code == 0, nothing_yet.text
    assert f"还有 {len(half)} 张卡没有填" in nothing_yet.text
    assert "检出率（按格面积加权）：无法计算" in nothing_yet.text
    names = {f"C{cell + 1:04d}": str(answer) for cell, answer in enumerate(truth)}
    # A look at the result before the second reader is done: one dispute so far, and its form.
    early = answers_of(data, "reader_2", second)
    first = next(number for number, cell in zip(early, order_of(data), strict=True)
                 if cell == flipped[0])  # fmt: skip
    fill(place / "reader_2.xlsx", {first: early[first]})
    assert "有 1 格两人判读不同" in audit(data, "result").text
    assert fill(place / "adjudication.xlsx", names) == 1
    half_way = (place / "adjudication.xlsx").read_bytes()
    fill(place / "reader_2.xlsx", early)
    disputed = audit(data, "result")
    assert "有 2 格两人判读不同" in disputed.text
    assert "adjudication_2.xlsx" in disputed.text
    assert (place / "adjudication.xlsx").read_bytes() == half_way
    assert audit(data, "result").code == 0
    assert fill(place / "adjudication_2.xlsx", names) == 2
    assert not (place / "adjudication_3.xlsx").exists()
    final = audit(data, "result")
    assert "判读不同" not in final.text
    told = json.loads((place / "result.json").read_text(encoding="utf-8"))
    sample = json.loads((place / "sample.json").read_text(encoding="utf-8"))
    weights, hits = [], []
    for number, size in enumerate(sample["sizes"]):
        chosen = np.array(sample["stratum"]) == number
        weights.append(size)
        hits.append((truth[chosen] == PRESENT).mean() if chosen.any() else 0.0)
    expected = weights[0] * hits[0] / float(np.dot(weights, hits))
    assert told["result"]["recall"] == pytest.approx(expected)
    assert told["result"]["recall_low"] <= expected <= told["result"]["recall_high"]
    assert 0 < told["agreement"] < 1


def test_a_wrong_answer_is_named_with_its_row(drawn: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(drawn, data)
    fill(folder(data) / "reader_1.xlsx", {"A0003": "大概有"})
    wrong = audit(data, "result")
    assert wrong.code == 3
    assert "卡号 A0003，结果 大概有" in wrong.text
    assert "第 " in wrong.text


def test_result_without_a_draw_says_what_to_do(packed_county: Path) -> None:
    found = audit(packed_county, "result")
    assert found.code == 2
    assert "audit draw" in found.text


def test_only_what_was_detected_counts_as_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An issued outline of 64 cells with a detection in one of them."""
    paths, transform = RunPaths(tmp_path), Affine(5.0, 0.0, 4e5, 0.0, -5.0, 4e6)
    score, change = np.full((200, 200), 100, np.uint16), np.zeros((200, 200), np.uint8)
    change[45:49, 45:49] = 1
    change[190:194, 10:14] = 1
    write_raster(paths.detect_score, score, transform=transform)
    write_raster(paths.extract_change, change, transform=transform)
    outlines = [shapely.box(400_100, 3_999_100, 400_900, 3_999_900)]
    outlines += [shapely.box(400_000, 3_999_000, 400_100, 3_999_100)] * 2
    told = {
        "source": ["both", "detected", "issued"],
        "change_kind": ["building", "crop", "building"],
    }
    table = gpd.GeoDataFrame(told, geometry=outlines)
    monkeypatch.setattr(audit_cells, "read_layer", lambda *_: table)
    context: Any = SimpleNamespace(paths=paths, run=SimpleNamespace(gsd_m=None))
    cells = audit_cells.find_cells(context, AuditParams())
    assert (cells.side_px, cells.across) == (20, 10)
    assert np.flatnonzero(cells.stratum == REPORTED).tolist() == [22]
