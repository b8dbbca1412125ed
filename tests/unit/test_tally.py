"""Adding up: exact, order-free, unknown is not zero, and every sum says of what."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.delivery.tables.tally import (
    Item,
    Sum,
    add_totals,
    add_up,
    contributions,
    sum_cell,
    total_rows,
)

UNITS = {"patches": "个", "area_mu": "亩", "area_m2": "㎡"}


def test_float_sums_do_not_depend_on_the_order_or_lose_the_small() -> None:
    amounts = [1e16, 1.0, -1e16, 0.1, 0.2]
    items = [Item("a|issued", "area_m2", "patch", str(n), x) for n, x in enumerate(amounts)]
    found = add_up(items)["a|issued", "area_m2"].amount
    assert found == add_up(reversed(items))["a|issued", "area_m2"].amount
    assert found == 1.3


@pytest.mark.parametrize(
    ("found", "unit", "cell"),
    [
        (Sum(), "个", 0),
        (Sum(), "亩", Decimal("0.00")),
        (Sum(1234, 3), "亩", Decimal("12.34")),
        (Sum(2.675, 1), "㎡", Decimal("2.67")),
        (Sum(2.125, 1), "㎡", Decimal("2.13")),
        (Sum(0, 2, 2), "亩", "未提供"),
        (Sum(7, 3, 1), "亩", "无法计算"),
    ],
)
def test_cells(found: Sum, unit: str, cell: object) -> None:
    assert sum_cell(found, unit) == cell
    assert type(sum_cell(found, unit)) is type(cell)


def test_an_unknown_amount_makes_the_sum_unknown() -> None:
    items = [
        Item("a|issued", "area_mu", "patch", "1", 5),
        Item("a|issued", "area_mu", "p", "2", None),
    ]
    assert add_up(items)["a|issued", "area_mu"] == Sum(5, 2, 1)


def test_totals_are_of_the_group_and_of_all_once() -> None:
    assert total_rows("379|issued|x") == ("total|issued|x", "total|all|x")
    assert total_rows("379|all") == ("total|all",)


def test_contributions_name_items_of_rows_and_rows_of_totals() -> None:
    items = [
        Item("a|issued", "area_mu", "patch", "P1", 250),
        Item("a|issued", "area_mu", "patch", "P2", 0),
        Item("b|issued", "area_m2", "patch", "P3", 0.1),
    ]
    listed = [
        (c.row_key, c.column_key, c.subject_id, c.amount) for c in contributions(items, UNITS)
    ]
    assert listed == [
        ("a|issued", "area_mu", "P1", "2.50"),
        ("b|issued", "area_m2", "P3", "0.1"),
        ("total|issued", "area_mu", "a|issued", ""),
        ("total|all", "area_mu", "a|issued", ""),
        ("total|issued", "area_m2", "b|issued", ""),
        ("total|all", "area_m2", "b|issued", ""),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a|issued", "a|detected", "b|issued"]), st.integers(0, 10**9)),
        max_size=30,
    )
)
def test_totals_equal_the_rows_and_the_contributions(drawn: list[tuple[str, int]]) -> None:
    items = [Item(row, "area_mu", "patch", str(n), mu) for n, (row, mu) in enumerate(drawn)]
    rows, totals = add_up(items), add_totals(items)
    by_parts: dict[str, Decimal] = {}
    for part in contributions(items, UNITS):
        if part.subject_kind == "patch":
            by_parts[part.row_key] = by_parts.get(part.row_key, Decimal(0)) + Decimal(part.amount)
    for (row, column), found in rows.items():
        assert by_parts.get(row, Decimal(0)) * 100 == found.amount
        assert column == "area_mu"
    assert (
        sum(found.amount for found in rows.values())
        == totals.get(("total|all", "area_mu"), Sum()).amount
    )
