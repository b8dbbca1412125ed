"""A made-up county's books, as `statistics/tables.json` holds them, for tests of the brief."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.brief_words import BriefHead

COUNTY, COUNTY_CODE = "示例县", "379999"
_NAMES = (
    "城关镇 柳林镇 东河乡 石桥镇 南山街道 北岭乡 开发区 清水镇 双塔乡 马家店镇 白云镇 三里乡 "
    "新集镇 大泉乡 黄土岭镇 临河镇 龙潭乡 高庄镇 西苑街道 红旗乡 杨树镇 太平镇 和顺乡 青石镇 "
    "长岭乡 金水镇 万寿街道 桃园镇 草庙乡 七里河镇"
)
NAMES = _NAMES.split()
ASSUMED = "示例口径，待上级文件确认"
HEAD = BriefHead(
    COUNTY, "2024年示范期", "内部资料　注意保管", "2024-05-06", "2024-10-18",
    "2025-06-30",
)  # fmt: skip
SHARES = ("nodata_ratio", "cloud_ratio", "shadow_ratio", "other_ratio")
GROUPS = {"issued": "下发", "detected": "自主提取"}
MEASURES = {"永久基本农田": 5.0, "自然保护地": 5.0, "一般耕地": 10.0}
CLOCKS = ("乡镇核查", "立案", "查处整改", "整改验收")
LABELS = {
    "patches": "图斑", "area_mu": "面积", "cultivated_mu": "耕地", "pbf_mu": "永久基本农田",
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What a made-up county is like."""

    townships: int = 6
    patches: int = 9
    """Most patches of a township."""
    has_denominator: bool = True
    unobserved: tuple[int, ...] = ()
    """Townships that nobody saw."""
    seed: int = 3


def make_tables(plan: Plan | None = None) -> dict[str, Any]:
    """All tables that the brief reads; sums are right, figures are invented."""
    plan = plan or Plan()
    towns = [_town(number, plan) for number in range(plan.townships)]
    return {
        "T01": _t01(towns),
        "T02": _t02(towns),
        "T04": _t04(towns),
        "T05": _t05(towns),
        "T06": _t06(towns, plan),
        "T07": _t07(towns),
        "T10": _t10(towns),
        "T11": _t11(towns),
        "T12": _table(
            "T12_list",
            [
                {"source_group": "下发", "transfer": "达线" if t["pbf"] > 500 else None}
                for t in towns
            ],
            [],
        ),
        "T15": _table("T15_reconcile", [{"identity": "T01＝T12", "is_equal": "相符"}] * 12, []),
    }


def make_outlines(plan: Plan | None = None) -> dict[str, BaseGeometry]:
    """Outlines of the townships, metres: cells of a county with a ragged edge."""
    plan = plan or Plan()
    rng = np.random.default_rng(plan.seed)
    seeds = rng.uniform(0, 30_000, (plan.townships, 2))
    frame = shapely.Point(15_000, 14_000).buffer(15_000).union(shapely.box(9_000, 0, 26_000, 9_000))
    cells = shapely.get_parts(
        shapely.voronoi_polygons(shapely.multipoints(seeds), extend_to=frame, only_edges=False)
    )
    codes = {}
    for number, seed in enumerate(seeds):
        cell = next(c for c in cells if c.contains(shapely.Point(seed)))
        part = cell.intersection(frame)
        codes[code_of(number)] = part if part.area > 0 else shapely.Point(seed).buffer(900)
    return {
        code: shapely.transform(shape, lambda xy: xy + np.array([500_000, 3_400_000]))
        for code, shape in codes.items()
    }


def code_of(number: int) -> str:
    return f"{COUNTY_CODE}{(number + 1) * 3:03d}"


def _town(number: int, plan: Plan) -> dict[str, Any]:
    rng = random.Random(plan.seed * 1000 + number)
    is_unseen = number in plan.unobserved
    n = 0 if is_unseen else rng.randint(min(1, plan.patches), plan.patches)
    judged = max(0, n - rng.randint(0, 2))
    violations = rng.randint(0, judged)
    area = sum(rng.randint(40, 1500) for _ in range(violations))
    cultivated = round(area * rng.uniform(0.2, 0.9))
    left = round(area * rng.choice([0, 0.2, 0.5, 1.0]))
    return {
        "code": code_of(number),
        "name": NAMES[number],
        "n": n,
        "answered": max(judged, n - rng.randint(0, 1)),
        "judged": judged,
        "violations": violations,
        "cases": max(violations - 1, min(violations, 1)),
        "area": area,
        "cultivated": cultivated,
        "pbf": round(cultivated * rng.choice([0, 0, 0.1, 0.6])),
        "reserve": rng.choice([0, 0, 0, 230]) if area else 0,
        "left": left,
        "detected": 0 if is_unseen else rng.randint(0, 5),
        "seen": 0.0 if is_unseen else rng.choice([100.0, 99.87, 98.2, 91.35]),
    }


def _mu(mu100: int) -> float:
    return round(mu100 / 100, 2)


