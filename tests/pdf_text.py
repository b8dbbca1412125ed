"""The words of a PDF line by line, read by a library that has nothing to do with its making."""

from __future__ import annotations

import io
from typing import Any

import pypdf

LINE_PT = 1.8
"""Texts whose baselines differ by no more stand on one line: small type beside large."""


def pdf_lines(content: bytes) -> list[list[str]]:
    """Words of every line, pages one after the other, from top to bottom and left to right."""
    return [words for page in pypdf.PdfReader(io.BytesIO(content)).pages for words in _lines(page)]


def _lines(page: Any) -> list[list[str]]:
    texts: list[tuple[float, float, str]] = []

    def visit(text: str, cm: list[float], tm: list[float], _font: Any, _size: float) -> None:
        if text.strip():
            x = cm[0] * tm[4] + cm[2] * tm[5] + cm[4]
            y = cm[1] * tm[4] + cm[3] * tm[5] + cm[5]
            texts.append((y, x, text))

    page.extract_text(visitor_text=visit)
    lines: list[tuple[float, list[tuple[float, str]]]] = []
    for y, x, text in sorted(texts, reverse=True):
        if not lines or lines[-1][0] - y > LINE_PT:
            lines.append((y, []))
        lines[-1][1].append((x, text))
    return [[word for _, text in sorted(line) for word in text.split()] for _, line in lines]
