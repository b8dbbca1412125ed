"""The brief as one HTML file: two A4 pages for screen and paper, without script or network."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from pipeline.delivery.brief_content import Brief, BriefTable, Cell, Drawings, KeyFigure

_STYLE = """
:root{--ink:#1b2229;--soft:#56616b;--line:#c3cad0;--tint:#edf1f4;--wash:#fbf3f0;--accent:#b3122a}
*{box-sizing:border-box}
body{margin:0;background:#e6eaee;color:var(--ink);font:8.2pt/1.42 "Noto Sans SC",
"Source Han Sans SC","Microsoft YaHei","PingFang SC","WenQuanYi Micro Hei",sans-serif}
.page{width:210mm;min-height:296.8mm;margin:8mm auto;padding:9mm 13mm 7mm;background:#fff;
display:flex;flex-direction:column;justify-content:space-between;gap:2mm;
box-shadow:0 1px 6px rgba(27,34,41,.25)}
.row{display:grid;gap:5mm;align-items:start}.row>div{min-width:0}
.split{display:flex;justify-content:space-between;align-items:baseline;gap:4mm}
.red{color:var(--accent)}.soft{color:var(--soft)}
header{border-bottom:1.4pt solid var(--accent);padding-bottom:1.4mm}
h1{margin:1mm 0;font-size:22pt;line-height:1.3;letter-spacing:.12em;text-align:center;
color:var(--accent);font-weight:700}
.period{font-size:10.5pt}
.conclusion{margin:0;padding:2.4mm 3mm;background:var(--wash);border-left:2.4pt solid var(--accent);
font-size:10.4pt;line-height:1.6}
h2{margin:0 0 1.2mm;font-size:9.6pt;line-height:1.3;padding-left:1.8mm;
border-left:2.2pt solid var(--accent)}
h2 small{float:right;font-weight:400}
.figures{grid-template-columns:repeat(5,1fr);gap:2.4mm}
.figures div{border:.5pt solid #8a949c;border-radius:1mm;padding:1.4mm 2.2mm;white-space:nowrap;
overflow:hidden}
.figures b{display:block;font-size:16pt;line-height:1.35}
.figures b small{font-size:8pt;font-weight:400;margin-left:.2em;color:var(--ink)}
.figures span{display:block;font-size:7.4pt;color:var(--soft)}
.figures .alert b{color:var(--accent)}
svg{display:block;width:100%;height:auto}
table{border-collapse:collapse;width:100%;border-top:.8pt solid var(--ink);
border-bottom:.8pt solid var(--ink);line-height:1.3}
th{background:var(--tint);font-weight:400;color:var(--soft);font-size:7.4pt;line-height:1.2;
white-space:nowrap}
th,td{padding:.75mm 1mm;text-align:right;vertical-align:middle;border-top:.3pt solid var(--line)}
td{white-space:nowrap;font-variant-numeric:tabular-nums}
th.text,td.text{text-align:left}
.dense{font-size:7.5pt}.dense th{font-size:6.8pt}.dense th,.dense td{padding:.85mm .6mm}
tr.total td{font-weight:700;background:#f6f8f9}
td.alert{color:var(--accent);font-weight:700}td.soft{color:var(--soft)}
.note{margin:.8mm 0 0;font-size:7.4pt;color:var(--soft)}
ol,ul{margin:0;padding-left:1.5em}li{margin:0 0 .5mm}li::marker{color:var(--soft)}
.attention{font-size:8.8pt}
.tinted{background:var(--tint);border-radius:1mm;padding:2.2mm 3mm}
footer{border-top:.3pt solid var(--line);padding-top:.8mm;font-size:7pt;color:var(--soft)}
.sign span{flex:1}
@page{size:A4;margin:0}
@media print{body{background:#fff}.page{margin:0;box-shadow:none;break-after:page}
.page:last-child{break-after:auto}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def render_brief(brief: Brief, drawings: Drawings) -> str:
    """The page as text. Equal content gives equal text."""
    title = escape(f"{brief.masthead.title} {brief.masthead.period}")
    return (
        '<!DOCTYPE html>\n<html lang="zh-CN"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        + _page(brief, 1, _first(brief, drawings))
        + _page(brief, 2, _second(brief, drawings))
        + "</body></html>\n"
    )


def _page(brief: Brief, number: int, parts: Iterable[str]) -> str:
    foot = f"<span>{escape(brief.footnote)}</span><span>第 {number} 页　共 2 页</span>"
    inner = "\n".join(parts)
    return f'<section class="page">\n{inner}\n<footer class="split">{foot}</footer>\n</section>\n'


def _first(brief: Brief, drawings: Drawings) -> list[str]:
    return [
        _head(brief),
        f'<p class="conclusion">{escape(brief.conclusion)}</p>',
        f'<div class="row figures">{"".join(map(_figure, brief.key_figures))}</div>',
        _beside(
            "108mm 1fr",
            _heading(brief.map_title) + drawings.county_map,
            f'{_heading("提请关注")}<ol class="attention">{_items(brief.attention)}</ol>',
        ),
        f"<div>{_table(brief.ranking)}</div>",
    ]


def _second(brief: Brief, drawings: Drawings) -> list[str]:
    signatures = "".join(f"<span>{escape(name)}：</span>" for name in brief.signatures)
    label = f'<small class="red">{escape(brief.assumption_label)}</small>'
    return [
        _beside("108mm 1fr", _table(brief.linkage), _heading(brief.chart_title) + drawings.chart),
        _beside("77mm 1fr", _table(brief.ratio), _table(brief.talks, "dense")),
        _beside(
            "77mm 1fr",
            _table(brief.clocks),
            f'<div class="tinted">{_heading("尚不掌握的情况")}'
            f"<ul>{_items(brief.unknowns)}</ul></div>",
        ),
        _beside(
            "1fr 1fr",
            f"{_heading('方法与局限')}<ul>{_items(brief.method)}</ul>",
            f"<h2>口径{label}</h2><ul>{_items(brief.assumptions)}</ul>",
        ),
        f'<div class="split sign">{signatures}</div>',
    ]


def _head(brief: Brief) -> str:
    head = brief.masthead
    return (
        f'<header><div class="split"><span class="red">{escape(head.secrecy)}</span>'
        f"<span>{escape(head.images)}</span></div><h1>{escape(head.title)}</h1>"
        f'<div class="split"><span>{escape(head.issuer)}</span>'
        f'<span class="period">{escape(head.period)}</span>'
        f"<span>{escape(head.as_of)}</span></div></header>"
    )


def _figure(figure: KeyFigure) -> str:
    css = ' class="alert"' if figure.is_alert else ""
    return (
        f"<div{css}><span>{escape(figure.label)}</span><b>{escape(figure.value)}"
        f"<small>{escape(figure.unit)}</small></b><span>{escape(figure.note)}</span></div>"
    )


def _beside(columns: str, *parts: str) -> str:
    inner = "".join(f"<div>{part}</div>" for part in parts)
    return f'<div class="row" style="grid-template-columns:{columns}">{inner}</div>'


def _heading(title: str) -> str:
    return f"<h2>{escape(title)}</h2>"


def _items(texts: Iterable[str]) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts)


def _table(table: BriefTable, css: str = "") -> str:
    places = ["" if column.is_number else "text" for column in table.columns]
    total = sum(column.share for column in table.columns)
    head = "".join(
        f'<th class="{place}" style="width:{100 * column.share / total:.1f}%">'
        f"{escape(column.label).replace(' ', '<br>')}</th>"
        for column, place in zip(table.columns, places, strict=True)
    )
    rows = "".join(
        f'<tr class="{"total" if row.is_total else ""}">'
        + "".join(_cell(cell, place) for cell, place in zip(row.cells, places, strict=True))
        + "</tr>"
        for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'{_heading(table.title)}<table class="{css}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{note}"
    )


def _cell(cell: Cell, place: str) -> str:
    css = f"{place} {cell.tone}".strip()
    return f'<td class="{css}">{escape(cell.text)}</td>'
