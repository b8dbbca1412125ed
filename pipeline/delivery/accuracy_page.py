"""The accuracy page (精度评价报告): one HTML file, no script, no network, pictures inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pipeline.delivery.accuracy_charts import reliability_svg
from pipeline.delivery.accuracy_style import STYLE

_KEY = (
    '<p class="key"><span><i class="truth"></i>真值</span>'
    '<span><i class="patch"></i>图斑</span><span><i class="dropped"></i>剔除对象</span>'
    "<span>左：变化前　右：变化后　灰：未观测</span></p>"
)
MEASURES = {"kappa": "Kappa", "f1": "F1", "precision": "精确率", "recall": "召回率"}


@dataclass(frozen=True)
class Chip:
    """One miss or false alarm with its pictures."""

    told: Mapping[str, Any]
    """As in `evaluate.json` under `worst`."""
    before: str
    """Data URI, like `after`."""
    after: str
    side_px: int
    """Ground shown, pixels of the image."""


@dataclass(frozen=True)
class AccuracyPage:
    """What the page is made of."""

    subject: str
    """Name of the data set, as the user calls it."""
    figures: Mapping[str, Any]
    """The content of `evaluate.json`."""
    kinds: Mapping[str, str]
    """Code of a change kind → label, like the reasons."""
    reasons: Mapping[str, str]
    misses: Sequence[Chip]
    false_alarms: Sequence[Chip]


def render_accuracy(page: AccuracyPage) -> str:
    """The page as text. Equal content gives equal text."""
    sections = [
        f"<header><h1>精度评价报告</h1><p>数据：{escape(page.subject)}</p>"
        '<p class="soft">图斑都是线索。本页只说明程序与已知结果的符合程度，不对任何地块作认定。</p>'
        "</header>",
        _numbers(page),
        _pixels(page.figures),
        *_detectors(page.figures),
        "<h2>图斑：按面积</h2>",
        _classes(page.figures["patch"]["by_size"], _size_label, "面积分级"),
        "<h2>图斑：按类别</h2>",
        _classes(
            page.figures["patch"]["by_kind"], lambda code: page.kinds.get(code, code), "变化类别"
        ),
        _definitions(page.figures),
        *_curves(page.figures),
        *_cases(page.figures),
        *_chips("最大的漏检", page.misses, page, _miss_text),
        *_chips("最突出的误报", page.false_alarms, page, _false_text),
        "<footer>区间均为 95%。图斑各比例的区间用 Wilson 法；像元指标的区间对 512 像元块重抽样，"
        "块太少时不给。全部数字见同一文件夹的 evaluate.json。</footer>",
    ]
    title = escape(f"精度评价报告 {page.subject}")
    return (
        '<!DOCTYPE html>\n<html lang="zh-CN"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main></body></html>\n"
    )


def _numbers(page: AccuracyPage) -> str:
    patch, figures = page.figures["patch"], page.figures
    found = f"{patch['n_found']} / {patch['n_truth']}"
    judged = patch["n_predicted"] - patch.get("n_not_judged", 0)
    cells = (
        (_percent(patch["recall"]), f"图斑召回率　检出 {found}", patch["recall_interval"]),
        (
            _percent(patch["precision"]),
            f"图斑精确率　正确 {patch['n_correct']} / {judged}",
            patch["precision_interval"],
        ),
        (_number(figures["f1"]), "像元 F1", figures["intervals"]["f1"]),
        (_number(figures["kappa"]), "像元 Kappa", figures["intervals"]["kappa"]),
    )
    inner = "".join(
        f"<div><b>{big}</b>{text}<small>{_span(interval)}</small></div>"
        for big, text, interval in cells
    )
    return f'<div class="facts">{inner}</div>'


def _pixels(figures: Mapping[str, Any]) -> str:
    boot = figures["bootstrap"]
    rows = "".join(
        f'<tr><td>{label}</td><td class="num">{_number(figures[key])}</td>'
        f'<td class="num">{_span(figures["intervals"][key]) or "—"}</td></tr>'
        for key, label in MEASURES.items()
    )
    auc = f'<tr><td>AUC（按概率排序）</td><td class="num">{_number(figures["auc"])}</td>'
    rows += auc + '<td class="num">—</td></tr>' if figures["auc"] is not None else ""
    why = (
        ""
        if boot["blocks"] >= boot["min_blocks"]
        else f"参与评价的块只有 {boot['blocks']} 个（至少 {boot['min_blocks']} 个才给区间）。"
    )
    seen = figures["n"] + figures["unobserved"]
    hidden = figures["unobserved"] / seen if seen else 0.0
    return (
        "<h2>像元</h2>"
        + _table(("指标", "#数值", "#95% 区间"), rows, "narrow")
        + f'<p class="soft">参与评价 {figures["n"]:,} 个像元；另有 {figures["unobserved"]:,} 个'
        f"（{hidden:.2%}）没有同时看到两期影像，不计入。{why}</p>"
    )


def _detectors(figures: Mapping[str, Any]) -> list[str]:
    told = figures.get("detectors")
    if not told:
        return []
    rows = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f'<td class="num">{_number(one[key])}</td>' for key in (*MEASURES, "auc"))
        + f'<td class="num">{_percent(one["patch"]["recall"])}</td>'
        f'<td class="num">{_percent(one["patch"]["precision"])}</td></tr>'
        for name, one in told.items()
    )
    heads = ("检测器", *(f"#{label}" for label in MEASURES.values()), "#AUC")
    return ["<h2>各检测器</h2>", _table((*heads, "#图斑召回率", "#图斑精确率"), rows)]


def _classes(rows: Sequence[Mapping[str, Any]], label: Any, head: str) -> str:
    if not rows:
        return '<p class="soft">没有图斑。</p>'
    body = "".join(
        f"<tr><td>{escape(label(row['class']))}</td>"
        + _share_cells(row, "n_found", "n_truth", "recall")
        + _share_cells(row, "n_correct", "n_predicted", "precision")
        + "</tr>"
        for row in rows
    )
    heads = ("#检出 / 真值", "#召回率", "#95% 区间", "#正确 / 图斑", "#精确率", "#95% 区间")
    return _table((head, *heads), body)


def _share_cells(row: Mapping[str, Any], part: str, whole: str, ratio: str) -> str:
    if not row[whole]:
        return '<td class="num none">—</td>' * 3
    return (
        f'<td class="num">{row[part]} / {row[whole]}</td>'
        f'<td class="num"><span class="bar" style="--share:{row[ratio]:.4f}">'
        f"{_percent(row[ratio])}</span></td>"
        f'<td class="num soft">{_span(row[f"{ratio}_interval"])}</td>'
    )


def _size_label(name: str) -> str:
    """`400-1000` → `400–1,000 ㎡（0.6–1.5 亩）`."""
    sign = name[0] if name[0] == "<" else ("≥" if name.startswith(">=") else "")
    bounds = [float(text) for text in name.lstrip("<>=").split("-")]
    metres = "–".join(f"{bound:,.10g}" for bound in bounds)
    mu = "–".join(f"{bound * 3 / 2000:.3g}" for bound in bounds)
    return f"{sign}{metres} ㎡（{sign}{mu} 亩）"


def _definitions(figures: Mapping[str, Any]) -> str:
    names = {
        "likely": "计入的图斑",
        "recall": "召回率",
        "precision": "精确率",
        "low_contrast": "低对比度",
        "by_size": "按面积",
        "by_kind": "按类别",
    }
    told = figures["patch"]["definitions"]
    items = "".join(
        f"<li><b>{label}</b>：{escape(told[key])}</li>"
        for key, label in names.items()
        if key in told
    )
    return f'<details open><summary>口径</summary><ul class="soft">{items}</ul></details>'


def _curves(figures: Mapping[str, Any]) -> list[str]:
    curves = ((figures["reliability"], "像元"), (figures["patch"]["reliability"], "图斑"))
    drawn = [
        f"<figure>{reliability_svg(curve, what)}<figcaption>{what}　期望校准误差 "
        f"{_number(curve['expected_error'])}　Brier {_number(curve['brier'])}</figcaption></figure>"
        for curve, what in curves
        if curve is not None
    ]
    if not drawn:
        return []
    note = (
        ""
        if figures["reliability"] is not None
        else '<p class="soft">田间作物也在变，真值只含种下的变化，所以不给像元的可靠性曲线。</p>'
    )
    return [
        "<h2>概率可信吗</h2>",
        '<p class="soft">点在虚线上：程序说 80% 的地方，实际约有 80% 变化。点在虚线下方：概率偏高。'
        "竖线为 95% 区间（把像元、图斑视为互不相关）。</p>",
        f'<div class="curves">{"".join(drawn)}</div>{note}',
    ]


def _cases(figures: Mapping[str, Any]) -> list[str]:
    cases = figures.get("cases")
    if cases is None:
        return []
    wrong = [row for row in cases["rows"] if not row["is_hit"]]
    body = "".join(
        f"<tr><td>{escape(row['truth_id'])}</td><td>{escape(row['case_id'])}</td>"
        f"<td>{escape(row['expected_class'])}</td>"
        f"<td>{escape(row['found_class'] or row['dropped_reason'] or '没有图斑')}</td></tr>"
        for row in wrong
    )
    return [
        "<h2>初判类别</h2>",
        f"<p>与真值一致 {cases['hits']} / {cases['total']}；其中下发的 {cases['issued_hits']} / "
        f"{cases['issued_total']}。非建设变化由滤除环节识别并写明原因的，算一致。</p>",
        _table(("真值编号", "情形", "应为", "得到"), body) if wrong else "",
    ]


def _chips(title: str, chips: Sequence[Chip], page: AccuracyPage, text: Any) -> list[str]:
    if not chips:
        return [f"<h2>{title}</h2>", '<p class="soft">没有。</p>']
    cards = "".join(
        f'<div class="chip"><div class="pair"><img src="{chip.before}" alt="变化前">'
        f'<img src="{chip.after}" alt="变化后"></div><p>{text(chip, page)}</p></div>'
        for chip in chips
    )
    return [
        f"<h2>{title}</h2>",
        _KEY,
        f'<div class="chips">{cards}</div>',
    ]


def _miss_text(chip: Chip, page: AccuracyPage) -> str:
    told = chip.told
    head = [f"<b>{_area(told['area_m2'])}</b>", *_names(told, page)]
    if told["dropped_reason"]:
        label = page.reasons.get(told["dropped_reason"], told["dropped_reason"])
        why = f"剔除原因：{escape(label)}（概率 {_percent(told['probability'])}）"
    elif told["share"] > 0:
        why = f"只检出 {_percent(told['share'])}"
    elif told["found_kind"]:
        why = f"该处图斑判为：{escape(page.kinds.get(told['found_kind'], told['found_kind']))}"
    else:
        why = "没有图斑，也没有剔除对象"
    return "　".join(head) + f"<br>{why}<br>{_place(chip)}"


def _false_text(chip: Chip, page: AccuracyPage) -> str:
    told = chip.told
    head = [f"<b>{_area(told['area_m2'])}</b>", *_names(told, page)]
    why = f"概率 {_percent(told['probability'])}；{_percent(told['share'])} 落在真实变化内"
    return "　".join(head) + f"<br>{why}<br>{_place(chip)}"


def _names(told: Mapping[str, Any], page: AccuracyPage) -> list[str]:
    kind = page.kinds.get(told["kind"], told["kind"]) if told["kind"] else None
    return [escape(text) for text in (kind, told["name"], told["pair"]) if text]


def _place(chip: Chip) -> str:
    told = chip.told
    return f'<span class="soft">X {told["x"]}　Y {told["y"]}　画面 {chip.side_px} 像元见方</span>'


def _area(area_m2: float) -> str:
    return f"{area_m2:,.0f} ㎡（{area_m2 * 3 / 2000:.2f} 亩）"


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"


def _span(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f}–{interval[1]:.3f}"


def _table(header: Sequence[str], body: str, css: str = "") -> str:
    """A table; a heading that begins with # is a column of numbers."""
    cells = "".join(
        f'<th class="num">{text[1:]}</th>' if text.startswith("#") else f"<th>{text}</th>"
        for text in header
    )
    return f'<table class="{css}"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'
