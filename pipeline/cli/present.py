"""What the terminal shows: progress, end summaries, the run log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.units import format_mu100

if TYPE_CHECKING:
    from pipeline.io.runs import RunPaths
    from pipeline.stages.compare import Comparison
    from pipeline.stages.runner import Outcome


def progress(label: str, *, enabled: bool) -> Callable[[int, int], None]:
    """Rate and time left on a terminal, a plain line every few seconds in a log."""
    started = last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        is_terminal = sys.stderr.isatty()
        if not enabled or (now - last < (0.2 if is_terminal else 5.0) and done < total):
            return
        last, spent = now, now - started
        if not is_terminal and done == total and spent < 5.0:
            return
        left = spent / done * (total - done)
        text = f"{label} {done}/{total}（{done / max(spent, 1e-9):.1f}/秒，剩余约 {left:.0f} 秒）"
        end = "\n" if done == total or not is_terminal else ""
        print(f"\r\x1b[K{text}" if is_terminal else text, end=end, file=sys.stderr, flush=True)

    return show


def summarise(outcomes: list[Outcome]) -> None:
    """One line a stage, and what it had to say."""
    for outcome in outcomes:
        state = "已运行" if outcome.was_run else "未变化，跳过"
        say(f"{outcome.stage.name} {outcome.stage.label_zh}：{state}")
        for notice in outcome.notices:
            say(notice.render())


def summarise_comparison(result: Comparison, out: Path, seconds: float) -> None:
    """The end summary of a comparison: what was found, what was not seen, what was dropped."""
    summarise(list(result.outcomes))
    counts = result.counts
    mu = int(counts["patches_area_mu100"])
    say("—— 结果 ——")
    say(
        f"变化图斑（疑似，待核查）：{counts['patches']} 个，"
        f"{float(counts['patches_area_m2']):,.1f} 平方米，合 {format_mu100(mu)} 亩"
    )
    say(f"可观测比例：{100 * float(counts['observed_share']):.2f}%（未观测的地方不等于没有变化）")
    say(
        f"剔除：碎点 {counts['dropped_speckle']} 处，"
        f"小于最小面积 {counts['dropped_below_min_area']} 处（见 patches.gpkg 的 dropped 图层）"
    )
    say(f"按伪变化剔除：{_pseudo_changes(counts)}")
    _say_judged(counts)
    shift = counts["residual_px"]
    say(
        f"检测器 {counts['detector']}；配准平移（行，列）"
        f"（{counts['shift_row_px']:+.2f}，{counts['shift_col_px']:+.2f}）像元，"
        + ("残差未知" if shift is None else f"残差中位数 {float(shift):.2f} 像元")
    )
    say(
        f"成果：{out}（patches.gpkg、change.tif、score.tif、kind.tif、quicklook.png），"
        f"用时 {seconds:.1f} 秒"
    )


def _pseudo_changes(counts: Mapping[str, Any]) -> str:
    """How many objects each filter dropped, and how many were recalled."""
    from pipeline.config.load import CODES_DIR, load_codes
    from pipeline.patches.filter_params import FILTER_ORDER

    labels = load_codes(CODES_DIR / "drop_reason.csv").labels
    codes = [*FILTER_ORDER, "below_kind_min"]
    told = [f"{labels[c]} {counts[f'dropped_{c}']}" for c in codes if counts.get(f"dropped_{c}")]
    if counts.get("recalled"):
        told.append(f"人工召回 {counts['recalled']}")
    return "、".join(told) or "没有"


def _say_judged(counts: Mapping[str, Any]) -> None:
    """How many candidates of the construction network the scorecard turned down."""
    if counts.get("construction_candidates"):
        say(
            f"建设复核：疑似建设对象 {counts['construction_candidates']} 处，"
            f"{counts['construction_turned_down']} 处归入其他变化"
            f"（估计其中建设约占 {100 * float(counts['construction_share']):.0f}%）"
        )


def summarise_quarter(outcomes: list[Outcome], paths: RunPaths) -> None:
    """The end summary of a quarter: what was found, what waits for whom, where to look."""
    counts = {outcome.stage.name: outcome.counts for outcome in outcomes}
    if not {"intake", "extract", "screen", "package"} <= counts.keys():
        return
    found, screened, packed = counts["extract"], counts["screen"], counts["package"]
    n_issued, n_patches = int(found.get("issued", 0)), int(found["patches"])
    area = format_mu100(int(found["patches_area_mu100"]))
    say("—— 本期小结（图斑都是线索，疑似，待核查） ——")
    say(
        f"图斑 {n_patches} 个，合 {area} 亩：下发 {n_issued} 个（其中自主也检出 "
        f"{found.get('issued_detected', 0)} 个），自主提取 {n_patches - n_issued} 个"
    )
    say(f"按伪变化剔除（可召回）：{_pseudo_changes(found)}")
    _say_judged(found)
    say(
        f"可观测比例 {100 * float(found['observed_share']):.2f}%；未观测的地方不等于没有变化，"
        f"下发图斑中看不见的 {found.get('issued_unobserved', 0)} 个"
    )
    say(f"程序初判：{_class_counts(screened)}")
    if screened.get("assumptions"):
        say(f"其中用到示例口径 {screened['assumptions']} 项，待上级文件确认（configs/rules/）")
    say("请看：")
    notices = counts["intake"]["findings_notice"]
    say(f"  1. 数据有没有问题（提示 {notices} 条）：{paths.intake_report}")
    say(f"  2. 全县图斑，用 QGIS 打开：{paths.delivery / 'county.qgz'}")
    say(f"  3. 核查包 {packed['packages']} 个，zip 发给乡镇：{paths.packages}")
    say(f"  4. 空白认定表、案件表：{paths.delivery}")


def summarise_close(outcomes: list[Outcome], paths: RunPaths) -> None:
    """The end summary of a closed quarter: what came back, what the books say, where to look."""
    counts = {outcome.stage.name: outcome.counts for outcome in outcomes}
    if not {"collect", "statistics", "report"} <= counts.keys():
        return
    got = counts["collect"]
    say("—— 收口小结 ——")
    say(f"收到填报 {got['received']} 条：接收 {got['accepted']}，退回 {got['rejected']}")
    say("请看：")
    say(f"  1. 每条填报的回执：{paths.receipts}；还没交的图斑：{paths.missing_returns}")
    say(f"  2. 统计表：{paths.tables_workbook}；图：{paths.books.with_suffix('.qgz')}")
    say(f"  3. 领导简报（两页）：{paths.brief / 'brief.pdf'}，可编辑的 brief.docx")


def summarise_truth(told: Mapping[str, Any]) -> None:
    """Detection and screening against what was planted, with every case that came out otherwise;
    `told` are the figures of `evaluate.json`."""
    patch = told["patch"]
    faint = patch["low_contrast"]
    found_faint = round((faint["recall"] or 0.0) * faint["n_truth"])
    say("—— 与真值对照（检测不用下发图斑） ——")
    say(
        f"可观测、不小于 400 平方米的建设：{patch['n_truth']} 处，检出 {patch['n_found']} 处；"
        f"其中低对比度 {faint['n_truth']} 处，检出 {found_faint} 处"
    )
    say(
        f"报为建设、不小于 400 平方米的图斑：{patch['n_predicted']} 个，"
        f"其中确为建设 {patch['n_correct']} 个"
    )
    cases = told.get("cases")
    if cases is None:
        return
    say(
        f"初判类别与真值一致：{cases['hits']} / {cases['total']}；"
        f"其中下发的 {cases['issued_hits']} / {cases['issued_total']}；"
        f"{cases['kinds']} 种情形中至少一处一致的 {cases['kinds_hit']} 种"
    )
    for case in cases["rows"]:
        if not case["is_hit"]:
            got = case["found_class"] or case["dropped_reason"]
            say(f"  {case['truth_id']} {case['case_id']}：应为 {case['expected_class']}，得 {got}")


def summarise_detectors(told: Mapping[str, Any]) -> None:
    """Every detector on one line, if several were measured."""
    for name, one in told.get("detectors", {}).items():
        figures = {"F1": one["f1"], "Kappa": one["kappa"], "AUC": one["auc"]}
        figures |= {"图斑召回": one["patch"]["recall"], "图斑精确": one["patch"]["precision"]}
        cells = (f"{key} {'—' if v is None else f'{v:.3f}'}" for key, v in figures.items())
        say(f"  {name:<10} " + "　".join(cells))


def _class_counts(counts: Mapping[str, Any]) -> str:
    """How many patches of each suspected class, in the order of the code table."""
    from pipeline.config.load import CODES_DIR, load_codes

    labels = load_codes(CODES_DIR / "suspected_class.csv").labels
    found = ((label, counts.get(f"class_{code}", 0)) for code, label in labels.items())
    return "，".join(f"{label} {number}" for label, number in found if number)


def log(path: Path, outcomes: list[Outcome], seconds: float) -> None:
    """One line a run; times belong here and never into a result."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    parts = ",".join(f"{o.stage.name}={'run' if o.was_run else 'skip'}" for o in outcomes)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(f"{stamp} {__version__} {parts} {seconds:.1f}s\n")


