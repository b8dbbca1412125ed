"""`evaluate` against figures worked out from the written mask with numpy alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from tests.factories import Called, call_cli, make_pair, read_raster, write_raster

BOXES = ((40, 60, 50, 80), (150, 171, 200, 233))
LABELLED_ONLY = (100, 115, 120, 140)
"""Labelled as change where nothing was planted: an omission on purpose."""


def figures(predicted: NDArray[Any], label: NDArray[Any]) -> dict[str, Any]:
    """The definitions, spelled out: 255 in either is outside; Cohen 1960 for kappa."""
    judged = (predicted != 255) & (label != 255)
    p, t = predicted[judged] == 1, label[judged] == 1
    n = p.size
    tp, fp, fn = (p & t).sum(), (p & ~t).sum(), (~p & t).sum()
    agreed = (p == t).mean()
    chance = p.mean() * t.mean() + (1 - p.mean()) * (1 - t.mean())
    truth, n_truth = ndimage.label(label == 1)
    found, n_found = ndimage.label(predicted == 1)
    hit = sum((predicted[truth == k] == 1).mean() >= 0.5 for k in range(1, n_truth + 1))
    right, not_judged = 0, 0
    for k in range(1, n_found + 1):
        inside = label[found == k]
        inside = inside[inside != 255]
        not_judged += inside.size == 0
        right += inside.size > 0 and (inside == 1).mean() >= 0.5
    return {
        "kappa": (agreed - chance) / (1 - chance),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "n": n,
        "unobserved": int(((predicted == 255) & (label != 255)).sum()),
        "patch": {
            "n_truth": n_truth,
            "n_predicted": n_found,
            "n_not_judged": not_judged,
            "recall": hit / n_truth,
            "precision": right / (n_found - not_judged),
        },
    }


def last_line(done: Called) -> dict[str, Any]:
    assert done.code == 0, done.text
    return json.loads(done.out.strip().splitlines()[-1])


def assert_equal(stated: dict[str, Any], expected: dict[str, Any]) -> None:
    for key, value in expected.items():
        if isinstance(value, dict):
            assert_equal(stated[key], value)
        else:
            assert stated[key] == pytest.approx(value, abs=1e-6), key


def label_for(truth: NDArray[np.bool_]) -> NDArray[np.uint8]:
    label = truth.astype(np.uint8)
    row0, row1, col0, col1 = LABELLED_ONLY
    label[row0:row1, col0:col1] = 1
    label[:, :30] = 255
    return label


def test_最后一行_报告文件_独立重算_三者一致(tmp_path: Path) -> None:
    data, out = tmp_path / "pair", tmp_path / "out"
    # Without band roles nothing is taken for crops, so that every box stays a patch.
    world = make_pair(data, (256, 320), boxes=BOXES, nodata=0, with_roles=False)
    label = label_for(world.truth)
    write_raster(data / "label.tif", label, crs=None)
    stated = last_line(call_cli("evaluate", data, "--out", out))
    assert {"kappa", "f1", "precision", "recall", "n", "patch"} <= stated.keys()
    assert json.loads((out / "evaluate.json").read_text(encoding="utf-8")) == stated
    expected = figures(read_raster(out / "change.tif"), label)
    assert_equal(stated, expected)
    # the case says something: an omission, unobserved pixels, patches on both sides
    assert 0.5 < stated["recall"] < 0.9
    assert stated["unobserved"] > 0
    assert stated["patch"]["n_truth"] == 3
    assert stated["patch"]["recall"] == pytest.approx(2 / 3, abs=1e-6)


def test_标注不影响比对结果(tmp_path: Path) -> None:
    """No setting may look at labels: two opposite labels, one mask."""
    masks = []
    for name in ("right", "wrong"):
        world = make_pair(tmp_path / name, (128, 160), boxes=[(40, 60, 50, 80)])
        label = world.truth.astype(np.uint8)
        write_raster(
            tmp_path / name / "label.tif", label if name == "right" else 1 - label, crs=None
        )
        last_line(call_cli("evaluate", tmp_path / name, "--out", tmp_path / f"o_{name}"))
        masks.append((tmp_path / f"o_{name}" / "change.tif").read_bytes())
    assert masks[0] == masks[1]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_小图集_A_B_label(tmp_path: Path, suffix: str) -> None:
    data, out = tmp_path / "chips", tmp_path / "out"
    labels: dict[str, NDArray[np.uint8]] = {}
    for number, boxes in enumerate([BOXES[:1], (), ((20, 50, 90, 120),)]):
        world = make_pair(
            tmp_path / "made",
            (128, 128),
            seed=10 + number,
            n_bands=3,
            dtype="uint8",
            crs=None,
            suffix=suffix,
            boxes=boxes,
            with_roles=False,
        )
        name = f"chip_{number}"
        labels[name] = world.truth.astype(np.uint8)
        for folder, path in (("A", world.before), ("B", world.after)):
            (data / folder).mkdir(parents=True, exist_ok=True)
            path.rename(data / folder / f"{name}{suffix}")
        write_raster(data / "label" / f"{name}{suffix}", labels[name] * np.uint8(255), crs=None)
    stated = last_line(call_cli("evaluate", data, "--out", out, "--gsd", 2))
    masks = {name: read_raster(out / name / "change.tif") for name in labels}
    tall = figures(np.concatenate(list(masks.values())), np.concatenate(list(labels.values())))
    for key in ("kappa", "f1", "precision", "recall", "n"):
        assert stated[key] == pytest.approx(tall[key], abs=1e-6), key
    assert stated["patch"]["n_truth"] == 2
    assert stated["patch"]["recall"] == 1.0
    assert stated["n"] == 3 * 128 * 128


def test_每级面积_排序_可靠性_最差清单_与独立重算一致(tmp_path: Path) -> None:
    data, out = tmp_path / "pair", tmp_path / "out"
    # Without band roles nothing is taken for crops, so that every box stays a patch.
    world = make_pair(data, (256, 320), boxes=BOXES, nodata=0, with_roles=False)
    label = label_for(world.truth)
    write_raster(data / "label.tif", label, crs=None)
    stated = last_line(call_cli("evaluate", data, "--out", out))
    score = read_raster(out / "score.tif").astype(np.int64)
    judged = (score != 65535) & (label != 255)
    ones, zeros = score[judged & (label == 1)], score[judged & (label == 0)]
    order = np.searchsorted(np.sort(zeros), ones)
    ties = np.searchsorted(np.sort(zeros), ones, side="right") - order
    auc = (order + ties / 2).sum() / ones.size / zeros.size
    assert stated["auc"] == pytest.approx(auc, abs=1e-6)
    p, t = score[judged] / 10_000, label[judged] == 1
    assert stated["reliability"]["brier"] == pytest.approx(((p - t) ** 2).mean(), abs=1e-6)
    which = np.minimum((p * 10).astype(int), 9)
    gaps = [
        (which == k).mean() * abs(p[which == k].mean() - t[which == k].mean())
        for k in range(10)
        if (which == k).any()
    ]
    assert stated["reliability"]["expected_error"] == pytest.approx(sum(gaps), abs=1e-6)
    # Three labelled patches of 20 × 30, 21 × 33 and 15 × 20 pixels of 4 m².
    sizes = {row["class"]: row for row in stated["patch"]["by_size"]}
    assert [sizes[c]["n_truth"] for c in ("<400", "400-1000", "1000-3000", ">=3000")] == [
        0,
        0,
        3,
        0,
    ]
    assert sizes["1000-3000"]["n_found"] == 2
    worst = stated["worst"]["misses"]
    assert [one["area_m2"] for one in worst] == [15 * 20 * 4]
    row0, row1, col0, col1 = LABELLED_ONLY
    grid = rasterio.open(out / "change.tif")
    row, col = grid.index(worst[0]["x"], worst[0]["y"])
    assert row0 <= row < row1
    assert col0 <= col < col1
    assert stated["intervals"]["kappa"] is None  # one block is no sample
    page = (out / "evaluate.html").read_text(encoding="utf-8")
    n_items = len(worst) + len(stated["worst"]["false_alarms"])
    assert page.count("data:image/jpeg;base64,") == 2 * n_items


def test_各检测器并列_末行是缺省检测器的数字(tmp_path: Path) -> None:
    data, out = tmp_path / "pair", tmp_path / "out"
    world = make_pair(data, (128, 160), boxes=[(40, 60, 50, 80)])
    write_raster(data / "label.tif", world.truth.astype(np.uint8), crs=None)
    done = call_cli("evaluate", data, "--out", out, "--detector", "all")
    stated = last_line(done)
    assert {"irmad", "cva"} <= stated["detectors"].keys()
    for name in ("irmad", "cva"):
        alone = last_line(call_cli("evaluate", data, "--out", tmp_path / name, "--detector", name))
        assert stated["detectors"][name]["f1"] == alone["f1"]
        assert stated["detectors"][name]["patch"]["recall"] == alone["patch"]["recall"]
    default = last_line(call_cli("evaluate", data, "--out", tmp_path / "auto"))
    assert {k: v for k, v in stated.items() if k != "detectors"} == default
    assert "<td>cva</td>" in (out / "evaluate.html").read_text(encoding="utf-8")
