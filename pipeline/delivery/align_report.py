"""The page on how the two images were brought together (配准归一报告): one file, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from pipeline.scene import ROLES_ZH

CODES_ZH = {
    "observed": ("可观测", "#dfeee2"),
    "nodata": ("无影像", "#b9c0c9"),
    "cloud": ("云", "#8fb7e3"),
    "shadow": ("云影", "#5d6b86"),
    "saturated": ("过饱和", "#f2c14e"),
    "unregistered": ("未配准", "#d9795d"),
}
"""Name and colour of everything that `valid.tif` says, in its order."""
DATES_ZH = {"valid_before": "变化前", "valid_after": "变化后", "valid": "两期合计"}
KINDS_ZH = {"none": "未改正", "shift": "整体平移", "affine": "仿射", "field": "局部位移场"}
MAP_PX = 420
GOOD_PX, FAIR_PX = 0.2, 0.5
"""Residuals up to these are drawn as good and as fair."""

_STYLE = """
body{margin:0;background:#f3f5f8;color:#1f2a37;font:14px/1.65 "Noto Sans SC","Source Han Sans SC",
"Microsoft YaHei","PingFang SC","WenQuanYi Micro Hei",sans-serif}
main{max-width:1040px;margin:24px auto;background:#fff;padding:32px 40px 40px;
border:1px solid #dfe4ea;border-radius:10px}
header{border-bottom:3px solid #1f5fa8;padding-bottom:12px}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:28px 0 8px;padding-left:10px;
border-left:4px solid #1f5fa8}p{margin:4px 0}.soft{color:#5b6776}
table{border-collapse:collapse;width:100%;font-size:13px}
th{background:#eef2f7;font-weight:600;text-align:left}
th,td{border:1px solid #dfe4ea;padding:5px 9px}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums}
.note{margin:10px 0;padding:10px 14px;border-radius:8px;background:#fff7e8;
border:1px solid #f0d9a8;color:#7a4b00}
.bar{display:flex;height:22px;border-radius:4px;overflow:hidden;border:1px solid #dfe4ea}
.bar i{display:block;height:100%}
.row{display:grid;grid-template-columns:80px 1fr 90px;gap:12px;align-items:center;margin:7px 0}
.row b{text-align:right;font-variant-numeric:tabular-nums}
.key{display:flex;gap:18px;flex-wrap:wrap;font-size:13px;color:#5b6776;margin:8px 0}
.key i{display:inline-block;width:14px;height:14px;border-radius:3px;margin-right:6px;
vertical-align:-2px;border:1px solid #0002}
.two{display:grid;grid-template-columns:1fr 440px;gap:24px;align-items:start}
svg{background:#fbfcfd;border:1px solid #dfe4ea;border-radius:8px;max-width:100%;height:auto}
@page{size:A4;margin:14mm}@media print{body{background:#fff}main{border:0;margin:0;padding:0}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
@media (max-width:900px){.two{grid-template-columns:1fr}}
"""


@dataclass(frozen=True)
class BandLine:
    """One band's line: before ≈ gain · after + offset, on the invariant pixels."""

    role: str
    gain: float
    offset: float
    r2: float
    rmse_raw: float
    rmse_fitted: float


@dataclass(frozen=True)
class AlignFacts:
    """What the page says."""

    dates: tuple[str, str]
    size_px: tuple[int, int]
    """Rows and columns of the working grid."""
    pixel_m: float
    registration: Mapping[str, int | float | str | None]
    """`Registration.as_json` without its field."""
    limits_px: Mapping[str, float]
    points: Sequence[tuple[float, float, float]]
    """Row, column and residual of points, pixels."""
    bands: tuple[BandLine, ...]
    n_sample: int
    n_invariant: int
    validity: Mapping[str, Mapping[str, float]]
    """`DATES_ZH` → `CODES_ZH` → share."""
    n_clouds: Mapping[str, int]
    """Clouds found by the program, by date."""
    notices: tuple[str, ...]


def render_alignment(facts: AlignFacts) -> str:
    """The page as text. Equal facts give equal text."""
    body = [
        "<header><h1>配准归一报告</h1>"
        f"<p>变化前 {escape(facts.dates[0])}　变化后 {escape(facts.dates[1])}</p>"
        f'<p class="soft">工作格网 {facts.size_px[0]} 行 × {facts.size_px[1]} 列，'
        f"像元 {facts.pixel_m:.3g} 米</p></header>",
        *(f'<p class="note">{escape(text)}</p>' for text in facts.notices),
        "<h2>一、看得见多少</h2>",
        _validity(facts),
        "<h2>二、几何配准</h2>",
        _registration(facts),
        "<h2>三、辐射归一</h2>",
        _radiometry(facts),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="zh-CN"><head><meta charset="utf-8">\n'
        f"<title>配准归一报告</title>\n<style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def _validity(facts: AlignFacts) -> str:
    rows = []
    for name, label in DATES_ZH.items():
        shares = facts.validity[name]
        pieces = "".join(
            f'<i style="width:{100 * shares[code]:.3f}%;background:{colour}" title="{zh}"></i>'
            for code, (zh, colour) in CODES_ZH.items()
            if shares[code] > 0
        )
        rows.append(
            f'<div class="row"><span>{label}</span><div class="bar">{pieces}</div>'
            f"<b>{percent(shares['observed'])}</b></div>"
        )
    total = facts.validity["valid"]
    key = "".join(
        f'<span><i style="background:{colour}"></i>{zh} {percent(total[code])}</span>'
        for code, (zh, colour) in CODES_ZH.items()
        if code == "observed" or total[code] > 0
    )
    found = "、".join(
        f"{DATES_ZH['valid_' + name]} {count} 片" for name, count in facts.n_clouds.items()
    )
    told = f"程序自行认出的云：{found}。" if found else "程序没有自行判断云（按设置关闭）。"
    return (
        "\n".join(rows) + f'<div class="key">{key}</div><p class="soft">比例按影像全幅计，'
        "乡镇和村的可观测比例见套合分析。"
        f"{told}没有看到不等于没有变化。</p>"
    )


def _registration(facts: AlignFacts) -> str:
    one = facts.registration
    kind = KINDS_ZH.get(str(one["kind"]), str(one["kind"]))
    lines = [
        ("改正方式", kind),
        ("位置为准的影像", DATES_ZH["valid_after" if one["moved"] == "before" else "valid_before"]),
        ("平移（行，列）", f"{_px(one['shift_row_px'])}，{_px(one['shift_col_px'])} 像元"),
        ("同名点", f"{one['n_points']} 个，一致的 {one['n_used']} 个"),
        ("独立检查点", f"{one['n_check']} 个"),
        ("检查点残差中位数", f"{_px(one['residual_px'])} 像元"),
        ("检查点残差 95%", f"{_px(one['residual_p95_px'])} 像元"),
        ("提示限值（中位数）", f"{facts.limits_px['flag_median_px']:g} 像元"),
        ("停止限值（中位数）", f"{facts.limits_px['stop_median_px']:g} 像元"),
    ]
    table = "".join(f"<tr><th>{k}</th><td class=num>{escape(v)}</td></tr>" for k, v in lines)
    return f'<div class="two"><table>{table}</table><div>{_points(facts)}</div></div>'


def _points(facts: AlignFacts) -> str:
    """Where points agree and how well, on the image's frame."""
    rows, cols = facts.size_px
    scale = MAP_PX / max(rows, cols, 1)
    width, height = max(cols * scale, 1), max(rows * scale, 1)
    dots = "".join(
        f'<circle cx="{col * scale:.1f}" cy="{row * scale:.1f}" r="4" fill="{_colour(left)}"/>'
        for row, col, left in facts.points
    )
    key = "".join(
        f'<span><i style="background:{colour}"></i>{label}</span>'
        for label, colour in (
            (f"≤ {GOOD_PX:g}", _colour(GOOD_PX)),
            (f"≤ {FAIR_PX:g}", _colour(FAIR_PX)),
            (f"&gt; {FAIR_PX:g} 像元", _colour(FAIR_PX + 1)),
        )
    )
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
        f'{dots}</svg><div class="key">{key}</div>'
    )


def _colour(residual_px: float) -> str:
    if residual_px <= GOOD_PX:
        return "#1a7f4b"
    return "#e0a100" if residual_px <= FAIR_PX else "#c8281b"


def _radiometry(facts: AlignFacts) -> str:
    head = (
        "<tr><th>波段</th><th class=num>增益</th><th class=num>偏移（DN）</th>"
        "<th class=num>决定系数 R²</th><th class=num>均方根差 归一前（DN）</th>"
        "<th class=num>归一后（DN）</th></tr>"
    )
    rows = "".join(
        f"<tr><td>{ROLES_ZH.get(band.role, f'第 {number} 波段')}</td>"
        f"<td class=num>{band.gain:.4f}</td><td class=num>{band.offset:+.2f}</td>"
        f"<td class=num>{band.r2:.3f}</td><td class=num>{band.rmse_raw:.2f}</td>"
        f"<td class=num>{band.rmse_fitted:.2f}</td></tr>"
        for number, band in enumerate(facts.bands, start=1)
    )
    share = facts.n_invariant / facts.n_sample if facts.n_sample else 0.0
    return (
        f"<table>{head}{rows}</table>"
        "<p>变化前 ≈ 增益 × 变化后 + 偏移，只在不变像元上拟合："
        f"样本 {facts.n_sample:,} 个，其中不变 {facts.n_invariant:,} 个（{percent(share)}）。</p>"
        '<p class="soft">影像的像元值不改写，需要时才按此换算。'
        "R² 和均方根差都在不变像元上计算。</p>"
    )


def percent(share: float) -> str:
    """Two decimals, rounded down: 100 % means everything."""
    return f"{int(share * 10_000 + 1e-9) / 100:.2f}%"


def _px(value: int | float | str | None) -> str:
    return "未知" if value is None else f"{float(value):.2f}"
