"""The accuracy page tells the figures it is given, in Chinese, without anything from outside."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.delivery.accuracy_charts import reliability_svg
from pipeline.delivery.accuracy_chips import INK, SIDE_PX, ChipDate, Outline, draw_chip
from pipeline.delivery.accuracy_page import AccuracyPage, Chip, render_accuracy
from pipeline.patches.accuracy import PatchScores
from pipeline.patches.agreement import EvaluateParams, Outcomes
from pipeline.patches.reliability import ScoreHistogram
from pipeline.stages.evaluate_figures import detector_figures, figures
from pipeline.stages.evaluate_judging import Judged

KINDS = {"building": "建（构）筑物", "crop": "作物与植被变化"}
REASONS = {"crop_cycle": "作物轮作"}


def judged() -> Judged:
    rng = np.random.default_rng(0)
    histogram = ScoreHistogram()
    label = (rng.random((60, 60)) < 0.3).astype(np.uint8)
    histogram.add(
        (label * np.uint16(4000) + rng.integers(0, 6000, label.shape)).astype("u2"), label
    )
    blocks = np.column_stack([rng.integers(50, 90, (12, 4)), np.full(12, 7)])
    truth = Outcomes(
        np.array([300.0, 500, 700, 5000]),
        np.array([None] * 4, object),
        np.array([False, True, True, True]),
    )
    predicted = Outcomes(
        np.array([450.0, 900, 4000]),
        np.array(["building", "crop", "building"], object),
        np.array([True, False, True]),
    )
    scores = PatchScores(n_truth=4, n_found=3, n_predicted=5, n_not_judged=2, n_correct=2)
    return Judged(blocks, histogram, scores, truth, predicted, np.array([0.7, 0.55, 0.95]))


def chip(**told: Any) -> Chip:
    base = {
        "pair": None, "name": "000000ZJ24000001", "kind": "building", "area_m2": 1234.5,
        "share": 0.0, "probability": None, "dropped_reason": None, "found_kind": None,
        "x": 500000.5, "y": 4000000.5,
    }  # fmt: skip
    return Chip(base | told, "data:image/jpeg;base64,QQ==", "data:image/jpeg;base64,Qg==", 64)


def page(**changed: Any) -> str:
    told = figures(judged(), EvaluateParams(bootstrap_replicates=200)) | changed
    return render_accuracy(
        AccuracyPage(
            subject="<测试> & 数据",
            figures=told,
            kinds=KINDS,
            reasons=REASONS,
            misses=(
                chip(dropped_reason="crop_cycle", probability=0.31),
                chip(share=0.25),
                chip(found_kind="crop"),
                chip(),
            ),
            false_alarms=(chip(probability=0.875, share=0.125),),
        )
    )


def test_the_page_is_whole_and_needs_nothing_from_outside() -> None:
    text = page()
    assert text.count("<table") == text.count("</table>") == 3
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text
    assert "<测试>" not in text
    assert "&lt;测试&gt; &amp; 数据" in text
    assert not re.search(r"违法|非法|None|nan", text)
    assert text == page()


def test_the_page_tells_the_figures() -> None:
    text = page()
    assert "检出 3 / 4" in text
    assert "正确 2 / 3" in text
    assert "75.0%" in text  # patch recall
    assert "0.301–0.954" in text  # its Wilson interval
    assert "400–1,000 ㎡（0.6–1.5 亩）" in text
    assert "≥3,000 ㎡（≥4.5 亩）" in text
    assert "&lt;400 ㎡（&lt;0.6 亩）" in text
    assert "建（构）筑物" in text
    assert "84 个" in text  # unobserved


def test_misses_say_why_and_false_alarms_how_sure() -> None:
    text = page()
    assert "剔除原因：作物轮作（概率 31.0%）" in text
    assert "只检出 25.0%" in text
    assert "该处图斑判为：作物与植被变化" in text
    assert "没有图斑，也没有剔除对象" in text
    assert "概率 87.5%；12.5% 落在真实变化内" in text
    assert "1,234 ㎡（1.85 亩）" in text


def test_without_enough_blocks_the_page_says_so() -> None:
    few = figures(judged(), EvaluateParams(min_blocks=20))
    assert few["intervals"]["kappa"] is None
    assert few["kappa"] is not None
    assert "参与评价的块只有 12 个（至少 20 个才给区间）" in page(**few)


def test_detectors_side_by_side_and_cases() -> None:
    one = figures(judged(), EvaluateParams())
    assert detector_figures({}) == {}
    cases = {
        "hits": 1, "total": 2, "issued_hits": 1, "issued_total": 1,
        "rows": [
            {"truth_id": "T1", "case_id": "a", "expected_class": "approved", "is_hit": True,
             "found_class": "approved", "dropped_reason": None},
            {"truth_id": "T2", "case_id": "b", "expected_class": "facility", "is_hit": False,
             "found_class": None, "dropped_reason": "greenhouse"},
        ],
    }  # fmt: skip
    text = page(**detector_figures({"irmad": one, "cva": one}), cases=cases)
    assert "<td>irmad</td>" in text
    assert "<td>cva</td>" in text
    assert "与真值一致 1 / 2" in text
    assert "<td>facility</td><td>greenhouse</td>" in text
    assert "<td>T1</td>" not in text


def test_the_curve_is_drawn_to_scale() -> None:
    curve = figures(judged(), EvaluateParams())["reliability"]
    root = ElementTree.fromstring(reliability_svg(curve, "像元"))
    dots = [e for e in root.iter() if e.get("class") == "dot"]
    known = [one for one in curve["bins"] if one["n"]]
    assert len(dots) == len(known)
    frame = next(e for e in root.iter() if e.get("class") == "frame")
    left, top, side = (float(frame.get(k) or 0) for k in ("x", "y", "width"))
    for dot, one in zip(dots, known, strict=True):
        x, y = float(dot.get("cx") or 0), float(dot.get("cy") or 0)
        assert (x - left) / side == pytest.approx(one["mean_probability"], abs=0.001)
        assert 1 - (y - top) / side == pytest.approx(one["changed_share"], abs=0.001)


def test_a_chip_shows_the_pixels_the_outline_and_what_is_hidden() -> None:
    from io import BytesIO

    from PIL import Image

    pixels = np.full((3, 40, 40), 100, np.uint16)
    pixels[0, :, 20:] = 200
    hidden = np.zeros((40, 40), bool)
    hidden[30:, :10] = True
    stretch = np.array([[0.0, 0, 0], [200.0, 200, 200]])
    ring = np.array([[5.0, 5], [15, 5], [15, 15], [5, 15], [5, 5]])
    date = ChipDate(pixels, hidden, stretch)
    jpeg = draw_chip(date, [Outline([ring], "truth"), Outline([ring], "patch")])
    assert jpeg == draw_chip(date, [Outline([ring], "truth"), Outline([ring], "patch")])
    shown = np.asarray(Image.open(BytesIO(jpeg)).convert("RGB")).astype(int)
    assert shown.shape == (SIDE_PX, SIDE_PX, 3)
    factor = SIDE_PX / 40
    assert np.abs(shown[int(25 * factor), int(15 * factor)] - 127).max() < 12
    assert np.abs(shown[int(25 * factor), int(30 * factor)] - (255, 127, 127)).max() < 12
    assert shown[int(36 * factor), int(5 * factor)].min() > 160  # hidden: pale
    edge = shown[int(5 * factor) - 1 : int(5 * factor) + 2, int(10 * factor)].mean(axis=0)
    assert np.abs(edge - INK["truth"]).max() < 70  # the outline named first lies on top


def test_a_chip_of_one_band_and_of_floats_with_gaps() -> None:
    pixels = np.linspace(0, 1, 400, dtype=np.float32).reshape(1, 20, 20)
    pixels[0, 3, 3] = np.nan
    assert draw_chip(ChipDate(pixels, np.isnan(pixels[0]), np.array([[0.0], [1.0]])), [])
