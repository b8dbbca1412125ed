"""The brief's files: tables in; PDF, and drawings as pictures, out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.delivery.assets import FONT_PATH
from pipeline.delivery.brief_content import Brief, Drawings
from pipeline.errors import Finding, Severity
from pipeline.io.pdf import (
    GETA,
    MISSING_LISTED,
    compile_pdf,
    compile_png,
    missing_characters,
    printable,
)

TEMPLATE_PATH = FONT_PATH.with_name("brief.typ")
PICTURE_DPI = 220.0
_PICTURE = """
#set page(width: 160mm, height: auto, margin: 0pt, fill: white)
#image("picture.svg", width: 160mm)
"""


def read_tables(path: Path) -> dict[str, Any]:
    """`tables.json`, decimal fractions exact as they are written."""
    tables: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    return tables


def brief_pdf(brief: Brief, drawings: Drawings) -> bytes:
    """Two A4 pages. Characters the font lacks are printed as 〓; `brief_glyphs` tells which."""
    files = {
        "map.svg": printable(drawings.county_map).encode("utf-8"),
        "chart.svg": printable(drawings.chart).encode("utf-8"),
    }
    data: Mapping[str, Any] = printable(asdict(brief))
    return compile_pdf(TEMPLATE_PATH.read_text(encoding="utf-8"), data, files)


def svg_png(svg: str) -> bytes:
    """A drawing as a picture for Word, with the vendored font."""
    files = {"picture.svg": printable(svg).encode("utf-8")}
    return compile_png(_PICTURE, {}, files, PICTURE_DPI)


def brief_glyphs(brief: Brief, drawings: Drawings) -> tuple[Finding, ...]:
    """One notice N-FONT-GLYPH naming the characters that the PDF and pictures replace, or none."""
    found = missing_characters([asdict(brief), drawings.county_map, drawings.chart])
    if not found:
        return ()
    named = "、".join(f"{char}（U+{ord(char):04X}）" for char in found[:MISSING_LISTED])
    more = f"等 {len(found)} 个" if len(found) > MISSING_LISTED else ""
    return (
        Finding(
            "N-FONT-GLYPH",
            f"简报的字体缺少 {len(found)} 个字，在 PDF 和 Word 的图里印成了{GETA}。",
            "report/brief.pdf",
            f"{named}{more}",
            "思源黑体（Noto Sans SC）收录的字",
            "brief.docx 的文字和 brief.html 里是原字；也可在源数据中改用规范字后重新统计。",
            Severity.NOTICE,
        ),
    )
