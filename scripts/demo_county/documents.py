"""The papers about land: approvals, supply, registration, filings, permits, with their dates.

Rows carry `geometry` in scene metres and the source's own field names.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from shapely import Polygon, box
from shapely.affinity import rotate, translate

from .plants import Plant
from .siting import Ground

Row = dict[str, object]
MARGIN_M = 6.0
"""How far papers reach beyond what was built under them."""
COVERED_SHARE = 0.60
"""Of a plant that got less approved than it took."""
HOLDERS = (
    "示例县宏垟建材有限公司", "示例县漷河农机专业合作社", "堉阳镇人民政府",
    "示例县瀍水食品有限公司", "示例县双槐物流有限公司",
    "示例县白鹭新能源有限公司", "示例县城乡建设投资有限公司",
    "示例县月湖家庭农场", "示例县长埠机械厂", "示例县古井畜禽养殖专业合作社",
)  # fmt: skip
PROJECTS = (
    "加工厂房",
    "仓储物流中心",
    "农产品交易点",
    "机械维修车间",
    "建材堆场",
    "生产用房",
    "配套服务用房",
)
FILINGS = ("日光温室大棚", "育苗大棚", "畜禽养殖圈舍", "粮食晾晒烘干用房")


@dataclass(eq=False)
class Papers:
    """Rows of each layer, and what happened when."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    events: list[Row] = field(default_factory=list)


def write_papers(plants: list[Plant], ground: Ground) -> Papers:
    """Every paper of the county."""
    rng = np.random.default_rng([ground.county.seed, 11])
    papers = Papers()
    for plant in plants:
        _event(papers, plant, "works_started", plant.started, "动工")
        _papers_for(papers, rng, plant)
    _unrelated(papers, rng, plants, ground)
    county = ground.county
    papers.rows["mining_rights"].append(
        {"CKQH": "C3799992020017110999999", "KZ": "建筑用石料", "QSRQ": "20200601",
         "JZRQ": "20300531", "KQR": "示例县垟坪采石场", "geometry": county.quarry_right}
    )  # fmt: skip
    return papers


def _day(rng: np.random.Generator, first: str, last: str) -> str:
    span = int((np.datetime64(last) - np.datetime64(first)).astype(int))
    return str(np.datetime64(first) + np.timedelta64(int(rng.integers(0, span + 1)), "D"))


def _event(papers: Papers, plant: Plant, event: str, date: str, text: str) -> None:
    papers.events.append({"truth_id": plant.truth_id, "event": event, "date": date, "text": text})


def _compact(date: str) -> str:
    return date.replace("-", "")


def _around(plant: Plant) -> Polygon:
    if plant.approval_shape is not None:
        return plant.approval_shape
    return plant.footprint.buffer(MARGIN_M, join_style="mitre")


def _most_of(plant: Plant, share: float) -> Polygon:
    """The covered share of the footprint, cut across its longer side, with margins elsewhere."""
    corners = np.asarray(plant.footprint.exterior.coords)[:3]
    along = corners[1] - corners[0]
    angle = float(np.degrees(np.arctan2(along[1], along[0])))
    flat = rotate(_around(plant), -angle, origin=tuple(corners[0]))
    inner = rotate(plant.footprint, -angle, origin=tuple(corners[0]))
    x0, _, x1, _ = inner.bounds
    outer = flat.bounds
    kept = box(outer[0], outer[1], x0 + share * (x1 - x0), outer[3])
    return rotate(flat.intersection(kept), angle, origin=tuple(corners[0]))


def _papers_for(papers: Papers, rng: np.random.Generator, plant: Plant) -> None:
    what = plant.case.documents
    holder, project = str(rng.choice(HOLDERS)), str(rng.choice(PROJECTS))
    if what in ("approved", "part_approved") and plant.case.case_id != "sliver":
        shape = _around(plant) if what == "approved" else _most_of(plant, COVERED_SHARE)
        dates = _day(rng, "2023-02-01", "2023-08-31"), _day(rng, "2023-10-01", "2024-03-31")
        _approve(papers, plant, shape, (holder, project), dates)
        if plant.case.region in ("zone", "urban"):
            _permit(papers, plant, shape, holder, _day(rng, "2024-04-01", "2024-04-28"))
    elif what == "approved_late":
        dates = _day(rng, "2024-11-04", "2024-11-20"), _day(rng, "2024-12-02", "2024-12-20")
        _approve(papers, plant, _around(plant), (holder, project), dates)
    elif what == "approved_between":
        dates = _day(rng, "2024-07-01", "2024-07-20"), _day(rng, "2024-08-01", "2024-08-20")
        _approve(papers, plant, _around(plant), (holder, project), dates)
    elif what == "approval_only":
        dates = _day(rng, "2023-02-01", "2023-12-20"), ""
        _approve(papers, plant, _around(plant), (holder, project), dates)
    elif what == "registration":
        date = _day(rng, "2021-01-10", "2023-12-20")
        number = f"379999GB{int(plant.truth_id[1:]):05d}"
        papers.rows["registration"].append(
            {"BDCDYH": number, "DJRQ": _compact(date), "QLR": holder, "geometry": _around(plant)}
        )
        _event(papers, plant, "registered", date, f"不动产登记 {number}")
    elif what in ("temporary_valid", "temporary_expired"):
        _temporary(papers, rng, plant, holder)
    elif what == "facility":
        _filing(papers, rng, plant, holder)


