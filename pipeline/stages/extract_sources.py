"""Part of `extract`: which of the patches the run wants, and how they compare with issued ones."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.patches.issued import Detected, Matching
from pipeline.patches.issued_comparison import (
    EXTRA,
    MATCHED,
    MISSED,
    UNOBSERVED,
    ComparedRun,
    compare_issued,
)
from pipeline.patches.learning import recalibrated
from pipeline.patches.measures import DropReason
from pipeline.stages.context import Number, StageContext

SET_ASIDE = (DropReason.LOW_PROBABILITY, DropReason.NOT_REQUESTED)


def set_aside(
    context: StageContext, detected: Detected, table: gpd.GeoDataFrame
) -> NDArray[np.str_]:
    """Reasons `(object,)` after what was learned from returns and what the run asks for.

    Brings the probability of construction-like patches in `table` up to what was learned, in place.
    """
    settings = context.run.settings.extract
    reasons = detected.reasons.copy()
    is_patch = reasons == DropReason.KEPT
    chosen = is_patch & detected.is_likely
    found = table["probability"].to_numpy(np.float64).copy()
    found[chosen] = recalibrated(found[chosen], settings.returns)
    table["probability"] = found
    reasons[chosen & (found < settings.returns.min_probability)] = DropReason.LOW_PROBABILITY.value
    if settings.sources == "issued":
        reasons[is_patch] = DropReason.NOT_REQUESTED.value
    return reasons


def set_aside_counts(detected: Detected, reasons: NDArray[np.str_]) -> dict[str, Number]:
    """How many patches were set aside for which reason, and their pixels."""
    counts: dict[str, Number] = {}
    for reason in SET_ASIDE:
        chosen = reasons == reason
        counts[f"dropped_{reason}"] = int(chosen.sum())
        counts[f"dropped_{reason}_pixels"] = int(detected.components.n_pixels[chosen].sum())
    return counts


def compared_run(kept: gpd.GeoDataFrame, dropped: gpd.GeoDataFrame) -> ComparedRun:
    """The run's patches and dropped objects, as `compare_issued` wants them."""
    labels = load_codes(CODES_DIR / "drop_reason.csv").labels
    return ComparedRun(kept, dropped, labels)


def matches(issued: gpd.GeoDataFrame, matching: Matching, run: ComparedRun) -> pd.DataFrame:
    """`ISSUED_MATCHES` rows of the run."""
    return compare_issued(run, issued["issued_id"].tolist(), matching)


def match_counts(compared: pd.DataFrame) -> dict[str, Number]:
    """Rows of each state."""
    return {
        f"match_{state}": int((compared["match_state"] == state).sum())
        for state in (MATCHED, MISSED, UNOBSERVED, EXTRA)
    }
