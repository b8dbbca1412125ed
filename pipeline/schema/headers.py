"""Finding the field that a mapping names among the headers of a delivered table."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

DBF_NAME_BYTES = 10
"""Longest field name of a dbf; longer ones were cut when the file was written."""


def fold(name: str) -> str:
    """A header without what two exports of the same table differ in: width, case, blanks."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def match_header(wanted: str, headers: Iterable[str]) -> list[str]:
    """The headers that `wanted` may mean: one if it is clear, none, or several.

    An exact match wins, then one that differs in width, case or blanks, then a header that is
    `wanted` cut at the length of a dbf field name.
    """
    known = list(headers)
    if wanted in known:
        return [wanted]
    folded = fold(wanted)
    if same := [name for name in known if fold(name) == folded]:
        return same
    return [name for name in known if _is_cut(fold(name), folded)]


def _is_cut(name: str, wanted: str) -> bool:
    """Whether `name` can be what a dbf in UTF-8 or GBK has kept of `wanted`."""
    # A name cut at ten bytes inside a character keeps the bytes before that character; writers that
    # number equal names put the number in place of the last bytes.
    stem = name.split("_")[0] if name.rpartition("_")[2].isdigit() else name
    if not stem or not wanted.startswith(stem) or len(wanted) == len(stem):
        return False
    next_character = wanted[len(stem)]
    return any(
        len(f"{stem}{next_character}".encode(codec, "replace")) > DBF_NAME_BYTES - 2
        and len(stem.encode(codec, "replace")) <= DBF_NAME_BYTES
        for codec in ("utf-8", "gb18030")
    )
