"""The seven kinds: several at once, noise, what is not asserted without its layer."""

from __future__ import annotations

import pytest

from pipeline.rules.screening.violation_kinds import PROBLEM_CLASSES, find_kinds, primary_kind
from pipeline.schema.reference import REFERENCE_LAYERS
from tests.screening_facts import CODES, patch, piece, walk

SUSPECTED = "suspected_violation"


@pytest.mark.parametrize("suspected_class", CODES["suspected_class"].labels)
def test_only_classes_that_are_or_may_be_a_problem_get_kinds(suspected_class: str) -> None:
    facts = patch([piece(1000.0, is_pbf=True)])
    kinds = find_kinds(walk(facts), suspected_class, facts.pieces)
    assert kinds == (("1", "4") if suspected_class in PROBLEM_CLASSES else ())


@pytest.mark.parametrize(
    ("kinds", "first"),
    [
        ("1234567", "4"),
        ("123567", "5"),
        ("12367", "3"),
        ("1267", "2"),
        ("167", "1"),
        ("67", "6"),
        ("7", "7"),
        ("", None),
    ],
)
def test_the_primary_kind_is_4_5_3_2_1_6_7(kinds: str, first: str | None) -> None:
    assert primary_kind(walk(patch([piece(1.0)])), tuple(kinds)) == first


@pytest.mark.parametrize(("area", "kinds"), [(0.5, ("1", "3")), (0.51, ("1", "3", "4"))])
def test_overlaps_within_the_noise_do_not_count(area: float, kinds: tuple[str, ...]) -> None:
    facts = patch([piece(area, is_pbf=True), piece(1000.0)])
    assert find_kinds(walk(facts), SUSPECTED, facts.pieces) == kinds


def test_kinds_look_only_at_the_pieces_that_no_document_clears() -> None:
    cleared, rest = piece(1000.0, is_pbf=True), piece(1000.0, land_category="unused")
    facts = patch([cleared, rest])
    assert find_kinds(walk(facts), "part_approved", (rest,)) == ("1",)


def test_existing_construction_land_is_not_newly_taken() -> None:
    facts = patch([piece(1000.0, land_category="construction")])
    assert find_kinds(walk(facts), SUSPECTED, facts.pieces) == ()


def test_a_town_piece_counts_for_6_and_a_village_piece_for_7() -> None:
    facts = patch(
        [
            piece(10.0, land_category="unused", is_urban=True, is_settlement=True),
            piece(10.0, land_category="unused", is_settlement=True),
        ]
    )
    assert find_kinds(walk(facts), SUSPECTED, facts.pieces) == ("1", "6", "7")
    town = patch([piece(10.0, land_category="unused", is_urban=True, is_settlement=True)])
    assert find_kinds(walk(town), SUSPECTED, town.pieces) == ("1", "6")


@pytest.mark.parametrize(
    ("absent", "kinds", "evidence"),
    [
        (None, ("1", "3", "6"), None),
        ("permits", ("1", "3"), "planning_permit"),
        ("permanent_basic_farmland", ("1", "3", "6"), "permanent_basic_farmland"),
        ("land_use", ("1", "6"), "land_use"),
        ("settlements", ("1", "3", "6"), "planning_area"),
    ],
)
def test_a_kind_is_not_asserted_without_its_layer(
    absent: str | None, kinds: tuple[str, ...], evidence: str | None
) -> None:
    category = None if absent == "land_use" else "cultivated"
    facts = patch(
        [piece(100.0, land_category=category, is_urban=True)],
        supplied=frozenset(REFERENCE_LAYERS) - {absent},
    )
    notes = walk(facts)
    assert find_kinds(notes, SUSPECTED, facts.pieces) == kinds
    assert notes.missing == ({evidence} if evidence else set())


def test_mining_outside_a_right_is_not_asserted_without_the_layer() -> None:
    changes = {"change_kind": "excavation", "is_construction": False}
    pieces = [piece(100.0, land_category="unused")]
    assert find_kinds(walk(facts := patch(pieces, **changes)), SUSPECTED, facts.pieces) == ("5",)
    without = frozenset(REFERENCE_LAYERS) - {"mining_rights"}
    facts = patch(pieces, supplied=without, **changes)
    notes = walk(facts)
    assert find_kinds(notes, SUSPECTED, facts.pieces) == ()
    assert notes.missing == {"mining_right"}


def test_every_kind_quotes_its_document() -> None:
    for code, row in CODES["violation_kind"].attributes.items():
        assert row["text_zh"].startswith("“")
        assert row["text_zh"].endswith("”")
        assert row["reference_zh"].endswith(f"三（一）{code}")