STATUS_ZH = {
    "layers": "图层",
    "features": "要素",
    "findings_blocking": "阻断",
    "findings_notice": "提示",
    "tie_points_used": "配准点",
    "residual_px": "配准残差（像元）",
    "unobserved_pixels": "未观测像元",
    "detector": "检测器",
    "patches": "图斑",
    "patches_area_mu100": "面积（亩）",
    "issued": "其中下发",
    "issued_detected": "下发的自主也检出",
    "observed_share": "可观测比例",
    "parts": "分块",
    "straddling": "跨乡镇图斑",
    "outside_townships": "乡镇以外图斑",
    "class_suspected_violation": "疑似违法",
    "class_approved": "可排除",
    "class_unobserved": "无法判定",
    "assumptions": "示例口径（项）",
    "packages": "核查包",
    "received": "收到",
    "accepted": "接收",
    "rejected": "退回",
    "missing": "还没交的图斑",
    "open_conflicts": "未裁决的矛盾",
    "tables": "统计表",
    "violations": "违法用地图斑（已签署）",
    "cases": "案件",
    "unequal": "校核不符",
    "townships": "乡镇",
}
"""The figures of a stage that the display shows, in this order; the manifest has all."""


def status_line(counts: Mapping[str, Any]) -> str:
    """The main figures of a finished stage for the status display."""
    told = (
        f"{label} {_figure(key, counts[key])}" for key, label in STATUS_ZH.items() if key in counts
    )
    return "，".join(told)


def _figure(key: str, value: Any) -> str:
    if key.endswith("_mu100"):
        return format_mu100(int(value))
    if key.endswith("_share"):
        return f"{100 * float(value):.2f}%"
    if value is None:
        return "未知"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)
