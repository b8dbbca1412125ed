import numpy as np
import pytest

from pipeline.patches.omission_audit import (
    CHANGED,
    FAINT,
    QUIET,
    REPORTED,
    AuditParams,
    Stratum,
    allocate,
    draw_cells,
    estimate,
)

COUNTIES = {
    "few omissions": ([160, 900, 2_000, 13_000], [0.9, 0.02, 0.002, 0.00005]),
    "many omissions": ([160, 900, 2_000, 13_000], [0.85, 0.15, 0.03, 0.002]),
    "none": ([300, 1_000, 3_000, 10_000], [0.95, 0.0, 0.0, 0.0]),
    "poor precision": ([800, 900, 2_000, 13_000], [0.3, 0.03, 0.005, 0.0002]),
    "large county": ([900, 9_000, 30_000, 120_000], [0.9, 0.01, 0.001, 0.0]),
}


@pytest.mark.parametrize("name", COUNTIES)
def test_interval_holds_the_truth_in_93_of_100_audits(name: str) -> None:
    """500 audits of a county whose cells are all known."""
    sizes, shares = COUNTIES[name]
    rng = np.random.default_rng(11)
    positive = [np.arange(n) < round(n * p) for n, p in zip(sizes, shares, strict=True)]
    found = [int(cells.sum()) for cells in positive]
    truth = found[REPORTED] / sum(found)
    drawn = allocate(sizes, AuditParams())
    held = 0
    for number in range(500):
        hits = [
            rng.hypergeometric(k, n - k, m) for k, n, m in zip(found, sizes, drawn, strict=True)
        ]
        strata = [Stratum(n, m, int(x)) for n, m, x in zip(sizes, drawn, hits, strict=True)]
        result = estimate(strata, number)
        held += result.recall_low <= truth <= result.recall_high
    assert held >= 0.93 * 500, held


def test_recall_weighs_the_strata_by_their_cells() -> None:
    strata = [Stratum(100, 50, 40), Stratum(1_000, 100, 1), Stratum(10, 10, 0), Stratum(9, 9, 0)]
    result = estimate(strata, 1)
    assert result.recall == pytest.approx(80 / 90)
    assert result.precision == pytest.approx(0.8)
    assert result.recall_low < 80 / 90 < result.recall_high <= 1.0


def test_more_reading_narrows_the_interval() -> None:
    few = estimate([Stratum(160, 40, 36), *[Stratum(5_000, 80, 0)] * 3], 1)
    many = estimate([Stratum(160, 160, 144), *[Stratum(5_000, 1_600, 0)] * 3], 1)
    assert few.recall == many.recall == 1.0
    assert few.recall_high == many.recall_high == 1.0
    assert many.recall_low > few.recall_low + 0.1


def test_without_answers_nothing_is_claimed() -> None:
    nothing = estimate([Stratum(10, 0, 0), *[Stratum(100, 0, 0)] * 3], 1)
    assert nothing.recall is None
    assert nothing.precision is None
    assert nothing.recall_low < 0.05
    assert nothing.recall_high == 1.0
    no_construction = estimate([Stratum(0, 0, 0), *[Stratum(100, 50, 0)] * 3], 1)
    assert no_construction.recall is None


def test_an_unread_stratum_leaves_the_recall_unknown() -> None:
    strata = [Stratum(50, 20, 20), Stratum(100, 0, 0), Stratum(100, 20, 0), Stratum(100, 20, 0)]
    assert estimate(strata, 1).recall is None


def test_cells_are_drawn_from_every_stratum_in_random_order() -> None:
    stratum = np.repeat([REPORTED, CHANGED, FAINT, QUIET, -1], [12, 400, 900, 5_000, 700])
    params = AuditParams()
    cells = draw_cells(stratum, params)
    assert cells.size == params.cells == np.unique(cells).size
    counts = np.bincount(stratum[cells], minlength=4)
    assert counts.tolist() == allocate([12, 400, 900, 5_000], params)
    assert counts[REPORTED] == 12
    assert (stratum[cells] >= 0).all()
    assert np.abs(np.corrcoef(np.arange(cells.size), stratum[cells])[0, 1]) < 0.2
    assert (draw_cells(stratum, params) == cells).all()
    assert (draw_cells(stratum, AuditParams(seed=2)) != cells).any()


def test_a_county_smaller_than_the_sample_is_read_whole() -> None:
    assert allocate([3, 10, 20, 30], AuditParams()) == [3, 10, 20, 30]


@pytest.mark.parametrize("cells", [40, 45, 79, 80, 100, 300])
def test_as_many_cells_are_drawn_as_were_asked_for(cells: int) -> None:
    drawn = allocate([500, 500, 500, 1000], AuditParams(cells=cells))
    assert sum(drawn) == cells
    assert min(drawn) >= min(20, cells // 4)
