"""Classes of size and kind."""

from __future__ import annotations

import numpy as np

from pipeline.patches.agreement import Outcomes, Row, by_kind, by_size, size_names

BOUNDS = (400.0, 1000.0, 3000.0)


def outcomes(*entries: tuple[float, str | None, bool]) -> Outcomes:
    area, kind, good = zip(*entries, strict=True)
    return Outcomes(np.array(area), np.array(kind, object), np.array(good))


def test_a_bound_belongs_to_the_class_above() -> None:
    truth = outcomes(
        (399.99, None, True), (400, None, False), (999, None, True), (3000, None, True)
    )
    predicted = outcomes((1000, "road", True), (9000, "road", False))
    rows = by_size(truth, predicted, BOUNDS)
    assert [row.key for row in rows] == ["<400", "400-1000", "1000-3000", ">=3000"]
    assert rows[0] == Row("<400", 1, 1, 0, 0)
    assert rows[1] == Row("400-1000", 2, 1, 0, 0)
    assert rows[2] == Row("1000-3000", 0, 0, 1, 1)
    assert rows[3] == Row(">=3000", 1, 1, 1, 0)
    assert sum(row.n_truth for row in rows) == 4


def test_kinds_that_only_one_side_knows_have_a_row() -> None:
    truth = outcomes((500, "building", True), (500, None, False))
    predicted = outcomes((500, "construction", False), (700, "building", True))
    assert by_kind(truth, predicted) == [
        Row("building", 1, 1, 1, 1),
        Row("construction", 0, 0, 1, 0),
    ]


def test_shares_of_nothing_are_unknown() -> None:
    row = Row("<400", 0, 0, 3, 0)
    assert (row.recall, row.recall_interval) == (None, None)
    assert row.precision == 0.0
    assert row.precision_interval is not None
    assert by_size(Outcomes.none(), Outcomes.none(), BOUNDS)[0] == Row("<400", 0, 0, 0, 0)


def test_sums_of_scenes() -> None:
    one = outcomes((500, "building", True))
    both = one + outcomes((5000, None, False)) + Outcomes.none()
    assert both.counts(np.array([True, True])) == (2, 1)
    assert size_names((200.0,)) == ["<200", ">=200"]
