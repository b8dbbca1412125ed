"""Typesetting PDF with typst; the only module that imports it.

Same input, same bytes: no clock, no system fonts, no network. Typst prints a box for a character
that the font lacks and says nothing, so such characters are replaced by 〓 beforehand and told.
"""

from __future__ import annotations

import json
import struct
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import typst

from pipeline.delivery.assets import FONT_PATH
from pipeline.delivery.card_images import CardImages
from pipeline.delivery.card_map import HIDDEN, SYMBOLS, swatch_svg
from pipeline.delivery.cards import Card, CardHeading
from pipeline.errors import Finding, PipelineError, Severity

CARD_TEMPLATE_PATH = FONT_PATH.with_name("card.typ")
DATA_NAME = "data.json"
UNICODE_FULL = (3, 10)
"""Platform and encoding of the font's character table that covers all of Unicode."""
MISSING_LISTED = 20
GETA = "〓"
"""What Chinese and Japanese printers set for a type they lack."""


def compile_cards(pages: Sequence[tuple[Card, CardImages]], heading: CardHeading) -> bytes:
    """The PDF of one package: one A4 page per patch, in the given order.

    A compiler is made for this call and dropped after it, because it keeps what it has seen.
    Characters the font lacks are printed as 〓; `missing_glyphs` tells which.
    """
    if not pages:
        raise ValueError("a package without patches has no cards")
    files = {f"{key}.svg": swatch_svg(key) for key in (*SYMBOLS, *HIDDEN)}
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
            "hidden_kinds": images.hidden_kinds,
            "stem": f"{number:05d}",
        }
        cards.append({**asdict(card), "view": view})
    data = {
        "heading": asdict(heading),
        "cards": cards,
        "symbols": {key: symbol.label_zh for key, symbol in SYMBOLS.items()},
        "hidden": {key: symbol.label_zh for key, symbol in HIDDEN.items()},
    }
    return compile_pdf(CARD_TEMPLATE_PATH.read_text(encoding="utf-8"), printable(data), files)


def compile_pdf(template: str, data: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Typeset a template that reads `data.json` and `files` beside it.

    Any error or warning of typst is an error of ours: E-INTERNAL.
    """
    return _typeset(template, data, files, {"format": "pdf", "pdf_tags": False})


def compile_png(
    template: str, data: Mapping[str, Any], files: Mapping[str, bytes], dots_per_inch: float
) -> bytes:
    """The same as a picture of the only page, for files that can not hold vectors."""
    return _typeset(template, data, files, {"format": "png", "ppi": dots_per_inch})


def _typeset(
    template: str,
    data: Mapping[str, Any],
    files: Mapping[str, bytes],
    options: Mapping[str, Any],
) -> bytes:
    with tempfile.TemporaryDirectory(prefix="pdf-") as folder:
        root = Path(folder)
        for name, content in files.items():
            (root / name).write_bytes(content)
        (root / DATA_NAME).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        (root / "main.typ").write_text(template, encoding="utf-8")
        try:
            compiler = typst.Compiler(root / "main.typ", root=root, font_paths=_fonts())
            result, warnings = compiler.compile_with_warnings(**options)
        except typst.TypstError as problem:
            raise _internal(problem.message, problem.diagnostic) from problem
    if warnings:
        raise _internal("；".join(warning.message for warning in warnings), "")
    assert isinstance(result, bytes)  # one file
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
    return "".join(sorted(char for char in used if _is_missing(char)))


def printable(value: Any) -> Any:
    """The same with 〓 for characters the font lacks, without invisible ones, on single lines."""
    if isinstance(value, str):
        visible = (" " if char.isspace() else char for char in value if not _is_invisible(char))
        return "".join(GETA if _is_missing(char) else char for char in visible)
    if isinstance(value, Mapping):
        return {key: printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(item) for item in value]
    return value


def missing_glyphs(
    pages: Sequence[tuple[Card, CardImages]], heading: CardHeading, where: str
) -> tuple[Finding, ...]:
    """One notice N-FONT-GLYPH naming the characters that `compile_cards` replaces, or none."""
    cards = [(card.patch_id, missing_characters(asdict(card))) for card, _ in pages]
    cards = [(patch, missing) for patch, missing in cards if missing]
    everywhere = missing_characters(asdict(heading))
    characters = sorted({*everywhere, *(char for _, missing in cards for char in missing)})
    if not characters:
        return ()
    named = "、".join(f"{char}（U+{ord(char):04X}）" for char in characters[:MISSING_LISTED])
    more = f"等 {len(characters)} 个" if len(characters) > MISSING_LISTED else ""
    places = "页眉（每张卡）" if everywhere else f"图斑 {cards[0][0]} 等 {len(cards)} 张卡"
    return (
        Finding(
            "N-FONT-GLYPH",
            f"核查卡的字体缺少 {len(characters)} 个字，印成了{GETA}。",
            where,
            f"{named}{more}；{places}",
            "思源黑体（Noto Sans SC）收录的字",
            "register.xlsx 和 verify.gpkg 里是原字，打印后照填；"
            "也可在源数据中改用规范字后重新打包。",
            Severity.NOTICE,
        ),
    )


def _is_missing(char: str) -> bool:
    if char.isspace() or _is_invisible(char):
        return False
    return ord(char) not in printable_characters()


def _is_invisible(char: str) -> bool:
    """Control, format and variation characters: nothing to print, and some turn a line around."""
    is_variation = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    return is_variation or (unicodedata.category(char) in ("Cc", "Cf") and not char.isspace())


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
