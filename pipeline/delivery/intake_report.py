"""The intake page (入库检查报告): one HTML file for screen and paper, without script or network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from pipeline.delivery.intake_facts import ImageFacts, IntakeContent
from pipeline.delivery.intake_map import MAX_DOTS, count_off_map, draw_map
from pipeline.errors import CODES, Severity
from pipeline.schema.problems import Problem
from pipeline.schema.reference import REFERENCE_LAYERS

MAX_LISTED = 60
"""Findings of one kind and layer on the page; all of them are in findings.csv."""

ABSENT = "N-LAYER-ABSENT"

_STYLE = """
:root{--ink:#1f2a37;--soft:#5b6776;--line:#dfe4ea;--paper:#fff;--ground:#f3f5f8;
--accent:#1f5fa8;--ok:#1a7f4b;--note:#b26a00;--block:#b42318;--none:#7b8794}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:14px/1.65 "Noto Sans SC","Source Han Sans SC","Microsoft YaHei","PingFang SC",
"WenQuanYi Micro Hei",sans-serif}
main{max-width:1200px;margin:24px auto;background:var(--paper);padding:36px 44px 48px;
border:1px solid var(--line);border-radius:10px}
header{border-bottom:3px solid var(--accent);padding-bottom:14px;margin-bottom:20px}
h1{font-size:26px;margin:0 0 4px;letter-spacing:1px}
h2{font-size:18px;margin:34px 0 10px;padding-left:10px;border-left:4px solid var(--accent)}
h3{font-size:15px;margin:20px 0 6px;display:flex;gap:8px;align-items:baseline}
h3 small{font-weight:400;color:var(--soft)}
p{margin:4px 0}.soft{color:var(--soft)}
.verdict{margin:18px 0;padding:14px 18px;border-radius:8px;font-size:16px;border:1px solid}
.verdict.ok{background:#ecf8f1;border-color:#bfe5cf;color:#125c36}
.verdict.block{background:#fdefed;border-color:#f4c7c1;color:#8e1b12}
.facts{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin:16px 0}
.facts div{border:1px solid var(--line);border-radius:8px;padding:10px 14px}
.facts b{display:block;font-size:22px;line-height:1.3}
.facts .block b{color:var(--block)}.facts .note b{color:var(--note)}
table{border-collapse:collapse;width:100%;font-size:13px}
th{background:#eef2f7;text-align:left;font-weight:600;white-space:nowrap}
th,td{border:1px solid var(--line);padding:6px 9px;vertical-align:top}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.wrap{overflow-wrap:anywhere}td.short{white-space:nowrap}
table.images{table-layout:fixed}table.images th:first-child{width:120px}
table.found{table-layout:fixed}
table.found th:nth-child(1){width:52px}table.found th:nth-child(2){width:29%}
table.found th:nth-child(4){width:64px}table.found th:nth-child(5){width:98px}
table.found th:nth-child(6){width:30%}
.absent{columns:2;column-gap:28px;padding-left:0;list-style:none;margin:6px 0;font-size:13px}
.absent li{break-inside:avoid;margin:2px 0}
tbody tr:nth-child(even){background:#fafbfc}
.tag{display:inline-block;padding:0 8px;border-radius:9px;font-size:12px;white-space:nowrap;
border:1px solid currentColor}
.tag.ok{color:var(--ok)}.tag.note{color:var(--note)}.tag.block{color:var(--block)}
.tag.none{color:var(--none)}
code{font:12px/1.4 Consolas,"DejaVu Sans Mono",monospace;color:var(--soft)}
figure{margin:10px 0;text-align:center}
svg{width:700px;max-width:100%;height:auto;background:#fbfcfd;
border:1px solid var(--line);border-radius:8px}
svg .frame{fill:#eef3f9;stroke:var(--accent);stroke-width:1.2;stroke-dasharray:6 4}
svg .town{fill:#fff;fill-opacity:.75;stroke:#6b7a8c;stroke-width:1.1}
svg .area{fill:#e08a00;fill-opacity:.22;stroke:#b26a00;stroke-width:1}
svg .area.block{fill:#c8281b;stroke:#8e1b12}
svg .note{fill:#e08a00;fill-opacity:.75;stroke:#fff;stroke-width:.6}
svg .block{fill:#c8281b;stroke:#fff;stroke-width:1}
svg text{font-family:inherit}
svg .name{font-size:13px;text-anchor:middle;fill:var(--ink);paint-order:stroke;stroke:#fff;
stroke-width:3px}
svg .no{font-size:12px;font-weight:600;fill:#7a4a00;paint-order:stroke;stroke:#fff;stroke-width:2px}
svg .bar{fill:none;stroke:var(--ink);stroke-width:1.4}
svg .scale{font-size:12px;text-anchor:middle;fill:var(--ink)}
.key{display:flex;gap:22px;justify-content:center;font-size:13px;color:var(--soft)}
.key i{display:inline-block;width:11px;height:11px;border-radius:50%;margin-right:6px}
.key i.land{width:16px;border-radius:2px;background:#e08a0038;border:1px solid #b26a00}
.key i.dash{width:18px;height:0;border-radius:0;border-top:2px dashed var(--accent);
vertical-align:middle}
footer{margin-top:36px;border-top:1px solid var(--line);padding-top:10px;color:var(--soft);
font-size:12px}
@page{size:A4;margin:14mm}
@media print{body{background:#fff;font-size:11px}main{border:0;margin:0;padding:0;max-width:none}
table{font-size:10.5px}tr,figure,.facts,.verdict{break-inside:avoid}h2,h3{break-after:avoid}
thead{display:table-header-group}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
@media (max-width:720px){main{padding:18px}.facts{grid-template-columns:repeat(2,1fr)}}
"""


def render_intake(content: IntakeContent) -> str:
    """The page as text. Equal content gives equal text."""
    sections = [
        _head(content),
        _verdict(content.problems),
        _numbers(content),
        "<h2>影像一览</h2>",
        _images(content.images),
        "<h2>参考图层</h2>",
        _layers(content),
        *_map(content),
        *_findings(content.problems),
        _footer(),
    ]
    title = escape(f"入库检查报告 {content.county} {content.run}")
    return (
        '<!DOCTYPE html>\n<html lang="zh-CN"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(sections)
        + "\n</main></body></html>\n"
    )


def _head(content: IntakeContent) -> str:
    period = f"期次：{escape(content.period)}　" if content.period != "—" else ""
    return (
        f"<header><h1>入库检查报告</h1><p>{escape(content.county)}　{period}"
        f"运行编号：{escape(content.run)}</p>"
        f'<p class="soft">工作坐标系：{escape(content.crs)}　'
        f"{escape(content.coverage)}</p></header>"
    )


def _verdict(problems: Sequence[Problem]) -> str:
    blocking, notices = _totals(problems)
    if blocking:
        return (
            f'<div class="verdict block"><b>不能入库：有 {blocking} 处阻断问题。</b>'
            f"请按下面的办法改正后重新运行；另有 {notices} 处提示。</div>"
        )
    rest = f"有 {notices} 处提示，请核对。" if notices else "没有发现问题。"
    return f'<div class="verdict ok"><b>可以入库。</b>{rest}</div>'


def _totals(problems: Sequence[Problem]) -> tuple[int, int]:
    """Blocking cases and notices; layers that are not supplied are listed by themselves."""
    told = [p for p in problems if p.code != ABSENT]
    blocking = sum(p.count for p in told if p.is_blocking)
    return blocking, sum(p.count for p in told) - blocking


def _numbers(content: IntakeContent) -> str:
    blocking, notices = _totals(content.problems)
    features = sum(layer.n_features for layer in content.layers.values())
    cells = (
        ("", f"{len(content.layers)} / {len(REFERENCE_LAYERS)}", "已提供图层"),
        ("", f"{features:,}", "入库要素"),
        ("block" if blocking else "", str(blocking), "阻断"),
        ("note" if notices else "", str(notices), "提示"),
    )
    inner = "".join(f'<div class="{css}"><b>{big}</b>{text}</div>' for css, big, text in cells)
    return f'<div class="facts">{inner}</div>'


def _images(images: Sequence[ImageFacts]) -> str:
    """One column per image, so that the two can be compared line by line."""
    header = ("", *(image.label for image in images))
    names = list(images[0].lines) if images else []
    body = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(f'<td class="wrap">{escape(image.lines[name])}</td>' for image in images)
        + "</tr>"
        for name in names
    )
    return _table(header, body, "images")


def _layers(content: IntakeContent) -> str:
    header = ("图层", "状态", "文件", "文字编码", "源坐标系", "#要素数", "数据时点")
    body = []
    for name, spec in REFERENCE_LAYERS.items():
        facts = content.layers.get(name)
        if facts is None:
            continue
        own = [p for p in content.problems if p.layer == name]
        label = f"{escape(spec.label_zh)}<br><code>{name}</code>"
        status = _status(own)
        left_out = f"<br>未入库 {facts.n_left_out}" if facts.n_left_out else ""
        body.append(
            f"<tr><td>{label}</td><td>{status}</td>"
            f'<td class="wrap">{_lines(facts.files)}</td><td>{_lines(facts.encodings)}</td>'
            f'<td>{_lines(facts.crs)}</td><td class="num">{facts.n_features:,}{left_out}</td>'
            f'<td class="short">{_lines(facts.vintages)}</td></tr>'
        )
    supplied = _table(header, "".join(body)) if body else '<p class="soft">没有提供图层。</p>'
    return supplied + _absent(content)


def _absent(content: IntakeContent) -> str:
    """Layers that are not supplied, and what that means for the results."""
    missing = [p for p in content.problems if p.layer and p.layer not in content.layers]
    if not missing:
        return ""
    items = "".join(
        f'<li><span class="tag {"block" if p.is_blocking else "none"}">'
        f"{'缺少' if p.is_blocking else '未提供'}</span> <b>{escape(p.subject_zh)}</b>："
        f'<span class="soft">{escape(p.what.partition("：")[2].rstrip("。"))}</span></li>'
        for p in missing
    )
    return f'<h3>未提供的图层 <small>{len(missing)} 个</small></h3><ul class="absent">{items}</ul>'


def _status(own: Sequence[Problem]) -> str:
    if any(p.is_blocking for p in own):
        return '<span class="tag block">阻断</span>'
    notices = sum(p.count for p in own)
    if notices:
        return f'<span class="tag note">提示 {notices}</span>'
    return '<span class="tag ok">✓ 正常</span>'


def _lines(texts: Sequence[str]) -> str:
    return "<br>".join(map(escape, texts)) or "—"


def _map(content: IntakeContent) -> list[str]:
    if content.overview is None:
        return []
    placed = [p for p in content.problems if p.place is not None]
    off = count_off_map(content.overview, placed)
    remarks = [f"每类最多画 {MAX_DOTS} 个点"] if len(placed) > MAX_DOTS else []
    remarks += [f"另有 {off} 处在图外"] if off else []
    return [
        "<h2>位置图</h2>",
        f"<figure>{draw_map(content.overview, content.problems)}</figure>",
        '<p class="key"><span><i class="dash"></i>前时相影像范围</span>'
        '<span><i style="background:#c8281b"></i>阻断</span>'
        '<span><i style="background:#e08a00"></i>提示</span>'
        '<span><i class="land"></i>问题范围（数字是序号）</span>'
        f"<span>{'；'.join(remarks)}</span></p>",
    ]


def _findings(problems: Sequence[Problem]) -> list[str]:
    """Blocking ones, then notices, by layer and code; absent layers are told in the table above."""
    numbered = [(n, p) for n, p in enumerate(problems, start=1) if p.code != ABSENT]
    sections = []
    for severity, title, css in (
        (Severity.BLOCK, "阻断问题", "block"),
        (Severity.NOTICE, "提示", "note"),
    ):
        chosen = [(n, p) for n, p in numbered if p.severity is severity]
        if not chosen:
            continue
        sections.append(f"<h2>{title}</h2>")
        for (subject, code), group in groupby(
            chosen, key=lambda np: (np[1].subject_zh, np[1].code)
        ):
            sections.append(_group(subject, code, css, list(group)))
    if not sections:
        sections = ["<h2>问题</h2>", '<p class="soft">没有发现问题。</p>']
    return sections


def _group(subject: str, code: str, css: str, found: Sequence[tuple[int, Problem]]) -> str:
    total = sum(p.count for _, p in found)
    head = (
        f'<h3><span class="tag {css}">{escape(subject)}</span>{escape(CODES[code])}'
        f"<small><code>{code}</code>　{total} 处</small></h3>"
    )
    header = ("#序号", "问题", "现值", "#行", "#坐标 X、Y", "允许 / 办法")
    rows = "".join(_row(number, problem) for number, problem in found[:MAX_LISTED])
    table = _table(header, rows, "found")
    if len(found) > MAX_LISTED:
        table += f'<p class="soft">其余 {len(found) - MAX_LISTED} 条见 findings.csv。</p>'
    return head + table


def _row(number: int, problem: Problem) -> str:
    place = "—" if problem.place is None else f"{problem.place[0]:.1f}<br>{problem.place[1]:.1f}"
    allowed = f"允许：{problem.allowed}" if problem.allowed else ""
    help_text = "<br>".join(escape(text) for text in (allowed, problem.advice) if text)
    file = f"<br><code>{escape(problem.file)}</code>" if problem.file else ""
    row = "—" if problem.row is None else str(problem.row)
    return (
        f'<tr><td class="num">{number}</td><td>{escape(problem.what)}{file}</td>'
        f'<td class="wrap">{escape(problem.value) or "—"}</td><td class="num">{row}</td>'
        f'<td class="num">{place}</td><td class="wrap">{help_text or "—"}</td></tr>'
    )


def _table(header: Sequence[str], body: str, css: str = "") -> str:
    """A table; a heading that begins with # is a column of numbers."""
    cells = "".join(
        f'<th class="num">{text[1:]}</th>' if text.startswith("#") else f"<th>{text}</th>"
        for text in header
    )
    return f'<table class="{css}"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'


def _footer() -> str:
    return (
        "<footer>阻断：改正后才能继续。提示：程序照常继续，请核对。"
        "坐标为工作坐标系，X 向东、Y 向北，单位米；行号从 1 起，按源文件记录顺序。"
        "全部问题见同一文件夹的 findings.csv；findings.gpkg 用 QGIS 打开可逐处点查，"
        "没有位置的在其中的 unplaced 表。"
        "本报告不改动原始数据。</footer>"
    )