def _table(name: str, rows: list[dict[str, Any]], totals: list[dict[str, Any]]) -> dict[str, Any]:
    keys = list(rows[0]) if rows else []
    columns = [{"key": key, "label": LABELS.get(key, key), "unit": ""} for key in keys]
    return {
        "name": name,
        "title": name,
        "columns": columns,
        "rows": rows,
        "totals": totals,
        "assumptions": [],
        "notes": [],
    }


def _head(town: dict[str, Any], group: str) -> dict[str, Any]:
    return {"unit_code": town["code"], "unit_name": town["name"], "source_group": group}


def _total(group: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"unit_code": COUNTY_CODE, "unit_name": name, "source_group": group, **values}


def _added(rows: list[dict[str, Any]], keys: list[str]) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for key in keys:
        numbers = [row[key] for row in rows if isinstance(row[key], int | float)]
        is_count = all(isinstance(n, int) for n in numbers)
        sums[key] = sum(numbers) if is_count else round(sum(numbers), 2)
    return sums


def _t01(towns: list[dict[str, Any]]) -> dict[str, Any]:
    rows = []
    for t in towns:
        for group in GROUPS.values():
            issued = group == "下发"
            n = t["n"] if issued else t["detected"]
            counts: dict[str, Any] = {
                "patches": n,
                "sent": n,
                "answered": t["answered"] if issued else 0,
                "unanswered": n - t["answered"] if issued else n,
                "judged": t["judged"] if issued else 0,
                "unjudged": n - t["judged"] if issued else n,
            }
            if t["seen"] == 0:
                counts = dict.fromkeys(counts, "未观测")
            area = {"area_mu": _mu(n * 517)}
            rows.append({**_head(t, group), "observed_ratio": _seen_cell(t), **counts, **area})
    keys = ["patches", "sent", "answered", "unanswered", "judged", "unjudged", "area_mu"]
    totals = [
        _total(group, f"{group}合计", {"observed_ratio": _seen(towns), **_added(own, keys)})
        for group in GROUPS.values()
        if (own := [row for row in rows if row["source_group"] == group]) or True
    ]
    return _table("T01_patches", rows, totals)


def _seen_cell(town: dict[str, Any]) -> float | str:
    return town["seen"] or "未观测"


def _seen(towns: list[dict[str, Any]]) -> float:
    return round(sum(t["seen"] for t in towns) / len(towns), 2)


def _t02(towns: list[dict[str, Any]]) -> dict[str, Any]:
    rows = []
    for t in towns:
        for group in GROUPS.values():
            for judgement in ("违法用地", "合法新增建设用地", "其他用地", "未判定"):
                own = group == "下发" and judgement == "违法用地"
                rows.append(
                    {
                        **_head(t, group),
                        "judgement": judgement,
                        "patches": t["violations"] if own else 0,
                        "unmeasured": t["violations"] // 2 if own else 0,
                        "area_mu": _mu(t["area"]) if own else 3.25,
                        "cultivated_mu": _mu(t["cultivated"]) if own else 0.0,
                        "pbf_mu": _mu(t["pbf"]) if own else 0.0,
                    }
                )
    keys = ["patches", "unmeasured", "area_mu", "cultivated_mu", "pbf_mu"]
    totals = []
    for group in GROUPS.values():
        for judgement in ("违法用地", "合法新增建设用地", "其他用地", "未判定"):
            own_rows = [
                r for r in rows if r["source_group"] == group and r["judgement"] == judgement
            ]
            values = {"judgement": judgement, **_added(own_rows, keys)}
            totals.append(_total(group, f"{group}合计", values))
    return _table("T02_judged", rows, totals)


def _t04(towns: list[dict[str, Any]]) -> dict[str, Any]:
    rows = []
    for t in towns:
        for group in GROUPS.values():
            own = t if group == "下发" else dict.fromkeys(t, 0)
            rate = round(100 * (own["area"] - own["left"]) / own["area"], 2) if own["area"] else 0
            rows.append(
                {
                    **_head(t, group),
                    "violations": own["violations"],
                    "cases": own["cases"],
                    "no_case": 1 if own["violations"] > 5 else 0,
                    "rectification_rate": rate if own["cases"] else "无法计算",
                    "area_mu": _mu(own["area"]),
                    "cultivated_mu": _mu(own["cultivated"]),
                    "unrectified_mu": _mu(own["left"]),
                }
            )
    keys = ["violations", "cases", "no_case", "area_mu", "cultivated_mu", "unrectified_mu"]
    totals = []
    for group in GROUPS.values():
        values = _added([r for r in rows if r["source_group"] == group], keys)
        rate = 61.54 if values["cases"] else "无法计算"
        totals.append(_total(group, f"{group}合计", {**values, "rectification_rate": rate}))
    return _table("T04_rectification", rows, totals)


