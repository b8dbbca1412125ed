"""Kinds of whole objects from the votes of their pixels, and vetoes of their shape."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.config.load import CHANGE_KIND_CODES, load_codes, load_kind_codes
from pipeline.patches.kinds import BUILT_KINDS
from pipeline.patches.object_kinds import (
    GROUND_KINDS,
    ObjectKindParams,
    ground_share,
    kind_shares,
    object_kinds,
)

CODES = load_kind_codes()
VALUES = tuple(CODES)
GROUND = ("earthwork", "excavation", "grave_kiln", "waste", "demolition")
TBLX_2026 = [
    *("20", "YH", "DT", "TD", "DL1", "DL2", "DL3", "TL", "ND", "SJ", "CK", "YT", "LD", "GF"),
    *("01", "02", "03", "04", "SM", "KT", "SK", "HL", "GQ", "WL", "TP", "QT", "GEF", "ZQC"),
    *("JC", "LT", "LY", "WH", "TH"),
]
"""The 33 codes of the issued patches' field TBLX (DOMAIN [F11])."""


def told(
    *, likely: bool, opened: bool = False, width_m: float = 20, ratio: float = 1.5, **pixels: int
) -> str:
    value_of = {code: value for value, code in CODES.items()}
    counts = np.zeros((1, len(VALUES)), np.int64)
    for code, n in pixels.items():
        counts[0, VALUES.index(value_of[code])] = n
    shape = {"width_m": np.array([width_m]), "length_ratio": np.array([ratio])}
    kinds = object_kinds(
        kind_shares(counts, VALUES), np.array([likely]), np.array([opened]), shape,
        ObjectKindParams(),
    )  # fmt: skip
    return CODES[int(kinds[0])]


@pytest.mark.parametrize("code", ["building", "hardened", "photovoltaic", "facility"])
def test_construction_gets_the_kind_half_of_it_has(code: str) -> None:
    assert told(likely=True, **{code: 50, "crop": 50}) == code
    assert told(likely=True, **{code: 49, "crop": 51}) == "construction"


def test_votes_that_disagree_leave_construction_as_it_is() -> None:
    assert told(likely=True, building=40, hardened=45, crop=15) == "construction"
    assert told(likely=True, construction=90, building=10) == "construction"


def test_a_road_is_narrow_and_long() -> None:
    assert told(likely=True, road=90, width_m=6, ratio=20) == "road"
    assert told(likely=True, road=90, width_m=6, ratio=3.9) == "hardened"
    assert told(likely=True, road=90, width_m=31, ratio=9) == "hardened"


@pytest.mark.parametrize("code", GROUND)
def test_digging_and_piling_are_told_where_their_votes_add_up(code: str) -> None:
    assert told(likely=False, **{code: 40, "crop": 60}) == code
    assert told(likely=False, **{code: 39, "crop": 61}) == "crop"
    rest = {other: 5 for other in GROUND if other != code}
    assert told(likely=False, crop=55, **{code: 21}, **rest) == code, "together they are enough"


def test_other_change() -> None:
    assert told(likely=False, crop=80, water=20) == "crop"
    assert told(likely=False, crop=40, water=60) == "water"
    assert told(likely=False, unknown=90, crop=10) == "unknown"
    assert told(likely=False, construction=100) == "crop", "bare, and judged no construction"
    assert told(likely=False, crop=100, opened=True) == "earthwork"
    assert told(likely=True, crop=100, opened=True) == "construction"


def test_ground_share_adds_all_that_is_no_crop() -> None:
    counts = np.zeros((1, len(VALUES)), np.int64)
    for value in GROUND_KINDS:
        counts[0, VALUES.index(value)] = 10
    counts[0, VALUES.index(40)] = 60
    assert ground_share(kind_shares(counts, VALUES))[0] == pytest.approx(5 / 11)


def test_every_tblx_is_some_kinds() -> None:
    table = load_codes(CHANGE_KIND_CODES).attributes
    listed = [code for told_of in table.values() for code in json.loads(told_of["tblx"])]
    assert sorted(set(listed)) == sorted(TBLX_2026)
    without = {code for code, columns in table.items() if columns["tblx"] == "[]"}
    assert without == {"facility", "grave_kiln", "demolition"}
    assert all("TBLX" in table[code]["description_zh"] for code in without), "the reason is said"


def test_kinds_that_are_told_are_in_the_code_table_as_the_rules_expect() -> None:
    table = load_codes(CHANGE_KIND_CODES).attributes
    assert all(table[CODES[value]]["is_construction"] == "1" for value in BUILT_KINDS)
    assert all(table[CODES[value]]["is_construction"] == "0" for value in GROUND_KINDS)
