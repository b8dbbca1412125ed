"""The figures of an evaluation as they are told: `evaluate.json`, its last line and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.grid import BLOCK_PX
from pipeline.patches.accuracy import PixelCounts
from pipeline.patches.agreement import EvaluateParams, Row, by_kind, by_size
from pipeline.patches.intervals import LEVEL, Interval, block_bootstrap, wilson
from pipeline.patches.planted import (
    FOUND_SHARE,
    LOW_CONTRAST_SIGMA,
    MIN_AREA_M2,
    CaseResult,
    PlantedScores,
    Share,
)
from pipeline.patches.reliability import Reliability, reliability_of
from pipeline.stages.evaluate_judging import Judged

TRUTH_DEFINITIONS = {
    "likely": "变化类别为建设类（is_construction=1）或未知的图斑",
    "recall": f"可观测、面积不小于 {MIN_AREA_M2:g} 平方米的真实建设中，"
    f"被上述图斑合并覆盖不低于 {FOUND_SHARE:.0%} 的比例",
    "precision": f"面积不小于 {MIN_AREA_M2:g} 平方米的上述图斑中，"
    f"不低于 {FOUND_SHARE:.0%} 的面积落在真实建设（不论大小）内的比例",
    "low_contrast": f"真值 contrast_sigma 低于 {LOW_CONTRAST_SIGMA:g} 的真实建设",
    "by_size": "可观测的真实建设（不论大小）与上述图斑，按面积分级",
    "by_kind": "可观测的真实变化，按真值类别；"
    "建设类被上述图斑、其他类被任一图斑覆盖不低于一半算检出",
}
LABEL_DEFINITIONS = {
    "recall": "标注为变化的连通块（四邻域）中，至少一半像元落在图斑内的比例",
    "precision": "change.tif 的连通块中，有标注的像元至少一半为变化的比例",
    "by_size": "真值为标注的连通块；图斑为 patches.gpkg 中含有标注像元的图斑，至少一半为变化算正确",
    "by_kind": "同上，按图斑的变化类别；标注不分类别",
}
"""What the figures mean, kept beside them in the report."""


def figures(judged: Judged, params: EvaluateParams) -> dict[str, Any]:
    """The keys outside tests rely on (DESIGN §10) and everything told besides."""
    pixels = PixelCounts(*map(int, judged.blocks.sum(axis=0)))
    intervals = block_bootstrap(
        judged.blocks, params.bootstrap_replicates, params.bootstrap_seed, params.min_blocks
    )
    by_pixel = (
        None
        if judged.histogram is None
        else _reliability(judged.histogram.reliability(params.reliability_bins))
    )
    patch = _labelled_patch(judged) if judged.planted is None else _planted_patch(judged.planted)
    kinds = judged.truth if judged.planted is None else judged.truth_by_kind
    patch["by_size"] = _rows(by_size(judged.truth, judged.predicted, params.size_bounds_m2))
    patch["by_kind"] = _rows(by_kind(kinds, judged.predicted))
    patch["reliability"] = _reliability(
        reliability_of(judged.probability, judged.predicted.is_good, params.reliability_bins)
    )
    return {
        "kappa": _rounded(pixels.kappa),
        "f1": _rounded(pixels.f1),
        "precision": _rounded(pixels.precision),
        "recall": _rounded(pixels.recall),
        "n": pixels.n,
        "unobserved": pixels.unobserved,
        "intervals": {name: _interval(one) for name, one in intervals.items()},
        "bootstrap": {
            "level": LEVEL,
            "block_px": BLOCK_PX,
            "blocks": int(np.count_nonzero(judged.blocks[:, :4].sum(axis=1))),
            "min_blocks": params.min_blocks,
            "replicates": params.bootstrap_replicates,
        },
        "auc": None if judged.histogram is None else _rounded(judged.histogram.auc),
        "reliability": by_pixel,
        "patch": patch,
    }


def case_figures(cases: Sequence[CaseResult]) -> dict[str, Any]:
    """Outcome per planted case, and the totals."""
    return {
        "hits": sum(case.is_hit for case in cases),
        "total": len(cases),
        "issued_hits": sum(case.is_hit for case in cases if case.is_issued),
        "issued_total": sum(case.is_issued for case in cases),
        "kinds": len({case.case_id for case in cases}),
        "kinds_hit": len({case.case_id for case in cases if case.is_hit}),
        "rows": [asdict(case) | {"is_hit": case.is_hit} for case in cases],
    }


def detector_figures(beside: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The main figures of other detectors side by side; nothing if there are none."""
    if not beside:
        return {}
    keys = ("kappa", "f1", "precision", "recall", "auc", "n")
    patch = ("recall", "precision", "f1", "n_truth", "n_found", "n_predicted", "n_correct")
    return {
        "detectors": {
            name: {key: one[key] for key in keys}
            | {"patch": {key: one["patch"][key] for key in patch}}
            for name, one in beside.items()
        }
    }


def _labelled_patch(judged: Judged) -> dict[str, Any]:
    scores = judged.scores
    n_judged = scores.n_predicted - scores.n_not_judged
    return {
        "recall": _rounded(scores.recall),
        "recall_interval": _interval(wilson(scores.n_found, scores.n_truth)),
        "precision": _rounded(scores.precision),
        "precision_interval": _interval(wilson(scores.n_correct, n_judged)),
        "f1": _rounded(scores.f1),
        "n_truth": scores.n_truth,
        "n_found": scores.n_found,
        "n_predicted": scores.n_predicted,
        "n_correct": scores.n_correct,
        "n_not_judged": scores.n_not_judged,
        "definitions": LABEL_DEFINITIONS,
    }


def _planted_patch(planted: PlantedScores) -> dict[str, Any]:
    recall, precision, faint = planted.recall, planted.precision, planted.low_contrast_recall
    return {
        "recall": _rounded(recall.ratio),
        "recall_interval": _interval(wilson(recall.part, recall.whole)),
        "precision": _rounded(precision.ratio),
        "precision_interval": _interval(wilson(precision.part, precision.whole)),
        "f1": _rounded(planted.f1),
        "n_truth": recall.whole,
        "n_found": recall.part,
        "n_predicted": precision.whole,
        "n_correct": precision.part,
        "min_area_m2": MIN_AREA_M2,
        "low_contrast": {
            "below_sigma": LOW_CONTRAST_SIGMA,
            "n_truth": faint.whole,
            "share": _rounded(Share(faint.whole, recall.whole).ratio),
            "recall": _rounded(faint.ratio),
        },
        "missed": list(planted.missed),
        "definitions": TRUTH_DEFINITIONS,
    }


def _rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "class": row.key,
            "n_truth": row.n_truth,
            "n_found": row.n_found,
            "recall": _rounded(row.recall),
            "recall_interval": _interval(row.recall_interval),
            "n_predicted": row.n_predicted,
            "n_correct": row.n_correct,
            "precision": _rounded(row.precision),
            "precision_interval": _interval(row.precision_interval),
        }
        for row in rows
    ]


def _reliability(curve: Reliability) -> dict[str, Any] | None:
    """None if there was no case."""
    if not curve.n:
        return None
    return {
        "n": curve.n,
        "expected_error": _rounded(curve.expected_error),
        "brier": _rounded(curve.brier),
        "bins": [
            {
                "low": round(one.low, 6),
                "high": round(one.high, 6),
                "n": one.n,
                "mean_probability": _rounded(one.mean_probability),
                "changed_share": _rounded(one.changed_share),
                "interval": _interval(one.interval),
            }
            for one in curve.bins
        ],
    }


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [round(end, 6) for end in interval]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
