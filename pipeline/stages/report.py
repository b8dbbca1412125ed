"""Stage 10, `report` 领导简报: the books on two pages, as Word, PDF and page with equal figures."""

from __future__ import annotations

import geopandas as gpd

from pipeline.config.models import ImageInput
from pipeline.delivery.brief import build_brief, draw
from pipeline.delivery.brief_books import Books
from pipeline.delivery.brief_page import render_brief
from pipeline.delivery.brief_words import BriefHead
from pipeline.io.atomic import replace_bytes, replace_text
from pipeline.io.brief_docx import brief_docx
from pipeline.io.brief_files import brief_glyphs, brief_pdf, read_tables, svg_png
from pipeline.io.vectors import read_layer
from pipeline.schema.register_layers import CLOSED_TOWNSHIPS, COUNTY_INPUTS
from pipeline.stages.context import StageContext, StageReport

DEDUCTED = "quota_deducted"


def run(context: StageContext) -> StageReport:
    """Write `brief.docx`, `brief.pdf` and `brief.html`."""
    paths = context.paths
    books = Books(read_tables(paths.tables))
    head = _head(context)
    townships = read_layer(paths.books, CLOSED_TOWNSHIPS)
    documents = _documents(read_layer(paths.books, COUNTY_INPUTS), context)
    brief = build_brief(books, head, documents)
    drawings = draw(books, dict(zip(townships["township_code"], townships.geometry, strict=True)))
    folder = paths.brief
    replace_bytes(folder / "brief.pdf", brief_pdf(brief, drawings))
    pictures = svg_png(drawings.county_map), svg_png(drawings.chart)
    replace_bytes(folder / "brief.docx", brief_docx(brief, *pictures))
    replace_text(folder / "brief.html", render_brief(brief, drawings))
    counts = {"townships": len(townships), "attention": len(brief.attention)}
    return StageReport({**counts, "unknowns": len(brief.unknowns)}, brief_glyphs(brief, drawings))


def _head(context: StageContext) -> BriefHead:
    run = context.run
    return BriefHead(
        county=run.county_name,
        period=run.period or run.run,
        secrecy=run.settings.package.secrecy,
        before_date=_iso(run.before),
        after_date=_iso(run.after),
        closes_on=run.closes_on.isoformat() if run.closes_on else None,
    )


def _iso(image: ImageInput) -> str | None:
    return image.date.isoformat() if image.date else None


def _documents(inputs: gpd.GeoDataFrame, context: StageContext) -> tuple[str, ...]:
    """Numbers of the superior's documents that deduct from the year after the check year."""
    after = context.run.after.date
    own = inputs[inputs["item"].eq(DEDUCTED)]
    if after is not None:
        own = own[own["year"].eq(after.year + 1)]
    return tuple(sorted({str(number) for number in own["doc_no"].dropna()}))
