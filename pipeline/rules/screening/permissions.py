"""Permissions: which date clears what, and how much of a patch documents of one kind cover.

Time logic (DESIGN §5): a document not later than the before image may clear a patch; between the
images the start of works must be asked; later than the after image the works came first. Filings
and temporary land must also be valid on the after date.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from pipeline.rules.parameters import RuleInForce
from pipeline.rules.screening.facts import Document, PatchFacts, Piece, area_of, is_cultivated

LEGAL_LAYERS = ("approvals", "supply", "registration")
DATED_LAYERS = ("facility_land", "temporary_land", "mining_rights")
"""Layers whose documents hold from one day to another."""
CLOSED_LAYERS = ("temporary_land",)
"""Layers whose documents must have a last day: without one the validity is unknown, not open."""

ONE_DAY = datetime.timedelta(days=1)


class Standing(IntEnum):
    """What a document does for a change between the two dates; the smaller the better."""

    TIMELY = 0
    """In force when the change happened, whatever the day."""
    BETWEEN = 1
    """Decided between the images: it depends on the start of works."""
    UNDATED = 2
    """A date is missing, so the order in time can not be told."""
    EXPIRED = 3
    """No longer valid on the after date."""
    LATE = 4
    """Decided after the after date."""
    NONE = 5
    """No document."""


@dataclass(frozen=True)
class Window:
    """The time in which a change happened."""

    before: datetime.date | None
    after: datetime.date | None
    clears_until_after: bool = False
    """Whether a document clears until the after date instead of the before date (a rule)."""

    @property
    def cutoff(self) -> datetime.date | None:
        """Last day on which a document clears."""
        return self.after if self.clears_until_after else self.before


def effective_date(document: Document) -> datetime.date | None:
    """Day from which a document may clear: decided, and valid if that begins later."""
    if document.decided_date is None or document.valid_from_date is None:
        return document.decided_date
    return max(document.decided_date, document.valid_from_date)


def standing_of(document: Document, window: Window) -> Standing:
    """The standing of one document alone."""
    effective = effective_date(document)
    if window.before is None or window.after is None or effective is None:
        return Standing.UNDATED
    if effective > window.after:
        return Standing.LATE
    if document.layer in DATED_LAYERS:
        if document.valid_to_date is not None and document.valid_to_date < window.after:
            return Standing.EXPIRED
        if document.valid_to_date is None and document.layer in CLOSED_LAYERS:
            return Standing.UNDATED
    cutoff = window.after if window.clears_until_after else window.before
    return Standing.TIMELY if effective <= cutoff else Standing.BETWEEN


def standing_together(documents: Sequence[Document], window: Window) -> Standing:
    """The best standing of documents on the same ground; renewals without a gap count as one."""
    best = min((standing_of(document, window) for document in documents), default=Standing.NONE)
    if best in (Standing.BETWEEN, Standing.EXPIRED) and _is_renewed(documents, window):
        return Standing.TIMELY
    return best


def _is_renewed(documents: Sequence[Document], window: Window) -> bool:
    """Whether dated documents of one layer follow each other through the whole window."""
    if window.after is None or window.cutoff is None:
        return False
    for layer in DATED_LAYERS:
        reach = window.cutoff - ONE_DAY
        for effective, last in sorted(_validities(documents, layer)):
            if effective <= reach + ONE_DAY:
                reach = max(reach, last)
        if reach >= window.after:
            return True
    return False


def _validities(
    documents: Sequence[Document], layer: str
) -> Iterable[tuple[datetime.date, datetime.date]]:
    """First and last day of the documents of a layer; an open end is the last day there is."""
    for document in documents:
        effective, last = effective_date(document), document.valid_to_date
        if last is None and layer not in CLOSED_LAYERS:
            last = datetime.date.max - ONE_DAY
        if document.layer == layer and effective is not None and last is not None:
            yield effective, last


@dataclass(frozen=True)
class Coverage:
    """How documents of some layers cover the pieces of a patch; overlaps count once."""

    facts: PatchFacts
    layers: tuple[str, ...]
    standings: tuple[Standing, ...]
    """One per piece: the best of its documents."""

    def pieces(self, worst: Standing) -> tuple[Piece, ...]:
        """Pieces covered with a standing not worse than `worst`."""
        return tuple(p for p, s in self.rated() if s <= worst)

    def outside(self, worst: Standing) -> tuple[Piece, ...]:
        """All other pieces."""
        return tuple(p for p, s in self.rated() if s > worst)

    def area_m2(self, worst: Standing = Standing.LATE) -> float:
        """Area covered with a standing not worse than `worst`."""
        return area_of(self.pieces(worst))

    def documents(self, standing: Standing | None = None) -> tuple[Document, ...]:
        """The documents on pieces of one standing (of any but NONE), each once, by layer and id."""
        found = {
            (document.layer, document.feature_id): document
            for piece, rated in self.rated()
            if standing in (None, rated)
            for document in self.facts.documents_on(piece, self.layers)
        }
        return tuple(found[key] for key in sorted(found))

    def rated(self) -> Iterable[tuple[Piece, Standing]]:
        """Every piece with its standing."""
        return zip(self.facts.pieces, self.standings, strict=True)


def coverage_by(facts: PatchFacts, layers: tuple[str, ...], window: Window) -> Coverage:
    """Coverage of a patch by the documents of some layers together."""
    standings = tuple(
        standing_together(facts.documents_on(piece, layers), window) for piece in facts.pieces
    )
    return Coverage(facts, layers, standings)


def small_cultivated_rest(
    rest: Sequence[Piece], has_land_use: bool, rule: RuleInForce
) -> bool | None:
    """Whether the cultivated land of an uncovered rest is within the rule; None if not known.

    Pieces that the survey does not cover may be cultivated or not.
    """
    unknown = area_of(rest, lambda piece: piece.land_category is None)
    cultivated = area_of(rest, is_cultivated) if has_land_use else 0.0
    if not rule.meets_area(cultivated):
        return False
    return True if rule.meets_area(cultivated + unknown) else None
