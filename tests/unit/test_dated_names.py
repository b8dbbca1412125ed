"""Dates in file names."""

from __future__ import annotations

import datetime

import pytest

from pipeline.schema.dated_names import find_dates


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("GF2_PMS1_E113.2_N23.1_20240506_L1A0001234567", ["2024-05-06"]),
        ("县影像2024-05-06", ["2024-05-06"]),
        ("2024.10.18后时相", ["2024-10-18"]),
        ("2024年5月6日", ["2024-05-06"]),
        ("mosaic_20240301_20240515", ["2024-03-01", "2024-05-15"]),
        ("m_4709963_se_14_1_20090818", ["2009-08-18"]),
        ("before", []),
        ("L1A0020240506", []),
        ("20240231", []),
        ("20241301", []),
        ("2024-0506", []),
        ("370112_2024", []),
    ],
)
def test_dates_are_found_and_order_numbers_are_not(name: str, days: list[str]) -> None:
    assert find_dates(name) == tuple(datetime.date.fromisoformat(day) for day in days)
