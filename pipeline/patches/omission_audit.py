"""Omission audit (漏检抽查): how much new construction the run did not find, from a blind sample.

The county is cut into square cells. Cells are put into strata by what the run itself knows of them,
a fixed number is drawn from each stratum, and two readers who do not see the run's answer say
whether new construction stands there. Recall is the share of the area of cells with new
construction that the run reported: a ratio of stratified totals (Olofsson et al. 2014, Remote
Sensing of Environment 148). Omissions are rare, so the usual normal interval breaks down at zero
findings; the interval here lets every stratum's share vary as a binomial sample of its size allows
(Clopper and Pearson 1934, Biometrika 26(4), joined over the strata by seeded draws).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.schema.model import Frozen

REPORTED, CHANGED, FAINT, QUIET = range(4)
"""Strata: a reported construction-like patch lies in the cell; other clear change; some faint
change; none."""
STRATA_ZH = ("已报疑似建设", "其他明显变化", "微弱变化", "无变化迹象")
SHARES = (0.2, 0.35, 0.25, 0.2)
"""How the sample is shared out: most cells where an omission is most likely to lie."""
DRAWS = 5_000
LOW_PRIOR = 1.0 / 3.0
"""Omissions added to every stratum for the lower limit: none found does not mean none there."""
INTERVAL = (0.025, 0.975)


class AuditParams(Frozen):
    """Settings of the omission audit (漏检抽查)."""

    cell_m: float = Field(100.0, gt=0, le=1000, description="抽查格的边长，米")
    cells: int = Field(300, ge=40, le=5000, description="抽查格总数；格数越多，区间越窄")
    min_per_stratum: int = Field(20, ge=5, description="每一层的最少格数；不足的整层全查")
    min_observed: float = Field(
        0.5, gt=0, le=1, description="格内两期都可观测的比例不低于此值才参加抽查"
    )
    seed: int = Field(1, ge=0, description="抽样种子")


@dataclass(frozen=True, eq=False)
class Stratum:
    """What was found in one stratum."""

    cells: int
    """All its cells."""
    read: int
    """Cells with an answer both readers stand by."""
    positive: int
    """Of these, cells with new construction."""


@dataclass(frozen=True)
class AuditResult:
    """Area-adjusted recall with its 95 % interval, and the share of cells with new construction."""

    recall: float | None
    recall_low: float
    recall_high: float
    precision: float | None
    """Share of the reported cells in which new construction stands."""


def allocate(sizes: Sequence[int], params: AuditParams) -> list[int]:
    """How many cells to draw from strata of the given sizes: `params.cells` together, or all."""
    least = min(params.min_per_stratum, params.cells // len(SHARES))
    wanted = [max(least, round(params.cells * share)) for share in SHARES]
    for _ in range(sum(wanted) - params.cells):
        wanted[wanted.index(max(wanted))] -= 1
    drawn = [min(n, size) for n, size in zip(wanted, sizes, strict=True)]
    # What a small stratum does not use goes to the largest that still has cells.
    spare = params.cells - sum(drawn)
    for at in sorted(range(len(sizes)), key=lambda k: -sizes[k]):
        more = max(0, min(spare, sizes[at] - drawn[at]))
        drawn[at] += more
        spare -= more
    return drawn


def draw_cells(stratum: NDArray[np.int64], params: AuditParams) -> NDArray[np.int64]:
    """Numbers of the drawn cells in random order; `stratum` is `(cell,)`, −1 takes no part.

    The order is random over the strata so that it tells a reader nothing.
    """
    rng = np.random.default_rng([params.seed, stratum.size])
    members = [np.flatnonzero(stratum == number) for number in range(len(STRATA_ZH))]
    counts = allocate([len(cells) for cells in members], params)
    chosen = [rng.choice(cells, n, replace=False) for cells, n in zip(members, counts, strict=True)]
    return np.asarray(rng.permutation(np.concatenate(chosen)), np.int64)


def estimate(strata: Sequence[Stratum], seed: int) -> AuditResult:
    """Recall from the answers in `STRATA_ZH` order; cells are of one size, so counts are areas.

    Strata without any answer, though not empty, leave the recall unknown (None) and its interval
    open towards 0.
    """
    weight = np.array([s.cells for s in strata], np.float64)
    read = np.array([s.read for s in strata], np.float64)
    positive = np.array([s.positive for s in strata], np.float64)
    share = np.divide(positive, read, out=np.full(read.size, np.nan), where=read > 0)
    known = np.where(weight > 0, share, 0.0) * weight
    total = float(known.sum())
    recall = float(known[REPORTED]) / total if total > 0 else None
    rng = np.random.default_rng([seed, int(read.sum())])
    prior = np.full(read.size, LOW_PRIOR)
    prior[REPORTED] = 1.0 - LOW_PRIOR
    low = _quantile(_recalls(weight, read, positive, prior, rng), INTERVAL[0], 0.0)
    prior = np.zeros(read.size)
    prior[REPORTED] = 1.0
    high = _quantile(_recalls(weight, read, positive, prior, rng), INTERVAL[1], 1.0)
    precision = None if np.isnan(share[REPORTED]) else float(share[REPORTED])
    return AuditResult(recall, low, high, precision)


def _recalls(
    weight: NDArray[np.float64],
    read: NDArray[np.float64],
    positive: NDArray[np.float64],
    prior: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draws of the recall, NaN where nothing is positive; a share of 0 or 1 without prior stays."""
    above, below = positive + prior, read - positive + 1.0 - prior
    drawn = rng.beta(
        np.maximum(above, 1e-9)[:, None], np.maximum(below, 1e-9)[:, None], (read.size, DRAWS)
    )
    share = np.where((above > 0)[:, None], np.where((below > 0)[:, None], drawn, 1.0), 0.0)
    area = share * weight[:, None]
    total = area.sum(axis=0)
    recalls: NDArray[np.float64] = np.where(
        total > 0, area[REPORTED] / np.where(total > 0, total, 1.0), np.nan
    )
    return recalls


def _quantile(values: NDArray[np.float64], at: float, otherwise: float) -> float:
    found = values[~np.isnan(values)]
    return float(np.quantile(found, at)) if found.size else otherwise