def _approve(
    papers: Papers, plant: Plant, shape: Polygon, who: tuple[str, str], dates: tuple[str, str]
) -> None:
    number = len(papers.rows["approvals"]) + 1
    document = f"示政土批〔{dates[0][:4]}〕{number}号"
    papers.rows["approvals"].append(
        {"PZWH": document, "XMMC": who[1], "PZRQ": _compact(dates[0]), "YDDW": who[0],
         "geometry": shape}
    )  # fmt: skip
    _event(papers, plant, "approved", dates[0], f"批文 {document}")
    if dates[1]:
        contract = f"379999-{dates[1][:4]}-CR-{len(papers.rows['supply']) + 1:04d}"
        papers.rows["supply"].append(
            {"HTBH": contract, "XMMC": who[1], "GDRQ": _compact(dates[1]), "YDDW": who[0],
             "geometry": shape}
        )  # fmt: skip
        _event(papers, plant, "supplied", dates[1], f"供地 {contract}")


def _permit(papers: Papers, plant: Plant, shape: Polygon, holder: str, date: str) -> None:
    number = f"建字第379999{date[:4]}{len(papers.rows['permits']) + 1:04d}号"
    papers.rows["permits"].append(
        {"XKZH": number, "XKLX": "建设工程", "XKRQ": _compact(date), "YDDW": holder,
         "geometry": shape}
    )  # fmt: skip
    _event(papers, plant, "permitted", date, f"建设工程规划许可 {number}")


def _temporary(papers: Papers, rng: np.random.Generator, plant: Plant, holder: str) -> None:
    is_valid = plant.case.documents == "temporary_valid"
    dates = ("20231009", "20251008") if is_valid else ("20220315", "20240314")
    date = (
        _day(rng, "2023-09-01", "2023-10-08") if is_valid else _day(rng, "2022-02-10", "2022-03-14")
    )
    document = f"示自然资临〔{date[:4]}〕{len(papers.rows['temporary_land']) + 1}号"
    papers.rows["temporary_land"].append(
        {"PZWH": document, "XMMC": "施工便道及材料堆场", "PZRQ": _compact(date), "QSRQ": dates[0],
         "JZRQ": dates[1], "YDDW": holder, "geometry": _around(plant)}
    )  # fmt: skip
    _event(papers, plant, "temporary_approved", date, f"临时用地 {document}，至 {dates[1]}")


def _filing(papers: Papers, rng: np.random.Generator, plant: Plant, holder: str) -> None:
    date = _day(rng, "2023-03-01", "2024-04-20")
    document = f"示设农备〔{date[:4]}〕{len(papers.rows['facility_land']) + 1}号"
    papers.rows["facility_land"].append(
        {"BABH": document, "XMMC": "设施农业项目", "BARQ": _compact(date), "QSRQ": _compact(date),
         "JZRQ": f"{int(date[:4]) + 5}{_compact(date)[4:]}", "PZYT": str(rng.choice(FILINGS)),
         "YDDW": holder, "geometry": _around(plant)}
    )  # fmt: skip
    _event(papers, plant, "filed", date, f"设施农用地备案 {document}")


def _unrelated(
    papers: Papers, rng: np.random.Generator, plants: list[Plant], ground: Ground
) -> None:
    """Papers for land on which nothing happened yet, and rural permits of old houses."""
    taken = [p.footprint.buffer(40) for p in plants]
    farms = [p.polygon for p in ground.land if p.code.startswith("01") and p.polygon.area > 8000]
    free = [f for f in farms if not any(f.intersects(t) for t in taken)]
    for k in rng.permutation(len(free))[:6]:
        at = free[int(k)].representative_point()
        lot = translate(box(-20, -15, 20, 15), at.x, at.y)
        papers.rows["approvals"].append(
            {"PZWH": f"示政土批〔2024〕{len(papers.rows['approvals']) + 1}号",
             "XMMC": str(rng.choice(PROJECTS)),
             "PZRQ": _compact(_day(rng, "2024-01-05", "2024-09-20")),
             "YDDW": str(rng.choice(HOLDERS)), "geometry": lot}
        )  # fmt: skip
    for place in ground.county.settlements[:12]:
        lot = translate(box(-8, -8, 8, 8), *place.centre)
        date = _day(rng, "2021-03-01", "2023-11-30")
        papers.rows["permits"].append(
            {"XKZH": f"乡字第379999{date[:4]}{len(papers.rows['permits']) + 1:04d}号",
             "XKLX": "乡村", "XKRQ": _compact(date), "YDDW": "村民建房户", "geometry": lot}
        )  # fmt: skip
