"""Typesetting of cards beside the stage's other work, in processes of their own.

Typst keeps what it has seen for the life of the process, some 4 MB a card: 1,400 cards in one
process took 5 GB. Processes that end give the memory back, and use the second core.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context

from pipeline.delivery.card_images import CardImages
from pipeline.delivery.cards import Card, CardHeading
from pipeline.errors import Finding
from pipeline.io.pdf import compile_cards, missing_glyphs

PAGES_HERE = 40
"""So many cards in all are typeset in this process: starting another takes over a second."""

PAGES_PER_PROCESS = 250
"""So many share a process, about 1 GB, unless one package alone has more."""

Pages = Sequence[tuple[Card, CardImages]]


@dataclass
class Pressed:
    """The cards of one package, typeset or being typeset."""

    pages: Pages
    heading: CardHeading
    elsewhere: Future[bytes] | None
    """None: here, when the result is asked for."""

    def result(self) -> bytes:
        """The PDF; made here if the other process died (an office PC may forbid new ones)."""
        if self.elsewhere is not None:
            with suppress(BrokenProcessPool):
                return self.elsewhere.result()
        return compile_cards(self.pages, self.heading)

    def notices(self, where: str) -> tuple[Finding, ...]:
        """What could not be printed as it is; `where` names the PDF."""
        return missing_glyphs(self.pages, self.heading, where)


class CardPress:
    """Compiles packages' cards; at most one compilation runs beside the caller."""

    def __init__(self) -> None:
        self._pages_here = 0
        self._pages_there = 0
        self._is_broken = False
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> CardPress:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def press(self, pages: Pages, heading: CardHeading) -> Pressed:
        """Begin; the bytes do not depend on where they are made."""
        if self._is_broken or self._pages_here + len(pages) <= PAGES_HERE:
            self._pages_here += len(pages)
            return Pressed(pages, heading, None)
        try:
            return Pressed(pages, heading, self._submit(pages, heading))
        except BrokenProcessPool:
            self._is_broken = True
            return Pressed(pages, heading, None)

    def _submit(self, pages: Pages, heading: CardHeading) -> Future[bytes]:
        if self._pages_there + len(pages) > PAGES_PER_PROCESS:
            self._close()
        if self._pool is None:
            # Not forked: threads and open files of this process must not be doubled.
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            self._pages_there = 0
        self._pages_there += len(pages)
        return self._pool.submit(compile_cards, pages, heading)

    def _close(self) -> None:
        """End the process once it has done what it was given."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
