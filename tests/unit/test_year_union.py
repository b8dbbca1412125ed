"""A year is the union of its runs by lineage: no land twice, none lost, none taken back."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.rules.books.year_union import year_union
from tests.books_factory import patch_row

RUNS = ["2026Q1", "2026Q2", "2026Q3"]
UNSIGNED = {"judged_by": None}


def link(run: str, patch: str, earlier_run: str, earlier: str, relation: str) -> dict[str, Any]:
    return {
        "run": run,
        "patch_id": patch,
        "earlier_run": earlier_run,
        "earlier_patch_id": earlier,
        "lineage_relation": relation,
    }


def ids(rows: list[dict[str, Any]], links: list[dict[str, Any]]) -> list[str]:
    found = [str(row["patch_id"]) for row in year_union(rows, 2026, RUNS, links)]
    backwards = [str(row["patch_id"]) for row in year_union(rows[::-1], 2026, RUNS, links[::-1])]
    assert found == backwards
    return found


def test_one_lineage_counts_once_in_a_year_as_its_latest_run_has_it() -> None:
    rows = [
        patch_row("P1", run="2026Q1", lineage_id="L1"),
        patch_row("P2", run="2026Q2", lineage_id="L1"),
        patch_row("P3", run="2026Q2", lineage_id="L2"),
        patch_row("P4", run="2026Q1", lineage_id="L3"),
        patch_row("P5", run="2026Q2", lineage_id="L3", is_withdrawn=True),
        patch_row("P6", run="2025Q4", lineage_id="L4", check_year=2025),
        patch_row("P7", run="2026Q3", lineage_id="L5"),
    ]
    found = year_union(rows, 2026, ["2025Q4", "2026Q1", "2026Q2"])
    assert [row["patch_id"] for row in found] == ["P2", "P3", "P4"]
    assert found == year_union(rows[::-1], 2026, ["2025Q4", "2026Q1", "2026Q2"])


def test_a_period_that_is_not_judged_yet_takes_no_signed_judgement_back() -> None:
    unsigned = {"judged_by": None}
    rows = [
        patch_row("P1", run="2026Q1", lineage_id="L1"),
        patch_row("P2", run="2026Q2", lineage_id="L1", **unsigned),
        patch_row("P3", run="2026Q1", lineage_id="L2"),
        patch_row("P4", run="2026Q2", lineage_id="L2", judgement="new_lawful"),
        patch_row("P5", run="2026Q1", lineage_id="L3", **unsigned),
        patch_row("P6", run="2026Q2", lineage_id="L3", **unsigned),
    ]
    found = year_union(rows, 2026, ["2026Q1", "2026Q2"])
    assert [row["patch_id"] for row in found] == ["P1", "P4", "P6"]


SPLIT = [
    link("2026Q2", "P_1", "2026Q1", "P", "split"),
    link("2026Q2", "P_2", "2026Q1", "P", "split"),
]


def test_both_pieces_of_a_split_patch_count_and_the_whole_does_not() -> None:
    rows = [
        patch_row("P", run="2026Q1", lineage_id="L"),
        patch_row("P_1", run="2026Q2", lineage_id="L"),
        patch_row("P_2", run="2026Q2", lineage_id="L"),
    ]
    assert ids(rows, SPLIT) == ["P_1", "P_2"]


def test_a_signed_whole_stands_until_every_piece_is_signed() -> None:
    rows = [
        patch_row("P", run="2026Q1", lineage_id="L"),
        patch_row("P_1", run="2026Q2", lineage_id="L"),
        patch_row("P_2", run="2026Q2", lineage_id="L", **UNSIGNED),
    ]
    assert ids(rows, SPLIT) == ["P"]
    later = patch_row("P_2", run="2026Q3", lineage_id="L")
    again = link("2026Q3", "P_2", "2026Q2", "P_2", "continued")
    assert [row["run"] for row in year_union([*rows, later], 2026, RUNS, [*SPLIT, again])] == [
        "2026Q2",
        "2026Q3",
    ]


def test_a_merged_patch_counts_once_for_all_it_came_from() -> None:
    rows = [
        patch_row("A", run="2026Q1", lineage_id="A"),
        patch_row("B", run="2026Q1", lineage_id="B"),
        patch_row("A", run="2026Q2", lineage_id="A"),
        patch_row("A", run="2026Q3", lineage_id="A"),
    ]
    links = [
        link("2026Q2", "A", "2026Q1", "A", "continued"),
        link("2026Q3", "A", "2026Q2", "A", "merged"),
        link("2026Q3", "A", "2026Q1", "B", "merged"),
    ]
    assert [row["run"] for row in year_union(rows, 2026, RUNS, links)] == ["2026Q3"]
    rows[3] = patch_row("A", run="2026Q3", lineage_id="A", **UNSIGNED)
    standing = [(row["run"], row["patch_id"]) for row in year_union(rows, 2026, RUNS, links)]
    assert standing == [("2026Q2", "A"), ("2026Q1", "B")]


@pytest.mark.parametrize("relation", ["vanished", "adjoins"])
def test_what_vanished_or_only_adjoins_takes_no_place(relation: str) -> None:
    rows = [
        patch_row("A", run="2026Q1", lineage_id="A"),
        patch_row("B", run="2026Q2", lineage_id="B"),
    ]
    named = "A" if relation == "vanished" else "B"
    assert ids(rows, [link("2026Q2", named, "2026Q1", "A", relation)]) == ["A", "B"]