def _t05(towns: list[dict[str, Any]]) -> dict[str, Any]:
    rows = []
    for t in towns:
        base, left, pbf = t["cultivated"] + 120 if t["area"] else 0, t["left"], t["pbf"]
        rows.append(
            {
                **_head(t, "下发"),
                "target_year": 2025,
                "base_before_mu": _mu(base),
                "base_after_mu": _mu(min(base, left)),
                "base_pbf_after_mu": _mu(min(pbf, left)),
                "deduction_before_mu": _mu(base + pbf),
                "deduction_after_mu": _mu(min(base, left) + min(pbf, left)),
                "quota_deducted_mu": _mu(left // 2),
                "quota_closing_mu": _mu(5000 - left // 2),
            }
        )
    keys = [key for key in rows[0] if key.endswith("_mu")]
    table = _table("T05_quota", rows, [_total("下发", "下发合计", _added(rows, keys))])
    table["assumptions"] = [
        "扣减基数（quota.base）＝new_construction",
        "一般扣减系数（quota.coefficient_general）＝1",
        "永久基本农田扣减系数（quota.coefficient_pbf）＝2",
        "拆除复耕核减比例（quota.net_demolished）＝1",
        "补办手续核减比例（quota.net_regularised）＝1",
        "立案查处到位核减比例（quota.net_closed）＝0",
    ]
    return table


def _t06(towns: list[dict[str, Any]], plan: Plan) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    units = [(COUNTY_CODE, COUNTY, towns), *((t["code"], t["name"], [t]) for t in towns)]
    for number, (code, name, own) in enumerate(units):
        cultivated, left = sum(t["cultivated"] for t in own), sum(t["left"] for t in own)
        denominator = cultivated * 6 + 1200
        is_known = plan.has_denominator and number != 3
        ratio = round(100 * cultivated / denominator, 2)
        verdict = "达到" if ratio >= 15 else "未达到（不等于免责）"
        reading = verdict if number == 0 else f"参照：{verdict}"
        for period in ("本期", "年度累计"):
            if number == 0 and period == "本期":
                text = f"进度参考：{verdict}" if is_known else "无法计算"
            else:
                text = reading if is_known else "无法计算"
            rows.append(
                {
                    "unit_code": code,
                    "unit_name": name,
                    "source_group": "下发",
                    "period": period,
                    "denominator_cultivated_mu": _mu(denominator) if is_known else "未提供",
                    "violation_cultivated_mu": _mu(cultivated),
                    "cultivated_ratio": ratio if is_known else "无法计算",
                    "net_cultivated_ratio": (
                        round(100 * left / 2 / denominator, 2) if is_known else "无法计算"
                    ),
                    "new_ratio": "无法计算",
                    "net_new_ratio": "无法计算",
                    "unrectified_area_ratio": 41.07 if cultivated else "无法计算",
                    "threshold": 15.0,
                    "reading": text,
                    "net_reading": text,
                }
            )
    return _table("T06_ratio", rows, [])


def _t07(towns: list[dict[str, Any]]) -> dict[str, Any]:
    rows = []
    for t in towns:
        areas = {
            "永久基本农田": t["pbf"],
            "自然保护地": t["reserve"],
            "一般耕地": t["cultivated"] - t["pbf"],
        }
        for measure, line in MEASURES.items():
            area = areas[measure]
            after = min(area, t["left"])
            rows.append(
                {
                    **_head(t, "下发"),
                    "measure": measure,
                    "line_mu": line,
                    "before_mu": _mu(area),
                    "before_label": "预警" if area >= line * 100 else "未达到",
                    "after_mu": _mu(after),
                    "after_label": "预警" if after >= line * 100 else "未达到",
                    "concealed_before_label": "无法计算" if t["violations"] > 2 else "未达到",
                }
            )
    return _table("T07_talks", rows, [])


def _t10(towns: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("due", "on_time", "late", "open_overdue", "open_not_due", "unknown")
    n = sum(t["n"] for t in towns)
    totals = []
    for number, clock in enumerate(CLOCKS):
        late, overdue, ahead, unknown = min(n, number), min(n, number // 2), 0, 0
        values = (n, max(0, n - late - overdue), late, overdue, ahead, unknown)
        line = {"clock": clock, **dict(zip(keys, values, strict=True))}
        totals.append(_total("下发", "下发合计", line))
    return _table("T10_clocks", [], totals)


def _t11(towns: list[dict[str, Any]]) -> dict[str, Any]:
    rows = []
    for t in towns:
        lost = round(100 - t["seen"], 2)
        shares = dict(zip(SHARES, (0.0, lost, 0.0, 0.0), strict=True))
        rows.append(
            {
                "unit_code": t["code"],
                "unit_name": t["name"],
                "land_mu": 4000.0,
                "observed_ratio": _seen_cell(t),
                **shares,
            }
        )
    seen = _seen(towns)
    shares = dict(zip(SHARES, (0.0, round(100 - seen, 2), 0.0, 0.0), strict=True))
    total = {"unit_code": COUNTY_CODE, "unit_name": "全县", "observed_ratio": seen, **shares}
    return _table("T11_observed", rows, [total])
