"""Typesetting PDF with typst; the only module that imports it.

Same input, same bytes: no clock, no system fonts, no network. Typst prints a box for a character
that the font lacks and says nothing, so every text is checked against the font beforehand.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import typst

from pipeline.delivery.assets import FONT_PATH
from pipeline.delivery.card_images import CardImages
from pipeline.delivery.card_map import SYMBOLS, swatch_svg
from pipeline.delivery.cards import Card, CardHeading
from pipeline.errors import Finding, InputError, PipelineError

CARD_TEMPLATE_PATH = FONT_PATH.with_name("card.typ")
DATA_NAME = "data.json"
UNICODE_FULL = (3, 10)
"""Platform and encoding of the font's character table that covers all of Unicode."""
MISSING_LISTED = 20


def compile_cards(pages: Sequence[tuple[Card, CardImages]], heading: CardHeading) -> bytes:
    """The PDF of one package: one A4 page per patch, in the given order.

    A compiler is made for this call and dropped after it, because it keeps what it has seen.
    Raises `InputError` naming every card that holds characters the font lacks.
    """
    if not pages:
        raise ValueError("a package without patches has no cards")
    files = {f"{key}.svg": swatch_svg(key) for key in SYMBOLS}
    cards = []
    for number, (card, images) in enumerate(pages, start=1):
        pictures = {
            f"{number:05d}_before.jpg": images.before,
            f"{number:05d}_after.jpg": images.after,
            f"{number:05d}_muted.jpg": images.muted,
            f"{number:05d}_outline.svg": images.outline,
            f"{number:05d}_outline_on_map.svg": images.outline_on_map,
            f"{number:05d}_overlay.svg": images.overlay,
        }
        files |= pictures
        view = {
            "symbols": images.symbols,
            "side_m": images.side_m,
            "scale_bar_m": images.scale_bar_m,
            "hidden": [_percent(images.hidden_before), _percent(images.hidden_after)],
            "stem": f"{number:05d}",
        }
        cards.append({**asdict(card), "view": view})
    data = {
        "heading": asdict(heading),
        "cards": cards,
        "symbols": {key: symbol.label_zh for key, symbol in SYMBOLS.items()},
    }
    _require_printable(cards, asdict(heading))
    return compile_pdf(CARD_TEMPLATE_PATH.read_text(encoding="utf-8"), data, files)


def compile_pdf(template: str, data: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Typeset a template that reads `data.json` and `files` beside it.

    Any error or warning of typst is an error of ours: E-INTERNAL.
    """
    with tempfile.TemporaryDirectory(prefix="pdf-") as folder:
        root = Path(folder)
        for name, content in files.items():
            (root / name).write_bytes(content)
        (root / DATA_NAME).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        (root / "main.typ").write_text(template, encoding="utf-8")
        try:
            compiler = typst.Compiler(root / "main.typ", root=root, font_paths=_fonts())
            result, warnings = compiler.compile_with_warnings(format="pdf", pdf_tags=False)
        except typst.TypstError as problem:
            raise _internal(problem.message, problem.diagnostic) from problem
    if warnings:
        raise _internal("；".join(warning.message for warning in warnings), "")
    assert isinstance(result, bytes)  # a PDF is one file
    return result


@lru_cache(maxsize=1)
def printable_characters() -> frozenset[int]:
    """Code points that the vendored font has, from its `cmap` table (OpenType, format 12)."""
    font = FONT_PATH.read_bytes()
    (n_tables,) = struct.unpack_from(">H", font, 4)
    records = (struct.unpack_from(">4sLLL", font, 12 + 16 * k) for k in range(n_tables))
    cmap = next(offset for tag, _, offset, _ in records if tag == b"cmap")
    (n_encodings,) = struct.unpack_from(">H", font, cmap + 2)
    encodings = (struct.unpack_from(">HHL", font, cmap + 4 + 8 * k) for k in range(n_encodings))
    start = cmap + next(at for *kind, at in encodings if tuple(kind) == UNICODE_FULL)
    (n_groups,) = struct.unpack_from(">L", font, start + 12)
    found: set[int] = set()
    for k in range(n_groups):
        first, last, _ = struct.unpack_from(">LLL", font, start + 16 + 12 * k)
        found.update(range(first, last + 1))
    return frozenset(found)


def missing_characters(value: Any) -> str:
    """Characters in a text, or in any text inside a list or mapping, that can not be printed."""
    used = {char for text in _texts(value) for char in text}
    return "".join(sorted(char for char in used if ord(char) not in printable_characters()))


def _require_printable(cards: Sequence[Mapping[str, Any]], heading: Mapping[str, Any]) -> None:
    named = [("页眉", heading), *((str(card["patch_id"]), card) for card in cards)]
    findings = [
        Finding(
            "E-FONT-GLYPH",
            "文字中有字库没有的字，核查卡无法印出。",
            where=where,
            value="、".join(f"{c}（U+{ord(c):04X}）" for c in missing[:MISSING_LISTED]),
            allowed="思源黑体（Noto Sans SC）收录的字",
            advice="在参考图层或台账中改用规范字，或用括号写明字形，再重新打包。",
        )
        for where, value in named
        if (missing := missing_characters(value))
    ]
    if findings:
        raise InputError(findings)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _percent(ratio: float) -> int:
    """A share as whole percent; at least 1 unless it is nothing."""
    return max(1, round(ratio * 100)) if ratio > 0 else 0


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[FONT_PATH.parent],
    )


def _internal(what: str, where: str) -> PipelineError:
    return PipelineError(
        Finding(
            "E-INTERNAL",
            "PDF 排版未能完成。",
            where=where,
            value=what,
            advice="请把本条信息连同运行日志交给维护人员。",
        )
    )
